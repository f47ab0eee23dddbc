"""Glimpses along scanpaths over real pictures, embedded by a real net, in folds by picture.

data = ScanpathGlimpses("osie", root="data/osie", provider="human")
data.setup()
batch = data.batch([0, 1])              # see glimpse_data
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gazekit.datasets.brain_pictures import PictureFiles
from gazekit.datasets.glimpse_data import GlimpseData, GlimpseRecords
from gazekit.datasets.glimpse_embedding import glimpse_embeddings
from gazekit.datasets.glimpse_paths import CONTROLS, Paths, controlled, joined
from gazekit.datasets.records import OnBadRecord, ScanpathDataset
from gazekit.datasets.viewing_data import ViewingData
from gazekit.errors import DataError
from gazekit.foveation.glimpses import GlimpseSampler
from gazekit.scanpath_files import read_scanpaths
from gazekit.scanpaths.viewer import Viewer

__all__ = ["PROVIDERS", "ScanpathGlimpses"]

PROVIDERS = ("human", *CONTROLS, "model")


class ScanpathGlimpses(GlimpseData):
    """Glimpses at the pictures of a data set of scanpaths that are on disk.

    Folds are those of `ViewingData`: "test" is fold number `fold`, "val" 15 % of the other pictures, "train" the rest,
    "all" everything; `in_fold` gives another fold, for a cross-validation.

    A provider says where the eye goes: "human", a control made of people's scanpaths ("uniform", "permuted",
    "swapped", see `glimpse_paths`), "model", or a file of scanpaths such as `predict` writes for any model. A model
    makes as many scanpaths as people did; of a file all are taken.

    Args:
        name, root, on_bad_record, options: see `gazekit.datasets.load`.
        provider: of the pictures for training and validation; a list takes the scanpaths of all.
        scored_provider: of the test pictures and of "all"; None: as for training.
        viewer: the model of provider "model", from Python; it is fitted to people on the training pictures of the fold.
        fixations: the first ones of each scanpath; None for all.
        glimpse_px: side of a glimpse, see `GlimpseSampler`.
        backbone, weights, size_px: what embeds glimpses and how large it sees them, see `gazekit.backbones`.
        layer: of the backbone.
        features_root: folder that keeps embeddings; None computes them in every run.
        split, folds, fold, split_seed: see above.
        batch_size, seed: see `Data`; also the seed of controls and of the model.
    Raises:
        ValueError: an unknown provider, or "model" without a viewer.
    """

    def __init__(
        self,
        name: str,
        root: str | Path | None = None,
        on_bad_record: OnBadRecord = "raise",
        options: Mapping[str, Any] | None = None,
        provider: str | Sequence[str] = "human",
        scored_provider: str | None = None,
        viewer: Viewer | None = None,
        fixations: int | None = 7,
        glimpse_px: int = 72,
        backbone: str = "vit_tiny",
        layer: str = "class",
        weights: str | Path | None = None,
        size_px: Sequence[int] | None = None,
        features_root: str | Path | None = None,
        split: str = "all",
        folds: int = 5,
        fold: int = 0,
        split_seed: int = 0,
        batch_size: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, split, seed)
        learnt = (provider,) if isinstance(provider, str) else tuple(provider)
        self.providers = {"learnt": learnt, "scored": (scored_provider,) if scored_provider else learnt}
        for chosen in (*learnt, *self.providers["scored"]):
            if chosen not in PROVIDERS and Path(chosen).suffix not in (".csv", ".json"):
                raise ValueError(
                    f"data.provider must be one of {', '.join(PROVIDERS)}, or a .csv or .json file, got {chosen!r}"
                )
            if chosen == "model" and viewer is None:
                raise ValueError(
                    "data.provider=model needs a viewer, which only Python can give; on the command line give the file "
                    "that `predict` writes of a model, data.provider=scanpaths.csv"
                )
        if fixations is not None and fixations < 2:
            raise ValueError(f"data.fixations must be at least 2, or null, got {fixations}")
        self.viewing = ViewingData(
            name, root, on_bad_record, options, split, folds, fold, split_seed, batch_size, mirror=False
        )
        self.viewer, self.fixations, self.sampler = viewer, fixations, GlimpseSampler(glimpse_px)
        self.backbone, self.layer, self.weights, self.size_px = backbone, layer, weights, size_px
        self.features_root = features_root

    @property
    def folds(self) -> int:
        """Their number."""
        return self.viewing.folds

    def setup(self, stage: str | None = None) -> None:
        """Read scanpaths and embed their glimpses, once.

        Raises:
            FileNotFoundError, DataError: see `gazekit.datasets.load`, `ViewingData.use` and `load_backbone`.
        """
        if self.records is not None:
            return
        self.viewing.trained_with = self.trained_with
        self.viewing.setup(stage)
        self._look()

    def use_scanpaths(self, dataset: ScanpathDataset) -> None:
        """Take scanpaths that are loaded already, and embed their glimpses."""
        self.viewing.trained_with = self.trained_with
        self.viewing.use(dataset)
        self._look()

    def in_fold(self, fold: int) -> ScanpathGlimpses:
        """The same data with another test fold; the report is about that fold."""
        other = copy(self)
        other.viewing, other.split, other.trained_with = self.viewing.in_fold(fold), "test", None
        if "model" in self.providers["learnt"] + self.providers["scored"]:
            other._look()  # with a model that was fitted to other people
        else:
            other.use(self.records, other._parts())
        return other

    def with_scanpaths(self, provider: str) -> ScanpathGlimpses:
        """The same pictures and parts, with the scanpaths of another provider in all of them."""
        other = copy(self)
        other.providers = {"learnt": (provider,), "scored": (provider,)}
        other._look()
        return other

    def use(self, records: GlimpseRecords, parts: Mapping[str, np.ndarray]) -> None:
        """See `GlimpseData.use`; each part keeps the scanpaths of its provider."""
        super().use(records, parts)
        for part, index in self.parts.items():
            learnt = part in ("train", "val")
            of = np.arange(self._learnt) if learnt else np.arange(self._scored, len(records.picture))
            self.parts[part] = index[np.isin(index, of)]
        if not len(self.parts[self.split]):
            raise DataError(f"{records.name}: no scanpath of {self._who('scored')} in the part {self.split}")

    def _look(self) -> None:
        from gazekit.backbones import load_backbone

        dataset = self.viewing.dataset
        size_px = np.array([scene.size_px for scene in dataset.scenes])
        made = {who: self._paths(who, size_px) for who in dict.fromkeys(sum(self.providers.values(), ()))}
        learnt = joined([made[who] for who in self.providers["learnt"]])
        same = self.providers["learnt"] == self.providers["scored"]
        paths = learnt if same else joined([learnt, *(made[who] for who in self.providers["scored"])])
        self._learnt, self._scored = len(learnt), 0 if same else len(learnt)
        backbone = load_backbone(self.backbone, self.weights, [self.layer], self.size_px)
        files = PictureFiles([scene.image_path for scene in dataset.scenes])
        embeddings = glimpse_embeddings(
            files, paths.picture[paths.owner], paths.xy_px, backbone, self.sampler, self.features_root
        )
        records = GlimpseRecords(
            name=dataset.name,
            embeddings=embeddings,
            xy_px=paths.xy_px,
            start=paths.start,
            picture=paths.picture,
            pictures=[scene.name for scene in dataset.scenes],
            size_px=size_px,
            glimpse_px=self.sampler.glimpse_px,
            backbone=backbone.recipe,
            notes=self._notes(made),
        )
        self.use(records, self._parts())

    def _parts(self) -> dict[str, np.ndarray]:
        """Numbers of pictures."""
        trials = self.viewing.dataset.trials
        scene = np.array([trial.scene for trial in trials], int)
        return {part: np.unique(scene[index]) for part, index in self.viewing.parts.items()}

    def _paths(self, who: str, size_px: np.ndarray) -> Paths:
        """Scanpaths of a provider over all pictures."""
        if who == "model":
            return self._of_model()
        if who not in PROVIDERS:
            return self._of_file(Path(who))
        trials = self.viewing.dataset.trials
        people = Paths.of(
            (np.asarray(trial.scanpath.xy_px) for trial in trials), [t.scene for t in trials], self.fixations
        )
        return people if who == "human" else controlled(people, who, size_px, self.seed)

    def _of_file(self, path: Path) -> Paths:
        file = read_scanpaths(path.expanduser())
        number = {scene.name: k for k, scene in enumerate(self.viewing.dataset.scenes)}
        kept = [
            (s.xy_px, number[image])
            for s, image in zip(file.scanpaths, file.image, strict=True)
            if image in number
        ]
        if missing := len(number) - len({k for _, k in kept}):
            raise DataError(
                f"{path} has no scanpath on {missing} of the {len(number)} pictures: make them for all"
            )
        return Paths.of((np.asarray(xy) for xy, _ in kept), [k for _, k in kept], self.fixations)

    def _of_model(self) -> Paths:
        viewing, viewer = self.viewing, deepcopy(self.viewer)
        viewer.facts = viewer.facts | viewing.facts()
        viewer.requires_grad_(True).fit(viewing)
        generator = torch.Generator().manual_seed(self.seed)
        found: list[np.ndarray] = []
        picture: list[int] = []
        scene = np.array([trial.scene for trial in viewing.dataset.trials], int)
        for k in range(len(viewing.dataset.scenes)):
            index = np.flatnonzero(scene == k).tolist()
            if index:
                paths = viewer.scanpaths(viewing.batch(index[:1]).scenes, len(index), generator)[0]
                found += [
                    xy[kept].double().cpu().numpy() for xy, kept in zip(paths.xy_px, paths.mask, strict=True)
                ]
                picture += [k] * len(index)
        return Paths.of(found, picture, self.fixations)

    def _notes(self, made: Mapping[str, Paths]) -> list[str]:
        lost = len(self.viewing.dataset.trials) - len(made["human"]) if "human" in made else 0
        about = self.viewing.about()["notes"]
        gone = [f"{lost} scanpaths left out, which have no saccade"] if lost else []
        return [f"scanpaths: {self._who('learnt')} in training, {self._who('scored')} scored", *about, *gone]

    def _who(self, use: str) -> str:
        return " and ".join(self.providers[use])

    def facts(self) -> dict[str, Any]:
        """As of `GlimpseData`, and the pictures that a model is trained and chosen with (`assigned`)."""
        viewing = self.viewing.facts()
        assigned = {name: viewing[name] for name in ("split_by", "assigned")}
        return super().facts() | assigned | {"provider": list(self.providers["learnt"])}
