"""Moving stimuli with exact truth, drawn from sums of plane waves, which can be displaced by any fraction of a pixel.

A texture is sum_j a_j cos(2 pi f_j . X + phase_j) of positions X that move with it. Under an affine motion with the
rate matrix A around p, drifting with v, a point X at time 0 is at x(t) = exp(A t)(X - p) + p + v t; so the picture at
time t is a sum of plane waves again, with wave vectors exp(-A t)' f, and the flow from time 0 to 1 is known everywhere.

Frames are [T, H, W] luminance around 0.5, not clipped (but for dots, and whatever is shown to a person); times run from
-(T - 1) / 2 to (T - 1) / 2, flow [2, H, W] is that from the middle frame to the next one, in pixels per frame.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = [
    "Clip",
    "Layer",
    "draw_layers",
    "drift_balanced",
    "grating",
    "plaid",
    "random_dots",
    "reverse_phi",
    "texture",
]


class Clip(NamedTuple):
    """A stimulus with its truth.

    Args:
        frames: [T, H, W] float32 luminance.
        flow: [2, H, W] float32 (u, v) of the middle frame.
    """

    frames: np.ndarray
    flow: np.ndarray


class Layer(NamedTuple):
    """A texture that moves, as wide as the picture or inside an ellipse.

    Args:
        waves: [J, 2] wave vectors in cycles per px.
        amplitude: [J]; `phase` [J] radians.
        velocity: (u, v) in px per frame.
        rates: [2, 2] of the affine motion, per frame; None = none.
        centre_px: (x, y) of the ellipse, and of the affine motion, at the middle frame.
        radii_px: of the ellipse; None = everywhere.
        mean: luminance.
    """

    waves: np.ndarray
    amplitude: np.ndarray
    phase: np.ndarray
    velocity: np.ndarray
    rates: np.ndarray | None = None
    centre_px: tuple[float, float] = (0.0, 0.0)
    radii_px: tuple[float, float] | None = None
    mean: float = 0.5


def draw_layers(layers: list[Layer], size_px: tuple[int, int], frames: int) -> Clip:
    """Layers over one another, the first at the back.

    Args:
        layers: the first one is everywhere.
        size_px: width and height.
        frames: odd number of frames.
    Raises:
        ValueError: an even number of frames, or a first layer that is not everywhere.
    """
    if frames < 1 or not frames % 2:
        raise ValueError(f"frames must be odd, so that one is in the middle, got {frames}")
    if not layers or layers[0].radii_px is not None:
        raise ValueError("the first layer must be everywhere (radii_px=None)")
    times = np.arange(frames) - frames // 2
    picture = flow = None
    for layer in layers:
        inverse = _matrices(layer.rates, -times)  # [T, 2, 2]
        own, velocity = _waves(layer, inverse, times, size_px), _flow(layer, size_px)
        if picture is None:
            picture, flow = own, velocity
            continue
        inside = _inside(layer, inverse, times, size_px)
        picture = picture + inside * (own - picture)
        flow = np.where(inside[frames // 2] > 0.5, velocity, flow)
    return Clip(picture.astype(np.float32), flow.astype(np.float32))


def grating(
    size_px: tuple[int, int],
    frames: int,
    spatial: float,
    temporal: float,
    theta: float,
    phase: float = 0.0,
    contrast: float = 0.5,
) -> Clip:
    """A drifting sine grating; its flow is the one across the bars, temporal / spatial px per frame towards theta.

    Args:
        size_px: width and height.
        frames: odd number of frames.
        spatial: frequency in cycles per px; `temporal` in cycles per frame.
        theta: direction of motion in radians, from the x axis towards y, which points down.
        phase: radians. contrast: Michelson's.
    """
    return plaid(size_px, frames, [spatial], [temporal], [theta], [phase], contrast)


def plaid(
    size_px: tuple[int, int],
    frames: int,
    spatial: list[float],
    temporal: list[float],
    theta: list[float],
    phase: list[float],
    contrast: float = 0.5,
) -> Clip:
    """The mean of two drifting gratings, which move as one pattern: the intersection of their constraints is the flow.

    Raises:
        ValueError: more than two gratings, which need not move as one.
    """
    if len(theta) > 2:
        raise ValueError(f"a plaid has at most two gratings, got {len(theta)}")
    normal = np.stack([np.cos(theta), np.sin(theta)], 1)  # [J, 2]
    speed = np.asarray(temporal) / np.asarray(spatial)
    velocity = np.linalg.pinv(normal) @ speed
    waves = normal * np.asarray(spatial)[:, None]
    amplitude = np.full(len(waves), contrast / 2 / len(waves))
    return draw_layers([Layer(waves, amplitude, np.asarray(phase, float), velocity)], size_px, frames)


def texture(
    draw: np.random.Generator, components: int, contrast: float, low: float = 0.02, high: float = 0.2
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Waves [J, 2] with log-uniform frequencies (cycles per px), equal amplitudes [J] and random phases [J]; `contrast`
    is the standard deviation of the luminance.
    """
    frequency = np.exp(draw.uniform(np.log(low), np.log(high), components))
    angle = draw.uniform(0, 2 * np.pi, components)
    waves = frequency[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    amplitude = np.full(components, contrast * np.sqrt(2 / components))
    return waves, amplitude, draw.uniform(0, 2 * np.pi, components)


def random_dots(
    draw: np.random.Generator,
    size_px: tuple[int, int],
    frames: int,
    velocity: np.ndarray,
    coherence: float = 1.0,
    density: float = 0.03,
    sigma_px: float = 1.0,
) -> Clip:
    """White and black Gaussian dots; in each frame a share `coherence` of them goes on with the velocity (u, v), the
    others jump to random places. The flow is the velocity everywhere. Dots leave at one side and enter at the other.
    """
    width, height = size_px
    number = max(1, round(density * width * height))
    xy = draw.uniform(0, 1, (number, 2)) * (width, height)
    sign = draw.choice([-0.5, 0.5], number)
    pictures = []
    for frame in range(frames):
        if frame:
            jump = draw.uniform(0, 1, number) >= coherence
            xy = np.where(jump[:, None], draw.uniform(0, 1, (number, 2)) * (width, height), xy + velocity)
            xy = xy % (width, height)
        x, y = (_wrapped(xy[:, k], side) for k, side in enumerate(size_px))  # [dots, side] px from each dot
        rows, columns = (np.exp(-(d**2) / (2 * sigma_px**2)) for d in (y, x))
        pictures.append(0.5 + (rows * sign[:, None]).T @ columns)
    return Clip(np.clip(pictures, 0, 1).astype(np.float32), _everywhere(velocity, size_px))


def drift_balanced(
    draw: np.random.Generator,
    size_px: tuple[int, int],
    frames: int,
    velocity: np.ndarray,
    spatial: float,
    contrast: float = 0.5,
) -> Clip:
    """Noise that is new in every frame, its contrast modulated by a grating that drifts: no motion of the luminance.

    In the mean over noise its energy is the same in opposite directions (Chubb and Sperling 1988, Journal of the
    Optical Society of America A 5, 1986).

    Args:
        velocity: (u, v) of the modulation, along which it varies.
        spatial: cycles per px of the modulation.
    """
    angle = np.arctan2(velocity[1], velocity[0])
    speed = float(np.hypot(*velocity))
    carrier = draw.choice([-1.0, 1.0], (frames, size_px[1], size_px[0]))
    envelope = grating(
        size_px, frames, spatial, speed * spatial, angle, draw.uniform(0, 2 * np.pi), 1.0
    ).frames
    return Clip((0.5 + contrast / 2 * carrier * envelope).astype(np.float32), _everywhere(velocity, size_px))


def reverse_phi(clip: Clip) -> Clip:
    """The same stimulus with its contrast reversed in every other frame: people, and motion energy, see steps of less
    than a quarter of a cycle go the other way (Anstis 1970, Vision Research 10, 1411). The flow stays as it was.
    """
    sign = np.where(np.arange(len(clip.frames)) % 2 == len(clip.frames) // 2 % 2, 1, -1)
    return Clip((0.5 + sign[:, None, None] * (clip.frames - 0.5)).astype(np.float32), clip.flow)


def _matrices(rates: np.ndarray | None, times: np.ndarray) -> np.ndarray:
    """[T, 2, 2] exp(rates t), in closed form: with s half the trace and q^2 = -det(rates - s), of which q may be
    imaginary, exp(s t) (cosh(q t) + sinh(q t) / q (rates - s)).
    """
    if rates is None:
        return np.broadcast_to(np.eye(2), (len(times), 2, 2))
    half = np.trace(rates) / 2
    rest = rates - half * np.eye(2)
    q = np.sqrt(complex(-np.linalg.det(rest)))
    t = times[:, None, None]
    slope = t if abs(q) < 1e-12 else np.sinh(q * t) / q
    return (np.exp(half * t) * (np.cosh(q * t) * np.eye(2) + slope * rest)).real


def _waves(layer: Layer, inverse: np.ndarray, times: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """[T, H, W]: cos(2 pi f . X(x, t) + phase) as two products of functions of x and of y."""
    centre = np.asarray(layer.centre_px)
    waves = np.einsum("jk,tkl->tjl", layer.waves, inverse)  # f . inverse
    start = centre + times[:, None] * layer.velocity
    offset = layer.waves @ centre - np.einsum("tjl,tl->tj", waves, start)
    x, y = (
        2 * np.pi * waves[..., k, None] * np.arange(side) for k, side in enumerate(size_px)
    )  # [T, J, side]
    y = y + (2 * np.pi * offset + layer.phase)[..., None]
    rows = layer.amplitude[:, None] * np.stack([np.cos(y), -np.sin(y)], 1)  # [T, 2, J, H]
    columns = np.stack([np.cos(x), np.sin(x)], 1)
    rows, columns = (each.reshape(len(times), -1, each.shape[-1]) for each in (rows, columns))
    return layer.mean + np.ascontiguousarray(rows.swapaxes(1, 2)) @ columns


def _inside(layer: Layer, inverse: np.ndarray, times: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """[T, H, W] how far a pixel is inside the ellipse, 0 to 1, with an edge about a pixel wide."""
    x, y = (np.arange(side) for side in size_px)
    start = np.asarray(layer.centre_px) + times[:, None] * layer.velocity
    x, y = (x - start[:, :1])[:, None], (y - start[:, 1:])[:, :, None]
    along, across = (inverse[:, k, 0, None, None] * x + inverse[:, k, 1, None, None] * y for k in (0, 1))
    radius = np.hypot(along / layer.radii_px[0], across / layer.radii_px[1])
    return 1 / (1 + np.exp(np.clip(4 * min(layer.radii_px) * (radius - 1), -50, 50)))


def _flow(layer: Layer, size_px: tuple[int, int]) -> np.ndarray:
    """[2, H, W] from time 0 to 1."""
    if layer.rates is None:
        return _everywhere(layer.velocity, size_px)
    place = np.stack(np.meshgrid(*(np.arange(side) for side in size_px)))  # [2, H, W]
    away = place - np.asarray(layer.centre_px)[:, None, None]
    step = _matrices(layer.rates, np.array([1.0]))[0] - np.eye(2)
    return np.einsum("kl,lhw->khw", step, away) + np.asarray(layer.velocity)[:, None, None]


def _everywhere(velocity: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    shape = 2, size_px[1], size_px[0]
    return np.broadcast_to(np.asarray(velocity, np.float32)[:, None, None], shape)


def _wrapped(place: np.ndarray, side: int) -> np.ndarray:
    """[dots, side] distance of each pixel from each dot, around the edge."""
    return (np.arange(side) - place[:, None] + side / 2) % side - side / 2
