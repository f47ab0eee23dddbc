"""Glimpses along scanpaths over real pictures, embedded by a real net, in folds by picture.

data = ScanpathGlimpses("osie", root="data/osie", provider="human")
data.setup()
batch = data.batch([0, 1])              # see glimpse_data
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.backbones import Backbone
from gazekit.datasets.brain_pictures import PictureFiles, Pictures
from gazekit.datasets.glimpse_data import GlimpseData, GlimpseRecords
from gazekit.datasets.glimpse_embedding import glimpse_embeddings
from gazekit.datasets.glimpse_generated import SIDE_PX, GeneratedPictures, generated_paths
from gazekit.datasets.glimpse_paths import CONTROLS, Paths, controlled, joined
from gazekit.datasets.glimpse_providers import paths_of_file, paths_of_viewer
from gazekit.datasets.records import OnBadRecord, ScanpathDataset
from gazekit.datasets.viewing_data import ViewingData
from gazekit.errors import DataError
from gazekit.foveation.glimpses import GlimpseSampler
from gazekit.scanpaths.viewer import Viewer

__all__ = ["PROVIDERS", "ScanpathGlimpses"]

PROVIDERS = ("human", *CONTROLS, "model")
_SCANPATHS, _FIXATIONS = 5, 7  # over a generated picture


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
        generated: pictures of `layout_world` that are added to training, with five scanpaths to places all over them.
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
        generated: int = 0,
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
        if (fixations is not None and fixations < 2) or generated < 0:
            raise ValueError(
                f"data.fixations must be at least 2 or null, data.generated at least 0, got {fixations}, {generated}"
            )
        self.viewing = ViewingData(
            name, root, on_bad_record, options, split, folds, fold, split_seed, batch_size, mirror=False
        )
        self.generated = generated
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
        self.viewing.trained_with = self._assigned()
        self.viewing.setup(stage)
        self._look()

    def use_scanpaths(self, dataset: ScanpathDataset) -> None:
        """Take scanpaths that are loaded already, and embed their glimpses."""
        self.viewing.trained_with = self._assigned()
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

    def _assigned(self) -> dict[str, Any] | None:
        """What the evaluated model was trained on. Its `categories` are a number here, but names of objects there."""
        known = self.trained_with
        return (
            None
            if known is None
            else {name: known[name] for name in ("split_by", "assigned") if name in known}
        )

    def _look(self) -> None:
        from gazekit.backbones import load_backbone

        dataset = self.viewing.dataset
        size_px = np.array([scene.size_px for scene in dataset.scenes])
        made = {who: self._paths(who, size_px) for who in dict.fromkeys(sum(self.providers.values(), ()))}
        pictures = PictureFiles([scene.image_path for scene in dataset.scenes])
        backbone = load_backbone(self.backbone, self.weights, [self.layer], self.size_px)
        seen = {who: self._embedded(pictures, paths, backbone) for who, paths in made.items()}
        used = list(self.providers["learnt"])
        if self.generated:
            drawn = generated_paths(0, self.generated, _SCANPATHS, self.fixations or _FIXATIONS, self.seed)
            seen["generated"] = self._embedded(GeneratedPictures(self.generated, self.seed), drawn, backbone)
            made["generated"] = replace(drawn, picture=drawn.picture + len(size_px))
            used.append("generated")
        same = self.providers["learnt"] == self.providers["scored"]
        self._learnt = sum(len(made[who]) for who in used)
        self._scored = 0 if same else self._learnt
        used += [] if same else self.providers["scored"]
        paths = joined([made[who] for who in used])
        records = GlimpseRecords(
            name=dataset.name,
            embeddings=np.concatenate([seen[who] for who in used]),
            xy_px=paths.xy_px,
            start=paths.start,
            picture=paths.picture,
            pictures=[scene.name for scene in dataset.scenes]
            + [f"generated{k}" for k in range(self.generated)],
            size_px=np.concatenate([size_px, np.full((self.generated, 2), SIDE_PX)]),
            glimpse_px=self.sampler.glimpse_px,
            backbone=backbone.recipe,
            notes=self._notes(made),
        )
        self.use(records, self._parts())

    def _embedded(self, pictures: Pictures, paths: Paths, backbone: Backbone) -> np.ndarray:
        owner = paths.picture[paths.owner]
        return glimpse_embeddings(pictures, owner, paths.xy_px, backbone, self.sampler, self.features_root)

    def _parts(self) -> dict[str, np.ndarray]:
        """Numbers of pictures."""
        trials = self.viewing.dataset.trials
        scene = np.array([trial.scene for trial in trials], int)
        parts = {part: np.unique(scene[index]) for part, index in self.viewing.parts.items()}
        drawn = len(self.viewing.dataset.scenes) + np.arange(self.generated)
        return parts | {"train": np.concatenate([parts["train"], drawn])}

    def _paths(self, who: str, size_px: np.ndarray) -> Paths:
        """Scanpaths of a provider over all pictures."""
        if who == "model":
            return paths_of_viewer(self.viewer, self.viewing, self.fixations, self.seed)
        if who not in PROVIDERS:
            return paths_of_file(who, [s.name for s in self.viewing.dataset.scenes], self.fixations)
        trials = self.viewing.dataset.trials
        people = Paths.of(
            (np.asarray(trial.scanpath.xy_px) for trial in trials), [t.scene for t in trials], self.fixations
        )
        return people if who == "human" else controlled(people, who, size_px, self.seed)

    def _notes(self, made: Mapping[str, Paths]) -> list[str]:
        lost = len(self.viewing.dataset.trials) - len(made["human"]) if "human" in made else 0
        about = self.viewing.about()["notes"]
        gone = [f"{lost} scanpaths left out, which have no saccade"] if lost else []
        drawn = [f"{self.generated} generated pictures are added to training"] if self.generated else []
        return [
            f"scanpaths: {self._who('learnt')} in training, {self._who('scored')} scored",
            *about,
            *gone,
            *drawn,
        ]

    def _who(self, use: str) -> str:
        return " and ".join(self.providers[use])

    def facts(self) -> dict[str, Any]:
        """As of `GlimpseData`, and the pictures that a model is trained and chosen with (`assigned`)."""
        viewing = self.viewing.facts()
        assigned = {name: viewing[name] for name in ("split_by", "assigned")}
        return super().facts() | assigned | {"provider": list(self.providers["learnt"])}
