"""Attention with a bias from positions, compared with torch's attention with a materialised bias, and
FlexAttention.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import flex_attention
from torch.nn.functional import gelu, scaled_dot_product_attention

from gazekit.harness import Case
from gazekit.kernels.object_attention import DisplacementBias, GaussianBias, object_attention

__all__ = ["Sizes", "cases"]


@dataclass(frozen=True)
class Sizes:
    """One scene with a given number of objects; learned biases.

    Args:
        gaussian, displacement: numbers of objects. At 4096 the reference of the latter would need 8 GB.
        flex: numbers of objects for FlexAttention, compiled separately for each; only on a CUDA device.
        hidden: hidden units of the displacement network.
    """

    gaussian: tuple[int, ...] = (16, 64, 256, 1024, 2048, 4096)
    displacement: tuple[int, ...] = (16, 64, 256, 1024, 2048)
    flex: tuple[int, ...] = (256, 1024)
    heads: int = 8
    depth: int = 64
    hidden: int = 32


def cases(device: str = "cpu", sizes: Sizes | None = None) -> list[Case]:
    """Forward, and forward with backward to the bias's parameters; FlexAttention forward only."""
    sizes = sizes or Sizes()
    found = []
    for kind, counts in (("Gaussian", sizes.gaussian), ("displacement", sizes.displacement)):
        for n in counts:
            inputs = _inputs(device, sizes, kind, n)
            found += [_case(kind, n, how, *inputs) for how in (_forward, _training)]
    if (
        torch.device(device).type == "cuda"
    ):  # on CPUs torch 2.13 fails to compile such a bias, and has no backward
        found += [_flex(n, *_inputs(device, sizes, "Gaussian", n)) for n in sizes.flex]
    return found


Bias = GaussianBias | DisplacementBias


def _inputs(device: str, sizes: Sizes, kind: str, n: int) -> tuple[list[Tensor], Bias]:
    draw = torch.Generator().manual_seed(n)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw).to(device).requires_grad_()

    tensors = [normal(1, sizes.heads, n, sizes.depth) for _ in range(3)]
    xy = 5 * normal(1, n, 2).detach()
    if kind == "Gaussian":
        return tensors, GaussianBias(xy, xy, (normal(sizes.heads).detach().abs() + 1).requires_grad_())
    weights = normal(4, sizes.hidden), normal(sizes.hidden), normal(sizes.hidden, sizes.heads)
    return tensors, DisplacementBias(xy, xy, *weights, normal(sizes.heads))


def _case(kind: str, n: int, how: Callable, tensors: list[Tensor], bias: Bias) -> Case:
    name = "forward" if how is _forward else "forward and backward"
    return Case(
        f"object_attention, {kind} bias, {name}, {n} objects",
        how(lambda: object_attention(*tensors, bias)),
        reference="scaled_dot_product_attention with the bias as a whole",
        run_reference=how(lambda: scaled_dot_product_attention(*tensors, attn_mask=_whole(bias))),
    )


def _whole(bias: Bias) -> Tensor:
    """[B, H, M, N], as commonly implemented."""
    if isinstance(bias, GaussianBias):
        squared = torch.cdist(bias.query_xy, bias.key_xy).square()
        return -squared[:, None] / (2 * bias.sigma[:, None, None] ** 2)
    offset = bias.key_xy[:, None] - bias.query_xy[:, :, None]
    distance = offset.norm(dim=-1, keepdim=True)
    features = torch.cat([offset, distance, distance.log1p()], -1)
    hidden = gelu(features @ bias.weight1 + bias.bias1)
    return (hidden @ bias.weight2 + bias.bias2).permute(0, 3, 1, 2)


def _flex(n: int, tensors: list[Tensor], bias: GaussianBias) -> Case:
    x, y = bias.query_xy[0].unbind(-1)
    coefficient = bias.coefficient().detach()

    def add_bias(score: Tensor, b: Tensor, h: Tensor, m: Tensor, key: Tensor) -> Tensor:
        return score + coefficient[h] * ((x[m] - x[key]) ** 2 + (y[m] - y[key]) ** 2)

    flex = torch.compile(flex_attention, dynamic=False)
    return Case(
        f"object_attention, Gaussian bias, forward, {n} objects, beside FlexAttention",
        _forward(lambda: object_attention(*tensors, bias)),
        reference="FlexAttention, compiled",
        run_reference=_forward(lambda: flex(*tensors, score_mod=add_bias)),
    )


def _forward(attend: Callable[[], Tensor]) -> Callable[[], Tensor]:
    return torch.no_grad()(attend)


def _training(attend: Callable[[], Tensor]) -> Callable[[], None]:
    return lambda: attend().sum().backward()
