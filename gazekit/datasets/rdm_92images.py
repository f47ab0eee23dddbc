"""Dissimilarities of 92 object pictures in human and monkey inferior temporal cortex (Kriegeskorte et al. 2008).

Four human subjects, two sessions of fMRI each; 674 cells of monkeys; judgements of similarity by 16 observers; category
and computational models. Matrices are [92, 92], 1 - correlation in the brains, any unit in the models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gazekit.base import Data, Predictor
from gazekit.brain.similarity import GivenRDM
from gazekit.datasets.records import DatasetInfo, OnBadRecord, find_root
from gazekit.errors import DataError

__all__ = ["INFO", "ObjectRDMs", "Rdm92Images", "load"]

PICTURES = 92
_BRAINS, _MODELS, _JUDGED = "92_brainRDMs.mat", "92_modelRDMs.mat", "92_behavRDMs.mat"
_PAPER = "Kriegeskorte_Neuron2008_supplementalData.mat"
_MODEL_NAMES = {
    "animacy": "animacy",
    "FaceBodyManmadeNatobj": "categories",
    "EVA": "eva",
    "HMAX": "hmax",
    "V1": "v1_model",
    "Silhouette": "silhouette",
    "RADON": "radon",
}
_ABOUT = {
    "animacy": "Whether both pictures show something animate, or neither does.",
    "categories": "Whether both are faces, bodies, man-made or natural objects.",
    "eva": "A model of the expert visual analysis of categories (EVA), as published with the data.",
    "hmax": "HMAX with patches of natural images (Serre et al. 2007), as published with the data.",
    "v1_model": "Gabor energies, a model of V1, as published with the data.",
    "silhouette": "Overlap of the silhouettes, as published with the data.",
    "radon": "Radon transforms, as published with the data.",
    "pixels": "Euclidean distance of the pictures, pixel by pixel.",
    "monkey_it": "674 cells of monkeys' inferior temporal cortex.",
    "judgements": "Similarity judgements, mean of 16 observers.",
    "human_it_2008": "316 voxels of the human inferior temporal cortex, the matrix of the paper.",
}

INFO = DatasetInfo(
    name="rdm_92images",
    title="Dissimilarities of 92 object pictures: human and monkey IT, judgements, models",
    licence="MIT (repository); the rights in the photographs are not stated: do not publish them",
    citation="Kriegeskorte et al., Neuron 2008 (60, 1126)",
    source="https://github.com/rsagroup/rsatoolbox (demos/92imageData)",
    files=(_BRAINS, _MODELS, _JUDGED, _PAPER),
    known={"9ae3c198d3d4eb37": "whole set"},
    how_to_get="git clone the source at f1f83ca; the files lie in demos/92imageData",
    counts={"pictures": PICTURES, "subjects": 4, "sessions": 2, "observers": 16},
    caution="92 isolated objects on grey, 48 of them animate: a model of animacy alone reaches the lower noise ceiling",
)


@dataclass(frozen=True, eq=False)
class ObjectRDMs:
    """All matrices and the pictures.

    Args:
        pictures: uint8 RGB [92, 175, 175, 3].
        categories: of each picture, in words.
        subjects: names of the four people.
        sessions: [4, 2, 92, 92] human IT.
        monkey_it, human_it_2008: [92, 92], figure 1 of the paper.
        judgements: [16, 92, 92].
        models: name to [92, 92].
    """

    pictures: np.ndarray
    categories: tuple[str, ...]
    subjects: tuple[str, ...]
    sessions: Tensor
    monkey_it: Tensor
    human_it_2008: Tensor
    judgements: Tensor
    models: dict[str, Tensor]
    skipped: tuple[str, ...] = ()
    filtered: dict[str, int] = field(default_factory=dict)
    repaired: dict[str, int] = field(default_factory=dict)

    @property
    def human_it(self) -> Tensor:
        """[4, 92, 92] mean over the sessions of each subject."""
        return self.sessions.mean(1)

    def fingerprint(self) -> dict[str, float | int | str]:
        """Counts, means, and a digest of all numbers."""
        digest = hashlib.sha256(self.pictures.tobytes())
        for matrix in (
            self.sessions,
            self.monkey_it,
            self.human_it_2008,
            self.judgements,
            *self.models.values(),
        ):
            digest.update(matrix.numpy().astype("<f4").tobytes())
        return {
            "pictures": len(self.pictures),
            "subjects": len(self.sessions),
            "sessions": self.sessions.shape[1],
            "observers": len(self.judgements),
            "models": len(self.models),
            "human_it_mean": float(self.sessions.mean()),
            "monkey_it_mean": float(self.monkey_it.mean()),
            "digest": digest.hexdigest()[:16],
        }


def load(root: str | Path | None = None, on_bad_record: OnBadRecord = "raise") -> ObjectRDMs:
    """Read the four files.

    Args:
        root: folder with them.
        on_bad_record: without meaning here, a broken matrix is an error.
    Raises:
        FileNotFoundError: no such folder or file.
        DataError: a file that is no such file, or matrices that are not symmetric [92, 92].
    """
    root = find_root(root, INFO)
    brains = _read(root, _BRAINS, "RDMs").reshape(4, 2)
    paper = _read(root, _PAPER, "RDMs_mIT_hIT_fig1").ravel()
    stimuli = _read(root, _PAPER, "stimuli_92objs").ravel()
    models = {str(m["name"].item()): m for m in _read(root, _MODELS, "Models").ravel()}
    judged = _read(root, _JUDGED, "rdms_behav_92").ravel()
    if missing := sorted(set(_MODEL_NAMES) - set(models)):
        raise DataError(f"{root / _MODELS}: no model {', '.join(missing)}, it has {', '.join(models)}")
    pictures = np.stack([s["image"] for s in stimuli])
    if pictures.shape != (PICTURES, 175, 175, 3) or pictures.dtype != np.uint8:
        raise DataError(
            f"{root / _PAPER}: expected 92 pictures uint8 [175, 175, 3], got {list(pictures.shape)}"
        )
    return ObjectRDMs(
        pictures=pictures,
        categories=tuple(str(s["category"].item()) for s in stimuli),
        subjects=tuple(str(row[0]["name"].item()).split(" | ")[1] for row in brains),
        sessions=torch.stack([torch.stack([_matrix(cell, _BRAINS) for cell in row]) for row in brains]),
        monkey_it=_matrix(paper[0], _PAPER),
        human_it_2008=_matrix(paper[1], _PAPER),
        judgements=torch.stack([_matrix(cell, _JUDGED) for cell in judged]),
        models={ours: _matrix(models[theirs], _MODELS) for theirs, ours in _MODEL_NAMES.items()},
    )


def _read(root: Path, name: str, key: str) -> np.ndarray:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        return loadmat(root / name, variable_names=[key])[key]
    except (KeyError, ValueError, NotImplementedError, MatReadError) as error:
        raise DataError(f"{root / name}: no MATLAB file with {key} ({error})") from error


def _matrix(cell: Any, name: str) -> Tensor:
    """[92, 92] float64 of a square matrix, or of a row of its upper triangle."""
    from scipy.spatial.distance import squareform

    values = np.asarray(cell["RDM"], float)
    if values.size == PICTURES * (PICTURES - 1) // 2:
        values = squareform(values.ravel())
    if values.shape != (PICTURES, PICTURES) or not np.allclose(values, values.T, atol=1e-6):
        raise DataError(f"{name}: expected symmetric matrices [92, 92], got {list(values.shape)}")
    return torch.from_numpy((values + values.T) / 2)


class Rdm92Images(Data):
    """The 92 pictures as one part, "test"; nothing is trained.

    A batch has `pictures` uint8 [B, 175, 175, 3] and `group` [B]. Rows that are known are the models, judgements, and
    the brains for one another.

    Args:
        root: folder with the files.
        batch_size, split, seed: see `Data`.
    """

    def __init__(
        self, root: str | Path | None = None, batch_size: int = 23, split: str = "test", seed: int = 0
    ) -> None:
        super().__init__(batch_size, split, seed)
        self.root = root

    def setup(self, stage: str | None = None) -> None:
        self.rdms = load(self.root)
        self.parts = {"test": np.arange(PICTURES)}

    def facts(self) -> dict[str, Any]:
        return {"subjects": list(self.rdms.subjects), "categories": list(self.rdms.categories)}

    def about(self) -> dict[str, Any]:
        return {
            "name": INFO.name,
            "split": self.split,
            "items": PICTURES,
            "subjects": len(self.rdms.subjects),
            "fingerprint": self.rdms.fingerprint()["digest"],
            "notes": [INFO.caution],
        }

    def batch(self, index: Sequence[int], generator: torch.Generator | None = None) -> dict[str, Tensor]:
        index = np.asarray(index, int)
        return {"pictures": torch.from_numpy(self.rdms.pictures[index]), "group": torch.from_numpy(index)}

    def pictures(self, index: Sequence[int]) -> np.ndarray:
        """uint8 RGB [n, 175, 175, 3]."""
        return self.rdms.pictures[np.asarray(index, int)]

    def items(self, index: Sequence[int]) -> list[str]:
        """Number and category of each picture."""
        return [f"{i + 1} {self.rdms.categories[i]}" for i in index]

    def brains(self) -> dict[str, Tensor]:
        """Matrices [S, 92, 92] of the human subjects, sessions averaged, and of the monkeys (one)."""
        return {"human_it": self.rdms.human_it, "monkey_it": self.rdms.monkey_it[None]}

    def references(self) -> dict[str, Predictor]:
        pixels = torch.from_numpy(self.rdms.pictures).flatten(1).double()
        given = {
            **self.rdms.models,
            "pixels": torch.cdist(pixels, pixels),
            "judgements": self.rdms.judgements.mean(0),
            "monkey_it": self.rdms.monkey_it,
            "human_it_2008": self.rdms.human_it_2008,
        }
        itself = {
            "monkey_it": {"monkey_it": "it is itself"},
            "human_it_2008": {"human_it": "it is made of the responses of the same people"},
        }
        return {name: GivenRDM(matrix, _ABOUT[name], itself.get(name)) for name, matrix in given.items()}
