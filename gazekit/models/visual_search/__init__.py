"""Visual search: eccNET and its relatives on displays and pictures, nets on a diet, Bayesian searchers of scenes."""

from gazekit.models.visual_search.baselines import Chance, Template
from gazekit.models.visual_search.bayes import (
    CentreBias,
    RandomSearch,
    Searcher,
    SearcherSystem,
    WinnerTakeAll,
)
from gazekit.models.visual_search.comparison import SearchComparison
from gazekit.models.visual_search.diet.searching import UntrainedDiet
from gazekit.models.visual_search.diet.system import DietSearcher
from gazekit.models.visual_search.eccnet import EccNetRow
from gazekit.models.visual_search.system import EccNet

__all__ = [
    "CentreBias",
    "Chance",
    "DietSearcher",
    "EccNet",
    "EccNetRow",
    "RandomSearch",
    "SearchComparison",
    "Searcher",
    "SearcherSystem",
    "Template",
    "UntrainedDiet",
    "WinnerTakeAll",
]
