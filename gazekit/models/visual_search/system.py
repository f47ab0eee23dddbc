"""eccNET as the system of an experiment: there is nothing to train, and its figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from gazekit.base import System
from gazekit.models.visual_search.eccnet import EccNetRow
from gazekit.models.visual_search.figures import pictures_figure, search_figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gazekit.base import Data

__all__ = ["EccNet"]


class EccNet(EccNetRow, System):
    """eccNET (Gupta et al. 2021): search guided by the target's features, with eccentricity-dependent pooling.

    Nothing is trained: `evaluate +experiment=search_asymmetry`. Arguments are those of `EccNetRow`.
    """

    def loss(self, batch: Any) -> dict[str, Tensor]:
        raise ValueError(
            "eccNET has nothing to train: use `gazekit evaluate +experiment=search_asymmetry` (or trainer=none); a net "
            "of your own is trained by +experiment=search_diet"
        )

    def notes(self) -> list[str]:
        how = "with eccentric pooling" if self.eccentric else "with the net's own pooling"
        return [
            f"{self.name}, {', '.join(self.layers)}, stride {self.stride}, {how}; the same settings in all tasks"
        ]

    def figures(self, data: Data, table: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure]:
        """Of displays the classical figure of reaction times, the bars of the asymmetries, and one search of each
        condition; of pictures a few searches."""
        if "conditions" in data.facts():
            return search_figures(self, data, table)
        return {"searches": pictures_figure(self, data)}
