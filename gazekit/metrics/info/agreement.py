"""Facts about the metrics of agreement of raters and of event detections."""

import math

from gazekit.metrics.info.entry import MetricInfo

__all__ = ["ENTRIES"]

ENTRIES: tuple[MetricInfo, ...] = (
    MetricInfo(
        name="accuracy",
        class_name="Accuracy",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="the share of the most frequent class",
        undefined="an item without a label, or a score that is NaN",
        reference="common usage, without a single source",
    ),
    MetricInfo(
        name="cohen_kappa",
        class_name="CohenKappa",
        range=(-1.0, 1.0),
        higher_is_better=True,
        chance="0 for labels drawn at the raters' own frequencies",
        undefined="both raters used the same single label, or nothing is labelled",
        reference="Cohen 1960, Educational and Psychological Measurement",
        variants=("linear or quadratic weights", "distance of places in the list of labels, not of labels"),
    ),
    MetricInfo(
        name="krippendorff_alpha",
        class_name="KrippendorffAlpha",
        range=(-1.0, 1.0),
        higher_is_better=True,
        chance="0 for ratings dealt out at random to the units",
        undefined="all comparable ratings are equal, or no unit has two",
        reference="Krippendorff 2004, Content Analysis",
        variants=("nominal, ordinal, interval or ratio distance of ratings",),
    ),
    MetricInfo(
        name="sample_f1",
        class_name="SampleF1",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="the harmonic mean of the two raters' shares of the class",
        undefined="a class that neither rater used",
        reference="Dice 1945, Ecology",
        variants=("events instead of samples (event_f1)",),
    ),
    MetricInfo(
        name="event_f1",
        class_name="EventF1",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="none fixed, and high without min_iou: score events shifted in time",
        undefined="no event on either side",
        reference="Hooge et al. 2018, Behavior Research Methods",
        variants=(
            "matched by first or longest overlap instead of IoU",
            "matched by onset within a window",
            "a least IoU",
            "mean over recordings instead of all their events together",
        ),
    ),
    MetricInfo(
        name="event_timing_ms",
        class_name="EventTiming",
        range=(-math.inf, math.inf),
        higher_is_better=None,
        chance="none fixed: score events shifted in time",
        undefined="no match; standard deviations with one match",
        reference="Hooge et al. 2018, Behavior Research Methods",
        unit="ms",
        variants=("offset inclusive: the time of the last sample", "divisor M of the standard deviation"),
    ),
)
