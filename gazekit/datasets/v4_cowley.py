"""Neurons of macaque V4 and natural pictures (Cowley et al. 2023), with five folds over pictures.

Source: Cowley, Stan, Pillow, Smith, "Compact deep neural network models of visual cortex" (bioRxiv 2023), GitHub
cowleygroup/V4_compact_models. The repository is under the GNU GPL 3 and names no photographers: the files are not part
of gazekit. A folder holds one session:

    images_SESSION.zip          image0001.jpg, image0002.jpg, ...
    responses_SESSION.npy       [V, N] spikes per 100 ms, mean over repeats; or
    responses_raw_SESSION.npy   [V, N, R] single repeats, NaN = did not take place
"""

from __future__ import annotations

import zipfile
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.datasets.brain_data import BrainData
from gazekit.datasets.brain_pictures import PictureArray
from gazekit.datasets.brain_responses import Block, BrainRecords
from gazekit.errors import DataError

__all__ = ["V4Cowley", "picture_folds", "read_session"]

LAYERS = {
    "vit_tiny": ["block1", "block3", "block5", "block7"],
    "mobilenet_v2": ["block4", "block7", "block10", "block13"],
    "squeezenet1_0": ["fire3", "fire5", "fire7", "fire9"],
}
"""What is looked at where no layers are named: four depths at equal distances, without the ends of each net."""

_VAL_SHARE = 0.2  # of the pictures outside the test fold
_TREE = "images_SESSION.zip and responses_SESSION.npy or responses_raw_SESSION.npy"


class V4Cowley(BrainData):
    """One session: 33 neurons x 1,200 pictures (190923), or 50 x 640 with repeats (210325).

    Parts of fold k: "test" are the pictures of the fold, "val" a fifth of the others, "train" the rest. "all" are all
    pictures; with `split="all"` `FoldComparison` fits each row on the pictures outside a fold, fold after fold.

    Args:
        root: folder of the session.
        fold: 0 ... `folds` - 1, the fold that is tested.
        folds: number of folds.
        options: of `BrainData`; without layers, those that `LAYERS` has for the backbone.
    Raises:
        ValueError: a fold that does not exist.
    """

    def __init__(self, root: str | Path, fold: int = 0, folds: int = 5, **options: Any) -> None:
        backbone = options.get("backbone")
        if options.get("layers") is None and backbone in LAYERS:
            options["layers"] = LAYERS[backbone]
        super().__init__(**options)
        if folds < 2 or not 0 <= fold < folds:
            raise ValueError(f"data.fold must be from 0 to data.folds - 1, got {fold} of {folds}")
        self.root, self.fold, self.folds = Path(root), fold, folds

    def setup(self, stage: str | None = None) -> None:
        """Read the session once.

        Raises:
            FileNotFoundError: no such folder, or files are missing in it.
            DataError: numbers of pictures and responses differ; files that cannot be read.
        """
        if self.records is None:
            records = read_session(self.root)
            everything = np.arange(len(records.items))
            split, self.split = self.split, "test"  # the base knows parts that share no pictures
            self.use(records, fold_parts(len(everything), self.fold, self.folds))
            self.split, self.parts["all"] = split, everything

    def in_fold(self, fold: int) -> V4Cowley:
        """The same data with another test fold; the report is about that fold."""
        other = copy(self)
        other.fold, other.split, other.trained_with = fold, "test", None
        other.parts = fold_parts(len(self.records.items), fold, self.folds) | {"all": self.parts["all"]}
        return other


def picture_folds(pictures: int, folds: int = 5) -> list[np.ndarray]:
    """Numbers of the pictures of each fold: every `folds`-th of one fixed permutation."""
    order = np.random.default_rng(0).permutation(pictures)
    return [order[k::folds] for k in range(folds)]


def fold_parts(pictures: int, fold: int, folds: int) -> dict[str, np.ndarray]:
    """ "train", "val" and "test" of a fold, each in rising order."""
    test = picture_folds(pictures, folds)[fold]
    others = np.random.default_rng([1, fold]).permutation(np.setdiff1d(np.arange(pictures), test))
    held = max(1, round(_VAL_SHARE * len(others)))
    chosen = {"train": others[held:], "val": others[:held], "test": test}
    return {part: np.sort(numbers) for part, numbers in chosen.items()}


def read_session(root: Path) -> BrainRecords:
    """Pictures and responses of a folder. Raises as `V4Cowley.setup`."""
    archive, responses = _files(root)
    items, pictures = _pictures(archive)
    values = _responses(responses)
    neurons, shown, repeats = values.shape
    if shown != len(items):
        raise DataError(f"{responses} has responses to {shown} pictures, {archive} has {len(items)} pictures")
    took_place = ~np.isnan(values).all(0).T  # [R, N]
    rows = np.where(took_place, np.arange(repeats * shown).reshape(repeats, shown), -1)
    block = Block(np.float32(values.transpose(2, 1, 0).reshape(-1, neurons)), rows)
    session = archive.stem.removeprefix("images_")
    return BrainRecords(
        name=f"V4, session {session}",
        items=items,
        blocks=[block],
        subjects=[f"session {session}"],
        subject_of=np.zeros(neurons, int),
        pictures=PictureArray(pictures),
        notes=["macaque V4, Cowley et al. 2023; the files are under the GNU GPL 3"],
    )


def _files(root: Path) -> tuple[Path, Path]:
    archives = sorted(root.glob("images_*.zip"))
    if not archives:
        raise FileNotFoundError(
            f"no pictures of a session in {root.absolute()} (data.root): expected {_TREE}, from GitHub "
            "cowleygroup/V4_compact_models, data_V4_responses"
        )
    if len(archives) > 1:
        raise DataError(f"{root} has {len(archives)} sessions: keep each in a folder of its own")
    session = archives[0].stem.removeprefix("images_")
    for name in (f"responses_raw_{session}.npy", f"responses_{session}.npy"):
        if (root / name).is_file():
            return archives[0], root / name
    raise FileNotFoundError(
        f"no responses of session {session} in {root.absolute()} (data.root): expected {_TREE}"
    )


def _pictures(archive: Path) -> tuple[list[str], np.ndarray]:
    """Names and uint8 RGB [N, H, W, 3], in the order of their numbers."""
    import cv2

    try:
        with zipfile.ZipFile(archive) as opened:
            files = {Path(name).stem: name for name in opened.namelist() if name.endswith(".jpg")}
            names = sorted(files)
            found = [
                cv2.imdecode(np.frombuffer(opened.read(files[name]), np.uint8), cv2.IMREAD_COLOR_RGB)
                for name in names
            ]
    except zipfile.BadZipFile as error:
        raise DataError(f"{archive} is no zip file: restore it ({error})") from error
    if broken := [name for name, picture in zip(names, found, strict=True) if picture is None]:
        raise DataError(f"{archive}: {broken[0]}.jpg is not a picture that OpenCV can read: restore the file")
    if names != [f"image{k:04d}" for k in range(1, len(names) + 1)]:
        raise DataError(f"{archive}: expected image0001.jpg to image{len(names):04d}.jpg, none missing")
    if len({picture.shape for picture in found}) != 1:
        raise DataError(f"{archive}: expected pictures of one size")
    return names, np.stack(found)


def _responses(path: Path) -> np.ndarray:
    """[V, N, R]."""
    try:
        values = np.load(path)
    except (ValueError, EOFError) as error:
        raise DataError(f"{path} is no array: restore it ({error})") from error
    if values.ndim not in (2, 3) or not np.issubdtype(values.dtype, np.floating):
        raise DataError(
            f"{path}: expected floating numbers [neurons, pictures] or [neurons, pictures, repeats], "
            f"got {values.dtype} {list(values.shape)}"
        )
    return values if values.ndim == 3 else values[..., None]
