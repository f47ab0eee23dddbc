"""Small brain data in memory, with repeats, missing responses, two subjects and overlapping regions."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from gazekit.base import Data, Predictor

Arrays = namedtuple("Arrays", "features response group")


class ToyBrain(Data):
    """n pictures with 6 features that V voxels of two subjects follow linearly, shown `repeats` times each."""

    def __init__(
        self,
        n: int = 60,
        voxels: int = 8,
        repeats: int = 3,
        noise: float = 1.0,
        batch_size: int = 16,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, "test", seed)
        generator = torch.Generator().manual_seed(seed)
        self.features = torch.randn(n, 6, 1, 1, generator=generator)
        self.signal = self.features[:, :, 0, 0] @ torch.randn(6, voxels, generator=generator)
        self.presented = self.signal + noise * torch.randn(repeats, n, voxels, generator=generator)
        order = np.random.default_rng(seed).permutation(n)
        self.parts = {"train": order[: n // 3], "val": order[n // 3 : n // 2], "test": order[n // 2 :]}
        half = voxels // 2
        self.plain_facts = {
            "layers": {"toy": [6, 1, 1]},
            "voxels": voxels,
            "subjects": ["s1", "s2"],
            "subject_of": [0] * half + [1] * (voxels - half),
            "regions": {"V1": [0, 1, half], "FFA": [1, half, half + 1], "none": []},
        }

    def facts(self) -> dict:
        return self.plain_facts

    def batch(self, index, generator=None) -> dict:
        index = torch.as_tensor(np.asarray(index))
        return {
            "features": {"toy": self.features[index]},
            "response": self.presented[:, index].nanmean(0),
            "group": index,
        }

    def arrays(self, part: str) -> Arrays:
        return Arrays(**self.batch(self.parts[part]))

    def repeats(self, part: str) -> Tensor | None:
        return self.presented[:, self.parts[part]] if len(self.presented) > 1 else None


class Says(Predictor):
    """Says a table of responses [n, V] of all pictures."""

    def __init__(self, table: Tensor, facts: Mapping | None = None) -> None:
        super().__init__(facts)
        self.table = table

    def predict(self, batch, generator, samples=1) -> dict:
        return {"prediction": self.table[batch["group"]]}
