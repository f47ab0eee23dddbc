"""Facts about the metrics of gaze following and gaze estimation."""

import math

from gazekit.metrics.info.entry import MetricInfo

__all__ = ["ENTRIES"]

_GAZEFOLLOW = "Recasens et al. 2015, NeurIPS (GazeFollow)"
_TARGET = "Chong et al. 2020, CVPR (VideoAttentionTarget)"
_CENTRE = "none fixed: score the centre of the picture, which people look near"

ENTRIES: tuple[MetricInfo, ...] = (
    MetricInfo(
        name="gazefollow_auc",
        class_name="GazeFollowAUC",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="0.5 for a constant heatmap; people look near the centre, so score a central Gaussian too",
        undefined="no annotated point, all pixels positive, or NaN in the heatmap",
        reference=_GAZEFOLLOW,
        variants=(
            "heatmap not resized to the picture",
            "resized by PIL, or by a function of 8 bits",
        ),
    ),
    MetricInfo(
        name="attention_target_auc",
        class_name="AttentionTargetAUC",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="0.5 for a constant heatmap; a Gaussian exactly at the target has about 0.998",
        undefined="a target out of frame, or NaN in the heatmap",
        reference=_TARGET,
        variants=(
            "the square reaches the last row and column (edge='closed')",
            "a disc instead of a square (positives='disc', ViTGaze), which gives 0.002 to 0.003 more",
        ),
    ),
    MetricInfo(
        name="distance_to_mean_norm",
        class_name="DistanceToMean",
        range=(0.0, math.sqrt(2)),
        higher_is_better=False,
        chance=_CENTRE,
        undefined="no annotated point, or a prediction that is NaN",
        reference=_GAZEFOLLOW,
        unit="fraction of the picture's sides",
        variants=("mean of the distances under the same name: mean_distance_norm",),
    ),
    MetricInfo(
        name="min_distance_norm",
        class_name="MinDistance",
        range=(0.0, math.sqrt(2)),
        higher_is_better=False,
        chance=_CENTRE,
        undefined="no annotated point, or a prediction that is NaN",
        reference=_GAZEFOLLOW,
        unit="fraction of the picture's sides",
        variants=(
            "predicted point refined below the size of a cell: heatmap_point_norm(..., method='dark')",
        ),
    ),
    MetricInfo(
        name="mean_distance_norm",
        class_name="MeanDistance",
        range=(0.0, math.sqrt(2)),
        higher_is_better=False,
        chance=_CENTRE,
        undefined="no annotated point, or a prediction that is NaN",
        reference=_GAZEFOLLOW,
        unit="fraction of the picture's sides",
        variants=("distance to the mean under the same name: distance_to_mean_norm",),
    ),
    MetricInfo(
        name="gaze_angle_deg",
        class_name="GazeAngle",
        range=(0.0, 180.0),
        higher_is_better=False,
        chance="90 for random directions; less for the centre of the picture",
        undefined="a target on the eye, or a value that is not finite",
        reference=_GAZEFOLLOW,
        unit="deg",
        variants=("in normalised coordinates, which distort it unless the picture is square",),
    ),
    MetricInfo(
        name="direction_error_deg",
        class_name="DirectionError",
        range=(0.0, 180.0),
        higher_is_better=False,
        chance="90 for random directions; score the direction from the head to the picture's centre",
        undefined="a direction that is zero or not known",
        reference=_GAZEFOLLOW,
        unit="deg",
        variants=("of directions in normalised coordinates, which distort it unless the picture is square",),
    ),
    MetricInfo(
        name="point_in_mask",
        class_name="PointInMask",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="the share of the picture that the object covers; more for the centre of the picture",
        undefined="an empty mask (a target out of frame), or a prediction that is NaN",
        reference="pointing game: Zhang et al. 2018, International Journal of Computer Vision",
        variants=("a tolerance of some pixels round the mask",),
    ),
    MetricInfo(
        name="looking_at_head_precision",
        class_name="PHead",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="the share of people who look at a head",
        undefined="a prediction on no head, or a target out of frame",
        reference="Tafasca et al. 2023, ICCV (ChildPlay)",
        variants=(
            "heads of detected people beside the annotated ones",
            "true where two annotators marked one head",
        ),
    ),
    MetricInfo(
        name="average_precision",
        class_name="AveragePrecision",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="the share of positives",
        undefined="no positive, or a score that is NaN",
        reference="Manning, Raghavan and Schütze 2008, Introduction to Information Retrieval, chapter 8",
        variants=(
            "interpolated precision, at 11 or 101 levels of recall",
            "trapezoids under the precision-recall curve",
        ),
    ),
    MetricInfo(
        name="angular_error_deg",
        class_name="AngularError",
        range=(0.0, 180.0),
        higher_is_better=False,
        chance="90 for random directions; score the mean direction of the training set",
        undefined="a vector that is zero or not finite",
        reference="Zhang et al. 2020, ECCV (ETH-XGaze)",
        unit="deg",
        variants=(
            "arccos of an unclipped cosine: NaN for some parallel vectors",
            "arccos of a cosine clipped at 0.9999999: never below 0.026",
        ),
    ),
)
