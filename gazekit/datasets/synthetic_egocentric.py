"""Generated egocentric videos with gaze: which of two identical-looking objects is fixated?

A wearer moves from place to place. Each place has two workplaces that look the same, pixel by pixel: a tablet above a
device; and usually a book between them. Nothing near a tablet shows whether it is the left one, only the position of
the book or the other workplace does. The more the camera pans, the less the position in the picture helps. The camera
also zooms and rolls. A hand covers objects, motion blurs them, the frame rate varies and some frames are lost. Every
box, object and fixation is known. The video is split by time, with the labelled part first and the test part after:
neighbouring frames are near copies, so a random split would test on training data.

    video = make(duration_s=40, difficulty="medium", seed=0)
    picture, box_xyxy, label = video.read(7), video.boxes_px[7], video.labels[7]
    video.write("DIR/walk")                       # a folder that gazekit.recordings opens, with its video
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from gazekit.datasets.egocentric_world import DIFFICULTIES, EXCLUSIVE, LABELS, Difficulty, World
from gazekit.recordings.aoi import BACKGROUND, MovingBox
from gazekit.recordings.video import frame_at

__all__ = ["DIFFICULTIES", "EXCLUSIVE", "LABELS", "Difficulty", "EgocentricVideo", "make"]

GAZE_HZ = 200.0
_SEEN = (
    0.35  # an object has a box if this share of its area is in the picture, and this share of that uncovered
)
_BACKGROUND_SHARE = 0.2  # of fixations


@dataclass(frozen=True, eq=False)
class EgocentricVideo:
    """A video with its ground truth; frames are read as from a `gazekit.recordings.video.SceneVideo`.

    Args:
        world: the filmed world.
        t_ms: [F] times of the frames, whole microseconds.
        boxes_px: per frame [K, 4] half-open boxes, to 0.01 px, clipped at the picture's edge, complete under
            a hand.
        labels: per frame [K] indices into `LABELS`.
        tracks: per frame [K] object numbers; an object is one thing at one place.
        fixations: `id` (from 1), `onset_ms`, `offset_ms`, `duration_ms`, `x_px`, `y_px`, `frame` (the last one up to
            the fixation's middle, to which x and y refer), `aoi` (a label's name or "background").
        gaze: `t_ms`, `x_px`, `y_px`, `fixation` (id, 0 for none) at 200 Hz.
        labelled_ms: frames and fixations before this time are for training, later ones for tests.
        name: name of the recording.
        seed: seed of the pixel noise.
    """

    world: World
    t_ms: np.ndarray
    boxes_px: list[np.ndarray]
    labels: list[np.ndarray]
    tracks: list[np.ndarray]
    fixations: pd.DataFrame
    gaze: pd.DataFrame
    labelled_ms: float
    name: str
    seed: int

    def __len__(self) -> int:
        return len(self.t_ms)

    @property
    def size_px(self) -> tuple[int, int]:
        """(width, height)."""
        return self.world.size_px

    @property
    def labelled(self) -> np.ndarray:
        """Frames of the first part."""
        return np.flatnonzero(self.t_ms < self.labelled_ms)

    @property
    def tested(self) -> np.ndarray:
        """Frames of the second part."""
        return np.flatnonzero(self.t_ms >= self.labelled_ms)

    def frame_at(self, t_ms: np.ndarray | float) -> np.ndarray:
        """`gazekit.recordings.video.frame_at` for these frames."""
        return frame_at(self.t_ms, t_ms)

    def read(self, index: int) -> np.ndarray:
        """[H, W, 3] uint8 RGB picture of a frame, drawn on demand.

        Raises:
            IndexError: not in 0 .. len - 1.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"{self.name} has frames 0 to {len(self) - 1}, got {index}")
        return self.world.picture(self.t_ms[index] / 1000, np.random.default_rng((self.seed, int(index))))

    def frames(self, indices: Iterable[int]) -> Iterator[np.ndarray]:
        """The pictures of the given frames in turn."""
        return (self.read(index) for index in indices)

    def aois(self) -> list[MovingBox]:
        """The objects as areas of interest, as `read_coco` reads them from a written folder."""
        frame = np.repeat(np.arange(len(self)), [len(part) for part in self.labels])
        boxes, label, track = (np.concatenate(part) for part in (self.boxes_px, self.labels, self.tracks))
        return [
            MovingBox(
                LABELS[label[own][0]], frame[own], boxes[own], np.ones(own.sum(), bool), interpolate=False
            )
            for own in (track == number for number in np.unique(track))
        ]

    def write(self, folder: str | Path) -> Path:
        """Write a recording in Pupil Cloud's export format, with its video and the ground truth as COCO.

        Args:
            folder: created if absent; `gazekit.recordings.Recording.open` reads it, `read_coco` its
                `coco_ground_truth.json`.
        Returns:
            `folder`.
        Raises:
            FileExistsError: the folder is not empty.
        """
        from gazekit.datasets.egocentric_files import write

        return write(self, Path(folder))


def make(
    duration_s: float = 40.0,
    difficulty: str | Difficulty = "medium",
    seed: int = 0,
    *,
    labelled_s: float | None = None,
    size_px: tuple[int, int] = (320, 240),
    rate_hz: float = 30.0,
) -> EgocentricVideo:
    """Generate a video; the same arguments give the same boxes, times and gaze everywhere.

    Fixations last 150 ms plus an exponential time (mean 150 ms, at most 600 ms), with 40 ms between them;
    four out of five are on a visible object, normally distributed about its centre with an SD of a fifth of
    its side. During a fixation gaze stays on its point of the world while the camera moves; the tracker adds
    1 px of noise to samples. The frame interval is 1 / rate_hz +- 8 % (SD); lost frames leave a gap.

    Args:
        duration_s: duration of the video; it stays four seconds at a place.
        difficulty: "easy", "medium", "hard", or your own `Difficulty`.
        seed: seed of all random draws.
        labelled_s: length of the part for training; None: two fifths.
        size_px: (width, height) of the pictures.
        rate_hz: mean number of frames per second, before losses.
    Raises:
        ValueError: an unknown difficulty; numbers that are not positive; a part without a frame.
    """
    if isinstance(difficulty, str) and difficulty not in DIFFICULTIES:
        raise ValueError(f"difficulty must be one of {', '.join(DIFFICULTIES)}, got {difficulty!r}")
    labelled_s = 0.4 * duration_s if labelled_s is None else labelled_s
    if not (min(duration_s, rate_hz) > 0 and 0 < labelled_s < duration_s) or min(size_px) < 32:
        raise ValueError(
            "duration_s and rate_hz must be positive, labelled_s between 0 and duration_s, pictures at least 32 px; "
            f"got {duration_s}, {rate_hz}, {labelled_s}, {tuple(size_px)}"
        )
    name = f"walk-{difficulty if isinstance(difficulty, str) else 'own'}-{seed}"
    level = DIFFICULTIES[difficulty] if isinstance(difficulty, str) else difficulty
    draw = np.random.default_rng(seed)
    world = World(duration_s, level, (int(size_px[0]), int(size_px[1])), draw)
    t_ms = _times(duration_s, rate_hz, level.dropped_share, draw)
    truth = [_seen(world, t / 1000) for t in t_ms]
    boxes, labels, tracks = (list(part) for part in zip(*truth, strict=True))
    fixations, targets = _fixations(world, t_ms, boxes, labels, draw)
    video = EgocentricVideo(
        world, t_ms, boxes, labels, tracks, fixations, _gaze(world, fixations, targets, t_ms[-1], draw),
        labelled_s * 1000, name, seed,
    )  # fmt: skip
    if not len(video.labelled) or not len(video.tested):
        raise ValueError(f"no frame on one side of {labelled_s} s: increase the video's duration or rate")
    return video


def _times(duration_s: float, rate_hz: float, dropped: float, draw: np.random.Generator) -> np.ndarray:
    """[F] ms, whole microseconds, from 0."""
    n = max(2, int(duration_s * rate_hz))
    step = np.clip(draw.normal(1, 0.08, n - 1), 0.5, 1.5) / rate_hz
    t = np.concatenate([[0.0], np.cumsum(step)])
    kept = draw.random(n) >= dropped
    kept[0] = True
    return np.round(t[kept & (t < duration_s)] * 1e6) / 1e3


def _seen(world: World, t_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes, labels and tracks of the objects visible at a time."""
    quads = world.quads(t_s)
    boxes = np.round(_boxes(quads, world.size_px), 2)
    hand, seen = world.hand(t_s), np.zeros(len(quads), bool)
    frame = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32) * np.array(world.size_px, np.float32)
    for k, quad in enumerate(quads.astype(np.float32)):
        if not ((boxes[k, 2:] - boxes[k, :2]) > 4).all():
            continue
        inside, part = cv2.intersectConvexConvex(quad, frame)
        seen[k] = inside / cv2.contourArea(quad) >= _SEEN and (
            hand is None or _uncovered(part, hand) >= _SEEN
        )
    labels = np.flatnonzero(seen)
    return boxes[seen], labels, world.nearest(t_s) * len(LABELS) + labels


def _boxes(quads: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """[K, 4, 2] corners to [K, 4] boxes, clipped at the picture's edge."""
    return np.concatenate([np.clip(quads.min(1), 0, size_px), np.clip(quads.max(1), 0, size_px)], 1)


def _uncovered(part: np.ndarray, hand: np.ndarray) -> float:
    mask = np.zeros(hand.shape, np.uint8)
    cv2.fillConvexPoly(mask, np.round(part).astype(np.int32), 1)
    return 1 - hand[mask > 0].mean() if mask.any() else 0.0


def _fixations(
    world: World, t_ms: np.ndarray, boxes: list, labels: list, draw: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray]:
    """The table, and [N, 2] fixated points of the world."""
    rows, points, now = [], [], 20
    while now + 600 < t_ms[-1]:
        end = now + 150 + int(min(draw.exponential(150), 450))
        if world.is_moving(now / 1000, end / 1000):
            now += 40
            continue
        frame = int(frame_at(t_ms, (now + end) / 2))
        xy, label = _target(world, t_ms[frame] / 1000, boxes[frame], labels[frame], draw)
        rows.append(
            (len(rows) + 1, now, end, end - now, *xy, frame, BACKGROUND if label < 0 else LABELS[label])
        )
        back = cv2.invertAffineTransform(world.camera(t_ms[frame] / 1000))
        points.append(back[:, :2] @ xy + back[:, 2])
        now = end + 40
    names = ["id", "onset_ms", "offset_ms", "duration_ms", "x_px", "y_px", "frame", "aoi"]
    table = pd.DataFrame(rows, columns=names)
    times = ["onset_ms", "offset_ms", "duration_ms"]
    return table.astype(dict.fromkeys(times, float)), np.array(points).reshape(-1, 2)


def _target(
    world: World, t_s: float, boxes: np.ndarray, labels: np.ndarray, draw: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Gaze target, to 0.001 px, and its label; -1 is the background, clear of all objects."""
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    if len(boxes) and draw.random() >= _BACKGROUND_SHARE:
        for _ in range(20):
            k = int(draw.integers(len(boxes)))
            off = np.clip(draw.normal(0, 0.2, 2), -0.45, 0.45)
            xy = np.round(boxes[k, :2] + (boxes[k, 2:] - boxes[k, :2]) * (0.5 + off), 3)
            inside = ((boxes[:, :2] <= xy) & (xy < boxes[:, 2:])).all(1)
            if np.argmin(np.where(inside, area, np.inf)) == k:
                return xy, int(labels[k])
    everything = _boxes(world.quads(t_s), world.size_px)
    for _ in range(1000):
        xy = np.round(draw.uniform(0.04, 0.96, 2) * world.size_px, 3)
        if not ((everything[:, :2] - 2 <= xy) & (xy < everything[:, 2:] + 2)).all(1).any():
            break
    return xy, -1


def _gaze(
    world: World, fixations: pd.DataFrame, points: np.ndarray, end_ms: float, draw: np.random.Generator
) -> pd.DataFrame:
    """Samples: on the point during a fixation, on the path from one to the next between two."""
    t = np.arange(20.0, end_ms, 1000 / GAZE_HZ)
    onset, offset = fixations["onset_ms"].to_numpy(), fixations["offset_ms"].to_numpy()
    last = np.maximum(np.searchsorted(onset, t, "right") - 1, 0)
    after = np.minimum(last + 1, len(points) - 1)
    along = np.clip((t - offset[last]) / np.maximum(onset[after] - offset[last], 1), 0, 1) * (after > last)
    target = points[last] + along[:, None] ** 2 * (3 - 2 * along[:, None]) * (points[after] - points[last])
    camera = np.stack([world.camera(now / 1000) for now in t])
    xy = (camera[:, :, :2] @ target[:, :, None])[..., 0] + camera[:, :, 2] + draw.normal(0, 1, target.shape)
    inside = (onset[last] <= t) & (t <= offset[last])
    number = np.where(inside, fixations["id"].to_numpy()[last], 0)
    return pd.DataFrame({"t_ms": t, "x_px": xy[:, 0].round(3), "y_px": xy[:, 1].round(3), "fixation": number})
