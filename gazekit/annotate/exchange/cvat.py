"""CVAT for video 1.1: a track for each object; boxes that interpolation reproduces are not listed.

CVAT has one source a track; a box whose source is another has it in an attribute of its own, as has a score. Every box
that is listed is a keyframe to CVAT, which drops others when it reads; those that nobody has set say so in another one.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from gazekit.annotate.exchange.tracks import Key, Track, check_size, frames_between, tracks_of, used_labels
from gazekit.annotate.project import Project
from gazekit.annotate.project.rows import Row
from gazekit.errors import RecordingError
from gazekit.recordings.aoi import read_cvat
from gazekit.recordings.files import read_bytes

__all__ = ["read", "text"]

# CVAT's words; what it has no word for is written beside the box.
_WORDS = {"manual": "manual", "propagated": "semi-auto", "predicted": "auto", "imported": "file"}
_MADE = "interpolated"  # "1": listed because interpolation does not reproduce it, not set by a person
_SIZES = ("size", "original_size/width", "original_size/height")
_SOURCES = {word: source for source, word in _WORDS.items()}


def text(project: Project, step: int | None = None) -> str:
    """The content of the file."""
    snapshot = project.store.snapshot()
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    task = SubElement(SubElement(root, "meta"), "task")
    for name, value in (
        ("name", project.ids["folder"]),
        ("size", project.n_frames),
        ("mode", "interpolation"),
    ):
        SubElement(task, name).text = str(value)
    labels = SubElement(task, "labels")
    for label in used_labels(snapshot):
        entry = SubElement(labels, "label")
        SubElement(entry, "name").text = label["name"]
        SubElement(entry, "attributes")
    size = SubElement(task, "original_size")
    for name, value in zip(("width", "height"), project.size_px, strict=True):
        SubElement(size, name).text = str(value)
    for track in tracks_of(snapshot, project.n_frames, step):
        _write(root, track)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True).decode()


def _write(root: Element, track: Track) -> None:
    word = _WORDS.get(track.keys[0].source, "manual")
    element = SubElement(root, "track", id=str(track.number - 1), label=track.label, source=word)
    gone = {key.frame + 1: key for key in track.last}
    shown = {key.frame: key for key in track.keys}
    for frame in sorted({*shown, *gone}):
        key = shown.get(frame, gone.get(frame))
        outside = frame not in shown
        _write_box(element, frame, key, outside, None if outside else _SOURCES[word])


def _write_box(element: Element, frame: int, key: Key, outside: bool, source: str | None) -> None:
    box = dict(zip(("xtl", "ytl", "xbr", "ybr"), (f"{side:.2f}" for side in key.box), strict=True))
    flags = {"keyframe": "1", "outside": str(int(outside)), "occluded": "0"}
    entry = SubElement(element, "box", {"frame": str(frame)} | flags | box | {"z_order": "0"})
    if not (key.keyframe or outside):
        entry.set(_MADE, "1")
    if source is not None and key.source != source:
        entry.set("source", key.source)
    if source is not None and key.score is not None:
        entry.set("score", repr(key.score))


def read(project: Project, path: Path) -> Row:
    """Fields of `boxes.import`. CVAT's track n is track n + 1; each box of a single image is a track.

    Raises:
        FileNotFoundError: no such file.
        RecordingError: as `read_cvat`; a file of another video.
    """
    moving = read_cvat(path)  # refuses what is no box, and document types
    root = ElementTree.fromstring(read_bytes(path)[0])
    count, *size = (_number(root.findtext(f"meta/task/{name}")) for name in _SIZES)
    check_size(project, path, count, None if None in size else size)
    elements = list(root.iter("track"))
    numbers = _numbers(path, elements)
    boxes, free = [], max(numbers, default=0)
    for number, element, box in zip(numbers, elements, moving, strict=False):
        keys = {int(shape.get("frame", 0)): _how(path, element, shape) for shape in element.findall("box")}
        boxes += frames_between(project, f"{path}, track {element.get('id')}", number, box, keys)
    for still in moving[len(elements) :]:
        for frame, sides in zip(still.frames.tolist(), still.boxes_px.tolist(), strict=True):
            free += 1
            boxes.append(
                {"frame": frame, "track": free, "label": still.label, "box": sides, "source": "imported"}
            )
            boxes[-1]["keyframe"] = True
    names = [name.text or "" for name in root.findall("meta/task/labels/label/name")]
    names = dict.fromkeys([*names, *(box.label for box in moving)])
    frames = [_number(image.get("id")) for image in root.iter("image")]
    frames = frames if frames and not elements else None
    return {"labels": [{"name": name} for name in names], "boxes": boxes, "frames": frames}


def _number(text: str | None) -> int | None:
    """A whole number of at most eleven digits, else None."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def _numbers(path: Path, elements: list[Element]) -> list[int]:
    numbers = [_number(element.get("id")) for element in elements]
    if None in numbers or len(set(numbers)) < len(numbers):
        words = ", ".join(element.get("id", "none") for element in elements)
        raise RecordingError(f"{path}: tracks need ids that are whole numbers and differ, got {words:.200}")
    return [number + 1 for number in numbers]


def _how(path: Path, element: Element, shape: Element) -> Row:
    source = shape.get("source") or _SOURCES.get(element.get("source", ""), "imported")
    score = shape.get("score")
    try:
        return {
            "source": source,
            "score": None if score is None else float(score),
            "keyframe": shape.get("keyframe", "1") == "1" and shape.get(_MADE) != "1",
        }
    except ValueError as error:
        raise RecordingError(
            f"{path}, track {element.get('id')}: score must be a number, got {score!r:.40}"
        ) from error
