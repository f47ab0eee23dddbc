from dataclasses import replace

import pytest
import torch
from toys import random_batch

from gazekit.models.oat.appearance import CategoryAppearance, CropAppearance, NoAppearance


def test_sizes_are_those_of_the_paper():
    crops = CropAppearance(256, (150, 93), (5, 3))
    assert crops.project.in_features == 1440
    x, shapes = torch.zeros(1, 3, 150, 93), []
    for layer in (*crops.convolutions, crops.pool):
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    assert list(dict.fromkeys(shapes)) == [(16, 146, 89), (16, 29, 17), (32, 27, 15), (32, 9, 5)]


@pytest.mark.parametrize(("levels", "features"), [(2, 160), (3, 672), (4, 2720)])
def test_pyramid_features_are_those_of_the_paper(levels, features):
    crops = CropAppearance(12, pyramid_levels=levels)
    assert crops.project.in_features == features
    for crop in ((60, 60), (90, 50)):  # any size
        scenes = random_batch(crop=crop).scenes
        assert crops(scenes).shape == (3, 7, 12)


def test_crops_decide_the_vectors_of_their_scene_alone():
    torch.manual_seed(0)
    appearance = CropAppearance(12, (32, 32), (2, 3))
    scenes = random_batch(crop=(32, 32)).scenes
    scenes.crops[1, 4] = scenes.crops[1, 3]
    vectors = appearance(scenes)
    assert vectors.shape == (3, 7, 12)
    torch.testing.assert_close(vectors[1, 4], vectors[1, 3])
    assert (vectors[1, 2] - vectors[1, 3]).abs().max() > 1e-2
    changed = scenes.crops.clone()
    changed[1, 2] = 1 - changed[1, 2]
    other = appearance(replace(scenes, crops=changed))
    assert (other[1, 2] - vectors[1, 2]).abs().max() > 1e-2
    torch.testing.assert_close(other[[0, 2]], vectors[[0, 2]])


def test_what_stands_in_padding_does_not_matter():
    torch.manual_seed(0)
    appearance = CropAppearance(12, (32, 32), (2, 3))
    scenes = random_batch(crop=(32, 32)).scenes
    padded = scenes.crops.masked_fill(~scenes.object_mask[..., None, None, None], 0.7)
    vectors, other = appearance(scenes), appearance(replace(scenes, crops=padded))
    torch.testing.assert_close(other[scenes.object_mask], vectors[scenes.object_mask])


def test_crops_are_needed():
    with pytest.raises(
        ValueError, match="'crop' needs a data set with crops; choose appearance=category or none"
    ):
        CropAppearance(12)(random_batch().scenes)


def test_small_crops_are_refused():
    with pytest.raises(ValueError, match=r"crops of \(16, 93\) px are too small for max-pools of \(5, 3\)"):
        CropAppearance(12, (16, 93))
    assert CropAppearance(12, (29, 29)).project.in_features == 32


def test_same_name_same_vector():
    scenes = random_batch().scenes
    vectors = CategoryAppearance(12, 3).eval()(scenes)
    assert vectors.shape == (3, 7, 12)
    for k in range(4):
        of_name = vectors[scenes.category == k]
        assert (of_name == of_name[0]).all()
    assert len(vectors.flatten(0, 1).unique(dim=0)) == 4


def test_unknown_names_share_a_vector_that_training_reaches():
    torch.manual_seed(0)
    scenes = random_batch().scenes
    row = torch.zeros(400, dtype=torch.long)
    many = scenes[row]
    appearance = CategoryAppearance(12, 3, p_unknown=0.25)
    hidden = (appearance(many) == appearance.embed.weight[0]).all(-1)
    hidden = hidden[many.object_mask].view(400, -1)
    assert (hidden.all(1) | ~hidden.any(1)).all()  # whole scenes lose their names
    assert 0.15 < hidden.float().mean() < 0.35
    assert not (appearance.eval()(many)[many.object_mask] == appearance.embed.weight[0]).all(-1).any()
    never = CategoryAppearance(12, 3, p_unknown=0.0)
    torch.testing.assert_close(never(scenes), never.eval()(scenes))


def test_names_beyond_the_vocabulary_are_not_mistaken():
    scenes = random_batch().scenes
    with pytest.raises(IndexError):
        CategoryAppearance(12, 2)(scenes)


def test_nothing_seen_is_one_vector():
    appearance = NoAppearance(12)
    vectors = appearance(random_batch().scenes)
    assert vectors.shape == (3, 7, 12)
    assert (vectors == appearance.vector).all()
