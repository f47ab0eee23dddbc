"""Object-level attention transformer (OAT): which object is looked at next, and when to stop."""

from gazekit.models.oat.net import OATNet
from gazekit.models.oat.system import OAT, upgrade

__all__ = ["OAT", "OATNet", "upgrade"]
