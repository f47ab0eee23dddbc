"""What a diet looks like."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from gazekit.datasets.diet_data import DietData

__all__ = ["diet_figure"]

SHOWN = 6  # of each class


def diet_figure(diet: str, classes: list[str]) -> Figure:
    """Some test pictures of each class of a generated diet."""
    data = DietData(diet, scored=60 * SHOWN)
    data.setup()
    batch = data.batch(data.parts["test"].tolist())
    figure = Figure(figsize=(len(classes) * 0.9, SHOWN * 0.9 + 0.4), facecolor="white", layout="constrained")
    for k, name in enumerate(classes):
        pictures = batch["picture"][batch["label"] == k][:SHOWN].numpy()
        ax = figure.add_subplot(1, len(classes), k + 1)
        ax.imshow(np.concatenate(pictures))
        ax.set_axis_off()
        ax.set_title(name.replace(" ", "\n"), fontsize=8)
    return figure
