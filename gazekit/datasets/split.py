"""Which trials train a model, choose it and test it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from gazekit.datasets.records import ScanpathDataset

__all__ = ["PARTS", "SplitBy", "part_names", "split_trials", "trial_keys"]

PARTS = ("train", "val", "test")
SplitBy = Literal["image", "subject", "trial"]


def split_trials(
    dataset: ScanpathDataset,
    by: SplitBy = "image",
    fractions: tuple[float, float, float] = (0.7, 0.12, 0.18),
    seed: int = 0,
    assigned: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, np.ndarray]:
    """Trial indices of the parts "train", "val" and "test", and of "all".

    Args:
        by: what the parts never share: "image" (so that no layout is seen before the test), "subject", or
            "trial" (layouts and observers recur: flattering, as in the released code of OAT).
        fractions: of the images (subjects, trials) in train, val and test; sum 1.
        seed: of the permutation of the names.
        assigned: "train" and "val" to the names (`part_names`) a model was trained and chosen with. Every other
            name is then "test", so that a larger or smaller copy of a data set keeps its parts.
    Raises:
        ValueError: unknown `by`, fractions that are not positive or do not sum to 1, or a part left
            empty (unless `assigned`).
    """
    if by not in ("image", "subject", "trial"):
        raise ValueError(f"data.split_by must be 'image', 'subject' or 'trial', got {by!r}")
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(f"data.fractions must be three positive numbers with sum 1, got {tuple(fractions)}")
    keys = trial_keys(dataset, by)
    everything = {"all": np.arange(len(keys))}
    if assigned is not None:
        known = {part: np.isin(keys, list(assigned[part])) for part in ("train", "val")}
        known["test"] = ~(known["train"] | known["val"])
        return {part: np.flatnonzero(inside) for part, inside in known.items()} | everything
    names = np.unique(keys)
    order = np.random.default_rng(seed).permutation(len(names))
    cuts = np.round(np.cumsum(fractions)[:2] * len(names)).astype(int)
    parts = {}
    for part, chosen in zip(PARTS, np.split(order, cuts), strict=True):
        if len(chosen) == 0:
            raise ValueError(
                f"{dataset.name}: {len(names)} {by}s are too few for fractions {tuple(fractions)}: {part} is empty"
            )
        parts[part] = np.flatnonzero(np.isin(keys, names[chosen]))
    return parts | everything


def part_names(
    dataset: ScanpathDataset, by: SplitBy, parts: Mapping[str, np.ndarray]
) -> dict[str, list[str]]:
    """The names in "train" and in "val", as `split_trials` takes them for `assigned`."""
    keys = trial_keys(dataset, by)
    return {part: np.unique(keys[parts[part]]).tolist() for part in ("train", "val")}


def trial_keys(dataset: ScanpathDataset, by: SplitBy) -> np.ndarray:
    """[trials] name of what parts must not share. Scenes over one picture count as one image."""
    if by == "trial":
        scenes = [dataset.scenes[t.scene].name for t in dataset.trials]
        return np.array([f"{s}/{t.scanpath.observer}" for s, t in zip(scenes, dataset.trials, strict=True)])
    if by == "subject":
        return np.array([t.scanpath.observer for t in dataset.trials])
    scenes = [str(s.attributes.get("image", s.name)) for s in dataset.scenes]
    return np.array([scenes[t.scene] for t in dataset.trials])
