"""Free viewing of crowds with labelled faces (EyeCrowd; Jiang, Xu & Zhao, ECCV 2014).

Objects are the face boxes, 3 to 268 per picture. 257 of the 9,778 boxes extend beyond the edge of the
picture, by up to 88 px; they are clipped and counted in the scene's attributes. 58 % of the fixations lie in
no face box and belong to the nearest face: object sequences are less informative here than in search. 3
scanpaths are empty and kept. The pictures show private people and are neither needed nor fetched.
"""

from __future__ import annotations

from pathlib import Path

from gazekit.datasets.files import add_mat_scanpaths, as_list, clip_boxes, read_mat
from gazekit.datasets.records import (
    DatasetBuilder,
    DatasetInfo,
    Download,
    OnBadRecord,
    ScanpathDataset,
    find_root,
)
from gazekit.scene import Scene

__all__ = ["INFO", "load"]

_SIZE_PX = (1024, 768)
_OBSERVERS = 16
_POSES = {"frontal": "isFrontalFace", "profile": "isProfileFace", "back": "isBackFace"}
_URL = "https://raw.githubusercontent.com/NUS-VIP/saliency-in-crowd/8bb0416ee9942346f0a990f87a1325742fe3293f/data/"

INFO = DatasetInfo(
    name="eyecrowd",
    title="Free viewing of crowds: 16 observers, 500 pictures of 1024 x 768 px with face boxes, durations",
    licence="MIT",
    citation="Jiang, Xu & Zhao, Saliency in Crowd, ECCV 2014",
    source="https://github.com/NUS-VIP/saliency-in-crowd",
    files=("fixations.mat", "labels.mat"),
    known={"da4c83509f75b505": "whole set, 500 images"},
    downloads={
        "fixations.mat": Download(
            _URL + "eye/fixations.mat", "ecf99dcbb4d44c3caa5740361461f6b5775da978f32a87d1cd801c202c3beab6"
        ),
        "labels.mat": Download(
            _URL + "labels.mat", "6244ee450d57f2db978e027a3b79eeb4c8ae80349c5de27b3cf5ca777d620094"
        ),
    },
)


def load(root: str | Path | None = None, on_bad_record: OnBadRecord = "raise") -> ScanpathDataset:
    """Read faces and scanpaths. There is no search task: `target` is None.

    Scene attributes: `pose` ("frontal", "profile" or "back") and `occluded` of each face, `clipped_boxes`.

    Args:
        root: folder with `fixations.mat` and `labels.mat`.
        on_bad_record: "raise" or "skip", see `records.BadRecords`.
    Raises:
        FileNotFoundError: no such folder or file.
        DataError: a broken file, or a broken record unless skipped.
    """
    root = find_root(root, INFO)
    builder = DatasetBuilder(INFO.name, on_bad_record)
    for record in read_mat(root / "labels.mat", "labels"):
        name = str(record.get("img"))
        with builder.scene(name, f"labels.mat, image {name!r}"):
            builder.add_scene(_scene(record))
    add_mat_scanpaths(builder, read_mat(root / "fixations.mat", "fixations"), "fixations.mat", _OBSERVERS)
    return builder.build()


def _scene(record: dict) -> Scene:
    faces = as_list(record["faces"])
    if len(faces) != record["nFaces"]:
        raise ValueError(f"{len(faces)} faces, expected nFaces = {record['nFaces']}")
    corners = [[f["left"], f["top"], f["left"] + f["width"], f["top"] + f["height"]] for f in faces]
    boxes, clipped = clip_boxes(corners, _SIZE_PX)
    return Scene(
        name=record["img"],
        size_px=_SIZE_PX,
        boxes_px=boxes,
        categories=("face",) * len(faces),
        attributes={
            "pose": [_pose(face) for face in faces],
            "occluded": [bool(face["isOccluded"]) for face in faces],
            "clipped_boxes": clipped,
        },
    )


def _pose(face: dict) -> str:
    poses = [pose for pose, field in _POSES.items() if face[field]]
    if len(poses) != 1:
        raise ValueError(f"a face has pose {poses or 'none'}, expected exactly one of {list(_POSES)}")
    return poses[0]
