"""Visual search."""

from gazekit.models.visual_search.diet.system import DietSearcher, UntrainedDiet

__all__ = ["DietSearcher", "UntrainedDiet"]
