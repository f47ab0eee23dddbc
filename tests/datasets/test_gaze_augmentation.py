"""A dot is drawn at each position; after a change it must be where the changed position says."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from gazekit.datasets.gaze_augmentation import (
    PRESETS,
    augmented,
    cropped,
    recoloured,
    rotated,
    shrunk,
    with_grown_heads,
    with_jittered_heads,
)
from gazekit.datasets.gaze_targets import GazePicture, Person, batch_of, mirrored

W, H = 300, 200
TARGETS = {"red": (240.0, 40.0), "green": (60.0, 150.0)}
EYES = {"blue": (110.0, 90.0)}
CHANNEL = {"red": 0, "green": 1, "blue": 2}


def scene():
    """Two people who look at a red and a green dot; the eyes of the first are a blue one; a third looks out."""
    image = np.zeros((H, W, 3), np.uint8)
    for name, (x, y) in (TARGETS | EYES).items():
        image[int(y) - 1 : int(y) + 1, int(x) - 1 : int(x) + 1, CHANNEL[name]] = 255
    masks = np.zeros((3, H, W), np.uint8)
    for mask, (x, y) in zip(masks, TARGETS.values(), strict=False):
        cv2.circle(mask, (int(x), int(y)), 14, 1, -1)
    masks = masks > 0
    size = np.array([W, H])
    first = Person([90, 70, 130, 115], [TARGETS["red"] / size], eye_norm=EYES["blue"] / size)
    second = Person([150, 60, 180, 90], [TARGETS["green"] / size])
    third = Person([200, 100, 230, 140], inside=False, direction_xy=[1.0, 2.0], pose_xy=[1.0, 2.0])
    return GazePicture("scene", (W, H), (first, second, third), lambda: image, masks=lambda: masks)


def dot(image, channel):
    """Its centre in pixels, weighted by brightness."""
    weight = image[..., channel].astype(float)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


def turned(picture, generator):
    return mirrored(picture)


CHANGES = {"crop": cropped, "rotate": rotated, "shrink": shrunk, "mirror": turned}


def check_places(picture, tolerance_px):
    image, size = picture.read(), np.array(picture.size_px)
    masks = picture.masks()
    assert image.shape == (size[1], size[0], 3) and image.dtype == np.uint8
    assert masks.shape == (3, size[1], size[0])
    first, second, _ = picture.people
    for point, channel in ((first.points_norm[0], 0), (second.points_norm[0], 1), (first.eye_norm, 2)):
        assert np.abs(point * size - dot(image, channel)).max() < tolerance_px
    for mask, person in zip(masks, (first, second), strict=False):
        x, y = np.minimum(person.points_norm[0] * size, size - 1).astype(int)
        assert mask[y, x] and 0 < mask.sum() < 700
    assert not masks[2].any()


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("seed", range(8))
def test_dots_are_found_where_the_positions_say(name, seed):
    changed = CHANGES[name](scene(), torch.Generator().manual_seed(seed))
    check_places(changed, 0.6)  # a crop may cut a dot of two pixels in the middle
    assert [person.inside for person in changed.people] == [True, True, False]


@pytest.mark.parametrize("preset", ["gazelle", "none"])
def test_presets_keep_everything_in_place(preset):
    generator = torch.Generator().manual_seed(1)
    for _ in range(30):
        check_places(augmented(scene(), preset, generator), 0.6)


def test_all_changes_of_vitgaze_keep_everything_in_place():
    generator = torch.Generator().manual_seed(1)
    sizes = set()
    for _ in range(60):
        changed = augmented(scene(), "vitgaze", generator)
        size = np.array(changed.size_px)
        lit = changed.read().max(-1)
        for mask, person in zip(changed.masks(), changed.people[:2], strict=False):
            x, y = np.minimum(person.points_norm[0] * size, size - 1).astype(int)
            around = slice(max(y - 2, 0), y + 3), slice(max(x - 2, 0), x + 3)
            assert lit[around].max() > 0 and mask[around].any()
        sizes.add(changed.size_px)
    assert len(sizes) > 20


@pytest.mark.parametrize("name", CHANGES)
def test_heads_stay_round_the_eyes_and_directions_turn_with_the_picture(name):
    for seed in range(8):
        changed = CHANGES[name](scene(), torch.Generator().manual_seed(seed))
        first = changed.people[0]
        eye = first.eye_norm * changed.size_px
        assert (first.head_px[:2] < eye).all() and (eye < first.head_px[2:]).all()
        assert (changed.people[0].head_px[2:] > 0).all()
        # a fourth person looks along the same direction at a point: both must still agree
        before = np.array([150.0, 50.0]) + np.array([1.0, 2.0]) * 20
        helper = Person([140, 40, 160, 60], [before / (W, H)], eye_norm=np.array([150.0, 50.0]) / (W, H))
        with_helper = replace(scene(), people=(*scene().people, helper))
        generator = torch.Generator().manual_seed(seed)
        batch = batch_of([CHANGES[name](with_helper, generator)], (64, 64), [0])
        assert torch.allclose(batch["direction_xy"][3], batch["direction_xy"][2], atol=1e-3)
        assert torch.allclose(batch["pose_xy"][2], batch["direction_xy"][2], atol=1e-3)


def test_a_crop_keeps_heads_and_targets_and_reaches_every_size():
    sizes = set()
    for seed in range(200):
        changed = cropped(scene(), torch.Generator().manual_seed(seed))
        for person in changed.people:
            assert (person.head_px >= 0).all() and (
                person.head_px <= (*changed.size_px, *changed.size_px)
            ).all()
        sizes.add(changed.size_px)
    widths = {size[0] for size in sizes}
    assert min(widths) < 190 and max(widths) > 285


def test_a_crop_with_a_head_over_the_border_or_nobody():
    over = Person([-20, -10, 30, 40], [[1.0, 1.0]])
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        assert cropped(replace(scene(), people=(over,)), generator).size_px == (W, H)
    nobody = replace(scene(), people=(), masks=None)
    assert cropped(nobody, generator) is nobody
    for preset in PRESETS:
        assert augmented(nobody, preset, generator).people == ()


def test_rotation_holds_the_whole_picture_and_goes_both_ways():
    white = replace(scene(), read=lambda: np.full((H, W, 3), 255, np.uint8))
    turns = []
    for seed in range(12):
        changed = rotated(white, torch.Generator().manual_seed(seed))
        area = changed.read()[..., 0].astype(float).sum() / 255
        assert abs(area / (W * H) - 1) < 0.01
        turns.append(changed.people[2].direction_xy @ np.array([-2.0, 1.0]))
    assert min(turns) < 0 < max(turns)


def test_heads_grow_or_move_and_nothing_else_does():
    before = scene()
    generator = torch.Generator().manual_seed(0)
    for change, least in ((with_grown_heads, 0.0), (with_jittered_heads, -0.2)):
        seen = []
        for _ in range(50):
            after = change(before, generator)
            for old, new in zip(before.people, after.people, strict=True):
                size = np.tile(old.head_px[2:] - old.head_px[:2], 2)
                out = (new.head_px - old.head_px) * [-1, -1, 1, 1] / size
                assert (out >= least - 1e-9).all() and (out <= 0.2 + 1e-9).all()
                assert (new.points_norm == old.points_norm).all()
                seen.append(out)
        assert np.max(seen) > 0.18 and np.min(seen) < least + 0.02
    assert np.ptp(with_grown_heads(before, generator).people[0].head_px - before.people[0].head_px) > 0


def test_heads_end_at_the_border():
    """Clipped before the map too: the black canvas round a shrunk picture has no heads."""
    over = Person([-20, -10, 40, 30], [[0.5, 0.5]]), Person([280, 170, 330, 230], [[0.5, 0.5]])
    before = replace(scene(), people=over)
    for change in (with_grown_heads, with_jittered_heads, cropped, rotated, shrunk):
        for seed in range(8):
            after = change(before, torch.Generator().manual_seed(seed))
            for person in after.people:
                assert (person.head_px >= 0).all() and (person.head_px <= np.tile(after.size_px, 2)).all()
                assert (person.head_px[2:] - person.head_px[:2] >= 1 - 1e-9).all()
    for seed in range(8):
        small = shrunk(before, torch.Generator().manual_seed(seed))
        low, high = np.split(small.people[1].head_px, 2)
        assert high / low == pytest.approx([300 / 280, 200 / 170])


def test_a_head_keeps_a_pixel():
    sliver = replace(scene(), people=(Person([299.6, 50, 320, 50.3], [[0.5, 0.5]]),))
    for change in (with_grown_heads, with_jittered_heads, shrunk):
        (person,) = change(sliver, torch.Generator().manual_seed(0)).people
        assert (person.head_px[2:] - person.head_px[:2] >= 1 - 1e-9).all()
        assert (person.head_px >= 0).all() and (person.head_px <= (W, H, W, H)).all()


def test_recolouring_changes_pixels_within_its_range_and_not_positions():
    grey = replace(scene(), read=lambda: np.full((H, W, 3), 100, np.uint8))
    levels = []
    for seed in range(60):
        after = recoloured(grey, torch.Generator().manual_seed(seed))
        image = after.read()
        assert np.ptp(image.astype(int)) <= 1, "grey stays grey"
        levels.append(int(image.mean()))
        assert after.people is grey.people
    assert 58 <= min(levels) < 70 and 130 < max(levels) <= 142
    assert (recoloured(grey, torch.Generator(), 0, 0, 0, 0).read() == 100).all()
    colour = replace(scene(), read=lambda: np.full((H, W, 3), (200, 60, 60), np.uint8))
    hues = {int(recoloured(colour, torch.Generator().manual_seed(s)).read()[0, 0].argmax()) for s in range(5)}
    assert hues == {0}, "0.1 turns of hue leave red the strongest"


@pytest.mark.parametrize("preset", PRESETS)
def test_equal_generators_give_equal_pictures(preset):
    one, two = (augmented(scene(), preset, torch.Generator().manual_seed(5)) for _ in range(2))
    assert (one.read() == two.read()).all() and (one.masks() == two.masks()).all()
    assert all((a.head_px == b.head_px).all() for a, b in zip(one.people, two.people, strict=True))
