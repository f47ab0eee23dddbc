"""`score`: scanpaths or saliency maps in files against people's fixations, beside people and baselines."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from gazekit.verbs.score_checks import check_scanpaths, reads_maps, several_sizes, told_apart
from gazekit.verbs.score_metrics import make_metrics, scorable

__all__ = ["main", "score"]

EPILOG = """files:
  people     CSV with one line per fixation, in order: image,observer,x_px,y_px,duration_ms; or JSON, a list of
             {"image", "observer", "x_px": [...], ...}. duration_ms where known; without observer, all fixations
             on an image are one scanpath
  scanpaths  the same, with sample in the place of observer if the model made several an image
  maps       a folder with a map of the size of each image: cat.npy or cat.png for image cat.jpg

metrics (units at the end of a name may be left out, and names of classes do as well):
{metrics}

examples:
  python -m gazekit score --pred model.csv --true people.csv --metrics multimatch,scanmatch --size 800x600
  python -m gazekit score --pred model.csv --true people.csv --metrics scanmatch --size 800x600 \\
      --set scanmatch.bin_ms=50
  python -m gazekit score --pred maps/ --true people.csv --metrics nss,auc,shuffled_auc --sigma-px 24 --out scores.json
  python -m gazekit score --data osie --root DIR --metrics multimatch,scanmatch,nss --sigma-px 24   # people only

--set METRIC.SETTING=VALUE sets what `help(gazekit.metrics.CLASS)` lists, or what a metric needs of every image: a value
(cross_recurrence.radius_px=64), or a folder with one file per image (semantic_sequence_score.label_map=DIR). Several
numbers are separated by commas: scanmatch.grid=12,8; multimatch.grouping=45,300,100 merges saccades that turn by less
than 45 degrees at fixations below 300 ms, or are shorter than 100 px (direction_deg, duration_ms, amplitude_px).
Fixations off the picture are an error for metrics that read places in it: METRIC.on_outside=clip moves them to its
border, and drop leaves them out of metrics of maps.

Rows of the table are scores with 95 % bootstrap intervals over images; columns are who predicts: the model, all
other people ("leave one out"), half of them, people on other images (centre bias), chance. Scanpaths are scored
by metrics of maps too: the density of all fixations that predict a person is the map.
"""


def main(rest: list[str]) -> int:
    """Run `gazekit score ...`.

    Raises:
        ValueError, FileNotFoundError: files, metrics or settings that don't fit; told before scoring.
    """
    options = _parser().parse_args(rest)
    out = Path(options.out) if options.out else None
    if out is not None and not out.absolute().parent.is_dir():
        raise FileNotFoundError(f"--out {out}: the folder {out.parent} does not exist")
    if (options.true is None) == (options.data is None):
        raise ValueError("either --true FILE or --data NAME --root DIR is needed: the people")
    metrics, facts = make_metrics(options.metrics, options.set)
    notes: list[str] = []
    if options.data:
        people = people_of_data(options.data, options.root)
    else:
        size_px = _size(options.size) if options.size else None
        people, notes = people_of_file(options.true, options.pred, size_px)
    people = with_facts(people, facts)
    with Progress(transient=True, console=Console(stderr=True)) as bar:
        task = bar.add_task("scoring", total=1.0)
        try:
            found = score(
                people, metrics, options.pred, options.true or options.data, sigma_px=options.sigma_px,
                unit=options.unit, n_resamples=options.resamples, seed=options.seed,
                progress=lambda row, share: bar.update(task, description=row, completed=share),
            )  # fmt: skip
        except (
            TypeError
        ) as error:  # of what a metric was given: the shell is told, a Python caller sees the cause
            raise ValueError(f"a metric was given what it does not take: {error}") from error
    found = replace(found, notes=notes + found.notes)
    if out is not None:
        out.write_text(json.dumps(found.to_dict(), indent=1, allow_nan=False) + "\n")
    _show(found, metrics)
    return 0


def score(
    people,
    metrics: Mapping[str, Any],
    pred: str | Path | None = None,
    source: str = "people",
    **settings,
):
    """Score a file of predictions beside people and baselines; see `gazekit.metrics.ceiling.human_ceiling`.

    Args:
        people: `gazekit.metrics.ceiling.People`.
        metrics: name to metric.
        pred: file of scanpaths, folder of maps, or None to score people and baselines alone.
        source: where the people are from, for errors.
        settings: of `human_ceiling`.
    Raises:
        ValueError: as `human_ceiling`; fixations off the picture, where a metric refuses these.
    """
    from gazekit.metrics.ceiling import ModelScanpaths, human_ceiling
    from gazekit.scanpath_files import MapFolder, read_scanpaths

    image, who = ([names[i] for i in rows.tolist()] for names, rows in (
        (people.images, people.image_row), (people.observers, people.observer_row),
    ))  # fmt: skip
    notes = check_scanpaths(source, people, people.scanpaths, image, who, metrics)
    models = {}
    if pred is not None and Path(pred).is_dir():
        if not any(reads_maps(metric) for metric in metrics.values()):
            raise ValueError(f"{pred} holds maps, and none of {', '.join(metrics)} scores maps")
        models[Path(pred).name] = MapFolder(pred)
    elif pred is not None:
        file = read_scanpaths(pred)
        model = ModelScanpaths(file.scanpaths, file.image)
        pairs = {name: metric for name, metric in metrics.items() if not reads_maps(metric)}
        notes += check_scanpaths(str(pred), people, model.scanpaths, file.image, file.observer, pairs)
        notes += told_apart(str(pred), file, "sample")
        models[Path(pred).stem] = model
    found = human_ceiling(people, metrics, models, **settings)
    return replace(found, notes=notes)


def people_of_file(true: str | Path, pred: str | Path | None, size_px: tuple[float, float] | None):
    """People of a file, and notes; the sizes of pictures are given, or those of the maps in the folder `pred`."""
    from gazekit.metrics.ceiling import People
    from gazekit.scanpath_files import MapFolder, read_scanpaths

    if pred is not None and not Path(pred).exists():
        raise FileNotFoundError(f"--pred {pred}: no such file or folder")
    file = read_scanpaths(true)
    sizes: Any = size_px
    if sizes is None and pred is not None and Path(pred).is_dir():
        maps = MapFolder(pred)
        images = dict.fromkeys(file.image)
        missing = [image for image in images if image not in maps]
        if missing:
            raise ValueError(
                f"{pred} has no map for {len(missing)} of {len(images)} images, the first is {missing[0]!r}"
            )
        sizes = {image: maps[image].shape[::-1] for image in images}
    if sizes is None:
        raise ValueError("--size WIDTHxHEIGHT of the pictures in pixels is needed, as in --size 800x600")
    notes = told_apart(str(true), file, "observer")
    if isinstance(sizes, dict):
        notes += several_sizes(sizes)
    return People(file.scanpaths, file.image, file.observer, sizes), notes


def people_of_data(name: str, root: str | None):
    """People of a data set."""
    from gazekit.datasets import load
    from gazekit.scanpaths.positions import people_of

    dataset = load(name, root=root)
    return people_of(dataset, range(len(dataset.trials)))


def with_facts(people, facts: Mapping[str, Any]):
    """The people, with facts about their images: one value for all, or a folder with one file per image."""
    from gazekit.scanpath_files import MapFolder

    if not facts:
        return people
    for name, value in facts.items():
        if isinstance(value, str) and not Path(value).is_dir():
            raise ValueError(
                f"--set ....{name}={value}: neither a number nor a folder with one file per image"
            )
    of_image = {
        name: MapFolder(value) if isinstance(value, str) else dict.fromkeys(people.images, value)
        for name, value in facts.items()
    }
    return replace(people, facts=of_image)


def _parser() -> argparse.ArgumentParser:
    class Parser(argparse.ArgumentParser):
        def format_help(self) -> str:
            lines = [f"  {name:<28} {info.reference}" for name, info in sorted(scorable().items())]
            self.epilog = EPILOG.replace("{metrics}", "\n".join(lines))
            return super().format_help()

    parser = Parser(prog="gazekit score", formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--pred", help="scanpaths of a model (.csv, .json) or a folder of its maps; none: people only"
    )
    parser.add_argument("--true", help="people's scanpaths (.csv, .json)")
    parser.add_argument("--data", help="or the people of a data set, see `gazekit data list`")
    parser.add_argument("--root", help="folder of that data set")
    parser.add_argument("--metrics", required=True, help="names separated by commas, see below")
    parser.add_argument("--size", help="WIDTHxHEIGHT of the pictures in pixels; for maps by default theirs")
    parser.add_argument(
        "--sigma-px", type=float, help="blur around a fixation (about 1 degree) for metrics of maps"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="METRIC.SETTING=VALUE", help="of a metric"
    )
    parser.add_argument(
        "--unit", choices=("image", "observer"), default="image", help="what the bootstrap draws"
    )
    parser.add_argument("--resamples", type=int, default=2000, help="bootstrap draws (2000)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (0)")
    parser.add_argument("--out", help="write all numbers to this JSON file as well")
    return parser


def _size(text: str) -> tuple[float, float]:
    width, _, height = text.lower().partition("x")
    try:
        return float(width), float(height)
    except ValueError:
        raise ValueError(f"--size {text}: expected WIDTHxHEIGHT in pixels, as in 800x600") from None


def _show(found, metrics: Mapping[str, Any]) -> None:
    console = Console(highlight=False, markup=False)
    shown = Table(box=box.SIMPLE_HEAD)
    shown.add_column("", no_wrap=True)
    for row in found.rows:
        shown.add_column(row, justify="right")
    arrows = {True: "↑", False: "↓", None: " "}
    for column in found.columns:
        metric = metrics[column.partition(".")[0]]
        cells = [_cell(scores[column]) for scores in found.rows.values()]
        shown.add_row(f"{column} {arrows[metric.higher_is_better]}", *cells)
    if not console.is_terminal:
        console.width = 10_000  # a file has no width: nothing is folded or cut
    console.print(shown)
    console.print("  " + ", ".join(f"{name} {value}" for name, value in found.facts.items()))
    for line in [*found.left_out, *found.notes]:
        console.print(f"  {line}")


def _cell(entry) -> str:
    return "undefined" if math.isnan(entry.value) else str(entry)
