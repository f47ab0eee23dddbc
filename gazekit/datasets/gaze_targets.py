"""Who looks where in pictures: people with head boxes and gaze targets, and how they become batches.

An item is a picture with all of its people, so that a model encodes each picture once. A batch is a dict:

    image         [B, 3, H, W] uint8 RGB, pictures stretched to the size of the data
    picture       [P] which of the B pictures each of the P people is in
    head_norm     [P, 4] x_min, y_min, x_max, y_max of heads, as fractions of the picture's width and height
    eye_norm      [P, 2] position of the eyes; the centre of the head where it is not known
    point_norm    [P, 2] the target: the mean of the annotators' points; NaN if it is out of frame or unknown
    points_norm   P tensors [A_p, 2], the points of all annotators; A_p = 0 out of frame
    labels        [P] 1: the target is in the frame, 0: it is not
    direction_xy  [P, 2] unit vector from the eyes to the target in the picture's plane (pixels, y down), also out of
                  frame where it is known; else NaN
    pose_xy       [P, 2] unit vector of the head's direction in the picture's plane, NaN if it was not estimated
    size_px       [P, 2] width and height of the picture before it was stretched
    group         [P] what the picture belongs to (the picture itself, or its video)

Generated pictures add `true_mask` [P, H, W] bool. Positions are fractions of the picture, with the origin
in the upper left corner.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["GazeDataset", "GazePicture", "Person", "batch_of", "eye_of", "mirrored"]

NOWHERE = (np.nan, np.nan)


@dataclass(frozen=True, eq=False)
class Person:
    """One person in one picture.

    Args:
        head_px: [4] x_min, y_min, x_max, y_max of the head in the picture; it may reach over the border.
        points_norm: [A, 2] the target in [0, 1], a row per annotator; no rows if it is out of frame.
        inside: whether the target is in the frame.
        eye_norm: [2] position of the eyes; NaN if it is not known.
        direction_xy: [2] of the gaze in the picture's plane (pixels, y down), any length; NaN if it is not known. In
            frame it may be left out: it follows from eyes and target.
        pose_xy: direction of the head in the picture's plane, as an estimator of head pose says it; NaN if there was
            none.
        track: name of the person in a video.
    Raises:
        ValueError: a head without area, a point outside [0, 1], a person inside without points or outside with some.
    """

    head_px: np.ndarray
    points_norm: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    inside: bool = True
    eye_norm: np.ndarray = NOWHERE
    direction_xy: np.ndarray = NOWHERE
    pose_xy: np.ndarray = NOWHERE
    track: str = ""

    def __post_init__(self) -> None:
        for name, shape in (
            ("head_px", (4,)),
            ("points_norm", (-1, 2)),
            ("eye_norm", (2,)),
            ("direction_xy", (2,)),
            ("pose_xy", (2,)),
        ):
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.float64).reshape(shape))
        x_min, y_min, x_max, y_max = self.head_px
        if not (x_max > x_min and y_max > y_min):
            raise ValueError(f"a head box must be x_min < x_max, y_min < y_max, got {self.head_px.tolist()}")
        if not ((self.points_norm >= 0) & (self.points_norm <= 1)).all():
            raise ValueError(f"gaze points must lie in [0, 1], got {self.points_norm.tolist()}")
        if self.inside != bool(len(self.points_norm)):
            raise ValueError(f"inside={self.inside}, but {len(self.points_norm)} gaze points")


@dataclass(frozen=True, eq=False)
class GazePicture:
    """A picture and the people in it.

    Args:
        name: unique in its data set.
        size_px: width and height.
        people: in the order of the file.
        read: gives the picture, [H, W, 3] uint8 RGB.
        group: what intervals draw as a whole: the video; "" for the picture itself.
        masks: [people, H, W] bool of the looked-at objects, where they are known.
    """

    name: str
    size_px: tuple[int, int]
    people: tuple[Person, ...]
    read: Callable[[], np.ndarray]
    group: str = ""
    masks: Callable[[], np.ndarray] | None = None


@dataclass(frozen=True)
class GazeDataset:
    """Pictures by part.

    Args:
        name: of the data set.
        parts: part name to its pictures.
        skipped: a message per record that was left out with `on_bad_record="skip"`.
        filtered: documented rule of the loader -> number of records that it removed.
        repaired: documented rule of the loader -> number of records that it corrected and kept.
    """

    name: str
    parts: Mapping[str, Sequence[GazePicture]]
    skipped: tuple[str, ...] = ()
    filtered: Mapping[str, int] = field(default_factory=dict)
    repaired: Mapping[str, int] = field(default_factory=dict)

    def fingerprint(self) -> dict[str, float | int | str]:
        """Counts, moments and a digest that change when a person is dropped, moved or exchanged; blind to pixels."""
        pictures = [picture for part in self.parts.values() for picture in part]
        tracks = {(p.group, person.track) for p in pictures for person in p.people if person.track}
        people = [person for picture in pictures for person in picture.people]
        heads = np.array([person.head_px for person in people]).reshape(-1, 4)
        points = np.concatenate([person.points_norm for person in people] or [np.zeros((0, 2))])
        counts = np.array([len(person.points_norm) for person in people])
        names = [
            f"{part}/{picture.name} {tuple(map(int, picture.size_px))} {len(picture.people)}"
            for part in self.parts
            for picture in self.parts[part]
        ]
        mean = points.mean(0) if len(points) else np.full(2, np.nan)
        return {
            **{f"{part}_pictures": len(chosen) for part, chosen in self.parts.items()},
            **{f"{part}_people": sum(len(p.people) for p in chosen) for part, chosen in self.parts.items()},
            "videos": len({picture.group for picture in pictures if picture.group}),
            "tracks": len(tracks),
            "people": len(people),
            "inside": sum(person.inside for person in people),
            "outside": sum(not person.inside for person in people),
            "points": len(points),
            "mean_gaze_x": float(mean[0]),
            "mean_gaze_y": float(mean[1]),
            "digest": digest_of([heads, points, counts], names),
        }


def digest_of(arrays: Sequence[Any], names: Sequence[str]) -> str:
    """16 hexadecimal digits that change with any number (to 4 decimals), any name and any order."""
    digest = hashlib.sha256()
    for values in arrays:
        digest.update(
            np.ascontiguousarray(np.round(np.asarray(values, float), 4) + 0.0, dtype="<f8").tobytes()
        )
    digest.update("\n".join(names).encode())
    return digest.hexdigest()[:16]


def batch_of(
    pictures: Sequence[GazePicture], size_px: tuple[int, int], group: Sequence[int]
) -> dict[str, Any]:
    """The batch of these pictures; see the module.

    Args:
        size_px: height and width to which pictures are stretched.
        group: number of what each picture belongs to.
    """
    images = torch.stack([stretched(picture.read(), size_px) for picture in pictures])
    people = [(k, picture, person) for k, picture in enumerate(pictures) for person in picture.people]
    batch = {
        "image": images,
        "picture": torch.tensor([k for k, _, _ in people], dtype=torch.long),
        "points_norm": [torch.as_tensor(person.points_norm, dtype=torch.float32) for _, _, person in people],
        "labels": torch.tensor([int(person.inside) for _, _, person in people], dtype=torch.long),
        "size_px": torch.tensor([picture.size_px for _, picture, _ in people], dtype=torch.long).view(-1, 2),
        "group": torch.tensor([group[k] for k, _, _ in people], dtype=torch.long),
    }
    rows = {"head_norm": 4, "eye_norm": 2, "point_norm": 2, "direction_xy": 2, "pose_xy": 2}
    placed = [_placed(person, picture.size_px) for _, picture, person in people]
    for k, (name, width) in enumerate(rows.items()):
        batch[name] = torch.tensor(np.array([row[k] for row in placed]), dtype=torch.float32).view(-1, width)
    if all(picture.masks is not None for picture in pictures):
        masks = [
            stretched(mask[..., None], size_px)[0] > 0
            for p in pictures
            for mask in p.masks().astype(np.uint8)
        ]
        batch["true_mask"] = torch.stack(masks) if masks else torch.zeros(0, *size_px, dtype=torch.bool)
    return batch


def _placed(person: Person, size_px: tuple[int, int]) -> tuple[np.ndarray, ...]:
    size = np.array(size_px, float)
    head, eye = person.head_px / np.tile(size, 2), eye_of(person, size_px)
    point = person.points_norm.mean(0) if person.inside else np.array(NOWHERE)
    way = (point - eye) * size if np.isnan(person.direction_xy).any() else person.direction_xy
    return head, eye, point, _unit(way), _unit(person.pose_xy)


def eye_of(person: Person, size_px: tuple[int, int]) -> np.ndarray:
    """[2] position of the eyes in fractions of a picture of this width and height; the centre of the head if
    unknown."""
    head = person.head_px / np.tile(size_px, 2)
    return np.where(np.isnan(person.eye_norm), (head[:2] + head[2:]) / 2, person.eye_norm)


def _unit(way: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(way)
    return way / length if length > 0 else np.array(NOWHERE)


def stretched(image: np.ndarray, size_px: tuple[int, int]) -> Tensor:
    """[H, W, C] uint8 as [C, height, width]; areas are averaged where it shrinks."""
    import cv2

    height, width = size_px
    if image.shape[:2] != (height, width):
        smaller = height * width < image.shape[0] * image.shape[1]
        image = cv2.resize(
            image, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        )
    return torch.from_numpy(np.ascontiguousarray(image.reshape(height, width, -1).transpose(2, 0, 1)))


def mirrored(picture: GazePicture) -> GazePicture:
    """The picture seen in a mirror, with everything that is known of its people."""
    width = picture.size_px[0]
    people = []
    for person in picture.people:
        x_min, y_min, x_max, y_max = person.head_px
        people.append(
            replace(
                person,
                head_px=np.array([width - x_max, y_min, width - x_min, y_max]),
                points_norm=person.points_norm * [-1, 1] + [1, 0],
                eye_norm=person.eye_norm * [-1, 1] + [1, 0],
                direction_xy=person.direction_xy * [-1, 1],
                pose_xy=person.pose_xy * [-1, 1],
            )
        )
    masks = None if picture.masks is None else lambda: picture.masks()[..., ::-1]
    return replace(picture, people=tuple(people), read=lambda: picture.read()[:, ::-1], masks=masks)
