"""Visual search: which place is looked at next until the target is found."""

from gazekit.models.visual_search.bayes import (
    CentreBias,
    RandomSearch,
    Searcher,
    SearcherSystem,
    WinnerTakeAll,
)

__all__ = ["CentreBias", "RandomSearch", "Searcher", "SearcherSystem", "WinnerTakeAll"]
