"""A generated world of scenes whose class shows in two ways: where its large regions lie, and of what texture all is.

Each class has one layout (`FILLED` of the 3 x 3 places of a picture hold a region that is lighter, or darker, than
the ground) and one texture (noise without orientation that has power in some of the octaves `BANDS`, over ground and
regions alike). Layouts of two classes differ in at least `APART` places, so that either cue names the class by
itself, also where a region is missing or one too many. What is no cue is random: polarity, colours, contrasts,
shifts, sizes, a weak noise of all frequencies. The layout survives a strong blur. The texture is the same everywhere
in the picture, and is one that the statistics of foveated texture (the variance of each octave) can keep; they keep
no orientation.

Lengths are shares of the side of the picture, frequencies are cycles per picture. So is a class the same at any size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["MAX_CLASSES", "Items", "draw_pictures", "layouts_of", "sample_items"]

PLACES = 3  # along a side
FILLED, APART = 4, 4  # of 9 places; in how many two classes differ at least
BANDS, BANDWIDTH = (5.0, 9.0, 16.0, 28.0), 0.2  # centres, and sd in log frequency
MAX_CLASSES = 2 ** len(BANDS) - 2  # some octave has power, and not all have
FREQUENCY_SD, POWER_SD = 0.05, 0.2  # in log, between pictures of a class
SHIFT_SD, ALL_SHIFT_SD = 0.04, 0.05  # of each region, and of all together
MISSING, SPURIOUS = 0.3, 0.5  # chances that one region is missing, that there is one too many
EDGE = 0.12  # softness of the contours of regions, as a share of their radius


@dataclass(frozen=True)
class Items:
    """What B pictures show.

    Args:
        layout, texture: [B] the class of either cue; equal but for pictures that set them against each other.
        weight: [B, 9] 1 where a region is, else 0.
        xy, radius: [B, 9, 2] centre, and half width and half height, of the region that each place would have.
        amplitude: [B, 4] of each octave of the texture.
        stretch: [B] by which all frequencies of the texture are multiplied.
        ground, contrast: [B, 3] mean colour, and how much regions differ from it, of 1.
        texture_contrast, noise_contrast: [B] sd, of 1.
        seed: of the noise.
    """

    layout: np.ndarray
    texture: np.ndarray
    weight: np.ndarray
    xy: np.ndarray
    radius: np.ndarray
    amplitude: np.ndarray
    stretch: np.ndarray
    ground: np.ndarray
    contrast: np.ndarray
    texture_contrast: np.ndarray
    noise_contrast: np.ndarray
    seed: int


def layouts_of(world_seed: int, classes: int) -> np.ndarray:
    """[classes, 9] bool: which places of each class hold a region, row by row.

    Raises:
        ValueError: more classes than there are textures.
    """
    if not 2 <= classes <= MAX_CLASSES:
        raise ValueError(f"data.classes must be between 2 and {MAX_CLASSES}, got {classes}")
    numbers = np.arange(2**PLACES**2)
    patterns = (numbers[:, None] >> np.arange(PLACES**2) & 1).astype(bool)
    patterns = patterns[patterns.sum(1) == FILLED]
    draw = np.random.default_rng([world_seed, 0])
    while True:  # a greedy choice may end in a dead end; another order does not
        chosen: list[np.ndarray] = []
        for pattern in patterns[draw.permutation(len(patterns))]:
            if all((pattern ^ other).sum() >= APART for other in chosen):
                chosen.append(pattern)
            if len(chosen) == classes:
                return np.stack(chosen)


def sample_items(world_seed: int, seed: int, layout: np.ndarray, texture: np.ndarray, classes: int) -> Items:
    """Pictures of these classes.

    Args:
        world_seed: of the layouts.
        seed: of everything else.
        layout, texture: [B] class of either cue.
    """
    draw = np.random.default_rng(seed)
    many, places = len(layout), PLACES**2
    weight = layouts_of(world_seed, classes)[layout]
    weight = _with_errors(draw, weight).astype(np.float32)
    centres = (np.stack(np.meshgrid(*[np.arange(PLACES)] * 2), -1).reshape(-1, 2) + 0.5) / PLACES
    shift = draw.normal(0, SHIFT_SD, (many, places, 2)) + draw.normal(0, ALL_SHIFT_SD, (many, 1, 2))
    polarity = draw.choice([-1.0, 1.0], (many, 1))
    ground = 0.5 - polarity * draw.uniform(0, 0.12, (many, 1)) + draw.normal(0, 0.06, (many, 3))
    return Items(
        layout=layout,
        texture=texture,
        weight=weight,
        xy=centres + shift,
        radius=draw.uniform(0.1, 0.17, (many, places, 2)),
        amplitude=_octaves(texture) * np.exp(draw.normal(0, POWER_SD, (many, len(BANDS)))),
        stretch=np.exp(draw.normal(0, FREQUENCY_SD, many)),
        ground=ground,
        contrast=polarity * draw.uniform(0.12, 0.35, (many, 1)) + draw.normal(0, 0.03, (many, 3)),
        texture_contrast=draw.uniform(0.045, 0.11, many),
        noise_contrast=draw.uniform(0.02, 0.06, many),
        seed=int(draw.integers(2**31)),
    )


def _octaves(texture: np.ndarray) -> np.ndarray:
    """[B, 4] 1 where an octave has power, else 0."""
    return (texture[:, None] + 1) >> np.arange(len(BANDS)) & 1


def _with_errors(draw: np.random.Generator, filled: np.ndarray) -> np.ndarray:
    """[B, 9] with a region less here and one more there."""
    rank = draw.random(filled.shape)
    last = np.where(filled, rank, -1).argmax(1)
    extra = np.where(filled, -1, rank).argmax(1)
    found, row = filled.copy(), np.arange(len(filled))
    found[row, last] = draw.random(len(filled)) >= MISSING
    found[row, extra] = draw.random(len(filled)) < SPURIOUS
    return found


def draw_pictures(items: Items, side_px: int) -> np.ndarray:
    """uint8 [B, side, side, 3]."""
    field = items.contrast[:, None, None] * _regions(items, side_px)[..., None]
    white = np.random.default_rng(items.seed).normal(0, 1, (2, len(items.layout), side_px, side_px))
    texture = _filtered(white[0], _texture_spectrum(items, side_px))
    noise = _filtered(white[1], _noise_spectrum(side_px))
    rough = items.texture_contrast[:, None, None] * texture + items.noise_contrast[:, None, None] * noise
    picture = items.ground[:, None, None] + field + rough[..., None]
    return np.round(picture.clip(0, 1) * 255).astype(np.uint8)


def _regions(items: Items, side_px: int) -> np.ndarray:
    """[B, S, S] 1 within regions, 0 outside, with soft contours; where two overlap there is one."""
    at = (np.arange(side_px, dtype=np.float32) + 0.5) / side_px
    covered = np.zeros((len(items.layout), side_px, side_px), np.float32)
    for place in range(PLACES**2):
        x, y = (((at - items.xy[:, place, k, None]) / items.radius[:, place, k, None]) ** 2 for k in (0, 1))
        away = np.sqrt(x[:, None, :] + y[:, :, None], dtype=np.float32)
        inside = (0.5 - (away - 1) / (2 * EDGE)).clip(0, 1)
        np.maximum(covered, items.weight[:, place, None, None] * inside, out=covered)
    return covered


def _radius(side_px: int) -> np.ndarray:
    """Frequencies (cycles per picture) of the terms of a real Fourier transform."""
    return np.hypot(np.fft.fftfreq(side_px, 1 / side_px)[:, None], np.fft.rfftfreq(side_px, 1 / side_px))


def _texture_spectrum(items: Items, side_px: int) -> np.ndarray:
    """[B, S, S // 2 + 1] amplitudes. Octaves have equal power, whatever the number of their terms."""
    radius = np.log(np.maximum(_radius(side_px), 1e-3) / items.stretch[:, None, None])
    total = np.zeros_like(radius)
    for k, centre in enumerate(BANDS):
        ring = np.exp(-((radius - np.log(centre)) ** 2) / (4 * BANDWIDTH**2)) / centre
        total += items.amplitude[:, k, None, None] * ring
    return total


def _noise_spectrum(side_px: int) -> np.ndarray:
    """Amplitudes of noise whose power falls with the square of the frequency, as in photographs."""
    radius = _radius(side_px)
    return np.where(radius > 0, 1 / np.maximum(radius, 1), 0)


def _filtered(white: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
    """Noise of this spectrum with sd 1 in each picture."""
    made = np.fft.irfft2(np.fft.rfft2(white) * amplitude, s=white.shape[1:])
    return made / made.std((1, 2), keepdims=True)
