"""Regressions of many voxels, part by part: voxels with responses to the same pictures, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gazekit.brain.missing import patterns
from gazekit.metrics.functional.arguments import ArrayLike, as_tensor

__all__ = ["Part", "band_of", "best_of", "check_alphas", "check_pictures", "complete_parts", "set_constants"]

_CHUNK = 1024


@dataclass(frozen=True)
class Part:
    """Voxels that have responses to the same pictures.

    Args:
        y: responses [n, V] of all voxels.
        fold: [k] fold of each of these pictures, numbered without gaps.
        rows: [k] pictures, None = all n.
        voxels: [m].
    """

    y: Tensor
    fold: Tensor
    rows: Tensor | None
    voxels: Tensor

    def of(self, x: Tensor) -> Tensor:
        """The rows of x [n, ...] that are these pictures."""
        return x if self.rows is None else x[self.rows]

    def chunks(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Voxels [c], at most `size` at once, and their responses [k, c]."""
        if not len(self.voxels):
            return
        for voxels in self.voxels.split(size):
            first, end = int(voxels[0]), int(voxels[-1]) + 1
            neighbours = end - first == len(voxels)  # no copy of them
            yield voxels, self.of(self.y[:, first:end] if neighbours else self.y[:, voxels])


def complete_parts(y: Tensor, fold: Tensor, least: int) -> Iterator[Part]:
    """Parts of responses [n, V] with NaN; voxels with responses in fewer than two folds are in none.

    Raises:
        ValueError: fewer than `least` pictures of a part in a fold, or see `patterns`.
    """
    for rows, voxels in patterns(y):
        _, own, sizes = (fold if rows is None else fold[rows]).unique(return_inverse=True, return_counts=True)
        if len(sizes) < 2:
            continue
        if sizes.min() < least:
            raise ValueError(
                f'score="r" needs {least} pictures or more in each fold, got {int(sizes.min())} with responses of '
                f'{len(voxels)} voxels: take fewer folds, or score="mse"'
            )
        yield Part(y, own, rows, voxels)


def check_pictures(xs: Sequence[ArrayLike], y: ArrayLike) -> tuple[list[Tensor], Tensor]:
    """Features and responses in one precision, float64 if all of them have it, else float32.

    Raises:
        TypeError: not real numbers. ValueError: shapes that don't match, or features that are not finite.
    """
    xs, y = [as_tensor("x", x) for x in xs], as_tensor("y", y)
    for x in (*xs, y):
        if x.is_complex():
            raise TypeError(f"x and y must hold real numbers, got {x.dtype}")
    if (
        y.dim() != 2
        or any(x.dim() != 2 or len(x) != len(y) for x in xs)
        or not all(map(Tensor.numel, (*xs, y)))
    ):
        raise ValueError(
            "x must have shape [n, F] and y [n, V] with the same n pictures, at least one of each, got "
            f"{' and '.join(str(list(x.shape)) for x in xs)}, and {list(y.shape)}"
        )
    dtype = torch.float64 if all(x.dtype == torch.float64 for x in (*xs, y)) else torch.float32
    xs = [x.to(y.device, dtype) for x in xs]
    if not all(x.isfinite().all() for x in xs):
        raise ValueError("x has features that are NaN or infinite: leave out their pictures, or fill them")
    return xs, y.to(dtype)


def check_alphas(alphas: Sequence[float] | ArrayLike, device: torch.device) -> Tensor:
    """[A] float64, falling, so that the first of equally good ones is the largest.

    Raises:
        ValueError: none, or one that is not above 0.
    """
    alphas = as_tensor("alphas", alphas).to(device, torch.float64).reshape(-1)
    if not len(alphas) or not ((alphas > 0) & alphas.isfinite()).all():
        raise ValueError(f"alphas must be one or more numbers above 0, got {alphas.tolist()}")
    return alphas.sort(descending=True).values


def band_of(xs: Sequence[Tensor]) -> Tensor:
    """The number of each feature's band [F]."""
    sizes = torch.tensor([x.shape[1] for x in xs])
    return torch.repeat_interleave(torch.arange(len(xs)), sizes).to(xs[0].device)


def best_of(scores: Tensor) -> tuple[Tensor, Tensor]:
    """The best of scores [A, c] and its first place, both [c]; NaN is worse than any score, and stays if alone."""
    at = scores.nan_to_num(nan=-torch.inf, neginf=-torch.inf, posinf=torch.inf).argmax(0)
    return scores.gather(0, at[None])[0], at


def set_constants(part: Part, weight: Tensor, intercept: Tensor, *others: Tensor) -> None:
    """Voxels of a part whose responses are all the same: weight [F, V] 0, the constant as intercept, others NaN."""
    first, second = (0, 1) if part.rows is None else part.rows[:2].tolist()
    alike = part.voxels[
        part.y[first, part.voxels] == part.y[second, part.voxels]
    ]  # spares a look at all responses
    for voxels, y in replace(part, voxels=alike).chunks(_CHUNK):
        constant = (y == y[0]).all(0)
        at = voxels[constant]
        weight[:, at], intercept[at] = 0, y[0, constant]
        for one in others:
            one[..., at] = torch.nan
