"""Algonauts 2023: responses of eight people to natural scenes (NSD) on the surface of the cortex.

Of each subject `subjNN`:

    training_split/training_images/train-0001_nsd-00013.png, ...
    training_split/training_fmri/{lh,rh}_training_fmri.npy    [pictures, vertices], in the order of names
    test_split/test_images/test-0001_nsd-00845.png, ...              without responses
    roi_masks/{lh,rh}.CLASS_challenge_space.npy, mapping_CLASS.npy   region of each vertex, and what its numbers mean

Numbers after "nsd-" name pictures of NSD: two subjects who saw the same one saw one picture here. Responses are means
over presentations and z-scored within sessions by the organisers, so there are no single presentations and no noise
ceiling from repeats. The organisers kept the responses to the test pictures: part "challenge" can be predicted, not
scored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gazekit.datasets.brain_arrays import read_array
from gazekit.datasets.brain_data import BrainData
from gazekit.datasets.brain_folder import random_parts
from gazekit.datasets.brain_pictures import PictureFiles
from gazekit.datasets.brain_responses import Block, BrainRecords
from gazekit.datasets.records import DatasetInfo, OnBadRecord, find_root
from gazekit.errors import DataError

__all__ = ["INFO", "NO_REGION", "Algonauts2023", "load"]

INFO = DatasetInfo(
    name="algonauts2023",
    title="fMRI of eight people who saw natural scenes (NSD), on the cortical surface, with regions",
    licence="NSD Terms and Conditions; a signed agreement is needed, not for redistribution",
    citation="Gifford et al., The Algonauts Project 2023 Challenge, arXiv 2301.03198; Allen et al., Nature "
    "Neuroscience 2022",
    source="http://algonauts.csail.mit.edu/challenge.html",
    files=("subj*/training_split/training_fmri/lh_training_fmri.npy",),
    how_to_get="sign the NSD data access agreement, then download the challenge data as the challenge's page says and "
    "put subj01 ... subj08 into that folder",
    caution="responses to the test pictures were never published: scores are on held-out training pictures",
)

NO_REGION = "no region"
_SIDES = ("lh", "rh")
_NUMBER = re.compile(r"nsd-(\d+)")


def load(
    root: str | Path | None = None,
    on_bad_record: OnBadRecord = "raise",
    subjects: Sequence[str] | None = None,
) -> BrainRecords:
    """The records; regions of the two hemispheres are one each, vertices in none are region "no region".

    Args:
        on_bad_record: without effect: a file that does not fit the others makes all responses doubtful.
        subjects: names of their folders; None for all.
    Raises:
        FileNotFoundError: a subject or a file is not there. DataError: files that do not fit each other.
    """
    folders = _folders(find_root(root, INFO), subjects)
    shown = {folder.name: _files(folder / "training_split" / "training_images") for folder in folders}
    asked = {folder.name: _files(folder / "test_split" / "test_images") for folder in folders}
    paths: dict[int, Path] = {}
    for files in [*shown.values(), *asked.values()]:
        paths = files | paths
    items = sorted(paths)
    number = {picture: i for i, picture in enumerate(items)}
    blocks, subject_of, sides = [], [], []
    regions: dict[str, list[int]] = {}
    for who, folder in enumerate(folders):
        rows = np.full((1, len(items)), -1)
        rows[0, [number[picture] for picture in shown[folder.name]]] = np.arange(len(shown[folder.name]))
        for side, name in enumerate(_SIDES):
            response = _responses(folder, name, len(shown[folder.name]))
            start = sum(len(part) for part in subject_of)
            for region, vertices in _regions(folder, name, response.shape[1]).items():
                regions.setdefault(region, []).extend((start + vertices).tolist())
            blocks.append(Block(response, rows))
            subject_of.append(np.full(response.shape[1], who))
            sides.append(np.full(response.shape[1], side))
    return BrainRecords(
        name=INFO.name,
        items=[paths[picture].name for picture in items],
        blocks=blocks,
        subjects=[folder.name for folder in folders],
        subject_of=np.concatenate(subject_of),
        regions=regions,
        hemisphere_of=np.concatenate(sides),
        pictures=PictureFiles([paths[picture] for picture in items]),
        notes=[INFO.caution],
    )


def _folders(root: Path, subjects: Sequence[str] | None) -> list[Path]:
    found = {folder.name: folder for folder in sorted(root.glob("subj*")) if folder.is_dir()}
    if absent := [name for name in subjects or () if name not in found]:
        raise FileNotFoundError(
            f"{root} has no {', '.join(absent)}: data.subjects must be among {', '.join(found)}"
        )
    return [found[name] for name in (subjects or found)]


def _files(folder: Path) -> dict[int, Path]:
    """Pictures by their number in NSD, in the order of names, which is that of the responses."""
    found: dict[int, Path] = {}
    for path in sorted(folder.glob("*.png")):
        number = _NUMBER.search(path.name)
        if number is None or int(number[1]) in found:
            raise DataError(
                f"{path}: expected a name with nsd-NUMBER that no other picture of the folder has"
            )
        found[int(number[1])] = path
    return found


def _responses(folder: Path, side: str, pictures: int) -> np.ndarray:
    where = f"training_split/training_fmri/{side}_training_fmri.npy"
    response = read_array(folder, where, f"responses [pictures, vertices] of {folder.name}")
    if response.ndim != 2 or len(response) != pictures:
        raise DataError(
            f"{folder / where}: responses to {len(response)} pictures, but there are {pictures} in "
            f"{folder / 'training_split' / 'training_images'}"
        )
    return response


def _regions(folder: Path, side: str, vertices: int) -> dict[str, np.ndarray]:
    """Name to the vertices of one hemisphere. All classes of regions together; 0 stands for no region of a class."""
    regions: dict[str, np.ndarray] = {}
    within = np.zeros(vertices, bool)
    for path in sorted((folder / "roi_masks").glob(f"{side}.*_challenge_space.npy")):
        kind = path.name.removeprefix(f"{side}.").removesuffix("_challenge_space.npy")
        if kind == "all-vertices":
            continue
        label = read_array(path.parent, path.name, "regions of vertices")
        if label.shape != (vertices,):
            raise DataError(
                f"{path} tells of {label.size} vertices, but there are responses of {vertices}: is it of another "
                "voxel order?"
            )
        names = _mapping(path.parent / f"mapping_{kind}.npy")
        for value in np.unique(label[label != 0]).tolist():
            if value not in names:
                raise DataError(f"{path} has region {value}, which mapping_{kind}.npy does not name")
            regions[names[value]] = np.flatnonzero(label == value)
        within |= label != 0
    return regions | {NO_REGION: np.flatnonzero(~within)}


def _mapping(path: Path) -> dict[int, str]:
    """Numbers of regions to names: a pickled dictionary, as the organisers publish it. Read with a reader that makes
    nothing but dictionaries, numbers and strings."""
    from gazekit.datasets.brain_pickle import read_plain_dict

    return {int(key): str(value) for key, value in read_plain_dict(path).items()}


class Algonauts2023(BrainData):
    """The challenge's data. Parts "train", "val" and "test" are of the training pictures; "challenge" has no responses.

    Args:
        root: folder of subj01 ... subj08.
        subjects: names of their folders; None for all.
        fractions, split_seed: of the training pictures in train, val and test, see `brain_folder.random_parts`.
        backbone, ...: see `BrainData`.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        subjects: Sequence[str] | None = None,
        fractions: Sequence[float] = (0.8, 0.1, 0.1),
        split_seed: int = 0,
        backbone: str | None = None,
        layers: Sequence[str] | None = None,
        weights: str | Path | None = None,
        size_px: Sequence[int] | None = None,
        grid: int | None = None,
        features_root: str | Path | None = None,
        batch_size: int = 64,
        split: str = "test",
        seed: int = 0,
    ) -> None:
        super().__init__(backbone, layers, weights, size_px, grid, features_root, batch_size, split, seed)
        self.root, self.subjects = root, subjects
        self.fractions, self.split_seed = fractions, split_seed

    def setup(self, stage: str | None = None) -> None:
        """Read the folder and look at the pictures.

        Raises:
            FileNotFoundError: a file is not there. DataError: files that do not fit each other.
        """
        if self.records is not None:
            return
        records = load(self.root, subjects=self.subjects)
        shown = np.any([(block.rows >= 0).any(0) for block in records.blocks], 0)
        known = np.flatnonzero(shown)
        parts = {
            part: known[chosen]
            for part, chosen in random_parts(len(known), self.fractions, self.split_seed).items()
        }
        self.use(records, parts | {"challenge": np.flatnonzero(~shown)})
