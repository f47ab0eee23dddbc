"""Dissimilarity matrices beside one another, and bars of similarity with the band of the noise ceiling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from gazekit.brain.similarity import upper_pairs
from gazekit.brain.similarity_scores import LOWER, UPPER
from gazekit.drawing.scores import GREY, TEXT_PT
from gazekit.metrics.functional import rsa
from gazekit.metrics.functional.ranks import average_ranks

__all__ = ["bars_figure", "matrices_figure"]

_NET, _GIVEN, _NESTED = "#0072b2", "#999999", "#d55e00"


def matrices_figure(system: Any, data: Any) -> Figure:
    """Brains, this net's layer that is most like the first brain, and what is known, as percentiles of their pairs."""
    brains = {name: matrices.mean(0) for name, matrices in data.brains().items()}
    first = next(iter(brains.values()))
    layers = {name: m for name, m in system.rdms(data).items() if not m.isnan().any()}
    shown = {name.replace("_it", " IT"): matrix for name, matrix in brains.items()}
    if layers:
        best = max(layers, key=lambda name: float(rsa(layers[name], first)))
        shown[f"{system.backbone}: {best}"] = layers[best]
    known = data.references()
    shown |= {name: known[name].rdm for name in ("animacy", "categories", "hmax", "pixels") if name in known}
    rows = 2 if len(shown) > 4 else 1
    across = -(-len(shown) // rows)
    figure = Figure(figsize=(2.3 * across, 2.5 * rows + 0.5), facecolor="white", layout="constrained")
    axes = figure.subplots(rows, across, squeeze=False).ravel()
    image = None
    for ax, (name, matrix) in zip(axes, shown.items(), strict=False):
        image = ax.imshow(
            _percentiles(matrix.cpu()), cmap="viridis", vmin=0, vmax=100, interpolation="nearest"
        )
        ax.set_title(name, fontsize=TEXT_PT)
        ax.set_xticks([])
        ax.set_yticks([])
    for ax in axes[::across]:
        _name_groups(ax, data)
    for ax in axes[len(shown) :]:
        ax.axis("off")
    bar = figure.colorbar(
        image, ax=axes.tolist(), orientation="horizontal", fraction=0.05, aspect=50, pad=0.02
    )
    bar.set_label("dissimilarity, percentile of the pairs of pictures", fontsize=TEXT_PT)
    bar.ax.tick_params(labelsize=TEXT_PT)
    return figure


def _name_groups(ax: Axes, data: Any) -> None:
    """Names of pictures that follow each other in one category, where the data have categories."""
    categories = data.facts().get("categories") or []
    starts = [k for k, name in enumerate(categories) if k == 0 or name != categories[k - 1]]
    ends = [*starts[1:], len(categories)]
    ax.set_yticks([(a + b - 1) / 2 for a, b in zip(starts, ends, strict=True) if a < b])
    ax.set_yticklabels([categories[k] for k in starts], fontsize=TEXT_PT - 2)


def _percentiles(matrix: Tensor) -> np.ndarray:
    pairs = average_ranks(upper_pairs(matrix))
    n = len(matrix)
    found = torch.zeros(n, n, dtype=torch.float64)
    row, column = torch.triu_indices(n, n, offset=1)
    found[row, column] = found[column, row] = 100 * (pairs - 0.5) / len(pairs)
    return found.numpy()


def bars_figure(data: Any, table: Mapping[str, Mapping[str, Any]]) -> Figure:
    """A panel for each brain: the most similar row on top, its best layer as a bar, the nested search as a dot."""
    brains = list(data.brains())
    given = data.references()
    names = [name for name in table if name not in (LOWER, UPPER)]
    figure = Figure(
        figsize=(4.6 * len(brains), 0.24 * len(names) + 1.2), facecolor="white", layout="constrained"
    )
    for ax, brain in zip(figure.subplots(1, len(brains), squeeze=False)[0], brains, strict=True):
        _panel(ax, table, names, f"rsa.{brain}", f"rsa_nested.{brain}", set(given))
        ax.set_title(brain.replace("_it", " IT"), fontsize=TEXT_PT + 1)
    return figure


def _panel(
    ax: Axes,
    table: Mapping[str, Mapping[str, Any]],
    names: list[str],
    best: str,
    nested: str,
    given: set[str],
) -> None:
    known = [name for name in names if best in table[name] and np.isfinite(table[name][best].value)]
    known.sort(key=lambda name: table[name][best].value)
    for y, name in enumerate(known):
        score, fair = table[name][best], table[name].get(nested)
        ax.barh(y, score.value, color=_GIVEN if name in given else _NET, height=0.7)
        ax.plot([score.low, score.high], [y, y], color="black", linewidth=0.9)
        if fair is not None and name not in given:
            ax.plot(
                fair.value,
                y,
                "o",
                color=_NESTED,
                markersize=3.5,
                markeredgecolor="white",
                markeredgewidth=0.4,
            )
    if LOWER in table and best in table[LOWER]:
        ax.axvspan(table[LOWER][best].value, table[UPPER][best].value, color=GREY, alpha=0.2, linewidth=0)
        middle = (table[LOWER][best].value + table[UPPER][best].value) / 2
        ax.text(middle, 0, "noise ceiling", ha="center", va="center", fontsize=TEXT_PT, color=GREY)
    ax.axvline(0, color="black", linewidth=0.6)
    ax.set_yticks(range(len(known)), known, fontsize=TEXT_PT)
    ax.tick_params(axis="x", labelsize=TEXT_PT)
    ax.set_xlabel("Spearman's correlation (bar: best layer, dot: nested search)", fontsize=TEXT_PT)
    ax.spines[["top", "right"]].set_visible(False)
