"""Attention among objects with geometry as a bias, in memory linear in the number of objects."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from gazekit.kernels.dispatch import Impl, check_tensors, use_triton
from gazekit.kernels.object_attention.bias import (
    Bias,
    BoxGridBias,
    DisplacementBias,
    GaussianBias,
    LogDistanceBias,
)
from gazekit.kernels.object_attention.blocks import attention_in_blocks
from gazekit.kernels.object_attention.reference import materialised, object_attention_reference

__all__ = ["BoxGridBias", "DisplacementBias", "GaussianBias", "LogDistanceBias", "object_attention"]

SMALL = (
    1 << 22
)  # number of elements below which a bias is materialised (B M N, times H or its hidden units): measured


def object_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | Bias | None = None,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
    causal: bool = False,
    scale: float | None = None,
    dropout: float = 0.0,
    return_lse: bool = False,
    impl: Impl = "auto",
) -> Tensor | tuple[Tensor, Tensor]:
    """softmax(scale query key' + bias) value, where the bias is computed from positions without materialising it.

        S[b, h, m, n] = scale <query[b, h, m], key[b, h, n]> + bias[b, h, m, n]
        L = log sum_n exp S,    out[b, h, m] = sum_n exp(S - L) value[b, h, n]

    Without Triton ("auto" on the CPU): a small bias, a tensor bias, and no bias use torch's
    scaled_dot_product_attention, which nothing here outperforms; a large one is computed, used and discarded
    for one block of queries at a time, forward and backward, so that memory grows with M + N. "reference"
    follows the definition. "triton" computes Gaussian, log-distance, tensor and no bias inside the kernel;
    DisplacementBias and BoxGridBias are processed in blocks on every device.

    Gradients reach query, key, value, and every floating tensor of the bias, coordinates too. Those of "reference"
    can be differentiated again.

    Args:
        query: [B, H, M, D]. Half precision is computed in single precision, except in torch's own attention,
            which has its own rules.
        key: [B, H, N, D], same dtype and device.
        value: [B, H, N, Dv].
        bias: a tensor broadcastable to [B, H, M, N], added to the scores (-inf masks); or a `GaussianBias`,
            `LogDistanceBias`, `DisplacementBias` or `BoxGridBias` of these sizes; None = 0.
        mask: [B, N] bool, True = the key is valid.
        lengths: [B] integers 0 to N instead of `mask`: the first lengths[b] keys are valid.
        causal: query i sees only keys j <= i; M = N.
        scale: factor of the dot products; None = D ** -0.5.
        dropout: probability that a weight exp(S - L) is set to 0 (and the others scaled up), in training. The
            bias is then materialised, for torch's own attention.
        return_lse: also return L. Without a GPU, a tensor bias and no bias then use "reference", whose memory
            grows with M N, because torch's own attention does not return L.
        impl: "auto", "reference" or "triton".
    Returns:
        [B, H, M, Dv], or that and L [B, H, M] (at least single precision). A query without visible keys (all
        masked, N = 0) gets 0, L = -inf, and no gradient.
    Raises:
        ValueError: inconsistent shapes, `mask` with `lengths`, lengths outside 0 to N (checked on the CPU
            only: on a GPU the check would wait for the device), dropout outside 0 to 1 or with `return_lse`
            or "reference", or "triton" where that cannot run.
        TypeError: a bias of another kind, or tensors of several dtypes.

    Example:
        >>> xy = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [9.0, 0.0]]])
        >>> same = torch.zeros(1, 1, 3, 4)  # equal content: attention depends only on distance
        >>> places = torch.eye(3)[None, None]
        >>> object_attention(same, same, places, GaussianBias(xy, xy, torch.tensor([1.0])))[0, 0].round(decimals=2)
        tensor([[0.6200, 0.3800, 0.0000],
                [0.3800, 0.6200, 0.0000],
                [0.0000, 0.0000, 1.0000]])
    """
    sizes = _check(query, key, value, bias, causal)
    mask = _key_mask(sizes, query.device, mask, lengths)
    scale = max(1, query.shape[3]) ** -0.5 if scale is None else scale
    arguments = (query, key, value, bias, mask, causal, scale)
    empty = 0 in (*sizes, query.shape[3])
    if dropout:
        _check_dropout(dropout, return_lse, impl)
    plain = impl == "auto" and query.device.type == "cpu"  # known before the tensors of the bias are gathered
    unfit = "" if plain else _unfit(query, value, bias, dropout)
    if not plain and use_triton(impl, query, *_tensors(bias), unfit=unfit) and not empty:
        from gazekit.kernels.object_attention.triton import object_attention_triton

        out, lse = object_attention_triton(*arguments)
    elif dropout and not empty:
        return _fused(*arguments, dropout)
    elif impl == "reference" or empty:
        out, lse = object_attention_reference(*arguments)
    elif isinstance(bias, Bias) and sizes.numel() // sizes[1] * max(sizes[1], bias.hidden) >= SMALL:
        out, lse = attention_in_blocks(*arguments)
    elif return_lse:
        out, lse = object_attention_reference(*arguments)
    else:
        return _fused(*arguments)
    return (out, lse) if return_lse else out


def _fused(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | Bias | None,
    mask: Tensor | None,
    causal: bool,
    scale: float,
    dropout: float = 0.0,
) -> Tensor:
    """torch's own attention, with the bias materialised."""
    if bias is None and (mask is None or not causal):
        seen = None if mask is None else mask[:, None, None]
        return scaled_dot_product_attention(query, key, value, seen, dropout, causal, scale=scale)
    whole = materialised(bias, mask, causal, query, key.shape[2])
    if whole.dtype != query.dtype:  # the wider of both dtypes keeps more precision of the bias
        if not dropout:
            return object_attention_reference(query, key, value, whole, None, False, scale)[0]
        whole = whole.to(query.dtype)
    return scaled_dot_product_attention(query, key, value, whole, dropout, scale=scale)


def _tensors(bias: Tensor | Bias | None) -> list[Tensor]:
    if bias is None or isinstance(bias, Tensor):
        return [] if bias is None else [bias]
    return [x for x in bias.tensors().values() if x.is_floating_point()]


def _unfit(query: Tensor, value: Tensor, bias: Tensor | Bias | None, dropout: float) -> str:
    if dropout:
        return "it does not support dropout"
    if isinstance(bias, DisplacementBias | BoxGridBias):
        return f"a {type(bias).__name__} is computed outside the kernels"
    if max(query.shape[3], value.shape[3]) > 128:
        return f"heads are wider than 128: {query.shape[3]} and {value.shape[3]}"
    return ""


def _check_dropout(dropout: float, return_lse: bool, impl: Impl) -> None:
    if not 0 <= dropout <= 1:
        raise ValueError(f"dropout must be from 0 to 1, got {dropout}")
    if return_lse or impl == "reference":
        raise ValueError("dropout supports neither return_lse nor an explicit impl: leave them out")


def _check(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | Bias | None, causal: bool) -> torch.Size:
    """[B, H, M, N], or an error."""
    check_tensors(query=query, key=key, value=value)
    if query.dim() != 4:
        raise ValueError(f"query must be [B, H, M, D], got {list(query.shape)}")
    b, h, m, d = query.shape
    n = key.shape[2] if key.dim() == 4 else -1
    if key.shape != (b, h, n, d):
        raise ValueError(f"key must be [B={b}, H={h}, N, D={d}], got {list(key.shape)}")
    if value.dim() != 4 or value.shape[:3] != key.shape[:3]:
        raise ValueError(f"value must be [B={b}, H={h}, N={n}, Dv], got {list(value.shape)}")
    if not query.dtype == key.dtype == value.dtype or not query.is_floating_point():
        raise TypeError(
            f"query, key, value must have one floating dtype, got {query.dtype}, {key.dtype}, {value.dtype}"
        )
    if causal and m != n:
        raise ValueError(f"causal needs as many queries as keys, got M={m}, N={n}")
    sizes = torch.Size((b, h, m, n))
    if isinstance(bias, Tensor):
        off = bias.dim() > 4 or any(
            s not in (1, w) for s, w in zip(bias.shape[::-1], sizes[::-1], strict=False)
        )
        if off or not bias.is_floating_point():
            got = f"{bias.dtype} {list(bias.shape)}"
            raise ValueError(
                f"bias must be floating, broadcastable to [B, H, M, N] = {list(sizes)}, got {got}"
            )
    elif isinstance(bias, Bias):
        if bias.shape != sizes:
            raise ValueError(f"bias must be of [B, H, M, N] = {list(sizes)}, got {list(bias.shape)}")
    elif bias is not None:
        raise TypeError(f"bias must be a tensor, one of the biases or None, got {type(bias).__name__}")
    return sizes


def _key_mask(
    sizes: torch.Size, device: torch.device, mask: Tensor | None, lengths: Tensor | None
) -> Tensor | None:
    """[B, N] bool, True = the key is valid; None = all are."""
    b, _, _, n = sizes
    if mask is not None and lengths is not None:
        raise ValueError("mask and lengths are alternatives: give only one of them")
    if lengths is not None:
        lengths = torch.as_tensor(lengths)
        if lengths.shape != (b,) or lengths.is_floating_point() or lengths.dtype == torch.bool:
            raise ValueError(f"lengths must be [B={b}] integers, got {lengths.dtype} {list(lengths.shape)}")
        if lengths.device.type == "cpu" and b and not 0 <= int(lengths.min()) <= int(lengths.max()) <= n:
            raise ValueError(f"lengths must be from 0 to N={n}, got {lengths.tolist()}")
        return torch.arange(n, device=device) < lengths.to(device)[:, None]
    check_tensors(mask=mask)
    if mask is not None and (mask.shape != (b, n) or mask.dtype != torch.bool):
        raise ValueError(f"mask must be bool [B={b}, N={n}], got {mask.dtype} {list(mask.shape)}")
    return mask
