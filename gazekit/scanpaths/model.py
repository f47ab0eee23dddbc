"""The interface of every scanpath model, which lets one report compare all of them, and the sampler.

A model gives the probability that each object, or STOP (the last column), comes next. `log_prob` covers all
steps of known scanpaths at once; `begin`, `next_log_prob` and `advance` go one step at a time, for n scanpaths
of each of B trials together.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from gazekit.scanpath import Ragged
from gazekit.scene import SceneBatch, TrialBatch

__all__ = ["ScanpathModel", "masked_log_softmax", "sample"]


@runtime_checkable
class ScanpathModel(Protocol):
    """A distribution over the next object given the objects fixated so far."""

    def log_prob(self, batch: TrialBatch) -> Tensor:
        """[B, T + 1, N + 1] natural log-probabilities of the next object after t fixations of each trial.

        Column N is STOP, which is -inf before the first fixation; padded objects are always -inf.
        """

    def begin(self, scenes: SceneBatch, n: int) -> Any:
        """State of n scanpaths without a fixation, for each of B scenes. States provide `select(rows)`."""

    def next_log_prob(self, state: Any) -> Tensor:
        """[B, n, N + 1] natural log-probabilities of the next object or STOP."""

    def advance(self, state: Any, chosen: Tensor) -> Any:
        """The state after the fixations [B, n]; rows that have stopped have index N and are ignored."""


def masked_log_softmax(logits: Tensor, object_mask: Tensor, at_start: Tensor | bool) -> Tensor:
    """Log-probabilities over objects and STOP.

    Args:
        logits: [B, R, N + 1].
        object_mask: [B, N].
        at_start: [R] bool or one bool: before the first fixation STOP is impossible.
    """
    b, r, _ = logits.shape
    allowed = object_mask[:, None].expand(b, r, -1)
    start = torch.as_tensor(at_start, device=logits.device).expand(r)
    stop = (~start)[None, :, None].expand(b, r, 1)
    return logits.masked_fill(~torch.cat([allowed, stop], -1), -torch.inf).log_softmax(-1)


@torch.no_grad()
def sample(
    model: ScanpathModel,
    scenes: SceneBatch,
    n: int,
    max_fixations: int,
    generator: torch.Generator | None = None,
    greedy: bool = False,
) -> Ragged:
    """Generate n scanpaths for each scene in parallel; trials whose n scanpaths have ended leave the batch.

    Args:
        scenes: B scenes; repeat a row to generate for it twice.
        max_fixations: length at which unfinished scanpaths are cut off.
        generator: random number generator (CPU).
        greedy: take the most probable object or STOP instead of drawing.
    Returns:
        Ragged [B, n, T] object indices with T <= max_fixations.
    Raises:
        ValueError: n or max_fixations below 1.
    """
    if n < 1 or max_fixations < 1:
        raise ValueError(f"sample needs n >= 1 and max_fixations >= 1, got {n} and {max_fixations}")
    b, stop = scenes.object_mask.shape
    device = scenes.target.device
    chosen = torch.full((b, n, max_fixations), stop, device=device)
    state, rows = model.begin(scenes, n), torch.arange(b, device=device)
    ended = torch.zeros(b, n, dtype=torch.bool, device=device)
    for step in range(max_fixations):
        log_prob = model.next_log_prob(state)
        if greedy:
            choice = log_prob.argmax(-1)
        else:
            # multinomial with the CPU generator gives the same draws on every device
            probability = log_prob.exp().flatten(0, 1).cpu()
            choice = (
                torch.multinomial(probability, 1, generator=generator).to(device).view(log_prob.shape[:2])
            )
        choice = choice.masked_fill(ended, stop)
        chosen[rows, :, step] = choice
        ended = choice == stop
        alive = ~ended.all(1)
        if not alive.any():
            break
        state = model.advance(state, choice)
        if not alive.all():
            keep = alive.nonzero()[:, 0]
            state, rows, ended = state.select(keep), rows[keep], ended[keep]
    mask = chosen != stop
    longest = int(mask.sum(-1).max()) if b else 0
    return Ragged(chosen.masked_fill(~mask, 0)[..., :longest], mask[..., :longest])
