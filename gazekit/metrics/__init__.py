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
from gazekit.metrics.gaze import (
    AngularError,
    AttentionTargetAUC,
    AveragePrecision,
    DistanceToMean,
    GazeAngle,
    GazeFollowAUC,
    MeanDistance,
    MinDistance,
)
from gazekit.metrics.info import FAMILIES, INFO, MetricInfo
from gazekit.metrics.information_gain import InformationGain
from gazekit.metrics.multimatch import MultiMatch
from gazekit.metrics.regions import ClassDice, ClassIoU, DetectionAP, Dice, IoU, MacroDice, MacroIoU
from gazekit.metrics.representation import RSA, IdentificationAccuracy, TwoVersusTwo
from gazekit.metrics.scanpath import Hausdorff
from gazekit.metrics.search import TFPAUC, ProbabilityMismatch, ScanpathRatio, TargetFoundCurve, TFPAUCMean
from gazekit.metrics.search_slopes import AsymmetryIndex, SearchSlope
from gazekit.metrics.sequence_score import SequenceScore
from gazekit.metrics.warping import DTW, Frechet

__all__ = [
    "DTW",
    "FAMILIES",
    "INFO",
    "R2",
    "RSA",
    "TFPAUC",
    "AngularError",
    "AsymmetryIndex",
    "AttentionTargetAUC",
    "AveragePrecision",
    "BehaviourDelta",
    "ClassDice",
    "ClassIoU",
    "CohenKappa",
    "DetectionAP",
    "Dice",
    "DistanceToMean",
    "EditDistance",
    "EventF1",
    "EventTiming",
    "ExplainableVariance",
    "Frechet",
    "GazeAngle",
    "GazeFollowAUC",
    "Hausdorff",
    "IdentificationAccuracy",
    "InformationGain",
    "Interval",
    "IoU",
    "KrippendorffAlpha",
    "MacroDice",
    "MacroIoU",
    "MeanDistance",
    "MetricInfo",
    "MinDistance",
    "MultiMatch",
    "NoiseCeiling",
    "NormalisedCorrelation",
    "NormalisedR2",
    "Pearson",
    "ProbabilityMismatch",
    "SampleF1",
    "ScanpathRatio",
    "SearchSlope",
    "SequenceScore",
    "TFPAUCMean",
    "TargetFoundCurve",
    "TwoVersusTwo",
    "bootstrap_interval",
]
