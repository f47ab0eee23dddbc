"""Human V1 while a bar crosses the screen, for population receptive fields; one participant (Szinte et al. 2024).

The bar crosses four times (to the left, down, to the right, up), with blanks between. An item is one volume (TR) and a
batch is a stretch of time:

    stimulus [T, X, Y]    float32, all frames up to the last volume of the batch: 0 nothing, 9 the bar
    time [B]              int64, volumes from 0; stimulus[time] is what was shown then
    response [B, V]       float32, with mean 0 over the whole run
    group [B]             int64, which stretch of `block_tr` volumes, drawn as a whole by a bootstrap

The parts are cut in time. "learning" is volumes 0 to 89 and "test" 90 to 149, as in the reference values. Of the first,
the last `val_tr` are "val". A volume shares the haemodynamic response to earlier frames, and slow noise, with
its neighbours; so `gap_tr` volumes before "val" are in no part, and "test_after_gap" is "test" without its first
`gap_tr` volumes. What was shown in the learning time may be used to predict the test: the stimulus is no secret.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gazekit.base import Data
from gazekit.datasets.records import DatasetInfo, OnBadRecord, find_root
from gazekit.errors import DataError

__all__ = ["INFO", "MappingRun", "Szinte2024V1", "load"]

TR_S = 1.317025
LEARNING_TR = 90
_PARAMETERS = ("x", "y", "sd", "baseline", "amplitude", "r2")
_FILES = ("mask-v1_bold.tsv.gz", "dm_gazecenter.npz", "grid_coordinates.tsv", "gauss_parameters.tsv")

INFO = DatasetInfo(
    name="szinte2024_v1",
    title="fMRI of human V1 (7 T) while a bar crosses the screen: 2,365 voxels, 150 volumes, one participant",
    licence="MIT (of the repository that holds these files)",
    citation="Szinte, de Hollander, Aqil, Veríssimo, Dumoulin & Knapen, A retinotopic reference frame for space "
    "throughout human visual cortex, bioRxiv 2024.02.05.578862, 2024",
    source="https://github.com/Gilles86/braincoder",
    files=_FILES,
    how_to_get="copy the four files from the folder braincoder/data/szinte2024 of the repository, commit ed48b10",
    known={"8cb643a8081ec46a": "whole run, 150 volumes, 2,365 voxels"},
    caution="one run without repeats, so no noise ceiling; the listed receptive fields were fitted to all volumes, "
    "those of the test included; drifts were removed over the whole run before anybody could split it",
)


@dataclass(frozen=True, eq=False)
class MappingRun:
    """One run of receptive field mapping.

    Args:
        name: of the data set.
        stimulus: [T, X, Y] float32, 0 (nothing) to 9 (the bar).
        response: [T, V] float32.
        x_dva, y_dva: [X] and [Y] centres of the pixels in degrees from fixation; y is up and descends.
        listed: published parameters per voxel, [V] each: x, y, sd (degrees), baseline, amplitude, r2 (NaN: not fitted).
        tr_s: seconds per volume.
        skipped, filtered, repaired: as of every data set; nothing is left out here.
    """

    name: str
    stimulus: np.ndarray
    response: np.ndarray
    x_dva: np.ndarray
    y_dva: np.ndarray
    listed: Mapping[str, np.ndarray]
    tr_s: float = TR_S
    skipped: tuple[str, ...] = ()
    filtered: Mapping[str, int] = field(default_factory=dict)
    repaired: Mapping[str, int] = field(default_factory=dict)

    @property
    def constant(self) -> np.ndarray:
        """[V] voxels whose response never changes."""
        return np.ptp(self.response, axis=0) == 0

    def fingerprint(self) -> dict[str, float | int | str]:
        """Counts, moments and a digest that change when a voxel or a volume is dropped, moved or rescaled."""
        digest = hashlib.sha256()
        for array in (self.stimulus, self.response, self.x_dva, self.y_dva, *self.listed.values()):
            rounded = np.round(np.nan_to_num(np.asarray(array, float), nan=-1.0), 3) + 0.0
            digest.update(np.ascontiguousarray(rounded, dtype="<f4").tobytes())
        r2 = self.listed["r2"]
        return {
            "volumes": len(self.response),
            "voxels": self.response.shape[1],
            "constant_voxels": int(self.constant.sum()),
            "voxels_with_listed_r2": int((r2 > 0).sum()),
            "pixels": int(self.stimulus[0].size),
            "response_sd": float(self.response.std()),
            "digest": digest.hexdigest()[:16],
        }


def load(root: str | Path | None = None, on_bad_record: OnBadRecord = "raise") -> MappingRun:
    """Read the run.

    Args:
        root: folder with the four files of the card.
        on_bad_record: as of every data set. There are no single records here: what is broken stops the reading.
    Raises:
        FileNotFoundError: no such folder or file.
        DataError: numbers of voxels, volumes or pixels that differ between the files, or values that are not finite.
    """
    import pandas as pd

    root = find_root(root, INFO)
    bold = pd.read_csv(root / "mask-v1_bold.tsv.gz", sep="\t")
    grid = pd.read_csv(root / "grid_coordinates.tsv", sep="\t")
    parameters = pd.read_csv(root / "gauss_parameters.tsv", sep="\t")
    with np.load(root / "dm_gazecenter.npz") as archive:
        stimulus = archive["arr_0"].astype(np.float32)
    response = bold.drop(columns="time").to_numpy(np.float32)
    _check(root, stimulus, response, len(grid), parameters)
    _, across, down = stimulus.shape
    x, y = (grid[axis].to_numpy().reshape(across, down) for axis in "xy")
    listed = {name: parameters[name].to_numpy() for name in _PARAMETERS}
    return MappingRun(INFO.name, stimulus, response, x[:, 0], y[0], listed)


def _check(root: Path, stimulus: np.ndarray, response: np.ndarray, pixels: int, parameters: Any) -> None:
    facts = (
        ("dm_gazecenter.npz", "volumes", len(stimulus), len(response)),
        ("grid_coordinates.tsv", "pixels", pixels, int(np.prod(stimulus.shape[1:]))),
        ("gauss_parameters.tsv", "voxels", len(parameters), response.shape[1]),
    )
    for name, what, got, expected in facts:
        if got != expected:
            raise DataError(
                f"{root / name} has {got} {what}, expected {expected} as in the other files: download it again"
            )
    for name, values in (("mask-v1_bold.tsv.gz", response), ("dm_gazecenter.npz", stimulus)):
        if not np.isfinite(values).all():
            raise DataError(f"{root / name} holds values that are not finite: download it again")
    if missing := [name for name in _PARAMETERS if name not in parameters]:
        raise DataError(
            f"{root / 'gauss_parameters.tsv'} lacks the column {missing[0]}, expected {', '.join(_PARAMETERS)}"
        )


class Szinte2024V1(Data):
    """The run in stretches of time, see the head of the module.

    Args:
        root: folder of the files.
        val_tr: volumes at the end of the learning time that validate.
        gap_tr: volumes without a part before "val" and at the start of "test_after_gap"; 6 are 7.9 s.
        block_tr: volumes of a block, which a bootstrap draws as a whole; 6 are 7.9 s.
        split: the part that a report is about.
        batch_size: volumes of a batch.
    Raises:
        ValueError: no volumes left for "train", or blocks of no volume.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        val_tr: int = 16,
        gap_tr: int = 6,
        block_tr: int = 6,
        split: str = "test",
        batch_size: int = 150,
    ) -> None:
        super().__init__(batch_size, split)
        if min(val_tr, block_tr) < 1 or gap_tr < 0 or val_tr + gap_tr >= LEARNING_TR:
            raise ValueError(
                f"data.val_tr and data.block_tr must be at least 1, data.gap_tr at least 0, and val_tr + gap_tr below "
                f"{LEARNING_TR}, got {val_tr}, {block_tr} and {gap_tr}"
            )
        self.root, self.val_tr, self.gap_tr, self.block_tr = root, val_tr, gap_tr, block_tr

    def setup(self, stage: str | None = None) -> None:
        self.run = load(self.root)
        self.stimulus, self.response = (torch.from_numpy(x) for x in (self.run.stimulus, self.run.response))
        r2 = self.run.listed["r2"]
        self.regions = {f"listed_r2_{k}": np.flatnonzero(r2 > k / 10).tolist() for k in (5, 7)}
        self.parts = {
            "train": np.arange(LEARNING_TR - self.val_tr - self.gap_tr),
            "val": np.arange(LEARNING_TR - self.val_tr, LEARNING_TR),
            "learning": np.arange(LEARNING_TR),
            "test": np.arange(LEARNING_TR, len(self.response)),
            "test_after_gap": np.arange(LEARNING_TR + self.gap_tr, len(self.response)),
            "all": np.arange(len(self.response)),
        }

    def batch(
        self, index: Sequence[int], generator: torch.Generator | None = None
    ) -> dict[str, torch.Tensor]:
        time = torch.as_tensor(index)
        stimulus = self.stimulus[: int(time.max()) + 1]  # nobody sees what is shown later
        return {
            "stimulus": stimulus,
            "time": time,
            "response": self.response[time],
            "group": time // self.block_tr,
        }

    def facts(self) -> dict[str, Any]:
        """Sizes, the grid in degrees, the published parameters, and voxels by what is listed of them."""
        return {
            "tr_s": self.run.tr_s,
            "voxels": self.response.shape[1],
            "x_dva": self.run.x_dva.tolist(),
            "y_dva": self.run.y_dva.tolist(),
            "listed": {name: np.nan_to_num(v).tolist() for name, v in self.run.listed.items()},
            "regions": self.regions,
        }

    def about_part(self, split: str, regions: Mapping[str, Sequence[int]]) -> Szinte2024V1:
        """The same run with a report about another part, and with other groups of voxels."""
        other = copy(self)
        other.split, other.regions = split, dict(regions)
        return other

    def repeats(self, part: str) -> None:
        """None: every volume was measured once."""

    def about(self) -> dict[str, Any]:
        constant = int(self.run.constant.sum())
        notes = [f"{INFO.name}: {INFO.caution}.", f"{constant} voxels never change; their r is undefined."]
        return super().about() | {"name": INFO.name, "fingerprint": self.run.fingerprint(), "notes": notes}
