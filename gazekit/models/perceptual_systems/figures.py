"""What a report shows: all curves of the battery, confusions, and pictures as the four systems see them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from gazekit.base import Data, System
from gazekit.drawing.scores import GREY, TEXT_PT, styles_of
from gazekit.models.perceptual_systems.battery import PASSES, SUMMARY, Measured
from gazekit.models.perceptual_systems.conflicts import SQUARE_SHARES, WINDOW_SHARES
from gazekit.models.perceptual_systems.intervals import over_runs
from gazekit.models.perceptual_systems.manipulations import (
    HIGH_PASS_SIGMA_PX,
    LOW_PASS_SIGMA_PX,
    OCCLUSIONS,
)

__all__ = ["battery_figures", "views_figure"]

SHOWN = 8  # pictures
CHANCE = {"color": GREY, "linewidth": 0.8, "linestyle": ":"}


def battery_figures(system: System, data: Data) -> dict[str, Figure]:
    """`battery` and `confusions`, if the battery was run on this system, and `views`."""
    figures = {"views": views_figure(data, system.systems)}
    if system.measured is not None:
        chance = 1 / len(system.facts["classes"])
        figures["battery"] = _curves(system, system.measured, chance)
        figures["confusions"] = _confusions(system.measured, system.systems)
    return figures


def views_figure(data: Data, systems: Sequence[str]) -> Figure:
    """Some pictures of the scored part, a row for each system."""
    index = data.parts[data.split]
    index = index[np.linspace(0, len(index) - 1, min(SHOWN, len(index))).astype(int)]
    views = data.batch(index)["views"].numpy()
    figure = Figure(
        figsize=(1.1 * len(index) + 0.3, 1.15 * len(systems)), facecolor="white", layout="constrained"
    )
    axes = figure.subplots(len(systems), 1)
    for k, (ax, name) in enumerate(zip(axes, systems, strict=True)):
        ax.imshow(np.concatenate(list(views[:, k]), 1), interpolation="nearest")
        ax.set_ylabel(name, fontsize=TEXT_PT)
        ax.set_xticks([])
        ax.set_yticks([])
    return figure


def _curves(system: System, measured: Measured, chance: float) -> Figure:
    figure = Figure(figsize=(11, 8.2), facecolor="white", layout="constrained")
    axes = figure.subplots(3, 4).ravel()
    hidden = [100 * share for share in SQUARE_SHARES]
    for k, kind in enumerate(OCCLUSIONS):
        _panel(axes[k], system, hidden, measured.occlusion[:, :, k], chance, kind, "% hidden")
    for k, kind in enumerate(PASSES):
        sigmas = LOW_PASS_SIGMA_PX if kind.startswith("low") else HIGH_PASS_SIGMA_PX
        ax = axes[4 + k]
        _panel(ax, system, range(8), measured.passes[:, :, k], chance, kind, "sigma (px of 256)")
        ax.set_xticks(range(8), ["none", *(f"{sigma:g}" for sigma in sigmas)], rotation=60)
    for ax, kind, shares, table in (
        (axes[8], "window conflict", WINDOW_SHARES, measured.window),
        (axes[9], "square conflict", SQUARE_SHARES, measured.square),
    ):
        percent = [100 * share for share in shares]
        _panel(ax, system, percent, table[:, :, 0], chance, kind, "% of the other class, in the middle")
        _panel(ax, system, percent, table[:, :, 1], chance, kind, None, "--")
        ax.set_title(f"{kind}\n(full: middle, dashed: around)", fontsize=TEXT_PT)
    course = system.course.cpu()
    shares = [100 * share for share in system.watched]
    _panel(
        axes[10], system, shares, course[..., SUMMARY.index("accuracy")].movedim(0, -1), chance,
        "validation, along training", "% of training",
    )  # fmt: skip
    _matrix(axes[11], measured.generalisation.mean(0), system.systems)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(labels), fontsize=TEXT_PT, frameon=False
    )
    return figure


def _panel(
    ax: Axes,
    system: System,
    x: Sequence[float],
    values: Tensor,
    chance: float,
    title: str,
    label: str | None,
    line: str = "-",
) -> None:
    """Means over runs [R, V, L] with their intervals as bands."""
    styles = styles_of(system.systems)
    for k, name in enumerate(system.systems):
        scores = [over_runs(values[:, k, level]) for level in range(values.shape[-1])]
        colour, marker = styles[name]
        mean, low, high = (
            np.array([getattr(s, field) for s in scores]) for field in ("value", "low", "high")
        )
        ax.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        ax.plot(x, mean, line, color=colour, marker=marker, markersize=2.5, linewidth=1.1, label=name)
    if label is not None:
        ax.axhline(chance, **CHANCE)
        ax.set_title(title, fontsize=TEXT_PT)
        ax.set_xlabel(label, fontsize=TEXT_PT)
    ax.set_ylim(-0.02, 1.02)
    ax.tick_params(labelsize=TEXT_PT - 1)
    ax.spines[["top", "right"]].set_visible(False)


def _matrix(ax: Axes, generalisation: Tensor, systems: Sequence[str]) -> None:
    short = [name.replace("-", "-\n") for name in systems]
    ax.imshow(generalisation.numpy(), cmap="Greys", vmin=0, vmax=1)
    for i, row in enumerate(generalisation.tolist()):
        for j, value in enumerate(row):
            ax.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=TEXT_PT - 1,
                    color="white" if value > 0.5 else "black")  # fmt: skip
    ax.set_xticks(range(len(short)), short, fontsize=TEXT_PT - 2, rotation=60)
    ax.set_yticks(range(len(short)), short, fontsize=TEXT_PT - 2)
    ax.set_xlabel("pictures", fontsize=TEXT_PT)
    ax.set_ylabel("net", fontsize=TEXT_PT)
    ax.set_title("accuracy on each system's pictures", fontsize=TEXT_PT)


def _confusions(measured: Measured, systems: Sequence[str]) -> Figure:
    """Shares of answers [class, answer] for each net (row) and each system's pictures (column), over runs."""
    counts = measured.confusion.sum(0)
    shares = counts / counts.sum(-1, keepdim=True).clamp_min(1)
    size = 1.9 * len(systems)
    figure = Figure(figsize=(size, size), facecolor="white", layout="constrained")
    axes = figure.subplots(len(systems), len(systems))
    for i, net in enumerate(systems):
        for j, pictures in enumerate(systems):
            ax = axes[i, j]
            ax.imshow(torch.sqrt(shares[i, j]).numpy(), cmap="Greys", vmin=0, vmax=1)
            ax.set_xticks([])
            ax.set_yticks([])
            if i == 0:
                ax.set_title(f"pictures: {pictures}", fontsize=TEXT_PT - 1)
            if j == 0:
                ax.set_ylabel(f"net: {net}", fontsize=TEXT_PT - 1)
    figure.supxlabel("answer (darkness: square root of the share)", fontsize=TEXT_PT)
    figure.supylabel("class", fontsize=TEXT_PT)
    return figure
