"""Facts about the metrics of brain encoding."""

import math

from gazekit.metrics.info.entry import MetricInfo

__all__ = ["ENTRIES"]

_RSA = "Kriegeskorte, Mur and Bandettini 2008, Frontiers in Systems Neuroscience"

ENTRIES: tuple[MetricInfo, ...] = (
    MetricInfo(
        name="pearson",
        class_name="Pearson",
        range=(-1.0, 1.0),
        higher_is_better=True,
        chance="0",
        undefined="fewer than two stimuli; a constant voxel, or one that holds NaN",
        reference="Pearson 1895, Proceedings of the Royal Society",
        variants=("a constant prediction counted as 0",),
    ),
    MetricInfo(
        name="r2_score",
        class_name="R2",
        range=(-math.inf, 1.0),
        higher_is_better=True,
        chance="0 for the mean of the tested responses, below for anything else that knows nothing",
        undefined="fewer than two stimuli; a constant response, or NaN in a voxel",
        reference="Wright 1921, Journal of Agricultural Research",
        variants=("the squared correlation", "against the mean of the training responses"),
    ),
    MetricInfo(
        name="normalised_correlation",
        class_name="NormalisedCorrelation",
        range=(-math.inf, math.inf),
        higher_is_better=True,
        chance="0",
        undefined="an undefined correlation; a ceiling undefined, 0 or below the least",
        reference="Schoppe et al. 2016, Frontiers in Computational Neuroscience",
        variants=("divided by the correlation of halves of the repeats", "other least ceilings"),
    ),
    MetricInfo(
        name="normalised_r2",
        class_name="NormalisedR2",
        range=(-math.inf, math.inf),
        higher_is_better=True,
        chance="near 0",
        undefined="an undefined correlation; a ceiling undefined, 0 or below the least",
        reference="Gifford et al. 2023, arXiv 2301.03198 (Algonauts)",
        variants=("negative correlations counted as 0", "mean or median over voxels", "in percent"),
    ),
    MetricInfo(
        name="noise_ceiling",
        class_name="NoiseCeiling",
        range=(0.0, 1.0),
        higher_is_better=None,
        chance="above 0, as negative estimates of the signal are cut at 0",
        undefined="fewer than two stimuli, no repeats, a constant response, or NaN in it",
        reference="Allen et al. 2022, Nature Neuroscience (Natural Scenes Dataset)",
        variants=(
            "of the mean over repeats or of single trials",
            "of r instead of r^2 (the square root)",
            "from repeat means and the noise variance (noise_ceiling_of_means)",
        ),
    ),
    MetricInfo(
        name="explainable_variance",
        class_name="ExplainableVariance",
        range=(-math.inf, 1.0),
        higher_is_better=None,
        chance="0",
        undefined="fewer than two stimuli, no repeats, a constant response, or NaN in it",
        reference="Sahani and Linden 2003, NIPS 15",
        variants=("cut at 0", "of the mean over repeats instead of single trials"),
    ),
    MetricInfo(
        name="rsa",
        class_name="RSA",
        range=(-1.0, 1.0),
        higher_is_better=True,
        chance="0",
        undefined="fewer than three stimuli, an undefined dissimilarity, or (not tau-a) all equal",
        reference=_RSA,
        variants=("Kendall's tau-a or Pearson's r instead of Spearman's", "squared", "other dissimilarities"),
    ),
    MetricInfo(
        name="two_versus_two",
        class_name="TwoVersusTwo",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="0.5",
        undefined="no pair of stimuli whose similarities are defined",
        reference="Mitchell et al. 2008, Science",
        variants=("cosine similarity or Pearson's r",),
    ),
    MetricInfo(
        name="identification_accuracy",
        class_name="IdentificationAccuracy",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="0.5",
        undefined="no comparison whose similarities are defined",
        reference="Kay et al. 2008, Nature",
        variants=("the best of all candidates only (top 1)", "cosine similarity or Pearson's r"),
    ),
    MetricInfo(
        name="retrieval_top_k",
        class_name="Retrieval",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="k / n, 1 of 300 by default",
        undefined="fewer pictures with embeddings than there should be to choose from",
        reference="Scotti et al. 2023, arXiv 2305.18274 (MindEye)",
        variants=("mean over 30 random batches instead of all", "among all test pictures", "k above 1"),
    ),
)
