"""Metrics that accumulate over batches and processes (torchmetrics); `functional` holds the definitions."""

from gazekit.metrics.agreement import CohenKappa, KrippendorffAlpha, SampleF1
from gazekit.metrics.behaviour_delta import BehaviourDelta
from gazekit.metrics.bootstrap import Interval, bootstrap_interval
from gazekit.metrics.edit_distance import EditDistance
from gazekit.metrics.encoding import (
    R2,
    ExplainableVariance,
    NoiseCeiling,
    NormalisedCorrelation,
    NormalisedR2,
    Pearson,
)
from gazekit.metrics.events import EventF1, EventTiming
from gazekit.metrics.info import FAMILIES, INFO, MetricInfo
from gazekit.metrics.information_gain import InformationGain
from gazekit.metrics.representation import RSA, IdentificationAccuracy, TwoVersusTwo
from gazekit.metrics.scanpath import Hausdorff
from gazekit.metrics.sequence_score import SequenceScore

__all__ = [
    "FAMILIES",
    "INFO",
    "R2",
    "RSA",
    "BehaviourDelta",
    "CohenKappa",
    "EditDistance",
    "EventF1",
    "EventTiming",
    "ExplainableVariance",
    "Hausdorff",
    "IdentificationAccuracy",
    "InformationGain",
    "Interval",
    "KrippendorffAlpha",
    "MetricInfo",
    "NoiseCeiling",
    "NormalisedCorrelation",
    "NormalisedR2",
    "Pearson",
    "SampleF1",
    "SequenceScore",
    "TwoVersusTwo",
    "bootstrap_interval",
]
