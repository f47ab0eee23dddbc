"""Plots of scenes.

Text is sized in points, so how much of the picture it covers, and how labels are placed, depends on the size
of the axes: `draw_scene` expects axes at their final size. Only matplotlib's object interface is used:
no display, no global state.
"""

from __future__ import annotations

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import imread
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from gazekit.drawing.placement import place_label, text_width_pt
from gazekit.scanpath import Scanpath
from gazekit.scene import Scene

__all__ = ["RADIUS_PT", "TEXT_PT", "draw_scene", "pt_per_px"]

TEXT_PT = 8.0
RADIUS_PT = 6.6  # of a circle with two digits of that size
BACKGROUND = (236, 236, 232)  # also the background of the crops of synthetic_search
TARGET_COLOUR = "#d1006c"


def pt_per_px(ax: Axes) -> float:
    """Points per scene pixel at the current size of the axes."""
    ax.apply_aspect()
    span = abs(np.subtract(*ax.get_xlim()))
    return ax.get_window_extent().width * 72 / ax.figure.dpi / span


def draw_scene(ax: Axes, scene: Scene, avoid_px: np.ndarray | None = None) -> None:
    """Draw a scene: its picture, else its objects' crops, else their outlines, and mark the target.

    The picture is used if `scene.image_path` is an existing file. Crops and outlines are on light grey;
    outlines are labelled with their category if it fits without overlapping another object. The word "target"
    is beside the target's box or, if there is no room, in the margin below or above, with a line to the box.

    Args:
        ax: axes; set to y down, equal aspect, the limits of the picture, no ticks.
        scene: the scene; may have no objects and no target.
        avoid_px: [T, 2] positions, such as fixations, that labels should avoid if possible.
    Raises:
        ValueError: avoid_px of another shape.
    """
    avoid = Scanpath(np.zeros((0, 2)) if avoid_px is None else avoid_px).xy_px
    width, height = scene.size_px
    ax.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    ax.set_aspect("equal")
    ax.set_facecolor(np.divide(BACKGROUND, 255))
    for spine in ax.spines.values():
        spine.set(color="#8a8a8a", linewidth=0.6)
    scale = pt_per_px(ax)
    outlines = False
    if scene.image_path is not None and scene.image_path.is_file():
        _show(ax, imread(scene.image_path), scene.size_px)
    elif scene.crops is not None:
        _show(ax, _pasted(scene), scene.size_px)
    else:
        outlines = True
        for x0, y0, x1, y1 in scene.boxes_px:
            box = Rectangle(
                (x0, y0), x1 - x0, y1 - y0, facecolor="#fafafa", edgecolor="#a3a3a3", linewidth=0.6
            )
            box.set_gid("object")
            ax.add_patch(box)
    taken = scene.boxes_px * scale
    if scene.target is not None:
        taken = np.concatenate([taken, [_draw_target(ax, scene, avoid * scale, scale)]])
    if outlines and len(set(scene.categories or ())) > 1:
        _draw_categories(ax, scene, taken, _around(avoid * scale), scale)


def _around(xy_pt: np.ndarray) -> np.ndarray:
    """[T, 4] bounding boxes of circles at these points."""
    return np.concatenate([xy_pt - RADIUS_PT, xy_pt + RADIUS_PT], -1)


def _show(ax: Axes, image: np.ndarray, size_px: tuple[int, int]) -> None:
    step = max(1, min(image.shape[0], image.shape[1]) // 1000)  # figures show no more detail
    extent = (0, size_px[0], size_px[1], 0)
    ax.imshow(image[::step, ::step], extent=extent, cmap="gray", aspect="equal", interpolation="antialiased")


def _pasted(scene: Scene) -> np.ndarray:
    """[H, W, 3] the crops pasted at their boxes, the longer side at most 1600 pixels."""
    scale = min(1.0, 1600 / max(scene.size_px))
    width, height = (max(1, round(side * scale)) for side in scene.size_px)
    picture = np.full((height, width, 3), BACKGROUND, np.uint8)
    for crop, box in zip(scene.crops, scene.boxes_px, strict=True):
        x0, y0, x1, y1 = np.round(box * scale).astype(int)
        x1, y1 = min(max(x1, x0 + 1), width), min(max(y1, y0 + 1), height)
        if x1 > x0 and y1 > y0:
            picture[y0:y1, x0:x1] = cv2.resize(
                crop, (int(x1 - x0), int(y1 - y0)), interpolation=cv2.INTER_AREA
            )
    return picture


def _draw_target(ax: Axes, scene: Scene, avoid_pt: np.ndarray, scale: float) -> np.ndarray:
    """Draw box and word; return the word's box in points."""
    box = scene.boxes_px[scene.target]
    x0, y0, x1, y1 = box + np.array([-1, -1, 1, 1]) * (1.2 / scale)
    frame = Rectangle(
        (x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=TARGET_COLOUR, linewidth=1.8, zorder=3
    )
    frame.set(path_effects=[withStroke(linewidth=3.4, foreground="white")], gid="target", clip_on=False)
    ax.add_patch(frame)
    size = (text_width_pt("target", TEXT_PT) + 2, TEXT_PT + 1)
    bounds = tuple(np.multiply(scene.size_px, scale))
    others = np.delete(scene.boxes_px, scene.target, axis=0) * scale
    label = place_label(size, box * scale, np.concatenate([others, _around(avoid_pt)]), bounds)
    label = place_label(size, box * scale, others, bounds) if label is None else label
    if label is None:
        label = _margin_label(ax, box, size, bounds, scale)
    x, y = (label[:2] + label[2:]) / 2 / scale
    style = dict(color=TARGET_COLOUR, fontsize=TEXT_PT, ha="center", va="center_baseline", zorder=6)
    text = ax.text(x, y, "target", clip_on=False, gid="target", **style)
    text.set_path_effects([withStroke(linewidth=2, foreground="white")])
    return label


def _margin_label(ax: Axes, box: np.ndarray, size: tuple, bounds: tuple, scale: float) -> np.ndarray:
    """A position outside the nearer horizontal edge, with a line to it along the box's side."""
    below = box[1] + box[3] > ax.get_ylim()[0]
    top = bounds[1] + 3 if below else -3 - size[1]
    x = box[0] if box[0] > 0 else box[2]  # between the columns of a grid, where it hides nothing
    left = float(np.clip(x * scale - size[0] / 2, 0, bounds[0] - size[0]))
    ends = (box[3], (bounds[1] + 3) / scale) if below else (box[1], -3 / scale)
    (line,) = ax.plot(
        [x, x], ends, color=TARGET_COLOUR, linewidth=1.2, zorder=2.5, clip_on=False, gid="target"
    )
    line.set_path_effects([withStroke(linewidth=2.4, foreground="white")])
    return np.array([left, top, left + size[0], top + size[1]])


def _draw_categories(
    ax: Axes, scene: Scene, taken_pt: np.ndarray, circles_pt: np.ndarray, scale: float
) -> None:
    bounds = tuple(np.multiply(scene.size_px, scale))
    for box, category in zip(scene.boxes_px, scene.categories, strict=True):
        name = category if len(category) <= 12 else category[:11] + "…"
        box_pt, size = box * scale, (text_width_pt(name, TEXT_PT) + 1, TEXT_PT + 1)
        if not name.strip():
            continue
        label = place_label(size, box_pt, np.concatenate([taken_pt, circles_pt]), bounds, gap_pt=2.5)
        label = place_label(size, box_pt, taken_pt, bounds, gap_pt=2.5) if label is None else label
        if label is None:
            continue
        x, y = (label[:2] + label[2:]) / 2 / scale
        text = ax.text(
            x, y, name, color="#6b6b6b", fontsize=TEXT_PT, ha="center", va="center_baseline", zorder=1.5
        )
        text.set_gid("category")
        taken_pt = np.concatenate([taken_pt, label[None]])
