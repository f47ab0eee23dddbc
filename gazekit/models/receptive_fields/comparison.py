"""Rows beside one another on held-out time, over voxels that only the learning time has chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gazekit.base import Predictor
from gazekit.base.scores import Scores, Settings
from gazekit.brain import EncodingScores
from gazekit.metrics import Score
from gazekit.metrics.bootstrap import bootstrap_interval
from gazekit.models.receptive_fields.encoder import TimeEncoder, start_of
from gazekit.models.receptive_fields.hemodynamics import Hemodynamics
from gazekit.models.receptive_fields.rows import learning_batch
from gazekit.models.receptive_fields.search import candidate_drives, candidates, chosen_by_training

__all__ = ["HeldOutTime"]

CHOSEN = "chosen"
AFTER = "test_after_gap"


class HeldOutTime:
    """r and r2 of each row on `data.split`, over voxels chosen by their learning time and over those of the reference.

    A voxel is chosen if the best Gaussian of a grid, cross-validated over stretches of the learning time, correlates
    with it by more than `min_training_r`; the response function is that of the whole learning time. Columns are means
    over voxels: `r` of all, `r.chosen` and `r.REGION` of the data's regions. Intervals draw stretches of time
    (`group`), the same for all rows, and rows "A - B" are paired. Beside them: `... over voxels`, whose intervals draw
    voxels (they are neighbours, so these are too narrow); and `... after gap`, without the first volumes of the test,
    which follow the learning time directly.

    Args:
        min_training_r: see above.
        folds: stretches of the learning time.
    """

    def __init__(self, min_training_r: float = 0.5, folds: int = 6) -> None:
        self.min_training_r, self.folds = min_training_r, folds

    def scores(
        self,
        rows: Mapping[str, Predictor],
        data: Any,
        settings: Settings,
        progress: Callable[[str, float], None],
    ) -> Scores:
        """See `gazekit.base.scores.Comparison`.

        Raises:
            ValueError: no voxel is chosen.
        """
        chosen = self.chosen(data)
        if not chosen:
            raise ValueError(
                f"no voxel has a cross-validated r above {self.min_training_r} in the learning time: lower "
                "metrics.scores.held_out.min_training_r"
            )
        regions = {CHOSEN: chosen, **data.regions}
        result = _of_part(rows, data.about_part(data.split, regions), settings, progress)
        _add_over_voxels(result, regions, settings)
        if data.split == "test":
            later = _of_part(rows, data.about_part(AFTER, regions), settings, progress)
            for row, found in later.table.items():
                kept = {name: value for name, value in found.items() if name.startswith("r.")}
                result.table[row] |= {f"{name} after gap": value for name, value in kept.items()}
        result.higher_is_better = dict.fromkeys((c for found in result.table.values() for c in found), True)
        stretch_s = data.block_tr * data.run.tr_s
        result.notes = [
            f"{len(chosen)} voxels are chosen: r above {self.min_training_r} in the learning time, cross-validated "
            f"over {self.folds} stretches",
            f"{', '.join(data.regions)} are voxels by fits that others made to all volumes, the test included",
            f"intervals draw stretches of {data.block_tr} volumes ({stretch_s:.1f} s) of the test; n counts voxels",
            "over voxels: drawn as if they were independent, which neighbours are not",
        ]
        if not data.split.startswith("test"):
            result.notes.insert(0, f"data.split={data.split} holds volumes that all rows were fitted to")
        return result

    def chosen(self, data: Any) -> list[int]:
        """Numbers of the voxels that the learning time chooses."""
        batch = learning_batch(data)
        encoder = TimeEncoder(data.facts(), "gaussian")
        frames = encoder.frames(batch["stimulus"])
        hrf = Hemodynamics.of(start_of(encoder, frames, batch["time"], batch["response"]).hrf, data.run.tr_s)
        drives = candidate_drives(frames, candidates(encoder.field.half_screen_dva))
        r = chosen_by_training(drives, batch["response"], hrf, self.folds, data.gap_tr)
        return (r > self.min_training_r).nonzero()[:, 0].tolist()


def _of_part(
    rows: Mapping[str, Predictor], data: Any, settings: Settings, progress: Callable[[str, float], None]
) -> Scores:
    return EncodingScores().scores(rows, data, settings, progress)


def _add_over_voxels(result: Scores, regions: Mapping[str, Any], settings: Settings) -> None:
    """`r.REGION over voxels` of each row and of the difference of the first row and each other one."""
    voxels = {row: _numbers(values) for row, values in result.details["voxels"].items()}
    first = next(iter(voxels))
    differences = {f"{first} - {row}": voxels[first] - r for row, r in voxels.items() if row != first}
    for row, r in {**voxels, **differences}.items():
        for region, members in regions.items():
            own = r[torch.as_tensor(members)]
            known = own[~own.isnan()][:, None]
            bounds = bootstrap_interval(
                known, torch.ones_like(known), n_resamples=settings.resamples, seed=settings.seed
            )
            count = len(known)
            result.table[row][f"r.{region} over voxels"] = Score.of(
                (x[0] for x in bounds), count, len(own) - count
            )


def _numbers(values: list[float | None]) -> Tensor:
    """[V] with NaN for None."""
    return torch.from_numpy(np.array(values, dtype=float))
