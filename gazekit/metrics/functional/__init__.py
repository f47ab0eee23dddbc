"""Metrics as pure functions: tensors (or numpy arrays) in, tensors out, nothing accumulated."""

from gazekit.metrics.functional.agreement import cohen_kappa, krippendorff_alpha, sample_f1
from gazekit.metrics.functional.behaviour import PARTS, behaviour, behaviour_delta, behaviour_parts
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
from gazekit.metrics.functional.identification import identification_accuracy, two_versus_two
from gazekit.metrics.functional.information_gain import information_gain_bits, information_gain_sums
from gazekit.metrics.functional.noise_ceiling import (
    explainable_variance,
    noise_ceiling,
    noise_ceiling_of_means,
)
from gazekit.metrics.functional.point_sets import hausdorff_px
from gazekit.metrics.functional.rsa import RSACeiling, rdm, rsa, rsa_ceiling
from gazekit.metrics.functional.sequence_score import sequence_score

__all__ = [
    "PARTS",
    "TIMING_PARTS",
    "EventMatches",
    "Events",
    "RSACeiling",
    "behaviour",
    "behaviour_delta",
    "behaviour_parts",
    "cohen_kappa",
    "edit_distance",
    "event_f1",
    "event_timing_ms",
    "explainable_variance",
    "hausdorff_px",
    "identification_accuracy",
    "information_gain_bits",
    "information_gain_sums",
    "krippendorff_alpha",
    "labels_to_events",
    "match_events",
    "noise_ceiling",
    "noise_ceiling_of_means",
    "normalised_correlation",
    "normalised_r2",
    "pearson",
    "r2_score",
    "rdm",
    "rsa",
    "rsa_ceiling",
    "sample_f1",
    "sequence_score",
    "two_versus_two",
]
