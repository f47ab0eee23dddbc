"""Pictures of the report: time courses, places on the visual field, attention of voxels, response functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from torch import Tensor

from gazekit.base import Data, System
from gazekit.metrics.functional.encoding import pearson
from gazekit.models.receptive_fields.encoder import TimeEncoder
from gazekit.models.receptive_fields.hemodynamics import CANONICAL, Hemodynamics
from gazekit.models.receptive_fields.readouts import TOKENS, AttentionReadout

__all__ = ["field_figures"]

SHOWN = 5  # voxels
COMPARED = ("gaussian", "ridge")  # rows drawn beside the system, where they are there
COLOURS = ("#0072b2", "#e69f00", "#cc79a7")
LEAST_R = 0.5  # in the learning time, of voxels on the visual field
TEXT_PT = 8


def field_figures(system: System, data: Data) -> dict[str, Figure]:
    """By name, of a system with a `TimeEncoder`; see `ReceptiveFields.figures`."""
    rows = {"this model": system, **{k: system.baselines[k] for k in COMPARED if k in system.baselines}}
    whole = data.batch(data.parts["all"].tolist())
    encoder = system.encoder
    with torch.no_grad():
        said = {name: row.predict(whole, torch.Generator())["prediction"] for name, row in rows.items()}
        learning = data.parts["learning"]
        r = pearson(said["this model"][learning], whole["response"][learning]).nan_to_num(-1)
        judge = "gaussian" if "gaussian" in said else "this model"  # the simplest one: nobody is flattered
        shown = _typical(encoder, pearson(said[judge][learning], whole["response"][learning]).nan_to_num(-1))
        figures = {
            "time_courses": _courses(whole["response"], said, shown, data),
            "visual_field": _visual_field(encoder, r),
            "response_function": _response_function(encoder),
        }
        if isinstance(encoder.field, AttentionReadout):
            beside = system.baselines["gaussian"].encoder if "gaussian" in rows else encoder
            figures["attention"] = _attention(encoder, beside, shown, whole["stimulus"])
    return figures


def _typical(encoder: TimeEncoder, r: Tensor) -> list[int]:
    """Voxels with a high r in the learning time, from the middle of the field outwards, the last one suppressed."""
    eccentricity = encoder.field.xy_dva.norm(dim=1)
    inside = (encoder.field.xy_dva.abs() < eccentricity.new_tensor(encoder.field.half_screen_dva)).all(1)
    good = inside & (r > r.quantile(0.9))
    suppressed = encoder.amplitude * encoder.field.sign() < 0
    order = (good & ~suppressed).nonzero()[:, 0]
    order = order[eccentricity[order].argsort()]
    found = [int(part[len(part) // 2]) for part in order.tensor_split(SHOWN - 1) if len(part)]
    least = torch.where(suppressed, r, -1.0)
    return [*found, int(least.argmax())] if suppressed.any() else found


def _courses(response: Tensor, said: Mapping[str, Tensor], shown: Sequence[int], data: Data) -> Figure:
    figure = Figure((8, 1.35 * len(shown) + 0.6), layout="constrained")
    axes = np.atleast_1d(figure.subplots(len(shown), 1, sharex=True))
    time_s = np.arange(len(response)) * data.run.tr_s
    test = data.parts["test"]
    for ax, voxel in zip(axes, shown, strict=True):
        ax.axvspan(time_s[test[0]], time_s[test[-1]], color="#eeeeee", lw=0)
        ax.plot(time_s, response[:, voxel], ".", ms=3, color="black", label="measured")
        for colour, (name, course) in zip(COLOURS, said.items(), strict=False):
            r = pearson(course[test][:, voxel], response[test][:, voxel])
            ax.plot(time_s, course[:, voxel], color=colour, lw=1.2, label=f"{name}, r = {r:.2f} in the test")
        ax.set_title(f"voxel {voxel}", fontsize=TEXT_PT, loc="left", pad=2)
        ax.legend(fontsize=TEXT_PT - 2, ncols=4, loc="lower right", bbox_to_anchor=(1, 0.96), frameon=False)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=TEXT_PT - 1)
    axes[-1].set_xlabel("time (s); grey: held out", fontsize=TEXT_PT)
    axes[len(axes) // 2].set_ylabel("response (as published)", fontsize=TEXT_PT)
    return figure


def _visual_field(encoder: TimeEncoder, r: Tensor) -> Figure:
    """Centres of the fields of well-predicted voxels: by polar angle, and by eccentricity with their size."""
    known = r > LEAST_R
    xy = encoder.field.xy_dva[known].numpy()
    sd, eccentricity = encoder.field.sd_dva[known].numpy(), np.hypot(*xy.T)
    figure = Figure((9, 3.6), layout="constrained")
    field, size = figure.subplots(1, 2, width_ratios=[1.7, 1])
    angle = np.arctan2(xy[:, 1], xy[:, 0])
    colour = hsv_to_rgb(
        np.stack([angle / (2 * np.pi) % 1, np.full_like(angle, 0.85), np.full_like(angle, 0.85)], 1)
    )
    field.scatter(*xy.T, s=4 + 12 * (r[known].numpy() - LEAST_R), c=colour, lw=0)
    width, height = encoder.field.half_screen_dva
    field.plot(
        [-width, width, width, -width, -width],
        [-height, -height, height, height, -height],
        color="black",
        lw=0.8,
    )
    for radius in (2, 4, 6, 8):
        field.add_patch(Circle((0, 0), radius, fill=False, ec="#bbbbbb", lw=0.5, zorder=0))
    field.set_aspect("equal")
    field.set_xlabel("x (degrees)", fontsize=TEXT_PT)
    field.set_ylabel("y (degrees), up", fontsize=TEXT_PT)
    text = f"{int(known.sum())} voxels with r > {LEAST_R} in the learning time, by polar angle; frame: screen"
    field.set_title(text, fontsize=TEXT_PT)
    size.scatter(eccentricity, sd, s=5, c=colour, lw=0)
    size.set_yscale("log")
    size.set_yticks([0.3, 0.5, 1, 2, 4, 7], ["0.3", "0.5", "1", "2", "4", "7"])
    size.minorticks_off()
    size.set_xlabel("eccentricity (degrees)", fontsize=TEXT_PT)
    size.set_ylabel("sd of the field (degrees)", fontsize=TEXT_PT)
    for ax in (field, size):
        ax.tick_params(labelsize=TEXT_PT - 1)
    return figure


def _attention(encoder: TimeEncoder, gaussian: TimeEncoder, shown: Sequence[int], stimulus: Tensor) -> Figure:
    """What voxels weight: sum of the heads, with the Gaussian of the row "gaussian" as a circle of one sd."""
    weights = encoder.amplitude[:, None] * encoder.field.kernel(encoder.frames(stimulus[:1]))
    weights = weights[list(shown)].unflatten(1, TOKENS)
    width, height = encoder.field.half_screen_dva
    figure = Figure((2.6 * len(shown), 2.3), layout="constrained")
    for ax, voxel, weight in zip(np.atleast_1d(figure.subplots(1, len(shown))), shown, weights, strict=True):
        most = float(weight.abs().max())
        image = weight.T.numpy()  # rows from the top of the screen
        ax.imshow(image, cmap="RdBu_r", vmin=-most, vmax=most, extent=(-width, width, -height, height))
        _circle(ax, gaussian, voxel)
        ax.set_xlim(-width, width)
        ax.set_ylim(-height, height)
        ax.set_title(f"voxel {voxel}", fontsize=TEXT_PT)
        ax.tick_params(labelsize=TEXT_PT - 2)
    figure.suptitle(
        "weight of the tokens, red adds to the response; circle: the Gaussian's one sd", fontsize=TEXT_PT
    )
    return figure


def _circle(ax: Axes, encoder: TimeEncoder, voxel: int) -> None:
    xy, sd = encoder.field.xy_dva[voxel].tolist(), float(encoder.field.sd_dva[voxel])
    ax.add_patch(Circle(xy, sd, fill=False, ec="black", lw=1))
    ax.plot(*xy, "+", color="black", ms=5)


def _response_function(encoder: TimeEncoder) -> Figure:
    figure = Figure((4, 2.4), layout="constrained")
    ax = figure.subplots()
    fine_s = 0.1
    for name, shape, colour in (
        ("fitted", encoder.hrf.shape, COLOURS[0]),
        ("canonical", CANONICAL, "#666666"),
    ):
        curve = Hemodynamics.of(shape, fine_s)
        ax.plot(np.arange(len(curve)) * fine_s, curve / curve.max(), color=colour, label=name)
    ax.axhline(0, color="#bbbbbb", lw=0.5)
    ax.set_xlabel("time after the stimulus (s)", fontsize=TEXT_PT)
    ax.set_ylabel("response / maximum", fontsize=TEXT_PT)
    ax.legend(fontsize=TEXT_PT, frameon=False)
    ax.tick_params(labelsize=TEXT_PT - 1)
    return figure
