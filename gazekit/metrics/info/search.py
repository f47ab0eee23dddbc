"""Facts about the metrics of visual search."""

import math

from gazekit.metrics.info.entry import MetricInfo

__all__ = ["ENTRIES"]

_YANG = "Yang et al. 2020, CVPR (search by inverse reinforcement learning)"
_NONE_FIXED = "none fixed: score random scanpaths on the same displays"
_COUNTING = (
    "mean over trials instead of over categories of targets",
    "the given first fixation is not counted: TFP@k is c_{k+1}",
)

ENTRIES: tuple[MetricInfo, ...] = (
    MetricInfo(
        name="target_found_curve",
        class_name="TargetFoundCurve",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance=_NONE_FIXED,
        undefined="no trial with a target",
        reference=_YANG,
        variants=_COUNTING,
    ),
    MetricInfo(
        name="tfp_auc",
        class_name="TFPAUC",
        range=(0.0, math.inf),
        higher_is_better=True,
        chance=_NONE_FIXED,
        undefined="no trial with a target",
        reference=_YANG,
        variants=("divided by the number of steps: tfp_auc_mean", *_COUNTING),
    ),
    MetricInfo(
        name="tfp_auc_mean",
        class_name="TFPAUCMean",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance=_NONE_FIXED,
        undefined="no trial with a target",
        reference=_YANG,
        variants=("not divided by the number of steps: tfp_auc", *_COUNTING),
    ),
    MetricInfo(
        name="probability_mismatch",
        class_name="ProbabilityMismatch",
        range=(0.0, math.inf),
        higher_is_better=False,
        chance=_NONE_FIXED,
        undefined="no trial with a target",
        reference=_YANG,
        variants=_COUNTING[:1],
    ),
    MetricInfo(
        name="scanpath_ratio",
        class_name="ScanpathRatio",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance=_NONE_FIXED,
        undefined="target absent, not found, or found at the start; scanpath without length",
        reference=_YANG,
        variants=("over trials found within a number of steps only",),
    ),
    MetricInfo(
        name="search_slope",
        class_name="SearchSlope",
        range=(-math.inf, math.inf),
        higher_is_better=None,
        chance="0 where the number of items does not matter; looking at one random item after another is above",
        undefined="fewer than two set sizes, or a value that is not finite",
        reference="Wolfe 1998, Psychological Science",
        unit="cost per item",
        variants=(
            "through all trials instead of the means of set sizes",
            "a search that failed counts as the largest number of fixations",
        ),
    ),
    MetricInfo(
        name="asymmetry_index",
        class_name="AsymmetryIndex",
        range=(-1.0, 1.0),
        higher_is_better=None,
        chance="around 0, and far from it in a single task: noise divided by a small sum of slopes",
        undefined="an undefined slope: a condition with fewer than two set sizes",
        reference="Gupta et al. 2021, NeurIPS (visual search asymmetry)",
    ),
)
