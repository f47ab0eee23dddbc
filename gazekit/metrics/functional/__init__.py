"""Metrics as pure functions: tensors (or numpy arrays) in, tensors out, nothing accumulated."""

from gazekit.metrics.functional.agreement import cohen_kappa, krippendorff_alpha, sample_f1
from gazekit.metrics.functional.angular_error import (
    angular_error_deg,
    direction_of_pitch_yaw,
    direction_of_yaw_pitch,
)
from gazekit.metrics.functional.average_precision import average_precision
from gazekit.metrics.functional.behaviour import PARTS, behaviour, behaviour_delta, behaviour_parts
from gazekit.metrics.functional.detection import (
    DETECTION_PARTS,
    box_iou,
    detection_ap,
    detection_ap_per_class,
)
from gazekit.metrics.functional.edit_distance import edit_distance
from gazekit.metrics.functional.encoding import normalised_correlation, normalised_r2, pearson, r2_score
from gazekit.metrics.functional.events import (
    TIMING_PARTS,
    EventMatches,
    Events,
    event_f1,
    event_timing_ms,
    labels_to_events,
    match_events,
)
from gazekit.metrics.functional.gaze_distance import (
    distance_to_mean_norm,
    gaze_angle_deg,
    mean_distance_norm,
    min_distance_norm,
)
from gazekit.metrics.functional.gaze_following import attention_target_auc, gazefollow_auc, heatmap_point_norm
from gazekit.metrics.functional.grouping import Grouping, simplify_scanpaths
from gazekit.metrics.functional.identification import identification_accuracy, two_versus_two
from gazekit.metrics.functional.information_gain import information_gain_bits, information_gain_sums
from gazekit.metrics.functional.multimatch import (
    MULTIMATCH_PARTS,
    SaccadeAlignment,
    multimatch,
    multimatch_alignment,
)
from gazekit.metrics.functional.noise_ceiling import (
    explainable_variance,
    noise_ceiling,
    noise_ceiling_of_means,
)
from gazekit.metrics.functional.point_sets import hausdorff_px
from gazekit.metrics.functional.rsa import RSACeiling, rdm, rsa, rsa_ceiling
from gazekit.metrics.functional.search_slopes import asymmetry_index, search_slope
from gazekit.metrics.functional.segmentation import class_dice, class_iou, dice, iou, macro_dice, macro_iou
from gazekit.metrics.functional.sequence_score import sequence_score
from gazekit.metrics.functional.visual_search import (
    probability_mismatch,
    scanpath_ratio,
    steps_to_target,
    target_found_curve,
    tfp_auc,
    tfp_auc_mean,
)
from gazekit.metrics.functional.warping import dtw_px, frechet_px

__all__ = [
    "DETECTION_PARTS",
    "MULTIMATCH_PARTS",
    "PARTS",
    "TIMING_PARTS",
    "EventMatches",
    "Events",
    "Grouping",
    "RSACeiling",
    "SaccadeAlignment",
    "angular_error_deg",
    "asymmetry_index",
    "attention_target_auc",
    "average_precision",
    "behaviour",
    "behaviour_delta",
    "behaviour_parts",
    "box_iou",
    "class_dice",
    "class_iou",
    "cohen_kappa",
    "detection_ap",
    "detection_ap_per_class",
    "dice",
    "direction_of_pitch_yaw",
    "direction_of_yaw_pitch",
    "distance_to_mean_norm",
    "dtw_px",
    "edit_distance",
    "event_f1",
    "event_timing_ms",
    "explainable_variance",
    "frechet_px",
    "gaze_angle_deg",
    "gazefollow_auc",
    "hausdorff_px",
    "heatmap_point_norm",
    "identification_accuracy",
    "information_gain_bits",
    "information_gain_sums",
    "iou",
    "krippendorff_alpha",
    "labels_to_events",
    "macro_dice",
    "macro_iou",
    "match_events",
    "mean_distance_norm",
    "min_distance_norm",
    "multimatch",
    "multimatch_alignment",
    "noise_ceiling",
    "noise_ceiling_of_means",
    "normalised_correlation",
    "normalised_r2",
    "pearson",
    "probability_mismatch",
    "r2_score",
    "rdm",
    "rsa",
    "rsa_ceiling",
    "sample_f1",
    "scanpath_ratio",
    "search_slope",
    "sequence_score",
    "simplify_scanpaths",
    "steps_to_target",
    "target_found_curve",
    "tfp_auc",
    "tfp_auc_mean",
    "two_versus_two",
]
