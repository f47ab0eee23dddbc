"""Metrics that accumulate over batches and processes (torchmetrics); `functional` holds the definitions."""

from gazekit.metrics.behaviour_delta import BehaviourDelta
from gazekit.metrics.bootstrap import Interval, bootstrap_interval
from gazekit.metrics.edit_distance import EditDistance
from gazekit.metrics.info import FAMILIES, INFO, MetricInfo
from gazekit.metrics.information_gain import InformationGain
from gazekit.metrics.scanpath import Hausdorff
from gazekit.metrics.sequence_score import SequenceScore

__all__ = [
    "FAMILIES",
    "INFO",
    "BehaviourDelta",
    "EditDistance",
    "Hausdorff",
    "InformationGain",
    "Interval",
    "MetricInfo",
    "SequenceScore",
    "bootstrap_interval",
]
