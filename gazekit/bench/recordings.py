"""Speed of turning an hour of gaze into events, compared with pymovements (0.28.0) if it is installed.

The gaze is synthetic: an hour at 1000 Hz by default. The reading reference is timed on a shorter file and scaled, as
its time is proportional to the number of samples.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.geometry import Screen
from gazekit.harness import Case
from gazekit.recordings.detectors import IDT, IVT, AdaptiveVelocity, Blinks, Microsaccades, Pursuit
from gazekit.recordings.quality import gaze_quality, quality
from gazekit.recordings.recording import Gaze, Recording
from gazekit.recordings.synthetic import SyntheticGaze
from gazekit.recordings.velocity import to_dva, velocity_dva_s

__all__ = ["Sizes", "cases", "write_asc"]

SCREEN = Screen(1024, 768, 38.0, 70.0)
_WINDOW_MS, _MIN_MS, _LIMIT = 20, 60, 30.0


@dataclass(frozen=True)
class Sizes:
    """Sizes of the cases.

    Args:
        duration_s, rate_hz: duration and rate of the gaze.
        reference_s: duration of the shorter file that the reference reads.
        dispersion_s: duration of the gaze for the reference's I-DT, whose time grows faster than the samples.
    """

    duration_s: float = 3600.0
    rate_hz: float = 1000.0
    reference_s: float = 300.0
    dispersion_s: float = 20.0


def cases(device: str = "cpu", sizes: Sizes | None = None) -> list[Case]:
    """Reading an EyeLink file, velocity, detectors and quality; all on the CPU.

    Raises:
        ValueError: another device.
    """
    if device != "cpu":
        raise ValueError(f"recordings are processed on the CPU, got device={device!r}")
    sizes = sizes or Sizes()
    gaze = _gaze(sizes, sizes.duration_s)
    return [_whole(sizes, gaze), *_steps(sizes, gaze)]


def write_asc(gaze: Gaze, path: Path) -> Path:
    """The stream as an EyeLink text file of one block, right eye, positions rounded to 0.1 px; times in whole ms.

    Raises:
        ValueError: times that are not whole ms.
    """
    t = gaze.t_ms.astype(np.int64)
    if (t != gaze.t_ms).any():
        raise ValueError("times must be whole ms")
    rate = f"RATE\t{gaze.rate_hz:.2f}\tTRACKING\tCR\tFILTER\t2"
    with path.open("w") as file:
        file.write(
            "** CONVERTED FROM made.edf using edfapi 3.1\n** TYPE: EDF_FILE BINARY EVENT SAMPLE TAGGED\n"
        )
        file.write(
            "** VERSION: EYELINK II 1\n** SOURCE: EYELINK CL\n** EYELINK II CL v5.03 Jul  3 2014\n**\n\n"
        )
        file.write(f"MSG\t{t[0]} DISPLAY_COORDS 0 0 {SCREEN.width_px - 1} {SCREEN.height_px - 1}\n")
        file.write(f"START\t{t[0]} \tRIGHT\tSAMPLES\tEVENTS\nPRESCALER\t1\nVPRESCALER\t1\nPUPIL\tAREA\n")
        file.write(f"EVENTS\tGAZE\tRIGHT\t{rate}\nSAMPLES\tGAZE\tRIGHT\t{rate}\n")
        file.write(f"MSG\t{t[0]} !MODE RECORD CR {gaze.rate_hz:.0f} 2 1 R\n")
        for time, (x, y), known in zip(t.tolist(), gaze.xy_px.tolist(), gaze.valid.tolist(), strict=True):
            where = f"{x:7.1f}\t{y:7.1f}\t 1000.0" if known else "   .\t   .\t    0.0"
            file.write(f"{time}\t{where}\t...\n")
        file.write(
            f"END\t{t[-1] + 1} \tSAMPLES\tEVENTS\tRES\t  {SCREEN.px_per_dva:.2f}\t  {SCREEN.px_per_dva:.2f}\n"
        )
    return path


def _gaze(sizes: Sizes, duration_s: float) -> Gaze:
    return SyntheticGaze(rate_hz=sizes.rate_hz, duration_s=duration_s, screen=SCREEN).make(0).gaze


def _whole(sizes: Sizes, gaze: Gaze) -> Case:
    folder = Path(tempfile.mkdtemp(prefix="gazekit-bench-"))
    long = write_asc(gaze, folder / "long.asc")
    part = gaze.between(0, sizes.reference_s * 1000)
    short = write_asc(part, folder / "short.asc")

    def run() -> tuple:
        recording = Recording.open(long, SCREEN)
        events = IVT(_LIMIT, _MIN_MS, window_ms=_WINDOW_MS).detect(recording.gaze(), SCREEN)
        return events, quality(recording)

    weakref.finalize(run, shutil.rmtree, folder, ignore_errors=True)  # the files are deleted with the case
    return Case(
        f"read .asc, velocity, I-VT, quality: {_size(gaze)}",
        run,
        items=len(gaze),
        unit="sample",
        **_reference(
            "pymovements from_asc, pix2deg, pos2vel, ivt", lambda: _pymovements_file(short), len(part)
        ),
    )


def _steps(sizes: Sizes, gaze: Gaze) -> list[Case]:
    xy_dva, few = to_dva(gaze.xy_px, SCREEN), gaze.between(0, sizes.dispersion_s * 1000)
    fixations = IVT().detect(gaze, SCREEN)
    steps: list[tuple[str, Callable[[], Any], dict]] = [
        ("velocity", lambda: velocity_dva_s(gaze.t_ms, xy_dva, _WINDOW_MS),
         _reference("pymovements pos2vel(savitzky_golay)", _pymovements_velocity(gaze), len(gaze))),
        ("I-VT", lambda: IVT().detect(gaze, SCREEN),
         _reference("pymovements pix2deg, pos2vel, ivt", _pymovements_ivt(gaze), len(gaze))),
        ("I-DT", lambda: IDT().detect(gaze, SCREEN),
         _reference("pymovements pix2deg, idt", _pymovements_idt(few), len(few))),
        ("adaptive velocity", lambda: AdaptiveVelocity().detect(gaze, SCREEN), {}),
        ("microsaccades", lambda: Microsaccades().detect(gaze, SCREEN), {}),
        ("blinks", lambda: Blinks().detect(gaze), {}),
        ("pursuit among fixations", lambda: Pursuit().flag(fixations, gaze, SCREEN), {}),
        ("quality", lambda: gaze_quality(gaze, SCREEN), {}),
    ]  # fmt: skip
    return [
        Case(f"{name}: {_size(gaze)}", run, items=len(gaze), unit="sample", **reference)
        for name, run, reference in steps
    ]


def _size(gaze: Gaze) -> str:
    return f"{len(gaze) / 1e6:g} M samples at {gaze.rate_hz:g} Hz"


def _reference(name: str, run: Callable[[], Any] | None, items: int) -> dict[str, Any]:
    if find_spec("pymovements") is None:
        return {}
    return {"reference": name, "run_reference": run, "reference_items": items}


def _experiment(rate_hz: float) -> Any:
    import pymovements as pm

    height_cm = SCREEN.width_cm * SCREEN.height_px / SCREEN.width_px
    return pm.Experiment(
        screen_width_px=SCREEN.width_px, screen_height_px=SCREEN.height_px,
        screen_width_cm=SCREEN.width_cm, screen_height_cm=height_cm,
        distance_cm=SCREEN.distance_cm, origin="upper left", sampling_rate=rate_hz,
    )  # fmt: skip


def _velocity_and_ivt(gaze: Any) -> Any:
    size = 2 * int(_WINDOW_MS / 2 * gaze.experiment.sampling_rate / 1000) + 1
    gaze.pix2deg()
    gaze.pos2vel("savitzky_golay", degree=2, window_length=max(3, size))
    gaze.detect("ivt", minimum_duration=_MIN_MS, velocity_threshold=_LIMIT)
    return gaze.events


def _pymovements_file(path: Path) -> Any:
    import pymovements as pm

    return _velocity_and_ivt(pm.gaze.from_asc(path, experiment=_experiment(1000.0)))


def _pymovements_gaze(gaze: Gaze) -> Any:
    import pymovements as pm

    return pm.gaze.from_numpy(
        time=gaze.t_ms.astype(np.int64), pixel=gaze.xy_px.T, experiment=_experiment(gaze.rate_hz)
    )


def _pymovements_velocity(gaze: Gaze) -> Callable[[], Any]:
    def run() -> Any:
        theirs.pos2vel("savitzky_golay", degree=2, window_length=size)

    if find_spec("pymovements") is None:
        return run
    size = max(3, 2 * int(_WINDOW_MS / 2 * gaze.rate_hz / 1000) + 1)
    theirs = _pymovements_gaze(gaze)
    theirs.pix2deg()
    return run


def _pymovements_ivt(gaze: Gaze) -> Callable[[], Any]:
    return lambda: _velocity_and_ivt(_pymovements_gaze(gaze))


def _pymovements_idt(gaze: Gaze) -> Callable[[], Any]:
    def run() -> Any:
        theirs = _pymovements_gaze(gaze)
        theirs.pix2deg()
        theirs.detect("idt", minimum_duration=100, dispersion_threshold=1.0)
        return theirs.events

    return run
