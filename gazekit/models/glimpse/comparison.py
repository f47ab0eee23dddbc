"""Predictors of the next glimpse beside one another, in all and by glimpse number, with intervals over pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from gazekit.base import Predictor
from gazekit.base.scores import Scores, Settings
from gazekit.metrics import Score
from gazekit.metrics.bootstrap import bootstrap_draws, interval_of_draws
from gazekit.models.glimpse.measures import MEASURES, PictureSums, measures_of, picture_sums
from gazekit.models.glimpse.system import GlimpsePrediction

__all__ = ["GlimpseScores", "in_folds"]

_BY_GLIMPSE = ("contrast", "sensitivity")
_TRAINED = "it was trained outside of the folds: score it on the test part of one (data.split=test)"
_BETTER = {
    "contrast": True,
    "sensitivity": True,
    "target": True,
    "same_scanpath": False,
    "other_scanpaths": False,
}


class GlimpseScores:
    """How well each row foretells glimpses of `data.split`: cosines, their contrast, and paired differences of rows.

    Columns: see `measures.measures_of`; `contrast.k` and `sensitivity.k` of predictions from glimpse k; and where the
    data know the best contrast that is possible, `share` = contrast / that. Intervals draw pictures, the same for all
    rows. Targets of other scanpaths are those of the whole part, also of the same picture, and stay as they are while
    pictures are drawn.

    With `data.split=all`, data with folds (`in_fold`) are cross-validated: rows are fitted anew in each fold and judged
    on its test part, against other scanpaths of that part.

    Args:
        differences: name of a row to two lists of rows: the mean of the first ones less the mean of the second ones.
        ceiling: the row that is best possible.
        glimpses: columns by glimpse number for so many.
    """

    def __init__(
        self,
        differences: Mapping[str, Sequence[Sequence[str]]] | None = None,
        ceiling: str = "best contrast",
        glimpses: int = 6,
    ) -> None:
        self.differences = {name: tuple(map(list, pair)) for name, pair in (differences or {}).items()}
        self.ceiling, self.glimpses = ceiling, glimpses

    def scores(
        self,
        rows: Mapping[str, Predictor],
        data: Any,
        settings: Settings,
        progress: Callable[[str, float], None],
    ) -> Scores:
        """`gazekit.base.scores.Comparison`; `data` are `GlimpseData`.

        Raises:
            ValueError: a difference names a row that is not there.
        """
        result = Scores({}, higher_is_better=_directions(self.glimpses))
        folds = list(in_folds(data))
        sums: dict[str, PictureSums] = {}
        for k, (name, row) in enumerate(rows.items()):
            progress(name, k / len(rows))
            if len(folds) > 1 and trained_elsewhere(row):
                result.reasons |= {(name, measure): _TRAINED for measure in MEASURES}
                continue
            sums[name] = PictureSums.joined(
                picture_sums(
                    fitted(row, fold) if len(folds) > 1 else row,
                    fold,
                    torch.Generator().manual_seed(settings.seed),
                    settings.samples,
                )
                for fold in folds
            )
        self._judge(sums, result, settings)
        pictures = len(next(iter(sums.values())).picture) if sums else 0
        result.notes.append(
            f"intervals draw {pictures} pictures, the same for all rows; n counts predictions; {len(folds)} fold(s)"
        )
        return result

    def _judge(self, sums: Mapping[str, PictureSums], result: Scores, settings: Settings) -> None:
        values, draws = {}, {}
        for name, own in sums.items():
            once = torch.ones(1, len(own.picture), dtype=torch.float64)
            counts = torch.cat([once, *bootstrap_draws(len(own.picture), settings.resamples, settings.seed)])
            found = measures_of(own, counts)
            values[name] = {measure: value[0] for measure, value in found.items()}
            draws[name] = {measure: value[1:] for measure, value in found.items()}
        best = self.ceiling if self.ceiling in sums else None
        for name in sums:
            count = sums[name].count[..., 0].sum(0)
            self._write(name, values[name], draws[name], count, result)
            if best is not None:
                share, drawn = (
                    x[name]["contrast"][..., 0] / x[best]["contrast"][..., 0] for x in (values, draws)
                )
                result.table[name]["share"] = _score(share, drawn, int(count[0]))
        for name, pair in self.differences.items():
            missing = [row for side in pair for row in side if row not in result.table]
            if any((row, MEASURES[0]) in result.reasons for row in missing):
                continue
            if missing:
                raise ValueError(
                    f"the difference {name!r} names the row {missing[0]!r}, which the table does not have: "
                    f"{', '.join(sums)}"
                )
            count = sums[pair[0][0]].count[..., 0].sum(0)
            self._write(name, _difference(values, pair), _difference(draws, pair), count, result)
            result.about[name] = (
                f"{' and '.join(pair[0])} less {' and '.join(pair[1])}, on the same pictures."
            )

    def _write(
        self,
        row: str,
        values: Mapping[str, Tensor],
        draws: Mapping[str, Tensor],
        count: Tensor,
        result: Scores,
    ) -> None:
        scores = result.table.setdefault(row, {})
        for measure, value in values.items():
            scores[measure] = _score(value[..., 0], draws[measure][..., 0], int(count[0]))
            if scores[measure].value != scores[measure].value:
                result.reasons[row, measure] = "no such pairs in these scanpaths"
        for measure in _BY_GLIMPSE:
            for k in range(1, min(self.glimpses + 1, len(count))):
                scores[f"{measure}.{k}"] = _score(values[measure][k], draws[measure][:, k], int(count[k]))


def _score(value: Tensor, draws: Tensor, n: int) -> Score:
    return Score.of(interval_of_draws(value, draws, 0.95), n, 0)


def _difference(of: Mapping[str, Mapping[str, Tensor]], pair: Sequence[Sequence[str]]) -> dict[str, Tensor]:
    plus, minus = ({m: torch.stack([of[row][m] for row in side]).mean(0) for m in MEASURES} for side in pair)
    return {m: plus[m] - minus[m] for m in MEASURES}


def _directions(glimpses: int) -> dict[str, bool | None]:
    parts = {f"{m}.{k}": True for m in _BY_GLIMPSE for k in range(1, glimpses + 1)}
    return {**_BETTER, "growth": None, "share": True, **parts}


def in_folds(data: Any) -> Iterator[Any]:
    """The data themselves, or for a cross-validation (`data.split=all`) the data of each fold."""
    if data.split != "all" or not hasattr(data, "in_fold"):
        yield data
        return
    for fold in range(data.folds):
        yield data.in_fold(fold)


def trained_elsewhere(row: Predictor) -> bool:
    """Whether it has learned, but not by `fit`."""
    if isinstance(row, GlimpsePrediction):
        return not row.fit_steps
    return type(row).fit is Predictor.fit and any(True for _ in row.parameters())


def fitted(row: Predictor, data: Any) -> Predictor:
    """A copy of the row that has learned from these data; rows with nothing to learn are as they are."""
    if type(row).fit is Predictor.fit:
        return row
    fresh = deepcopy(row)
    fresh.requires_grad_(True).fit(data)
    return fresh.requires_grad_(False).eval()
