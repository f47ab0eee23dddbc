"""What an eye at a place sees of the rest of a picture, on a grid of cells: the floor of all searchers."""

from gazekit.foveation.grid import Grid
from gazekit.foveation.visibility import GaussianVisibility

__all__ = ["GaussianVisibility", "Grid"]
