"""Facts about the metrics of scanpaths over objects."""

import math

from gazekit.metrics.info.entry import MetricInfo

__all__ = ["ENTRIES"]

ENTRIES = (
    MetricInfo(
        name="sequence_score",
        class_name="SequenceScore",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="above 0, and the higher the fewer objects there are: score random scanpaths of human length",
        undefined="two empty scanpaths",
        reference="Yang et al. 2020, CVPR (search by inverse reinforcement learning)",
        variants=(
            "symbols are mean-shift clusters of fixations instead of objects",
            "symbols are semantic classes (SemSS)",
            "symbols repeated once per 50 ms of fixation",
            "both strings truncated to a number of steps",
        ),
    ),
    MetricInfo(
        name="edit_distance",
        class_name="EditDistance",
        range=(0.0, math.inf),
        higher_is_better=False,
        chance="near the length of the longer scanpath: score random scanpaths of human length",
        undefined="never; normalised: two empty scanpaths",
        reference="Levenshtein 1966; Mondal et al. 2023, CVPR (Gazeformer)",
        variants=(
            "divided by the length of the longer string",
            "a replacement costs 2",
            "symbols are grid cells",
        ),
    ),
    MetricInfo(
        name="behaviour_delta",
        class_name="BehaviourDelta",
        range=(0.0, math.inf),
        higher_is_better=False,
        chance="none fixed: score random scanpaths of human length",
        undefined="a part undefined (other than found in free viewing), or 0 for people",
        reference="Fang et al. 2024, ECCV (object attention transformer)",
        variants=("undefined parts counted as 0",),
    ),
    MetricInfo(
        name="behaviour",
        class_name="SearchBehaviour",
        range=(0.0, math.inf),
        higher_is_better=None,
        chance="none fixed: score random scanpaths of human length",
        undefined="found in free viewing; the fractions of an empty scanpath",
        reference="Fang et al. 2024, ECCV (object attention transformer)",
    ),
    MetricInfo(
        name="information_gain_bits",
        class_name="InformationGain",
        range=(-math.inf, math.inf),
        higher_is_better=True,
        chance="0 for the baseline itself",
        undefined="no outcome; the function also for a log probability of NaN",
        reference="Kümmerer, Wallis and Bethge 2015, PNAS",
        unit="bits",
        variants=("a small constant added to both probabilities", "over pixels instead of objects"),
    ),
    MetricInfo(
        name="information_gain_with_stop_bits",
        class_name="InformationGainWithStop",
        range=(-math.inf, math.inf),
        higher_is_better=True,
        chance="0 for the baseline itself",
        undefined="no outcome; the function also for a log probability of NaN",
        reference="Kümmerer, Wallis and Bethge 2015, PNAS; the stop as an outcome is ours",
        unit="bits",
        variants=("without the decision to stop: information_gain_bits",),
    ),
    MetricInfo(
        name="duration_gain_nats",
        class_name="DurationGain",
        range=(-math.inf, math.inf),
        higher_is_better=True,
        chance="0 for the baseline itself, one log-normal for all fixations",
        undefined="no fixation with a known duration; the function also for a log probability of NaN",
        reference="the logarithmic score of Good 1952, relative to a baseline",
        unit="nats",
        variants=("another baseline: a law for each person", "in bits"),
    ),
    MetricInfo(
        name="duration_calibration",
        class_name="DurationCalibration",
        range=(0.0, 1.0),
        higher_is_better=False,
        chance="0 but for noise for any law of the right shape, however little it knows",
        undefined="no fixation with a known duration; the function also for a probability of NaN",
        reference="Dawid 1984, J. Royal Statistical Society A (probability integral transform)",
        variants=("exact Kolmogorov-Smirnov distance instead of 99 quantiles",),
    ),
)
