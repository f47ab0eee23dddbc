"""Launches the Triton kernels of attention with a bias from positions, with their backward pass."""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from gazekit.kernels.object_attention.bias import GaussianBias, LogDistanceBias
from gazekit.kernels.object_attention.kernels import (
    LOG,
    NO_BIAS,
    SQUARE,
    TENSOR,
    forward_kernel,
    keys_kernel,
    queries_kernel,
)

__all__ = ["object_attention_triton"]


def object_attention_triton(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | GaussianBias | LogDistanceBias | None,
    mask: Tensor | None,
    causal: bool,
    scale: float,
) -> tuple[Tensor, Tensor]:
    """Arguments and result as in `reference.object_attention_reference`; no size is 0; differentiable once."""
    b, h, m, _ = query.shape
    n = key.shape[2]
    whole = places = None
    if isinstance(bias, Tensor):
        # torch sums the gradient over the dimensions broadcast here
        kind, whole = TENSOR, bias.expand(b, h, m, n)
    elif bias is not None:
        kind = SQUARE if isinstance(bias, GaussianBias) else LOG
        places = tuple(x.float().contiguous() for x in (bias.query_xy, bias.key_xy, bias.coefficient()))
    else:
        kind = NO_BIAS
    seen = None if mask is None else mask.to(torch.int8).contiguous()
    q, k, v = (x.contiguous() for x in (query, key, value))
    return _Attention.apply(kind, seen, causal, scale, q, k, v, whole, *(places or (None, None, None)))


def _blocks(d: int, dv: int, dtype: torch.dtype) -> dict[str, int]:
    """Block sizes that fit in registers (single precision has no tensor cores: tiles are there) and 64 KB of
    shared memory, by the compiler's report for compute capability 9.0; dot products need at least 16.
    """
    width, value_width = (max(16, triton.next_power_of_2(x)) for x in (d, dv))
    narrow = max(width, value_width) <= 64
    if dtype == torch.float32:
        sizes = {"ROWS": 32, "KEYS": 32 if narrow else 16, "num_warps": 8, "num_stages": 1}
    else:
        side = 64 if narrow else 32
        sizes = {"ROWS": side, "KEYS": side, "num_warps": 4 if narrow else 8}
    return {**sizes, "WIDTH": width, "VALUE_WIDTH": value_width}


def _common(q: Tensor, k: Tensor, v: Tensor, whole: Tensor | None, scale: float) -> tuple[Any, ...]:
    """Strides of the bias, then the sizes."""
    strides = (0, 0, 0, 0) if whole is None else whole.stride()
    return (*strides, q.shape[1], q.shape[2], k.shape[2], q.shape[3], v.shape[3], scale)


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, kind: int, mask: Tensor | None, causal: bool, scale: float, *tensors: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        q, k, v, whole, query_xy, key_xy, coefficient = tensors
        b, h, m, _ = q.shape
        out = q.new_empty(b, h, m, v.shape[3])
        lse = torch.empty(b, h, m, dtype=torch.float32, device=q.device)
        flags = {"CAUSAL": causal, "KIND": kind, "MASKED": mask is not None}
        blocks = _blocks(q.shape[3], v.shape[3], q.dtype)
        # a kernel needs a pointer even if it reads nothing
        unread = [q if x is None else x for x in (whole, query_xy, key_xy, coefficient, mask)]
        with torch.cuda.device_of(q):  # kernels launch on the current device, which may be another
            forward_kernel[(b * h, triton.cdiv(m, blocks["ROWS"]))](
                q, k, v, *unread, out, lse, *_common(q, k, v, whole, scale), **flags, **blocks
            )
        ctx.save_for_backward(*tensors, mask, out, lse)
        ctx.flags, ctx.scale = flags, scale
        ctx.set_materialize_grads(False)
        return out, lse

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor | None, d_lse: Tensor | None) -> tuple[Tensor | None, ...]:
        q, k, v, whole, query_xy, key_xy, coefficient, mask, out, lse = ctx.saved_tensors
        (b, h, m, _), n, kind = q.shape, k.shape[2], ctx.flags["KIND"]
        d_out = torch.zeros_like(out) if d_out is None else d_out.contiguous()
        taken = -(d_out.float() * out.float()).sum(-1)
        taken = taken if d_lse is None else taken + d_lse
        # gradients of a row without a key, which may be infinite, meet weights of 0: infinity times 0 would be NaN
        taken = taken.masked_fill(lse == -torch.inf, 0.0).contiguous()
        wanted = any(ctx.needs_input_grad[7:])
        blocks = _blocks(q.shape[3], v.shape[3], q.dtype)
        rows, keys = triton.cdiv(m, blocks["ROWS"]), triton.cdiv(n, blocks["KEYS"])
        dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)

        def room(*shape: int) -> Tensor:
            return torch.zeros(b, h, *shape, dtype=torch.float32, device=q.device)

        d_whole = room(m, n) if wanted and kind == TENSOR else None  # zeros: causal blocks are skipped
        d_places = [room(m, 2), room(n, 2), room(rows)] if wanted and kind in (SQUARE, LOG) else [None] * 3
        read = [q if x is None else x for x in (whole, query_xy, key_xy, coefficient, mask)]
        common = (*_common(q, k, v, whole, ctx.scale),)
        options = {**ctx.flags, "BIAS_GRADIENT": wanted, **blocks}
        made = [q if x is None else x for x in (d_whole, d_places[0], d_places[2], d_places[1])]
        given = (q, k, v, *read, lse, d_out, taken)
        with torch.cuda.device_of(q):
            queries_kernel[(b * h, rows)](*given, dq, *made[:3], *common, **options)
            keys_kernel[(b * h, keys)](*given, dk, dv, made[3], *common, **options)
        if d_whole is not None:
            return None, None, None, None, dq, dk, dv, d_whole.to(whole.dtype), None, None, None
        if d_places[0] is not None:
            d_places = [d_places[0].sum(1), d_places[1].sum(1), d_places[2].sum((0, 2))]
        return None, None, None, None, dq, dk, dv, None, *d_places
