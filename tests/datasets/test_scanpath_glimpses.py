"""Glimpses along real scanpaths: controls of scanpaths, embeddings, providers, folds by picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from viewing_toys import SIZE, spots

from gazekit.backbones import load_backbone
from gazekit.datasets.brain_pictures import PictureArray
from gazekit.datasets.glimpse_embedding import glimpse_embeddings
from gazekit.datasets.glimpse_generated import SIDE_PX, GeneratedPictures
from gazekit.datasets.glimpse_paths import CONTROLS, Paths, controlled, joined
from gazekit.datasets.scanpath_glimpses import ScanpathGlimpses
from gazekit.errors import DataError
from gazekit.foveation.glimpses import GlimpseSampler
from gazekit.models.classic_scanpaths import CentreBias


class FirstTwoRows:
    """An embedding that is known: mean colour, then the middle pixel."""

    layers = {"toy": type("Layer", (), {"channels": 6})}  # noqa: RUF012
    recipe = {"name": "toy", "layers": ["toy"], "weights": "none"}  # noqa: RUF012

    def preprocess(self, images):
        return torch.as_tensor(np.asarray(images))

    def __call__(self, images):
        x = images.float()
        return {"toy": torch.cat([x.mean((1, 2)), x[:, x.shape[1] // 2, x.shape[2] // 2]], 1)}


@st.composite
def some_paths(draw) -> tuple[Paths, np.ndarray]:
    lengths = draw(st.lists(st.integers(2, 6), min_size=2, max_size=8))
    picture = np.arange(len(lengths)) % draw(st.integers(2, 3))
    size_px = np.array([[40, 30], [80, 90], [20, 60]])
    place = np.random.default_rng(draw(st.integers(0, 99)))
    paths = Paths.of(
        (place.uniform(0, 1, (n, 2)) * size_px[k] for n, k in zip(lengths, picture, strict=True)), picture
    )
    return paths, size_px


@settings(max_examples=40, deadline=None)
@given(some_paths(), st.sampled_from(CONTROLS))
def test_controls_keep_first_fixations_lengths_and_bounds(made, control):
    paths, size_px = made
    found = controlled(paths, control, size_px, seed=3)
    first = paths.start[:-1]
    np.testing.assert_array_equal(found.xy_px[first], paths.xy_px[first])
    np.testing.assert_array_equal(found.start, paths.start)
    relative = found.xy_px / size_px[paths.picture[paths.owner]]
    assert (relative >= 0).all() and (relative <= 1).all()
    assert np.array_equal(found.xy_px, controlled(paths, control, size_px, seed=3).xy_px)
    if control == "permuted":
        for a, b in zip(paths.start, paths.start[1:], strict=False):
            assert sorted(map(tuple, found.xy_px[a:b])) == sorted(map(tuple, paths.xy_px[a:b]))
    if control == "swapped":
        share = paths.xy_px / size_px[paths.picture[paths.owner]]
        owner = paths.picture[paths.owner]
        for xy, mine in zip(relative[paths.later], owner[paths.later], strict=True):
            source = np.flatnonzero((np.abs(share - xy) < 1e-12).all(1))
            assert len(source) and paths.later[source].all() and (owner[source] != mine).all()


def test_swapped_fixations_come_from_all_others_alike():
    paths = Paths.of([np.arange(6.0).reshape(3, 2) + 10 * k for k in range(4)] * 2, [0, 1, 2, 3] * 2)
    found = [controlled(paths, "swapped", np.full((4, 2), 100), seed).xy_px[1, 0] for seed in range(1200)]
    values, count = np.unique(found, return_counts=True)
    assert values.tolist() == [12, 14, 22, 24, 32, 34] and (abs(count - 200) < 5 * 200**0.5).all()


def test_impossible_controls_are_refused():
    paths = Paths.of([np.zeros((3, 2))], [0])
    with pytest.raises(DataError, match="all scanpaths are on one"):
        controlled(paths, "swapped", np.full((1, 2), 9))
    with pytest.raises(ValueError, match="unknown control 'mirrored'"):
        controlled(paths, "mirrored", np.full((1, 2), 9))


def test_short_scanpaths_are_left_out_and_long_ones_cut():
    paths = Paths.of(
        [np.zeros((1, 2)), np.ones((5, 2)), np.zeros((0, 2)), np.ones((2, 2))], [0, 1, 2, 3], fixations=3
    )
    assert paths.picture.tolist() == [1, 3] and paths.start.tolist() == [0, 3, 5]
    both = joined([paths, paths])
    assert both.picture.tolist() == [1, 3, 1, 3] and both.start.tolist() == [0, 3, 5, 8, 10]


def test_embeddings_are_those_of_the_crops(tmp_path):
    draw = np.random.default_rng(0)
    pictures = PictureArray(draw.integers(0, 255, (3, 20, 30, 3), dtype=np.uint8))
    number, xy = np.array([2, 0, 2, 0]), np.array([[4.0, 5], [29, 0], [4, 5], [-3, 8]])
    found = glimpse_embeddings(pictures, number, xy, FirstTwoRows(), GlimpseSampler(5), tmp_path)
    for k, (row, (x, y)) in enumerate(zip(number, xy.astype(int), strict=True)):
        canvas = np.zeros((40, 50, 3))
        canvas[10:30, 10:40] = pictures[int(row)]
        crop = canvas[y + 8 : y + 13, x + 8 : x + 13]
        np.testing.assert_allclose(found[k], np.concatenate([crop.mean((0, 1)), crop[2, 2]]), rtol=1e-6)
    before = sorted(tmp_path.rglob("*"))
    again = glimpse_embeddings(pictures, number[::-1], xy[::-1], FirstTwoRows(), GlimpseSampler(5), tmp_path)
    np.testing.assert_array_equal(again[::-1], found)
    assert sorted(tmp_path.rglob("*")) == before  # the same glimpses: nothing is computed again
    glimpse_embeddings(pictures, number, xy, FirstTwoRows(), GlimpseSampler(7), tmp_path)
    assert len(sorted(tmp_path.rglob("*"))) > len(before)
    with pytest.raises(ValueError, match="embedded by one layer"):
        both = load_backbone("mobilenet_v2", "random", ["block4", "block7"])
        glimpse_embeddings(pictures, number, xy, both, GlimpseSampler(5))


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A function from settings to data over ten small pictures, four people each."""
    monkeypatch.setattr("gazekit.backbones.load_backbone", lambda *_: FirstTwoRows())
    scenes = spots(tmp_path)

    def make(**settings) -> ScanpathGlimpses:
        data = ScanpathGlimpses(
            "spots", **{"folds": 3, "glimpse_px": 9, "fixations": 4, "batch_size": 8, **settings}
        )
        data.use_scanpaths(scenes)
        return data

    return make


def test_every_person_is_a_scanpath_and_folds_are_of_pictures(toy):
    data = toy()
    assert len(data.parts["all"]) == 40 and data.records.embeddings.shape[1] == 6
    batch = data.batch([0, 1, 39])
    assert batch["mask"].sum(1).tolist() == [3, 4, 4]
    assert batch["centre_px"].tolist() == [[SIZE[0] / 2, SIZE[1] / 2]] * 3
    trial = data.viewing.dataset.trials[1]
    np.testing.assert_allclose(batch["xy_px"][1], trial.scanpath.xy_px[:4], rtol=1e-6)
    assert data.facts()["steps"] == 3 and data.facts()["backbone"]["name"] == "toy"
    tested = [np.unique(data.records.picture[data.in_fold(k).parts["test"]]) for k in range(3)]
    assert sorted(np.concatenate(tested)) == list(range(10))
    fold = data.in_fold(1)
    assert fold.split == "test" and fold.folds == 3
    used = {part: set(fold.records.picture[index]) for part, index in fold.parts.items() if part != "all"}
    assert sum(map(len, used.values())) == 10 and set.union(*used.values()) == set(range(10))


def test_glimpses_show_what_was_looked_at(toy):
    data = toy(glimpse_px=1)
    batch = data.batch([3])
    scene = data.viewing.dataset.scenes[0]
    picture = torch.from_numpy(cv2.imread(str(scene.image_path), cv2.IMREAD_COLOR_RGB))
    seen = GlimpseSampler(1)(picture[None], batch["xy_px"].double())[0, :, 0, 0].float()
    assert (batch["glimpse"][0, :, 3:] - seen).abs().max() <= 1  # float32 fixations round at .5


@pytest.mark.parametrize("provider", CONTROLS)
def test_controls_go_elsewhere(toy, provider):
    human, data = toy(), toy(provider=provider)
    batch, people = data.batch(range(40)), human.batch(range(40))
    assert torch.equal(batch["mask"], people["mask"]) and torch.equal(batch["group"], people["group"])
    assert torch.equal(batch["xy_px"][:, 0], people["xy_px"][:, 0])
    assert not torch.equal(batch["xy_px"], people["xy_px"])
    assert f"scanpaths: {provider} in training, {provider} scored" in data.about()["notes"]


def test_a_net_can_learn_from_one_provider_and_be_scored_on_another(toy):
    data = toy(provider=["uniform", "permuted"], scored_provider="human").in_fold(0)
    human = toy().in_fold(0)
    for part, many in (("train", 2), ("val", 2), ("test", 1), ("all", 1)):
        assert len(data.parts[part]) == many * len(human.parts[part])
    assert torch.equal(data.batch(data.parts["test"])["glimpse"], human.batch(human.parts["test"])["glimpse"])
    assert set(data.parts["train"]).isdisjoint(data.parts["all"])


def test_a_model_is_fitted_to_the_training_pictures_of_each_fold(toy):
    class Seen(CentreBias):
        def fit(self, data):
            folds.append(sorted({data.dataset.trials[i].scene for i in data.parts["train"]}))
            super().fit(data)

    folds: list[list[int]] = []
    data = toy(provider="model", viewer=Seen({}), seed=4)
    first, second = (data.in_fold(k) for k in (0, 1))
    assert folds[0] == folds[1] != folds[2]
    assert not set(folds[2]) & set(second.records.picture[second.parts["test"]])
    assert np.array_equal(data.records.xy_px, first.records.xy_px)
    assert len(data.records.xy_px) != len(second.records.xy_px) or not np.allclose(
        data.records.xy_px, second.records.xy_px
    )


def test_scanpaths_of_a_file(toy, tmp_path):
    names = [f"spot{k}.png" for k in range(10)]
    lines = [f"{name},{k},{5 + t + k},{7 + t}" for name in names for k in range(2) for t in range(3)]
    lines += ["elsewhere.png,0,1,1", "elsewhere.png,0,2,2"]
    path = tmp_path / "scanpaths.csv"
    path.write_text("\n".join(["image,sample,x_px,y_px", *lines]))
    data = toy(provider=str(path))
    assert len(data.parts["all"]) == 20
    assert data.batch([3])["xy_px"][0].tolist() == [[6, 7], [7, 8], [8, 9]]
    path.write_text("\n".join(["image,sample,x_px,y_px", *lines[6:]]))
    with pytest.raises(DataError, match="no scanpath on 1 of the 10 pictures"):
        toy(provider=str(path))


def test_generated_pictures_train_only(toy):
    plain, data = toy().in_fold(1), toy(generated=3).in_fold(1)
    added = data.records.picture[data.parts["train"]] >= 10
    assert added.sum() == 15 and len(data.parts["train"]) == len(plain.parts["train"]) + 15
    for part in ("val", "test", "all"):
        assert torch.equal(data.batch(data.parts[part])["glimpse"], plain.batch(plain.parts[part])["glimpse"])
    batch = data.batch(data.parts["train"][added])
    assert batch["centre_px"].eq(SIDE_PX / 2).all() and batch["xy_px"][:, 0].eq(SIDE_PX / 2).all()
    assert batch["mask"].all() and batch["glimpse"][:, 1:].std() > 1
    pictures = GeneratedPictures(3)
    assert np.array_equal(pictures[1], GeneratedPictures(9)[1]) and not np.array_equal(
        pictures[0], pictures[1]
    )
    seen = GlimpseSampler(9)(torch.from_numpy(pictures[0])[None], batch["xy_px"][:1].double())
    assert (seen.float().mean((2, 3))[0] - batch["glimpse"][0, :, :3]).abs().max() < 1


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match=r"data\.provider must be one of human, uniform"):
        ScanpathGlimpses("osie", provider="dg3")
    with pytest.raises(ValueError, match="needs a viewer"):
        ScanpathGlimpses("osie", provider="model")
    with pytest.raises(ValueError, match=r"data\.fixations must be at least 2"):
        ScanpathGlimpses("osie", fixations=1)


@pytest.mark.slow
def test_osie_with_real_weights(shared_data, tmp_path):
    """A glimpse is more like the other glimpses of its scanpath than like those of other pictures."""
    data = ScanpathGlimpses(
        "osie",
        shared_data / "osie",
        weights=shared_data / "vit_tiny_imagenet",
        size_px=(32, 32),
        fixations=3,
        features_root=tmp_path,
    )
    data.setup()
    assert data.facts()["size"] == 192 and len(np.unique(data.records.picture)) == 60
    batch = data.batch(data.parts["all"])
    unit = torch.nn.functional.normalize(batch["glimpse"] - batch["glimpse"][batch["mask"]].mean(0), dim=2)
    unit = unit * batch["mask"][..., None]
    alike = torch.einsum("itd,jtd->ij", unit, unit)
    same = batch["group"][:, None] == batch["group"]
    off = ~torch.eye(len(same), dtype=torch.bool)
    assert alike[same & off].mean() > alike[~same].mean() + 0.2
