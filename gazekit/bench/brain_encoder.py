"""A training step of the transformer encoder with as many outputs as a brain has vertices.

The reference is the dense read-out of flattened tokens that its authors compare with: a 3 x 3 convolution of stride 3
to 256 channels, and a weight from each of its outputs to each vertex. Its time is linear in the vertices, and 40,000
of them would take 10 GB with gradients, so that a quarter is timed and scaled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from gazekit.harness import Case
from gazekit.models.brain_encoding import LinearReadout, TransformerEncoder

__all__ = ["Sizes", "cases"]


@dataclass(frozen=True)
class Sizes:
    """How much work the case is.

    Args:
        shape: C, H, W of the maps: DINOv2 ViT-B/14 at 434 px.
        voxels, dense_voxels: outputs of the encoder and of the reference.
        regions: of each hemisphere.
        pictures: of a step.
    """

    shape: tuple[int, int, int] = (768, 31, 31)
    voxels: int = 40_000
    dense_voxels: int = 10_000
    regions: int = 25
    pictures: int = 16


def cases(device: str = "cpu", sizes: Sizes | None = None) -> list[Case]:
    """Forward and backward of the squared error."""
    sizes = sizes or Sizes()
    maps = torch.randn(sizes.pictures, *sizes.shape, device=device)
    half = sizes.voxels // 2
    regions = {str(r): range(r, sizes.voxels, sizes.regions) for r in range(sizes.regions)}
    encoder = TransformerEncoder(
        sizes.shape, sizes.voxels, regions=regions, hemisphere_of=[0] * half + [1] * (sizes.voxels - half),
        heads=16, feedforward=1024,
    ).to(device)  # fmt: skip
    dense = LinearReadout(sizes.shape, sizes.dense_voxels, pool="conv").to(device)
    return [
        Case(
            f"a step of {sizes.pictures} pictures, {2 * sizes.regions} queries, {sizes.voxels:,} outputs",
            _step(encoder, maps),
            items=sizes.voxels,
            unit="output",
            reference=f"dense read-out of flattened tokens, {sizes.dense_voxels:,} outputs, scaled",
            run_reference=_step(dense, maps),
            reference_items=sizes.dense_voxels,
            facts=lambda ours, reference: {
                "parameters": _count(encoder),
                "reference_parameters": round(_count(dense) * sizes.voxels / sizes.dense_voxels),
            },
        )
    ]


def _step(readout: nn.Module, maps: torch.Tensor) -> Callable[[], None]:
    def run() -> None:
        readout.zero_grad(set_to_none=True)
        readout(maps).square().mean().backward()

    return run


def _count(readout: nn.Module) -> int:
    return sum(parameter.numel() for parameter in readout.parameters())
