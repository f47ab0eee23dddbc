"""`fit` and `evaluate` of `+experiment=impn`: a detector and a graph head that learn look-alikes from corrections.

`fit` trains a detector on the first frames of each generated video, then its graph head on all fixations of the
labelled part, and scores it on the later part beside the detector alone. `evaluate` lets the simulated annotator start
from the same detectors, and draws how fast the graph head and what it is compared with learn from corrections.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from gazekit.datasets.synthetic_egocentric import LABELS, make
from gazekit.models.impn.baselines import MODELS
from gazekit.models.impn.learning_curves import TITLES, compare, corrections_to_reach, curves_figure, summary
from gazekit.models.impn.detector import TinyDetector
from gazekit.models.impn.egocentric import OnWholeDetector, WholeDetector, labelled_video, start_detector
from gazekit.models.impn.simulated_annotator import LabelledVideo, Model, simulate

__all__ = ["evaluate_annotation", "fit_annotation"]

log = logging.getLogger(__name__)

FIT_MODELS = ("graph", "detector", "per box")
UNTRAINED = "detector alone"
ON_WHOLE = {"whole detector": False, "graph on whole detector": True}  # name: with a graph head


def fit_annotation(cfg: DictConfig) -> pd.DataFrame:
    """Train and test on videos of all difficulties and seeds; returns the table of the report.

    Raises:
        ValueError: unknown difficulties, settings that make no video.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
    settings, parts = cfg.annotation, []
    for difficulty, seed in _videos(settings):
        video, detector = _video(settings, difficulty, seed), TinyDetector(LABELS, seed=seed)
        log.info("%s, seed %d: the detector learns", difficulty, seed)
        report = start_detector(
            detector, video, settings.start_frames, settings.start_s, settings.detector_steps
        )
        log.info("%d steps in %.0f s", report.steps, report.seconds)
        place = _place(folder, difficulty, seed)
        place.mkdir(parents=True, exist_ok=True)
        detector.save(place / "detector.safetensors")
        seen, test_share = labelled_video(detector, video)
        n = round(len(seen.detections) * (1 - test_share))
        models = {name: MODELS[name] for name in FIT_MODELS}
        kept: dict[str, object] = {}
        curves = simulate(
            lambda _, seen=seen: seen, _keeping(models, kept), [seed], n, n, settings.head_steps, test_share
        )
        kept["graph"].save(place / "learner.safetensors")
        untrained = curves[(curves["frames"] == 0) & (curves["model"] == "graph")].assign(model=UNTRAINED)
        trained = curves[curves["frames"] > 0]
        parts.append(pd.concat([trained, untrained]).assign(difficulty=difficulty))
    rows = pd.concat(parts, ignore_index=True)
    rows.to_csv(folder / "scores.csv", index=False)
    lines = [line for difficulty in settings.difficulties for line in _table(rows, difficulty)]
    _write(folder, f"{cfg.name}: look-alikes in generated egocentric videos", [*_what(settings), "", *lines])
    return rows


def evaluate_annotation(cfg: DictConfig) -> pd.DataFrame:
    """Let the simulated annotator start from the detectors of a run folder; returns the curves.

    `annotation` of the run's `config.yaml` holds; what the command line gives as `+annotation.KEY=` replaces it.

    Each video's curves are written when they are done: the same command with the same `run_dir=` goes on from there.

    Raises:
        FileNotFoundError: a detector of the run is absent. ValueError: it does not fit this version.
    """
    folder, run = Path(HydraConfig.get().runtime.output_dir), Path(cfg.ckpt)
    saved = OmegaConf.load(run / "config.yaml")
    if "annotation" not in saved:
        raise ValueError(
            f"ckpt={run} is no run of fit +experiment=impn; of other runs give the best.ckpt in the folder"
        )
    settings = OmegaConf.merge(saved.annotation, cfg.get("annotation", {}))
    _begin(folder, {"ckpt": str(run), "annotation": settings})
    parts = []
    for difficulty, seed in _videos(settings):
        part = folder / f"curves_{difficulty}_{seed}.csv"
        if not part.is_file():
            unfinished = part.with_suffix(".part")
            _curves(settings, run, difficulty, seed).to_csv(unfinished, index=False)
            unfinished.replace(part)
        parts.append(pd.read_csv(part))
    curves = pd.concat(parts, ignore_index=True)
    curves.to_csv(folder / "curves.csv", index=False)
    lines = []
    for difficulty, own in curves.groupby("difficulty", sort=False):
        curves_figure(own).savefig(folder / f"curves_{difficulty}.png", dpi=150)
        lines += [*_comparison(own, difficulty), f"![curves](curves_{difficulty}.png)", ""]
    _write(folder, f"Simulated annotator, from the detectors of {run.name}", lines)
    return curves


def _begin(folder: Path, config: dict) -> None:
    """Write the configuration; curves that were made with another one go."""
    path, config = folder / "config.yaml", OmegaConf.create(config)
    if not path.is_file() or OmegaConf.load(path) != config:
        for stale in folder.glob("curves_*_*.csv"):
            stale.unlink()
    OmegaConf.save(config, path)


def _curves(settings: DictConfig, run: Path, difficulty: str, seed: int) -> pd.DataFrame:
    detector = TinyDetector.load(_place(run, difficulty, seed) / "detector.safetensors")
    if detector.labels != LABELS:
        raise ValueError(
            f"ckpt={run}: its detector knows {', '.join(detector.labels)}, not {', '.join(LABELS)}"
        )
    video = _video(settings, difficulty, seed)
    seen, test_share = labelled_video(detector, video)
    n = min(settings.n_labelled, round(len(seen.detections) * (1 - test_share)))
    log.info("%s, seed %d: the annotator mends %d frames", difficulty, seed, n)
    whole = WholeDetector(detector, video, settings.detector_update_steps)
    models = {name: _maker(name, whole) for name in settings.models}
    curves = simulate(
        lambda _: seen, models, [seed], n, settings.every, settings.update_steps, test_share, log.info
    )
    return curves.assign(difficulty=difficulty)


def _videos(settings: DictConfig) -> Iterator[tuple[str, int]]:
    if unknown := [name for name in settings.models if name not in {**MODELS, **ON_WHOLE}]:
        known = ", ".join({**MODELS, **ON_WHOLE})
        raise ValueError(f"annotation.models has {', '.join(unknown)}, expected some of: {known}")
    return ((difficulty, int(seed)) for difficulty in settings.difficulties for seed in settings.seeds)


def _video(settings: DictConfig, difficulty: str, seed: int):
    return make(settings.duration_s, difficulty, seed, labelled_s=settings.labelled_s)


def _maker(name: str, whole: WholeDetector) -> Callable[[LabelledVideo, int], Model]:
    if name in MODELS:
        return MODELS[name]
    return lambda video, seed: OnWholeDetector(whole, len(video.names), seed, ON_WHOLE[name])


def _place(folder: Path, difficulty: str, seed: int) -> Path:
    return folder / f"{difficulty}_{seed}"


def _keeping(models: dict[str, Callable], kept: dict[str, object]) -> dict[str, Callable]:
    """The same makers, which put what they make into `kept`."""

    def keep(name: str, video: LabelledVideo, seed: int) -> object:
        kept[name] = models[name](video, seed)
        return kept[name]

    return {name: (lambda video, seed, name=name: keep(name, video, seed)) for name in models}


def _what(settings: DictConfig) -> list[str]:
    seeds = ", ".join(map(str, settings.seeds))
    return [
        f"Videos of {settings.duration_s:g} s, seeds {seeds}. The detector was trained on {settings.start_frames} "
        f"frames of the first {settings.start_s:g} s; what learns more did so from all fixations of the first "
        f"{settings.labelled_s:g} s. Scores are of later fixations: mean over seeds and, from two on, 95 % "
        "bootstrap interval.",
    ]


def _table(rows: pd.DataFrame, difficulty: str) -> list[str]:
    own = rows[rows["difficulty"] == difficulty]
    means = summary(own.assign(frames=0)).set_index("model").loc[[*FIT_MODELS, UNTRAINED]]
    names = {"detector": "detector's last layer"}
    lines = [
        f"## {difficulty}",
        "",
        f"| model | {' | '.join(TITLES.values())} |",
        "|---" * (len(TITLES) + 1) + "|",
    ]
    for model, row in means.iterrows():
        cells = (_cell(row[m], row[f"{m}_low"], row[f"{m}_high"]) for m in TITLES)
        lines.append(f"| {names.get(model, model)} | {' | '.join(cells)} |")
    return [*lines, ""]


def _comparison(curves: pd.DataFrame, difficulty: str) -> list[str]:
    """What the graph head gains over each other model at the end, and the corrections that it needs."""
    others = [name for name in curves["model"].unique() if name != "graph"]
    shares = "corrections to its last accuracy, share of all its own | share of its own until it first had it"
    head = f"| graph minus | {' | '.join(TITLES.values())} | {shares} |"
    lines = [f"## {difficulty}", "", head, "|---" * (len(TITLES) + 3) + "|"]
    for other in others:
        gains = compare(curves, "graph", other)
        found = corrections_to_reach(curves, "graph", other)
        reach, first = found["share"], found["share_of_first"]
        cells = [_cell(row.difference, row.low, row.high) for row in gains.itertuples()]
        missed = f" ({int(reach.isna().sum())} of {len(reach)} never)" if reach.isna().any() else ""
        lines.append(f"| {other} | {' | '.join(cells)} | {reach.mean():.2f}{missed} | {first.mean():.2f} |")
    return [*lines, ""]


def _cell(value: float, low: float, high: float) -> str:
    return f"{value:.3f}" if pd.isna(low) else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _write(folder: Path, title: str, lines: list[str]) -> None:
    (folder / "report.md").write_text("\n".join([f"# {title}", "", *lines, ""]))
    text = "\n".join(["", title, *lines, f"run folder: {folder}"])
    Console(soft_wrap=True, highlight=False).print(text, markup=False)
