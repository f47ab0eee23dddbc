"""What a NeVA wants to do with what it sees: name the picture, reconstruct it, or find a caption in it.

A `Task` says what the net makes of pictures (`net`), what it should make of them (`target`), and how far one is from
the other (`distance`).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Caption", "Classification", "Reconstruction", "Task"]


class Task:
    """A task is a net and a distance.

    Args:
        net: prepared pictures [B, 3, S, S] to what it says of them, [B, ...]; gradients must reach the pictures.
    """

    def __init__(self, net: Callable[[Tensor], Tensor]) -> None:
        self.net = net

    def target(self, images: Tensor) -> Tensor:
        """[P, ...] what the net should say of prepared pictures [P, 3, S, S]; by default what it says of them sharp."""
        return self.net(images)

    def target_at(self, target: Tensor, passed: float) -> Tensor:
        """The target of a fixation before which this share, t / T, of the scanpath has passed."""
        return target

    def distance(self, said: Tensor, target: Tensor) -> Tensor:
        """[B] loss of what the net says [B, ...]."""
        raise NotImplementedError(f"{type(self).__name__} must define distance(said, target)")


class Classification(Task):
    """Cross-entropy, in nats, of logits to the net's own label of the sharp picture. Source: NeVA's first example."""

    def target(self, images: Tensor) -> Tensor:
        return self.net(images).argmax(1)

    def distance(self, said: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(said, target, reduction="none")


class Reconstruction(Task):
    """Mean squared error to the sharp picture.

    Args:
        net: features in which the error is measured; None compares the pixels themselves, in the units of the
            prepared pictures.
    """

    def __init__(self, net: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__(net or torch.nn.Identity())

    def distance(self, said: Tensor, target: Tensor) -> Tensor:
        return (said - target).flatten(1).square().mean(1)


class Caption(Task):
    """1 - cos of the embedding of the picture and of a caption (NevaClip), from 0 to 2.

    With a second target the caption fades in: y_t = l y + (1 - l) y_2, l = (t / T)^2, t = 0 .. T - 1, of vectors of
    unit length. The source mixes the embeddings as they are.

    Args:
        net: a picture encoder, [B, D].
        caption: [D] or, one per picture, [P, D].
        second: as `caption`, or "picture" for the embedding of the sharp picture; None for no second target.
    Raises:
        ValueError: an embedding that is no vector, or has no direction.
    """

    def __init__(
        self,
        net: Callable[[Tensor], Tensor],
        caption: Tensor,
        second: Tensor | str | None = None,
    ) -> None:
        super().__init__(net)
        if isinstance(second, str) and second != "picture":
            raise ValueError(f'second must be embeddings or "picture", got {second!r}')
        self.caption = _unit("caption", caption)
        self.second = _unit("second", second) if isinstance(second, Tensor) else second

    def target(self, images: Tensor) -> Tensor:
        """[P, 2, D] caption and second target; twice the caption where there is no second."""
        shape = len(images), self.caption.shape[-1]
        if self.caption.dim() == 2 and len(self.caption) != len(images):
            raise ValueError(f"{len(self.caption)} captions for {len(images)} pictures")
        other = F.normalize(self.net(images), dim=-1) if isinstance(self.second, str) else self.second
        caption = self.caption.to(images.device)
        other = caption if other is None else other.to(images.device)
        return torch.stack([caption.expand(shape), other.expand(shape)], 1)

    def target_at(self, target: Tensor, passed: float) -> Tensor:
        share = passed**2
        return share * target[:, 0] + (1 - share) * target[:, 1]

    def distance(self, said: Tensor, target: Tensor) -> Tensor:
        return 1 - F.cosine_similarity(said, target, dim=-1)


def _unit(name: str, vectors: Tensor) -> Tensor:
    if vectors.dim() not in (1, 2) or not vectors.is_floating_point():
        raise ValueError(
            f"{name} must be a floating [D] or [P, D], got {vectors.dtype} {list(vectors.shape)}"
        )
    if not bool((vectors.norm(dim=-1) > 0).all()):
        raise ValueError(f"{name} has an embedding of length 0, which has no direction")
    return F.normalize(vectors.float(), dim=-1)
