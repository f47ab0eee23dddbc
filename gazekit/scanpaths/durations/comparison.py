"""Duration models beside each other, each fixation predicted by a model that never saw its picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gazekit.base import Predictor
from gazekit.base.scores import Scores, Settings
from gazekit.metrics import DurationCalibration, DurationGain
from gazekit.scanpaths.durations.base import Durations
from gazekit.scanpaths.durations.baselines import Gamma, LogNormal, PersonLogNormal
from gazekit.scanpaths.durations.inputs import CAUSAL
from gazekit.scanpaths.durations.model import DurationModel
from gazekit.scanpaths.durations.timed import Timed

__all__ = ["MODELS", "DurationComparison", "held_out"]

_VAL_SHARE = 0.15  # of the pictures outside the test fold, as in `ViewingData`

MODELS: dict[str, Callable[[int], Durations]] = {
    "log-normal": lambda people: LogNormal(),
    "gamma": lambda people: Gamma(),
    "log-normal for each person": lambda people: PersonLogNormal(people),
    "mixture": lambda people: DurationModel(inputs=()),
    "causal mixture, no clock": lambda people: DurationModel(inputs=[g for g in CAUSAL if g != "clock"]),
    "causal mixture": lambda people: DurationModel(),
    "causal mixture, person": lambda people: DurationModel(people),
    "mixture with the outgoing saccade, person": lambda people: DurationModel(
        people, inputs=(*CAUSAL, "outgoing")
    ),
}
"""Row name to a model for a number of people."""
_ABOUT = {
    "log-normal": "One log-normal for all fixations, fitted on the other pictures: 0 by definition.",
    "gamma": "One gamma distribution for all fixations.",
    "log-normal for each person": "One log-normal for each person, shrunk towards everybody's.",
    "mixture": "Three log-normals, the same for all fixations: what the shape alone is worth.",
    "causal mixture, no clock": "As the causal mixture, but it does not know for how long the picture has been seen.",
    "causal mixture": "Knows what is known when the fixation starts, but not who looks.",
    "causal mixture, person": "Knows who looks, too.",
    "mixture with the outgoing saccade, person": "Not causal: it knows the saccade that ends the fixation, too.",
}
_NOTE = (
    "durations.gain_nats is in nats per fixation over one log-normal fitted on the training pictures; every scanpath "
    "of the data is scored, by models trained on other pictures ({folds} folds)"
)


def held_out(
    make: Callable[[], Durations], timed: Timed, picture: Tensor, folds: int = 5, seed: int = 0
) -> dict[str, Tensor]:
    """What `DurationGain` and `DurationCalibration` take, of a model that is fitted anew for each fold of the pictures.

    Pictures are permuted by numpy's `default_rng(seed)` and cut into folds; of those outside a fold the last 15 % stop
    the training. The log-normal that everything is compared with is fitted on all outside it.

    Args:
        make: makes a model that is not fitted.
        timed: scanpaths [B, T].
        picture: [B] number of each scanpath's picture.
    Raises:
        ValueError: fewer pictures than folds.
    """
    names, number = picture.unique(return_inverse=True)
    if len(names) <= folds or folds < 2:
        raise ValueError(
            f"{folds} folds need at least 2 folds and more pictures than folds, got {len(names)}"
        )
    found = {name: torch.zeros(timed.mask.shape) for name in ("log_prob", "log_chance", "cdf")}
    for train, val, test in _parts(number, folds, seed):
        model, chance = make(), LogNormal()
        model.fit(timed.select(train), timed.select(val), seed=seed)
        chance.fit(timed.select(torch.cat([train, val])))
        rows = timed.select(test)
        with torch.no_grad():
            found["log_prob"][test], found["cdf"][test] = model.log_prob(rows), model.cdf(rows)
            found["log_chance"][test] = chance.log_prob(rows).nan_to_num()
    return {f"duration_{name}": values for name, values in found.items()} | {"duration_mask": timed.mask}


class DurationComparison:
    """Columns durations.gain_nats and durations.calibration of the models in `MODELS`, over all scanpaths of the data.

    Rows of a report that predict durations themselves are scored by `DurationGain` instead.

    Args:
        folds: of the pictures.
        seed: of the folds and of all trainings.
    """

    def __init__(self, folds: int = 5, seed: int = 0) -> None:
        self.folds, self.seed = folds, seed

    def scores(
        self,
        rows: Mapping[str, Predictor],
        data: Any,
        settings: Settings,
        progress: Callable[[str, float], None],
    ) -> Scores:
        """Rows of duration models (`gazekit.base.scores.Comparison`); `data` are `ScanpathData`.

        Raises:
            ValueError: the data have no durations, or fewer pictures than folds.
        """
        batches = [data.batch(group) for group in data.groups(list(range(len(data.dataset.trials))))]
        timed = Timed.cat([Timed.of(batch) for batch in batches])
        picture = torch.cat([batch.group for batch in batches])
        people = 0 if timed.observer is None else int(timed.observer.max()) + 1
        result = Scores({}, about=dict(_ABOUT), notes=[_NOTE.format(folds=self.folds)])
        result.higher_is_better = {"durations.gain_nats": True, "durations.calibration": False}
        for done, (name, make) in enumerate(MODELS.items()):
            progress(name, done / len(MODELS))
            said = held_out(lambda make=make: make(people), timed, picture, self.folds, self.seed)
            result.table[name] = {}
            for column, metric in (("gain_nats", DurationGain()), ("calibration", DurationCalibration())):
                metric.update(**metric._filter_kwargs(**said, group=picture))
                score = metric.interval(settings.resamples, seed=settings.seed)
                result.table[name][f"durations.{column}"] = score
                if score.undefined:
                    result.reasons[name, f"durations.{column}"] = "fixations of unknown duration are left out"
        progress("done", 1.0)
        return result


def _parts(number: Tensor, folds: int, seed: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Rows for training, for stopping it, and for the test, fold by fold."""
    order = np.random.default_rng(seed).permutation(int(number.max()) + 1)
    for tested in np.array_split(order, folds):
        others = order[~np.isin(order, tested)]
        held = max(1, round(_VAL_SHARE * len(others)))
        yield tuple(
            torch.from_numpy(np.flatnonzero(np.isin(number.numpy(), part)))
            for part in (others[:-held], others[-held:], tested)
        )
