"""Directions of faces: mirrored and turned pictures give mirrored and turned directions."""

import cv2
import numpy as np
import pytest
import torch

from gazekit.models.gaze_following.faces import FaceFinder, Faces
from gazekit.models.gaze_following.head_direction import HeadDirection, _faces_of

SURE = 0.85


@pytest.fixture(scope="module")
def head_direction(shared_data):
    return HeadDirection(shared_data / "omz_gaze_head_pose")


@pytest.fixture(scope="module")
def finder(shared_data):
    return FaceFinder(shared_data / "yunet_face")


@pytest.fixture(scope="module")
def seen(shared_data, finder):
    """Photographs with sure faces of at least 30 pixels, and the faces."""
    found = []
    for number in (1002, 1004, 1020, 1023, 1027, 1028, 1042, 1045, 1048, 1051):
        picture = cv2.imread(str(shared_data / "osie" / "stimuli_sample" / f"{number}.jpg"))[
            :, :, ::-1
        ].copy()
        faces = finder(picture)
        large = (faces.boxes_px[:, 2] - faces.boxes_px[:, 0] >= 30) & (faces.score >= SURE)
        found.append((picture, Faces(*(values[large] for values in faces))))
    return found


def mirrored(picture, faces):
    width = picture.shape[1]
    boxes = np.stack(
        [
            width - faces.boxes_px[:, 2],
            faces.boxes_px[:, 1],
            width - faces.boxes_px[:, 0],
            faces.boxes_px[:, 3],
        ],
        1,
    )
    points = faces.landmarks_px[:, [1, 0, 2, 4, 3]] * [-1, 1] + [width, 0]
    return picture[:, ::-1].copy(), Faces(boxes, points, faces.score)


def angles_deg(one, two):
    return torch.rad2deg(torch.arccos((one * two).sum(1).clamp(-1, 1)))


def test_a_mirrored_face_looks_the_mirrored_way(head_direction, seen):
    pictures, faces = zip(*seen, strict=True)
    said = head_direction.vectors(pictures, faces)
    other = head_direction.vectors(*zip(*(mirrored(*one) for one in seen), strict=True))
    assert len(said) >= 12
    errors = angles_deg(said, other * torch.tensor([-1.0, 1.0, 1.0]))
    assert errors.median() < 10  # 7.2 degrees in the notes of the weights, on other faces
    swapped = [(p, Faces(f.boxes_px, f.landmarks_px[:, [1, 0, 2, 4, 3]], f.score)) for p, f in seen]
    with_eyes_swapped = head_direction.vectors(*zip(*swapped, strict=True))
    assert angles_deg(said, with_eyes_swapped).median() > 20  # so the order of the eyes matters


def test_faces_look_where_they_are_seen_to_look(head_direction, seen):
    """By eye: the man to the right at the screen, the girl to the left at her book, the man at table to the right."""
    by_picture = [head_direction.directions([picture], [faces]) for picture, faces in seen]
    man, girl = by_picture[0], by_picture[2][0]
    assert (man[:, 0] > 0.6).any()
    assert girl[0] < -0.5 and abs(girl[1]) < 0.4
    table = by_picture[-1][by_picture[-1][:, 0].argmax()]
    assert table[0] > 0.5


def test_a_turned_picture_turns_the_direction(head_direction, seen):
    """By 90 degrees the pixels are the same. The head's angles are not, as its crop is upright: so they are close."""
    picture, faces = seen[2]
    straight = head_direction.directions([picture], [faces])[0]
    matrix = cv2.getRotationMatrix2D((400.0, 300.0), -10, 1.0)  # clockwise in the picture
    turned = cv2.warpAffine(picture, matrix, (800, 600), borderMode=cv2.BORDER_REPLICATE)
    points = faces.landmarks_px @ matrix[:, :2].T + matrix[:, 2]
    centre = (faces.boxes_px[:, :2] + faces.boxes_px[:, 2:]) / 2 @ matrix[:, :2].T + matrix[:, 2]
    half = (faces.boxes_px[:, 2:] - faces.boxes_px[:, :2]) / 2
    found = head_direction.directions(
        [turned], [Faces(np.hstack([centre - half, centre + half]), points, faces.score)]
    )[0]
    way = torch.rad2deg(torch.atan2(found[1], found[0]) - torch.atan2(straight[1], straight[0])) % 360
    assert 2 < way < 18


def test_heads_without_a_face_have_no_direction(head_direction, finder, seen):
    picture, faces = seen[2]
    heads = np.concatenate([faces.boxes_px[:1] + np.array([-20, -40, 20, 10]), [[0.0, 500.0, 60.0, 590.0]]])
    said = head_direction.of_heads([picture, picture], [heads, np.zeros((0, 4))], finder)
    assert said.shape == (2, 2) and said[0].isfinite().all() and said[1].isnan().all()
    assert head_direction.directions([], []).shape == (0, 2)


def test_a_face_at_the_border_and_a_tiny_one(head_direction):
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    box = np.array([[-30.0, -20.0, 12.0, 30.0], [48.0, 38.0, 49.0, 39.0], [-900.0, -900.0, 900.0, 900.0]])
    points = np.repeat((box[:, None, :2] + box[:, None, 2:]) / 2, 5, 1)  # both eyes at one place
    assert head_direction.vectors([picture], [Faces(box, points, np.ones(3))]).isfinite().all()


def test_each_face_belongs_to_one_head():
    heads = np.array([[0, 0, 100, 100], [50, 0, 150, 100], [300, 0, 320, 20]])
    faces = np.array([[80, 40, 100, 60], [40, 40, 60, 60]])
    assert _faces_of(heads, faces) == [1, 0, -1]
    assert _faces_of(heads, np.zeros((0, 4))) == [-1, -1, -1]
    assert _faces_of(heads[:2], faces[:1]) == [-1, 0]


def test_absent_weights(tmp_path):
    with pytest.raises(FileNotFoundError, match="gaze_estimation_adas_0002_int8"):
        HeadDirection(tmp_path)
