"""Benchmarks of gazekit against the alternatives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gazekit.harness import Case

__all__ = ["BENCHES", "ROOMS"]


def _oat(device: str) -> list[Case]:
    """scanpath generation and training of the default OAT net, and their growth with the number of objects"""
    from gazekit.bench.oat import cases

    return cases(device)


def _metrics(device: str) -> list[Case]:
    """comparisons of thousands of scanpaths and scores of large saliency maps"""
    from gazekit.bench.metrics import cases

    return cases(device)


def _recordings(device: str) -> list[Case]:
    """reading an hour at 1000 Hz, its velocity, events and quality"""
    from gazekit.bench.recordings import cases

    return cases(device)


def _impn(device: str) -> list[Case]:
    """learning from a correction: updates and predictions of the graph head"""
    from gazekit.bench.impn import cases

    return cases(device)


def _annotate(device: str) -> list[Case]:
    """annotation latency: a frame with its predictions, a saved action, the queue"""
    from gazekit.bench.annotate import cases

    return cases(device)


def _features(device: str) -> list[Case]:
    """features of pictures kept on disk, beside a plain loop that keeps them in memory"""
    from gazekit.bench.features import cases

    return cases(device)


def _vitgaze(device: str) -> list[Case]:
    """gaze following: a head's rows against whole attention maps, and the cost of each further person"""
    from gazekit.bench.vitgaze import cases

    return cases(device)


def _search(device: str) -> list[Case]:
    """visual search: eccentric pooling against a pooling per ring, whole searches against one fixation at a time"""
    from gazekit.bench.search import cases

    return cases(device)


def _search_scenes(device: str) -> list[Case]:
    """Bayesian searchers of scenes: maps of people's next fixations and whole searches, against one trial at a time"""
    from gazekit.bench.search_scenes import cases

    return cases(device)


def _foveation(device: str) -> list[Case]:
    """foveated blur against an OpenCV pyramid with masks, foveated texture against a loop over its regions"""
    from gazekit.bench.foveation import cases

    return cases(device)


def _neva(device: str) -> list[Case]:
    """NeVA's scanpaths: batched, scanned and amortised, against one optimisation at a time"""
    from gazekit.bench.neva import cases

    return cases(device)


def _glimpse(device: str) -> list[Case]:
    """the contrast of glimpse prediction, against the table of all pairs"""
    from gazekit.bench.glimpse import cases

    return cases(device)


def _brain(device: str) -> list[Case]:
    """ridge with a penalty per voxel against himalaya and scikit-learn, encoder steps with 40,000 outputs"""
    from gazekit.bench import brain, brain_encoder

    return [*brain.cases(device), *brain_encoder.cases(device)]


def _kernels(device: str) -> list[Case]:
    """all operators of gazekit.kernels at several sizes; individually as kernels.ROOM"""
    return [case for room in ROOMS for case in _room(room, device)]


def _room(room: str, device: str) -> list[Case]:
    return import_module(f"gazekit.kernels.{room}.bench").cases(device)


ROOMS = (
    "object_attention",
    "attention_rows",
    "pointer",
    "roi_align",
    "boxes",
    "foveate",
    "alignment",
    "motion_energy",
)
"""Packages of `gazekit.kernels`, each with a `bench.py`."""

BENCHES: dict[str, Callable[[str], list[Case]]] = {
    "oat": _oat,
    "metrics": _metrics,
    "recordings": _recordings,
    "impn": _impn,
    "vitgaze": _vitgaze,
    "search": _search,
    "search_scenes": _search_scenes,
    "foveation": _foveation,
    "neva": _neva,
    "glimpse": _glimpse,
    "brain": _brain,
    "annotate": _annotate,
    "features": _features,
    "kernels": _kernels,
}
"""Name -> function that creates the cases for a device; `--help` shows the first line of its docstring."""

BENCHES |= {f"kernels.{room}": partial(_room, room) for room in ROOMS}
