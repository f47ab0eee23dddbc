"""Free viewing: models beside people, in scanpaths and in bits, each picture scored by models that never saw it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gazekit import metrics as classes
from gazekit.base import Predictor
from gazekit.base.scores import Scores, Settings
from gazekit.foveation import Grid
from gazekit.metrics import Score, bootstrap_interval
from gazekit.metrics.ceiling import ModelScanpaths, human_ceiling
from gazekit.metrics.info import INFO
from gazekit.scanpath import Scanpaths
from gazekit.scanpaths.picture_density import FixationCounts
from gazekit.scanpaths.positions import ABOUT, model_scanpaths, people_of

__all__ = ["BITS", "ViewingComparison"]

BITS = "bits_per_fixation"
_SIGMA = 0.03  # of the longer side of a picture: about one degree where it spans 33
_NOTE = (
    "bits_per_fixation: log2 of the probability of the fixated cell beyond that under the centre bias, which is made "
    "of all other pictures; mean over all fixations, intervals draw pictures. People's row: a density of the other "
    "people on the picture, without the history of the scanpath."
)
_TRAINED = "it was trained outside of the folds: score it on the test part of one (data.split=test)"
_NO_LIKELIHOOD = "it gives scanpaths, not probabilities"


class ViewingComparison:
    """Scanpaths of models and of people on pictures, and how well models predict each next fixation.

    With `data.split=all` it cross-validates: each row is fitted anew on the training pictures of each fold and scored
    on those of its test part, so that all pictures count and none was seen. With another split, rows are scored as they
    are. Rows with `positions_px(batch, generator, samples)` have columns of scanpaths, see `human_ceiling`; those with
    `fixation_log_prob(batch)`, the natural log-probability of the cell of each fixation [B, T] on `grid_of(scenes)`,
    have `bits_per_fixation`, too. Grids may differ: probabilities are compared per area.

    Args:
        metrics: name of a metric of scanpaths or of maps (`gazekit.metrics.INFO`) to its settings.
        sigma_px: of the Gaussian around each fixation for metrics of maps; None: 3 % of the pictures' longer side.
        across: cells of the centre bias along the longer side of a picture.
    Raises:
        ValueError: an unknown metric.
    """

    def __init__(
        self, metrics: Mapping[str, Mapping[str, Any]], sigma_px: float | None = None, across: int = 40
    ) -> None:
        if unknown := [name for name in metrics if name not in INFO]:
            raise ValueError(f"unknown metric {unknown[0]!r}; `gazekit list metrics` shows them all")
        self.metrics = {
            name: getattr(classes, INFO[name].class_name)(**settings) for name, settings in metrics.items()
        }
        self.sigma_px, self.across = sigma_px, across

    def scores(
        self,
        rows: Mapping[str, Predictor],
        data: Any,
        settings: Settings,
        progress: Callable[[str, float], None],
    ) -> Scores:
        """Rows of models and of people (`gazekit.base.scores.Comparison`); `data` are `ViewingData`.

        Raises:
            ValueError: pictures of several sizes.
        """
        index = data.parts[data.split].tolist()
        people = people_of(data.dataset, index)
        base = _Base(data, index, self.across)
        result = Scores({}, about=ABOUT, notes=[_NOTE], higher_is_better={BITS: True})
        paths: dict[str, ModelScanpaths] = {}
        bits: dict[str, dict[int, Tensor]] = {}
        folds = list(_folds(data))
        scored = {name: row for name, row in rows.items() if hasattr(row, "positions_px")}
        for k, (name, row) in enumerate(scored.items()):
            if len(folds) > 1 and _trained_elsewhere(row):
                result.reasons |= {(name, column): _TRAINED for column in (BITS, *self.metrics)}
                continue
            made, known = [], {}
            for f, fold in enumerate(folds):
                progress(name, (k + f / len(folds)) / len(scored))
                fitted = _fitted(row, fold) if len(folds) > 1 else row
                tested = fold.parts[fold.split].tolist()
                made.append(model_scanpaths(fitted, fold, tested, settings.samples, settings.seed))
                if hasattr(fitted, "fixation_log_prob"):
                    known |= _log_density(fitted, fold, tested)
            paths[name], bits[name] = _joined(made), known
        ceiling = human_ceiling(
            people,
            self.metrics,
            paths,
            sigma_px=self.sigma_px or _SIGMA * max(base.grid.size_px),
            n_resamples=settings.resamples,
            seed=settings.seed,
            progress=progress,
        )
        result.table |= ceiling.rows
        result.higher_is_better |= {
            column: self.metrics[column.partition(".")[0]].higher_is_better for column in ceiling.columns
        }
        result.reasons |= {
            (row, column): INFO[column.partition(".")[0]].undefined
            for row, found in ceiling.rows.items()
            for column, score in found.items()
            if score.undefined
        }
        found = {name: base.gain_of(known) for name, known in bits.items() if known}
        found |= {
            "people, leave one out": base.others(),
            "other images": base.nothing(),
            "chance": base.chance(),
        }
        for name, gain in found.items():
            result.table.setdefault(name, {})[BITS] = base.score(gain, settings)
        result.reasons |= {(name, BITS): _NO_LIKELIHOOD for name, known in bits.items() if not known}
        facts = ", ".join(f"{name} {value}" for name, value in ceiling.facts.items())
        result.notes.append(f"comparisons of positions: {facts}; folds {len(folds)}")
        return result


class _Base:
    """The centre bias of all other pictures, and gains in bits over it."""

    def __init__(self, data: Any, index: list[int], across: int) -> None:
        trials = [data.dataset.trials[i] for i in index]
        everybody = data.dataset.trials
        sizes = torch.tensor([data.dataset.scenes[t.scene].size_px for t in trials], dtype=torch.float32)
        self.grid = Grid.over(sizes, float(sizes.max()) / across)
        counts = FixationCounts.of(
            self.grid,
            [t.scanpath.xy_px for t in everybody],
            [t.scene for t in everybody],
            len(data.dataset.scenes),
        )
        log, self.width = counts.leave_one_out()
        self.index = index
        self.image = torch.tensor([t.scene for t in trials]).repeat_interleave(
            torch.tensor([len(t.scanpath) for t in trials])
        )
        cell = [self.grid.cell_of(torch.as_tensor(t.scanpath.xy_px)) for t in trials]
        self.cell = torch.cat(cell)
        area = self.grid.areas_px[self.cell]
        self.log_centre = log[self.image, self.cell] - area.log()
        chosen = torch.isin(counts.person, torch.tensor(index))
        self._others = counts.other_people()[chosen] - area.log()
        self.log_uniform = torch.full_like(self.log_centre, -math.log(math.prod(self.grid.size_px)))

    def gain_of(self, log_density: Mapping[int, Tensor]) -> Tensor:
        """[F] bits of the fixations of all scored trials."""
        return (torch.cat([log_density[i] for i in self.index]) - self.log_centre) / math.log(2)

    def others(self) -> Tensor:
        return (self._others - self.log_centre) / math.log(2)

    def nothing(self) -> Tensor:
        return torch.zeros_like(self.log_centre)

    def chance(self) -> Tensor:
        return (self.log_uniform - self.log_centre) / math.log(2)

    def score(self, gain: Tensor, settings: Settings) -> Score:
        """Mean over fixations, pictures drawn."""
        _, row = self.image.unique(return_inverse=True)
        images = int(row.max()) + 1 if len(row) else 0
        total, count = (
            torch.zeros(images, 1, dtype=torch.float64).index_add_(0, row, x[:, None].double())
            for x in (gain, torch.ones_like(gain))
        )
        found = bootstrap_interval(total, count, None, settings.resamples, seed=settings.seed)
        return Score.of([bound[0] for bound in found], len(gain), 0)


def _folds(data: Any) -> Iterator[Any]:
    if data.split != "all" or not hasattr(data, "in_fold"):
        yield data
        return
    for fold in range(data.folds):
        yield data.in_fold(fold)


def _trained_elsewhere(row: Predictor) -> bool:
    """Whether it has learned, but not by `fit`."""
    return type(row).fit is Predictor.fit and any(True for _ in row.parameters())


def _fitted(row: Predictor, fold: Any) -> Predictor:
    if type(row).fit is Predictor.fit:
        return row
    fresh = deepcopy(row)
    fresh.requires_grad_(True).fit(fold)
    return fresh.requires_grad_(False).eval()


@torch.no_grad()
def _log_density(row: Any, data: Any, index: list[int]) -> dict[int, Tensor]:
    """Trial to [T] natural log-probability of its fixations per square pixel."""
    device = next((p.device for p in (*row.parameters(), *row.buffers())), torch.device("cpu"))
    found: dict[int, Tensor] = {}
    for chosen in data.groups(index):
        batch = data.batch_for(chosen, row.facts).to(device)
        log = row.fixation_log_prob(batch).cpu().double()
        grid = row.grid_of(batch.scenes)
        area = grid.areas_px[grid.cell_of(batch.xy_px).cpu()]
        log = log - area.log()
        found |= {i: log[k][batch.mask[k].cpu()] for k, i in enumerate(batch.trial.tolist())}
    return found


def _joined(parts: list[ModelScanpaths]) -> ModelScanpaths:
    paths = [path for part in parts for path in _list_of(part.scanpaths)]
    return ModelScanpaths(paths, np.concatenate([np.asarray(part.image) for part in parts]))


def _list_of(paths: Scanpaths) -> list[np.ndarray]:
    values = [paths.xy_px] if paths.duration_ms is None else [paths.xy_px, paths.duration_ms[..., None]]
    return [path[mask].numpy() for path, mask in zip(torch.cat(values, -1), paths.mask, strict=True)]
