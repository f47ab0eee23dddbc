"""Pictures of the generated world of `gaze_world`: heads as shaded spheres with face, eyes and pupils, things as
shapes."""

from __future__ import annotations

import cv2
import numpy as np

from gazekit.datasets.gaze_world import Head, Scene, Thing

__all__ = ["draw_scene", "head_box", "target_masks"]

_SKIN = np.array([[236, 196, 166], [205, 150, 112], [150, 100, 70], [96, 64, 46]], float)
_HAIR = np.array([[40, 30, 25], [90, 60, 35], [190, 150, 80], [150, 150, 155], [120, 45, 25]], float)
_VIVID = np.array(
    [[225, 40, 40], [250, 200, 20], [30, 170, 60], [40, 90, 230], [230, 60, 190], [250, 130, 20]], float
)
_LIGHT = np.array([-0.3, -0.7, 0.65], np.float32)
_SUBPIXEL = 4  # bits of cv2's fixed-point coordinates


def head_box(head: Head) -> np.ndarray:
    """[4] x_min, y_min, x_max, y_max, in heights of the picture."""
    reach = np.array([1.08 * head.radius, 1.15 * head.radius])
    return np.concatenate([head.xy - reach, head.xy + reach])


def draw_scene(scene: Scene, height_px: int) -> np.ndarray:
    """[H, W, 3] uint8 RGB."""
    draw = np.random.default_rng([scene.seed, 1])
    width_px = round(height_px * scene.aspect)
    image, wall = _room(draw, height_px, width_px)
    behind = (draw.random(len(scene.things)) < 0.7) & [
        not _before_a_body(t, scene.heads) for t in scene.things
    ]
    for thing, is_behind in zip(scene.things, behind, strict=True):
        thing.colour = _thing_colour(draw, wall, thing.salient)
        if is_behind:
            _draw_thing(image, thing, height_px)
    for head in sorted(scene.heads, key=lambda h: h.radius):
        _draw_body(image, head, height_px)
    for head in sorted(scene.heads, key=lambda h: h.radius):
        _draw_head(image, head, height_px)
    for thing, is_behind in zip(scene.things, behind, strict=True):
        if not is_behind:
            _draw_thing(image, thing, height_px)
    light = (draw.uniform(0.65, 1.15) * draw.uniform(0.93, 1.07, 3)).astype(np.float32)
    noise = draw.standard_normal(image.shape, np.float32)
    noise *= np.float32(draw.uniform(0, 6))
    noise += image * light
    return np.clip(noise, 0, 255, out=noise).astype(np.uint8)


def target_masks(scene: Scene, height_px: int) -> np.ndarray:
    """[heads, H, W] bool: all of what each person looks at, also where something covers it; empty out of frame."""
    shape = height_px, round(height_px * scene.aspect)
    masks = np.zeros((len(scene.heads), *shape), np.uint8)
    for mask, head in zip(masks, scene.heads, strict=True):
        if 0 <= head.target < len(scene.things):
            _fill_thing(mask, scene.things[head.target], height_px, 1)
        elif head.target >= 0:
            other = scene.heads[head.target - len(scene.things)]
            cv2.circle(
                mask,
                _fixed(other.xy * height_px),
                round(other.radius * height_px * 2**_SUBPIXEL),
                1,
                -1,
                cv2.LINE_8,
                _SUBPIXEL,
            )
    return masks.astype(bool)


def _room(draw: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    wall, floor = draw.uniform(90, 215, 3), draw.uniform(70, 180, 3)
    wall = 0.5 * wall + 0.5 * wall.mean()  # rooms are greyish
    image = np.empty((height, width, 3), np.uint8)
    edge = int(height * draw.uniform(0.6, 0.85))
    shade = np.linspace(draw.uniform(0.8, 1.1), draw.uniform(0.8, 1.1), width)[:, None]
    image[:edge], image[edge:] = wall * shade, 0.6 * floor * shade
    for _ in range(draw.integers(0, 4)):  # pictures on the wall, furniture: nothing that anybody looks at
        x, y = draw.integers(0, width), draw.integers(0, edge)
        colour = (image[y, x] * draw.uniform(0.85, 1.1)).tolist()
        cv2.rectangle(
            image, (x, y), (x + int(draw.integers(10, 60)), y + int(draw.integers(10, 60))), colour, -1
        )
    return image, wall


def _before_a_body(thing: Thing, heads: list[Head]) -> bool:
    """Whether a body would hide a thing that stands behind it."""
    return any(abs(thing.xy[0] - h.xy[0]) < 1.8 * h.radius and thing.xy[1] > h.xy[1] for h in heads)


def _thing_colour(draw: np.random.Generator, wall: np.ndarray, salient: bool) -> np.ndarray:
    if salient:
        return _VIVID[draw.integers(len(_VIVID))]
    away = draw.choice([-1, 1]) * draw.uniform(28, 45)
    return np.clip(wall + away, 15, 240)


def _fixed(xy_px: np.ndarray) -> tuple[int, int]:
    return tuple(np.round(np.asarray(xy_px) * 2**_SUBPIXEL).astype(int).tolist())


def _outline(thing: Thing) -> np.ndarray | None:
    """[n, 2] corners of a thing of size 1; None for a ball."""
    turns = lambda n, start=0.0: np.arange(n) / n * 2 * np.pi + start  # noqa: E731
    ring = lambda a, r: np.stack([r * np.cos(a), r * np.sin(a)], 1)  # noqa: E731
    if thing.kind == 0:
        return None
    if thing.kind == 1:
        return np.array([[-0.4, -0.4], [0.4, -0.4], [0.4, 0.4], [-0.4, 0.4]])
    if thing.kind == 2:
        return ring(turns(3, -np.pi / 2), 0.5)
    if thing.kind == 3:
        return ring(turns(10, -np.pi / 2), np.where(np.arange(10) % 2, 0.25, 0.5))
    if thing.kind == 4:  # a bottle
        return np.array(
            [
                [-0.09, -0.5],
                [0.09, -0.5],
                [0.09, -0.2],
                [0.22, -0.05],
                [0.22, 0.5],
                [-0.22, 0.5],
                [-0.22, -0.05],
                [-0.09, -0.2],
            ]
        )
    return np.array([[-0.5, -0.28], [0.5, -0.28], [0.5, 0.28], [-0.5, 0.28]])  # a book


def _fill_thing(image: np.ndarray, thing: Thing, height_px: int, colour) -> None:
    outline = _outline(thing)
    if outline is None:
        radius = round(0.45 * thing.size * height_px * 2**_SUBPIXEL)
        cv2.circle(image, _fixed(thing.xy * height_px), radius, colour, -1, _line(image), _SUBPIXEL)
        return
    corners = np.round((thing.xy + thing.size * outline) * height_px * 2**_SUBPIXEL).astype(np.int32)
    cv2.fillPoly(image, [corners], colour, _line(image), _SUBPIXEL)


def _line(image: np.ndarray) -> int:
    return cv2.LINE_8 if image.ndim == 2 else cv2.LINE_AA


def _draw_thing(image: np.ndarray, thing: Thing, height_px: int) -> None:
    _fill_thing(image, thing, height_px, tuple((0.55 * thing.colour).tolist()))
    inner = Thing(thing.xy, 0.84 * thing.size, thing.kind, thing.colour, thing.salient)
    _fill_thing(image, inner, height_px, tuple(thing.colour.tolist()))


def _draw_body(image: np.ndarray, head: Head, height_px: int) -> None:
    draw = np.random.default_rng([head.look, 1])
    colour = 0.75 * draw.uniform(30, 220, 3) + 0.25 * 120
    r, (x, y) = head.radius, head.xy
    outline = np.array([[-0.35, 0.8], [0.35, 0.8], [1.5, 1.6], [1.8, 15], [-1.8, 15], [-1.5, 1.6]]) * r + [
        x,
        y,
    ]
    corners = np.round(outline * height_px * 2**_SUBPIXEL).astype(np.int32)
    cv2.fillPoly(image, [corners], tuple(colour.tolist()), cv2.LINE_AA, _SUBPIXEL)


def _draw_head(image: np.ndarray, head: Head, height_px: int) -> None:
    """Cast rays on a sphere: hair, and a face round the direction of the head."""
    draw = np.random.default_rng([head.look, 2])
    skin, hair = _SKIN[draw.integers(len(_SKIN))], _HAIR[draw.integers(len(_HAIR))]
    radius, centre = head.radius * height_px, head.xy * height_px
    reach = int(np.ceil(1.1 * radius)) + 1
    x0, y0 = (np.floor(centre) - reach).astype(int)
    xs, ys = np.arange(x0, x0 + 2 * reach + 1), np.arange(y0, y0 + 2 * reach + 1)
    keep_x, keep_y = (xs >= 0) & (xs < image.shape[1]), (ys >= 0) & (ys < image.shape[0])
    if not (keep_x.any() and keep_y.any()):
        return
    xs, ys = xs[keep_x], ys[keep_y]
    u = ((xs[None] + 0.5 - centre[0]) / radius + 0 * ys[:, None]).astype(np.float32)
    v = ((ys[:, None] + 0.5 - centre[1]) / radius / 1.08 + 0 * xs[None]).astype(np.float32)
    soft = np.float32(1 / radius)
    flat = np.sqrt(u**2 + v**2)
    normal = np.stack([u, v, np.sqrt(np.clip(1 - flat**2, 0, 1))], -1)
    forward, gaze = _direction(head.head_angle, head.depth), _direction(head.eye_angle, head.depth)
    right = np.cross(forward, [0.0, -1.0, 0.0])
    right /= np.linalg.norm(right) + 1e-9
    up = np.cross(right, forward)
    colour = np.broadcast_to(hair.astype(np.float32), normal.shape).copy()

    def cap(direction: np.ndarray, degrees: float, paint: np.ndarray) -> None:
        """Paint the part of the sphere round a direction."""
        half = np.deg2rad(degrees)
        cosine = normal @ (direction / np.linalg.norm(direction)).astype(np.float32)
        share = (cosine - np.float32(np.cos(half))) * np.float32(1 / (np.sin(half) * soft)) + np.float32(0.5)
        where = share > 0
        colour[where] += np.minimum(share[where], 1)[:, None] * (paint.astype(np.float32) - colour[where])

    cap(forward - 0.25 * up, 66, skin)
    cap(forward - 0.5 * up, 11, 0.55 * skin + [30, 0, 0])  # the mouth
    hidden = not head.eyes_visible
    for side in (-1, 1):
        eye = forward + 0.4 * side * right + 0.12 * up
        eye /= np.linalg.norm(eye)
        cap(eye, 15, np.array([25.0, 25, 30]) if hidden else np.array([250.0, 250, 250]))
        if not hidden:
            cap(
                eye + 0.55 * (gaze - forward) + 0.1 * (gaze - (gaze @ eye) * eye), 8, np.array([10.0, 10, 15])
            )
    colour *= (0.72 + 0.28 * np.clip(normal @ _LIGHT, 0, 1))[..., None]
    cover = np.clip((1 - flat) / soft + np.float32(0.5), 0, 1)[..., None]
    part = image[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
    nose = (forward * 1.0 - 0.15 * up)[:2]
    part[:] = part + cover * (colour - part)
    if forward[2] > -0.35:
        _draw_nose(image, centre, radius, nose, forward, skin)


def _draw_nose(
    image: np.ndarray,
    centre: np.ndarray,
    radius: float,
    base: np.ndarray,
    forward: np.ndarray,
    skin: np.ndarray,
) -> None:
    tip = centre + radius * (base + 0.27 * forward[:2])
    across = np.array([-forward[1], forward[0]])
    across = across / (np.linalg.norm(across) + 1e-9) * 0.14
    corners = np.array(
        [centre + radius * (0.93 * base + across), tip, centre + radius * (0.93 * base - across)]
    )
    fixed = np.round(corners * 2**_SUBPIXEL).astype(np.int32)
    cv2.fillPoly(image, [fixed], tuple((0.82 * skin).tolist()), cv2.LINE_AA, _SUBPIXEL)


def _direction(angle: float, depth: float) -> np.ndarray:
    """[3] unit vector, z towards the camera."""
    flat = np.sqrt(1 - depth**2)
    return np.array([flat * np.cos(angle), flat * np.sin(angle), depth])
