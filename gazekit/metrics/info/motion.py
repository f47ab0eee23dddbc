"""Facts about the metrics of perceived and computed motion."""

import math

from gazekit.metrics.info.entry import MetricInfo

__all__ = ["ENTRIES"]

_SUN = "Sun et al. 2023, NeurIPS"
_CONSTANT = "fewer than two values, or a flow that is the same everywhere"

ENTRIES: tuple[MetricInfo, ...] = (
    MetricInfo(
        name="end_point_error",
        class_name="EndPointError",
        range=(0.0, math.inf),
        higher_is_better=False,
        chance="mean true speed, for saying that nothing moves",
        undefined="the truth is unknown everywhere",
        reference="Otte and Nagel 1994, ECCV",
        unit="px/frame",
        variants=("share of places with an error above 3 px (outliers, KITTI)",),
    ),
    MetricInfo(
        name="response_consistency",
        class_name="ResponseConsistency",
        range=(-1.0, 1.0),
        higher_is_better=True,
        chance="0 for errors in random directions",
        undefined="no place where both people and the model err",
        reference=_SUN,
    ),
    MetricInfo(
        name="flow_correlation",
        class_name="FlowCorrelation",
        range=(-1.0, 1.0),
        higher_is_better=True,
        chance="0",
        undefined=_CONSTANT,
        reference=_SUN,
        variants=("u and v each by itself, averaged",),
    ),
    MetricInfo(
        name="partial_flow_correlation",
        class_name="PartialFlowCorrelation",
        range=(-1.0, 1.0),
        higher_is_better=True,
        chance="0",
        undefined=f"{_CONSTANT}; a flow that is the truth, but for scale",
        reference=_SUN,
    ),
    MetricInfo(
        name="direction_correlation",
        class_name="DirectionCorrelation",
        range=(-1.0, 1.0),
        higher_is_better=True,
        chance="above 0: angles are unwrapped around the true ones; .71 for random directions",
        undefined="places where a flow is 0; fewer than two places, or equal directions",
        reference=_SUN,
        variants=("circular correlation",),
    ),
    MetricInfo(
        name="speed_correlation",
        class_name="SpeedCorrelation",
        range=(-1.0, 1.0),
        higher_is_better=True,
        chance="0",
        undefined="fewer than two places, or equal speeds",
        reference=_SUN,
    ),
)
