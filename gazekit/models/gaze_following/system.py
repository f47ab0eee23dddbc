"""Gaze following as a system: any `GazeNet`, trained, scored and used on a user's own pictures and videos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning_fabric.utilities import move_data_to_device
from matplotlib.figure import Figure
from torch import Tensor

from gazekit.base import Data, System
from gazekit.metrics.functional import heatmap_point_norm
from gazekit.models.gaze_following.boxes import expanded, mirrored_boxes
from gazekit.models.gaze_following.example_figure import COLUMNS, ROWS, example_figure
from gazekit.models.gaze_following.gaze_net import GazeNet
from gazekit.models.gaze_following.gaze_records import gaze_records
from gazekit.models.gaze_following.looks import Looks
from gazekit.models.gaze_following.losses import resized
from gazekit.models.gaze_following.reading import Look, gaze_batches

__all__ = ["GazeFollower", "check_size"]

SHOWN = COLUMNS * ROWS


class GazeFollower(System):
    """What all systems of gaze following share; a subclass sets `net`.

    Batches are those of `gazekit.datasets.gaze_targets`. The picture is encoded once for all of its people.

    Attributes:
        mirror: predictions are means over the picture and its mirror image, in twice the time; what is said of a
            mirrored picture is then exactly the mirror image of what is said of the picture.
    """

    net: GazeNet
    mirror: bool = False

    def loss(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        generator = None
        if self.training:  # the global generator is seeded at each step, see `System`
            generator = torch.Generator().manual_seed(int(torch.randint(2**31, (1,))))
        scene = self.net.encode(batch["image"], generator, batch["picture"], batch["head_norm"])
        return self.net.loss(scene, self.net.look(scene, batch["picture"], batch["head_norm"]), batch)

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        """`heatmap` [P, 64, 64], `predicted_norm` [P, 2] (its highest cell), `scores` [P] (probability that the
        target is in the frame), `predicted_direction_xy` [P, 2] (unit vectors in the picture's plane; without a head
        for it, from the eyes to the highest cell). Nothing is random."""
        looks = self._looks(batch["image"], batch["picture"], batch["head_norm"])
        return said(looks, batch) | {"picture": batch["picture"]}

    def _looks(self, image: Tensor, picture: Tensor, head_norm: Tensor) -> Looks:
        looks = self.net.look(self.net.encode(image), picture, head_norm)
        looks = looks._replace(heatmap=self.net.shown(looks.heatmap.float()))
        if not self.mirror:
            return looks
        other = self.net.look(self.net.encode(image.flip(3)), picture, mirrored_boxes(head_norm))
        flipped = Looks(
            self.net.shown(other.heatmap.float()).flip(2),
            other.inside,
            None if other.direction_xy is None else other.direction_xy * head_norm.new_tensor([-1, 1]),
        )
        return Looks(*((a if a is None else (a + b) / 2) for a, b in zip(looks, flipped, strict=True)))

    def validate(self, batch: Mapping[str, Any]) -> None:
        found = self.predict(batch, torch.Generator())
        inside = batch["labels"] == 1
        if inside.any():
            away = (found["predicted_norm"] - batch["point_norm"])[inside].norm(dim=1)
            self.log("val/l2", away.nanmean(), batch_size=int(inside.sum()), sync_dist=True)

    def read(
        self,
        input: Path,
        heads: str | None = None,
        face_weights: str | None = None,
        every: int = 1,
        seconds: float | None = None,
        resume: str | None = None,
        overlays: bool = True,
        heat_maps: bool = False,
    ) -> Iterator[tuple[list[Any], Any]]:
        """Pictures, videos and cameras, see `reading.gaze_batches`."""
        size_px = tuple(self.facts["size_px"])
        grown = float(self.facts.get("expand_heads", 0))  # as the boxes of the training were
        for items, batch in gaze_batches(
            input, size_px, heads, face_weights, every, seconds, resume, overlays, heat_maps
        ):
            yield items, batch | {"head_norm": expanded(batch["head_norm"], grown)}

    def records(self, items: list[Any], said: Mapping[str, Any]) -> dict[str, Any]:
        """Tables, JSON and overlays of a user's own input, see `gaze_records`; of a data set, `gaze.csv` alone."""
        if items and isinstance(items[0], Look):
            return gaze_records(items, said)
        return {"gaze.csv": _table(items, said)}

    def figures(self, data: Data, table: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure]:
        """Some pictures of the part with what the system says of them."""
        batch = data.batch_for(data.parts[data.split][:SHOWN].tolist(), self.facts)
        device = next(self.parameters()).device
        with torch.no_grad():
            found = self.predict(move_data_to_device(batch, device), torch.Generator())
        return {"examples": example_figure(batch, move_data_to_device(found, "cpu"))}


def check_size(facts: Mapping[str, Any], patch_px: int) -> None:
    """Whether the pictures of the data can be cut into patches.

    Raises:
        ValueError: sides that are no multiples of the patch.
    """
    height, width = facts["size_px"]
    if height % patch_px or width % patch_px:
        raise ValueError(
            f"data.size_px=[{height},{width}] must be multiples of {patch_px}, the pixels of a patch of the model"
        )


def said(looks: Looks, batch: Mapping[str, Any]) -> dict[str, Tensor]:
    """What a net says, by the names of metrics; see `GazeFollower.predict`."""
    heatmap = resized(looks.heatmap.float())
    point = heatmap_point_norm(heatmap).to(heatmap)
    if looks.direction_xy is None:
        way = (point - batch["eye_norm"]) * batch["size_px"]
    else:
        way = looks.direction_xy.float() * batch["size_px"]
    return {
        "heatmap": heatmap,
        "predicted_norm": point,
        "scores": point.new_full((len(point),), torch.nan)
        if looks.inside is None
        else looks.inside.float().sigmoid(),
        "predicted_direction_xy": way / way.norm(dim=1, keepdim=True),
    }


def _table(names: list[str], said: Mapping[str, Tensor]) -> pd.DataFrame:
    """A line per person of pictures with these names."""
    columns = {
        "picture": [names[k] for k in said["picture"].tolist()],
        "p_inside": said["scores"].cpu().numpy(),
    }
    for name, key in (("gaze", "predicted_norm"), ("direction", "predicted_direction_xy")):
        for axis, values in zip("xy", said[key].cpu().T, strict=True):
            columns[f"{name}_{axis}{'_norm' if name == 'gaze' else ''}"] = values.numpy()
    return pd.DataFrame(columns)
