"""Dissimilarities of pictures in regions of the brain, from your own files: the Natural Scenes Dataset, or any other.

The responses of NSD are given under an agreement, so nothing is shipped. The layout:

    ROOT/REGION/SUBJECT.npy     [n, n] dissimilarities, or the n (n - 1) / 2 above the diagonal, row by row
    ROOT/pictures/*.png|jpg     n pictures, in the order of their names; for rows that look at pictures

such as ventral/subj01.npy: 1 - Pearson's correlation of responses to the 515 pictures that all eight subjects saw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gazekit.base import Data
from gazekit.datasets.brain_pictures import PictureFiles
from gazekit.datasets.records import DatasetInfo, OnBadRecord
from gazekit.errors import DataError

__all__ = ["INFO", "BrainRDMs", "NsdRdms", "load"]

_ENDINGS = (".png", ".jpg", ".jpeg")

INFO = DatasetInfo(
    name="nsd_rdms",
    title="Dissimilarities of pictures in regions of the brain, your own files (such as 515 pictures of NSD)",
    licence="that of your data; NSD: naturalscenesdataset.org, terms and conditions",
    citation="Allen et al., Nature Neuroscience 25, 116, 2022 (NSD)",
    source="your own files; NSD: http://naturalscenesdataset.org",
    files=("REGION/SUBJECT.npy", "(optional) pictures/*.png"),
    how_to_get="compute 1 - Pearson's correlation of responses, one file for each region and subject",
)


@dataclass(frozen=True, eq=False)
class BrainRDMs:
    """The files.

    Args:
        matrices: region to [S, n, n].
        subjects: region to names.
        pictures: paths, or none.
    """

    matrices: Mapping[str, Tensor]
    subjects: Mapping[str, Sequence[str]]
    pictures: Sequence[Path] = ()
    skipped: tuple[str, ...] = ()
    filtered: dict[str, int] = field(default_factory=dict)
    repaired: dict[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """n."""
        return next(iter(self.matrices.values())).shape[1]

    def fingerprint(self) -> dict[str, float | int | str]:
        """Counts, and a digest of all numbers."""
        digest = hashlib.sha256()
        for region, matrices in self.matrices.items():
            digest.update(repr([region, list(self.subjects[region])]).encode())
            digest.update(matrices.numpy().astype("<f4").tobytes())
        counts = {"pictures": self.count, "regions": len(self.matrices)}
        return counts | {"subjects": max(map(len, self.subjects.values())), "digest": digest.hexdigest()[:16]}


def load(root: str | Path | None = None, on_bad_record: OnBadRecord = "raise") -> BrainRDMs:
    """Read the files.

    Args:
        root: the folder. on_bad_record: "skip" leaves out files that are no matrices, and says which.
    Raises:
        FileNotFoundError: no matrices. DataError: a file that is no matrix of dissimilarities (not square, not
            symmetric, not finite, all alike), or of another number of pictures.
    """
    folder = Path(root or f"data/{INFO.name}").expanduser()
    files = sorted(path for path in folder.glob("*/*.npy") if path.parent.name != "pictures")
    if not files:
        raise FileNotFoundError(
            f"{INFO.name}: the folder {folder} lacks {INFO.files[0]}\n  get them: {INFO.how_to_get}"
        )
    found: dict[str, dict[str, Tensor]] = {}
    skipped: list[str] = []
    count: int | None = None
    for path in files:
        try:
            matrix = _matrix(path, count)
        except DataError as error:
            if on_bad_record == "raise":
                raise
            skipped.append(str(error))
            continue
        count = len(matrix)
        found.setdefault(path.parent.name, {})[path.stem] = matrix
    if not found:
        raise DataError(f"{folder}: no file is a matrix of dissimilarities; the first: {skipped[0]}")
    pictures = sorted(p for p in (folder / "pictures").glob("*") if p.suffix.lower() in _ENDINGS)
    if pictures and len(pictures) != count:
        raise DataError(
            f"{folder / 'pictures'} holds {len(pictures)} pictures, but the matrices are of {count}"
        )
    matrices = {region: torch.stack(list(by_subject.values())) for region, by_subject in found.items()}
    return BrainRDMs(matrices, {r: tuple(by) for r, by in found.items()}, pictures, tuple(skipped))


def _matrix(path: Path, count: int | None) -> Tensor:
    """[n, n] float64, the diagonal 0."""
    try:
        values = torch.from_numpy(np.load(path, allow_pickle=False).astype(np.float64))
    except (ValueError, OSError) as error:
        raise DataError(f"{path} is no array of numbers: {error}") from error
    if values.dim() == 1:
        n = round((1 + (1 + 8 * len(values)) ** 0.5) / 2)
        if n * (n - 1) // 2 != len(values):
            raise DataError(f"{path}: {len(values)} numbers are no pairs n (n - 1) / 2 of n pictures")
        whole = values.new_zeros(n, n)
        row, column = torch.triu_indices(n, n, offset=1)
        whole[row, column] = whole[column, row] = values
        values = whole
    if values.dim() != 2 or values.shape[0] != values.shape[1] or len(values) < 3:
        raise DataError(
            f"{path}: expected [n, n] or n (n - 1) / 2 dissimilarities of at least 3 pictures, got {list(values.shape)}"
        )
    if count is not None and len(values) != count:
        raise DataError(f"{path} is of {len(values)} pictures, files before it of {count}")
    values = values.clone().fill_diagonal_(0)
    if not values.isfinite().all() or (values - values.T).abs().max() > 1e-5 * values.abs().max():
        raise DataError(f"{path}: dissimilarities must be finite, and the same above and below the diagonal")
    pairs = values[tuple(torch.triu_indices(len(values), len(values), offset=1))]
    if pairs.max() == pairs.min():
        raise DataError(f"{path}: all dissimilarities are {float(pairs[0]):g}")
    return values


class NsdRdms(Data):
    """The pictures as one part, "test"; nothing is trained. For `gazekit.brain.SimilarityScores`.

    Args:
        root: the folder.
        batch_size, split, seed: see `Data`.

    Attributes:
        rdms: set by `setup`.
    """

    def __init__(
        self, root: str | Path | None = None, batch_size: int = 23, split: str = "test", seed: int = 0
    ) -> None:
        super().__init__(batch_size, split, seed)
        self.root = root

    def setup(self, stage: str | None = None) -> None:
        """Read the files. Raises as `load` does."""
        self.rdms = load(self.root)
        self.parts = {"test": np.arange(self.rdms.count)}

    def facts(self) -> dict[str, Any]:
        """`regions` and `subjects` (of each region)."""
        return {
            "regions": list(self.rdms.matrices),
            "subjects": {r: list(s) for r, s in self.rdms.subjects.items()},
        }

    def about(self) -> dict[str, Any]:
        return super().about() | {
            "name": INFO.name,
            "fingerprint": self.rdms.fingerprint()["digest"],
            "notes": [],
        }

    def batch(self, index: Sequence[int], generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """`pictures` uint8 [B, H, W, 3], where there are any, and `group` [B]."""
        found = {"group": torch.tensor(list(index))}
        return found | ({"pictures": torch.from_numpy(self.pictures(index))} if self.rdms.pictures else {})

    def pictures(self, index: Sequence[int]) -> np.ndarray:
        """uint8 RGB [n, H, W, 3]. Raises DataError without pictures."""
        if not self.rdms.pictures:
            raise DataError(f"{self.root} has no folder pictures/, which this row needs")
        files = PictureFiles(self.rdms.pictures)
        return np.stack([files[int(i)] for i in index])

    def items(self, index: Sequence[int]) -> list[str]:
        """Names of the pictures, or their numbers."""
        return [self.rdms.pictures[i].name if self.rdms.pictures else f"picture {i}" for i in index]

    def brains(self) -> dict[str, Tensor]:
        """Region to matrices [S, n, n]."""
        return dict(self.rdms.matrices)
