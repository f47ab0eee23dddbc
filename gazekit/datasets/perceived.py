"""Pictures as four perceptual systems see them, for nets that learn behind each of them.

A perceptual system is a fixed transform of the picture, then a net (Deza and Konkle 2020, arXiv 2006.07991). All
four look at the middle of the picture; the two blurs lose as much of it as the texture does, measured by SSIM on
validation pictures.

A batch is a dict: `views` uint8 [B, 4, S, S, 3] in the order of `SYSTEMS`, `label` [B] int64 index among the classes,
`group` [B] int64, different for each picture; in training also `run` [B] int64, see `Perceived.training_batch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gazekit.base import Data
from gazekit.datasets.perceived_store import Store

__all__ = ["SYSTEMS", "Perceived"]

SYSTEMS = ("Reference", "Foveation-Texture", "Uniform-Blur", "Foveation-Blur")
_AT_ONCE = 64  # pictures that are transformed together


class Perceived(Data):
    """Base of data whose pictures are seen by `SYSTEMS`. A subclass lists its pictures and gives them.

    Args:
        side_px: of the pictures, which are square; a multiple of 16, so that the battery's levels are whole pixels.
        span_dva: width of a picture in degrees; published are 26.
        scaling: s, growth of the regions of foveated texture and blur with eccentricity; published is 0.4.
        matched: number of validation pictures on which the blurs are matched.
        runs: how many nets of each system are trained, each with its own order of the pictures.
        cache: "memory" (4 x 3 x side^2 bytes a picture), a folder on disk that keeps what was seen, or None to
            transform again at every pass.
        batch_size: pictures of each run.
        split, seed: see `Data`.

    Attributes, set by `setup` of the subclass:
        classes: names.
        labels: [N] index among the classes of each item.
    """

    classes: list[str]
    labels: np.ndarray

    def __init__(
        self,
        side_px: int,
        span_dva: float = 26.0,
        scaling: float = 0.4,
        matched: int = 64,
        runs: int = 1,
        cache: str | None = "memory",
        batch_size: int = 64,
        split: str = "test",
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, split, seed)
        if split not in ("train", "val", "test"):
            raise ValueError(f"data.split must be train, val or test, got {split!r}")
        if side_px < 32 or side_px % 16:
            raise ValueError(f"data.side_px must be a multiple of 16 of at least 32, got {side_px}")
        for name, number in (
            ("span_dva", span_dva),
            ("scaling", scaling),
            ("matched", matched),
            ("runs", runs),
        ):
            if not number > 0:
                raise ValueError(f"data.{name} must be above 0, got {number}")
        self.side_px, self.px_per_dva, self.scaling = side_px, side_px / span_dva, scaling
        self.matched, self.runs, self.cache = matched, runs, cache
        self._facts: dict[str, Any] = {}

    def pictures(self, index: Sequence[int]) -> np.ndarray:
        """uint8 [B, side_px, side_px, 3] of items."""
        raise NotImplementedError(f"{type(self).__name__} must define pictures(index)")

    def fingerprint(self) -> dict[str, Any]:
        """Plain values on which the pictures depend: what a cache on disk must agree with."""
        raise NotImplementedError(f"{type(self).__name__} must define fingerprint()")

    def ready(self) -> None:
        """To be called at the end of a subclass's `setup`: matches the blurs and measures the systems' mean colours.

        Data on which a model is evaluated take the blurs that it was trained with.

        Raises:
            ValueError: the model was trained on pictures of another size or other classes, or the texture cannot be
                matched.
        """
        if self._facts:
            return
        known = self.trained_with or {}
        if known.get("side_px", self.side_px) != self.side_px:
            raise ValueError(f"the model sees pictures of {known['side_px']} px: set data.side_px to that")
        if list(known.get("classes", self.classes)) != list(self.classes):
            raise ValueError(
                f"the model names other classes ({', '.join(known['classes'])}) than the data have "
                f"({', '.join(self.classes)})"
            )
        self._facts = {"classes": self.classes, "systems": list(SYSTEMS), "side_px": self.side_px}
        self._facts |= {
            k: known[k] for k in ("sigma_px", "ring_sigma_px", "ssim") if k in known
        } or self._match()
        self._store = Store(
            self.cache,
            (len(self.labels), len(SYSTEMS), self.side_px, self.side_px, 3),
            self.fingerprint() | {"px_per_dva": self.px_per_dva, "scaling": self.scaling, **self._facts},
        )
        self._facts["mean_colour"] = self._mean_colour()

    def facts(self) -> dict[str, Any]:
        """`classes`, `systems`, `side_px`; `sigma_px` of the uniform blur and `ring_sigma_px` of the foveated one, both
        as loss of `ssim`; `mean_colour` [4][3] of each system over the validation part, of 255."""
        return self._facts

    def about(self) -> dict[str, Any]:
        rings = ", ".join(f"{s:.2f}" for s in self._facts["ring_sigma_px"])
        note = (
            f"blurs are matched to the texture at SSIM {self._facts['ssim']:.3f}: uniform "
            f"{self._facts['sigma_px']:.2f} px, "
            f"foveated {rings} px from the innermost ring outwards"
        )
        return super().about() | {"name": "perceived pictures", "notes": [note]}

    def batch(self, index: Sequence[int], generator: torch.Generator | None = None) -> dict[str, Any]:
        """See the module. Nothing in it is random."""
        index = np.asarray(index, int)
        return {
            "views": torch.from_numpy(self._store.get(index, self._seen)),
            "label": torch.from_numpy(self.labels[index]),
            "group": torch.from_numpy(index),
        }

    def training_batch(self, step: int, rank: int = 0, processes: int = 1) -> dict[str, Any]:
        """`batch_size` pictures for each run, in an order of its own; `run` says for which each of them is.

        The four systems of a run get the same pictures. See `Data.training_batch`.
        """
        train = self.parts["train"]
        epoch, place = divmod(step, self.steps_per_epoch(processes))
        start = (place * processes + rank) * self.batch_size
        index, run = [], []
        for k in range(self.runs):
            order = np.random.default_rng([self.seed, k, epoch]).permutation(len(train))
            chosen = order[start : start + self.batch_size]
            chosen = chosen if len(chosen) else order[:1]  # the last step may leave a process without items
            index.append(train[chosen])
            run.append(np.full(len(chosen), k))
        return self.batch(np.concatenate(index)) | {"run": torch.from_numpy(np.concatenate(run))}

    def _seen(self, index: np.ndarray) -> np.ndarray:
        """uint8 [B, 4, S, S, 3]."""
        parts = [index[at : at + _AT_ONCE] for at in range(0, len(index), _AT_ONCE)]
        return np.concatenate([_views(self.pictures(part), part, self) for part in parts])

    def _match(self) -> dict[str, Any]:
        from gazekit.foveation import match_blur, match_foveated_blur, similarity

        index = self.parts["val"]
        index = index[np.linspace(0, len(index) - 1, min(self.matched, len(index))).astype(int)]
        reference, texture = _unblurred(self.pictures(index), index, self)
        rings = match_foveated_blur(reference, texture, self.px_per_dva, self.scaling)
        return {
            "sigma_px": match_blur(reference, texture).sigma_px,
            "ring_sigma_px": list(rings.sigma_px),
            "ssim": float(similarity(reference, texture).mean()),
        }

    def _mean_colour(self) -> list[list[float]]:
        total = np.zeros((len(SYSTEMS), 3))
        for batch in self.batches("val"):
            total += batch["views"].double().mean((2, 3)).sum(0).numpy()
        return (total / len(self.parts["val"])).round(4).tolist()


def _unblurred(pictures: np.ndarray, index: np.ndarray, data: Perceived) -> tuple[Tensor, Tensor]:
    """What the first two systems see, [B, 3, S, S] in [0, 1]. Each picture has noise of its own, by its number."""
    from gazekit.foveation import FoveatedTexture, Reference

    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    texture = [
        FoveatedTexture(data.px_per_dva, data.scaling, seed=int(i))(image[None])
        for i, image in zip(index, images, strict=True)
    ]
    return Reference()(images), torch.cat(texture)


@torch.no_grad()
def _views(pictures: np.ndarray, index: np.ndarray, data: Perceived) -> np.ndarray:
    """uint8 [B, 4, S, S, 3]. Blurs are those of the reference, so that all systems share what it does to pictures."""
    from gazekit.foveation import FoveatedBlur, UniformBlur

    facts = data.facts()
    reference, texture = _unblurred(pictures, index, data)
    uniform = UniformBlur(facts["sigma_px"])(reference)
    foveated = FoveatedBlur(data.px_per_dva, data.scaling, facts["ring_sigma_px"])(reference)
    seen = torch.stack([reference, texture, uniform, foveated], 1)
    return (seen.clamp(0, 1) * 255).round().to(torch.uint8).movedim(2, -1).numpy()
