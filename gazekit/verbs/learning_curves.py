"""`annotate simulate=RUNS`: learning curves with a simulated annotator, from runs of `fit +experiment=impn`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["learning_curves"]

NUMBERS = ("n_labelled", "every", "steps", "detector_steps")


def learning_curves(runs: Path, given: Mapping[str, str]) -> int:
    """Write curves.csv, a figure a difficulty and report.md; returns the exit status.

    Args:
        runs: folder with the best.ckpt of one or more runs, at any depth.
        given: `run_dir`, and settings of `run_curves`.
    Raises:
        ValueError: unknown or missing settings, no run, a run of another system.
    """
    import pandas as pd
    from rich.console import Console

    from gazekit.models.impn.learning_curves import comparison_table, curves_figure

    settings = dict(given)
    folder = Path(settings.pop("run_dir", "")).expanduser()
    if folder == Path():
        raise ValueError("run_dir=DIR is missing: the folder for the curves")
    options = _options(settings)
    found = sorted(runs.rglob("best.ckpt"))
    if not found:
        raise ValueError(f"simulate={runs}: no best.ckpt in this folder, is it a run of fit?")
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for checkpoint in found:
        parts.append(_of_run(checkpoint, options))
        curves = pd.concat(parts, ignore_index=True)
        curves.to_csv(folder / "curves.csv", index=False)
    lines = [f"# Simulated annotator, from {len(found)} runs in {runs.name}", ""]
    for difficulty, own in curves.groupby("difficulty", sort=False):
        curves_figure(own).savefig(folder / f"curves_{difficulty}.png", dpi=150)
        lines += [
            f"## {difficulty}",
            "",
            *comparison_table(own),
            "",
            f"![curves](curves_{difficulty}.png)",
            "",
        ]
    (folder / "report.md").write_text("\n".join(lines))
    Console(soft_wrap=True, highlight=False).print("\n".join([*lines, f"written to {folder}"]), markup=False)
    return 0


def _options(settings: Mapping[str, str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in settings.items():
        if name == "models":
            options[name] = [model.strip() for model in value.strip("[]").split(",")]
        elif name in NUMBERS and value.isdecimal() and int(value) > 0:
            options[name] = int(value)
        else:
            wanted = (
                "a number from 1 on" if name in NUMBERS else f"one of models, {', '.join(NUMBERS)}, run_dir"
            )
            raise ValueError(f"{name}={value}: expected {wanted}")
    return options


def _of_run(checkpoint: Path, options: Mapping[str, Any]) -> pd.DataFrame:
    from gazekit.base import Data
    from gazekit.models.impn import IMPN
    from gazekit.models.impn.run_curves import run_curves
    from gazekit.run.checkpoint import load_checkpoint
    from gazekit.run.recipe import make

    system = load_checkpoint(checkpoint)
    if not isinstance(system, IMPN):
        raise ValueError(
            f"{checkpoint} is of {type(system).__name__}, expected a run of fit +experiment=impn"
        )
    data = make(system.recipe["data"], Data, "data")
    data.setup()
    data.seed = data.video_seed
    said = f"{data.difficulty}, video {data.video_seed}"
    curves = run_curves(
        system.labeller, data, **options, progress=lambda text: print(f"{said}: {text}", file=sys.stderr)
    )
    return curves.assign(difficulty=data.difficulty)
