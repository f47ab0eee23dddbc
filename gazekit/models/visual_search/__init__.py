"""Visual search."""

from gazekit.models.visual_search.diet.system import DietSearcher

__all__ = ["DietSearcher"]
