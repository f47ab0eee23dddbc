"""Shared by the alignments of padded pairs: argument checks and chunking."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.kernels.dispatch import check_tensors

__all__ = ["check_chunk", "check_length", "check_table", "chunks", "pairs_last", "too_long"]

_CHUNK_BYTES = 64 * 2**20
# On the CPU a diagonal of all pairs should fit in the cache and stay below the size at which torch uses threads:
# for such short steps, waking threads on a busy machine costs far more than it saves.
_CPU_DIAGONAL = 2**15
_LONGEST = 1023  # maximum number of rows per program of the Triton kernel


def pairs_last(
    table: Tensor, a_length: Tensor, b_length: Tensor, rows: slice
) -> tuple[Tensor, Tensor, Tensor]:
    """A view [n, m, P] of these rows of the table, up to their longest sequences; and their lengths."""
    a, b = a_length[rows], b_length[rows]
    return table[rows, : int(a.max()), : int(b.max())].permute(1, 2, 0), a, b


def check_chunk(chunk: int | None) -> None:
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk must be at least 1, got {chunk}")


def check_table(
    name: str, table: Tensor, a_length: Tensor, b_length: Tensor, chunk: int | None
) -> tuple[Tensor, Tensor]:
    """The lengths as int64, after checking the arguments."""
    check_tensors(**{name: table})
    if table.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{name} must be float32 or float64, got {table.dtype}")
    if table.dim() != 3:
        raise ValueError(f"{name} must have shape [P, n, m], got {list(table.shape)}")
    check_chunk(chunk)
    _, n, m = table.shape
    return check_length("a_length", a_length, table, n), check_length("b_length", b_length, table, m)


def check_length(name: str, length: Tensor, of: Tensor, longest: int) -> Tensor:
    """The lengths as int64, whose sums do not overflow, after checking them against the pairs `of` [P, ...]."""
    check_tensors(**{name: length})
    if length.is_floating_point() or length.is_complex() or length.dtype == torch.bool:
        raise TypeError(f"{name} must be integers, got {length.dtype}")
    if length.shape != of.shape[:1] or length.device != of.device:
        raise ValueError(f"{name} must have shape [{len(of)}] on {of.device}, "
                         f"got {list(length.shape)} on {length.device}")  # fmt: skip
    length = length.long()
    if len(of) and (length.min() < 0 or length.max() > longest):
        raise ValueError(f"{name} must lie in 0..{longest}, got {int(length.min())}..{int(length.max())}")
    return length


def chunks(pairs: Tensor, diagonal: int, copied: int, chunk: int | None) -> list[slice]:
    """Rows of `pairs` [P, ...] in chunks; about eight diagonals and `copied` numbers are stored per pair."""
    if chunk is None:
        chunk = _CHUNK_BYTES // (8 * (copied + 8 * diagonal))
        if pairs.device.type == "cpu":
            chunk = min(chunk, _CPU_DIAGONAL // diagonal)
        chunk = max(chunk, 1)
    return [slice(start, start + chunk) for start in range(0, len(pairs), chunk)]


def too_long(n: int, m: int) -> str:
    """Why the Triton kernel cannot take sequences of this length; "" if it can."""
    return (
        f"the shorter sequences may have {_LONGEST} entries, got {min(n, m)}" if min(n, m) > _LONGEST else ""
    )
