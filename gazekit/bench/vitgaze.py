"""What a person costs in gaze following: the rows of a head against whole attention maps, and people of a picture
that is encoded once against one pass for each.

Weights and pictures are noise; the time depends on their sizes alone. Heads have the mean size of those of GazeFollow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from gazekit.harness import Case
from gazekit.models.gaze_following.boxes import touched_patches
from gazekit.models.gaze_following.interaction import interaction
from gazekit.models.gaze_following.vitgaze_net import ViTGazeNet

__all__ = ["Sizes", "cases"]

HEAD = 0.18  # side of a head, as a share of the picture's: about 8 x 8 of 37 x 37 patches


@dataclass(frozen=True)
class Sizes:
    """Sizes of the cases.

    Args:
        side_px: of square pictures.
        backbone: of the net.
        people: in a picture; one case per entry, and one of the whole net for the last.
    """

    side_px: int = 518
    backbone: str | dict = "dinov2_small"
    people: tuple[int, ...] = (1, 2, 5, 10, 20)


def cases(device: str = "cpu", sizes: Sizes | None = None) -> list[Case]:
    """The read-out of tapped layers, forward and in training; people of an encoded picture; a picture and people."""
    sizes = sizes or Sizes()
    net = ViTGazeNet(sizes.backbone).eval().to(device)
    made = [_read_out(net, sizes, device, training) for training in (False, True)]
    image = torch.randint(0, 256, (1, 3, sizes.side_px, sizes.side_px), dtype=torch.uint8, device=device)
    with torch.no_grad():
        scene = net.encode(image)
    made += [_people(net, image, scene, people) for people in sizes.people]
    return [*made, _people(net, image, None, sizes.people[-1])]


def _people(net: ViTGazeNet, image: Tensor, scene, people: int) -> Case:
    """`scene` None: encoding it is part of the work."""
    heads, picture = _heads(people, image.device), torch.zeros(people, dtype=torch.long, device=image.device)

    @torch.no_grad()
    def run() -> Tensor:
        return net.look(net.encode(image) if scene is None else scene, picture, heads).heatmap

    @torch.no_grad()
    def one() -> Tensor:
        return net.look(net.encode(image), picture[:1], heads[:1]).heatmap

    what = "a picture, encoded once, and" if scene is None else "an encoded picture's"
    return Case(
        f"{what} {people} people, {image.shape[-1]} px",
        run,
        items=people,
        unit="person",
        reference="the picture encoded again for each",
        run_reference=one,
        reference_items=1,
    )


def _read_out(net: ViTGazeNet, sizes: Sizes, device: str, training: bool) -> Case:
    """Outputs of the tapped layers, and the interaction of one person."""
    encoder = net.encoder
    side, heads = sizes.side_px // encoder.vit.patch_px, encoder.vit.blocks[0].attn.heads
    size_px = (sizes.side_px, sizes.side_px)
    draw = torch.Generator().manual_seed(0)
    shape = (1, heads, 1 + side**2, encoder.width // heads)
    layers = [
        [torch.randn(shape, generator=draw).to(device).requires_grad_(training) for _ in range(3)]
        for _ in encoder.taps
    ]
    score = torch.randn(1, side, side, generator=draw).to(device).requires_grad_(training)
    head = _heads(1, device)
    outside = ~touched_patches(head, size_px, encoder.vit.patch_px)
    picture = torch.zeros(1, dtype=torch.long, device=device)
    leaves = [*(x for layer in layers for x in layer), score]

    def guidance() -> Tensor:
        return score.masked_fill(outside, -torch.inf).flatten(1).softmax(-1)

    def ours() -> list[Tensor]:
        outputs = [scaled_dot_product_attention(*layer) for layer in layers]
        queries, keys, _ = zip(*layers, strict=True)
        return [*outputs, interaction(queries, keys, guidance(), picture)]

    def whole() -> list[Tensor]:
        outputs, maps = [], []
        for query, key, value in layers:
            maps.append((query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5).softmax(-1))
            outputs.append(maps[-1] @ value)
        return [*outputs, (torch.cat(maps, 1)[:, :, 1:, 1:] * guidance()[:, None, :, None]).sum(2)]

    return Case(
        f"{len(layers)} layers of {shape[2]} tokens and a head, {'forward and backward' if training else 'forward'}",
        _training(ours, leaves) if training else ours,
        reference="whole maps of all layers",
        run_reference=_training(whole, leaves) if training else whole,
    )


def _training(run: Callable[[], list[Tensor]], leaves: list[Tensor]) -> Callable[[], list[Tensor]]:
    def call() -> list[Tensor]:
        return list(torch.autograd.grad(sum(x.square().sum() for x in run()), leaves))

    return call


def _heads(people: int, device: str | torch.device) -> Tensor:
    """[P, 4] in different places."""
    corner = (1 - HEAD) * torch.rand(people, 2, generator=torch.Generator().manual_seed(0))
    return torch.cat([corner, corner + HEAD], 1).to(device)
