"""Facts about the metrics of saliency maps."""

import math

from gazekit.metrics.info.entry import MetricInfo

__all__ = ["ENTRIES"]

_BENCHMARK = "Bylinskii et al. 2019, IEEE TPAMI"
_IG = "Kümmerer, Wallis and Bethge 2015, PNAS"
_HAT = "Yang et al. 2024, CVPR (human attention transformer)"

_AUC = (
    MetricInfo(
        name="auc",
        class_name="AUC",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="0.5; a centre bias alone is far above it",
        undefined="no fixation, or no negative",
        reference="Kümmerer, Wallis and Bethge 2018, ECCV",
        variants=(
            "unfixated pixels as negatives",
            "auc_judd",
            "auc_borji",
            "fixations on a pixel count once",
        ),
    ),
    MetricInfo(
        name="auc_judd",
        class_name="AUCJudd",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="above 0.5, the more the fewer the fixations: 0.75 with one",
        undefined="no fixation or no unfixated pixel; matlab: a constant map",
        reference="Judd et al. 2009, ICCV",
        variants=(
            "fixated pixels count once and equal values pass one by one (matlab), below 0 in the worst case",
            "jitter: noise of 1e-7 added to the map, whatever its range",
            "false positives off by one (Python ports)",
        ),
    ),
    MetricInfo(
        name="auc_borji",
        class_name="AUCBorji",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="0.5",
        undefined="a constant map, or fewer than two fixated pixels",
        reference="Borji, Tavakoli, Sihite and Itti 2013, ICCV",
        variants=("auc, its exact form",),
    ),
    MetricInfo(
        name="shuffled_auc",
        class_name="ShuffledAUC",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="0.5, also for a centre bias",
        undefined="no fixation here, or none on the other images",
        reference="Zhang et al. 2008, Journal of Vision",
        variants=("negatives from some of the other images only", "auc_shuffled_matlab"),
    ),
    MetricInfo(
        name="auc_shuffled_matlab",
        class_name="ShuffledAUCMatlab",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="0.5, also for a centre bias",
        undefined="a constant map; no fixation here, or none on the other images",
        reference=_BENCHMARK,
        variants=("shuffled_auc, its exact form", "thresholds in ascending order (FixaTons)"),
    ),
)

_MAPS = (
    MetricInfo(
        name="nss",
        class_name="NSS",
        range=(-math.inf, math.inf),
        higher_is_better=True,
        chance="0",
        undefined="a constant map, or no fixation",
        reference="Peters, Iyer, Itti and Koch 2005, Vision Research",
        unit="standard deviations",
        variants=(
            "sample standard deviation, fixated pixels count once (matlab)",
            "a constant map counts 0 (pysaliency)",
            "read from a blurred map of the fixations, which is another quantity",
        ),
    ),
    MetricInfo(
        name="correlation_coefficient",
        class_name="CC",
        range=(-1.0, 1.0),
        higher_is_better=True,
        chance="0",
        undefined="a constant map or density; a density without fixations",
        reference=_BENCHMARK,
        variants=("the blur of the density", "a constant map counts 0 (pysaliency)"),
    ),
    MetricInfo(
        name="similarity",
        class_name="SIM",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="above 0, what the uniform map gets: depends on the blur of the density",
        undefined="a map of zeros only; matlab: a constant one; a density without fixations",
        reference="Judd et al. 2012, MIT-CSAIL-TR-2012-001",
        variants=("the minimum is always subtracted (matlab)", "the blur of the density"),
    ),
    MetricInfo(
        name="kld",
        class_name="KLD",
        range=(0.0, math.inf),
        higher_is_better=False,
        chance="what the uniform map gets: depends on the blur of the density",
        undefined="a map of zeros only, or a density without fixations",
        reference=_BENCHMARK,
        unit="nats",
        variants=(
            "eps 1e-12 (FixaTons)",
            "1e-20 added to both maps (pysaliency's default)",
            "the arguments exchanged",
        ),
    ),
    MetricInfo(
        name="earth_movers_distance",
        class_name="EMD",
        range=(0.0, math.inf),
        higher_is_better=False,
        chance="what the uniform map gets",
        undefined="a map of zeros only, or a density without fixations",
        reference="Rubner, Tomasi and Guibas 2000, IJCV",
        unit="grid cells",
        variants=("the grid", "pixels as the unit"),
    ),
    MetricInfo(
        name="log_likelihood_nats",
        class_name="LogLikelihood",
        range=(-math.inf, 0.0),
        higher_is_better=True,
        chance="-ln(number of pixels), the uniform density",
        undefined="no fixation",
        reference=_IG,
        unit="nats",
        variants=("relative to the uniform density, in bits", "how a map became a density"),
    ),
    MetricInfo(
        name="map_information_gain_bits",
        class_name="MapInformationGain",
        range=(-math.inf, math.inf),
        higher_is_better=True,
        chance="0 for the baseline itself",
        undefined="no fixation, or one that both exclude; matlab: a constant map",
        reference=_IG,
        unit="bits",
        variants=("both maps scaled to minimum 0 (matlab)", "eps added to both densities", "the baseline"),
    ),
)

_CONDITIONAL = (
    MetricInfo(
        name="conditional_auc",
        class_name="ConditionalAUC",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="0.5; 0.75 for the variant hat",
        undefined="padding and dropped fixations; no fixation left",
        reference="Kümmerer and Bethge 2021, arXiv:2102.12239",
        variants=("hat: (1 + AUC) / 2 where there are no ties",),
    ),
    MetricInfo(
        name="conditional_nss",
        class_name="ConditionalNSS",
        range=(-math.inf, math.inf),
        higher_is_better=True,
        chance="0",
        undefined="padding, dropped fixations and constant maps",
        reference=_HAT,
        unit="standard deviations",
        variants=("sample standard deviation",),
    ),
    MetricInfo(
        name="conditional_information_gain_bits",
        class_name="ConditionalInformationGain",
        range=(-math.inf, math.inf),
        higher_is_better=True,
        chance="0 for the baseline itself",
        undefined="padding and dropped fixations; a fixation that both exclude",
        reference="Kümmerer and Bethge 2021, arXiv:2102.12239",
        unit="bits",
        variants=("eps 2.2204e-16 added to both densities (HAT)", "the baseline"),
    ),
)

ENTRIES: tuple[MetricInfo, ...] = (*_AUC, *_MAPS, *_CONDITIONAL)
