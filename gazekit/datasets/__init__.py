"""Data sets. One file a set; each offers `INFO` and `load(root, on_bad_record, ...)`.

`load("hsem_hybrid_search", root=...)` returns a `ScanpathDataset`, scenes and scanpaths over them;
`load("gazefollow", root=...)` a `GazeDataset`, pictures of people who look somewhere. Sets of displays for people offer
`write` too; `load("brain_folder", root=...)` returns `BrainRecords`, responses of voxels to pictures. Data sets know no
model.
"""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from pathlib import Path

from gazekit.datasets.brain_responses import BrainRecords
from gazekit.datasets.gaze_targets import GazeDataset
from gazekit.datasets.records import DatasetInfo, OnBadRecord, ScanpathDataset
from gazekit.errors import DataError

__all__ = ["NAMES", "DataError", "DatasetInfo", "GazeDataset", "ScanpathDataset", "info", "load", "write"]

NAMES = (
    "synthetic_search",
    "sti_amazon_books",
    "hsem_hybrid_search",
    "interiors_search",
    "eyecrowd",
    "osie",
    "scene_saliency_sun500",
    "cap_mit1003",
    "coco_search18",
    "scenes_json",
    "recordings",
    "gazefollow",
    "video_attention_target",
    "childplay",
    "search_asymmetry",
    "search_classics",
    "search_pictures",
    "algonauts2023",
    "brain_folder",
    "brain_bids",
    "rdm_92images",
    "human_motion",
    "szinte2024_v1",
    "glimpse_hdf5",
    "gpn_nsd_rsa",
    "nsd_rdms",
)


def _module(name: str):
    if name not in NAMES:
        raise ValueError(f"unknown data set {name!r}, expected one of: {', '.join(NAMES)}")
    return import_module(f"gazekit.datasets.{name}")


def info(name: str) -> DatasetInfo:
    """The card of a data set."""
    return _module(name).INFO


def load(
    name: str, root: str | Path | None = None, on_bad_record: OnBadRecord = "raise", **options
) -> ScanpathDataset | GazeDataset | BrainRecords:
    """Read a data set by name.

    Args:
        name: one of `NAMES`.
        root: its folder (or file, for `scenes_json`); None for generated sets.
        on_bad_record: "raise" stops at the first broken record, "skip" leaves it out and reports it.
        options: further arguments of that loader, see its `load`.
    Raises:
        ValueError: an unknown name or option.
        FileNotFoundError: the folder or a file in it is absent.
        DataError: a file or record is broken.
    """
    read = _module(name).load
    _known_options(name, read, options)
    return read(root=root, on_bad_record=on_bad_record, **options)


def write(name: str, root: str | Path, **options) -> Path:
    """Write a generated set to a folder, for people to look at.

    Args:
        name: a set whose module has a `write`.
        options: its further arguments, see there.
    Returns:
        The folder.
    Raises:
        ValueError: a set that cannot be written, or an unknown option. FileExistsError: the folder holds other files.
    """
    writer = getattr(_module(name), "write", None)
    if writer is None:
        able = ", ".join(other for other in NAMES if hasattr(_module(other), "write"))
        raise ValueError(f"{name} is not a generated set that can be written, expected one of: {able}")
    _known_options(name, writer, options)
    return writer(root=root, **options)


def _known_options(name: str, function, options: dict) -> None:
    known = [key for key in signature(function).parameters if key not in ("root", "on_bad_record")]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(
            f"{name} has no option {', '.join(unknown)}, expected one of: {', '.join(known) or 'none'}"
        )
