"""Search in scenes: models beside people, the gold standard, the centre bias and chance, as the ViSioNS benchmark
compares them.

Source: Travi et al. 2022 (NeurIPS, ViSioNS); Ruarte et al. 2024. The scores are in `search_scores`, the predictions
without a model in `search_maps`; both say where they deviate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gazekit.base import Predictor
from gazekit.base.scores import Scores, Settings
from gazekit.scanpaths.predictor import ObjectPredictor
from gazekit.scanpaths.search_rows import SceneRows, SceneSettings
from gazekit.scanpaths.search_scores import PREDICTION

__all__ = ["SearchSceneComparison"]

_BETTER = {"AUCperf": None, "AvgMM": True, "Corr": True} | dict.fromkeys(PREDICTION, True)
_ABOUT = {
    "people": "The people themselves: how soon they find targets, and how alike their scanpaths are.",
    "gold standard": "All other people on the scene, as a density of fixations: no knowledge of the person's history.",
    "centre bias": "People of the training part on other scenes, as a density of fixations.",
    "uniform": "Every place equally likely.",
}
_NO_PAIR = (
    "no pair of scanpaths that both found the target, by their third fixation or later, on these images"
)
_ALONE = "scanpaths of one fixation, or on a scene that nobody else searched, are left out"
_NOTE = (
    "AUCperf is good where it is close to people's. NSShsp counts negative values as 0, as published, so chance is "
    "above 0. Object models are spread over places by where people fixate around objects."
)


class SearchSceneComparison:
    """Columns AUCperf, AvgMM, Corr, AUChsp, NSShsp, IGhsp and LLhsp of models and of people on scenes with a target.

    - AUCperf: area under the share of targets found against the number of fixations, 1 ... `most_fixations`. Where
      scenes say what people were allowed (`max_fixations`, as Interiors) people's is the area over these numbers at
      equal distances, each of the searches that were allowed as many: this gives the published value.
    - AvgMM: MultiMatch (vector, direction, length, position), searches that found the target, cut there. Corr:
      correlation over images of the model's with people's among themselves.
    - AUChsp, NSShsp, IGhsp (bits beyond the centre bias), LLhsp (bits beyond uniform): each fixation of people but the
      first, predicted from those before; mean over a scanpath, then an image, then images.

    A row with `positions_px(batch, generator, samples)` has the first three. The others need
    `next_fixation_maps(batch)`, [B, T, rows, columns] natural log-probabilities of the cells for fixation t from those
    before it, or an `ObjectPredictor`, whose probabilities of objects (stop excluded) are spread over cells
    (`ObjectSpread`). A row may have a `cell_px` of its own. Intervals draw images.

    Args:
        fovea_px: a target is found when its box, widened by half of this on each side, is fixated: 32 for Interiors,
            68 for HSEM.
        most_fixations: of a search that counts, the first one included: 16 for Interiors, 25 for HSEM.
        cell_px: side of the cells of predictions.
        by: name of a scene attribute, say "memory_set_size"; there are columns for each of its values.
    Raises:
        ValueError: a fovea, cell or number of fixations that is not positive.
    """

    def __init__(
        self, fovea_px: float, most_fixations: int, cell_px: float = 32, by: str | None = None
    ) -> None:
        if not (fovea_px > 0 and cell_px > 0 and most_fixations > 1):
            raise ValueError(
                "fovea_px and cell_px must be positive and most_fixations at least 2, "
                f"got {fovea_px}, {cell_px} and {most_fixations}"
            )
        self.options = SceneSettings(fovea_px, most_fixations, cell_px, by)

    def scores(
        self,
        rows: Mapping[str, Predictor],
        data: Any,
        settings: Settings,
        progress: Callable[[str, float], None],
    ) -> Scores:
        """Rows of models and of people (`gazekit.base.scores.Comparison`); `data` are `ScanpathData`.

        Raises:
            ValueError: scenes without a target or of different sizes; maps of another shape than the cells have.
        """
        found = SceneRows(self.options, data, settings)
        result = Scores({}, about=dict(_ABOUT), notes=[_NOTE])
        models = {name: row for name, row in rows.items() if hasattr(row, "positions_px")}
        objects = [
            name
            for name, row in models.items()
            if isinstance(row, ObjectPredictor) and not hasattr(row, "next_fixation_maps")
        ]
        if objects and all(len(scene) == 1 for scene in data.dataset.scenes):
            result.notes.append(
                f"the target is the only object: rows over objects ({', '.join(objects)}) say nothing"
            )
        own: dict[str, Callable[[], Mapping[str, Any]]] = {
            "people": found.people_row,
            "gold standard": found.gold_row,
            "centre bias": found.centre_row,
            "uniform": found.uniform_row,
        }
        made = own | {name: lambda row=row: found.model_row(row) for name, row in models.items()}
        for done, (name, make) in enumerate(made.items()):
            progress(name, done / len(made))
            for column, score in make().items():
                result.table.setdefault(name, {})[column] = score
                metric = column.partition(".")[0]
                result.higher_is_better[column] = _BETTER[metric]
                if score.undefined:
                    result.reasons[name, column] = _ALONE if metric in PREDICTION else _NO_PAIR
        progress("done", 1.0)
        return result

    def curves(
        self, rows: Mapping[str, Predictor], data: Any, settings: Settings
    ) -> dict[str, dict[str, list[float]]]:
        """Share of targets found by saccade 0, 1, ... of people and of models, for `cumulative_performance_figure`.

        Searches of people that were allowed fewer saccades do not count beyond what they were allowed.

        Returns:
            row -> "found", and "low" and "high" of its interval, `most_fixations` values each.
        """
        found = SceneRows(self.options, data, settings)
        models = {name: found.of_model(row) for name, row in rows.items() if hasattr(row, "positions_px")}
        return {name: found.curve(searches) for name, searches in ({"people": found.people} | models).items()}
