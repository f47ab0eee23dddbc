"""What the patches of each head attend to, read from the tapped blocks of a transformer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gazekit.kernels.attention_rows import attention_rows, reference, region_rows

__all__ = ["interaction", "pooled"]


def interaction(
    queries: Sequence[Tensor], keys: Sequence[Tensor], guidance: Tensor, picture: Tensor, dense: bool = False
) -> Tensor:
    """I[c, j] = sum over i of g_i A[c, i, j], for the attention maps A of all tapped blocks and their heads.

    Only the rows of head patches are computed, each once a picture. Tokens without a place (class, registers) take
    their share of the softmax and are then left out, so that a sum over j is below 1.

    Args:
        queries, keys: [B, A, F + N, d] of each block, the F tokens without a place first.
        guidance: [P, N], rows of sum 1.
        picture: [P], which of the B pictures.
        dense: whole maps by plain operators of fixed sizes, for export.
    Returns:
        [P, blocks x A, N]
    """
    first = queries[0].shape[2] - guidance.shape[1]
    weight, slot = _by_picture(guidance, picture, len(queries[0]), dense)
    weight = weight.to(queries[0].dtype)
    layers = zip(queries, keys, strict=True)
    if dense:
        read = [reference.attention_rows(q[:, :, first:], k, weight, q.shape[-1] ** -0.5) for q, k in layers]
    else:
        rows, weight = region_rows(weight)
        rows = torch.where(rows < 0, rows, rows + first)
        read = [attention_rows(q, k, rows, weight) for q, k in layers]
    return torch.cat(read, 1)[picture, :, slot, first:]


def pooled(features: Tensor, guidance: Tensor, picture: Tensor, dense: bool = False) -> Tensor:
    """f = sum over i of g_i F_i: [P, D] of features [B, D, h, w]."""
    weight, slot = _by_picture(guidance, picture, len(features), dense)
    return (weight @ features.flatten(2).transpose(1, 2))[picture, slot]


def _by_picture(guidance: Tensor, picture: Tensor, pictures: int, dense: bool) -> tuple[Tensor, Tensor]:
    """Guidance [B, slots, N], zero where a picture has fewer people, and the slot [P] of each person."""
    if dense:
        slot, slots = torch.arange(len(picture), device=picture.device), len(picture)
        there = picture == torch.arange(pictures, device=picture.device)[:, None]
        return there[..., None] * guidance, slot
    there = picture[:, None] == torch.arange(pictures, device=picture.device)
    slot = there.cumsum(0).gather(1, picture[:, None])[:, 0] - 1
    slots = int(there.sum(0).max()) if len(picture) else 0
    empty = guidance.new_zeros(pictures, slots, guidance.shape[1])
    return empty.index_put((picture, slot), guidance), slot
