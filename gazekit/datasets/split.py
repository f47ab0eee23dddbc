"""Which trials train a model, choose it and test it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from gazekit.datasets.records import ScanpathDataset

__all__ = ["PARTS", "SplitBy", "split_trials"]

PARTS = ("train", "val", "test")
SplitBy = Literal["image", "subject", "trial"]


def split_trials(
    dataset: ScanpathDataset,
    by: SplitBy = "image",
    fractions: tuple[float, float, float] = (0.7, 0.12, 0.18),
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Trial indices of the parts "train", "val" and "test", and of "all".

    Args:
        by: what the parts never share: "image" (so that no layout is seen before the test), "subject", or
            "trial" (layouts and observers recur: flattering, as in the released code of OAT).
        fractions: of the images (subjects, trials) in train, val and test; sum 1.
        seed: of the permutation. The parts depend on the names in the data set, not on the order of files.
    Raises:
        ValueError: unknown `by`, fractions that are not positive or do not sum to 1, or a part left empty.
    """
    if by not in ("image", "subject", "trial"):
        raise ValueError(f"data.split_by must be 'image', 'subject' or 'trial', got {by!r}")
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(f"data.fractions must be three positive numbers with sum 1, got {tuple(fractions)}")
    keys = _keys(dataset, by)
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
    return {**parts, "all": np.arange(len(dataset.trials))}


def _keys(dataset: ScanpathDataset, by: SplitBy) -> np.ndarray:
    """[trials] name of what must not be shared. Scenes over one picture count as one image."""
    if by == "trial":
        return np.array([f"{i:09d}" for i in range(len(dataset.trials))])
    if by == "subject":
        return np.array([t.scanpath.observer for t in dataset.trials])
    scenes = [str(s.attributes.get("image", s.name)) for s in dataset.scenes]
    return np.array([scenes[t.scene] for t in dataset.trials])
