"""The contrast of glimpse prediction and its gradient, against the table of all pairs that it is defined by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gazekit.harness import Case
from gazekit.models.glimpse.contrast import SAME_GLIMPSE, cosine_contrast

__all__ = ["Sizes", "cases", "contrast_of_table"]


@dataclass(frozen=True)
class Sizes:
    """How much work the case is.

    Args:
        scanpaths, steps: of a batch, 512 x 6 in the source.
        widths: D of the embeddings: DINOv2-B and ResNet-50.
    """

    scanpaths: int = 512
    steps: int = 6
    widths: tuple[int, ...] = (768, 2048)


def cases(device: str = "cpu", sizes: Sizes | None = None) -> list[Case]:
    """Forward and backward at the source's batch."""
    sizes = sizes or Sizes()
    found = []
    for width in sizes.widths:
        shape = (sizes.scanpaths, sizes.steps, width)
        target = torch.randn(shape, device=device)
        prediction = torch.randn(shape, device=device, requires_grad=True)
        found.append(
            Case(
                f"contrast of {sizes.scanpaths} x {sizes.steps} predictions, D = {width}",
                _step(lambda a, p: cosine_contrast(a, p).loss, target, prediction),
                items=sizes.scanpaths * sizes.steps,
                unit="prediction",
                reference="table of all pairs",
                run_reference=_step(contrast_of_table, target, prediction),
                facts=lambda ours, table: {"difference": float((ours - table).abs())},
            )
        )
    return found


def contrast_of_table(target: Tensor, prediction: Tensor) -> Tensor:
    """The loss from all N x N cosines and three masks, [B, T, D] each; every scanpath has all steps."""
    b, t, _ = target.shape
    a, p = (normalize(x.flatten(0, 1), dim=1) for x in (target, prediction))
    scanpath = torch.arange(b, device=a.device).repeat_interleave(t)
    same = scanpath[:, None] == scanpath
    matched = torch.eye(b * t, dtype=torch.bool, device=a.device)
    kept = same & ~matched & (a @ a.T < SAME_GLIMPSE)
    table = a @ p.T
    return (table[kept].mean() + table[~same].mean()) / 2 - table[matched].mean()


def _step(
    loss: Callable[[Tensor, Tensor], Tensor], target: Tensor, prediction: Tensor
) -> Callable[[], Tensor]:
    def run() -> Tensor:
        prediction.grad = None
        value = loss(target, prediction)
        value.backward()
        return value.detach()

    return run
