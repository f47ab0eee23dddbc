import math
from functools import lru_cache

import numpy as np
import pytest
import torch

from gazekit.datasets import synthetic_brain
from gazekit.datasets.brain_voxels import GAIN, KINDS, Voxels, cell_centres
from gazekit.datasets.brain_world import Front, draw_scenes
from gazekit.datasets.synthetic_brain import SyntheticBrain

SMALL = {"pictures": 40, "scored": 10, "voxels": 6, "noise_sd": [0.5, 1.5]}
N = 40 + 2 * 10 + 40


@lru_cache
def drawn(seeds):
    return draw_scenes(np.array(seeds))


@pytest.fixture(autouse=True, scope="module")
def few_pictures_for_the_net_and_none_is_drawn_twice():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic_brain, "_NET_PICTURES", 40)
        patch.setattr(synthetic_brain, "draw_scenes", lambda seeds: drawn(tuple(seeds.tolist())))
        yield


@pytest.fixture(scope="module")
def data() -> SyntheticBrain:
    made = SyntheticBrain(**SMALL)
    made.setup()
    return made


def correlation(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    return (x * y).sum(0) / (x.norm(dim=0) * y.norm(dim=0))


def test_facts_and_shapes(data):
    facts = data.facts()
    assert facts["layers"] == {"tokens": [48, 8, 8]} and facts["voxels"] == 36
    assert list(facts["regions"]) == list(KINDS) and facts["subjects"] == ["person 1", "person 2"]
    assert facts["regions"]["content_routed"] == [*range(6, 12), *range(24, 30)]
    assert {part: len(index) for part, index in data.parts.items()} == {"train": 40, "val": 10, "test": 10}
    assert data.repeats("test").shape == (4, 10, 36) and data.repeats("train") is None
    assert data.pictures([0, 59]).shape == (2, 64, 64, 3)
    batch = data.batch([3, 50])
    assert batch["features"]["tokens"].shape == (2, 48, 8, 8) and "fixation_map" not in batch


def test_responses_are_the_known_signal_with_known_noise():
    made = SyntheticBrain(**SMALL | {"pictures": 4, "scored": 100, "presentations": [1, 6]})
    made.setup()
    signal = made.references()["known signal"].predict(next(made.batches("test")), torch.Generator())[
        "prediction"
    ]
    noise = (made.repeats("test")[:, : len(signal)] - signal).flatten(0, 1)
    person = torch.tensor(made.facts()["subject_of"])
    for k, sd in enumerate(SMALL["noise_sd"]):
        assert noise[:, person == k].std() == pytest.approx(sd, rel=0.05)
        assert abs(noise[:, person == k].mean()) < 0.05
    assert (torch.corrcoef(noise.T) - torch.eye(36)).abs().max() < 0.25  # noise of voxels is independent
    arrays = made.arrays("test")
    ceiling = torch.tensor([(1 / (1 + sd**2 / 6)) ** 0.5 for sd in SMALL["noise_sd"]])
    found = correlation(arrays.response, made.signal[arrays.group])
    for k in range(2):
        assert found[person == k].mean() == pytest.approx(float(ceiling[k]), abs=0.05)


def test_it_is_the_same_again_and_first_pictures_do_not_depend_on_their_number(data):
    more = SyntheticBrain(**SMALL | {"pictures": 45})
    more.setup()
    np.testing.assert_array_equal(more.pictures([5]), data.pictures([5]))
    torch.testing.assert_close(more.signal[:40], data.signal[:40])
    torch.testing.assert_close(more.signal[45:65], data.signal[40:60])
    other = SyntheticBrain(**SMALL, world_seed=1)
    other.setup()
    assert (other.pictures([5]) != data.pictures([5])).any()
    assert (other.facts()["name"], other.signal.shape) == ("synthetic_brain", data.signal.shape)


def test_people_see_a_share_of_the_pictures():
    made = SyntheticBrain(**SMALL, seen_share=0.5)
    made.setup()
    response, person = made.arrays("train").response, torch.tensor(made.facts()["subject_of"])
    seen = torch.stack([~response[:, person == k].isnan().any(1) for k in range(2)])
    unseen = torch.stack([response[:, person == k].isnan().all(1) for k in range(2)])
    assert (seen ^ unseen).all() and seen.sum(1).tolist() == [20, 20]
    assert (seen[0] != seen[1]).any() and not made.arrays("test").response.isnan().any()


def test_gaze_moves_the_pools():
    components = torch.zeros(2, 64, 1)
    components[:, 27] = 1  # row 3, column 3: at (3.5, 3.5) / 8
    voxels = Voxels(torch.tensor([[0.4375, 0.4375]]), torch.tensor([0.08]), torch.ones(3, 1, 1))
    fixation = torch.tensor([[0.5, 0.5], [0.75, 0.5]])
    still, moved = voxels.signal(components, torch.zeros(2, 64), (8, 8), fixation)[:, 0]
    assert still > 5 * moved  # the pool is at (0.69, 0.44) then
    made = SyntheticBrain(**SMALL, gaze_sd=0.1)
    made.setup()
    maps = made.batch([0, 1])["fixation_map"]
    assert maps.shape == (2, 8, 8)
    torch.testing.assert_close(maps.sum((1, 2)), torch.ones(2))
    centre = (maps.flatten(1)[..., None] * cell_centres(8, 8)).sum(1)
    np.testing.assert_allclose(centre, made.fixation_xy[:2], atol=0.03)


def test_voxels_by_hand():
    draw = torch.Generator().manual_seed(0)
    components, face = torch.randn(3, 6, 2, generator=draw), torch.randn(3, 6, generator=draw)
    voxels = Voxels.sample([7], 4, 2)
    found = voxels.signal(components, face, (2, 3), torch.full((3, 2), 0.5))
    centres = [((c + 0.5) / 3, (r + 0.5) / 2) for r in range(2) for c in range(3)]
    for i in range(3):
        route = torch.softmax(GAIN * face[i], 0)
        for v in range(4):
            (x, y), sd = voxels.xy[v].tolist(), float(voxels.sd[v])
            pool = [math.exp(-((cx - x) ** 2 + (cy - y) ** 2) / (2 * sd**2)) for cx, cy in centres]
            pool = torch.tensor(pool) / sum(pool)
            expected = [pool @ (components[i] @ voxels.weight[0, :, v]),
                        route @ (components[i] @ voxels.weight[1, :, v])]  # fmt: skip
            mean = (components[i] @ voxels.weight[2, :, v]).mean()
            expected.append(mean.sign() * mean.abs().sqrt())
            np.testing.assert_allclose(found[i, v::4], expected, rtol=1e-4, atol=1e-5)


def test_the_detector_finds_faces_that_it_was_not_fitted_to():
    pictures, xy = draw_scenes(np.arange(300))
    small = synthetic_brain.SmallNet(0)
    maps = small(pictures)
    front = Front.fit(maps[:240], xy[:240])
    components, face = front(maps[240:])
    assert components.shape == (60, 64, 47)
    away = np.linalg.norm(cell_centres(8, 8).numpy()[face.argmax(1)] - xy[240:], axis=1)
    assert (away < 0.2).mean() > 0.7  # by chance 0.12
    fitted = front(maps[:240])
    np.testing.assert_allclose(fitted[1].std(), 1, rtol=1e-3)
    spread = fitted[0].flatten(0, 1)
    covariance = torch.cov(spread.T)
    assert (covariance - covariance.diag().diag()).abs().max() < 1e-2 * covariance.diag().max()


def test_another_net_looks_or_is_the_known_one():
    look = {
        "backbone": "squeezenet1_0",
        "weights": "random",
        "layers": ["fire2"],
        "size_px": [64, 64],
        "grid": 5,
    }
    features = SyntheticBrain(**SMALL, **look)
    features.setup()
    assert features.facts()["layers"] == {"fire2": [128, 5, 5]}
    known = SyntheticBrain(**SMALL, **look, known="backbone")
    known.setup()
    torch.testing.assert_close(
        known.batch([0])["features"]["fire2"], features.batch([0])["features"]["fire2"]
    )
    assert not torch.allclose(known.signal, features.signal)
    maps = known.maps.read(np.arange(N))["fire2"]
    components, face = Front.fit(maps[60:], known.face_xy[60:])(maps)
    raw = Voxels.sample([0, 5, 0], 6, 47).signal(components, face, (5, 5), torch.full((N, 2), 0.5))
    expected = (raw - raw[60:].mean(0)) / raw[60:].std(0)
    torch.testing.assert_close(known.signal[:, :18], expected, rtol=1e-3, atol=1e-3)


def test_wrong_settings_are_named():
    for settings, message in (
        ({"known": "large"}, r"data\.known must be small, or backbone"),
        ({"known": "backbone"}, r"data\.known must be small, or backbone"),
        ({"voxels": 0}, r"data\.voxels must be at least 1, got 0"),
        ({"presentations": [1]}, r"data\.presentations must be two numbers"),
        ({"noise_sd": []}, r"data\.noise_sd and"),
        ({"seen_share": 0}, r"data\.seen_share above 0"),
    ):
        with pytest.raises(ValueError, match=message):
            SyntheticBrain(**settings)


@pytest.mark.slow
def test_only_what_is_routed_escapes_a_linear_read_out_of_all_places():
    """Ridge on flattened features, and on the features at the face as the known network finds it."""
    from sklearn.linear_model import Ridge

    made = SyntheticBrain(pictures=1000, scored=200, voxels=20, noise_sd=[0.7])
    made.setup()
    learnt, asked = made.arrays("train"), made.arrays("test")

    def looked_at(features):
        """The mean over places, weighted as the known network weights them: its detector is one direction of them."""
        tokens = features["tokens"].flatten(2).transpose(1, 2)
        return torch.einsum("nt,ntc->nc", torch.softmax(GAIN * (tokens @ detector), 1), tokens)

    everywhere = learnt.features["tokens"].flatten(2).transpose(1, 2)
    detector = torch.linalg.lstsq(
        everywhere.flatten(0, 1), made.face[learnt.group].flatten()[:, None]
    ).solution[:, 0]
    scores = {}
    for name, look, alpha in (
        ("flat", lambda features: features["tokens"].flatten(1), 3e3),
        ("mean", lambda features: features["tokens"].mean((2, 3)), 1e-2),
        ("routed", looked_at, 1.0),
    ):
        model = Ridge(alpha=alpha).fit(look(learnt.features), learnt.response)
        predicted = torch.from_numpy(model.predict(look(asked.features)))
        r = correlation(predicted, asked.response)
        scores[name] = {kind: float(r[voxels].mean()) for kind, voxels in made.facts()["regions"].items()}
    ceiling = (1 / (1 + 0.7**2 / 4)) ** 0.5
    assert scores["flat"]["retinotopic"] > 0.6 and scores["mean"]["whole_picture"] > 0.8
    assert scores["routed"]["content_routed"] > 0.8
    assert max(scores["flat"]["content_routed"], scores["mean"]["content_routed"]) < 0.5
    assert scores["routed"]["retinotopic"] < scores["flat"]["retinotopic"]
    assert max(value for row in scores.values() for value in row.values()) < ceiling + 0.02
