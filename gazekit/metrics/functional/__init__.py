"""Metrics as pure functions: tensors (or numpy arrays) in, tensors out, nothing accumulated."""

from gazekit.metrics.functional.accuracy import accuracy
from gazekit.metrics.functional.agreement import cohen_kappa, krippendorff_alpha, sample_f1
from gazekit.metrics.functional.angular_error import (
    angular_error_deg,
    direction_of_pitch_yaw,
    direction_of_yaw_pitch,
)
from gazekit.metrics.functional.auc import auc, auc_judd
from gazekit.metrics.functional.average_precision import average_precision
from gazekit.metrics.functional.behaviour import PARTS, behaviour, behaviour_delta, behaviour_parts
from gazekit.metrics.functional.clusters import cluster_labels, fit_clusters
from gazekit.metrics.functional.conditional import (
    conditional_auc,
    conditional_information_gain_bits,
    conditional_nss,
)
from gazekit.metrics.functional.density import center_bias_density, density_of_map, fixation_density
from gazekit.metrics.functional.detection import (
    DETECTION_PARTS,
    box_iou,
    detection_ap,
    detection_ap_per_class,
)
from gazekit.metrics.functional.durations import duration_calibration, duration_gain_nats
from gazekit.metrics.functional.earth_movers import earth_movers_distance
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
    direction_error_deg,
    distance_to_mean_norm,
    gaze_angle_deg,
    mean_distance_norm,
    min_distance_norm,
)
from gazekit.metrics.functional.gaze_following import attention_target_auc, gazefollow_auc
from gazekit.metrics.functional.gaze_objects import looking_at_head_precision, point_in_mask
from gazekit.metrics.functional.grouping import Grouping, simplify_scanpaths
from gazekit.metrics.functional.heatmap_point import heatmap_point_norm
from gazekit.metrics.functional.identification import identification_accuracy, two_versus_two
from gazekit.metrics.functional.information_gain import (
    information_gain_bits,
    information_gain_sums,
    information_gain_with_stop_bits,
)
from gazekit.metrics.functional.labels import class_labels, grid_labels, repeat_by_duration
from gazekit.metrics.functional.mannan import mannan_similarity, mannan_squared_distance
from gazekit.metrics.functional.map_likelihood import log_likelihood_nats, map_information_gain_bits
from gazekit.metrics.functional.map_similarity import correlation_coefficient, kld, similarity
from gazekit.metrics.functional.motion import (
    direction_correlation,
    end_point_error,
    flow_correlation,
    partial_flow_correlation,
    response_consistency,
    speed_correlation,
)
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
from gazekit.metrics.functional.nss import nss
from gazekit.metrics.functional.point_sets import euclidean_px, eyenalysis_px, hausdorff_px
from gazekit.metrics.functional.recurrence import RECURRENCE_PARTS, cross_recurrence
from gazekit.metrics.functional.retrieval import RETRIEVAL_PARTS, retrieval_top_k
from gazekit.metrics.functional.rsa import RSACeiling, rdm, rsa, rsa_ceiling
from gazekit.metrics.functional.sampled_auc import auc_borji, auc_shuffled_matlab
from gazekit.metrics.functional.scanmatch import scanmatch
from gazekit.metrics.functional.scanpath_strings import (
    cluster_edit_distance,
    cluster_sequence_score,
    grid_edit_distance,
    grid_sequence_score,
    semantic_edit_distance,
    semantic_sequence_score,
)
from gazekit.metrics.functional.search_asymmetry import search_asymmetry, search_slopes, slope_correlation
from gazekit.metrics.functional.search_conditions import found_rate, mean_fixations, search_model_comparison
from gazekit.metrics.functional.search_slopes import asymmetry_index, search_slope
from gazekit.metrics.functional.segmentation import class_dice, class_iou, dice, iou, macro_dice, macro_iou
from gazekit.metrics.functional.sequence_score import sequence_score
from gazekit.metrics.functional.shuffled_auc import fixations_of_other_images, shuffled_auc
from gazekit.metrics.functional.significance import (
    SignedRanks,
    benjamini_hochberg,
    holm,
    signed_rank_p,
    signed_rank_test,
)
from gazekit.metrics.functional.time_delay_embedding import (
    scaled_time_delay_embedding,
    time_delay_embedding_px,
)
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
    "RECURRENCE_PARTS",
    "RETRIEVAL_PARTS",
    "TIMING_PARTS",
    "EventMatches",
    "Events",
    "Grouping",
    "RSACeiling",
    "SaccadeAlignment",
    "SignedRanks",
    "accuracy",
    "angular_error_deg",
    "asymmetry_index",
    "attention_target_auc",
    "auc",
    "auc_borji",
    "auc_judd",
    "auc_shuffled_matlab",
    "average_precision",
    "behaviour",
    "behaviour_delta",
    "behaviour_parts",
    "benjamini_hochberg",
    "box_iou",
    "center_bias_density",
    "class_dice",
    "class_iou",
    "class_labels",
    "cluster_edit_distance",
    "cluster_labels",
    "cluster_sequence_score",
    "cohen_kappa",
    "conditional_auc",
    "conditional_information_gain_bits",
    "conditional_nss",
    "correlation_coefficient",
    "cross_recurrence",
    "density_of_map",
    "detection_ap",
    "detection_ap_per_class",
    "dice",
    "direction_correlation",
    "direction_error_deg",
    "direction_of_pitch_yaw",
    "direction_of_yaw_pitch",
    "distance_to_mean_norm",
    "dtw_px",
    "duration_calibration",
    "duration_gain_nats",
    "earth_movers_distance",
    "edit_distance",
    "end_point_error",
    "euclidean_px",
    "event_f1",
    "event_timing_ms",
    "explainable_variance",
    "eyenalysis_px",
    "fit_clusters",
    "fixation_density",
    "fixations_of_other_images",
    "flow_correlation",
    "found_rate",
    "frechet_px",
    "gaze_angle_deg",
    "gazefollow_auc",
    "grid_edit_distance",
    "grid_labels",
    "grid_sequence_score",
    "hausdorff_px",
    "heatmap_point_norm",
    "holm",
    "identification_accuracy",
    "information_gain_bits",
    "information_gain_sums",
    "information_gain_with_stop_bits",
    "iou",
    "kld",
    "krippendorff_alpha",
    "labels_to_events",
    "log_likelihood_nats",
    "looking_at_head_precision",
    "macro_dice",
    "macro_iou",
    "mannan_similarity",
    "mannan_squared_distance",
    "map_information_gain_bits",
    "match_events",
    "mean_distance_norm",
    "mean_fixations",
    "min_distance_norm",
    "multimatch",
    "multimatch_alignment",
    "noise_ceiling",
    "noise_ceiling_of_means",
    "normalised_correlation",
    "normalised_r2",
    "nss",
    "partial_flow_correlation",
    "pearson",
    "point_in_mask",
    "probability_mismatch",
    "r2_score",
    "rdm",
    "repeat_by_duration",
    "response_consistency",
    "retrieval_top_k",
    "rsa",
    "rsa_ceiling",
    "sample_f1",
    "scaled_time_delay_embedding",
    "scanmatch",
    "scanpath_ratio",
    "search_asymmetry",
    "search_model_comparison",
    "search_slope",
    "search_slopes",
    "semantic_edit_distance",
    "semantic_sequence_score",
    "sequence_score",
    "shuffled_auc",
    "signed_rank_p",
    "signed_rank_test",
    "similarity",
    "simplify_scanpaths",
    "slope_correlation",
    "speed_correlation",
    "steps_to_target",
    "target_found_curve",
    "tfp_auc",
    "tfp_auc_mean",
    "time_delay_embedding_px",
    "two_versus_two",
]
