"""NeVA: zero-shot scanpaths by optimisation, and a net that has learned them."""

from gazekit.models.neva.amortised import AmortisedNeva
from gazekit.models.neva.row import NevaRow

__all__ = ["AmortisedNeva", "NevaRow"]
