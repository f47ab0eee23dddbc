"""The battery as columns of a report: four systems, their paired differences, and the claims of the paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

from torch import Tensor

from gazekit.base import Data, Predictor
from gazekit.base.scores import Scores, Settings
from gazekit.metrics import Score
from gazekit.models.perceptual_systems.battery import PASSES, SUMMARY, Battery, Measured, summary
from gazekit.models.perceptual_systems.claims import CLAIMS, judge
from gazekit.models.perceptual_systems.conflicts import WINDOW_SHARES
from gazekit.models.perceptual_systems.intervals import over_runs
from gazekit.models.perceptual_systems.manipulations import OCCLUSIONS
from gazekit.models.perceptual_systems.system import PerceptualSystems

__all__ = ["EmergentProperties"]

FLOOR = 0.05
NEVER_WINS = "at no window (square) size does the class in the middle overtake the one around it"


class EmergentProperties:
    """The battery of Deza and Konkle 2020 on `PerceptualSystems`, with a row for each system and each pair of systems.

    Columns: `accuracy`, `occlusion`, `high_pass`, `centre_bias` (see `battery.SUMMARY`); `on.SYSTEM` (accuracy on
    another system's pictures); `occlusion.KIND`; `low_pass`, `low_pass_grey`, `high_pass_grey` (means over levels
    but the first); `square_bias`. Rows "A - B" have differences within runs. Intervals are Student's t over runs.
    All levels are kept in metrics.json under `details`, each run by itself.

    Args:
        margin: by which accuracies that are called similar may differ.
    """

    def __init__(self, margin: float = 0.05) -> None:
        if not margin > 0:
            raise ValueError(f"margin must be above 0, got {margin}")
        self.margin = margin

    def scores(
        self,
        rows: Mapping[str, Predictor],
        data: Data,
        settings: Settings,
        progress: Callable[[str, float], None],
    ) -> Scores:
        """Nothing is drawn at random.

        Raises:
            ValueError: no row, or several, that are perceptual systems.
        """
        found = {name: row for name, row in rows.items() if isinstance(row, PerceptualSystems)}
        if len(found) != 1:
            raise ValueError(f"EmergentProperties needs one model of perceptual systems, got {len(found)}")
        ((name, system),) = found.items()
        system.eval()
        index = data.parts[data.split]
        measured = Battery(system, data, index, told=lambda share: progress(name, share)).measure()
        system.measured = measured
        values = columns(measured, system.systems)
        table = {name: _scores(values, place) for place, name in enumerate(system.systems)}
        for a, b in combinations(reversed(range(len(system.systems))), 2):
            differing = {c: v for c, v in values.items() if not c.startswith("on.")}
            table[f"{system.systems[a]} - {system.systems[b]}"] = _differences(differing, a, b)
        result = Scores(table, higher_is_better=dict.fromkeys(values, True))
        result.higher_is_better |= {"centre_bias": None, "square_bias": None}
        result.reasons = {
            (row, column): NEVER_WINS
            for row, scores in table.items()
            for column, score in scores.items()
            if score.undefined
        }
        result.details = details(system, measured)
        result.notes = [
            "intervals are Student's t over runs, not a bootstrap; differences are within runs",
            *self._verdicts(system, measured),
        ]
        return result

    def _verdicts(self, system: PerceptualSystems, measured: Measured) -> list[str]:
        last = summary(measured)
        notes = [f"{claim.text}. {judge(claim, last, self.margin)}" for claim in CLAIMS]
        chance = 1 / len(system.facts["classes"])
        for k, measure in enumerate(SUMMARY[:-1]):
            if (last[..., k].mean(0) < chance + FLOOR).all():
                notes.append(
                    f"{measure}: all systems are within {FLOOR} of chance, so that differences say next to nothing"
                )
        course = system.course.cpu()
        for k, share in enumerate(system.watched):
            if course[k].isfinite().any():
                words = "; ".join(
                    f"{claim.text.split()[0]} {judge(claim, course[k], self.margin).word}" for claim in CLAIMS
                )
                notes.append(
                    f"(4) along training, after {share:.0%} of it, on {system.watched_pictures} validation pictures: "
                    f"{words}"
                )
        return notes


def columns(measured: Measured, systems: list[str]) -> dict[str, Tensor]:
    """Column to its values [R, V]."""
    values = dict(zip(SUMMARY, summary(measured).unbind(-1), strict=True))
    values |= {f"on.{name}": measured.generalisation[..., k] for k, name in enumerate(systems)}
    values |= {
        f"occlusion.{kind}": measured.occlusion[:, :, k, 1:-1].nanmean(-1)
        for k, kind in enumerate(OCCLUSIONS)
    }
    values |= {
        kind.replace(",", "").replace(" ", "_"): measured.passes[:, :, k, 1:].nanmean(-1)
        for k, kind in enumerate(PASSES)
    }
    return values | {"square_bias": measured.square_bias}


def details(system: PerceptualSystems, measured: Measured) -> dict[str, Any]:
    """Everything that was measured, [run][system]...; see `Measured` for the rest of the dimensions."""
    named = {
        name: getattr(measured, name) for name in ("confusion", "occlusion", "passes", "window", "square")
    }
    return {
        "systems": system.systems,
        "occlusions": list(OCCLUSIONS),
        "passes_kinds": list(PASSES),
        "window_shares": list(WINDOW_SHARES),
        "watched": system.watched,
        "course_measures": list(SUMMARY),
        **{name: _plain(table) for name, table in named.items()},
        "course": _plain(system.course.movedim(0, 2)),
    }


def _plain(table: Tensor) -> Any:
    return table.double().round(decimals=5).tolist()


def _scores(values: Mapping[str, Tensor], place: int) -> dict[str, Score]:
    return {column: over_runs(value[:, place]) for column, value in values.items()}


def _differences(values: Mapping[str, Tensor], a: int, b: int) -> dict[str, Score]:
    return {column: over_runs(value[:, a] - value[:, b]) for column, value in values.items()}
