"""A generated world of scenes in which it is known how well the next glimpse can be foretold.

Scene. There are F families of scenes. Each has one pattern of n = G x G contents, every one at one place of it. A
picture shows the pattern of one family, shifted by a random number of rows and columns; what leaves it at one side
comes back at the other. So the absolute place tells nothing, and one content names the family and where in its pattern
the eye is; a saccade from there names the next content.

Eye. It starts at a random place and jumps to any other place with the same chance, wherever it came from. It lands
within a quarter of a place's side of the middle, so that a saccade always tells by how many places it went.

Glimpse. With chance `covered` something stands in the way: the glimpse is one of M strays, which tell nothing of the
scene. Otherwise it shows the content of the place. Its embedding has length 1:

    content   sqrt(s_0) m + sqrt(s_1) v_f + sqrt(s_2 / 2) (c_(f, column) + r_(f, row)) + sqrt(s_3) e
    stray     sqrt(s_0) m + sqrt(s_1 + s_2) z + sqrt(s_3) e

with shares s that sum to 1 and orthonormal vectors: m, which all glimpses share, v of the family, c and r of the
content of a column and of a row. z are random mixtures of v, c and r. The detail e is new at every fixation and uniform
on the unit sphere of directions that none of the others uses.

Memory. Where nothing is covered, the present glimpse tells all that can be known: memory is of no use. Where glimpses
are covered, what was seen before, and the saccades since, still tell what comes: memory gains, the more the more
glimpses there were. `glimpse_ideal` computes what can be known exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["PLACE_PX", "SHARES", "GlimpseWorld", "Walks"]

PLACE_PX = 64
"""Side of a place, in pixels of the picture."""
SHARES = (0.2, 0.15, 0.45, 0.2)  # of all glimpses alike, family, content, detail
_JITTER = 0.25  # of a place's side


@dataclass(frozen=True)
class Walks:
    """Scanpaths over generated pictures.

    Args:
        family: [P] of each picture.
        shift: [P, 2] columns and rows by which its pattern is moved.
        picture: [S] of each scanpath.
        xy_px: [S, L, 2] fixations.
        code: [S, L] what each glimpse shows: family * n + place in the pattern, or F * n + stray.
        embedding: [S, L, D].
    """

    family: np.ndarray
    shift: np.ndarray
    picture: np.ndarray
    xy_px: np.ndarray
    code: np.ndarray
    embedding: np.ndarray


class GlimpseWorld:
    """See the module.

    Args:
        size: D.
        covered: chance of a stray.
        side: G.
        families: F.
        strays: M.
        seed: of all vectors.
    Attributes:
        codes: [F * n + M, D] of all glimpses without their detail.
    Raises:
        ValueError: too few numbers, places or families, or a chance that is none.
    """

    def __init__(
        self,
        size: int = 64,
        covered: float = 0.3,
        side: int = 3,
        families: int = 4,
        strays: int = 16,
        seed: int = 0,
    ) -> None:
        if not 0 <= covered < 1:
            raise ValueError(f"data.covered must be a chance from 0 to below 1, got {covered}")
        if side < 2 or families < 2 or strays < 1:
            raise ValueError(
                f"a world has at least 2 x 2 places, 2 families, 1 stray; got {side}, {families}, {strays}"
            )
        told = 1 + families * (
            1 + 2 * side
        )  # directions that tell something, or are the same in all glimpses
        if size < told + 2:
            raise ValueError(f"data.size must be at least {told + 2}, got {size}")
        self.size, self.covered, self.side, self.families, self.strays = size, covered, side, families, strays
        draw = np.random.default_rng([seed, 16])
        turn = np.linalg.qr(draw.normal(0, 1, (size, size)))[0]
        common, family, content, detail = np.sqrt(SHARES)
        vectors, self._detail = turn[1:told], detail * turn[told:]
        of_family, of_column, of_row = np.split(vectors, np.cumsum([families, families * side]))
        of_column, of_row = (v.reshape(families, side, size) for v in (of_column, of_row))
        shown = of_column[:, None] + of_row[:, :, None]  # [F, row, column, D]
        shown = family * of_family[:, None, None] + content / np.sqrt(2) * shown
        odd = np.hypot(family, content) * _unit(draw, strays, told - 1) @ vectors
        self.codes = common * turn[0] + np.concatenate([shown.reshape(-1, size), odd])

    @property
    def places(self) -> int:
        """n."""
        return self.side**2

    @property
    def side_px(self) -> int:
        """Of the square pictures."""
        return self.side * PLACE_PX

    def walk(self, pictures: int, scanpaths: int, fixations: int, seed: int | list[int]) -> Walks:
        """New pictures, each with as many scanpaths of as many fixations."""
        draw = np.random.default_rng(seed)
        family, shift = (
            draw.integers(self.families, size=pictures),
            draw.integers(self.side, size=(pictures, 2)),
        )
        picture = np.repeat(np.arange(pictures), scanpaths)
        steps = draw.integers(1, self.places, (len(picture), fixations))
        steps[:, 0] = draw.integers(self.places, size=len(picture))
        place = steps.cumsum(1) % self.places  # a step of 1 to n - 1 leads to any other place
        place = np.stack([place % self.side, place // self.side], -1)
        pattern = (place + shift[picture][:, None]) % self.side
        code = family[picture][:, None] * self.places + pattern[..., 1] * self.side + pattern[..., 0]
        hidden = draw.random(code.shape) < self.covered
        code = np.where(
            hidden, self.families * self.places + draw.integers(self.strays, size=code.shape), code
        )
        detail = _unit(draw, code.size, len(self._detail)) @ self._detail
        embedding = self.codes[code] + detail.reshape(*code.shape, self.size)
        middle = place + 0.5 + draw.uniform(-_JITTER, _JITTER, place.shape)
        return Walks(family, shift, picture, middle * PLACE_PX, code, embedding.astype(np.float32))


def _unit(draw: np.random.Generator, count: int, size: int) -> np.ndarray:
    """[count, size] uniform on the unit sphere."""
    vectors = draw.normal(0, 1, (count, size))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
