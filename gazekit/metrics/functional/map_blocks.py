"""Sums over the pixels of maps on the CPU, in NumPy, block by block.

A map of 1024 x 768 pixels is larger than a core's cache, so every whole-map operation goes through memory. Here
all operations are done on one block before the next is touched, and images are left to threads that never meet.
NumPy serves because its operations run in the thread that calls them; those of torch may open a parallel region
even for short vectors, whose barriers cost seconds where cores are busy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Blocks", "common_mass", "divergence", "moments", "totals"]

_BLOCK = (
    2**15
)  # 256 KiB of each map: several fit a core's second-level cache, and calls cost little in comparison
_DOT = 2**13  # BLAS starts threads of its own for vectors above 10,000


class Blocks(NamedTuple):
    """Maps [R, P], less `lowest` [R, 1] or None, plus the constant `added`; read a block at a time in float64."""

    rows: np.ndarray
    lowest: np.ndarray | None = None
    added: float = 0.0

    def __getitem__(self, where: tuple[slice, slice]) -> np.ndarray:
        """The block's values: to be read only, for they may be those of the map itself."""
        block = self.rows[where].astype(np.float64, copy=False)
        if self.lowest is not None:
            block = block - self.lowest[where[0]]
        return block + self.added if self.added else block


def totals(maps: Blocks) -> tuple[np.ndarray, np.ndarray]:
    """[R] sum and [R] lowest value."""
    total, lowest = np.zeros(len(maps.rows)), np.full(len(maps.rows), np.inf)
    with np.errstate(all="ignore"):
        for where in _blocks(maps.rows):
            block, images = maps[where], where[0]
            total[images] += np.add.reduce(block, 1)
            lowest[images] = np.minimum(lowest[images], np.minimum.reduce(block, 1))
    return total, lowest


def moments(maps: tuple[Blocks, ...]) -> tuple[np.ndarray, np.ndarray]:
    """[K, R] sums and [K, K, R] sums of products of K maps."""
    count, images = len(maps), len(maps[0].rows)
    total, product = np.zeros((count, images)), np.zeros((count, count, images))
    with np.errstate(all="ignore"):
        for where in _blocks(maps[0].rows):
            blocks = [part[where] for part in maps]
            for i, block in enumerate(blocks):
                total[i, where[0]] += np.add.reduce(block, 1)
                for j in range(i + 1):
                    product[i, j, where[0]] += _inner(block, blocks[j])
    for i in range(count):
        product[:i, i] = product[i, :i]
    return total, product


def common_mass(p: Blocks, q: Blocks, ratio: np.ndarray) -> np.ndarray:
    """[R] sum min(p, ratio q), with a ratio [R, 1]."""
    common, scratch = np.zeros(len(p.rows)), _scratch(p.rows)
    with np.errstate(all="ignore"):
        for where in reversed(_blocks(p.rows)):  # what was read last is in the cache still
            a, b, images = p[where], q[where], where[0]
            block = scratch[: a.size].reshape(a.shape)
            np.multiply(b, ratio[images], out=block)
            common[images] += np.add.reduce(np.minimum(block, a, out=block), 1)
    return common


def divergence(p: Blocks, q: Blocks, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """[R] sum q ln(q / (p + low) + high), with constants [R, 1]."""
    total, scratch = np.zeros(len(p.rows)), _scratch(p.rows)
    with np.errstate(all="ignore"):
        for where in reversed(_blocks(p.rows)):
            a, b, images = p[where], q[where], where[0]
            block = scratch[: a.size].reshape(a.shape)
            np.add(a, low[images], out=block)
            np.divide(b, block, out=block)
            np.add(block, high[images], out=block)
            total[images] += _inner(b, np.log(block, out=block))
    return total


def _blocks(rows: np.ndarray) -> list[tuple[slice, slice]]:
    """Some pixels of one image, or all pixels of several."""
    images, pixels = rows.shape
    count = max(1, _BLOCK // pixels)
    width = min(pixels, _BLOCK)
    return [
        (slice(i, i + count), slice(k, k + width))
        for i in range(0, images, count)
        for k in range(0, pixels, width)
    ]


def _scratch(rows: np.ndarray) -> np.ndarray:
    """Memory for a block, used for each in turn: new memory would have to be mapped, page by page, each time."""
    return np.empty(min(rows.size, _BLOCK))


def _inner(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[R] inner products of blocks [R, P]."""
    even = a.shape[1] // _DOT * _DOT
    rest = np.vecdot(a[:, even:], b[:, even:])
    if not even:
        return rest
    a, b = (part[:, :even].reshape(len(part), -1, _DOT) for part in (a, b))
    return rest + np.vecdot(a, b).sum(1)
