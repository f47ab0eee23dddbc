"""A searcher as a system: one table with all others, and pictures of what it believes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
from torch import Tensor

from gazekit.base import Data, System
from gazekit.base.scores import Settings
from gazekit.models.visual_search.bayes.searcher import Searcher, log_likelihood
from gazekit.scanpaths.search_scenes import SearchSceneComparison
from gazekit.scene import Scene, TrialBatch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["SearcherSystem"]


class SearcherSystem(Searcher, System):
    """A Bayesian searcher whose readout can also be trained by gradient descent on whole batches.

    `fit` has already trained it, so `evaluate` reports on it without a training. Settings: `Searcher`.
    """

    def __init__(self, facts: Mapping[str, Any] | None = None, **settings: Any) -> None:
        super().__init__(facts, **settings)

    def loss(self, batch: TrialBatch) -> dict[str, Tensor]:
        """Mean negative log-probability of the cells that people looked at after their first fixation, in nats."""
        return {"loss": -log_likelihood(self, batch)}

    def records(self, items: list[Scene], said: Mapping[str, Any]) -> dict[str, Any]:
        """Its scanpaths over objects, one line per fixation."""
        rows = [
            (scene.name, sample + 1, step + 1, int(index))
            for scene, paths, masks in zip(
                items, said["model_objects"].cpu(), said["model_mask"].cpu(), strict=True
            )
            for sample, (path, mask) in enumerate(zip(paths, masks, strict=True))
            for step, index in enumerate(path[mask])
        ]
        return {"scanpaths.csv": pd.DataFrame(rows, columns=["image", "sample", "fixation", "object"])}

    def figures(self, data: Data, table: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure]:
        """One person's scanpath with what can be seen, what the searcher believes, and where it expects the eye; and
        the share of targets that people and all rows have found by each saccade, if the report scores that."""
        from gazekit.drawing import cumulative_performance_figure
        from gazekit.models.visual_search.bayes.figure import beliefs_figure

        drawn = {"beliefs": beliefs_figure(self, data)}
        for scored in (self.recipe or {}).get("metrics", {}).get("scores", {}).values():
            if scored["_target_"].rpartition(".")[2] == SearchSceneComparison.__name__:
                settings = {key: value for key, value in scored.items() if key != "_target_"}
                rows = {self.recipe["name"]: self} | dict(self.baselines)
                curves = SearchSceneComparison(**settings).curves(rows, data, Settings(resamples=500))
                drawn["found"] = cumulative_performance_figure({data.about()["name"]: curves})
        return drawn
