"""Simple models that every scanpath model is measured against: uniform, marginal, pairwise."""

from gazekit.scanpaths.baselines.marginal import Marginal
from gazekit.scanpaths.baselines.pairwise import Pairwise
from gazekit.scanpaths.baselines.uniform import Uniform

__all__ = ["Marginal", "Pairwise", "Uniform"]
