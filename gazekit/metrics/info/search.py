"""Facts about the metrics of visual search."""

import math

from gazekit.metrics.info.entry import MetricInfo

__all__ = ["ENTRIES"]

_YANG = "Yang et al. 2020, CVPR (search by inverse reinforcement learning)"
_NONE_FIXED = "none fixed: score random scanpaths on the same displays"
_GUPTA = "Gupta et al. 2021, NeurIPS (visual search asymmetry)"
_INDEX_OF_CHANCE = "around 0, and far from it in a single task: noise divided by a small sum of slopes"
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
        name="search_slopes",
        class_name="SearchSlopes",
        range=(-math.inf, math.inf),
        higher_is_better=None,
        chance="0 where the number of items does not matter; looking at one random item after another is above",
        undefined="target not found; a condition with fewer than two set sizes",
        reference="Wolfe 1998, Psychological Science",
        unit="cost per item",
        variants=("a search that failed counts as the largest number of fixations",),
    ),
    MetricInfo(
        name="asymmetry_index",
        class_name="AsymmetryIndex",
        range=(-1.0, 1.0),
        higher_is_better=None,
        chance=_INDEX_OF_CHANCE,
        undefined="an undefined slope: a condition with fewer than two set sizes",
        reference=_GUPTA,
    ),
    MetricInfo(
        name="search_asymmetry",
        class_name="SearchAsymmetry",
        range=(-1.0, 1.0),
        higher_is_better=None,
        chance=_INDEX_OF_CHANCE,
        undefined="target not found; a condition with fewer than two set sizes; neither slope of a task reaches "
        "min_slope, so that its index would be one of noise",
        reference=_GUPTA,
        variants=("min_slope 0, as published: always defined, and 0 where both slopes are flat",),
    ),
    MetricInfo(
        name="slope_correlation",
        class_name="SlopeCorrelation",
        range=(-1.0, 1.0),
        higher_is_better=True,
        chance="around 0; about -0.6 to 0.6 in 12 conditions",
        undefined="fewer than three conditions with slopes of both, or slopes that are all equal",
        reference=_GUPTA,
    ),
    MetricInfo(
        name="search_model_comparison",
        class_name="SearchModelComparison",
        range=(0.0, 1.0),
        higher_is_better=None,
        chance="uniform from 0 to 1 where the conditions do not differ",
        undefined="target not found; a condition with fewer than two set sizes; fewer than five trials; no residual "
        "around one line",
        reference=_GUPTA,
        variants=("over the means of set sizes instead of displays",),
    ),
    MetricInfo(
        name="mean_fixations",
        class_name="MeanFixations",
        range=(0.0, math.inf),
        higher_is_better=None,
        chance="(set size + 1) / 2 for one random item after another",
        undefined="target not found; a condition without trials",
        reference=_GUPTA,
        variants=("a search that failed counts as the largest number of fixations",),
    ),
    MetricInfo(
        name="found_rate",
        class_name="FoundRate",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="1 where every item may be visited",
        undefined="a condition without trials",
        reference=_GUPTA,
    ),
)
