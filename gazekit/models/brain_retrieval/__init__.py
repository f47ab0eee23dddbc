"""Pictures found by the responses of a brain, and responses by pictures."""

from gazekit.models.brain_retrieval.rows import ChanceRetrieval, RidgeRetrieval
from gazekit.models.brain_retrieval.system import BrainRetrieval

__all__ = ["BrainRetrieval", "ChanceRetrieval", "RidgeRetrieval"]
