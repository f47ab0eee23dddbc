"""Metrics that accumulate over batches and processes (torchmetrics); `functional` holds the definitions.

Everything but the facts is imported when it is first used: torchmetrics takes as long as torch, and the
functions do without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gazekit.metrics.info import FAMILIES, INFO, MetricInfo

if TYPE_CHECKING:
    from gazekit.metrics import functional as functional
    from gazekit.metrics.accuracy import Accuracy
    from gazekit.metrics.agreement import CohenKappa, KrippendorffAlpha, SampleF1
    from gazekit.metrics.average_precision import AveragePrecision
    from gazekit.metrics.behaviour_delta import BehaviourDelta, SearchBehaviour
    from gazekit.metrics.bootstrap import Interval, bootstrap_interval
    from gazekit.metrics.conditional import ConditionalAUC, ConditionalInformationGain, ConditionalNSS
    from gazekit.metrics.durations import DurationCalibration, DurationGain
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
        DirectionError,
        DistanceToMean,
        GazeAngle,
        GazeFollowAUC,
        MeanDistance,
        MinDistance,
        PHead,
        PointInMask,
    )
    from gazekit.metrics.information_gain import InformationGain, InformationGainWithStop
    from gazekit.metrics.map_similarity import CC, EMD, KLD, SIM
    from gazekit.metrics.motion import (
        DirectionCorrelation,
        EndPointError,
        FlowCorrelation,
        PartialFlowCorrelation,
        ResponseConsistency,
        SpeedCorrelation,
    )
    from gazekit.metrics.multimatch import MultiMatch
    from gazekit.metrics.regions import ClassDice, ClassIoU, DetectionAP, Dice, IoU, MacroDice, MacroIoU
    from gazekit.metrics.representation import RSA, IdentificationAccuracy, TwoVersusTwo
    from gazekit.metrics.retrieval import Retrieval
    from gazekit.metrics.saliency import (
        AUC,
        NSS,
        AUCBorji,
        AUCJudd,
        LogLikelihood,
        MapInformationGain,
        ShuffledAUC,
        ShuffledAUCMatlab,
    )
    from gazekit.metrics.scanpath import (
        CrossRecurrence,
        Euclidean,
        Eyenalysis,
        Hausdorff,
        MannanSimilarity,
        MannanSquaredDistance,
        ScaledTimeDelayEmbedding,
        TimeDelayEmbedding,
    )
    from gazekit.metrics.score import Score
    from gazekit.metrics.search import (
        TFPAUC,
        ProbabilityMismatch,
        ScanpathRatio,
        TargetFoundCurve,
        TFPAUCMean,
    )
    from gazekit.metrics.search_asymmetry import SearchAsymmetry, SearchSlopes, SlopeCorrelation
    from gazekit.metrics.search_conditions import FoundRate, MeanFixations, SearchModelComparison
    from gazekit.metrics.search_slopes import AsymmetryIndex, SearchSlope
    from gazekit.metrics.sequence_score import SequenceScore
    from gazekit.metrics.strings import (
        ClusterEditDistance,
        ClusterSequenceScore,
        GridEditDistance,
        GridSequenceScore,
        ScanMatch,
        SemanticEditDistance,
        SemanticSequenceScore,
    )
    from gazekit.metrics.warping import DTW, Frechet

__all__ = [
    "AUC",
    "CC",
    "DTW",
    "EMD",
    "FAMILIES",
    "INFO",
    "KLD",
    "NSS",
    "R2",
    "RSA",
    "SIM",
    "TFPAUC",
    "AUCBorji",
    "AUCJudd",
    "Accuracy",
    "AngularError",
    "AsymmetryIndex",
    "AttentionTargetAUC",
    "AveragePrecision",
    "BehaviourDelta",
    "ClassDice",
    "ClassIoU",
    "ClusterEditDistance",
    "ClusterSequenceScore",
    "CohenKappa",
    "ConditionalAUC",
    "ConditionalInformationGain",
    "ConditionalNSS",
    "CrossRecurrence",
    "DetectionAP",
    "Dice",
    "DirectionCorrelation",
    "DirectionError",
    "DistanceToMean",
    "DurationCalibration",
    "DurationGain",
    "EditDistance",
    "EndPointError",
    "Euclidean",
    "EventF1",
    "EventTiming",
    "ExplainableVariance",
    "Eyenalysis",
    "FlowCorrelation",
    "FoundRate",
    "Frechet",
    "GazeAngle",
    "GazeFollowAUC",
    "GridEditDistance",
    "GridSequenceScore",
    "Hausdorff",
    "IdentificationAccuracy",
    "InformationGain",
    "InformationGainWithStop",
    "Interval",
    "IoU",
    "KrippendorffAlpha",
    "LogLikelihood",
    "MacroDice",
    "MacroIoU",
    "MannanSimilarity",
    "MannanSquaredDistance",
    "MapInformationGain",
    "MeanDistance",
    "MeanFixations",
    "MetricInfo",
    "MinDistance",
    "MultiMatch",
    "NoiseCeiling",
    "NormalisedCorrelation",
    "NormalisedR2",
    "PHead",
    "PartialFlowCorrelation",
    "Pearson",
    "PointInMask",
    "ProbabilityMismatch",
    "ResponseConsistency",
    "Retrieval",
    "SampleF1",
    "ScaledTimeDelayEmbedding",
    "ScanMatch",
    "ScanpathRatio",
    "Score",
    "SearchAsymmetry",
    "SearchBehaviour",
    "SearchModelComparison",
    "SearchSlope",
    "SearchSlopes",
    "SemanticEditDistance",
    "SemanticSequenceScore",
    "SequenceScore",
    "ShuffledAUC",
    "ShuffledAUCMatlab",
    "SlopeCorrelation",
    "SpeedCorrelation",
    "TFPAUCMean",
    "TargetFoundCurve",
    "TimeDelayEmbedding",
    "TwoVersusTwo",
    "bootstrap_interval",
]

_NAMES_OF = {
    "accuracy": "Accuracy",
    "score": "Score",
    "agreement": "CohenKappa KrippendorffAlpha SampleF1",
    "average_precision": "AveragePrecision",
    "behaviour_delta": "BehaviourDelta SearchBehaviour",
    "bootstrap": "Interval bootstrap_interval",
    "conditional": "ConditionalAUC ConditionalInformationGain ConditionalNSS",
    "durations": "DurationCalibration DurationGain",
    "edit_distance": "EditDistance",
    "encoding": "R2 ExplainableVariance NoiseCeiling NormalisedCorrelation NormalisedR2 Pearson",
    "events": "EventF1 EventTiming",
    "gaze": "AngularError AttentionTargetAUC DirectionError DistanceToMean GazeAngle GazeFollowAUC "
    "MeanDistance MinDistance PHead PointInMask",
    "information_gain": "InformationGain InformationGainWithStop",
    "map_similarity": "CC EMD KLD SIM",
    "motion": "DirectionCorrelation EndPointError FlowCorrelation PartialFlowCorrelation ResponseConsistency "
    "SpeedCorrelation",
    "multimatch": "MultiMatch",
    "regions": "ClassDice ClassIoU DetectionAP Dice IoU MacroDice MacroIoU",
    "retrieval": "Retrieval",
    "representation": "RSA IdentificationAccuracy TwoVersusTwo",
    "saliency": "AUC NSS AUCBorji AUCJudd LogLikelihood MapInformationGain ShuffledAUC ShuffledAUCMatlab",
    "scanpath": "CrossRecurrence Euclidean Eyenalysis Hausdorff MannanSimilarity MannanSquaredDistance "
    "ScaledTimeDelayEmbedding TimeDelayEmbedding",
    "search": "TFPAUC ProbabilityMismatch ScanpathRatio TargetFoundCurve TFPAUCMean",
    "search_asymmetry": "SearchAsymmetry SearchSlopes SlopeCorrelation",
    "search_conditions": "FoundRate MeanFixations SearchModelComparison",
    "search_slopes": "AsymmetryIndex SearchSlope",
    "sequence_score": "SequenceScore",
    "strings": "ClusterEditDistance ClusterSequenceScore GridEditDistance GridSequenceScore ScanMatch "
    "SemanticEditDistance SemanticSequenceScore",
    "warping": "DTW Frechet",
}
_MODULE_OF = {name: module for module, names in _NAMES_OF.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name == "functional":
        return import_module(f"{__name__}.functional")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value  # so that this is asked once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "functional"})
