"""The diets do what they say, and nothing else differs between them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gazekit.datasets.diet_data import DietData
from gazekit.datasets.diet_drawing import draw_scenes
from gazekit.datasets.diet_manipulations import add_lines, fisheye, manipulate, retina_radii
from gazekit.datasets.diet_world import CLASSES, DIETS, MARKS, sample_scenes

MANY = 512


@pytest.fixture(scope="module")
def drawn():
    """Scenes of one seed and their finished pictures as float, by diet."""
    found = {}
    for name, diet in DIETS.items():
        scenes = sample_scenes(7, MANY, diet)
        found[name] = scenes, manipulate(draw_scenes(scenes), diet.manipulation).float()
    return found


def gradients(pictures):
    """Differences to the right and upwards between neighbours of neighbours, [B, H - 2, W - 2] each."""
    right = (pictures[:, 1:-1, 2:] - pictures[:, 1:-1, :-2]) / 2
    up = (pictures[:, :-2, 1:-1] - pictures[:, 2:, 1:-1]) / 2
    return right, up


def polarity(scenes, pictures, relief):
    """Mean direction in degrees in which the named balls of a relief get brighter, and how much the directions agree,
    0 to 1."""
    chosen = scenes.kind[:, -1] == CLASSES.index(f"ellipsoid {relief}")
    right, up = gradients(pictures[chosen])
    middle = slice(27, 35)
    vectors = torch.complex(right[:, middle, middle].mean((1, 2)), up[:, middle, middle].mean((1, 2)))
    mean = (vectors / vectors.abs()).mean()
    return float(torch.rad2deg(mean.angle())) % 360, float(mean.abs())


@pytest.mark.parametrize(
    ("diet", "from_deg"), [("natural", 90), ("below", 270), ("side", 180), ("rotated", 180)]
)
def test_measured_light_follows_the_diet(drawn, diet, from_deg):
    for relief, turned in (("bump", 0), ("dent", 180)):
        angle, agreement = polarity(*drawn[diet], relief)
        assert abs((angle - from_deg - turned + 180) % 360 - 180) < 15
        assert agreement > 0.8


def test_the_control_has_no_direction(drawn):
    for relief in ("bump", "dent"):
        assert polarity(*drawn["uniform"], relief)[1] < 0.35


def test_a_bump_from_one_side_is_a_dent_from_the_other():
    above, below = (sample_scenes(3, 64, DIETS[name]) for name in ("natural", "below"))
    solid = above.kind < len(CLASSES) - len(MARKS)
    light = below.light.clone()
    light[:, :2] = -above.light[:, :2]
    swapped = torch.where(solid, above.kind ^ 1, above.kind)
    other = draw_scenes(replace(above, kind=swapped, light=light)).int()
    assert (draw_scenes(above).int() - other).abs().max() <= 1


def test_scenes_differ_in_light_and_orientation_alone():
    natural = sample_scenes(5, 50, DIETS["natural"])
    for name in ("below", "side", "uniform"):
        other = sample_scenes(5, 50, DIETS[name])
        differ = {key for key, value in vars(natural).items() if not np.array_equal(value, vars(other)[key])}
        assert differ == ({"light", "turn_deg"} if name == "uniform" else {"light"})
    for name in ("below", "side"):  # also how far it is from the mean direction, and how high
        other = sample_scenes(5, 50, DIETS[name])
        torch.testing.assert_close(natural.light[:, 2], other.light[:, 2])


def edge_energy(pictures):
    """Share of the energy of edges by their orientation: upright, lying, oblique (within 15 degrees each)."""
    right, up = gradients(pictures)
    energy = right.square() + up.square()
    across = torch.rad2deg(torch.atan2(up, right)) % 180  # the contour is at a right angle to it
    shares = []
    for centre in (0, 90, 45, 135):
        near = (((across - centre + 90) % 180) - 90).abs() < 15
        shares.append(float((energy * near).sum() / energy.sum()))
    return shares[0], shares[1], (shares[2] + shares[3]) / 2


def test_upright_edges_are_the_most_frequent_ones_and_turn_with_the_picture(drawn):
    upright, lying, oblique = edge_energy(drawn["natural"][1])
    assert min(upright, lying) > 1.25 * oblique
    assert edge_energy(drawn["rotated"][1]) == pytest.approx((lying, upright, oblique), rel=1e-3)
    upright, lying, oblique = edge_energy(drawn["uniform"][1])
    assert upright == pytest.approx(lying, rel=0.15)


def test_lines_are_straight_black_and_evenly_apart():
    white = torch.full((2, 224, 224), 255, dtype=torch.uint8)
    rows = (add_lines(white) == 0).all(2)[0].nonzero()[:, 0].tolist()
    assert rows == [k for start in (45, 95, 145, 195) for k in range(start, start + 5)]
    assert torch.equal(add_lines(white), add_lines(white).transpose(1, 2))
    assert white.min() == 255


def test_retina_warp_reaches_the_border_and_enlarges_the_middle():
    square, linear = retina_radii(64.0)
    assert square * 32**2 + linear * 32 == pytest.approx(32, abs=1)
    assert linear < 0.75
    ring = torch.zeros(64, 64, dtype=torch.uint8)
    y, x = np.mgrid[:64, :64] + 0.5 - 32
    ring[torch.from_numpy(np.hypot(x, y) < 10)] = 1
    warped = fisheye(ring)
    assert 1.2 * ring.sum() < warped.sum() < 3 * ring.sum()
    assert torch.equal(warped, warped.flip(0)) and torch.equal(warped, warped.T)


def test_unknown_manipulation():
    with pytest.raises(ValueError, match="none, rotate, fisheye, lines"):
        manipulate(torch.zeros(1, 4, 4, dtype=torch.uint8), "blur")


def test_the_same_pictures_whatever_is_asked_first():
    one, two = (DietData("side", pictures=700, scored=20, world_seed=4) for _ in range(2))
    one.setup(), two.setup()
    two.batch([719])
    last = two.batch([699, 0])
    first = one.batch([0, 699])
    assert torch.equal(first["picture"], last["picture"].flip(0))
    assert first["picture"].shape == (2, 64, 64, 3) and first["picture"].dtype == torch.uint8
    assert torch.equal(first["label"], last["label"].flip(0))
    other = DietData("side", pictures=700, scored=20, world_seed=5)
    other.setup()
    assert not torch.equal(other.batch([0])["picture"], one.batch([0])["picture"])


def test_training_batches_are_shifted_and_repeat():
    data = DietData(pictures=40, scored=8, batch_size=8)
    data.setup()
    a, b = data.training_batch(3), data.training_batch(3)
    assert torch.equal(a["picture"], b["picture"])
    assert not torch.equal(a["picture"], data.batch(a["group"].tolist())["picture"])


def test_labels_are_equally_frequent():
    kinds = sample_scenes(1, 4400, DIETS["natural"]).kind[:, -1]
    assert (torch.bincount(kinds, minlength=len(CLASSES)) - 400).abs().max() < 80


@pytest.mark.parametrize(
    ("wrong", "text"),
    [({"diet": "vegan"}, "data.diet"), ({"pictures": 0}, "pictures"), ({"split": "x"}, "split")],
)
def test_wrong_settings(wrong, text):
    with pytest.raises(ValueError, match=text):
        DietData(**wrong)
