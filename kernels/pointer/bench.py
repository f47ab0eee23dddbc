"""Pointing compared with per-head scores and a log-softmax over all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gazekit.harness import Case
from gazekit.kernels.pointer import pointer_log_prob, pointer_nll

__all__ = ["Sizes", "cases"]


@dataclass(frozen=True)
class Sizes:
    """A batch of scanpaths and a pointer of the size of OAT's."""

    objects: tuple[int, ...] = (16, 64, 256, 1024, 4096)
    trials: int = 32
    steps: int = 16
    heads: int = 2
    depth: int = 96


def cases(device: str = "cpu", sizes: Sizes | None = None) -> list[Case]:
    """Log-probabilities for generating; the loss forward and backward for training."""
    sizes = sizes or Sizes()
    made = []
    for n in sizes.objects:
        about = f"{sizes.trials} x {sizes.steps} steps among {n} objects"
        leaves, more, target = _inputs(device, sizes, n)
        for name, ours, theirs in (
            ("log-probabilities", _probabilities(_ours, leaves, more), _probabilities(_plain, leaves, more)),
            (
                "loss forward and backward",
                _training(_our_loss, leaves, more, target),
                _training(_plain_loss, leaves, more, target),
            ),
        ):
            made.append(
                Case(
                    f"pointer, {name}, {about}",
                    ours,
                    items=sizes.trials * sizes.steps,
                    unit="step",
                    reference="scores of every head, mixed, masked, log-softmax",
                    run_reference=theirs,
                    reference_items=sizes.trials * sizes.steps,
                )
            )
    return made


def _inputs(device: str, sizes: Sizes, n: int) -> tuple[list[Tensor], tuple[Tensor, Tensor], Tensor]:
    """query, key, mix and bias; object_mask and at_start; target."""
    g = torch.Generator().manual_seed(0)
    b, r, h, d = sizes.trials, sizes.steps, sizes.heads, sizes.depth
    shapes = ((b, r, h, d), (b, n + 1, h, d), (h,), (b, r, n + 1))
    leaves = [torch.randn(shape, generator=g).to(device).requires_grad_() for shape in shapes]
    mask = torch.rand(b, n, generator=g) < 0.8
    mask[:, 0] = True
    start = torch.arange(r) == 0
    return leaves, (mask.to(device), start.to(device)), torch.zeros(b, r, dtype=torch.long, device=device)


def _ours(leaves: list[Tensor], more: tuple[Tensor, Tensor]) -> Tensor:
    return pointer_log_prob(*leaves[:3], *more, leaves[3])


def _plain(leaves: list[Tensor], more: tuple[Tensor, Tensor]) -> Tensor:
    (query, key, mix, bias), (mask, start) = leaves, more
    heads = torch.einsum("brhd,bnhd->brnh", query, key) / query.shape[-1] ** 0.5
    stop = (~start)[None, :, None].expand(len(query), -1, 1)
    allowed = torch.cat([mask[:, None].expand(-1, len(start), -1), stop], -1)
    return (heads @ mix + bias).masked_fill(~allowed, -torch.inf).log_softmax(-1)


def _our_loss(leaves: list[Tensor], more: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
    return pointer_nll(*leaves[:3], *more, target, leaves[3])


def _plain_loss(leaves: list[Tensor], more: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
    return -_plain(leaves, more).gather(-1, target[..., None])[..., 0]


def _probabilities(run: Callable[..., Tensor], leaves: list[Tensor], more: tuple) -> Callable[[], None]:
    def call() -> None:
        with torch.no_grad():
            run(leaves, more)

    return call


def _training(
    run: Callable[..., Tensor], leaves: list[Tensor], more: tuple, target: Tensor
) -> Callable[[], None]:
    return lambda: torch.autograd.grad(run(leaves, more, target).mean(), leaves)
