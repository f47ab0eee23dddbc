"""How well networks match the visual cortex of eight people: published RSA scores of the Natural Scenes Dataset.

For 7 regions ("streams" of NSD), 84 entries (a network, on whole pictures or on a central 90 px crop, "_NSD_crop") and
8 subjects: R2 of the best layer between the network's and the subject's dissimilarities of 515 pictures. The layer was
chosen on the mean over the same subjects and pictures, so all values are somewhat too high, and more layers were
compared in some networks than in others. R2 is r squared for a positive r, else 0, and not divided by a noise ceiling.

The glimpse prediction networks themselves are not in the file: of them the source prints means, differences and W
(`PUBLISHED`), but no subject's values.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gazekit.base import Data, Predictor
from gazekit.datasets.records import DatasetInfo, OnBadRecord, find_root
from gazekit.errors import DataError

__all__ = ["INFO", "PUBLISHED", "VENTRAL", "Compared", "GpnNsdRsa", "NetworkScores", "NetworkTable", "load"]

_FILE, _SUBJECTS = "best_layer_r2_by_subject.csv", tuple(f"subj0{k}" for k in range(1, 9))

INFO = DatasetInfo(
    name="gpn_nsd_rsa",
    title="Published match of 84 networks with 7 regions of 8 people's visual cortex (RSA, 515 pictures of NSD)",
    licence="MIT",
    citation="arXiv 2511.12715, 2025",
    source="https://github.com/KietzmannLab/GPN (analysis_helpers/best_layers_streams_allrois.pkl)",
    files=(_FILE,),
    known={"c63c17441c53eee7": "converted at ccb3ea4, six decimals"},
    how_to_get="convert the pickle of the source to a table with the columns roi, network, best_layer, "
    "n_layers_compared, subj01 to subj08, mean",
    counts={"regions": 7, "networks": 84, "subjects": 8},
    caution="layers were chosen on the pictures and subjects that they are scored on; R2 is not noise-normalised",
)


class Compared(NamedTuple):
    """What the source prints of GPN-R-SimCLR in one region, as differences of means over subjects.

    Args:
        alternative: the best other network, with its W; semantic: the same net trained to predict captions (sGSN-R).
    """

    alternative: str
    alternative_gain: float
    alternative_w: int
    semantic_gain: float
    semantic_w: int


PUBLISHED: Mapping[str, Compared] = MappingProxyType(
    {
        "early": Compared("efficientnet_b3", -0.059744, 0, 0.005820, 0),
        "midventral": Compared("hardcorenas_f", -0.002861, 15, 0.015038, 0),
        "midlateral": Compared("efficientnet_b3_NSD_crop", 0.006640, 8, 0.022810, 1),
        "midparietal": Compared("levit_128", 0.011904, 2, 0.023732, 0),
        "lateral": Compared("efficientnet_b7", -0.007479, 4, 0.019356, 0),
        "parietal": Compared("levit_128", 0.010650, 0, 0.017956, 0),
        "ventral": Compared("efficientnet_b3_NSD_crop", 0.041365, 0, 0.070371, 0),
    }
)
"""GPN-R-SimCLR in each region. The source corrects over the first six; the ventral stream is a test of its own."""

VENTRAL: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "SimCLR": {"B": 0.218974, "S": 0.157762, "R": 0.231475, "RS": 0.196731},
        "ILSVRC": {"B": 0.160322, "S": 0.131741, "R": 0.177833, "RS": 0.163097},
        "DINOv2-B": {"B": 0.125509, "S": 0.097637, "R": 0.138540, "RS": 0.151972},
        "sGSN SimCLR": {"R": 0.161104},
        "cGSN SimCLR": {"R": 0.144037},
    }
)
"""Published mean R2 in the ventral stream, by backbone and variant of the glimpse prediction network."""


@dataclass(frozen=True, eq=False)
class NetworkTable:
    """The file.

    Args:
        regions, networks: names.
        r2: [regions, networks, 8].
        layer: (region, network) to its best layer and how many were compared.
    """

    regions: tuple[str, ...]
    networks: tuple[str, ...]
    r2: np.ndarray
    layer: Mapping[tuple[str, str], tuple[str, int]]
    skipped: tuple[str, ...] = ()
    filtered: dict[str, int] = field(default_factory=dict)
    repaired: dict[str, int] = field(default_factory=dict)

    def fingerprint(self) -> dict[str, float | int | str]:
        """Counts, and a digest of all values."""
        digest = hashlib.sha256(repr([self.regions, self.networks, sorted(self.layer.items())]).encode())
        digest.update(self.r2.astype("<f8").tobytes())
        counts = dict(zip(("regions", "networks", "subjects"), self.r2.shape, strict=True))
        return counts | {"mean_r2": float(self.r2.mean()), "digest": digest.hexdigest()[:16]}

    def of(self, region: str, network: str) -> np.ndarray:
        """[8] of the subjects."""
        return self.r2[self.regions.index(region), self.networks.index(network)]

    def best(self, region: str) -> str:
        """The network with the largest mean over subjects."""
        return self.networks[int(self.r2[self.regions.index(region)].mean(1).argmax())]


def load(root: str | Path | None = None, on_bad_record: OnBadRecord = "raise") -> NetworkTable:
    """Read the file.

    Args:
        root: its folder. on_bad_record: has no effect: a table with a hole is no table.
    Raises:
        FileNotFoundError: no file. DataError: other columns, a value that is none, a mean that is not that of the
            subjects, a network that is missing in a region or occurs twice.
    """
    path = find_root(root, INFO) / _FILE
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = ("roi", "network", "best_layer", "n_layers_compared", *_SUBJECTS, "mean")
    if not rows or any(set(row) != set(columns) for row in rows):
        raise DataError(
            f"{path}: expected the columns {', '.join(columns)}, got {', '.join(map(str, rows[0] if rows else ()))}"
        )
    regions, networks = (tuple(dict.fromkeys(row[name] for row in rows)) for name in ("roi", "network"))
    r2 = np.full((len(regions), len(networks), len(_SUBJECTS)), np.nan)
    layer = {}
    for line, row in enumerate(rows, start=2):
        key = row["roi"], row["network"]
        try:
            values, mean = np.array([float(row[name]) for name in _SUBJECTS]), float(row["mean"])
            layer_of = row["best_layer"], int(row["n_layers_compared"])
        except ValueError as error:
            raise DataError(f"{path}, line {line}: {error}") from error
        if key in layer:
            raise DataError(f"{path}, line {line}: {key[1]} occurs twice in {key[0]}")
        if not (values >= 0).all() or abs(values.mean() - mean) > 2e-6:
            raise DataError(
                f"{path}, line {line}: R2 from 0 to 1 of 8 subjects with their mean expected, got {values} and {mean}"
            )
        r2[regions.index(key[0]), networks.index(key[1])] = values
        layer[key] = layer_of
    if np.isnan(r2).any():
        region, network = np.argwhere(np.isnan(r2))[0][:2]
        raise DataError(f"{path}: {networks[network]} is missing in {regions[region]}")
    return NetworkTable(regions, networks, r2, layer)


class NetworkScores(Predictor):
    """Published scores of one network of the table.

    Args:
        facts: of the data.
        network: its name.
    Raises:
        ValueError: an unknown network.
    """

    def __init__(
        self, facts: Mapping[str, Any] | None = None, network: str = "efficientnet_b3_NSD_crop"
    ) -> None:
        super().__init__(facts)
        known = self.facts.get("networks", [network])
        if network not in known:
            raise ValueError(f"unknown network {network!r}, expected one of {', '.join(known)}")
        self.network, self.number = network, known.index(network)

    @property
    def about(self) -> str:
        crop = ", on the central 90 px" if self.network.endswith("_NSD_crop") else ""
        return f"Published scores of {self.network.removesuffix('_NSD_crop')}{crop}."

    def predict(
        self, batch: Mapping[str, Tensor], generator: Any = None, samples: int = 1
    ) -> dict[str, Tensor]:
        """`r2` [B, regions]."""
        return {"r2": batch["r2"][:, :, self.number]}


class GpnNsdRsa(Data):
    """The published table; an item is a subject, and all are in the part "test".

    Args:
        root: folder of the file.
        batch_size, split, seed: see `Data`.

    Attributes:
        table: set by `setup`.
    """

    table: NetworkTable | None = None

    def __init__(
        self, root: str | Path | None = None, batch_size: int = 8, split: str = "test", seed: int = 0
    ) -> None:
        super().__init__(batch_size, split, seed)
        if split != "test":
            raise ValueError(
                f"data.split must be test: nothing is trained on published scores, got {split!r}"
            )
        self.root = root

    def setup(self, stage: str | None = None) -> None:
        """Read once. Raises as `load` does."""
        self.table = self.table or load(self.root)
        self.parts = {"test": np.arange(len(_SUBJECTS))}

    def batch(self, index: Sequence[int], generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """`r2` float64 [B, regions, networks], `group` [B] the subject."""
        values = torch.from_numpy(self.table.r2[:, :, list(index)])
        return {"r2": values.permute(2, 0, 1), "group": torch.tensor(list(index))}

    def facts(self) -> dict[str, Any]:
        """Names: `regions`, `networks`."""
        return {"regions": list(self.table.regions), "networks": list(self.table.networks)}

    def about(self) -> dict[str, Any]:
        return super().about() | {
            "name": INFO.name,
            "fingerprint": self.table.fingerprint(),
            "notes": [INFO.caution],
        }

    def items(self, index: Sequence[int]) -> list[str]:
        """Names of the subjects."""
        return [_SUBJECTS[i] for i in index]

    def references(self) -> dict[str, Predictor]:
        """All networks."""
        return {name: NetworkScores(self.facts(), name) for name in self.table.networks}
