"""Speed of a Bayesian searcher's predictions and searches, against one trial at a time."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gazekit.harness import Case
from gazekit.models.visual_search import Searcher
from gazekit.models.visual_search.bayes.cells import visibility
from gazekit.models.visual_search.bayes.state import WalkState
from gazekit.scanpath import Scanpath
from gazekit.scene import Scene, Trial, TrialBatch

__all__ = ["cases"]

TRIALS, OBJECTS, FIXATIONS, SIZE = 64, 16, 10, (1280, 1024)
FACTS = {"max_fixations": 15}


def cases(device: str = "cpu", trials: int = TRIALS) -> list[Case]:
    """Maps of the next fixation along scanpaths of 10 fixations, and searches of at most 15, on 40 x 32 cells."""
    searcher, slow = (kind(FACTS).requires_grad_(False).to(device) for kind in (Searcher, AllPairs))
    rng = np.random.default_rng(0)
    scenes = [_scene(rng, k) for k in range(trials)]
    people = [
        Trial(k, Scanpath(rng.uniform(0, SIZE, (FIXATIONS, 2))), rng.integers(0, OBJECTS, FIXATIONS))
        for k in range(trials)
    ]
    together = TrialBatch.from_trials(scenes, people, range(trials)).to(device)
    alone = [TrialBatch.from_trials(scenes, [person], [k]).to(device) for k, person in enumerate(people)]

    def search(model: Searcher, batch: TrialBatch) -> list[Tensor]:
        return model.positions_px(batch, torch.Generator().manual_seed(0), 1)

    shared = {"items": trials, "unit": "trial", "reference": "one trial at a time, over all pairs of cells"}
    return [
        Case(f"maps, {trials} trials", lambda: searcher.next_fixation_maps(together),
             run_reference=lambda: [slow.next_fixation_maps(batch) for batch in alone], **shared),
        Case(f"searches, {trials} trials", lambda: search(searcher, together),
             run_reference=lambda: [search(slow, batch) for batch in alone], **shared),
    ]  # fmt: skip


class AllPairs(Searcher):
    """The expected gain as published: a sum over all pairs of cells for each fixation."""

    def decision(self, log_posterior: Tensor, state: WalkState) -> Tensor:
        grid = state.display.grid
        if not hasattr(self, "pairs"):
            self.pairs = visibility(grid).seen_from(torch.arange(len(grid)), 2.0).to(log_posterior)
        return (log_posterior.exp() @ self.pairs).clamp(min=1e-30).log()


def _scene(rng: np.random.Generator, k: int) -> Scene:
    corner = rng.integers(0, np.array(SIZE) - 68, (OBJECTS, 2))
    return Scene(f"scene {k}", SIZE, np.concatenate([corner, corner + 68], 1), target=0)
