"""Reads the three sets of `human_motion` from their files."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gazekit.datasets.records import BadRecords
from gazekit.errors import DataError

__all__ = ["MODELS", "MODULATIONS", "MotionProbes", "read_perceived", "read_second_order", "read_sintel"]

MODULATIONS = (
    "random_noise", "gaussian_blur", "water_wave", "random_phase", "random_shuffle", "swirl", "drift_balanced",
)  # fmt: skip

MODELS = {
    "dual channel, final": "dual__csv_{}_final",
    "dual channel, specular": "dual__csv_{}_v2_specular",
    "dual channel, diffuse": "dual__csv_{}_v2_diffuse",
    "first order, specular": "v1mt__csv_{}_specular_v1",
    "first order, diffuse": "v1mt__csv_{}_diffuse_v1",
    "VideoFlow, specular": "videoflow__csv_{}_video_specular",
    "VideoFlow, released": "videoflow__csv_{}_video_ori",
    "RAFT, specular": "raft__csv_raft_specular_{}",
    "RAFT, Sintel": "raft__csv_raft_sintel_{}",
    "Farneback": "farnback__csv_{}",
    "FFV1MT": "ffv1mt__csv_{}_FFV1MT",
    "glow, specular": "glow__csv_{}_specular",
    "glow, Sintel": "glow__csv_{}_sintel",
}
"""Name of a released model to its files of x and y."""


@dataclass(frozen=True, eq=False)
class MotionProbes:
    """One set of probes.

    Args:
        human_flow, true_flow: [N, 2] (u, v) in pixels per frame, v downwards.
        conditions: names; condition [N] indexes them.
        group: [N] scene or movie.
        participants: [S, N, 2] what single people report; None where only the mean is known.
        models: name to [N, 2].
    """

    human_flow: np.ndarray
    true_flow: np.ndarray
    conditions: tuple[str, ...]
    condition: np.ndarray
    group: np.ndarray
    participants: np.ndarray | None = None
    models: Mapping[str, np.ndarray] = field(default_factory=dict)


def read_second_order(folder: Path) -> MotionProbes:
    """Probe 7 s + k is scene s with modulation k."""
    people = np.stack(
        [_numbers(p, 16).reshape(-1, 8, 2) for p in sorted((folder / "participants").glob("*.csv"))]
    )
    scenes, kinds = people.shape[1], len(MODULATIONS)
    if np.abs(people[:, :, 0] - people[:1, :, 0]).max() > 0:
        raise DataError(f"{folder / 'participants'}: the participants' files differ in the true flow")
    models = {}
    for name, pattern in MODELS.items():
        pair = [_numbers(folder / "models" / f"{pattern.format(axis)}.csv", kinds, first=1) for axis in "xy"]
        if any(len(side) != scenes for side in pair):
            raise DataError(
                f"{folder / 'models'}: {name} has {len(pair[0])} and {len(pair[1])} rows, expected {scenes}"
            )
        models[name] = np.stack(pair, 2).reshape(-1, 2)
    responses = people[:, :, 1:].reshape(len(people), -1, 2)
    return MotionProbes(
        responses.mean(0),
        np.repeat(people[0, :, :1], kinds, 1).reshape(-1, 2),
        MODULATIONS,
        np.tile(np.arange(kinds), scenes),
        np.repeat(np.arange(scenes), kinds),
        responses,
        models,
    )


def read_sintel(folder: Path) -> MotionProbes:
    from scipy.io import loadmat

    sides = []
    for name in ("HumanResp", "SintelGT"):
        content = loadmat(folder / f"{name}.mat")
        if name not in content or content[name].ndim != 3 or len(content[name]) != 2:
            raise DataError(f"{folder / name}.mat: expected an array {name} of (2, probes, movies)")
        sides.append(np.asarray(content[name], float).transpose(2, 1, 0))  # [movies, probes, 2]
    movies, probes = sides[0].shape[:2]
    human, true = (side.reshape(-1, 2) for side in sides)
    nothing = np.zeros(movies * probes, int)
    return MotionProbes(human, true, ("sintel_slow",), nothing, np.repeat(np.arange(movies), probes))


def read_perceived(path: Path, bad: BadRecords) -> MotionProbes:
    names = ("dataset", "session", "movie", "Resp_u", "Resp_v", "GT_u", "GT_v")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if missing := [name for name in names if name not in (reader.fieldnames or ())]:
            raise DataError(f"{path}: no column {', '.join(missing)}")
        rows = []
        for row in reader:
            with bad.record(f"{path}, row {reader.line_num}"):
                values = [float(row[name]) for name in names]
                if not np.isfinite(values).all():
                    raise ValueError("a value is not finite")
                rows.append(values)
    if not rows:
        raise DataError(f"{path}: no row can be read")
    table = np.array(rows)
    place = table[:, :3].astype(int)
    datasets, condition = np.unique(place[:, 0], return_inverse=True)
    upright = np.array([1.0, -1.0])  # v points up in the file
    return MotionProbes(
        table[:, 3:5] * upright,
        table[:, 5:7] * upright,
        tuple("kitti_2015" if d == 1 else f"dataset_{d}" for d in datasets),
        condition,
        np.unique(place, axis=0, return_inverse=True)[1],
    )


def _numbers(path: Path, columns: int, first: int = 0) -> np.ndarray:
    """[rows, columns] of a CSV file with a header, from the column `first` on.

    Raises:
        FileNotFoundError: no such file. DataError: other columns, or not all numbers.
    """
    try:
        table = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)[:, first:]
    except ValueError as error:
        raise DataError(f"{path}: not a table of numbers ({error})") from error
    if table.shape[1] != columns or not np.isfinite(table).all():
        raise DataError(f"{path}: expected {columns} columns of finite numbers, got {table.shape[1]}")
    return table
