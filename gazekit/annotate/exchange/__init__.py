"""Export and import: COCO JSON, CVAT video XML, Label Studio JSON, and tables of the labelled fixations.

    >>> export(project, "cvat", "boxes.xml")                           # doctest: +SKIP
    >>> import_(project, "cvat", "boxes.xml", author="ada")            # doctest: +SKIP

An export can be imported without loss: labels, tracks, boxes to 0.01 px, sources, scores and keyframes. CVAT and Label
Studio cannot store confirmed frames, and Label Studio cannot store labels without a box.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gazekit.annotate.exchange import coco, cvat, label_studio, reports
from gazekit.annotate.project import Project
from gazekit.files import written_whole
from gazekit.recordings.files import read_text

__all__ = ["FORMATS", "check_labels", "export", "import_"]

FORMATS = {
    "coco": "COCO JSON, every frame with boxes",
    "cvat": "CVAT for video 1.1, XML with keyframes",
    "label_studio": "Label Studio's video JSON with keyframes",
    "fixations": "a folder of CSV tables: fixations with their AOI, metrics, transitions; a timeline; a methods text",
}
_FILES = {"coco": coco, "cvat": cvat, "label_studio": label_studio}


def export(
    project: Project,
    format: str,
    out: str | Path,
    keyframe_step: int | None = None,
    reviewed_only: bool = False,
    predicted: Mapping[int, tuple[int, float]] = MappingProxyType({}),
) -> Path:
    """Write the labels of a project.

    Args:
        format: of `FORMATS`.
        out: the file, or for "fixations" the folder; an existing one is replaced once all is written.
        keyframe_step: for CVAT and Label Studio: only the boxes of every n-th frame and those where a track begins,
            between which those tools interpolate. None: as many as needed to reproduce every box.
        reviewed_only: for "fixations": labels by a machine that nobody has confirmed are left out, and counted in
            methods.md.
        predicted: for "fixations": label (id) and confidence by the model for fixations without a label in the project,
            as from an `AnnotationSession`.
    Returns:
        `out`.
    Raises:
        ValueError: an unknown format, or nothing to write.
        OSError: `out` cannot be written.
    """
    out = Path(out).expanduser()
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    if keyframe_step is not None and (format not in ("cvat", "label_studio") or keyframe_step < 1):
        raise ValueError(
            f"keyframe_step is a number >= 1 for cvat and label_studio, got {keyframe_step} for {format}"
        )
    if format == "fixations":
        return reports.write(project, out, reviewed_only, predicted)
    if reviewed_only:
        raise ValueError(f"reviewed_only is for the format fixations, got {format}")
    step = () if format == "coco" else (keyframe_step,)
    content = _FILES[format].text(project, *step)
    with written_whole(out) as unfinished:
        unfinished.write_text(content, encoding="utf-8")
    return out


def check_labels(project: Project, path: str | Path) -> None:
    """Check that a file of another tool can be imported, without importing it.

    Raises:
        FileNotFoundError: no such file. ValueError: a file that is broken, or of another video.
    """
    start = read_text(Path(path))[0].lstrip()[:1]
    _FILES[{"<": "cvat", "[": "label_studio"}.get(start, "coco")].read(project, Path(path))


def import_(
    project: Project, format: str, path: str | Path, author: str, tab: str = "", replace: bool = True
) -> dict[str, Any]:
    """Import a file into the project, as one action of the author that can be undone.

    Args:
        format: of `FORMATS`; "fixations" reads `fixation_aoi.csv`, the file or the folder with it.
        replace: the boxes of the file replace all boxes in the frames that it covers: the images that a
            COCO file lists, all frames with CVAT's and Label Studio's tracks. False: they are added, as new tracks.
    Returns:
        As `Store.act`; `changed_frames` is the number of frames whose boxes changed.
    Raises:
        FileNotFoundError: no such file.
        ValueError: an unknown format; a broken file or one of another video (`RecordingError`); boxes that are invalid
            in the project. Nothing is changed.
    """
    path = Path(path).expanduser()
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    content = reports.read(project, path) if format == "fixations" else _FILES[format].read(project, path)
    action = {"op": "boxes.import", "format": format, "replace": replace, **content}
    return project.store.act(action, author, tab)
