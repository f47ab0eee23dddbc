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
    MetricInfo(
        name="multimatch",
        class_name="MultiMatch",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="0.94, 0.69, 0.94, 0.62, 0.60 for random walks; score random scanpaths of human length",
        reference="Jarodzka et al. 2010, ETRA; Dewhurst et al. 2012, Behavior Research Methods",
        variants=(
            "saccades merged before the comparison (grouping)",
            "short scanpaths padded with a fixation at (1, 1) instead of left out",
            "mean of four parts, without duration",
        ),
    ),
    MetricInfo(
        name="dtw_px",
        class_name="DTW",
        range=(0.0, math.inf),
        higher_is_better=False,
        chance="none fixed: score random scanpaths of human length",
        reference="Sakoe and Chiba 1978, IEEE TASSP",
        unit="px, summed over the warp",
        variants=("approximate (FastDTW)", "within a window", "divided by the length of the warp"),
    ),
    MetricInfo(
        name="frechet_px",
        class_name="Frechet",
        range=(0.0, math.inf),
        higher_is_better=False,
        chance="none fixed: score random scanpaths of human length",
        reference="Eiter and Mannila 1994, TU Wien CD-TR 94/64",
        unit="px",
        variants=("continuous: along the lines between fixations",),
    ),
)
