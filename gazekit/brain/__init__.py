"""What models of brain responses share: ridge regressions, scores with ceilings, comparison of representations.

Everything is imported when it is first used.
"""

from importlib import import_module
from typing import Any

_WHERE: dict[str, str] = {
    "BandedRidge": "banded",
    "EncodingScores": "encoding_scores",
    "RDMVarianceScores": "rdm_variance_scores",
    "Ridge": "ridge",
    "SimilarityScores": "similarity_scores",
    "banded_ridge_cv": "banded",
    "delayed": "delays",
    "fold_numbers": "folds",
    "group_folds": "folds",
    "ridge_cv": "ridge",
    "split_r2": "partition",
    "variance_partition": "partition",
}
"""Public name to the module of this room that defines it."""

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"gazekit.brain.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
