"""What the state after each glimpse holds: where the eye has come to, and which scenes are alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from lightning_fabric.utilities import move_data_to_device
from torch import Tensor

from gazekit.base import Data, Predictor
from gazekit.base.scores import Scores, Settings
from gazekit.metrics import Score, bootstrap_interval
from gazekit.metrics.bootstrap import bootstrap_draws, interval_of_draws
from gazekit.metrics.functional.rsa import rdm, rsa, rsa_of_draw
from gazekit.models.glimpse.objective import steps_of

__all__ = ["StateScores", "States", "states_of"]

PICTURES = 100  # of an RDM
DRAWS = 200  # of pictures of an RDM
MOST = 20_000  # states that a regression learns from
PENALTIES = (1e-3, 1e-1, 1e1, 1e3)


class StateScores:
    """Path integration and scenes in the `state` of each row, by glimpse number; rows without a state are left out.

    - path_r2: how well ridge regression tells, from the state after a glimpse, the displacement from the first fixation
      to where the eye lands next: 1 - squared error / squared deviation from its mean. It learns from 20,000 training
      states. One saccade is all that a net without memory knows of the path. Intervals draw pictures.
    - scene_rsa: Spearman's correlation of dissimilarities (1 - Pearson) of the states of the first 100 pictures,
      averaged over scanpaths, with those of their captions; only for data that have these. Intervals draw pictures,
      200 times.

    Args:
        glimpses: columns `path_r2.k`, `scene_rsa.k` for so many.
    """

    def __init__(self, glimpses: int = 6) -> None:
        self.glimpses = glimpses

    def scores(
        self,
        rows: Mapping[str, Predictor],
        data: Data,
        settings: Settings,
        progress: Callable[[str, float], None],
    ) -> Scores:
        """`gazekit.base.scores.Comparison`; rows are judged as they are, on `data.split`."""
        names = [f"{m}.{k}" for m in ("path_r2", "scene_rsa") for k in range(1, self.glimpses + 1)]
        result = Scores({}, higher_is_better=dict.fromkeys(["path_r2", *names], True))
        for number, (name, row) in enumerate(rows.items()):
            progress(name, number / len(rows))
            test = states_of(row, data, data.split)
            if test is None:
                continue
            train, val = (states_of(row, data, part, MOST) for part in ("train", "val"))
            scores = _path(train, val, test, settings)
            if test.caption is not None:
                scores |= _scenes(test, self.glimpses, settings)
            result.table[name] = {key: s for key, s in scores.items() if key in result.higher_is_better}
        return result


class States(NamedTuple):
    """S steps of scanpaths one after another.

    Args:
        state: [S, n]; step: [S] glimpse number, from 1; picture: [S].
        path_px: [S, 2] from the first fixation to the next one.
        caption: [S, E] of the picture; None where the data have none.
    """

    state: Tensor
    step: Tensor
    picture: Tensor
    path_px: Tensor
    caption: Tensor | None


@torch.no_grad()
def states_of(row: Predictor, data: Data, part: str, most: int | None = None) -> States | None:
    """States of a part, of whole batches until there are `most`; None for a row that has none."""
    device = next((x.device for x in (*row.parameters(), *row.buffers())), torch.device("cpu"))
    row.eval()
    found = []
    for batch in data.batches(part, row.facts or None):
        said = row.predict(move_data_to_device(batch, device), torch.Generator())
        if "state" not in said:
            return None
        known = steps_of(batch)
        scanpath, step = known.mask.nonzero().unbind(1)
        caption = batch["caption"][scanpath] if "caption" in batch else None
        path = known.saccade_px.cumsum(1)[known.mask]
        found.append(
            States(said["state"].cpu()[known.mask], step + 1, batch["group"][scanpath], path, caption)
        )
        if most is not None and sum(len(states.step) for states in found) >= most:
            break
    return States(*(None if x[0] is None else torch.cat(x) for x in zip(*found, strict=True)))


def _path(train: States, val: States, test: States, settings: Settings) -> dict[str, Score]:
    said = _decoded(train, val, test)
    error = (said - test.path_px).double().square().sum(1)
    steps = int(test.step.max())
    spread = torch.zeros_like(error)
    for k in range(1, steps + 1):
        at = test.step == k
        spread[at] = (test.path_px[at] - test.path_px[at].mean(0)).double().square().sum(1)
    picture = test.picture.unique(return_inverse=True)[1]
    sums = [torch.zeros(int(picture.max()) + 1, steps + 1, dtype=torch.float64) for _ in range(2)]
    for total, each in zip(sums, (error, spread), strict=True):
        total.index_put_((picture, test.step), each, accumulate=True)
        total[:, 0] = total.sum(1)
    found = bootstrap_interval(*sums, lambda ratio: 1 - ratio, settings.resamples, seed=settings.seed)
    count = [len(test.step), *torch.bincount(test.step, minlength=steps + 1)[1:].tolist()]
    names = ["path_r2", *(f"path_r2.{k}" for k in range(1, steps + 1))]
    return {name: Score.of([b[k] for b in found], count[k], 0) for k, name in enumerate(names)}


def _decoded(train: States, val: States, test: States) -> Tensor:
    """[S, 2] paths of the test part, by the penalty that is best for validation."""
    mean, centre = train.state.double().mean(0), train.path_px.double().mean(0)
    x, y = train.state.double() - mean, train.path_px.double() - centre
    gram, product = x.mT @ x, x.mT @ y
    unit = gram.diagonal().mean() * torch.eye(len(gram)).double()

    def decode(states: States, weight: Tensor) -> Tensor:
        return ((states.state.double() - mean) @ weight + centre).float()

    weights = [torch.linalg.solve(gram + penalty * unit, product) for penalty in PENALTIES]
    best = min(weights, key=lambda w: float((decode(val, w) - val.path_px).square().sum()))
    return decode(test, best)


def _scenes(test: States, glimpses: int, settings: Settings) -> dict[str, Score]:
    found = {}
    for k in range(1, min(glimpses, int(test.step.max())) + 1):
        at = test.step == k
        picture, place = test.picture[at].unique(return_inverse=True)
        means = [_means(x[at].double(), place, len(picture))[:PICTURES] for x in (test.state, test.caption)]
        ours, theirs = map(rdm, means)
        value = rsa(ours, theirs)
        counts = torch.cat([*bootstrap_draws(len(ours), min(DRAWS, settings.resamples), settings.seed)])
        drawn = torch.stack([rsa_of_draw(ours, theirs, times, "spearman") for times in counts.long()])
        found[f"scene_rsa.{k}"] = Score.of(interval_of_draws(value, drawn, 0.95), len(ours), 0)
    return found


def _means(values: Tensor, place: Tensor, count: int) -> Tensor:
    """[count, n] means of the rows at each place."""
    total = values.new_zeros(count, values.shape[1]).index_add_(0, place, values)
    return total / torch.bincount(place, minlength=count)[:, None]
