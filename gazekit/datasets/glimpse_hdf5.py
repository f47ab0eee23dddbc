"""Glimpses of COCO pictures as they are released (`glimpse_files`), in parts, read batch by batch."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from gazekit.datasets.glimpse_data import GlimpseData, GlimpseRecords
from gazekit.datasets.glimpse_files import BACKBONES, GAZE, SIZE_PX, SPLITS, GlimpseFile
from gazekit.datasets.records import DatasetInfo, OnBadRecord
from gazekit.errors import DataError

__all__ = ["INFO", "GlimpseFiles", "GlimpseHdf5", "load"]

_LABELS, _SHARED = "ms_coco_embeddings.h5", "pythonic_conds515.npy"
_NAME = re.compile(
    r"coco_(?P<extent>\w+)_dg3fix(?P<glimpse>\d+)_r50v(?P<backbone>\d)ap_\d+fix_(train|val|test)\.h5"
)

INFO = DatasetInfo(
    name="glimpse_hdf5",
    title="Glimpses of COCO pictures along scanpaths of DeepGaze III, embedded: data of the glimpse prediction network",
    licence="code MIT; pictures of COCO under Flickr's terms, captions CC BY 4.0; no terms stated for the embeddings",
    citation="arXiv 2511.12715, 2025",
    source="https://github.com/KietzmannLab/GPN, https://osf.io/g29pd",
    files=("coco_*_dg3fix*_r50v*ap_*fix_{train,val,test}.h5", f"(labels, optional) {_LABELS}"),
    how_to_get="make them with gen_datasets/ of the source, or ask its authors; one folder for each backbone",
    caution="scanpaths are those of a model (DeepGaze III), not of people",
)


@dataclass(frozen=True, eq=False)
class GlimpseFiles:
    """The files of a folder that belong together.

    Args:
        files: split to file.
        glimpse_px: side of a glimpse.
        backbone: of `BACKBONES`.
        labels: file with labels, or None.
        shared: [515] numbers of the test pictures that all subjects of NSD saw, or None.
    """

    files: Mapping[str, GlimpseFile]
    glimpse_px: int
    backbone: str
    labels: Path | None = None
    shared: np.ndarray | None = None
    skipped: tuple[str, ...] = ()
    filtered: dict[str, int] = field(default_factory=dict)
    repaired: dict[str, int] = field(default_factory=dict)

    def fingerprint(self) -> dict[str, float | int | str]:
        """Counts, and a digest of all fixations."""
        digest = hashlib.sha256()
        for file in self.files.values():
            digest.update(file.offsets_px.astype("<i4").tobytes())
        first = next(iter(self.files.values()))
        counts = {f"{split} pictures": file.pictures for split, file in self.files.items()}
        return counts | {
            "scanpaths of a picture": first.scanpaths,
            "fixations": first.fixations,
            "numbers": first.size,
            "backbone": self.backbone,
            "glimpse_px": self.glimpse_px,
            "digest": digest.hexdigest()[:16],
        }

    def category(self) -> np.ndarray | None:
        """[P, K] labels of the pictures of all files; None without a file of labels."""
        if self.labels is None:
            return None
        import h5py

        with h5py.File(self.labels, "r") as file:
            return np.concatenate([np.float32(file[split]["img_multi_hot"][()]) for split in self.files])


def load(root: str | Path | None = None, on_bad_record: OnBadRecord = "raise") -> GlimpseFiles:
    """The files of a folder, checked but for the embeddings.

    Args:
        root: the folder. on_bad_record: has no effect, since a file is whole or broken.
    Raises:
        FileNotFoundError: no such files. DataError: another layout, or files of several backbones.
    """
    folder = Path(root or f"data/{INFO.name}").expanduser()
    found = {
        m.group(4): (path, m) for path in sorted(folder.glob("*.h5")) if (m := _NAME.fullmatch(path.name))
    }
    if not found:
        raise FileNotFoundError(
            f"{INFO.name}: the folder {folder} lacks {INFO.files[0]}\n  get them: {INFO.how_to_get}\n"
            f"  licence:  {INFO.licence} ({INFO.source})"
        )
    kinds = {path.name.rpartition("_")[0] for path in folder.glob("*.h5") if _NAME.fullmatch(path.name)}
    if len(kinds) > 1:
        raise DataError(
            f"{folder} holds files of {', '.join(sorted(kinds))}: a folder must hold those of one only"
        )
    match = next(iter(found.values()))[1]
    number = int(match["backbone"])
    labels, shared = folder / _LABELS, folder / _SHARED
    files = {split: GlimpseFile(found[split][0], split) for split in SPLITS if split in found}
    shapes = {(file.scanpaths, file.fixations, file.size) for file in files.values()}
    if len(shapes) > 1:
        raise DataError(
            f"{folder}: files differ in scanpaths, fixations or numbers of an embedding: {sorted(shapes)}"
        )
    for file in files.values():
        file.offsets_px  # noqa: B018 raises where saccades and fixations disagree
    return GlimpseFiles(
        files,
        int(match["glimpse"]),
        BACKBONES[number] if number < len(BACKBONES) else f"number {number}",
        labels if labels.is_file() else None,
        np.load(shared) if shared.is_file() else None,
    )


class _Rows:
    """`Embeddings` of one kind of gaze in all files, read scanpath by scanpath."""

    def __init__(self, files: Sequence[GlimpseFile], gaze: int) -> None:
        self.files, self.gaze = list(files), gaze
        self.length, self.scanpaths = files[0].fixations, files[0].scanpaths
        self.ends = np.cumsum([file.pictures for file in files])
        self.shape = (int(self.ends[-1]) * self.scanpaths * self.length, files[0].size)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        path, place = np.divmod(np.asarray(rows), self.length)
        unique, inverse = np.unique(path, return_inverse=True)
        whole = np.stack([self._scanpath(int(k)) for k in unique])
        return whole[inverse, place]

    def _scanpath(self, number: int) -> np.ndarray:
        picture, scanpath = divmod(number, self.scanpaths)
        k = int(np.searchsorted(self.ends, picture, "right"))
        return self.files[k].embeddings(picture - int(self.ends[k - 1] if k else 0), scanpath, self.gaze)


class GlimpseHdf5(GlimpseData):
    """Released glimpses; see the module.

    Parts are the splits of the files. With the list of pictures that all subjects of NSD saw in the folder
    (`pythonic_conds515.npy`), "test" is these, and the other test pictures train: the paper's `train_515`.

    Args:
        root: folder of the files.
        provider: kind of gaze, of `GAZE`.
        batch_size, split, seed: see `Data`.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        provider: Literal["model", "uniform", "permuted", "swapped"] = "model",
        batch_size: int = 512,
        split: str = "test",
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, split, seed)
        if provider not in GAZE:
            raise ValueError(f"data.provider must be one of {', '.join(GAZE)}, got {provider!r}")
        self.root, self.provider = root, provider

    def setup(self, stage: str | None = None) -> None:
        """Open the files; embeddings are read batch by batch. Raises as `load` does."""
        if self.records is not None:
            return
        found = load(self.root)
        files, gaze = list(found.files.values()), GAZE.index(self.provider)
        offsets = np.concatenate([file.offsets_px[:, :, :, gaze].reshape(-1, 2) for file in files])
        pictures = sum(file.pictures for file in files)
        paths = pictures * files[0].scanpaths
        records = GlimpseRecords(
            name=INFO.name,
            embeddings=_Rows(files, gaze),
            xy_px=np.float32(offsets) + SIZE_PX / 2,
            start=np.arange(paths + 1) * files[0].fixations,
            picture=np.repeat(np.arange(pictures), files[0].scanpaths),
            pictures=[f"{split}{k:05d}" for split, file in found.files.items() for k in range(file.pictures)],
            size_px=np.full((pictures, 2), SIZE_PX),
            glimpse_px=found.glimpse_px,
            backbone={"name": found.backbone},
            caption=np.concatenate([np.float32(file.read("mpnet_embeddings")) for file in files]),
            category=found.category(),
            notes=[INFO.caution],
        )
        self.use(records, self._parts(found))

    def _parts(self, found: GlimpseFiles) -> dict[str, np.ndarray]:
        ends = np.cumsum([file.pictures for file in found.files.values()])
        parts = dict(zip(found.files, np.split(np.arange(ends[-1]), ends[:-1]), strict=True))
        if found.shared is None or "test" not in parts:
            return parts
        if len(found.shared) and found.shared.max() >= len(parts["test"]):
            raise DataError(
                f"{_SHARED} names picture {found.shared.max()}, but there are {len(parts['test'])} test pictures"
            )
        held = np.isin(np.arange(len(parts["test"])), found.shared)
        train = np.concatenate([parts.get("train", np.zeros(0, int)), parts["test"][~held]])
        return parts | {"train": train, "test": parts["test"][held]}
