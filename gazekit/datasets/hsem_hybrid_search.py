"""Hybrid visual search: one of 1, 2 or 4 memorised objects among 16 in a scene (HSEM, Ruarte et al. 2024).

The authors merged fixations closer than the fovea (68 px) and cut each scanpath where it first reaches the
target. There are no durations. The first fixation is where the trial's recording starts: within 70 px of the
centre in half of the trials, but up to 700 px away, so it is kept as an ordinary fixation.
"""

from __future__ import annotations

import re
from pathlib import Path

from gazekit.datasets.files import join_xy, read_json
from gazekit.datasets.records import (
    DatasetBuilder,
    DatasetInfo,
    Download,
    OnBadRecord,
    ScanpathDataset,
    find_root,
)
from gazekit.scanpath import Scanpath
from gazekit.scene import Scene

__all__ = ["INFO", "load"]

_URL = (
    "https://raw.githubusercontent.com/NeuroLIAA/ruarte-hs-2024/"
    "2900aeee1311228853fa29dad6450a59e456fd57/Datasets/HSEM/"
)
_OBSERVERS = """
S101 S102 S103 S105 S106 S107 S108 S109 S110 S111 S112 S113 S114 S115 S116 S117 S118 S119
et_117969 et_123082_2 et_179678 et_200877 et_244108 et_244389 et_248301 et_286470 et_305138 et_370500
et_373490 et_389622 et_400297 et_419760 et_501896 et_533569 et_576470 et_601753 et_619958 et_629959_2
et_664304_2 et_677251 et_712871 et_848643 et_862513 et_963607
""".split()
_FILES = ("trials_properties.json", *(f"human_scanpaths/{name}_scanpaths.json" for name in _OBSERVERS))
_ITEMS = 16

INFO = DatasetInfo(
    name="hsem_hybrid_search",
    title="Hybrid search for a memorised object among 16: 44 observers, 1280 x 1024 px scenes, no durations",
    licence="MIT",
    citation="Ruarte et al. 2024, Laboratorio de Inteligencia Artificial Aplicada; raw data at https://osf.io/e97ws",
    source="https://github.com/NeuroLIAA/ruarte-hs-2024, folder Datasets/HSEM",
    files=("trials_properties.json", "human_scanpaths/*_scanpaths.json"),
    known={"bb7b320d20c6516e": "subset of 82 of the 102 target-present images, all 44 observers"},
    downloads={name: Download(_URL + name) for name in _FILES},
    counts={"scenes": 102, "objects": 1632, "observers": 44, "scanpaths": 4442, "fixations": 47628},
)


def load(root: str | Path | None = None, on_bad_record: OnBadRecord = "raise") -> ScanpathDataset:
    """Read the target-present displays and the scanpaths of all observers.

    Scene attributes: `memory_set` (item names), `memory_categories` (theirs, the target's first), `memory_set_size`,
    `target_name`. Categories are the item names without numbers; of "stm_<background>_<n>_<object>_<n>_<n>.png" the
    object.

    The record's `target_found` is not kept. "The last fixation's object is the target" agrees with it in 95 %
    of the trials; the rest are almost all fixations that are nearest to the target but outside its box.

    Args:
        root: folder with `trials_properties.json` and `human_scanpaths/`.
        on_bad_record: "raise" or "skip", see `records.BadRecords`.
    Raises:
        FileNotFoundError: no such folder or file.
        DataError: a broken file, or a broken record unless skipped.
    """
    root = find_root(root, INFO)
    builder = DatasetBuilder(INFO.name, on_bad_record)
    for number, record in enumerate(read_json(root / "trials_properties.json", list)):
        name = record.get("image") if isinstance(record, dict) else None
        label = repr(name) if isinstance(name, str) else f"record {number}"
        with builder.scene(str(name or label), f"trials_properties.json, image {label}"):
            builder.add_scene(_scene(record))
    seen: set[tuple[str, str]] = set()
    for path in sorted((root / "human_scanpaths").glob("*_scanpaths.json")):
        for image, record in read_json(path, dict).items():
            with builder.scanpath(f"human_scanpaths/{path.name}, image {image!r}"):
                _add_scanpath(builder, image, record, seen)
    return builder.build()


def _scene(record: dict) -> Scene:
    items = record["stimulus_info"]
    if len(items) != _ITEMS:
        raise ValueError(f"{len(items)} items, expected {_ITEMS}")
    names = [item["stim_name"] for item in items]
    boxes = [_box(item, "stimulus_matched_", "stimulus_") for item in items]
    target, memory = record["target"], record["memory_set"]
    if names.count(target) != 1:
        raise ValueError(
            f"target {target!r} is unknown, expected exactly one of the items: {', '.join(names)}"
        )
    if target not in memory:
        raise ValueError(f"target {target!r} is not in the memory set {memory}")
    index = names.index(target)
    if boxes[index] != _box(record, "target_matched_", "target_"):
        raise ValueError(
            f"target box {_box(record, 'target_matched_', 'target_')} differs from its item's {boxes[index]}"
        )
    return Scene(
        name=record["image"],
        size_px=(int(record["image_width"]), int(record["image_height"])),
        boxes_px=boxes,
        target=index,
        categories=tuple(_category(name) for name in names),
        attributes={
            "memory_set": list(memory),
            "memory_categories": [
                _category(name) for name in sorted(memory, key=lambda name: name != target)
            ],
            "memory_set_size": len(memory),
            "target_name": target,
        },
    )


def _box(record: dict, corner: str, side: str) -> list[float]:
    """`x_min, y_min, x_max, y_max` from top-left row and column, height and width."""
    x, y = record[f"{corner}column"], record[f"{corner}row"]
    return [x, y, x + record[f"{side}width"], y + record[f"{side}height"]]


def _category(item: str) -> str:
    """`bird213.png` is a bird, `stm_sky_001_kite_001_004.png` a kite."""
    words = re.findall("[A-Za-z ]+", item.removesuffix(".png")) if isinstance(item, str) else None
    if not words:
        raise ValueError(f"item name {item!r} has no letters to take a category from")
    return words[-1].strip()


def _add_scanpath(builder: DatasetBuilder, image: str, record: dict, seen: set[tuple[str, str]]) -> None:
    scanpath = Scanpath(join_xy(record["X"], record["Y"]), observer=str(record["subject"]))
    if (image, scanpath.observer) in seen:
        raise ValueError(f"second scanpath of observer {scanpath.observer!r}, expected one per image")
    seen.add((image, scanpath.observer))
    if image in builder:
        facts = builder[image].attributes
        if record["target_stim"] != facts["target_name"]:
            raise ValueError(
                f"target_stim {record['target_stim']!r} is not the layout's {facts['target_name']!r}"
            )
        if sorted(record["memory_set"]) != sorted(facts["memory_set"]):  # the order differs between observers
            raise ValueError(f"memory set {record['memory_set']} is not the layout's {facts['memory_set']}")
    builder.add_scanpath(image, scanpath)
