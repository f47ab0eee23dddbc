"""Attention rows compared with full attention maps, the usual way to read out attention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gazekit.harness import Case
from gazekit.kernels.attention_rows import attention_with_rows

__all__ = ["Sizes", "cases"]


@dataclass(frozen=True)
class Sizes:
    """Sides of square pictures in px, split into 14 px patches plus one more token; ViT-S has 6 heads of 64."""

    sides_px: tuple[int, ...] = (224, 518, 1024)
    rows: int = 60  # the mean of heads in a picture of 518 px
    layers: int = 4
    most_map_mb: int = 1000  # of all layers' maps together; fewer layers if they would exceed it
    heads: int = 6
    depth: int = 64


def cases(device: str = "cpu", sizes: Sizes | None = None) -> list[Case]:
    """Forward, and forward with backward, of layers for which both outputs and pooled rows are needed."""
    sizes = sizes or Sizes()
    made = []
    for side in sizes.sides_px:
        tokens = (side // 14) ** 2 + 1
        map_mb = 4e-6 * sizes.heads * tokens**2
        layers = max(1, min(sizes.layers, int(sizes.most_map_mb / map_mb)))
        inputs = _inputs(device, sizes, layers, tokens)
        about = f"{layers} layers of {tokens} tokens, {inputs[1].shape[1]} rows"
        for name, how in (("forward", _forward), ("forward and backward", _training)):
            made.append(
                Case(
                    f"attention_rows, {name}, {about}",
                    how(_ours, inputs),
                    items=layers,
                    unit="layer",
                    reference="full maps of all layers, joined and pooled",
                    run_reference=how(_full_maps, inputs),
                    reference_items=layers,
                )
            )
    return made


Inputs = tuple[list[tuple[Tensor, Tensor, Tensor]], Tensor, Tensor]


def _inputs(device: str, sizes: Sizes, layers: int, tokens: int) -> Inputs:
    """Query, key and value of each layer, the rows [1, M] of one region and their weights [1, 1, M]."""
    generator = torch.Generator().manual_seed(0)

    def draw() -> Tensor:
        shape = (1, sizes.heads, tokens, sizes.depth)
        return torch.randn(shape, generator=generator).to(device).requires_grad_()

    rows = torch.randperm(tokens, generator=generator)[: sizes.rows].sort().values
    weight = torch.rand(1, 1, len(rows), generator=generator).softmax(-1).to(device).requires_grad_()
    return [(draw(), draw(), draw()) for _ in range(layers)], rows[None].to(device), weight


def _ours(inputs: Inputs) -> list[Tensor]:
    layers, rows, weight = inputs
    return [x for qkv in layers for x in attention_with_rows(*qkv, rows, weight)]


def _full_maps(inputs: Inputs) -> list[Tensor]:
    """Maps of all layers as channels, weighted by a dense guidance and summed over the queries."""
    layers, rows, weight = inputs
    outputs, maps = [], []
    for query, key, value in layers:
        maps.append((query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5).softmax(-1))
        outputs.append(maps[-1] @ value)
    stacked = torch.cat(maps, 1)
    guidance = weight.new_zeros(1, stacked.shape[-1]).index_put((rows * 0, rows), weight[:, 0])
    return [*outputs, (stacked * guidance[:, None, :, None]).sum(2)]


def _forward(run: Callable[[Inputs], list[Tensor]], inputs: Inputs) -> Callable[[], None]:
    def call() -> None:
        with torch.no_grad():
            run(inputs)

    return call


def _training(run: Callable[[Inputs], list[Tensor]], inputs: Inputs) -> Callable[[], None]:
    layers, _, weight = inputs
    leaves = [*(x for qkv in layers for x in qkv), weight]

    def call() -> None:
        torch.autograd.grad(sum(x.square().sum() for x in run(inputs)), leaves)

    return call
