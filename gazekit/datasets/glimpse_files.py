"""The layout in which the data of the glimpse prediction network are released: embeddings of glimpses at COCO pictures.

One file per split, `coco_NSD_dg3fix91_r50v6ap_7fix_SPLIT.h5`, with a group SPLIT (train, val or test) of P pictures, R
scanpaths over each, L fixations of each, D numbers of an embedding, and four kinds of gaze (`GAZE`):

    dg3_fix_actvs        float16 [P, R, L, 4, D], embeddings
    next_fix_coords      int32 [P, R, L - 1, 4, 2], x and y of fixations 2 to L minus those of the first (the centre)
    next_fix_rel_coords  int32 [P, R, L - 1, 4, 2], the saccades
    mpnet_embeddings     [P, 768], mean over captions
    full_image_actvs     float16 [P, D], whole picture

"dg3fix91" is the side of a glimpse in pixels of the 256 px pictures, "r50v6" the number of the backbone (`BACKBONES`).
Labels lie in another file, `ms_coco_embeddings.h5`, SPLIT/img_multi_hot [P, K]. Source: arXiv 2511.12715 and its
released code (MIT). Files of this layout are read lazily, and `write_split` writes them.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.errors import DataError
from gazekit.files import written_whole

__all__ = ["BACKBONES", "GAZE", "SIZE_PX", "SPLITS", "GlimpseFile", "write_split"]

GAZE = ("model", "uniform", "permuted", "swapped")
"""Kinds of gaze, in the order of the files: scanpaths of DeepGaze III, and the controls of `glimpse_paths`."""
BACKBONES = (
    "resnet50 untrained",
    "resnet50 ImageNet V1",
    "resnet50 ImageNet V2",
    "resnet50 Barlow Twins",
    "resnet50 DVD-B",
    "dinov2_base",
    "resnet50 SimCLR",
)
SIZE_PX = 256
"""Of the square pictures."""
SPLITS = ("train", "val", "test")


class GlimpseFile:
    """One file; what is in it is read when it is asked for.

    Args:
        path: of the file. split: its group.
    Raises:
        DataError: no HDF5 file, or another layout; the message says what was expected.
    """

    def __init__(self, path: Path, split: str) -> None:
        self.path, self.split = path, split
        try:
            with self._open() as file:
                if split not in file:
                    raise DataError(f"{path} has no group {split!r}, it has {', '.join(file) or 'nothing'}")
                found = {name: value.shape for name, value in file[split].items()}
        except OSError as error:
            raise DataError(f"{path} is not an HDF5 file: {error}") from error
        shape = found.get("dg3_fix_actvs", ())
        if len(shape) != 5 or shape[2] < 2 or shape[3] != len(GAZE):
            raise DataError(
                f"{path}, {split}/dg3_fix_actvs must be [pictures, scanpaths, fixations, {len(GAZE)}, D], got "
                f"{list(shape)}"
            )
        self.pictures, self.scanpaths, self.fixations, _, self.size = shape
        jumps = (self.pictures, self.scanpaths, self.fixations - 1, len(GAZE), 2)
        for name, expected in (
            ("next_fix_coords", jumps),
            ("next_fix_rel_coords", jumps),
            ("mpnet_embeddings", (self.pictures, 768)),
            ("full_image_actvs", (self.pictures, self.size)),
        ):
            if found.get(name) != expected:
                got = "nothing" if name not in found else list(found[name])
                raise DataError(f"{path}, {split}/{name} must be {list(expected)}, got {got}")

    def _open(self) -> Any:
        import h5py

        return h5py.File(self.path, "r")

    def read(self, name: str) -> np.ndarray:
        """A whole array."""
        with self._open() as file:
            return file[self.split][name][()]

    @cached_property
    def offsets_px(self) -> np.ndarray:
        """[P, R, L, 4, 2] fixations minus the first one.

        Raises:
            DataError: saccades that are not the differences of fixations.
        """
        later = self.read("next_fix_coords")
        found = np.concatenate([np.zeros_like(later[:, :, :1]), later], 2)
        wrong = (np.diff(found, axis=2) != self.read("next_fix_rel_coords")).any((1, 2, 3, 4))
        if wrong.any():
            raise DataError(
                f"{self.path}: next_fix_rel_coords are not the differences of next_fix_coords in {int(wrong.sum())} "
                f"pictures, the first is number {int(wrong.argmax())}"
            )
        return found

    def embeddings(self, picture: int, scanpath: int, gaze: int) -> np.ndarray:
        """[L, D]."""
        if not hasattr(self, "_file"):
            self._file = self._open()  # stays open: a batch reads hundreds
        return self._file[self.split]["dg3_fix_actvs"][picture, scanpath, :, gaze]

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_file"}  # each process opens its own


def write_split(
    root: str | Path,
    split: str,
    embeddings: np.ndarray,
    xy_px: np.ndarray,
    caption: np.ndarray,
    whole: np.ndarray,
    glimpse_px: int = 91,
    backbone: int = 6,
    extent: str = "NSD",
) -> Path:
    """Write one file.

    Args:
        root: folder. split: "train", "val" or "test".
        embeddings: [P, R, L, 4, D], stored as float16.
        xy_px: [P, R, L, 4, 2] fixations in pixels of the 256 px pictures, stored as whole pixels.
        caption: [P, 768]; whole: [P, D] embedding of the picture.
        glimpse_px, backbone, extent: for the name of the file: side of a glimpse, number in `BACKBONES`, "NSD" or
            "AVS".
    Returns:
        The path of the file.
    Raises:
        ValueError: an unknown split, shapes that do not fit together, numbers that float16 cannot hold.
    """
    import h5py

    embeddings, xy_px = np.asarray(embeddings), np.asarray(xy_px)
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    if embeddings.ndim != 5 or embeddings.shape[3] != len(GAZE) or xy_px.shape != (*embeddings.shape[:4], 2):
        raise ValueError(
            f"expected embeddings [P, R, L, {len(GAZE)}, D] and xy_px [P, R, L, {len(GAZE)}, 2], got "
            f"{list(embeddings.shape)} and {list(xy_px.shape)}"
        )
    if not (np.abs(embeddings) < np.finfo(np.float16).max).all():
        raise ValueError("embeddings must be finite, and below 65504 so that float16 holds them")
    whole_px = np.round(xy_px).astype(np.int32)
    name = f"coco_{extent}_dg3fix{glimpse_px}_r50v{backbone}ap_{embeddings.shape[2]}fix_{split}.h5"
    arrays = {
        "dg3_fix_actvs": embeddings.astype(np.float16),
        "next_fix_coords": whole_px[:, :, 1:] - whole_px[:, :, :1],
        "next_fix_rel_coords": np.diff(whole_px, axis=2),
        "mpnet_embeddings": np.float32(caption),
        "full_image_actvs": np.float16(whole),
    }
    path = Path(root).expanduser() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as unfinished, h5py.File(unfinished, "w") as file:
        file.create_dataset("dataset_description", data=f"glimpses of {glimpse_px} px, {split}")
        for key, value in arrays.items():
            file.create_dataset(f"{split}/{key}", data=value)
    return path
