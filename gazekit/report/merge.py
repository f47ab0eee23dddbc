"""`report RUN...`: runs of several seeds, settings or models in one table, with intervals over runs, and a figure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf
from scipy.stats import t as student

from gazekit.base.scores import Scores, Table
from gazekit.errors import DataError
from gazekit.metrics import Score
from gazekit.report.files import NUMBERS, read_table, write_files

__all__ = ["merge", "over_runs", "runs_in"]

_NOT_COMPARED = ("seed", "run_dir", "name", "ckpt", "callbacks", "logger", "trust", "device", "metrics")


def merge(folders: Sequence[Path], out: Path) -> str:
    """Merge the runs in some folders; writes metrics.json, report.md and figures into `out`.

    Runs of equal settings but for the seed share a row: the mean of their values with a 95 % interval over runs
    (Student's t). A single run keeps its own interval over images, and so does a row that runs of one seed have in
    common, such
    as a baseline beside several models: it was measured once. Settings that differ become part of the row's name.

    Returns:
        The tables, as text.
    Raises:
        FileNotFoundError: a folder without a run. DataError: a run of another version.
    """
    runs = [_Run(path) for folder in folders for path in runs_in(folder)]
    labels = _labels([run.config for run in runs])
    grouped: dict[str, list[dict[str, Score]]] = {}
    seen: set[str] = set()
    for run, label in zip(runs, labels, strict=True):
        for row, scores in run.table.items():
            name = f"{row} ({label})" if label else row
            again = repr(
                (name, run.record["seed"], scores)
            )  # a row that several models bring along, of one seed
            if again not in seen:
                grouped.setdefault(name, []).append(scores)
            seen.add(again)
    table: Table = {row: over_runs(found) for row, found in grouped.items()}
    better = {c: b for run in runs for c, b in run.record["higher_is_better"].items()}
    scores = Scores(table, higher_is_better=better)
    notes = [f"{len(runs)} runs: {', '.join(run.path.name for run in runs)}", *_alike(runs)]
    notes += [f"{row}: one run, interval over its items" for row, found in grouped.items() if len(found) == 1]
    headline = runs[0].record["headline"]
    title = "Runs of " + ", ".join(dict.fromkeys(run.record["title"] for run in runs))
    seeds = [run.record["seed"] for run in runs]
    facts = {
        "runs": [run.path.name for run in runs],
        "seeds": seeds,
        "data": runs[0].record["data"],
        "seed": None,
    }
    return write_files(out, title, scores, headline, facts, notes, {})


class _Run:
    """A run folder: its numbers and its configuration."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.record = json.loads((path / NUMBERS).read_text())
            self.table = read_table(self.record)
            for key in ("title", "seed", "headline", "higher_is_better", "data"):
                self.record[key]
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise DataError(
                f"{path / NUMBERS} was not written by this version of gazekit ({error}): run evaluate ckpt=... again"
            ) from error
        config = path / "config.yaml"
        self.config = OmegaConf.to_container(OmegaConf.load(config)) if config.is_file() else {}


def runs_in(folder: Path) -> Iterator[Path]:
    """The folder itself, or the run folders below it, in natural order.

    Raises:
        FileNotFoundError: neither holds a run.
    """
    found = [folder] if (folder / NUMBERS).is_file() else [p.parent for p in folder.rglob(NUMBERS)]
    if not found:
        raise FileNotFoundError(f"{folder} holds no run: expected {NUMBERS} in it or in a folder below it")
    yield from sorted(
        found, key=lambda p: [(int(part), "") if part.isdecimal() else (math.inf, part) for part in p.parts]
    )


def _labels(configs: Sequence[Mapping]) -> list[str]:
    """What tells each run's settings from the others', the seed aside; empty where all are equal.

    A setting that equals the seed in every run (of generated data, say) is the seed.
    """
    seeds = [config.get("seed") for config in configs]
    flat = [dict(_flat({k: v for k, v in c.items() if k not in _NOT_COMPARED})) for c in configs]
    keys = dict.fromkeys(key for settings in flat for key in settings)
    targets = {settings.get("model._target_") for settings in flat}
    if len(targets) > 1:  # rows of different models have names of their own
        keys = {key: None for key in keys if key.startswith("data.")}
    values = {key: [settings.get(key) for settings in flat] for key in keys}
    differ = [key for key, found in values.items() if len(set(map(repr, found))) > 1 and found != seeds]
    return [", ".join(f"{key}={settings.get(key)}" for key in differ) for settings in flat]


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value


def _alike(runs: Sequence[_Run]) -> list[str]:
    """A warning if the runs were not scored on the same items."""
    seen = {json.dumps([run.record["data"].get(k) for k in ("name", "split", "fingerprint")]) for run in runs}
    return [] if len(seen) == 1 else ["the runs were scored on different data: their rows are not comparable"]


def over_runs(found: Sequence[Mapping[str, Score]]) -> dict[str, Score]:
    """Mean of each column over runs, with its 95 % interval by Student's t; a single run is returned as it is.

    n is the number of runs with a value, `undefined` of those without.
    """
    if len(found) == 1:
        return dict(found[0])
    columns = dict.fromkeys(column for scores in found for column in scores)
    return {
        column: _mean([scores[column].value for scores in found if column in scores]) for column in columns
    }


def _mean(values: Sequence[float]) -> Score:
    known = np.array([value for value in values if math.isfinite(value)])
    lost = len(values) - len(known)
    if len(known) == 0:
        return Score(math.nan, math.nan, math.nan, 0, lost)
    mean = float(known.mean())
    if len(known) == 1:
        return Score(mean, math.nan, math.nan, 1, lost)
    half = float(student.ppf(0.975, len(known) - 1) * known.std(ddof=1) / math.sqrt(len(known)))
    return Score(mean, mean - half, mean + half, len(known), lost)
