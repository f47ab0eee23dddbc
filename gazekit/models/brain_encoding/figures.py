"""Figures of brain encoders: scores by region, and where regions look."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from gazekit.base import Data, System
from gazekit.brain.encoding_scores import CEILING
from gazekit.errors import DataError

__all__ = ["attention_figure", "encoding_figures", "regions_figure"]

PICTURES = 4
QUERIES_SHOWN = 12


def encoding_figures(
    system: System, queries: Sequence[str], data: Data, table: Mapping[str, Mapping[str, Any]]
) -> dict[str, Figure]:
    """`regions` and `attention`, the latter on the pictures where the data have them.

    Args:
        queries: names of the encoder's queries.
    """
    figures = {"regions": regions_figure(table)}
    index = data.parts[data.split]
    index = index[np.linspace(0, len(index) - 1, min(PICTURES, len(index))).astype(int)].tolist()
    batch = data.batch(index)
    with torch.no_grad():
        said = system.predict(batch, torch.Generator(), attention=True)
    pictures: list[Any] = [None] * len(index)
    try:
        pictures = list(data.pictures(index))
    except (DataError, ValueError):  # features alone, or several sizes
        pass
    maps = said["attention"].cpu().numpy()
    figures["attention"] = _gallery(maps, queries, pictures)
    return figures


def regions_figure(table: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Correlation of each region (`r.REGION`) by row, with intervals; differences of rows are left out."""
    rows = [row for row in table if " - " not in row and row != CEILING]
    regions = [
        c.removeprefix("r.") for c in table[rows[0]] if c.startswith("r.") and " over subjects" not in c
    ]
    ceiling = table.get(CEILING, {})
    figure = Figure(figsize=(1.8 + 1.7 * max(1, len(regions)), 3.6), layout="constrained")
    ax = figure.subplots()
    width = 0.8 / max(1, len(rows))
    for k, row in enumerate(rows):
        x = np.arange(len(regions)) + (k - (len(rows) - 1) / 2) * width
        scores = [table[row].get(f"r.{region}") for region in regions]
        value = np.array([np.nan if s is None else s.value for s in scores])
        low, high = (
            np.array([np.nan if s is None else getattr(s, end) for s in scores]) for end in ("low", "high")
        )
        ax.bar(x, value, width * 0.92, color=f"C{k}", label=row.replace("_", " "))
        ax.vlines(x, low, high, color="0.15", lw=1.2)
    for place, region in enumerate(regions):
        score = ceiling.get(f"r.{region}")
        if score is not None and np.isfinite(score.value):
            label = CEILING if place == 0 else None
            ax.hlines(score.value, place - 0.45, place + 0.45, color="0.15", ls="--", lw=1.2, label=label)
    ax.set_xticks(range(len(regions)), [textwrap.fill(r.replace("_", " "), 16) for r in regions])
    ax.set_ylabel("correlation with held-out responses")
    ax.axhline(0, color="0.15", lw=0.8)
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=min(4, len(rows) + 1), frameon=False, fontsize=8)
    return figure


def attention_figure(maps: np.ndarray, queries: Sequence[str], picture: np.ndarray | None = None) -> Figure:
    """One picture and where each query looks in it; a picture shows through where nobody looks.

    Args:
        maps: [R, H, W] attention of each query, of sum 1; the first 12 are drawn.
        queries: R names.
        picture: uint8 RGB, under the maps; None draws the maps alone.
    """
    return _gallery(maps[None], queries, [picture])


def _gallery(maps: np.ndarray, queries: Sequence[str], pictures: Sequence[np.ndarray | None]) -> Figure:
    """A row of panels for each picture: the picture, then the maps of the queries on it."""
    shown = np.arange(min(QUERIES_SHOWN, len(queries)))
    ahead = int(any(picture is not None for picture in pictures))  # a column of the pictures themselves
    columns = len(shown) + ahead
    figure = Figure(figsize=(1.35 * columns, 1.35 * len(maps) + 0.9), layout="constrained")
    panels = figure.subplots(len(maps), columns, squeeze=False)
    top = float(np.quantile(maps[:, shown], 0.995)) * maps.shape[2] * maps.shape[3]
    drawn = None
    for line, (picture, each) in enumerate(zip(pictures, maps, strict=True)):
        sides = maps.shape[2:] if picture is None else picture.shape[:2]
        frame = (-0.5, sides[1] - 0.5, sides[0] - 0.5, -0.5)
        for column, ax in enumerate(panels[line]):
            ax.set_axis_off()
            if picture is not None:
                grey = picture if column < ahead else np.repeat(picture.mean(2, keepdims=True), 3, 2) / 255
                ax.imshow(grey, extent=frame)
            if column >= ahead:
                share = each[shown[column - ahead]] * maps.shape[2] * maps.shape[3]
                drawn = ax.imshow(
                    share,
                    cmap="inferno",
                    vmin=0,
                    vmax=max(top, 1e-9),
                    alpha=1.0 if picture is None else np.clip(share / max(top, 1e-9), 0, 0.8),
                    extent=frame,
                    interpolation="nearest",
                )
                if line == 0:
                    ax.set_title(
                        textwrap.fill(queries[shown[column - ahead]].replace("_", " "), 14), fontsize=7
                    )
    if drawn is not None:
        bar = figure.colorbar(drawn, ax=panels, shrink=0.7, pad=0.01)
        bar.set_label("attention relative to uniform", fontsize=7)
        bar.ax.tick_params(labelsize=7)
    return figure
