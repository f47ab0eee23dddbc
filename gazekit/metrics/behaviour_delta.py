"""Behaviour of model and people over trials, and the relative deviation between them."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.bootstrap import bootstrap_interval
from gazekit.metrics.functional.arguments import ArrayLike, check_trials, where_present
from gazekit.metrics.functional.behaviour import PARTS, behaviour, behaviour_delta, behaviour_parts
from gazekit.metrics.grouped_metric import GroupedMetric
from gazekit.metrics.score import Score

__all__ = ["BehaviourDelta", "SearchBehaviour"]


class BehaviourMetric(GroupedMetric):
    """Keeps the behaviour of the model (mean over its n scanpaths) and of the person, [5] each per trial.

    A part of `functional.behaviour` counts on those trials where both sides define it: `found` where there is a
    target, the fractions where neither side is empty.
    """

    def __init__(self) -> None:
        super().__init__("trials", trials=2 * len(PARTS))

    def update(
        self,
        model_objects: Tensor,
        model_mask: Tensor,
        human_objects: Tensor,
        human_mask: Tensor,
        target: Tensor,
        group: ArrayLike | None = None,
        model_present: Tensor | None = None,
    ) -> None:
        """Add B trials.

        Args:
            model_objects: [B, n, T] object ids that n scanpaths of the model fixate on each trial.
            model_mask: [B, n, T] bool, True = valid; padding at the end.
            human_objects: [B, T'] object ids that the person fixated; `human_mask` [B, T'] likewise.
            target: [B] id of the object to be found, -1 in free viewing.
            group: [B] integer ids of the images (subjects) that the trials belong to.
            model_present: [B, n] bool, which of the n scanpaths exist, where trials differ in number; None = all.
        """
        check_trials(model_objects, human_objects)
        n = model_objects.shape[1]
        samples = behaviour(
            model_objects.flatten(0, 1), model_mask.flatten(0, 1), target.repeat_interleave(n)
        )
        samples = samples.unflatten(0, model_objects.shape[:2])
        model = where_present(samples, model_present).nanmean(1)
        human = behaviour(human_objects, human_mask, target)
        self.add_grouped(torch.cat([model, human], 1), group)

    def means(self) -> tuple[Tensor, Tensor]:
        """Mean behaviour [5] of the model and of people, over all processes (call it on all of them)."""
        with self.sync_context():
            return self._means()

    def _means(self) -> tuple[Tensor, Tensor]:
        model, human, defined = self._sums()
        count = defined.sum(0)
        return model.sum(0) / count, human.sum(0) / count

    def _sums(self) -> tuple[Tensor, Tensor, Tensor]:
        """[G, 5] sums of the model's and people's behaviour over the trials that count, and the number of these."""
        model, human = self.rows("trials").split(len(PARTS), 1)
        both = self._both()
        unit, count = self.units()
        model, human, defined = (
            model.new_zeros(count, len(PARTS)).index_add_(0, unit, side)
            for side in (torch.where(both, model, 0.0), torch.where(both, human, 0.0), both.to(model))
        )
        return model, human, defined

    def _both(self) -> Tensor:
        """[M, 5] whether a part is defined on both sides."""
        model, human = self.rows("trials").split(len(PARTS), 1)
        return ~(model.isnan() | human.isnan())


class BehaviourDelta(BehaviourMetric):
    """`functional.behaviour_delta` between the mean behaviour of a model and of people on the same trials.

    The model's behaviour on a trial is the mean over its n scanpaths. A part of `functional.behaviour` counts on
    those trials where both sides define it: `found` where there is a target, the fractions where neither side is
    empty. Trials on which a part other than `found` does not count are counted in `undefined`.

    Example:
        >>> import torch
        >>> metric = BehaviourDelta()
        >>> model, human = torch.tensor([[[4, 4, 7, 4, 2, 1]]]), torch.tensor([[4, 4, 7, 4, 2]])
        >>> masks = torch.ones(1, 1, 6, dtype=bool), torch.ones(1, 5, dtype=bool)
        >>> metric.update(model, masks[0], human, masks[1], torch.tensor([2]))
        >>> metric.compute()
        tensor(0.3289, dtype=torch.float64)
    """

    higher_is_better = False

    def compute(self) -> Tensor:
        """The delta; NaN if a part is undefined, other than `found` in free viewing."""
        return behaviour_delta(*self._means())

    def interval(self, n_resamples: int = 2000, level: float = 0.95, seed: int = 0) -> dict[str, Score]:
        """The delta, "", and the relative deviation of each part, with percentile bootstrap intervals.

        The bootstrap draws whole groups, or single trials if there are no groups. `n` and `undefined` count trials
        on which a part counts or does not; those of the delta are of the part, other than `found`, that counts on
        fewest trials. Call it on all processes.
        """
        with self.sync_context():
            model, human, defined = self._sums()
            n = self._both().sum(0).tolist()
            count = self.count
        sums = torch.cat([model, human], 1), torch.cat([defined, defined], 1)

        def score(statistic, n: int) -> Score:
            def of_means(means: Tensor) -> Tensor:
                return statistic(*means.split(len(PARTS), 1))

            return Score.of(bootstrap_interval(*sums, of_means, n_resamples, level, seed), n, count - n)

        parts = {
            part: score(lambda m, h, k=k: behaviour_parts(m, h)[:, k], n[k]) for k, part in enumerate(PARTS)
        }
        return {"": score(behaviour_delta, min(n[1:])), **parts}

    @property
    def undefined(self) -> Tensor:
        """[] number of trials of this process (of all inside `sync_context`) on which a part other than `found`
        does not count."""
        return (~self._both()[:, 1:]).sum(0).max()


class SearchBehaviour(BehaviourMetric):
    """Mean `functional.behaviour` of a model: [5] `parts` found, length, search, refix, revisit.

    The model's behaviour on a trial is the mean over its n scanpaths. A part counts on those trials where it is
    defined for both the model and the person, the trials that `BehaviourDelta` compares.

    Example:
        >>> import torch
        >>> metric = SearchBehaviour()
        >>> model, human = torch.tensor([[[3, 3, 5, 3, 8]]]), torch.tensor([[3, 8]])
        >>> masks = torch.ones(1, 1, 5, dtype=bool), torch.ones(1, 2, dtype=bool)
        >>> metric.update(model, masks[0], human, masks[1], torch.tensor([8]))
        >>> metric.compute()
        tensor([1.0000, 5.0000, 0.6000, 0.2000, 0.2000], dtype=torch.float64)
    """

    higher_is_better = None
    parts = PARTS

    def compute(self) -> Tensor:
        """[5] mean behaviour; NaN for a part that counts on no trial."""
        return self._means()[0]

    def interval(self, n_resamples: int = 2000, level: float = 0.95, seed: int = 0) -> dict[str, Score]:
        """The mean of each part with its percentile bootstrap interval; `n` and `undefined` count trials.

        The bootstrap draws whole groups, or single trials if there are no groups. Call it on all processes.
        """
        with self.sync_context():
            model, _, defined = self._sums()
            undefined = self.undefined.tolist()
            count = self.count
        found = bootstrap_interval(model, defined, None, n_resamples, level, seed)
        return {
            part: Score.of(bounds, count - left_out, left_out)
            for part, *bounds, left_out in zip(PARTS, *found, undefined, strict=True)
        }

    @property
    def undefined(self) -> Tensor:
        """[5] number of trials of this process (of all inside `sync_context`) on which a part does not count."""
        return (~self._both()).sum(0)
