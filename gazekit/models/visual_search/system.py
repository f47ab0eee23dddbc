"""eccNET as the system of an experiment: there is nothing to train, and its figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
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
        notes = [f"{self.about} The same settings in all tasks"]
        if "tasks" not in self.facts:
            reach = self.ior_px / 2
            notes.append(
                f"a target is recognised from within {reach:g} px of its box; fixation 1 is given, the centre"
            )
        return notes

    def records(self, items: list[str], said: Mapping[str, Any]) -> dict[str, Any]:
        """`searches.csv`, a line per display or picture, and `scanpaths.csv`, a line per fixation."""
        searches = {"name": items, "found": said["found"].tolist(), "fixations": said["fixations"].tolist()}
        if "cost" in said:
            searches["rt_ms"] = said["cost"].double().round(decimals=1).tolist()
        paths = [path[path.isfinite().all(1)].tolist() for path in said["xy_px"]]
        rows = [(name, k, *xy) for name, path in zip(items, paths, strict=True) for k, xy in enumerate(path)]
        columns = ["name", "fixation", "x_px", "y_px"]  # 0 is the given start
        return {"searches.csv": pd.DataFrame(searches), "scanpaths.csv": pd.DataFrame(rows, columns=columns)}

    def figures(self, data: Data, table: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure]:
        """Of displays the classical figure of reaction times, the bars of the asymmetries, and one search of each
        condition; of pictures a few searches."""
        if "conditions" in data.facts():
            return search_figures(self, data, table)
        return {"searches": pictures_figure(self, data)}
