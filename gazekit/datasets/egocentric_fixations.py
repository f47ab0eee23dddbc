"""Fixations of a generated egocentric video as batches: frames to look at, what is in them, and what was looked at.

An item is a fixation with its frame. Pictures are drawn when a model reads them, so that a detector that keeps what it
found draws each frame once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from gazekit.base import Data
from gazekit.datasets.synthetic_egocentric import EXCLUSIVE, LABELS, EgocentricVideo, make

__all__ = ["EgocentricFixations", "Frames"]

HELD_OUT_EVERY = 5


class Frames:
    """Frames of a video by number. It passes through batches untouched, and models may remember it by identity.

    Args:
        video: with `read(frame)`, [H, W, 3] uint8 RGB: an `EgocentricVideo`, a `SceneVideo`.
    """

    def __init__(self, video: Any) -> None:
        self._video = video

    def read(self, frame: int) -> np.ndarray:
        """[H, W, 3] uint8 RGB."""
        return self._video.read(frame)


class EgocentricFixations(Data):
    """Fixations of one generated egocentric video (`synthetic_egocentric.make`).

    Parts are split by time, since neighbouring frames are nearly equal: the fixations before `labelled_s` are for
    training, those after it are "test". Of the former every fifth is "val", the others are "train"; "detector" is a few
    of the first `detector_s` seconds, spread evenly and never in "val", from which a detector may start. "all" is all
    of the video.

    A batch holds:
        frames: `Frames` of the video; frame [B] the number of each fixation's frame.
        image: [B] a number that no other item has.
        fixation_px: [B, 2] x and y in the frame.
        label: [B] index of the object that is looked at, C (the number of labels) for the background; `labels_b` is the
            same, for metrics of agreement.
        truth: for each item a dict of "boxes" [M, 4] half-open pixels and "labels" [M].
        group: [B] clips of `clip_s` seconds, which intervals draw: errors of neighbouring fixations are alike.

    Args:
        difficulty: "easy", "medium" or "hard".
        video_seed: of the video.
        duration_s: of the video.
        labelled_s: end of the part for training.
        detector_frames: number of fixations in the part "detector"; fewer where there are fewer.
        detector_s: see above.
        clip_s: see above.
        batch_size, split, seed: see `Data`.
    Raises:
        ValueError: settings that make no video, or a part without a fixation.
    """

    def __init__(
        self,
        difficulty: str = "medium",
        video_seed: int = 0,
        duration_s: float = 90.0,
        labelled_s: float = 54.0,
        detector_frames: int = 8,
        detector_s: float = 12.0,
        clip_s: float = 3.0,
        batch_size: int = 32,
        split: str = "test",
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, split, seed)
        if detector_frames < 1 or clip_s <= 0:
            raise ValueError(
                f"data.detector_frames must be at least 1 and data.clip_s above 0, got {detector_frames} and {clip_s}"
            )
        self.difficulty, self.video_seed = difficulty, int(video_seed)
        self.duration_s, self.labelled_s = float(duration_s), float(labelled_s)
        self.detector_frames, self.detector_s, self.clip_s = detector_frames, float(detector_s), float(clip_s)
        self.video: EgocentricVideo | None = None

    def setup(self, stage: str | None = None) -> None:
        """Make the video and its parts, once."""
        if self.video is not None:
            return
        until_s = max(self.labelled_s, self._trained_until_s())
        self.video = make(self.duration_s, self.difficulty, self.video_seed, labelled_s=until_s)
        self.frames, self.fixations = Frames(self.video), self.video.fixations
        t_ms = self.video.t_ms[self.fixations["frame"]]
        labelled = np.flatnonzero(t_ms < self.labelled_s * 1000)
        first = np.flatnonzero(t_ms < min(self.detector_s, self.labelled_s) * 1000)
        if not len(first):
            raise ValueError(f"no fixation in the first {self.detector_s:g} s: raise data.detector_s")
        spread = np.linspace(0, len(first) - 1, min(self.detector_frames, len(first)))
        detector = first[spread.round().astype(int)]
        held_out = np.setdiff1d(labelled[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY], detector)
        self.parts = {
            "detector": detector,
            "train": np.setdiff1d(labelled, held_out),
            "val": held_out,
            "test": np.flatnonzero(t_ms >= until_s * 1000),
            "all": np.arange(len(t_ms)),
        }
        if empty := [name for name, index in self.parts.items() if not len(index)]:
            raise ValueError(
                f"no fixation in the part {', '.join(empty)}: raise data.duration_s or data.labelled_s"
            )

    def _trained_until_s(self) -> float:
        """End of what a model was trained on, if it was trained on this video."""
        other = (self.trained_with or {}).get("video", {})
        same = all(other.get(name) == value for name, value in self._video_facts().items())
        return float(other.get("labelled_s", 0.0)) if same else 0.0

    def _video_facts(self) -> dict[str, Any]:
        return {"difficulty": self.difficulty, "seed": self.video_seed, "duration_s": self.duration_s}

    def facts(self) -> dict[str, Any]:
        """`labels`, `exclusive` (groups of look-alikes, each at most once in a frame), and `video`."""
        return {
            "labels": list(LABELS),
            "exclusive": [list(group) for group in EXCLUSIVE],
            "video": {**self._video_facts(), "labelled_s": self.labelled_s},
        }

    def about(self) -> dict[str, Any]:
        counts = {name: len(index) for name, index in self.parts.items()}
        return {
            "name": f"generated egocentric video, {self.difficulty}",
            "split": self.split,
            "fixations": counts,
            **self._video_facts(),
            "labelled_s": self.labelled_s,
            "notes": [
                f"intervals draw clips of {self.clip_s:g} s of one video: they say nothing of other videos"
            ],
        }

    def batch(self, index: Sequence[int], generator: torch.Generator | None = None) -> dict[str, Any]:
        rows = self.fixations.iloc[list(index)]
        number = {name: k for k, name in enumerate(LABELS)}
        frame = rows["frame"].to_numpy()
        t_s = self.video.t_ms[frame] / 1000
        label = torch.tensor([number.get(name, len(LABELS)) for name in rows["aoi"]])
        return {
            "frames": self.frames,
            "frame": torch.from_numpy(frame.astype(np.int64)),
            "image": torch.tensor(list(index)),
            "fixation_px": torch.tensor(rows[["x_px", "y_px"]].to_numpy(), dtype=torch.float32),
            "label": label,
            "labels_b": label,
            "truth": [self._truth(k) for k in frame],
            "group": torch.from_numpy((t_s // self.clip_s).astype(np.int64)),
        }

    def _truth(self, frame: int) -> dict[str, torch.Tensor]:
        boxes = torch.tensor(self.video.boxes_px[frame], dtype=torch.float32)
        return {"boxes": boxes, "labels": torch.tensor(self.video.labels[frame])}

    def items(self, index: Sequence[int]) -> list[Mapping[str, Any]]:
        """`fixation`, `frame`, `onset_ms`, `offset_ms`, `x_px` and `y_px` of each."""
        rows = self.fixations.iloc[list(index)].rename(columns={"id": "fixation"})
        return rows[["fixation", "frame", "onset_ms", "offset_ms", "x_px", "y_px"]].to_dict("records")
