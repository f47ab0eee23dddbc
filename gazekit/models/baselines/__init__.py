"""Simple models that every scanpath model is measured against: uniform, marginal, pairwise."""

from gazekit.models.baselines.marginal import Marginal
from gazekit.models.baselines.pairwise import Pairwise
from gazekit.models.baselines.uniform import Uniform

__all__ = ["Marginal", "Pairwise", "Uniform"]
