"""Flow of every row against the truth, and where it is known against what people report, by condition."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from lightning_fabric.utilities import move_data_to_device
from torch import Tensor

from gazekit.base import Data, Predictor
from gazekit.base.scores import Scores, Settings
from gazekit.metrics import Score
from gazekit.metrics.bootstrap import bootstrap_statistic
from gazekit.metrics.functional.moments import correlation, drawn_moments, moments_of_items, moments_of_units
from gazekit.metrics.functional.motion import consistency, directions, flows, partial_correlation
from gazekit.metrics.search_slopes import strata_of

__all__ = ["FlowScores"]

NONE = "a flow of 0, or one that is the same everywhere, has no direction and no correlation"


def _mean(packed: Tensor) -> Tensor:
    return torch.where(packed[0] > 0, packed[1], torch.nan)


def _gain(packed: Tensor) -> Tensor:
    """r(M, R) - r(M, G) of the moments of M, R, G."""
    pairs = ([0, 1, 2, 4, 5, 7, 8], [0, 1, 3, 4, 6, 10, 12])  # count, two means, four co-moments
    human, truth = (correlation(packed[list(pair)]) for pair in pairs)
    return human - truth


STATISTICS: dict[str, tuple[Callable[[Tensor], Tensor], bool | None]] = {
    "error": (_mean, False),
    "cosine": (_mean, True),
    "r_truth": (correlation, True),
    "r_human": (correlation, True),
    "human_gain": (_gain, True),
    "partial_r": (partial_correlation, True),
    "consistency": (_mean, True),
    "error_human": (_mean, False),
    "direction_r": (correlation, True),
    "speed_r": (correlation, True),
}
"""Column to what it is of the moments of its quantities, and whether more is better."""


def quantities(flow: Tensor, true_flow: Tensor, human_flow: Tensor | None) -> dict[str, Sequence[Tensor]]:
    """Column to the quantities [B, ...] whose moments it is computed from."""
    if human_flow is None:
        m, g = flows(flow=flow, true_flow=true_flow)
    else:
        m, g, r = flows(flow=flow, true_flow=true_flow, human_flow=human_flow)
    size = [x.square().sum(1).sqrt() for x in (m, g)]
    found = {
        "error": [(m - g).square().sum(1).sqrt()],
        "cosine": [(m * g).sum(1) / size[0] / size[1]],
        "r_truth": [m, g],
    }
    if human_flow is None:
        return found
    return found | {
        "r_human": [m, r],
        "human_gain": [m, r, g],
        "partial_r": [m, r, g],
        "consistency": [consistency(m, r, g)],
        "error_human": [(m - r).square().sum(1).sqrt()],
        "direction_r": directions(m, r, g),
        "speed_r": [size[0], r.square().sum(1).sqrt()],
    }


class FlowScores:
    """End-point error, direction and correlation with the truth; beside people's reports also the measures of Sun et
    al. 2023. Each column is the mean over conditions, followed by one of each condition.

    Columns: `error` (px per frame), `cosine` (of the angle to the true flow, where neither is 0), `r_truth`. Where
    batches have `human_flow` also `r_human`, `human_gain` (r_human - r_truth, above 0 for a model that perceives as
    people do), `partial_r`, `consistency`, `error_human`, and correlations of direction and speed with people's.
    Intervals draw groups (scenes, movies, clips), the same ones for all rows; a row "A - B" is of paired draws. Places
    where a row or the truth is undefined (no direction, NaN) are left out and counted, in "A - B" those of A.

    Args:
        differences: pairs of rows "A", "B" for which there is a row "A - B".
    """

    def __init__(self, differences: Sequence[Sequence[str]] = ()) -> None:
        if any(len(pair) != 2 for pair in differences):
            raise ValueError(f"differences must be pairs of rows, got {differences}")
        self.differences = [tuple(pair) for pair in differences]

    def scores(
        self,
        rows: Mapping[str, Predictor],
        data: Data,
        settings: Settings,
        progress: Callable[[str, float], None],
    ) -> Scores:
        """Ask all rows.

        Raises:
            ValueError: a row that says no `flow`; a difference of rows that do not exist.
        """
        if unknown := {name for pair in self.differences for name in pair} - set(rows):
            raise ValueError(f"no row {', '.join(sorted(unknown))} to subtract, rows: {', '.join(rows)}")
        names = list(data.facts().get("conditions", ()))
        result, measured = Scores({}), {}
        for name, row in rows.items():
            measured[name] = _Measured(row, data, settings, max(1, len(names)), partial(progress, name))
            result.table[name] = {}
            for column, one in measured[name].columns.items():
                asked, drawn = measured[name].asked[column], measured[name].drawn(column, settings)
                result.table[name] |= _scores(column, names, one, asked, drawn)
            for column in set(row.reasons) & set(STATISTICS):
                result.table[name][column] = Score(torch.nan, torch.nan, torch.nan, 0, 0)
                result.reasons[name, column] = row.reasons[column]
        for a, b in self.differences:
            both = [c for c in measured[a].columns if c in measured[b].columns]
            result.table[f"{a} - {b}"] = {
                key: score
                for column in both
                for key, score in _scores(
                    column,
                    names,
                    measured[a].columns[column],
                    measured[a].asked[column],
                    measured[a].drawn(column, settings, measured[b]),
                ).items()
            }
        for name, scores in result.table.items():
            for key, score in scores.items():
                result.higher_is_better[key] = STATISTICS[key.partition(".")[0]][1]
                if math.isnan(score.value):
                    result.reasons.setdefault((name, key), NONE)
        result.notes = ["intervals draw whole groups (scenes, movies or clips), the same ones for all rows"]
        return result


class _Measured:
    """Moments of what a row says, by group and condition.

    Attributes:
        columns: name to packed moments [units, C, K] of K conditions.
        asked: name to how many observations [K] there would be if all were defined.
    """

    def __init__(
        self, row: Predictor, data: Data, settings: Settings, conditions: int, told: Callable[[float], None]
    ) -> None:
        generator = torch.Generator().manual_seed(settings.seed)
        items: dict[str, list[Tensor]] = {}
        self.asked: dict[str, Tensor] = {}
        place, done = [], 0
        device = next((x.device for x in (*row.parameters(), *row.buffers())), torch.device("cpu"))
        row.eval()
        for batch in data.batches(data.split, row.facts):
            with torch.no_grad():
                said = row.predict(move_data_to_device(batch, device), generator, settings.samples)
            said = move_data_to_device(said, "cpu")
            if "flow" not in said:
                raise ValueError(f"{type(row).__name__} says no flow: FlowScores cannot judge it")
            given = {"human_flow": None, **batch, **said}
            group = batch["group"]
            condition = batch.get("condition", torch.zeros_like(group))
            place.append(torch.stack([group, condition], 1))
            found = quantities(given["flow"], given["true_flow"], given["human_flow"])
            for column, several in found.items():
                if column not in row.reasons:
                    flat = [x[..., None].flatten(1) for x in several]
                    packed = moments_of_items(*flat)
                    items.setdefault(column, []).append(packed)
                    asked = flat[0].shape[1] * condition.bincount(minlength=conditions)
                    self.asked[column] = self.asked.get(column, 0) + asked
            done += len(group)
            told(done / len(data.parts[data.split]))
        self.place = torch.cat(place)
        unit = self.place[:, 0].unique(return_inverse=True)[1]
        self.units = int(unit.max()) + 1
        self.strata = strata_of(self.place[:, 1:].double(), unit, self.units)
        cell = unit * conditions + self.place[:, 1]
        self.columns = {
            column: moments_of_units(torch.cat(parts), cell, self.units * conditions)
            .unflatten(0, (self.units, conditions))
            .movedim(1, 2)
            for column, parts in items.items()
        }

    def drawn(self, column: str, settings: Settings, other: _Measured | None = None) -> Any:
        """`Interval` of [1 + K]: the mean over conditions, and each; of the difference to another row if given."""

        def value(packed: Tensor, counts: Tensor) -> Tensor:
            each = STATISTICS[column][0](drawn_moments(packed, counts))  # [R, K]
            return torch.cat([each.nanmean(1, keepdim=True), each], 1)

        def statistic(counts: Tensor) -> Tensor:
            own = value(self.columns[column], counts)
            return own if other is None else own - value(other.columns[column], counts)

        width = 8 * self.columns[column][0].numel()
        return bootstrap_statistic(
            statistic, self.units, settings.resamples, 0.95, settings.seed, width, self.strata
        )


def _scores(column: str, names: Sequence[str], packed: Tensor, asked: Tensor, drawn: Any) -> dict[str, Score]:
    """The mean and, where several conditions occur, each that does; `n` and `undefined` count observations."""
    number = packed[:, 0].sum(0)
    lost = [int(asked.sum() - number.sum()), *(asked - number).int().tolist()]
    each = {f"{column}.{name}": k + 1 for k, name in enumerate(names) if asked[k]}
    counts = [int(number.sum()), *(int(n) for n in number)]
    return {
        key: Score.of((drawn.value[k], drawn.low[k], drawn.high[k]), counts[k], lost[k])
        for key, k in ({column: 0} | (each if len(each) > 1 else {})).items()
    }
