"""OAT's next-object distribution with tensors in and out, in operators that ONNX has."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from gazekit.models.oat.net import OATNet
from gazekit.scene import SceneBatch, TrialBatch

__all__ = ["NextObject", "example"]


class _Cumulative(NamedTuple):
    values: Tensor


class _WithoutCummax(TorchFunctionMode):
    """ONNX has no running maximum: the largest of all earlier entries, by a triangular mask. For values >= 0."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func is Tensor.cummax:
            values, _ = args  # [B, T, N], along T
            steps = torch.arange(values.shape[1], device=values.device)
            earlier = (steps[:, None] >= steps)[None, :, :, None]
            return _Cumulative((values[:, None] * earlier).amax(2))
        return func(*args, **(kwargs or {}))


class NextObject(nn.Module):
    """Log-probabilities of what comes next after each fixation of B scanpaths over B scenes.

    Args of `forward`: as in `SceneBatch` and `TrialBatch`, a scene per scanpath.
    Returns: [B, T + 1, N + 1], the last column STOP.
    """

    def __init__(self, net: OATNet) -> None:
        super().__init__()
        self.net = net

    def forward(
        self,
        boxes_px: Tensor,
        object_mask: Tensor,
        size_px: Tensor,
        start_xy_px: Tensor,
        target: Tensor,
        category: Tensor,
        crops: Tensor,
        objects: Tensor,
        xy_px: Tensor,
    ) -> Tensor:
        scenes = SceneBatch(boxes_px, object_mask, size_px, start_xy_px, target, category, crops)
        rows = torch.arange(boxes_px.shape[0])
        there = torch.ones_like(objects, dtype=torch.bool)
        with _WithoutCummax():
            return self.net.log_prob(TrialBatch(scenes, rows, objects, there, xy_px, rows, rows))


def example(
    crop_size: tuple[int, int], scanpaths: int = 2, objects: int = 6, fixations: int = 4
) -> dict[str, Tensor]:
    """Random arguments of `NextObject`; an ONNX file takes these sizes."""
    draw = torch.Generator().manual_seed(0)
    corner = torch.rand(scanpaths, objects, 2, generator=draw) * 300
    chosen = torch.randint(objects, (scanpaths, fixations), generator=draw)
    boxes = torch.cat([corner, corner + 50], -1)
    centres = (boxes[..., :2] + 25).gather(1, chosen[..., None].expand(-1, -1, 2))
    return {
        "boxes_px": boxes,
        "object_mask": torch.ones(scanpaths, objects, dtype=torch.bool),
        "size_px": torch.full((scanpaths, 2), 400.0),
        "start_xy_px": torch.full((scanpaths, 2), 200.0),
        "target": torch.zeros(scanpaths, dtype=torch.long),
        "category": torch.zeros(scanpaths, objects, dtype=torch.long),
        "crops": torch.rand(scanpaths, objects, 3, *crop_size, generator=draw),
        "objects": chosen,
        "xy_px": centres,
    }
