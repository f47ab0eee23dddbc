"""Generated pictures and videos of people who look at things (`gaze_world`), drawn when they are asked for.

    data = SyntheticGaze(pictures=8)
    data.setup()
    batch = data.batch([0, 1])              # see gaze_targets; also true_mask and, for reports, the ideal observer

Parts: "train", "val" and "test" are pictures of unrelated scenes; "video" is clips in which people turn their heads
and look from thing to thing. A seed makes the same picture on every machine, but for rounding in the last grey level.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gazekit.base import Predictor
from gazekit.datasets.gaze_data import GazeData
from gazekit.datasets.gaze_drawing import draw_scene, head_box, target_masks
from gazekit.datasets.gaze_targets import GazeDataset, GazePicture, Person
from gazekit.datasets.gaze_world import GRID, Scene, direct, posterior, sample_scene
from gazekit.metrics.functional import heatmap_point_norm

__all__ = ["IdealObserver", "SyntheticGaze", "clip_scenes", "picture_of", "write_clip"]

HEIGHT_PX = 128
_PARTS = {"train": 1, "val": 2, "test": 3, "video": 4}
_FRAMES = 30  # of a clip
_DWELL = (8, 20)  # frames for which a person looks at one thing


def picture_of(scene: Scene, name: str, group: str = "", height_px: int = HEIGHT_PX) -> GazePicture:
    """A scene as a picture with people."""
    size = np.array([scene.aspect, 1.0])
    people = []
    for k, head in enumerate(scene.heads):
        inside = head.target >= 0
        people.append(
            Person(
                head_box(head) * height_px,
                (head.point / size)[None] if inside else np.zeros((0, 2)),
                inside,
                head.xy / size,
                _flat(head.angle),
                _flat(head.head_angle),
                f"person{k}" if group else "",
            )
        )
    size_px = round(height_px * scene.aspect), height_px
    read, masks = partial(draw_scene, scene, height_px), partial(target_masks, scene, height_px)
    return GazePicture(name, size_px, tuple(people), read, group, masks)


def clip_scenes(seed: int, frames: int = _FRAMES) -> list[Scene]:
    """The scenes of a clip: heads sway, and turn within three frames to what they look at next."""
    first = sample_scene(seed)
    scenes = [copy.deepcopy(first) for _ in range(frames)]
    for k in range(len(first.heads)):
        draw = np.random.default_rng([seed, k])
        sway, phase = draw.uniform(0, 0.02, 2), draw.uniform(0, 6, 2)
        until, looked = 0, first.heads[k]
        for t, scene in enumerate(scenes):
            head = scene.heads[k]
            if t == until:
                before, looked, since = looked, copy.deepcopy(first), t
                direct(draw, looked, k)
                looked, until = looked.heads[k], t + int(draw.integers(*_DWELL))
            share = min(1.0, (t - since + 1) / 3) if since else 1.0
            head.target, head.point, head.eyes_visible = looked.target, looked.point, looked.eyes_visible
            head.xy = first.heads[k].xy + sway * np.sin(phase + t / 8)
            for angle in ("angle", "head_angle", "eye_angle"):
                old, new = getattr(before, angle), getattr(looked, angle)
                turn = (new - old + np.pi) % (2 * np.pi) - np.pi
                setattr(head, angle, new if angle == "angle" else old + share * turn)
            if head.target >= 0:
                head.angle = float(np.arctan2(*(head.point - head.xy)[::-1]))
    return scenes


def write_clip(seed: int, path: str | Path, frames: int = _FRAMES, height_px: int = 240) -> list[GazePicture]:
    """Write a clip as a video with 10 pictures per second; returns what is known of its frames."""
    import av

    pictures = [
        picture_of(s, f"frame{t:04d}", "clip", height_px) for t, s in enumerate(clip_scenes(seed, frames))
    ]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height = (side // 2 * 2 for side in pictures[0].size_px)
        stream.bit_rate = 4_000_000
        for picture in pictures:
            image = picture.read()[: stream.height, : stream.width]
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24"))
            )
        container.mux(stream.encode())
    return pictures


class SyntheticGaze(GazeData):
    """Generated pictures; see the module.

    Args:
        pictures: of training.
        scored: pictures of "val" and of "test", each.
        clips: of "video".
        crowd_steps: training begins with so many batches of crowded pictures, the second half of "train". Where a
            head points is learned first, and in these one pass of a net shows many heads. Later batches are of the
            first half, like the other parts.
        size_px, batch_size, split, augment, seed: see `GazeData`.
        world_seed: another world of the same kind.
    """

    def __init__(
        self,
        pictures: int = 20_000,
        scored: int = 400,
        clips: int = 8,
        crowd_steps: int = 600,
        size_px: Sequence[int] = (112, 112),
        batch_size: int = 8,
        split: str = "test",
        augment: str = "none",
        seed: int = 0,
        world_seed: int = 0,
    ) -> None:
        super().__init__(size_px, batch_size, split, augment, seed)
        for name, number in (("pictures", pictures), ("scored", scored), ("clips", clips)):
            if number < 1:
                raise ValueError(f"data.{name} must be at least 1, got {number}")
        self.counts = {"train": pictures, "val": scored, "test": scored, "video": clips * _FRAMES}
        self.world_seed, self.crowd_steps = world_seed, crowd_steps

    def setup(self, stage: str | None = None) -> None:
        """Nothing is drawn yet.

        Raises:
            ValueError: an unknown `split`.
        """
        if self.split not in self.counts:
            raise ValueError(f"data.split must be one of {', '.join(self.counts)}, got {self.split!r}")
        starts = np.cumsum([0, *self.counts.values()])
        self.parts = {
            name: np.arange(a, b) for name, a, b in zip(self.counts, starts[:-1], starts[1:], strict=True)
        }
        self.pictures = _Pictures(self)
        self._group = np.arange(starts[-1])
        video = self.parts["video"]
        self._group[video] = video[0] + (video - video[0]) // _FRAMES
        scored = tuple(self.pictures[i] for i in self.parts[self.split]) if self.split != "train" else ()
        self.dataset = GazeDataset("synthetic_gaze", {self.split: scored})

    def scene(self, index: int) -> Scene:
        """The scene of a picture."""
        part = next(name for name, numbers in self.parts.items() if numbers[0] <= index <= numbers[-1])
        number = int(index - self.parts[part][0])
        if part == "video":
            return _clip(self._seed(part, number // _FRAMES))[number % _FRAMES]
        crowded = part == "train" and number >= self.counts["train"] // 2
        return sample_scene(self._seed(part, number), crowded)

    @property
    def baseline_part(self) -> np.ndarray:
        """The training pictures that are not crowded."""
        train = self.parts["train"]
        return train[: max(1, len(train) // 2)]

    def training_batch(self, step: int, rank: int = 0, processes: int = 1) -> dict[str, Any]:
        """See `Data.training_batch`; crowded pictures first."""
        train = self.parts["train"]
        half = len(train) // 2
        pool = train[half:] if step < self.crowd_steps or not half else train[:half]
        draw = np.random.default_rng([self.seed, step])
        index = draw.choice(pool, min(len(pool), self.batch_size * processes), replace=False)[rank::processes]
        return self.batch(index.tolist(), torch.Generator().manual_seed(int(draw.integers(2**31))))

    def _seed(self, part: str, number: int) -> int:
        return int(np.random.SeedSequence([self.world_seed, _PARTS[part], number]).generate_state(1)[0])

    def references(self) -> dict[str, Predictor]:
        """The ideal observer."""
        return {"ideal observer": IdealObserver(self)}

    def batch(self, index: Sequence[int], generator: torch.Generator | None = None) -> dict[str, Any]:
        """See `gaze_targets`; `item` [B] are the indices of the pictures."""
        return super().batch(index, generator) | {"item": torch.tensor(list(index))}

    def batch_for(self, index: Sequence[int], facts: Mapping[str, Any]) -> dict[str, Any]:
        return super().batch_for(index, facts) | {"item": torch.tensor(list(index))}


class IdealObserver(Predictor):
    """Knows the generated world, where everything is and how noisy heads and eyes are, and sees the drawn angles
    exactly.

    Its heat map is the expected target map, the posterior blurred by the Gaussian of target maps: what a net that is
    trained on such maps could reach at best. In clips it is told the angles of heads that are still turning.
    """

    def __init__(self, data: SyntheticGaze) -> None:
        super().__init__()
        self._data = data

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        maps, inside, directions = [], [], []
        for item in batch["item"].tolist():
            scene = self._data.scene(item)
            for k, head in enumerate(scene.heads):
                cells, probability = posterior(scene, k)
                maps.append(_BLUR @ cells @ _BLUR)
                inside.append(probability)
                directions.append(_flat(head.eye_angle if head.eyes_visible else head.head_angle))
        heatmap = torch.tensor(np.array(maps)).view(-1, GRID, GRID)
        return {
            "heatmap": heatmap,
            "predicted_norm": heatmap_point_norm(heatmap),
            "scores": torch.tensor(inside),
            "predicted_direction_xy": torch.tensor(np.array(directions)).view(-1, 2),
        }


_APART = np.subtract.outer(np.arange(GRID), np.arange(GRID))
_BLUR = np.exp(-(_APART**2) / 18) * (
    np.abs(_APART) <= 9
)  # the Gaussian of target maps: sigma 3, cut at 9 cells


class _Pictures(Sequence):
    """Pictures by index, made when they are asked for."""

    def __init__(self, data: SyntheticGaze) -> None:
        self._data = data

    def __len__(self) -> int:
        return sum(self._data.counts.values())

    def __getitem__(self, index: int) -> GazePicture:
        if not 0 <= index < len(self):
            raise IndexError(f"there are pictures 0 to {len(self) - 1}, got {index}")
        scene = self._data.scene(int(index))
        clip = self._data._group[index] if index in self._data.parts["video"] else None
        return picture_of(scene, f"scene{index}", "" if clip is None else f"clip{clip}")


@lru_cache(maxsize=4)
def _clip(seed: int) -> list[Scene]:
    return clip_scenes(seed)


def _flat(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle)])
