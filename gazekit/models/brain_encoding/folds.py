"""Nested cross-validation: every picture is predicted by rows that never saw it, and that chose nothing on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gazekit.base import Predictor
from gazekit.base.scores import Scores, Settings

__all__ = ["FoldComparison", "HeldOut", "inner_folds"]


def inner_folds(pictures: int, folds: int, seed: int = 1) -> Tensor:
    """[n] fold of each of the training pictures, for choices within them."""
    order = np.random.default_rng(seed).permutation(pictures)
    fold = torch.empty(pictures, dtype=torch.long)
    fold[torch.from_numpy(order)] = torch.arange(pictures) % folds
    return fold


class HeldOut(Predictor):
    """Predictions that are known, by the numbers of their pictures.

    Args:
        prediction: [N, V], NaN for pictures without any.
    """

    def __init__(self, prediction: Tensor, about: str) -> None:
        super().__init__()
        self.register_buffer("prediction", prediction)
        self._about = about

    @property
    def about(self) -> str:
        return self._about

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        return {"prediction": self.prediction[batch["group"]]}


class FoldComparison:
    """`gazekit.brain.EncodingScores` of predictions from which the predicted pictures were left out.

    With `data.split=all`, a copy of each row is fitted for each fold on the pictures outside of it and predicts those
    in it; scores are of all pictures together, intervals draw pictures. With another split rows are scored as they
    are. What a row says it chose (`chosen`, plain values) is kept in the details, fold by fold.

    Args:
        pairs: further differences, beside those of the first row and each other one: [[row, row less], ...].
        min_ceiling: see `EncodingScores`.
    """

    def __init__(self, pairs: Sequence[Sequence[str]] = (), min_ceiling: float = 0.1) -> None:
        self.pairs, self.min_ceiling = [tuple(pair) for pair in pairs], min_ceiling

    def scores(
        self,
        rows: Mapping[str, Predictor],
        data: Any,
        settings: Settings,
        progress: Callable[[str, float], None],
    ) -> Scores:
        """See `gazekit.base.scores.Comparison`; `data` have `in_fold`, `folds` and a part "all".

        Raises:
            ValueError: a row has parameters that its `fit` leaves as they are, so that it cannot be cross-validated
                (what taught them may have seen all folds); a pair of unknown rows.
        """
        from gazekit.brain import EncodingScores

        missing = sorted({name for pair in self.pairs for name in pair} - set(rows))
        if missing:
            raise ValueError(
                f"pairs name rows that there are not: {', '.join(missing)}; rows: {', '.join(rows)}"
            )
        chosen: dict[str, list[Any]] = {}
        if data.split == "all":
            rows = self._predicted(rows, data, settings, progress, chosen)
        judge = EncodingScores(self.min_ceiling)
        found = judge.scores(rows, data, settings, lambda *_: None)
        for one, other in self.pairs:
            more = judge.scores({one: rows[one], other: rows[other]}, data, settings, lambda *_: None)
            name = f"{one} - {other}"
            found.table[name] = more.table[name]
            found.reasons |= {key: why for key, why in more.reasons.items() if key[0] == name}
        if chosen:
            found.details["chosen"] = chosen
        if data.split == "all":
            found.notes.append(
                f"nested cross-validation: {data.folds} folds of pictures; everything that rows chose, they chose on "
                "training pictures"
            )
        progress("done", 1.0)
        return found

    def _predicted(
        self,
        rows: Mapping[str, Predictor],
        data: Any,
        settings: Settings,
        progress: Callable[[str, float], None],
        chosen: dict[str, list[Any]],
    ) -> dict[str, HeldOut]:
        folds = [data.in_fold(k) for k in range(data.folds)]
        found = {}
        for k, (name, row) in enumerate(rows.items()):
            known = torch.full((len(data.parts["all"]), data.facts()["voxels"]), torch.nan)
            for f, fold in enumerate(folds):
                progress(name, (k + f / len(folds)) / len(rows))
                fresh = deepcopy(row).requires_grad_(True)
                before = [parameter.detach().clone() for parameter in fresh.parameters()]
                fresh.fit(fold)
                if before and all(
                    map(torch.equal, before, fresh.parameters())
                ):  # a trainer has taught it, or nobody
                    raise ValueError(f"{name} does not learn by fit: score it on one fold (data.split=test)")
                _predict(fresh.requires_grad_(False).eval(), fold, settings, known)
                if hasattr(fresh, "chosen"):
                    chosen.setdefault(name, []).append(fresh.chosen)
            found[name] = HeldOut(known, row.about)
            found[name].reasons = row.reasons
        return found


@torch.no_grad()
def _predict(row: Predictor, fold: Any, settings: Settings, known: Tensor) -> None:
    """Fill in [N, V] predictions of the pictures of a fold's test part."""
    generator = torch.Generator().manual_seed(settings.seed)
    for batch in fold.batches("test", row.facts):
        known[batch["group"]] = row.predict(batch, generator, settings.samples)["prediction"].to(known)
