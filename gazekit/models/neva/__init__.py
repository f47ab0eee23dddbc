"""NeVA: zero-shot scanpaths by optimisation, and a net that has learned them."""

from gazekit.models.neva.amortised import AmortisedNeva
from gazekit.models.neva.row import NevaRow
from gazekit.models.neva.system import Neva

__all__ = ["AmortisedNeva", "Neva", "NevaRow"]
