"""Pictures of the scenes of `diet_world`: Lambertian shading of solids, flat strokes, textured ground.

Objects of one form are drawn together, so the time goes into arithmetic on whole stacks of pictures.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from gazekit.datasets.diet_world import MARKS, OBJECTS, SOLIDS, Scenes

__all__ = ["draw_scenes"]

NOISE_SD = 2.0  # grey levels
AT_ONCE = 128  # pictures whose maps fit into the cache of a core
RELIEF = 0.8  # height of a solid, in its half widths


class Shape(NamedTuple):
    """An object in every pixel [G, H, W]: the share that it covers, and the unit normals of its surface in the picture
    (None for flat marks)."""

    cover: Tensor
    normal: tuple[Tensor, Tensor, Tensor] | None


def draw_scenes(scenes: Scenes, size_px: int = 64, margin_px: int = 0) -> Tensor:
    """[B, H, W] uint8 grey pictures of side `size_px`, and a margin more on every side.

    The grey of a pixel is albedo times (ambient + (1 - ambient) max(0, n . l)), with the surface's normal n and the
    direction l of the one light of the scene, times a 1/f texture on the ground, plus noise. Nothing throws a shadow
    or shines, so that a bump under light from one side and a dent under light from the other are the same picture.
    """
    parts = [scenes.part(i, min(i + AT_ONCE, len(scenes))) for i in range(0, len(scenes), AT_ONCE)]
    return torch.cat([_draw(part, size_px, margin_px) for part in parts])


def _draw(scenes: Scenes, size_px: int, margin_px: int) -> Tensor:
    generator = torch.Generator().manual_seed(scenes.noise_seed)
    flat = _lit(scenes.light, scenes.ambient, None)
    texture = 1 + scenes.texture[:, None, None] * _texture(len(scenes), size_px + 2 * margin_px, generator)
    picture = scenes.ground[:, None, None] * flat * texture
    middle = torch.arange(-margin_px, size_px + margin_px) + 0.5
    for k in range(OBJECTS):
        kind = scenes.kind[:, k]
        form = torch.where(kind < 2 * len(SOLIDS), kind // 2, kind - len(SOLIDS))  # without the relief
        for i, name in enumerate((*SOLIDS, *MARKS)):
            which = (form == i).nonzero()[:, 0]
            if len(which):
                picture[which] = _over(picture[which], scenes, k, which, name, middle)
    noise = torch.randn(picture.shape, generator=generator) * NOISE_SD
    return (picture * 255 + noise).clamp_(0, 255).round_().byte()


def _over(below: Tensor, scenes: Scenes, k: int, which: Tensor, name: str, middle: Tensor) -> Tensor:
    """Pictures [G, H, W] with one more object each."""
    x, y = scenes.xy[which, k].T[..., None, None]
    turn = torch.deg2rad(scenes.turn_deg[which, k])[:, None, None]
    right, down = middle[None, None, :] - x, middle[None, :, None] - y
    u, v = right * turn.cos() - down * turn.sin(), right * turn.sin() + down * turn.cos()
    half, stroke = scenes.half_px[which, k], scenes.stroke[which, k]
    if name in SOLIDS:
        shape = _solid(name, u, v, half, stroke)
        nu, nv, nz = shape.normal
        sign = 1.0 - 2.0 * (scenes.kind[which, k] % 2)[:, None, None]  # of a dent all slopes are turned round
        normal = sign * (nu * turn.cos() + nv * turn.sin()), sign * (nv * turn.cos() - nu * turn.sin()), nz
        shape = Shape(shape.cover, normal)
    else:
        shape = Shape((0.5 - _mark(name, u, v, half, stroke)).clamp(0, 1), None)
    grey = scenes.albedo[which, k][:, None, None] * _lit(
        scenes.light[which], scenes.ambient[which], shape.normal
    )
    return torch.lerp(below, grey.expand_as(below), shape.cover)


def _lit(light: Tensor, ambient: Tensor, normal: tuple[Tensor, Tensor, Tensor] | None) -> Tensor:
    """Light on surfaces [G, H, W], or [G, 1, 1] on flat ones, of [G, 3] directions and [G] shares from everywhere."""
    x, y, z = light.T[..., None, None]
    ambient = ambient[:, None, None]
    direct = z if normal is None else (normal[0] * x + normal[1] * y + normal[2] * z).clamp(min=0)
    return ambient + (1 - ambient) * direct


def _solid(name: str, u: Tensor, v: Tensor, half: Tensor, stroke: Tensor) -> Shape:
    """A solid in its own axes u (right) and v (down)."""
    a, b = half.T[..., None, None]
    if name == "box":  # a flat top and four slanted sides
        across, along = u / a, v / b
        top = 0.4 + 0.3 * stroke[:, 0, None, None]
        wide = across.abs() > along.abs()
        outside = torch.maximum(across.abs(), along.abs())
        slanted = (outside > top).float() * math.sqrt(0.5)
        cover = ((1 - torch.maximum(across.abs(), along.abs())) * torch.minimum(a, b) + 0.5).clamp(0, 1)
        normal = slanted * wide * u.sign(), slanted * ~wide * v.sign(), (1 - slanted.square()).sqrt()
        return Shape(cover, normal)
    if name == "capsule":  # a round bar: what is beyond its straight part is a half ball
        straight = (b - a).clamp(min=0)
        across, along = u / a, (v - v.clamp(-straight, straight)) / a
    else:
        across, along = u / a, v / b
    squared = across.square() + along.square()
    up = (1 - squared).clamp(min=0).sqrt() / RELIEF
    length = (squared + up.square()).sqrt().clamp(min=1e-6)
    edge = (1 - squared.sqrt()) * torch.minimum(a, b)
    return Shape((edge + 0.5).clamp(0, 1), (across / length, along / length, up / length))


def _mark(name: str, u: Tensor, v: Tensor, half: Tensor, stroke: Tensor) -> Tensor:
    """Signed distance to a stroke [G, H, W], negative inside; strokes stand upright in their own axes."""
    w, length = half.T[..., None, None]
    first, second, side = stroke.T[..., None, None]
    if name == "arc":  # of 57 to 143 degrees, its middle at the origin
        angle = 0.5 + 0.75 * first
        radius = length / angle
        x, y = u + radius * angle.cos().add(1) / 2, v.abs()
        ends = (x - radius * angle.cos()).square() + (y - radius * angle.sin()).square()
        beyond = angle.cos() * y > angle.sin() * x
        return torch.where(beyond, ends.sqrt(), ((x * x + y * y).sqrt() - radius).abs()) - w
    stem = torch.maximum(u.abs() - w, v.abs() - length)
    if name == "line":
        return stem
    arm = length * (0.6 + 0.4 * second)
    if name == "cross":
        place, middle, reach = length * (first - 0.5), 0.0, arm
    else:  # an arm to one side, from the end or from somewhere in between
        place = length * (first - 0.5) if name == "tee" else (length - w) * (2.0 * (first > 0.5) - 1)
        middle, reach = (2.0 * (side > 0.5) - 1) * (arm - w) / 2, (arm + w) / 2
    branch = torch.maximum((v - place).abs() - w, (u - middle).abs() - reach)
    return torch.minimum(stem, branch)


def _texture(many: int, size_px: int, generator: torch.Generator) -> Tensor:
    """[B, H, W] noise whose amplitude falls with frequency, mean 0 and standard deviation 1."""
    waves = torch.fft.rfft2(torch.randn(many, size_px, size_px, generator=generator))
    frequency = torch.hypot(torch.fft.fftfreq(size_px)[:, None], torch.fft.rfftfreq(size_px)[None])
    waves = waves / frequency.clamp(min=1 / size_px)
    waves[:, 0, 0] = 0
    noise = torch.fft.irfft2(waves, s=(size_px, size_px))
    return noise / noise.std((1, 2), keepdim=True)
