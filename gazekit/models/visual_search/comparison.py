"""One table of searchers and people: reaction times, slopes, asymmetries, and how alike they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from lightning_fabric.utilities import move_data_to_device
from torch import Tensor

from gazekit.base import Data, Predictor
from gazekit.base.scores import Scores, Settings
from gazekit.datasets.search_people import People
from gazekit.datasets.search_tasks import ASYMMETRY, TASKS, task_of
from gazekit.metrics import (
    FoundRate,
    MeanFixations,
    Score,
    SearchAsymmetry,
    SearchModelComparison,
    SearchSlopes,
    SlopeCorrelation,
)
from gazekit.models.visual_search import published
from gazekit.models.visual_search.search import rt_ms
from gazekit.models.visual_search.search_row import SearchRow

__all__ = ["ECCNET", "PEOPLE", "SearchComparison"]

Trials = dict[str, Tensor]
PEOPLE, ECCNET = "people", "eccNET, published"
ARGUMENTS = ("task", "condition", "is_hard", "set_size", "human_slope_ms", "group")


class SearchComparison:
    """Searchers beside people and published models, on `SearchData`.

    Columns: `asymmetry.TASK` and its mean; `asymmetry_gated.TASK`, undefined where neither slope of the task reaches
    `min_slope`, because near one fixation the index jumps between -1, 0 and 1; `slope.CONDITION` (ms per item);
    `slope_correlation` with people's slopes over conditions; `p.TASK` of the hypothesis that both conditions have one
    line, for rows of displays or participants; `fixations.CONDITION` and `found.CONDITION`; `rt_ms.CONDITION at N`.
    Intervals draw displays; those of people draw participants, and published means have none.

    Args:
        min_slope: ms per item.
    """

    def __init__(self, min_slope: float = 20.0) -> None:
        self.min_slope = min_slope

    def scores(
        self,
        rows: Mapping[str, Predictor],
        data: Data,
        settings: Settings,
        progress: Callable[[str, float], None],
    ) -> Scores:
        facts = data.facts()
        result = Scores({}, higher_is_better={})
        rows = _ready(rows, result.notes)
        done, total = 0, len(rows) * len(data.parts[data.split])
        for name, row in rows.items():

            def told(n: int, name: str = name) -> None:
                nonlocal done
                done += n
                progress(name, done / total)

            trials = _trials(row, data, settings, told)
            result.table[name] = self._columns(trials, facts, settings)
        result.table |= self._known(data, facts, settings)
        result.about = {
            PEOPLE: f"Reaction times of people: {data.people().source}.",
            ECCNET: "Gupta et al. 2021, from the mean fixations of their release (VGG16, stride 32).",
            **{row: "Gupta et al. 2021, their release." for row in published.ASYMMETRY},
        }
        columns = {column for row in result.table.values() for column in row}
        result.higher_is_better = {c: True if c == "slope_correlation" else None for c in columns}
        result.reasons = self._reasons(result)
        result.notes += _notes(data)
        return result

    def _columns(self, trials: Trials, facts: Mapping[str, Any], settings: Settings) -> dict[str, Score]:
        pairs = [t for t in facts["tasks"] if len(TASKS[t].conditions) == 2]
        paired = torch.isin(
            trials["task"], torch.tensor([facts["tasks"].index(t) for t in pairs], dtype=torch.long)
        )
        two = {k: v[paired] for k, v in trials.items()}
        place = {facts["tasks"].index(t): k for k, t in enumerate(pairs)}
        two["task"] = torch.tensor([place[t] for t in two["task"].tolist()], dtype=torch.long)
        cells = sorted(
            {(c, n) for c, n in zip(trials["condition"].tolist(), trials["set_size"].tolist(), strict=True)}
        )
        metrics: dict[str, tuple[Any, Trials]] = {
            "slope": (SearchSlopes(facts["conditions"]), trials),
            "slope_correlation": (SlopeCorrelation(facts["conditions"]), trials),
        }
        if pairs:
            metrics["asymmetry"] = SearchAsymmetry(pairs), two
            metrics["asymmetry_gated"] = SearchAsymmetry(pairs, self.min_slope), two
            if "group" in trials:  # means have no residuals of trials
                metrics["p"] = SearchModelComparison(pairs), two
        if "fixations" in trials:
            metrics["fixations"] = (
                MeanFixations(facts["conditions"]),
                trials | {"saccades": trials["fixations"]},
            )
            metrics["found"] = FoundRate(facts["conditions"]), trials
        names = [f"{facts['conditions'][c]} at {n}" for c, n in cells]
        at = torch.tensor(
            [
                cells.index(c)
                for c in zip(trials["condition"].tolist(), trials["set_size"].tolist(), strict=True)
            ]
        )
        metrics["rt_ms"] = MeanFixations(names), trials | {"condition": at, "saccades": trials["cost"]}
        found: dict[str, Score] = {}
        for column, (metric, given) in metrics.items():
            metric.update(**metric._filter_kwargs(**given))
            value = metric.interval(settings.resamples, seed=settings.seed)
            parts = {"": value} if isinstance(value, Score) else value
            if column == "p" or "group" not in trials:  # p has no interval; means have nothing to draw
                parts = {part: s._replace(low=torch.nan, high=torch.nan) for part, s in parts.items()}
            found |= {f"{column}.{part}" if part else column: score for part, score in parts.items()}
        return found

    def _known(self, data: Data, facts: Mapping[str, Any], settings: Settings) -> dict[str, dict[str, Score]]:
        """Rows of people and of published models."""
        rows = {}
        people = _people_trials(data.people(), facts, data.target_present)
        if len(people["cost"]):
            rows[PEOPLE] = self._columns(people, facts, settings)
        if not data.target_present:
            return rows
        stored = _published_trials(facts)
        if len(stored["cost"]):
            rows[ECCNET] = self._columns(stored, facts, settings)
        for row, values in published.ASYMMETRY.items():
            known = {t: v for t, v in zip(ASYMMETRY, values, strict=True) if t in facts["tasks"]}
            if known:
                rows[row] = {f"asymmetry.{t}": _only(v) for t, v in known.items()}
            if len(known) == len(ASYMMETRY):
                rows[row]["asymmetry.mean"] = _only(float(np.mean(values)))
        return rows

    def _reasons(self, result: Scores) -> dict[tuple[str, str], str]:
        why = {}
        for row, found in result.table.items():
            for column, score in found.items():
                if not np.isfinite(score.value):
                    why[row, column] = self._reason(column, found)
        return why

    def _reason(self, column: str, found: Mapping[str, Score]) -> str:
        metric, _, part = column.partition(".")
        if metric == "asymmetry_gated" and np.isfinite(found[f"asymmetry.{part}"].value):
            return f"neither slope reaches {self.min_slope:g} ms per item"
        if metric == "slope_correlation":
            return "fewer than three conditions with slopes of both, or slopes that are all equal"
        lacks = "no display with a target that was found, or a single set size"
        return f"{lacks}, or no noise around one line" if metric == "p" else lacks


def _ready(rows: Mapping[str, Predictor], notes: list[str]) -> dict[str, Predictor]:
    """The rows whose nets are at hand. Only a further row whose weights were not asked for by name may be left out."""
    kept: dict[str, Predictor] = {}
    for name, row in rows.items():
        try:
            if isinstance(row, SearchRow):
                row.ready()
        except FileNotFoundError as error:
            if not kept or getattr(row, "weights", "") is not None:
                raise
            notes.append(f"{name} is left out: {' '.join(str(error).split())}")
            continue
        kept[name] = row
    return kept


def _trials(row: Predictor, data: Data, settings: Settings, told: Callable[[int], None]) -> Trials:
    """What a searcher did, display by display."""
    generator, kept = torch.Generator().manual_seed(settings.seed), []
    row.eval()
    for batch in data.batches(data.split):
        with torch.no_grad():
            said = row.predict(batch, generator, settings.samples)
        given = move_data_to_device(
            {k: (batch | said)[k] for k in (*ARGUMENTS, "cost", "fixations", "found")}, "cpu"
        )
        kept.append(given)
        told(len(batch["group"]))
    return {k: torch.cat([part[k] for part in kept]) for k in kept[0]}


def _people_trials(people: People, facts: Mapping[str, Any], target_present: bool) -> Trials:
    """Reaction times as trials, one for each participant at each set size: their mean, as in people's slopes.

    Participants are the groups that intervals draw. Pooled trials would make one who answers slowly and has more of
    them at some set sizes look like a slope.
    """
    names = facts["conditions"]
    chosen = np.isin(people.condition, names) & (people.target_present == target_present)
    condition = np.array([names.index(c) for c in people.condition[chosen]], int)
    set_size, rt_ms = people.set_size[chosen], people.rt_ms[chosen]
    if people.participant is None:
        return _numbered(condition.tolist(), set_size, rt_ms, facts)
    who = np.unique(people.participant[chosen], return_inverse=True)[1]
    cells, index = np.unique(np.stack([who, condition, set_size], 1), axis=0, return_inverse=True)
    rt_ms = np.bincount(index.ravel(), rt_ms) / np.bincount(index.ravel())
    who, condition, set_size = cells.T
    return _numbered(condition.tolist(), set_size, rt_ms, facts) | {"group": torch.as_tensor(who)}


def _published_trials(facts: Mapping[str, Any]) -> Trials:
    rows = [
        (facts["conditions"].index(name), n, float(rt_ms(torch.tensor(total / displays))), total / displays)
        for name, (displays, totals) in published.FIXATIONS.items()
        if name in facts["conditions"]
        for n, total in zip(task_of(name).set_sizes, totals, strict=True)
    ]
    condition, size, cost, fixations = zip(*rows, strict=True) if rows else ((), (), (), ())
    trials = _numbered(list(condition), np.array(size), np.array(cost), facts)
    many = len(condition)
    return trials | {"fixations": torch.tensor(fixations), "found": torch.ones(many, dtype=torch.bool)}


def _numbered(
    condition: list[int], set_size: np.ndarray, cost: np.ndarray, facts: Mapping[str, Any]
) -> Trials:
    index = torch.tensor(condition, dtype=torch.long)
    return {
        "condition": index,
        "task": torch.tensor(facts["condition_task"], dtype=torch.long)[index],
        "is_hard": torch.tensor(facts["condition_hard"])[index],
        "human_slope_ms": torch.tensor(facts["condition_human_slope_ms"], dtype=torch.float64)[index],
        "set_size": torch.as_tensor(set_size.astype(int)),
        "cost": torch.as_tensor(cost.astype(float)),
    }


def _only(value: float) -> Score:
    return Score(value, torch.nan, torch.nan, 1, 0)


def _notes(data: Data) -> list[str]:
    notes = [
        "asymmetry: (hard - easy) / (hard + easy) of the slopes; 'hard' is the condition that is harder for people",
        "a model's reaction time is 252.359 ms per saccade + 376.271 ms (Gupta et al. 2021), the same in all tasks",
    ]
    if not data.target_present:
        notes.append("without a target no searcher stops by itself: fixations and times are undefined")
    return notes
