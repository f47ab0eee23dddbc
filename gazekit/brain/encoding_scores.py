"""Encoding models beside one another: correlation voxel by voxel, per region, with intervals and a noise ceiling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric.utilities import move_data_to_device
from torch import Tensor

from gazekit.base import Predictor
from gazekit.base.scores import Scores, Settings
from gazekit.brain.ceilings import explained_by_signal, repeat_blocks
from gazekit.brain.encoding_measures import MEASURES, Layout, measures_of, reasons_of
from gazekit.brain.intervals import PictureBlocks, drawn_blocks, over_subjects, region_draws, region_means
from gazekit.metrics import Score
from gazekit.metrics.bootstrap import interval_of_draws
from gazekit.metrics.functional.moments import merge_moments, moments_drawer
from gazekit.metrics.functional.noise_ceiling import ceiling_of

__all__ = ["CEILING", "EncodingScores"]

CEILING = "noise ceiling"
_ABOUT = "The best that noise allows: square root of the noise ceiling (r) and the ceiling itself (r2), from repeats."
_MOST_DETAILS = 10_000  # voxels


class EncodingScores:
    """How well each row predicts the responses of `data.split`, per region, with intervals over pictures and subjects.

    Columns are means over voxels: `r` (Pearson), `r2` (1 - SS_res / SS_tot) and, where there are repeats,
    `normalised` = r / sqrt(noise ceiling) (`functional.normalised_correlation`, Schoppe et al. 2016), over all voxels
    and as `r.REGION`. Intervals draw pictures (groups), the same for all rows; the ceiling that r is divided by stays
    as it is. With several subjects, `r.REGION over subjects` is the mean of the subjects' means with Student's t.

    Rows beside those asked: "A - B", the first row less each other one, over the voxels that both have, paired in
    every draw; and "noise ceiling" (`functional.noise_ceiling`, the definition of NSD).

    Undefined voxels are left out of means, counted, and explained. Memory: 32 MiB a row, or 2 kB per voxel.

    Args:
        min_ceiling: voxels with a lower noise ceiling have no `normalised` score; the choice moves its mean.
    Raises:
        ValueError: min_ceiling not from 0 to 1.
    """

    def __init__(self, min_ceiling: float = 0.1) -> None:
        if not 0 <= min_ceiling <= 1:
            raise ValueError(f"min_ceiling must lie between 0 and 1, got {min_ceiling}")
        self.min_ceiling = min_ceiling

    def scores(
        self,
        rows: Mapping[str, Predictor],
        data: Any,
        settings: Settings,
        progress: Callable[[str, float], None],
    ) -> Scores:
        """Rows of models, their differences and the ceiling (`gazekit.base.scores.Comparison`).

        Args:
            data: brain data: batches with `response` [B, V] and `group` [B], `facts` and `repeats(part)`.
        Raises:
            ValueError: predictions of another shape than the responses; repeats of other pictures than the split's.
        """
        layout = Layout.of(data.facts())
        blocks = PictureBlocks(len(layout.members))
        result = Scores({}, higher_is_better=_directions(layout))
        judge: _Judge | None = None
        first: tuple[str, _Row] | None = None
        for k, (name, row) in enumerate(rows.items()):
            progress(name, k / len(rows))
            if "prediction" in row.reasons:
                result.reasons |= {(name, m): row.reasons["prediction"] for m in MEASURES}
                continue
            packed, order = _predicted(name, row, data, blocks, settings)
            judge = judge or _Judge.of(
                layout, blocks, order, data.repeats(data.split), self.min_ceiling, settings
            )
            found = judge.row(packed[:, : len(blocks)])
            judge.write(name, found, result)
            if first is None:
                first = (name, found)
            else:
                judge.write(f"{first[0]} - {name}", judge.difference(first[1], found), result)
        if judge is not None:
            judge.write_ceiling(result)
            result.notes += judge.notes()
        return result


@dataclass
class _Row:
    """A row's moments [7, W, V], values of voxels [M, V], and means of regions in each draw [R, M, K]."""

    packed: Tensor | None
    voxels: Tensor
    draws: Tensor
    reasons: dict[str, list[tuple[str, Tensor]]]


@dataclass
class _Judge:
    """Scores rows: what they have in common.

    Attributes:
        draws: [R, W] of blocks.
        repeats: moments and sums of `repeat_blocks`; None without repeats.
        ceiling: [V] noise ceiling; `divisor` likewise, NaN where it is too low.
    """

    layout: Layout
    pictures: int
    draws: Tensor
    min_ceiling: float
    repeats: tuple[Tensor, Tensor] | None
    ceiling: Tensor | None
    divisor: Tensor | None

    @classmethod
    def of(
        cls,
        layout: Layout,
        blocks: PictureBlocks,
        order: Tensor,
        repeats: Tensor | None,
        min_ceiling: float,
        settings: Settings,
    ) -> _Judge:
        draws = drawn_blocks(len(blocks), settings.resamples, settings.seed)
        if repeats is None:
            return cls(layout, blocks.pictures, draws, min_ceiling, None, None, None)
        wanted = (len(order), len(layout.members))
        if tuple(repeats.shape[1:]) != wanted:
            raise ValueError(
                f"repeats must have shape [R, n, V] with the split's n = {wanted[0]} pictures and V = {wanted[1]} "
                f"voxels, got {list(repeats.shape)}"
            )
        packed, sums = repeat_blocks(repeats, order, len(blocks))
        ceiling = ceiling_of(merge_moments(packed.movedim(1, 0)), sums.sum(1), None)
        low = (ceiling < min_ceiling) | (ceiling == 0)
        divisor = torch.where(low, torch.nan, ceiling)
        return cls(layout, blocks.pictures, draws, min_ceiling, (packed, sums), ceiling, divisor)

    def row(self, packed: Tensor) -> _Row:
        parts = packed.movedim(1, 0)
        merged = merge_moments(parts)
        voxels = measures_of(merged, self.divisor)
        return _Row(
            packed, voxels, self._drawn(packed, self._members(voxels)), reasons_of(merged, self.divisor)
        )

    def difference(self, a: _Row, b: _Row) -> _Row:
        """a - b over the voxels that have a value in both."""
        gap = a.voxels - b.voxels
        members = self._members(gap)
        drawn = [
            row.draws if torch.equal(gap.isnan(), row.voxels.isnan()) else self._drawn(row.packed, members)
            for row in (a, b)
        ]
        return _Row(None, gap, drawn[0] - drawn[1], _either(a.reasons, b.reasons))

    def write(self, name: str, row: _Row, result: Scores) -> None:
        """A row's columns, reasons and, for not too many voxels, details."""
        members = self._members(row.voxels)
        value, low, high = interval_of_draws(region_means(row.voxels, members), row.draws, 0.95)
        if self.draws.shape[1] < 2:
            low, high = torch.full_like(value, torch.nan), torch.full_like(value, torch.nan)
        size = self.layout.members.sum(0)
        scores = result.table.setdefault(name, {})
        for m, measure in enumerate(MEASURES[: len(row.voxels)]):
            for k in range(len(size)):
                column, n = self.layout.column(measure, k), int(members[m, :, k].sum())
                bounds = (value[m, k], low[m, k], high[m, k])
                scores[column] = Score.of(bounds, n, int(size[k]) - n)
                if why := self._why(row.reasons[measure], k):
                    result.reasons[name, column] = why
                if len(self.layout.subjects) > 1:
                    scores[f"{column} over subjects"] = self._over_subjects(row.voxels[m], k)
        if row.packed is not None and row.voxels.shape[1] <= _MOST_DETAILS:
            result.details.setdefault("voxels", {})[name] = _plain(row.voxels[0])

    def write_ceiling(self, result: Scores) -> None:
        """The row of the ceiling, and explainable variance per region in the details."""
        if self.repeats is None:
            return
        packed, sums = self.repeats
        voxels = torch.stack([self.ceiling.sqrt(), self.ceiling])

        def statistic(chosen: slice) -> Callable[[Tensor], Tensor]:
            of, own = moments_drawer(packed[..., chosen].movedim(1, 0)), sums[..., chosen]

            def drawn(counts: Tensor) -> Tensor:
                found = ceiling_of(of(counts), torch.einsum("rb,qbv->qrv", counts, own), None)
                return torch.stack([found.sqrt(), found])

            return drawn

        unknown = [("a constant response, or no repeats", self.ceiling.isnan())]
        draws = region_draws(statistic, self.draws, self._members(voxels))
        self.write(CEILING, _Row(None, voxels, draws, {"r": unknown, "r2": unknown}), result)
        result.about[CEILING] = _ABOUT
        explained = explained_by_signal(packed, sums)[None]
        means = region_means(explained, self._members(explained))[0].tolist()
        names = [name or "all" for name in self.layout.names]
        result.details["explainable_variance"] = dict(zip(names, means, strict=True))
        if len(self.ceiling) <= _MOST_DETAILS:
            result.details.setdefault("voxels", {})[CEILING] = _plain(voxels[0])

    def notes(self) -> list[str]:
        """What a reader of the table has to know."""
        drawn = self.draws.shape[1]
        blocks = "" if drawn == self.pictures else f", dealt out to {drawn} blocks"
        found = [f"intervals draw {self.pictures} pictures{blocks}, the same for all rows; n counts voxels"]
        if len(self.layout.subjects) > 1:
            found.append(
                f"over subjects: means of {len(self.layout.subjects)} subjects, intervals by Student's t"
            )
        if self.repeats is None:
            return [*found, "no repeats in this split: no noise ceiling and no normalised scores"]
        return [
            *found,
            f"normalised is r / sqrt(noise ceiling), of voxels whose ceiling is at least {self.min_ceiling}",
        ]

    def _drawn(self, packed: Tensor, members: Tensor) -> Tensor:
        def statistic(chosen: slice) -> Callable[[Tensor], Tensor]:
            divisor = None if self.divisor is None else self.divisor[chosen]
            of = moments_drawer(packed[..., chosen].movedim(1, 0))
            return lambda counts: measures_of(of(counts), divisor)

        return region_draws(statistic, self.draws, members)

    def _members(self, voxels: Tensor) -> Tensor:
        """[M, V, K] the voxels of regions that have a value [M, V]."""
        return self.layout.members & ~voxels.isnan()[..., None]

    def _over_subjects(self, values: Tensor, k: int) -> Score:
        """Subjects without a voxel in the region, or none with a value, count as undefined."""
        own = torch.nn.functional.one_hot(self.layout.subject_of, len(self.layout.subjects)).bool()
        return over_subjects(region_means(values[None], (own & self.layout.members[:, k, None])[None])[0])

    def _why(self, reasons: list[tuple[str, Tensor]], k: int) -> str:
        if not self.layout.members[:, k].any():
            return "no voxels"
        counts = [(text, int((which & self.layout.members[:, k]).sum())) for text, which in reasons]
        return ", ".join(f"{count} with {text}" for text, count in counts if count)


def _predicted(
    name: str, row: Predictor, data: Any, blocks: PictureBlocks, settings: Settings
) -> tuple[Tensor, Tensor]:
    """Moments [7, W, V] of what a row predicts, and the blocks [n] of the split's pictures in order."""
    generator = torch.Generator().manual_seed(settings.seed)
    device = next((x.device for x in (*row.parameters(), *row.buffers())), torch.device("cpu"))
    row.eval()
    state, order = blocks.empty(), []
    for batch in data.batches(data.split, row.facts):
        with torch.no_grad():
            said = row.predict(move_data_to_device(batch, device), generator, settings.samples)
        prediction, response = said["prediction"].cpu(), batch["response"].cpu()
        if prediction.shape != response.shape:
            raise ValueError(
                f"{name} predicts {list(prediction.shape)}, the responses are {list(response.shape)} [pictures, voxels]"
            )
        order.append(blocks.of(batch["group"]))
        blocks.add(state, order[-1], prediction, response)
    return state, torch.cat(order)


def _directions(layout: Layout) -> dict[str, bool | None]:
    columns = [layout.column(m, k) for m in MEASURES for k in range(len(layout.names))]
    return {name: True for column in columns for name in (column, f"{column} over subjects")}


def _either(
    a: Mapping[str, list[tuple[str, Tensor]]], b: Mapping[str, list[tuple[str, Tensor]]]
) -> dict[str, list[tuple[str, Tensor]]]:
    """Reasons of a difference: those of one row, and of the other for the voxels that the first one has."""
    found = {}
    for measure, own in a.items():
        lost = torch.stack([which for _, which in own]).any(0)
        joined = {text: which.clone() for text, which in own}
        for text, which in b[measure]:
            joined[text] |= which & ~lost
        found[measure] = list(joined.items())
    return found


def _plain(values: Tensor) -> list[float | None]:
    return [None if x != x else round(x, 4) for x in values.tolist()]
