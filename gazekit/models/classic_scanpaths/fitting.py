"""Maximum likelihood of a model over cells by Adam, on all fixations of people."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from gazekit.base import Data
from gazekit.schedule import one_cycle

__all__ = ["maximise"]

RATE = 0.1


def maximise(model: nn.Module, data: Data, steps: int, seed: int = 0) -> None:
    """Raise the mean log-probability of the fixations of the training part.

    Each step takes one batch of whole scanpaths; the batches are read once and drawn in a new order every epoch.
    Without a training fixation nothing happens.

    Args:
        model: a `CellPredictor` with parameters.
        steps: of Adam, whose rate rises and falls once.
    """
    batches = [batch for batch in data.batches("train") if batch.mask.any()]
    if not batches:
        return
    draw = np.random.default_rng(seed)
    model.requires_grad_(True)
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    scheduler = one_cycle(optimizer, steps)
    order: list[int] = []
    with torch.enable_grad():
        for _ in range(steps):
            order = order or draw.permutation(len(batches)).tolist()
            batch = batches[order.pop()]
            optimizer.zero_grad()
            loss = -model.fixation_log_prob(batch)[batch.mask].mean()
            loss.backward()
            optimizer.step()
            scheduler.step()
    model.requires_grad_(False)
