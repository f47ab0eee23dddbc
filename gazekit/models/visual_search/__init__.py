"""Visual search: eccNET and its relatives on displays and pictures, beside people."""

from gazekit.models.visual_search.baselines import Chance, Template
from gazekit.models.visual_search.comparison import SearchComparison
from gazekit.models.visual_search.diet.searching import UntrainedDiet
from gazekit.models.visual_search.diet.system import DietSearcher
from gazekit.models.visual_search.eccnet import EccNetRow
from gazekit.models.visual_search.system import EccNet

__all__ = ["Chance", "DietSearcher", "EccNet", "EccNetRow", "SearchComparison", "Template", "UntrainedDiet"]
