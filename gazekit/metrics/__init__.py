"""Metrics that accumulate over batches and processes (torchmetrics); `functional` holds the definitions."""

from gazekit.metrics.behaviour_delta import BehaviourDelta
from gazekit.metrics.bootstrap import Interval, bootstrap_interval
from gazekit.metrics.edit_distance import EditDistance
from gazekit.metrics.info import INFO, MetricInfo
from gazekit.metrics.information_gain import InformationGain
from gazekit.metrics.sequence_score import SequenceScore

__all__ = [
    "INFO",
    "BehaviourDelta",
    "EditDistance",
    "InformationGain",
    "Interval",
    "MetricInfo",
    "SequenceScore",
    "bootstrap_interval",
]
