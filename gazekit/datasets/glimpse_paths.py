"""Where the eye goes: scanpaths of people or models, and the controls made of them.

Controls keep the first fixation and the length of each scanpath, and change all later fixations. Source: the controls
of the glimpse prediction network (arXiv 2511.12715, released code).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from gazekit.errors import DataError

__all__ = ["CONTROLS", "Paths", "controlled", "joined"]

CONTROLS = ("uniform", "permuted", "swapped")


@dataclass(frozen=True)
class Paths:
    """S scanpaths, fixation after fixation in one list.

    Args:
        xy_px: [N, 2].
        start: [S + 1] first fixation of each, and N.
        picture: [S] number of the picture.
    """

    xy_px: np.ndarray
    start: np.ndarray
    picture: np.ndarray

    @classmethod
    def of(
        cls, scanpaths: Iterable[np.ndarray], picture: Sequence[int], fixations: int | None = None
    ) -> Paths:
        """The first `fixations` of each of some scanpaths [L, 2]; those with fewer than two are left out."""
        kept = [(p[:fixations], k) for p, k in zip(scanpaths, picture, strict=True) if len(p[:fixations]) > 1]
        xy = np.concatenate([p for p, _ in kept]) if kept else np.zeros((0, 2))
        return cls(xy, np.cumsum([0, *(len(p) for p, _ in kept)]), np.array([k for _, k in kept], int))

    def __len__(self) -> int:
        return len(self.picture)

    @property
    def owner(self) -> np.ndarray:
        """[N] scanpath of each fixation."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))

    @property
    def later(self) -> np.ndarray:
        """[N] all fixations but the first of each scanpath."""
        found = np.ones(len(self.xy_px), bool)
        found[self.start[:-1]] = False
        return found


def controlled(paths: Paths, control: str, size_px: np.ndarray, seed: int = 0) -> Paths:
    """Scanpaths that lack one thing that people's have.

    uniform    later fixations anywhere in the picture
    permuted   the same fixations in another order
    swapped    each later fixation drawn from the later ones on all other pictures, scaled to the size of this one: the
               bias of people to some places is kept, the relation to the picture is not. Every such fixation is drawn
               with the same chance; the source draws picture, scanpath and fixation one after the other, which is the
               same where all have equally many.

    Args:
        control: of `CONTROLS`.
        size_px: [P, 2] width and height of the pictures.
        seed: of the draws.
    Raises:
        ValueError: an unknown control. DataError: "swapped" with scanpaths on fewer than two pictures.
    """
    draw, later, owner = np.random.default_rng(seed), paths.later, paths.owner
    picture = paths.picture[owner]
    xy = paths.xy_px.copy()
    if control == "uniform":
        xy[later] = draw.uniform(0, 1, (int(later.sum()), 2)) * size_px[picture[later]]
    elif control == "permuted":
        xy = xy[np.lexsort((np.where(later, draw.random(len(xy)), -1), owner))]
    elif control == "swapped":
        xy[later] = _from_elsewhere(draw, xy[later], picture[later], size_px)
    else:
        raise ValueError(f"unknown control {control!r}, expected one of {', '.join(CONTROLS)}")
    return Paths(xy, paths.start, paths.picture)


def _from_elsewhere(
    draw: np.random.Generator, xy: np.ndarray, picture: np.ndarray, size_px: np.ndarray
) -> np.ndarray:
    """[n, 2] a fixation on another picture for each."""
    if len(np.unique(picture)) < 2:
        raise DataError("swapped fixations come from other pictures, but all scanpaths are on one")
    order = np.argsort(picture, kind="stable")
    first = np.searchsorted(picture[order], picture)
    own = np.searchsorted(picture[order], picture, "right") - first
    rank = draw.integers(len(xy) - own)  # among those of other pictures, in the order of the pictures
    source = order[np.where(rank < first, rank, rank + own)]
    return xy[source] * (size_px[picture] / size_px[picture[source]])


def joined(several: Sequence[Paths]) -> Paths:
    """All scanpaths of several lists."""
    ends = np.cumsum([0, *(len(paths.xy_px) for paths in several)])
    start = [paths.start[:-1] + end for paths, end in zip(several, ends, strict=False)]
    return Paths(
        np.concatenate([paths.xy_px for paths in several]),
        np.concatenate([*start, ends[-1:]]),
        np.concatenate([paths.picture for paths in several]),
    )
