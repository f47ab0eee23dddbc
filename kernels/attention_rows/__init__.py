"""Selected rows of an attention map, or weighted sums of them, without computing the map.

With A_h = softmax(s Q_h K_h^T) of head h, `attention_rows` returns R_h = G A_h for a G that uses few rows: the
attention of a region (a head, an object, a fixated patch) in every head. G is given as the M rows that it uses
and a weight [P, M] for P regions; rows shared by several regions are computed once. Time and memory scale with
M N instead of N^2.

Backward, with U_h = dR_h A_h^T: dG = sum_h U_h; delta_i = sum_p G[p, i] U[p, i];
dS = A * (G^T dR - delta); dQ = s dS K; dK = s dS^T Q (per head).
First user: the 2D spatial guidance of ViTGaze (Song et al. 2024, Visual Intelligence 2:31), whose read-out of
all heads needs only the rows of head patches.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.kernels.attention_rows import reference
from gazekit.kernels.attention_rows.blocks import pooled_rows
from gazekit.kernels.dispatch import Impl, check_tensors, use_triton

__all__ = ["attention_rows", "attention_with_rows", "region_rows"]

MAX_DEPTH = 256  # of a head in the Triton kernels, which keep whole queries and keys


def attention_rows(
    query: Tensor,
    key: Tensor,
    rows: Tensor,
    weight: Tensor | None = None,
    *,
    scale: float | None = None,
    impl: Impl = "auto",
) -> Tensor:
    """Rows of softmax(s Q K^T), or weighted sums of rows, for all heads.

    Args:
        query: [B, H, N, D], floating.
        key: [B, H, K, D]; K = N in self-attention.
        rows: [B, M] integers, indices of queries; -1 is padding. A repeated row is computed repeatedly.
        weight: [B, P, M], weight of each row in each of P sums, in the dtype of `query`. None: the rows
            themselves. Weights of padding are ignored.
        scale: s; by default 1 / sqrt(D).
        impl: "reference" is the definition and has second derivatives; "auto" has first derivatives and
            computes weighted sums in blocks of rows, on a GPU by Triton kernels (heads up to 256 wide).
    Returns:
        [B, H, M, K], rows sum to 1 and padding is 0; with a weight [B, H, P, K]. Without rows (M = 0, or all
        padding) sums are 0; B, H, P and K may be 0. Gradients reach query, key and weight.
    Raises:
        TypeError: rows are not integers; query, key and weight are not of one floating dtype.
        ValueError: inconsistent shapes; a row outside -1 .. N - 1 (checked on the CPU only: on a GPU the
            check would wait for the device); "triton" where it cannot run.
    """
    _check(query, key, rows, weight)
    depth = query.shape[-1]
    scale = max(1, depth) ** -0.5 if scale is None else scale
    tensors = (query, key) if weight is None else (query, key, weight)
    unfit = f"heads are at most {MAX_DEPTH} wide, got {depth}" if depth > MAX_DEPTH else ""
    triton = use_triton(impl, *tensors, unfit=unfit)
    padding = rows < 0
    picked = _pick(query, rows.long())
    if weight is not None:
        weight = weight.masked_fill(padding[:, None], 0.0)
    if triton:
        from gazekit.kernels.attention_rows.triton import attention_rows as run

        result = run(picked, key, weight, scale)
    elif weight is None or impl == "reference":
        result = reference.attention_rows(picked, key, weight, scale)
    else:
        result = pooled_rows(picked, key, weight, scale)
    return result if weight is not None else result.masked_fill(padding[:, None, :, None], 0.0)


def attention_with_rows(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    rows: Tensor,
    weight: Tensor | None = None,
    *,
    scale: float | None = None,
    impl: Impl = "auto",
) -> tuple[Tensor, Tensor]:
    """The layer's output by torch's fused attention, and selected rows of the attention map.

    The output is `torch.nn.functional.scaled_dot_product_attention`, which is fused on CPUs if query, key and
    value are equally wide. It does not return its normalisers, so the rows compute their own, at 2 M / N of its cost.

    Args:
        value: [B, H, K, Dv].
        query, key, rows, weight, scale, impl: see `attention_rows`.
    Returns:
        Output [B, H, N, Dv] and the rows or their sums.
    Raises:
        As `attention_rows`; also for a value whose shape (ValueError) or dtype (TypeError) does not match the key.
    """
    _check(query, key, rows, weight)
    check_tensors(value=value)
    if value.dim() != 4 or value.shape[:3] != key.shape[:3]:
        wanted = f"[{key.shape[0]}, {key.shape[1]}, {key.shape[2]}, Dv]"
        raise ValueError(f"value must be {wanted} like key, got {list(value.shape)}")
    if value.dtype != key.dtype:
        raise TypeError(f"value must be {key.dtype} like key, got {value.dtype}")
    output = torch.nn.functional.scaled_dot_product_attention(query, key, value, scale=scale)
    return output, attention_rows(query, key, rows, weight, scale=scale, impl=impl)


def region_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """The rows used by a dense G, each once, and G on them.

    Args:
        weight: [B, P, N] weight of every query in each of P regions, mostly 0. A non-floating weight (a bool
            mask of the tokens in a box) becomes 0 and 1 in torch's default dtype; divide by its sum for a
            mean.
    Returns:
        rows: [B, M] ascending, M the maximum over the batch, -1 after the end.
        weight: [B, P, M], 0 on padding; gradients reach the entries of these rows.
    Raises:
        ValueError: weight is not 3-dimensional.
    """
    if weight.dim() != 3:
        raise ValueError(f"weight must be [B, P, N], got {list(weight.shape)}")
    weight = weight if weight.is_floating_point() else weight.to(torch.get_default_dtype())
    touched = (weight != 0).any(1)
    count = touched.sum(1, keepdim=True)
    longest = int(count.max()) if count.numel() else 0
    rows = touched.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :longest]
    padding = torch.arange(longest, device=rows.device) >= count
    kept = weight.gather(2, rows[:, None].expand(-1, weight.shape[1], -1))
    return rows.masked_fill(padding, -1), kept.masked_fill(padding[:, None], 0.0)


def _pick(query: Tensor, rows: Tensor) -> Tensor:
    """[B, H, N, D] and [B, M] to [B, H, M, D]; 0 for padding, even if a query is not finite."""
    b, h, n, d = query.shape
    if n == 0:
        return query.new_zeros(b, h, rows.shape[1], d)
    picked = query.gather(2, rows.clamp(min=0)[:, None, :, None].expand(-1, h, -1, d))
    return picked.masked_fill((rows < 0)[:, None, :, None], 0.0)


def _check(query: Tensor, key: Tensor, rows: Tensor, weight: Tensor | None) -> None:
    check_tensors(query=query, key=key, rows=rows, weight=weight)
    if query.dim() != 4:
        raise ValueError(f"query must be [B, H, N, D], got {list(query.shape)}")
    b, h, n, d = query.shape
    if key.dim() != 4 or (*key.shape[:2], key.shape[3]) != (b, h, d):
        raise ValueError(f"key must be [{b}, {h}, K, {d}] like query, got {list(key.shape)}")
    if rows.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"rows must be integers, got {rows.dtype}")
    if rows.dim() != 2 or rows.shape[0] != b:
        raise ValueError(f"rows must be [{b}, M], got {list(rows.shape)}")
    if weight is not None and (weight.dim() != 3 or (weight.shape[0], weight.shape[2]) != tuple(rows.shape)):
        raise ValueError(f"weight must be [{b}, P, {rows.shape[1]}] like rows, got {list(weight.shape)}")
    dtypes = {t.dtype for t in (query, key, weight) if t is not None}
    if len(dtypes) > 1 or not query.is_floating_point():
        found = ", ".join(sorted(map(str, dtypes)))
        raise TypeError(f"query, key and weight must have one floating dtype, got {found}")
    if rows.numel() and rows.device.type == "cpu" and (rows.min() < -1 or rows.max() >= n):
        found = f"{int(rows.min())} .. {int(rows.max())}"
        raise ValueError(f"rows must lie in -1 .. {n - 1}, got {found}")
