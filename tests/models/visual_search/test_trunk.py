"""Maps computed around a picture only, beside a whole canvas that is walked through as the source does it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from gazekit.backbones import load_backbone
from gazekit.datasets.search_data import SearchData
from gazekit.kernels.foveate import eccentric_windows
from gazekit.models.visual_search.eccnet import LAYERS, EccNetRow
from gazekit.models.visual_search.probe import reach_of
from gazekit.models.visual_search.reference import search_one, whole_canvas
from gazekit.models.visual_search.trunk import Trunk


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


@pytest.mark.parametrize("eccentric", (True, False))
@pytest.mark.parametrize("name", ("mobilenet_v2", "squeezenet1_0", "resnet18"))
@torch.no_grad()
def test_maps_are_those_of_an_endless_canvas(name: str, eccentric: bool) -> None:
    trunk, picture = trunk_of(name, eccentric), picture_of(88, 120)
    background = torch.tensor([40, 40, 40], dtype=torch.uint8)
    early = trunk.early(picture, background)
    for fixation in ([60.0, 44.0], [3.0, 81.0]):
        maps, corner = trunk.at(early, torch.tensor([0]), torch.tensor([fixation]))
        whole, at = whole_canvas(trunk, picture, background, torch.tensor(fixation))
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


def test_windows_are_asked_for_with_the_published_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def noted(*args: float) -> Tensor:
        asked.append(args)
        return eccentric_windows(*args)

    monkeypatch.setattr("gazekit.models.visual_search.trunk.eccentric_windows", noted)
    stream = Trunk(
        load_backbone("mobilenet_v2", "random"), ["expand4", "expand7", "expand14", "block17"], 32, True
    )
    picture, background = picture_of(69, 69), torch.full((3,), 40, dtype=torch.uint8)
    stream.at(stream.early(picture, background), torch.tensor([0]), torch.tensor([[34.5, 34.5]]))
    assert asked == [(72, 72, 8, 0.07), (36, 36, 4, 0.16), (18, 18, 2, 0.32)]


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


def test_a_whole_search_is_that_of_the_plain_form(shared_data: Path) -> None:
    data = SearchData(tasks=["lighting"], displays=1, display_seed=3)
    data.setup()
    weights = shared_data / "squeezenet_imagenet" / "squeezenet1_0_imagenet.safetensors"
    row = EccNetRow(
        data.facts(), "squeezenet1_0", weights, stride=16
    )  # maps of noise are flat: rounding decides
    batch = data.batch([4, 5])
    said = row.predict(batch, torch.Generator())
    for k, index in enumerate((4, 5)):
        plain = search_one(row, data.batch([index]))
        n = int(plain.saccades[0])
        assert n == said["fixations"][k]
        torch.testing.assert_close(said["xy_px"][k, : n + 1], plain.xy_px[0, : n + 1])


@torch.no_grad()
def test_the_released_canvas_has_the_published_sides() -> None:
    trunk = trunk_of("vgg16", True, 32)
    picture, background = torch.zeros(1, 69, 69, 3, dtype=torch.uint8), torch.zeros(3, dtype=torch.uint8)
    maps, corner = whole_canvas(trunk, picture, background, torch.tensor([34.5, 34.5]), released=True)
    assert corner.tolist() == [98, 98]
    assert [list(m.shape[-2:]) for m in maps] == [[8, 8]] * 3  # 266 px: 133, 67, 34, 17 and then 9 or 8
