"""Object-level attention transformer (OAT): which object is looked at next, and when to stop."""

from gazekit.models.oat.net import OATNet

__all__ = ["OATNet"]
