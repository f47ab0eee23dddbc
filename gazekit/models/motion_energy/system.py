"""The two-stage motion model as a system: trained on generated clips, judged by true flow, run on folders of frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import pad

from gazekit.base import Data, System
from gazekit.metrics.functional import end_point_error
from gazekit.models.motion_energy.net import FlowSequence, MotionNet, flow_loss

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MotionEnergyFlow"]

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}


class MotionEnergyFlow(System):
    """Trainable motion energy, integrated over similar places by recurrent attention.

    Source: Sun et al. 2023 (NeurIPS, arXiv 2305.09156), the first-order channel; see the README for what differs.

    Args:
        facts: `frames` of a clip.
        levels: scales of the bank; units: of each; the published bank has 8 x 32.
        iterations: of stage II.
        grid_px: side of a place.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        levels: int = 8,
        units: int = 32,
        iterations: int = 6,
        grid_px: int = 8,
    ) -> None:
        super().__init__(facts)
        self.net = MotionNet(levels, units, int(facts["frames"]), iterations, grid_px)

    def sequence(self, frames: Tensor) -> FlowSequence:
        """Flows of stage I and of each iteration, of clips [B, T, H, W] of any size, which is padded where needed."""
        height, width = frames.shape[-2:]
        more = [-side % self.net.grid_px for side in (width, height)]
        frames = pad(frames, [0, more[0], 0, more[1]], mode="replicate") if any(more) else frames
        found = self.net(frames)
        convex, bilinear = (
            [flow[..., :height, :width] for flow in flows] for flows in (found.convex, found.bilinear)
        )
        return FlowSequence(convex, bilinear, found.codes)

    def loss(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Absolute error of all flows, of both ways of up-sampling."""
        return {"loss": flow_loss(self.net(batch["frames"]), batch["true_flow"])}

    def validate(self, batch: Mapping[str, Any]) -> None:
        error = end_point_error(self.sequence(batch["frames"]).convex[-1], batch["true_flow"]).mean()
        self.log("val/error", error.float(), batch_size=len(batch["frames"]), sync_dist=True)

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        """`flow` [B, 2, H, W] of the middle frame, px per frame. Nothing is random.

        Raises:
            ValueError: a batch without `frames`: probes of movies that are not at hand.
        """
        if "frames" not in batch:
            raise ValueError(
                "these data have no frames to see (the movies are not at hand): predict on your own with input=FOLDER"
            )
        return {"flow": self.sequence(batch["frames"]).convex[-1]}

    def read(self, input: Path, every: int = 1) -> Iterator[tuple[list[str], dict[str, Tensor]]]:
        """Clips of a folder of pictures, the frames of one movie by name; one for each frame with enough around it.

        Args:
            every: only frames 0, every, 2 every ... of those.
        Raises:
            ValueError: too few pictures, pictures of several sizes, or none that can be read.
        """
        frames, names = _frames_of(input)
        length = int(self.facts["frames"])
        if len(frames) < length:
            raise ValueError(f"input={input} has {len(frames)} pictures, {length} frames are needed")
        for start in range(0, len(frames) - length + 1, every):
            clip = torch.from_numpy(frames[start : start + length])[None]
            yield [names[start + length // 2]], {"frames": clip, "group": torch.tensor([start])}

    def records(self, items: list[Any], said: Mapping[str, Any]) -> dict[str, Any]:
        """Mean flow of each clip as a table; the flow itself as NAME.npy, [2, H, W] px per frame, and as a picture."""
        from gazekit.models.motion_energy.figures import flow_picture

        flow = said["flow"].cpu().numpy()
        names = [f"clip{item}" if isinstance(item, int) else str(item) for item in items]
        table = pd.DataFrame(
            {
                "item": names,
                "mean_u_px": flow[:, 0].mean((1, 2)),
                "mean_v_px": flow[:, 1].mean((1, 2)),
                "mean_speed_px": np.linalg.norm(flow, axis=1).mean((1, 2)),
            }
        )
        found: dict[str, Any] = {"flow.csv": table}
        for name, one in zip(names, flow, strict=True):
            found[f"flow/{name}.npy"] = lambda path, one=one: np.save(path, one)
            found[f"flow/{name}.png"] = flow_picture(one)
        return found

    def figures(self, data: Data, table: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure]:
        """Preferred motion of the bank, answers to gratings, plaids and illusions, and some clips."""
        from gazekit.models.motion_energy.figures import motion_figures

        return motion_figures(self, data)


def _frames_of(folder: Path) -> tuple[np.ndarray, list[str]]:
    """[T, H, W] float32 luminance from 0 to 1, and the pictures' names without their ends."""
    import cv2

    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURES) if folder.is_dir() else []
    if not paths:
        raise ValueError(f"input={folder} must be a folder with the pictures of a movie, its frames by name")
    frames = []
    for path in paths:
        frame = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)  # .299 R + .587 G + .114 B
        if frame is None:
            raise ValueError(f"{path} is not a picture that can be read")
        if frames and frame.shape != frames[0].shape:
            raise ValueError(f"{path} is {frame.shape[::-1]} px, the first frame {frames[0].shape[::-1]}")
        frames.append(frame)
    return np.stack(frames).astype(np.float32) / 255, [path.stem for path in paths]
