"""What can be foretold of the next glimpse in a generated world (`glimpse_world`), computed exactly.

The observer knows the world, not the picture. It reads the content (or stray) off each glimpse without error, since the
detail is orthogonal to all that tells something. Then, of all that a variant is told,

- before any content was seen, everything is as likely as at first: E[x] is the mean of all glimpses;
- after the content q was seen k fixations ago, without saccades, the eye is at q again with chance
  p_k = (1 - p_(k-1)) / (n - 1), p_0 = 1, and else at each other place alike;
- with saccades the next place is known.

Embeddings have length 1, so the expected cosine of a prediction p with the target is E[x] . p / |p|: p = E[x] is best,
and its expected cosine is |E[x]|. In the same way the contrast loss of glimpse prediction is linear in p / |p|, and
p = E[target - (mean of the scanpath's other targets) / 2 - (mean of all targets) / 2] is best for it, in large batches
of unrelated scanpaths. Memory helps the contrast a little (.609 to .614) even where no glimpse is covered and it is of
no use for the target: it names what not to predict.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from gazekit.base import Predictor
from gazekit.datasets.glimpse_world import PLACE_PX, GlimpseWorld

__all__ = ["IdealGlimpses"]


class IdealGlimpses(Predictor):
    """The best prediction from what a variant of glimpse prediction is told.

    Args:
        world: that made the data.
        memory: whether all glimpses (and saccades) so far are told, or the present ones only.
        saccades: whether they are told.
        objective: what is largest in expectation: "cosine" with the target, or the "contrast".
    """

    def __init__(
        self,
        world: GlimpseWorld,
        memory: bool = True,
        saccades: bool = True,
        objective: Literal["cosine", "contrast"] = "cosine",
    ) -> None:
        super().__init__({})
        self.world, self.memory, self.saccades, self.objective = world, memory, saccades, objective
        cut = world.families * world.places
        codes = torch.from_numpy(world.codes)
        self.codes = codes
        self.contents = codes[:cut].view(world.families, world.places, -1)
        self.whole = self.contents.sum(1)  # [F, D]
        self.stray = codes[cut:].mean(0)
        self.anything = (1 - world.covered) * codes[:cut].mean(0) + world.covered * self.stray

    def predict(self, batch: dict[str, Any], generator: Any = None, samples: int = 1) -> dict[str, Tensor]:
        """`glimpse` [B, T, D]; its length is the expected value of the objective."""
        glimpse, mask = batch["glimpse"].double(), batch["mask"]
        path = _Path(self, glimpse, batch["xy_px"].double())
        steps = glimpse.shape[1] - 1
        target = torch.stack([path.ahead(t, 1) for t in range(steps)], 1)
        if self.objective == "contrast":
            others = torch.stack([self._others(path, glimpse, mask, t) for t in range(steps)], 1)
            target = target - others / 2 - self.anything / 2
        return {"glimpse": (target * mask[:, 1:, None]).float()}

    def _others(self, path: _Path, glimpse: Tensor, mask: Tensor, now: int) -> Tensor:
        """[B, D] expected mean of the scanpath's other targets, as known at fixation `now`; 0 without others."""
        total = torch.zeros_like(glimpse[:, 0])
        for i in range(1, glimpse.shape[1]):
            if i == now + 1:
                continue
            if i == now or (i < now and self.memory):
                found = glimpse[:, i]
            else:
                found = path.ahead(now, i - now) if i > now else path.behind(now, now - i)
            total = total + found * mask[:, i, None]
        return total / (mask[:, 1:].sum(1, keepdim=True) - 1).clamp(min=1)

    def expected(self, known: Tensor, family: Tensor, place: Tensor, again: Tensor) -> Tensor:
        """[B, D] of a glimpse at a pattern's place [B] with chance `again` [B], else at each other place alike."""
        here = self.contents[family, place]
        elsewhere = (self.whole[family] - here) / (self.world.places - 1)
        shown = again[:, None] * here + (1 - again[:, None]) * elsewhere
        found = (1 - self.world.covered) * shown + self.world.covered * self.stray
        return torch.where(known[:, None], found, self.anything)


class _Path:
    """What is known along the scanpaths of a batch.

    Attributes:
        known: [B, L] whether a content was seen, ever (with memory) or now.
        family: [B, L] of the last content that was seen; place: [B, L, 2] column and row in the pattern, moved along
            with the saccades where they are told; age: [B, L] fixations since that content.
    """

    def __init__(self, ideal: IdealGlimpses, glimpse: Tensor, xy_px: Tensor) -> None:
        self.ideal, world = ideal, ideal.world
        code = (glimpse @ ideal.codes.mT).argmax(2)  # all codes have one length
        seen = code < world.families * world.places
        family, index = code // world.places, code % world.places
        place = torch.stack([index % world.side, index // world.side], -1)
        self.jump = (xy_px.diff(dim=1) / PLACE_PX).round().long()
        number = torch.arange(code.shape[1]).expand_as(code)
        last = number.where(seen, -1)
        last = last.cummax(1).values if ideal.memory else last
        self.known, at = last >= 0, last.clamp(min=0)
        self.family = family.gather(1, at)
        self.place = place.gather(1, at[..., None].expand_as(place))
        self.age = number - at
        if ideal.saccades:  # where the eye is now, not where it was when it saw a content
            walked = torch.cat([torch.zeros_like(self.jump[:, :1]), self.jump.cumsum(1)], 1)
            self.place = self.place + walked - walked.gather(1, at[..., None].expand_as(walked))
            self.age = torch.zeros_like(self.age)

    def ahead(self, now: int, steps: int) -> Tensor:
        """[B, D] expected `steps` >= 1 fixations after `now`."""
        if self.ideal.saccades:
            return self._at(
                now, self.place[:, now] + self.jump[:, now], torch.full_like(self.age[:, now], steps - 1)
            )
        return self._at(now, self.place[:, now], self.age[:, now] + steps)

    def behind(self, now: int, steps: int) -> Tensor:
        """[B, D] expected `steps` >= 1 fixations before `now`, of which nothing is remembered."""
        return self._at(now, self.place[:, now], torch.full_like(self.age[:, now], steps))

    def _at(self, now: int, place: Tensor, distance: Tensor) -> Tensor:
        world = self.ideal.world
        column, row = (place % world.side).unbind(-1)
        family = self.family[:, now].where(self.known[:, now], 0)
        again = _again(world.places, self.age.shape[1])[distance]
        return self.ideal.expected(self.known[:, now], family, row * world.side + column, again)


def _again(places: int, steps: int) -> Tensor:
    """[steps + 1] chance that the eye is where it was, 0, 1, ... jumps later."""
    found = [1.0]
    for _ in range(steps):
        found.append((1 - found[-1]) / (places - 1))
    return torch.tensor(found, dtype=torch.float64)
