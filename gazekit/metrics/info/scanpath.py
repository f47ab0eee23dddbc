"""Facts about the metrics of scanpath comparison."""

import math

from gazekit.metrics.info.entry import MetricInfo

__all__ = ["ENTRIES"]

ENTRIES: tuple[MetricInfo, ...] = (
    MetricInfo(
        name="hausdorff_px",
        class_name="Hausdorff",
        range=(0.0, math.inf),
        higher_is_better=False,
        chance="none fixed: score random scanpaths of human length",
        reference="Huttenlocher et al. 1993, IEEE TPAMI",
        unit="px",
        variants=("one direction only",),
    ),
)
