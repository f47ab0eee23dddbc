"""Motion that people report at probes in movies, the true motion, and what released models say of it.

    sintel_slow/HumanResp.mat, SintelGT.mat           5 movies x 36 probes, mean over people
    kitti2015/kittiperceivedflowtable.csv             10 sets of movies x 12 sessions x 2 movies x 10 probes
    second_order/participants/participant{1,2,3}.csv  40 scenes x 7 kinds of motion without a drifting luminance
    second_order/models/MODEL__*.csv                  what models say of these, x and y in a file each

Three sets, of which one is chosen. The movies are not among the files, so that no other model can be run on them;
models are compared through what their authors recorded. A batch holds, in pixels per frame, v downwards:

    human_flow [B, 2], true_flow [B, 2]   float64
    condition [B]                         int64 index of facts()["conditions"]: the kind of motion, the set of movies
    group [B]                             int64, the scene or movie, which intervals draw
    probe [B]                             int64, number of the probe in its set
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gazekit.base import Data, Predictor
from gazekit.datasets.human_motion_files import (
    MotionProbes,
    read_perceived,
    read_second_order,
    read_sintel,
)
from gazekit.datasets.records import BadRecords, DatasetInfo, OnBadRecord, find_root

__all__ = ["INFO", "SETS", "HumanMotion", "PerceivedMotion", "load"]

SETS = ("second_order", "sintel_slow", "perceived_flow")
_TABLE = "kittiperceivedflowtable.csv"

INFO = DatasetInfo(
    name="human_motion",
    title="motion that people report in movies, and what 13 models say of second-order motion",
    licence="Apache-2.0",
    citation="Sun et al. 2023, NeurIPS (arXiv 2305.09156); Sun et al. 2025 (arXiv 2501.12810)",
    source="https://github.com/anoymized/multi-order-motion-model",
    files=(
        "second_order/participants/participant*.csv",
        "second_order/models/*.csv",
        "sintel_slow/HumanResp.mat",
        "sintel_slow/SintelGT.mat",
        f"kitti2015/{_TABLE}",
    ),
    how_to_get="copy the tables under second-order-exp/ and evaluate_human/ of the repository into these folders",
    known={"27c0a13c78bb078e": "commit c588655: 180, 2,400 and 280 probes, 13 models"},
    caution="the movies are not in the set: models are compared through their recorded outputs only",
)


@dataclass(frozen=True, eq=False)
class PerceivedMotion:
    """All sets by name."""

    name: str
    sets: Mapping[str, MotionProbes]
    skipped: tuple[str, ...] = ()
    filtered: Mapping[str, int] = field(default_factory=dict)
    repaired: Mapping[str, int] = field(default_factory=dict)

    def fingerprint(self) -> dict[str, float | int | str]:
        """Counts, mean speeds and a digest of all numbers."""
        digest = hashlib.sha256()
        facts: dict[str, float | int | str] = {}
        for name, probes in self.sets.items():
            facts[name] = len(probes.group)
            facts[f"{name}_px_per_frame"] = float(np.linalg.norm(probes.human_flow, axis=1).mean())
            people = [] if probes.participants is None else [probes.participants]
            for array in (probes.human_flow, probes.true_flow, *people, *probes.models.values()):
                digest.update(np.ascontiguousarray(np.round(array, 4) + 0.0, dtype="<f8").tobytes())
        facts["models"] = sum(len(probes.models) for probes in self.sets.values())
        return facts | {"digest": digest.hexdigest()[:16]}


def load(root: str | Path | None = None, on_bad_record: OnBadRecord = "raise") -> PerceivedMotion:
    """Read all three sets.

    Args:
        root: the folder, see the module.
        on_bad_record: "skip" leaves out broken rows of the table of perceived flow and lists them; the other files
            are whole or an error.
    Raises:
        FileNotFoundError: the folder or a file is absent.
        DataError: a file is not what is expected.
    """
    root = find_root(root, INFO)
    bad = BadRecords(on_bad_record)
    sets = {
        "second_order": read_second_order(root / "second_order"),
        "sintel_slow": read_sintel(root / "sintel_slow"),
        "perceived_flow": read_perceived(root / "kitti2015" / _TABLE, bad),
    }
    return PerceivedMotion(INFO.name, sets, tuple(bad.skipped))


class HumanMotion(Data):
    """Probes of one set as batches, see the module; all of them are the part "test". Nothing is trained on them.

    Args:
        root, on_bad_record: see `load`.
        set: "second_order", "sintel_slow" or "perceived_flow".
        batch_size: probes per batch.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        set: str = "second_order",
        on_bad_record: OnBadRecord = "raise",
        batch_size: int = 512,
    ) -> None:
        super().__init__(batch_size, "test")
        if set not in SETS:
            raise ValueError(f"data.set must be one of {', '.join(SETS)}, got {set!r}")
        self.root, self.set, self.on_bad_record = root, set, on_bad_record

    def setup(self, stage: str | None = None) -> None:
        """Read the files. Errors: see `load`."""
        self.dataset = load(self.root, self.on_bad_record)
        self.probes = self.dataset.sets[self.set]
        self.parts = {"test": np.arange(len(self.probes.group))}

    def batch(self, index: Sequence[int], generator: torch.Generator | None = None) -> dict[str, Any]:
        """The probes with these indices; see the module."""
        index = np.asarray(index, int)
        names = ("human_flow", "true_flow", "condition", "group")
        return {name: torch.from_numpy(getattr(self.probes, name)[index]) for name in names} | {
            "probe": torch.from_numpy(index)
        }

    def facts(self) -> dict[str, Any]:
        return {"dataset": INFO.name, "set": self.set, "conditions": list(self.probes.conditions)}

    def about(self) -> dict[str, Any]:
        """Counts of the chosen set, the fingerprint of all files, and what was left out."""
        notes = [f"{INFO.name}: {INFO.caution}", *(f"skipped {message}" for message in self.dataset.skipped)]
        if self.set == "sintel_slow":
            notes.append("intervals draw whole movies, of which there are only five")
        return {
            "name": f"{INFO.name}, {self.set}",
            "split": self.split,
            "probes": len(self.probes.group),
            "groups": len(np.unique(self.probes.group)),
            "fingerprint": self.dataset.fingerprint(),
            "notes": notes,
        }

    def references(self) -> dict[str, Predictor]:
        """The mean of all people, each of them beside the mean of the others, and the released models."""
        probes = self.probes
        rows: dict[str, Predictor] = {"people": _People(probes.human_flow)}
        people = probes.participants
        for k in range(0 if people is None else len(people)):
            others = np.delete(people, k, 0).mean(0)
            rows[f"participant {k + 1}"] = _Recorded(
                people[k], f"Person {k + 1}, compared with the mean of the others.", others
            )
        for name, flow in probes.models.items():
            rows[name] = _Recorded(flow, f"{name}: as recorded by its authors.")
        return rows


class _Recorded(Predictor):
    """Flow that was recorded, by the number of the probe."""

    def __init__(self, flow: np.ndarray, about: str, others: np.ndarray | None = None) -> None:
        super().__init__()
        self._flow, self._about = torch.from_numpy(flow), about
        self._others = None if others is None else torch.from_numpy(others)

    @property
    def about(self) -> str:
        return self._about

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        """`flow` [B, 2], and `human_flow` of the other people where it is a person's."""
        said = {"flow": self._flow[batch["probe"]]}
        return said if self._others is None else said | {"human_flow": self._others[batch["probe"]]}


class _People(_Recorded):
    """The mean of all people, which is not compared with itself."""

    def __init__(self, flow: np.ndarray) -> None:
        super().__init__(flow, "What people report, the mean over them.")
        why = "people are not compared with themselves"
        self.reasons = dict.fromkeys(("r_human", "partial_r", "consistency", "error_human"), why)
