"""Reading pictures and writing scanpaths, for any system that views pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd
import torch

from gazekit.base import System
from gazekit.datasets.picture_scenes import PICTURES, PictureScene
from gazekit.drawing import scanpath_figure
from gazekit.scanpath import Scanpath
from gazekit.scanpaths.viewer import Viewer
from gazekit.scene import Scene, Trial, TrialBatch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gazekit.datasets.viewing_data import ViewingData

__all__ = ["ViewerSystem", "viewing_figures"]

_EXAMPLES = 3
"""Scanpaths of a picture that are drawn, and pictures of a report."""


class ViewerSystem(Viewer, System):
    """A model of free viewing as a system: `predict` reads pictures, and a report draws scanpaths of all rows."""

    def read(self, input: Path) -> Iterator[tuple[list[PictureScene], TrialBatch]]:
        """One picture, or the pictures of a folder in the order of their names; grey and RGBA ones become RGB.

        Raises:
            FileNotFoundError: no such file, or a folder without a picture.
            ValueError: not a picture.
        """
        for path in _pictures(input):
            picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if picture is None:
                raise ValueError(f"input={path} is not a picture that OpenCV can read (PNG, JPEG, ...)")
            size = (picture.shape[1], picture.shape[0])
            scene = Scene(path.name, size, np.array([[0.0, 0.0, *size]]), image_path=path.resolve())
            nobody = Trial(0, Scanpath(np.zeros((0, 2))), np.zeros(0, np.int64))
            batch = TrialBatch.from_trials([scene], [nobody], [0])
            rgb = torch.from_numpy(np.ascontiguousarray(picture[..., ::-1]))
            yield (
                [PictureScene(scene, path)],
                replace(batch, scenes=replace(batch.scenes, pictures=rgb[None])),
            )

    def records(self, items: list[Scene | PictureScene], said: Mapping[str, Any]) -> dict[str, Any]:
        """All scanpaths in one table, as `score --pred` reads it; of pictures that were read, also a drawing."""
        scenes = [item.scene if isinstance(item, PictureScene) else item for item in items]
        files: dict[str, Any] = {"scanpaths.csv": _table(scenes, said["scanpaths"])}
        for item, paths in zip(items, said["scanpaths"], strict=True):
            if isinstance(item, PictureScene):
                panels = {
                    f"scanpath {k + 1}": _scanpath(paths, k) for k in range(min(_EXAMPLES, paths.shape[0]))
                }
                files[f"{item.path.stem}_scanpaths.png"] = scanpath_figure(
                    item.scene, panels, title=item.scene.name
                )
        return files

    def figures(self, data: ViewingData, table: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure]:
        """Three pictures that were not trained on: a person's scanpath beside one of each row."""
        rows = {self.recipe["name"] if self.recipe else "model": self} | dict(self.baselines)
        return viewing_figures({n: row for n, row in rows.items() if hasattr(row, "positions_px")}, data)


def viewing_figures(rows: Mapping[str, Any], data: ViewingData, seed: int = 0) -> dict[str, Figure]:
    """Pictures of the test part with a person's scanpath and one of each row."""
    tested = (data.parts["test"] if "test" in data.parts else data.parts[data.split]).tolist()
    first: dict[int, int] = {}
    for i in tested:
        first.setdefault(data.dataset.trials[i].scene, i)
    index = list(first.values())[:_EXAMPLES]
    drawn = {}
    for name, row in rows.items():
        with torch.no_grad():
            drawn[name] = [
                path
                for i in index  # one by one: pictures may differ in size
                for path in row.positions_px(
                    data.batch_for([i], row.facts), torch.Generator().manual_seed(seed), 1
                )
            ]
    found = {}
    for k, i in enumerate(index):
        trial = data.dataset.trials[i]
        scene = data.dataset.scenes[trial.scene]
        panels = {"picture": None, f"person {trial.scanpath.observer}": trial.scanpath}
        panels |= {name: paths[k].numpy() for name, paths in drawn.items()}
        found[f"scanpaths_{k + 1}"] = scanpath_figure(
            scene, panels, title=f"{data.dataset.name}, {scene.name}"
        )
    return found


def _pictures(input: Path) -> list[Path]:
    if not input.exists():
        raise FileNotFoundError(f"input={input} does not exist")
    if input.is_file():
        return [input]
    found = sorted(path for path in input.iterdir() if path.suffix.lower() in PICTURES)
    if not found:
        raise FileNotFoundError(
            f"input={input} has no picture, expected files that end in {', '.join(PICTURES)}"
        )
    return found


def _scanpath(paths: Any, k: int) -> Scanpath:
    mask = paths.mask[k]
    duration = None if paths.duration_ms is None else paths.duration_ms[k][mask].cpu().numpy()
    return Scanpath(paths.xy_px[k][mask].cpu().numpy(), duration)


def _table(scenes: list[Scene], scanpaths: list[Any]) -> pd.DataFrame:
    rows = []
    for scene, paths in zip(scenes, scanpaths, strict=True):
        for k in range(paths.shape[0]):
            one = _scanpath(paths, k)
            durations = [None] * len(one) if one.duration_ms is None else one.duration_ms.round(1)
            rows += [(scene.name, k + 1, *xy, d) for xy, d in zip(one.xy_px.round(2), durations, strict=True)]
    table = pd.DataFrame(rows, columns=["image", "sample", "x_px", "y_px", "duration_ms"])
    return table.drop(columns="duration_ms") if table["duration_ms"].isna().all() else table
