"""Your own study: eye-tracker recordings, the pictures that were shown, and the objects in them.

    DIR/stimuli/            the pictures
    DIR/objects.csv         stimulus,label,x_min,y_min,x_max,y_max in pixels of the picture; or COCO as objects.json
    DIR/trials.csv          recording,onset_ms,offset_ms,stimulus and, optionally, observer,target
    DIR/study.json          (or study.yaml) the settings below; needed if there is no trials.csv

    {"recordings": "data/*.asc",                       the files or folders, if messages define the trials
     "start": "^TRIALID \\\\d+ (?P<stimulus>\\\\S+)",      message that begins a trial, see `recordings.TrialMessages`
     "end": "^TRIAL_RESULT", "inside": null,
     "picture_px": "centred",                          or [x_min, y_min, x_max, y_max]: where pictures were shown
     "screen": {"width_px": 1024, "height_px": 768, "width_cm": 38, "distance_cm": 60}}

`recording` is a path below DIR, of any format that gazekit reads; times are ms on the recording's clock as
gazekit reads it (EyeLink's does not start at 0): a trial outside the recording counts as broken. `stimulus`
is the name of a picture, with or without its extension; `target` is the label of the search target, also as a
group (?P<target>...) of a message; `observer` is by default the recording's name without its extension. One
scene is one picture with one target. Fixations off the picture are left out and counted; a trial without any
others is kept with an empty scanpath, and reported.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from gazekit.datasets.records import (
    DataError,
    DatasetBuilder,
    DatasetInfo,
    OnBadRecord,
    ScanpathDataset,
    find_root,
)
from gazekit.datasets.study import Study
from gazekit.recordings.recording import Recording
from gazekit.recordings.scanpaths import cut_trials, fixations_of, scanpaths
from gazekit.scanpath import Scanpath

__all__ = ["INFO", "load"]

_log = logging.getLogger(__name__)

INFO = DatasetInfo(
    name="recordings",
    title="your own eye-tracker recordings, the pictures that were shown and the objects in them",
    licence="yours",
    citation="",
    source="your study",
    files=("stimuli/*",),
    how_to_get="lay out the folder yourself: python -m pydoc gazekit.datasets.recordings",
)


def load(
    root: str | Path | None = None,
    on_bad_record: OnBadRecord = "raise",
    fixations: Literal["tracker", "ivt"] = "tracker",
    grid: tuple[int, int] | None = None,
) -> ScanpathDataset:
    """Read every trial's scanpath over the picture shown in it.

    Args:
        root: the study's folder, laid out as described at the top of this module.
        on_bad_record: "raise" or "skip", see `records.BadRecords`; a record is a recording, a picture or a trial.
        fixations: "tracker": those of the tracker's software; "ivt": by `gazekit.recordings.detectors.IVT`
            with its defaults, which needs the study's "screen". Of two eyes, the one with more valid samples
            is used.
        grid: (rows, columns) of cells used as objects, for a study without objects.
    Raises:
        FileNotFoundError: no such folder, or no pictures in it.
        DataError: a file of the study is broken, or a record unless skipped; no trial has a fixation on its picture.
        ValueError: an unknown value of `fixations`, a grid without cells.
    """
    if fixations not in ("tracker", "ivt"):
        raise ValueError(f"data.options.fixations must be 'tracker' or 'ivt', got {fixations!r}")
    root = find_root(root, INFO)
    study = Study(root, grid)
    builder = DatasetBuilder(INFO.name, on_bad_record)
    off: list[int] = []
    recordings = study.recordings()
    observers = _observers([path for _, path, _ in recordings], root)
    for (where, path, table), observer in zip(recordings, observers, strict=True):
        trials = pd.DataFrame()
        with builder.scanpath(where):
            recording = study.read(path)
            for note in recording.notes:
                _log.info("%s: %s", where, note)
            events = _detect(recording) if fixations == "ivt" else fixations_of(recording)
            trials = cut_trials(recording, study.messages) if table is None else table
            named = trials.get("observer", pd.Series("", trials.index))
            trials = trials.assign(observer=named.where(named != "", observer))
        for number in range(len(trials)):
            with builder.scanpath(f"{where}, trial {trials.index[number]}"):
                off.append(_add_trial(builder, study, recording, trials[number : number + 1], events))
    left = {f"without {sum(off)} fixations off the picture": int(np.count_nonzero(off))} if any(off) else None
    dataset = builder.build(left)
    _tell_empty(dataset, root, sum(off))
    return dataset


def _tell_empty(dataset: ScanpathDataset, root: Path, off: int) -> None:
    empty = [trial for trial in dataset.trials if not len(trial.scanpath)]
    if empty and len(empty) == len(dataset.trials):
        raise DataError(
            f"{root}: none of {len(empty)} trials has a fixation on its picture, {off} fixations are off it; check "
            "the trials' times and picture_px, where on the screen pictures were shown"
        )
    if empty:
        first = f"{dataset.scenes[empty[0].scene].name}, observer {empty[0].scanpath.observer}"
        _log.warning(
            "%d of %d trials have no fixation on their picture; the first: %s",
            len(empty), len(dataset.trials), first,
        )  # fmt: skip


def _observers(paths: list[Path], root: Path) -> list[str]:
    """Names without extension; with folders if names recur, as sub1/gaze.asc and sub2/gaze.asc are two observers."""
    stems = [path.stem for path in paths]
    unique = len(set(stems)) == len(stems)
    return (
        stems if unique else [Path(os.path.relpath(path, root)).with_suffix("").as_posix() for path in paths]
    )


def _add_trial(
    builder: DatasetBuilder, study: Study, recording: Recording, trial: pd.DataFrame, events: pd.DataFrame
) -> int:
    """Add one trial, its scene first; returns how many fixations were off the picture."""
    row = trial.iloc[0]
    (found,) = scanpaths(recording, trial, events, str(row["observer"]))
    target, picture = str(row.get("target") or ""), study.picture(found.stimulus)
    name = f"{picture.name}, target {target}" if target else picture.name
    if name not in builder and not builder.lost(name):
        with builder.scene(name, f"stimulus {name!r}"):
            builder.add_scene(study.scene(picture, target, name))
        builder.lost(name)
    if name not in builder:
        return 0
    path, size = found.scanpath, builder[name].size_px
    xy = study.on_picture(path.xy_px, recording, size)
    inside = ((xy >= 0) & (xy <= size)).all(1)
    builder.add_scanpath(name, Scanpath(xy[inside], path.duration_ms[inside], path.observer))
    return int((~inside).sum())


def _detect(recording: Recording) -> pd.DataFrame:
    from gazekit.recordings.detectors import IVT

    if recording.screen is None:
        raise ValueError('data.options.fixations=ivt needs degrees: give "screen" in study.json')
    return IVT().detect(recording.gaze(), recording.screen)
