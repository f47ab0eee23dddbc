"""Which pictures frozen nets and brains find alike."""

from gazekit.models.brain_similarity.system import BackboneRDMs

__all__ = ["BackboneRDMs"]
