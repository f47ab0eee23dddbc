"""OAT as a system: which appearance the data allow, and what of a checkpoint makes the net again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gazekit.models.oat.appearance import CategoryAppearance, CropAppearance, NoAppearance
from gazekit.models.oat.net import OATNet
from gazekit.models.oat.onnx_form import NextObject, example
from gazekit.models.oat.timing import CONTEXT, generated, observed
from gazekit.models.scanpath_system import ScanpathSystem
from gazekit.scanpaths.durations import DurationModel, timed_part

if TYPE_CHECKING:
    from gazekit.base import Data
    from gazekit.scene import TrialBatch

__all__ = ["OAT", "upgrade"]

APPEARANCES = ("crop", "category", "none")
CROP_POOLS = {150: (5, 3), 32: (2, 3)}
"""Max-pools that suit crops of a height: the paper's, and those of the generated displays."""


class OAT(ScanpathSystem):
    """The object-level attention transformer.

    Args:
        facts: of `ScanpathData`.
        appearance: crop | category | none; "auto" takes the first that the data have.
        val_samples: see `ScanpathSystem`.
        durations: whether it predicts how long fixations last, too (`gazekit.scanpaths.durations`). The durations are
            fitted before the training, so that nothing else in it changes.
        net: further settings, see `OATNet`.
    Raises:
        ValueError: an appearance that the data do not have, or an unknown one.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        appearance: str = "auto",
        val_samples: int = 2,
        durations: bool = False,
        **net: Any,
    ) -> None:
        super().__init__(facts, val_samples)
        self.appearance = _available(appearance, facts)
        self.net = OATNet(_appearance(self.appearance, facts), **net)
        self.durations: DurationModel | None = None
        if durations:
            people = len(facts.get("observers", ()))
            self.durations = DurationModel(people, context=len(CONTEXT)).requires_grad_(False)

    def fit(self, data: Data) -> None:
        """Fits the durations, if there are to be any.

        Raises:
            ValueError: the data have no durations.
        """
        if self.durations is None:
            return
        train, val = (timed_part(data, part, observed) for part in ("train", "val"))
        if not train.known.any():
            name = self.facts.get("dataset", "the data set")
            raise ValueError(f"model.durations=true, but {name} has no durations; set it to false")
        self.durations.requires_grad_(True).fit(train, val)
        self.durations.requires_grad_(False)  # the training is not about them

    @torch.no_grad()
    def predict(self, batch: TrialBatch, generator: torch.Generator, samples: int = 1) -> dict[str, Tensor]:
        """As every scanpath model; with durations also their likelihood and `model_duration_ms` [B, n, T]."""
        said = super().predict(batch, generator, samples)
        if self.durations is None:
            return said
        made = generated(batch, said["model_objects"], said["model_mask"])
        known = {} if batch.duration_ms is None else self.durations.arguments(observed(batch))
        return said | known | {"model_duration_ms": self.durations.sample(made, generator)}

    def onnx_example(self) -> tuple[nn.Module, dict[str, Tensor]]:
        """The distribution of the next object after each fixation; an ONNX file has the example's sizes."""
        return NextObject(self.net), example(tuple(self.facts.get("crop_size") or (1, 1)))

    def notes(self) -> list[str]:
        notes = [f"appearance of objects: {self.appearance}"]
        if self.durations is not None:
            notes.append(
                "durations are predicted from the centres of the fixated objects, as generated scanpaths have"
            )
        if self.net.landing and self.net.relation is not None:
            name = (self.recipe or {}).get("name", "the system")
            notes.append(
                f"the likelihood of {name} is given where in its object each past fixation landed; the baselines know "
                "the object only (model.landing=false compares on equal terms)"
            )
        return notes


def _available(wanted: str, facts: Mapping[str, Any]) -> str:
    has = {
        "crop": facts.get("crop_size") is not None,
        "category": len(facts.get("categories", ())) > 1,
        "none": True,
    }
    if wanted not in (*APPEARANCES, "auto"):
        raise ValueError(f"model.appearance must be one of auto, {', '.join(APPEARANCES)}, got {wanted!r}")
    if wanted == "auto":
        return next(name for name in APPEARANCES if has[name])
    if not has[wanted]:
        raise ValueError(
            f"model.appearance={wanted}, but {facts.get('dataset', 'the data set')} has no "
            f"{'crops' if wanted == 'crop' else 'categories to tell apart'}; choose auto or none"
        )
    return wanted


def _appearance(name: str, facts: Mapping[str, Any]) -> Callable[[int], nn.Module]:
    if name == "crop":
        height, width = facts["crop_size"]
        return partial(CropAppearance, crop_size=(height, width), pools=CROP_POOLS.get(height, (3, 3)))
    if name == "category":
        return partial(CategoryAppearance, n_categories=len(facts["categories"]))
    return NoAppearance


_OLD_METRICS = {
    "information_gain_bits": {"_target_": "gazekit.metrics.InformationGain"},
    "information_gain_with_stop_bits": {"_target_": "gazekit.metrics.InformationGainWithStop"},
    "sequence_score": {"_target_": "gazekit.metrics.SequenceScore"},
    "edit_distance": {"_target_": "gazekit.metrics.EditDistance"},
    "behaviour_delta": {"_target_": "gazekit.metrics.BehaviourDelta"},
    "search_behaviour": {"_target_": "gazekit.metrics.SearchBehaviour"},
}


def upgrade(recipe: Mapping[str, Any], state: Mapping[str, Any]) -> tuple[dict, dict]:
    """Recipe and weights of a checkpoint of gazekit 0.1 as they are written now."""
    net = dict(recipe["net"])
    net.pop("_target_")
    hidden = {"target_position": net.get("target_position", "known")}
    baselines = {"pairwise": ("Pairwise", hidden), "marginal": ("Marginal", {}), "uniform": ("Uniform", {})}
    data = dict(recipe["data"])
    facts = {
        "dataset": data["name"],
        "categories": list(recipe["categories"]),
        "crop_size": recipe["crop_size"],
        "free_viewing": recipe["free_viewing"],
        "max_fixations": recipe["max_fixations"],
        "split_by": data["split_by"],
        "assigned": dict(recipe["assigned"]),
    }
    new = {
        "target": "gazekit.models.oat.OAT",
        "settings": net,
        "facts": facts,
        "baselines": {
            name: {"target": f"gazekit.scanpaths.baselines.{cls}", "settings": settings}
            for name, (cls, settings) in baselines.items()
        },
        "name": recipe["name"],
        "data": data | {"_target_": "gazekit.datasets.scanpath_data.ScanpathData"},
        "metrics": {
            "samples": 10,
            "resamples": 2000,
            "headline": list(_OLD_METRICS)[:5],
            "scores": _OLD_METRICS,
            "baselines": {},
        },
    }
    counters = ("information_gain.", "behaviour_delta.")
    return new, {key: value for key, value in state.items() if not key.startswith(counters)}
