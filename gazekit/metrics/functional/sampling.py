"""Random draws for images, which depend on the seed and the image's fixations, not on the batch it is in."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gazekit.metrics.functional.fixated import distinct

__all__ = ["distinct_draws", "jittered", "uniform_draws"]


def jittered(rows: Tensor, pixels: Tensor, mask: Tensor, share: float, seed: int) -> Tensor:
    """Maps [R, P] with uniform noise from 0 to `share` of each one's range."""
    low, high = rows.double().aminmax(dim=1)
    noise = [
        torch.rand(rows.shape[1], generator=draw, dtype=torch.float64)
        for draw in _generators(pixels, mask, seed)
    ]
    noise = torch.stack(noise) if noise else torch.zeros(rows.shape, dtype=torch.float64)
    return rows.double() + noise.to(rows.device) * (share * (high - low))[:, None]


def uniform_draws(
    pixels: Tensor, mask: Tensor, first: Tensor, n_splits: int, n_pixels: int, seed: int
) -> Tensor:
    """[R, K, T] pixels, as many a split as an image has distinct fixated ones, with replacement; else -1."""

    def draw(row: int, generator: torch.Generator) -> Tensor:
        return torch.randint(n_pixels, (n_splits, int(first[row].sum())), generator=generator)

    return _padded(draw, pixels, mask, n_splits, seed)


def distinct_draws(
    pixels: Tensor,
    mask: Tensor,
    first: Tensor,
    others: Tensor,
    others_first: Tensor,
    n_splits: int,
    seed: int,
) -> Tensor:
    """[R, K, T] of the distinct pixels others [R, M], without replacement, as `uniform_draws` or all.

    A split of less than half of them is drawn with replacement, and what came before drawn again; a larger one is
    the head of a random order. So neither time nor memory grow with M beyond the sample.
    """

    def draw(row: int, generator: torch.Generator) -> Tensor:
        pool = others[row][others_first[row]].sort().values.cpu()
        wanted = int(first[row].sum())
        if 2 * wanted >= len(pool):
            keys = torch.rand(n_splits, len(pool), generator=generator, dtype=torch.float64)
            return pool[keys.argsort(1)[:, :wanted]]
        chosen = torch.randint(len(pool), (n_splits, wanted), generator=generator)
        every = torch.ones_like(chosen, dtype=torch.bool)
        while (again := ~distinct(chosen, every)).any():
            chosen[again] = torch.randint(len(pool), (int(again.sum()),), generator=generator)
        return pool[chosen]

    return _padded(draw, pixels, mask, n_splits, seed)


def _padded(
    draw: Callable[[int, torch.Generator], Tensor], pixels: Tensor, mask: Tensor, n_splits: int, seed: int
) -> Tensor:
    drawn = torch.full((len(pixels), n_splits, pixels.shape[1]), -1)
    for row, generator in enumerate(_generators(pixels, mask, seed)):
        split = draw(row, generator)
        drawn[row, :, : split.shape[1]] = split
    return drawn.to(pixels.device)


def _generators(pixels: Tensor, mask: Tensor, seed: int) -> Iterator[torch.Generator]:
    for row, valid in zip(pixels.cpu(), mask.cpu(), strict=True):
        own = row[valid].sort().values.numpy().tobytes()
        yield torch.Generator().manual_seed(zlib.crc32(own, seed % 2**32))
