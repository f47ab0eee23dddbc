"""Decoded flow as arrows over clips."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.figure import Figure

from gazekit.base import Data, Predictor

__all__ = ["decoding_figure"]

TEXT_PT = 8


@torch.no_grad()
def decoding_figure(rows: Mapping[str, Predictor], data: Data, number: int = 5) -> Figure:
    """The middle frame of some clips of the scored part, with the true flow and that of each row; arrows of one scale
    in a column.
    """
    index = data.parts[data.split][:number].tolist()
    batch, generator = data.batch(index), torch.Generator()
    flows = {"true flow": batch["true_flow"]}
    flows |= {name: row.predict(batch, generator)["flow"] for name, row in rows.items()}
    figure = Figure(figsize=(1.6 * number, 1.75 * len(flows)), layout="constrained")
    axes = figure.subplots(len(flows), number, squeeze=False)
    for k, item in enumerate(index):
        frames = data.clip(item).frames
        height, width = frames.shape[1:]
        longest = max(0.5, float(batch["true_flow"][k].norm(dim=0).max()))
        for row, (name, flow) in enumerate(flows.items()):
            axis, (u, v) = axes[row, k], flow[k].numpy()
            y, x = ((np.arange(n) + 0.5) * side / n for n, side in zip(u.shape, (height, width), strict=True))
            axis.imshow(frames[len(frames) // 2], cmap="gray", vmin=-0.3, vmax=1.3)
            axis.quiver(x, y, u, v, color="#d55e00", angles="xy", scale=12 * longest, width=0.012)
            axis.set_xticks([])
            axis.set_yticks([])
            if k == 0:
                axis.set_ylabel(name.replace("_", " "), fontsize=TEXT_PT)
    return figure
