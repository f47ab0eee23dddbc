"""Volumes of BIDS derivatives: which voxels are read, which regions they are in, what they say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gazekit.datasets.bids_names import BidsFile, find_files
from gazekit.datasets.brain_arrays import read_table
from gazekit.errors import DataError

__all__ = ["NIFTI", "Grid", "grid_of", "regions_of", "responses_of"]

NIFTI = ".nii.gz"


class Grid(NamedTuple):
    """Where the voxels of a person are.

    Args:
        inside: [X, Y, Z] bool; the voxels are those, in C order.
        affine: [4, 4] voxel to mm, x to the right.
    """

    inside: np.ndarray
    affine: np.ndarray

    def volume(self, values: np.ndarray) -> np.ndarray:
        """[X, Y, Z] values [V] of the voxels, NaN elsewhere: what a NIfTI file of them holds."""
        found = np.full(self.inside.shape, np.nan, np.float32)
        found[self.inside] = values
        return found

    def hemisphere(self) -> np.ndarray:
        """[V] 0 where x is negative (left), else 1."""
        x = self.affine[0, :3] @ np.argwhere(self.inside).T + self.affine[0, 3]
        return (x >= 0).astype(int)


def _volume(path: Path, like: Grid | None = None) -> tuple[np.ndarray, np.ndarray, float]:
    """Values, affine and the step of time (s) of a NIfTI file on the grid `like`."""
    import nibabel

    try:
        image = nibabel.load(path)
        values = np.asarray(image.dataobj)
    except (nibabel.filebasedimages.ImageFileError, OSError, EOFError, ValueError) as error:
        raise DataError(f"{path} is no NIfTI file that can be read, is it complete? ({error})") from error
    if like is not None and (
        values.shape[:3] != like.inside.shape or not np.allclose(image.affine, like.affine, atol=1e-3)
    ):
        raise DataError(
            f"{path} is on another grid ({list(values.shape[:3])}) than the responses ({list(like.inside.shape)}) or "
            "elsewhere in space: resample it to theirs"
        )
    step = float(image.header.get_zooms()[3]) if values.ndim == 4 else np.nan
    return values, image.affine, step


def grid_of(root: Path, subject: str, first: BidsFile) -> Grid:
    """The voxels of the mask `desc-brain`; without one, those whose responses change in the first file."""
    values, affine, _ = _volume(first.path)
    if values.ndim != 4:
        raise DataError(f"{first.path} must be [X, Y, Z, presentations], got {list(values.shape)}")
    grid = Grid(values.max(3) > values.min(3), affine)
    masks = [
        f
        for f in find_files(root / subject, "mask", NIFTI)
        if f.entities.get("desc") == "brain" and f.entities.get("space") == first.entities.get("space")
    ]
    if masks:
        grid = Grid(_volume(masks[0].path, grid)[0] > 0, affine)
    if not grid.inside.any():
        raise DataError(f"{masks[0].path if masks else first.path} has no voxel inside")
    return grid


def regions_of(root: Path, subject: str, grid: Grid) -> dict[str, np.ndarray]:
    """Name to numbers of voxels, of masks with a label and of atlases."""
    found: dict[str, np.ndarray] = {}
    for file in find_files(root / subject, "mask", NIFTI):
        if "label" in file.entities:
            found[file.entities["label"]] = np.flatnonzero(_volume(file.path, grid)[0][grid.inside] > 0)
    for file in find_files(root / subject, "dseg", NIFTI):
        table = read_table(file.path.with_name(file.path.name.replace(NIFTI, ".tsv")), ("index", "name"))
        names = dict(zip(table["index"].astype(int), table["name"], strict=True))
        label = _volume(file.path, grid)[0][grid.inside].astype(int)
        for value in np.unique(label[label != 0]).tolist():
            if value not in names:
                raise DataError(f"{file.path} has region {value}, which its .tsv does not name")
            found[names[value]] = np.flatnonzero(label == value)
    return {name: voxels for name, voxels in sorted(found.items()) if len(voxels)}


def responses_of(
    file: BidsFile, grid: Grid, events: Any, standardise: bool, window_s: Sequence[float]
) -> np.ndarray:
    """float32 [events, V] of one run."""
    values, _, step_s = _volume(file.path, grid)
    series = values[grid.inside].T.astype(np.float32)
    if file.path.name.endswith(f"_bold{NIFTI}"):
        series = _windowed(series, events["onset"].to_numpy(), step_s, window_s, file.path)
    elif len(series) != len(events):
        raise DataError(
            f"{file.path} has {len(series)} volumes, but the events have {len(events)} presentations of pictures"
        )
    if standardise:
        spread = series.std(0)
        series = (series - series.mean(0)) / np.where(spread > 0, spread, 1)
    return series


def _windowed(
    series: np.ndarray, onset_s: np.ndarray, step_s: float, window_s: Sequence[float], path: Path
) -> np.ndarray:
    """[events, V] mean of the volumes whose middle is in the window after each onset, NaN where the run has ended."""
    if not step_s > 0:
        raise DataError(f"{path} does not say how many seconds a volume takes (pixdim[4])")
    middle = (np.arange(len(series)) + 0.5) * step_s
    since = middle - onset_s[:, None]
    within = ((since >= window_s[0]) & (since < window_s[1])).astype(np.float32)
    count = within.sum(1, keepdims=True)
    return np.divide(within @ series, count, out=np.full((len(onset_s), series.shape[1]), np.nan, np.float32),
                     where=count > 0)  # fmt: skip
