"""Bayesian searchers of scenes on a grid of cells, and the simple models beside them."""

from gazekit.models.visual_search.bayes.baselines import CentreBias, RandomSearch, WinnerTakeAll
from gazekit.models.visual_search.bayes.searcher import Searcher
from gazekit.models.visual_search.bayes.similarity import BoxSimilarity, SimilarityMap
from gazekit.models.visual_search.bayes.system import SearcherSystem

__all__ = [
    "BoxSimilarity",
    "CentreBias",
    "RandomSearch",
    "Searcher",
    "SearcherSystem",
    "SimilarityMap",
    "WinnerTakeAll",
]
