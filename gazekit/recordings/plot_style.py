"""Style of recording plots: small text, thin lines, the colour-blind-safe colours of Okabe and Ito (2008)."""

from __future__ import annotations

from matplotlib.axes import Axes

__all__ = ["BLUE", "GREY", "RED", "TEXT_PT", "label_axes"]

TEXT_PT = 8.0
GREY, BLUE, RED = "#666666", "#0072b2", "#d55e00"


def label_axes(ax: Axes, x: str, y: str) -> None:
    """Label both axes, with small text and thin lines."""
    ax.set_xlabel(x, fontsize=TEXT_PT)
    ax.set_ylabel(y, fontsize=TEXT_PT)
    ax.tick_params(labelsize=TEXT_PT, color=GREY)
    ax.spines[["top", "right"]].set_visible(False)
    for spine in ax.spines.values():
        spine.set(color=GREY, linewidth=0.6)
