"""Areas of interest from "CVAT for video 1.1" or "CVAT for images 1.1" XML, read without entities."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np

from gazekit.errors import RecordingError
from gazekit.recordings.aoi.shapes import MovingBox
from gazekit.recordings.files import read_bytes

__all__ = ["finite", "moving_box", "read_cvat"]


def read_cvat(path: str | Path) -> list[MovingBox]:
    """Boxes that move, or boxes of single frames, from "CVAT for video 1.1" or "CVAT for images 1.1" XML.

    A track's box moves linearly between the listed boxes, disappears at one with outside="1" (until then it
    stays in place), and keeps its last position to the end. Document types and entities are rejected.

    Raises:
        FileNotFoundError: no such file.
        RecordingError: broken or unsafe XML, another root, shapes other than boxes, a task that skips frames.
    """
    path = Path(path).expanduser()
    root = _safe_xml(path)
    if root.tag != "annotations":
        raise RecordingError(f"{path}: expected CVAT's <annotations>, got <{root.tag}>")
    skip, start = ((root.findtext(f".//{key}") or "").strip() for key in ("frame_filter", "start_frame"))
    if skip or start not in ("", "0"):
        raise RecordingError(
            f"{path}: the task covers only some frames of the video (start {start or 0}, {skip or 'no filter'}), so "
            "its frame numbers may differ from the video's; create a task for the whole video"
        )
    tracks = [_cvat_track(path, element) for element in root.iter("track")]
    stills: dict[str, list] = {}
    for image in root.iter("image"):
        for number, shape in enumerate(_shapes(path, image, "box")):
            where = f"{path}, image {image.get('id')}, box {number}"
            key = f"{number:06d} {_attribute(where, shape, 'label')}"
            stills.setdefault(key, []).append((_whole(where, image, "id"), _xml_box(where, shape), True))
    return tracks + [moving_box(path, key[7:], sorted(keys), False) for key, keys in stills.items()]


def _cvat_track(path: Path, element: ElementTree.Element) -> MovingBox:
    where = f"{path}, track {element.get('id')}"
    keys = []
    for shape in _shapes(path, element, "box"):
        frame, outside = _whole(where, shape, "frame"), shape.get("outside", "0")
        if outside not in ("0", "1"):
            raise RecordingError(f"{where}, frame {frame}: outside must be 0 or 1, got {outside!r}")
        keys.append((frame, _xml_box(f"{where}, frame {frame}", shape), outside == "0"))
    return moving_box(path, _attribute(where, element, "label"), keys, True)


def _shapes(path: Path, parent: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    other = {child.tag for child in parent} - {kind, "tag"}
    if other:
        raise RecordingError(
            f"{path}, {parent.tag} {parent.get('id')}: {', '.join(sorted(other))} is not a box; only boxes are read"
        )
    return parent.findall(kind)


def _xml_box(where: str, shape: ElementTree.Element) -> list[float]:
    try:
        if float(shape.get("rotation", 0)) != 0:
            raise ValueError(
                f"the box is rotated by {shape.get('rotation')} degrees; only upright boxes can be read"
            )
        return [finite(float(_attribute(where, shape, key))) for key in ("xtl", "ytl", "xbr", "ybr")]
    except ValueError as error:
        raise error if isinstance(error, RecordingError) else RecordingError(f"{where}: {error}") from error


def _attribute(where: str, element: ElementTree.Element, name: str) -> str:
    value = element.get(name)
    if value is None:
        raise RecordingError(f"{where}: <{element.tag}> has no attribute {name!r}")
    return value


def _whole(where: str, element: ElementTree.Element, name: str) -> int:
    value = _attribute(where, element, name)
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise RecordingError(f"{where}: {name} must be a whole number >= 0, got {value[:40]!r}")
    return int(value)


def _safe_xml(path: Path) -> ElementTree.Element:
    content, _ = read_bytes(path)
    scan = expat.ParserCreate()

    def refuse(*_: Any) -> None:
        raise RecordingError(
            f"{path}: the XML declares a document type, which CVAT exports never do; rejected for safety"
        )

    scan.StartDoctypeDeclHandler = refuse
    try:
        scan.Parse(content, True)
        return ElementTree.fromstring(content)
    except (expat.ExpatError, ElementTree.ParseError, LookupError) as error:
        raise RecordingError(f"{path}: not readable XML, is it complete? ({error})") from error
    except ValueError as error:  # an unknown encoding
        raise error if isinstance(error, RecordingError) else RecordingError(f"{path}: {error}") from error


def moving_box(
    path: Path, label: str, keys: list[tuple[int, list[float], bool]], interpolate: bool
) -> MovingBox:
    if not keys:
        raise RecordingError(f"{path}: the track of {label!r} has no box")
    frames, boxes, visible = zip(*keys, strict=True)
    try:
        return MovingBox(label, np.array(frames), np.array(boxes), np.array(visible), interpolate)
    except (ValueError, OverflowError) as error:
        raise RecordingError(f"{path}: {error}") from error


def finite(value: Any) -> float:
    """A plausible picture coordinate, at most 10^12."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1e12:
        raise ValueError(f"{value!r:.40} is not a finite number")
    return float(value)
