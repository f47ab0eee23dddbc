"""Maps computed around a picture only, beside a whole canvas that is walked through as the source does it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.backbones import load_backbone
from gazekit.kernels.foveate import eccentric_avg_pool2d, eccentric_windows
from gazekit.models.visual_search.eccnet import LAYERS
from gazekit.models.visual_search.probe import maps_of, reach_of
from gazekit.models.visual_search.trunk import SLOPES, Trunk

EXTRA_PX = 192  # of the canvas, so that its border is far from the picture


def trunk_of(name: str, eccentric: bool, stride: int = 16) -> Trunk:
    return Trunk(load_backbone(name, "random"), LAYERS[name], stride, eccentric)


def picture_of(height: int, width: int, seed: int = 0) -> Tensor:
    """Bars on a grey ground."""
    draw = torch.Generator().manual_seed(seed)
    picture = torch.full((1, height, width, 3), 40, dtype=torch.uint8)
    for _ in range(4):
        y, x = (int(torch.randint(0, side - 14, (1,), generator=draw)) for side in (height, width))
        picture[0, y : y + 5, x : x + 14] = torch.randint(60, 255, (3,), generator=draw, dtype=torch.uint8)
    return picture


def on_whole_canvas(
    trunk: Trunk, picture: Tensor, background: Tensor, fixation: Tensor
) -> tuple[list[Tensor], Tensor]:
    """All layers on the whole canvas, and where the picture's corner is."""
    height, width = picture.shape[1:3]
    canvas = trunk.canvas_px(height, width)
    colour = trunk.prepared(background.view(1, 1, 1, 3))[0, :, 0, 0]
    whole = colour[None, :, None, None].repeat(1, 1, canvas + 2 * EXTRA_PX, canvas + 2 * EXTRA_PX)
    corner = ((canvas / 2 - fixation) / trunk.first).round().long() * trunk.first + EXTRA_PX
    x, y = corner.tolist()
    whole[:, :, y : y + height, x : x + width] = trunk.prepared(picture)
    halve = {}
    for s in trunk.net.halvings:
        if trunk.eccentric and s < 4 and trunk.net.max_pools:
            halve[s] = lambda m: F.avg_pool2d(m, 2)
        if trunk.eccentric and s in SLOPES:
            side = canvas // s
            windows = eccentric_windows(side, side, round(30 / s), SLOPES[s])
            windows = F.pad(windows[None].float(), [EXTRA_PX // (2 * s)] * 4, mode="replicate")[0].long()

            def pooled(m: Tensor, w: Tensor = windows) -> Tensor:
                lacking = [2 * w.shape[k] - m.shape[k + 1] for k in (2, 1)]  # where borders are not padded
                return eccentric_avg_pool2d(
                    F.pad(m, (0, lacking[0], 0, lacking[1]), mode="replicate"), w, "reference"
                )

            halve[s] = pooled
    found = dict(maps_of(trunk.net, whole, trunk.layers, halve))
    pool = F.max_pool2d if trunk.net.max_pools and not trunk.eccentric else F.avg_pool2d
    return [pool(found[n], trunk.stride // s) for n, s in trunk.layer_strides.items()], corner


@pytest.mark.parametrize("eccentric", (True, False))
@pytest.mark.parametrize("name", ("mobilenet_v2", "squeezenet1_0", "resnet18"))
@torch.no_grad()
def test_maps_are_those_of_an_endless_canvas(name: str, eccentric: bool) -> None:
    trunk, picture = trunk_of(name, eccentric), picture_of(88, 120)
    background = torch.tensor([40, 40, 40], dtype=torch.uint8)
    early = trunk.early(picture, background)
    for fixation in ([60.0, 44.0], [3.0, 81.0]):
        maps, corner = trunk.at(early, torch.tensor([0]), torch.tensor([fixation]))
        whole, at = on_whole_canvas(trunk, picture, background, torch.tensor(fixation))
        x, y = ((corner[0] + at) // trunk.stride).tolist()
        assert (corner[0] <= 0).all()
        for found, expected in zip(maps, whole, strict=True):
            height, width = found.shape[-2:]
            assert corner[0, 0] + width * 16 >= 120
            assert corner[0, 1] + height * 16 >= 88
            expected = expected[..., y : y + height, x : x + width]
            assert expected.std() > 0
            torch.testing.assert_close(found, expected, atol=2e-4 * float(expected.abs().max()), rtol=0)


@torch.no_grad()
def test_fixations_of_one_batch_do_not_mix() -> None:
    trunk = trunk_of("mobilenet_v2", True, 32)
    pictures = torch.cat([picture_of(90, 90, seed) for seed in range(3)])
    background = torch.tensor([40, 40, 40], dtype=torch.uint8)
    early, points = trunk.early(pictures, background), torch.tensor([[45.0, 45.0], [8.0, 70.0], [80.0, 13.0]])
    together, corners = trunk.at(early, torch.tensor([2, 0, 1]), points)
    for k, row in enumerate((2, 0, 1)):
        alone, corner = trunk.at(
            trunk.early(pictures[row : row + 1], background), torch.tensor([0]), points[k : k + 1]
        )
        assert corner.tolist() == corners[k : k + 1].tolist()
        for one, all_ in zip(alone, together, strict=True):
            torch.testing.assert_close(all_[k : k + 1], one, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ("mobilenet_v2", "squeezenet1_0"))
@torch.no_grad()
def test_erasing_a_box_is_painting_it_over(name: str) -> None:
    trunk, pictures = trunk_of(name, True), torch.cat([picture_of(96, 80, seed) for seed in range(2)])
    background = torch.tensor([40, 40, 40], dtype=torch.uint8)
    early, box = trunk.early(pictures, background), torch.tensor([[30, 51, 63, 84]])
    trunk.erase(early, torch.tensor([1]), box)
    pictures[1, 51:84, 30:63] = 40
    fresh = trunk.early(pictures, background)
    for key, expected in fresh.maps.items():
        torch.testing.assert_close(
            early.maps[key], expected, atol=1e-4 * float(expected.abs().max()), rtol=1e-4
        )


def test_reach_is_that_of_the_receptive_fields() -> None:
    reach = reach_of(load_backbone("vgg16", "random").net, LAYERS["vgg16"], (4, 8))
    assert reach.layer == {"conv4_3": 3, "conv5_3": 3}  # three convolutions of 3 x 3
    assert reach.halving == {8: 3}
    assert reach.first == (-18, 21)  # 1 + 1 + 2 (1 + 1) + 4 (1 + 1 + 1) pixels beyond a place of 4


@pytest.mark.parametrize(("side", "canvas"), ((339, 832), (198, 544), (615, 1376)))
def test_the_canvas_is_the_published_one_rounded_up(side: int, canvas: int) -> None:
    assert trunk_of("mobilenet_v2", True, 32).canvas_px(side, side) == canvas >= 2 * (side + 64)


@pytest.mark.parametrize(
    ("name", "layers", "message"),
    (
        ("vit_tiny", ["block5"], "no poolings or strides"),
        ("mobilenet_v2", ["logits"], "no layer 'logits' of stride 4 to 16"),
        ("mobilenet_v2", ["expand17"], "no layer 'expand17'"),
        ("mobilenet_v2", ["expand14", "expand4"], "from fine to coarse"),
    ),
)
def test_nets_and_layers_that_cannot_search(name: str, layers: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Trunk(load_backbone(name, "random"), layers, 16, True)
