"""The short training of a readout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from gazekit.base import Data
from gazekit.models.visual_search.bayes.state import WalkState
from gazekit.scene import TrialBatch
from gazekit.schedule import one_cycle

__all__ = ["fit_readout"]

TRIALS = {"train": 480, "val": 120}
BATCH = 4  # chunks of a step
RATE = 0.05
CHECKS = 6  # looks at the validation part


class Decides(Protocol):
    """What a `Searcher` has."""

    readout: nn.Module

    def along(self, batch: TrialBatch, extra: int) -> Iterator[tuple[int, Tensor, WalkState]]: ...

    def posterior(self, state: WalkState) -> Tensor: ...

    def decision(self, log_posterior: Tensor, state: WalkState) -> Tensor: ...


def fit_readout(searcher: Decides, data: Data, steps: int, seed: int = 0) -> None:
    """Maximise the likelihood of people's next fixations by Adam; the weights of the best validation are kept.

    What does not depend on the readout, the decisions along up to 480 training and 120 validation trials, is computed
    once (about 220 MB for 6,000 decisions on 1,280 cells). Trials are drawn with the seed. Without weights, or without
    a training fixation after another, nothing happens.
    """
    if not list(searcher.readout.parameters()) or steps < 1:
        return
    draw = np.random.default_rng(seed)
    chunks = {part: _decisions(searcher, data, part, count, draw) for part, count in TRIALS.items()}
    if not chunks["train"]:
        return
    optimizer = torch.optim.Adam(searcher.readout.parameters(), RATE)
    scheduler = one_cycle(optimizer, steps)
    best, weights = torch.inf, None
    with torch.enable_grad():
        for step in range(1, steps + 1):
            chosen = draw.choice(len(chunks["train"]), min(BATCH, len(chunks["train"])), replace=False)
            optimizer.zero_grad()
            _loss(searcher, [chunks["train"][k] for k in chosen]).backward()
            optimizer.step()
            scheduler.step()
            if step == steps or step % max(1, steps // CHECKS) == 0:
                with torch.no_grad():
                    now = float(_loss(searcher, chunks["val"] or chunks["train"]))
                if now < best:
                    best = now
                    weights = {k: v.clone() for k, v in searcher.readout.state_dict().items()}
    if weights is not None:
        searcher.readout.load_state_dict(weights)


Chunk = tuple[Tensor, Tensor, WalkState, Tensor]


@torch.no_grad()
def _decisions(
    searcher: Decides, data: Data, part: str, count: int, draw: np.random.Generator
) -> list[Chunk]:
    """Decisions of people after the first fixation, a chunk per step of a batch: decision, posterior, state, cell."""
    index = draw.permutation(data.parts[part])[:count].tolist()
    chunks = []
    for start in range(0, len(index), data.batch_size):
        batch = data.batch(index[start : start + data.batch_size])
        for step, rows, state in searcher.along(batch, 0):
            if step:
                cell = state.display.grid.cell_of(batch.xy_px[rows, step])
                posterior = searcher.posterior(state)
                decision = searcher.decision(posterior, state)
                chunks.append((decision, posterior, _slim(state), cell[:, None, None]))
    return chunks


def _slim(state: WalkState) -> WalkState:
    """Without the maps of each memorised object, which a readout does not see."""
    display, none = state.display, state.memory[..., :0]
    slim = replace(display, similarity=none, present=none, log_prior=none)
    return replace(state, memory=none, display=slim)


def _loss(searcher: Decides, chunks: list[Chunk]) -> Tensor:
    """[] mean negative log-probability of the cells that people chose."""
    found = [searcher.readout(d, p, state).gather(-1, cell).flatten() for d, p, state, cell in chunks]
    return -torch.cat(found).mean()
