"""Metrics as pure functions: tensors (or numpy arrays) in, tensors out, nothing accumulated."""

from gazekit.metrics.functional.behaviour import PARTS, behaviour, behaviour_delta, behaviour_parts
from gazekit.metrics.functional.edit_distance import edit_distance
from gazekit.metrics.functional.information_gain import information_gain_bits, information_gain_sums
from gazekit.metrics.functional.point_sets import hausdorff_px
from gazekit.metrics.functional.sequence_score import sequence_score

__all__ = [
    "PARTS",
    "behaviour",
    "behaviour_delta",
    "behaviour_parts",
    "edit_distance",
    "hausdorff_px",
    "information_gain_bits",
    "information_gain_sums",
    "sequence_score",
]
