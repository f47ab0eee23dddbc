"""Other operations in the place of a net's own pooling or strided convolutions."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from gazekit.backbones import build_net

NAMES = ("vgg16", "squeezenet1_0", "mobilenet_v2", "deeplab_voc", "resnet18", "resnet50")


@pytest.mark.parametrize("name", NAMES)
def test_the_own_halvings_given_by_hand_change_nothing(name: str) -> None:
    net = build_net(name).eval()
    picture = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    halve = {stride: lambda x, s=stride: net.halved(x, s) for stride in net.halvings}
    with torch.no_grad():
        own, given = dict(net.walk(picture)), dict(net.walk(picture, halve))
    assert list(own) == list(net.layers) == list(given)
    for layer in own:
        torch.testing.assert_close(given[layer], own[layer], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_each_operation_sees_the_map_at_its_stride(name: str) -> None:
    net = build_net(name).eval()
    seen = {}

    def note(stride: int):
        def halve(x: torch.Tensor) -> torch.Tensor:
            seen.setdefault(stride, x.shape[-1])
            return F.avg_pool2d(x, 2, ceil_mode=True)

        return halve

    with torch.no_grad():
        for _ in net.walk(torch.zeros(1, 3, 64, 64), {stride: note(stride) for stride in net.halvings}):
            pass
    assert set(seen) == set(net.halvings)
    assert all(
        abs(side - 64 / stride) <= 3 for stride, side in seen.items()
    )  # SqueezeNet's border is not padded


def test_nets_without_a_choice_say_so() -> None:
    net = build_net("vit_tiny")
    assert net.halvings == ()
    with pytest.raises(ValueError, match="no halvings"):
        net.halved(torch.zeros(1, 3, 4, 4), 4)
