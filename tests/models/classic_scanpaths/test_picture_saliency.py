"""Saliency maps that models share, and means over cells."""

import numpy as np
import pytest
import torch
from classic_toys import grey, noise, scenes
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.foveation import Grid
from gazekit.models.classic_scanpaths.saliency import Saliency, cell_areas, cell_means, centre_map


@pytest.mark.parametrize("kind", ["centre", "itti_koch"])
@pytest.mark.parametrize("size", [(8, 8), (320, 40), (33, 97)])
def test_maps_have_their_largest_value_1_and_the_proportions_of_the_picture(kind, size):
    maps = Saliency(kind)(noise(2, size))
    assert (maps >= 0).all() and torch.equal(maps.amax((1, 2)), torch.ones(2))
    assert maps.shape[2] / maps.shape[1] == pytest.approx(size[0] / size[1], rel=0.1)
    assert max(maps.shape[1:]) <= 160


def test_nothing_stands_out_in_a_grey_picture():
    assert torch.equal(Saliency("itti_koch")(grey()), torch.ones(2, 60, 80))


def test_a_picture_is_computed_once():
    saliency, seen = Saliency("centre"), []
    compute = saliency._compute
    saliency._compute = lambda pictures: seen.append(len(pictures)) or compute(pictures)
    batch = noise(3)
    first = saliency(batch)
    again = saliency(scenes(batch.pictures[[2, 0, 2]]))
    assert seen == [3] and torch.equal(again, first[[2, 0, 2]])
    assert Saliency.of("centre") is Saliency.of("centre")


def test_pictures_of_equal_bytes_and_other_shapes_are_told_apart():
    saliency = Saliency("centre")
    assert saliency(grey(1, (20, 10))).shape[1:] == (10, 20)
    assert saliency(grey(1, (10, 20))).shape[1:] == (20, 10)


def test_one_clear_error():
    with pytest.raises(ValueError, match="one of attention_center, itti_koch, centre, got 'deep'"):
        Saliency("deep")
    from dataclasses import replace

    with pytest.raises(ValueError, match="need SceneBatch"):
        Saliency("centre")(replace(noise(), pictures=None))


def test_a_wrong_path_of_weights_is_told_by_fit(tmp_path):
    with pytest.raises(FileNotFoundError, match="attention_center"):
        Saliency("attention_center", str(tmp_path)).fit()


def test_the_centre_is_symmetric():
    found = centre_map((30, 41))
    assert torch.allclose(found, found.flip(0)) and torch.allclose(found, found.flip(1))
    assert found[15, 0] == pytest.approx(
        np.exp(-2 * (1 - 1 / 41) ** 2) * np.exp(-(((0.5 / 30) / 0.25) ** 2) / 2)
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(5, 90), st.integers(5, 90), st.floats(2, 40))
def test_cell_means_keep_the_mean_and_are_those_of_pixels(width, height, cell):
    grid = Grid((width, height), cell)
    maps = torch.rand(2, height, width, dtype=torch.float64)
    means, areas = cell_means(maps, grid), cell_areas(grid).double()
    assert areas.sum().item() == pytest.approx(1, abs=1e-5)
    assert torch.allclose(means @ areas, maps.mean((1, 2)), atol=1e-5)
    whole = int(cell)
    if whole == cell:
        first = maps[:, :whole, :whole].mean((1, 2))
        assert torch.allclose(means[:, 0], first)


@pytest.mark.slow
def test_the_network_predicts_fixations_on_photographs(shared_data):
    """NSS 2.30 on the 60 photographs, as measured when the network was converted."""
    from gazekit.datasets.viewing_data import ViewingData

    data = ViewingData("osie", shared_data / "osie", batch_size=75)
    data.setup()
    saliency = Saliency("attention_center", str(shared_data / "attention_center_saliency"))
    score = {}
    for batch in data.batches("all"):
        maps = saliency(batch.scenes)
        z = (maps - maps.mean((1, 2), keepdim=True)) / maps.std((1, 2), keepdim=True)
        scale = torch.tensor([maps.shape[2], maps.shape[1]]) / batch.scenes.size_px[0]
        x, y = (batch.xy_px * scale).long().unbind(-1)
        value = z[batch.scene_of_trial[:, None], y.clamp(0, maps.shape[1] - 1), x.clamp(0, maps.shape[2] - 1)]
        for group in batch.group.unique().tolist():
            score.setdefault(group, []).append(value[(batch.group == group)[:, None] & batch.mask])
    nss = [torch.cat(values).mean().item() for values in score.values()]
    assert len(nss) == 60 and np.mean(nss) == pytest.approx(2.30, abs=0.05)
