"""Attention biases computed from coordinates, one block of rows at a time.

Each is a frozen record of tensors; `rows(start, stop)` computes the bias of some queries by plain torch operations, so
that gradients reach every tensor in it. Distances are in the unit of the coordinates, which must be finite: NaN at a
masked key would not reach the outputs, but it would reach the gradients of coordinates and head parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn.functional import gelu

from gazekit.kernels.dispatch import check_tensors

__all__ = ["Bias", "BoxGridBias", "DisplacementBias", "GaussianBias", "LogDistanceBias"]

FEW_PAIRS = 1024  # measured


def _check(name: str, tensor: Tensor, shape: tuple[int | str, ...], sizes: dict[str, int]) -> None:
    """Each letter of `shape` stands for the same size wherever it occurs; the first occurrence sets it."""
    check_tensors(**{name: tensor})
    fits = tensor.dim() == len(shape) and tensor.is_floating_point()
    for size, wanted in zip(tensor.shape, shape, strict=False):
        fits = fits and size == (sizes.setdefault(wanted, size) if isinstance(wanted, str) else wanted)
    if not fits:
        names = ", ".join(f"{w}={sizes[w]}" if w in sizes else str(w) for w in shape)
        raise ValueError(f"{name} must be floating [{names}], got {tensor.dtype} {list(tensor.shape)}")


class _Bias:
    """Shared by all biases: the tensors by name, and pairwise quantities."""

    hidden = 0  # numbers stored per pair in addition to the bias

    def tensors(self) -> dict[str, Tensor]:
        """All tensors, by the names of their fields."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: x for name, x in found.items() if isinstance(x, Tensor)}


@dataclass(frozen=True, eq=False)
class GaussianBias(_Bias):
    """bias[b, h, m, n] = -|query_xy - key_xy|^2 / (2 sigma_h^2): attention falls off as a Gaussian of
    distance.

    Args:
        query_xy: [B, M, 2] positions of the queries, any unit.
        key_xy: [B, N, 2] positions of the keys, same unit.
        sigma: [H] standard deviation of each head, same unit, not 0.
    """

    query_xy: Tensor
    key_xy: Tensor
    sigma: Tensor

    def __post_init__(self) -> None:
        _check_places(self, "sigma")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (*self.query_xy.shape[:1], *self.sigma.shape, self.query_xy.shape[1], self.key_xy.shape[1])

    def coefficient(self) -> Tensor:
        """[H] factor of d^2."""
        return -0.5 * self.sigma.pow(-2)

    def rows(self, start: int, stop: int) -> Tensor:
        """[B, H, m, N] bias of queries start to stop."""
        return _for_heads(
            self.coefficient(), _squared(self.query_xy.narrow(1, start, stop - start), self.key_xy)
        )


@dataclass(frozen=True, eq=False)
class LogDistanceBias(_Bias):
    """bias[b, h, m, n] = -slope_h log(1 + d), d = |query_xy - key_xy|: attention falls off as a power of distance.

    At d = 0 the gradient with respect to the coordinates is taken to be 0 (d has none).

    Args:
        query_xy: [B, M, 2] positions of the queries; the unit determines where the fall-off begins.
        key_xy: [B, N, 2] positions of the keys, same unit.
        slope: [H] exponent of each head.
    """

    query_xy: Tensor
    key_xy: Tensor
    slope: Tensor

    def __post_init__(self) -> None:
        _check_places(self, "slope")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (*self.query_xy.shape[:1], *self.slope.shape, self.query_xy.shape[1], self.key_xy.shape[1])

    def coefficient(self) -> Tensor:
        """[H] factor of log(1 + d)."""
        return -self.slope

    def rows(self, start: int, stop: int) -> Tensor:
        """[B, H, m, N] bias of queries start to stop."""
        squared = _squared(self.query_xy.narrow(1, start, stop - start), self.key_xy)
        return _for_heads(self.coefficient(), _distance(squared).log1p())


@dataclass(frozen=True, eq=False)
class DisplacementBias(_Bias):
    """bias[b, :, m, n] = W2' gelu(W1' f + b1) + b2 with f = (dx, dy, d, log(1 + d), q_m, k_n): a learned function.

    dx, dy are key minus query and d their length. Other properties of either end (such as the token's kind)
    enter as features of the query and the key. A pair with an end without a position has dx = dy = d = 0; use
    a feature to distinguish it from a pair at one position. At d = 0 the gradient of d is taken to be 0.
    Coordinates of an end without a position are ignored and may be NaN.

    Args:
        query_xy: [B, M, 2] positions of the queries, in a unit in which neighbours are about 1 apart.
        key_xy: [B, N, 2] positions of the keys, same unit.
        weight1: [4 + C + E, hidden], rows in the order of f.
        bias1: [hidden].
        weight2: [hidden, H].
        bias2: [H].
        query_features: [B, M, C] q, or None for C = 0.
        key_features: [B, N, E] k, or None for E = 0.
        query_placed: [B, M] bool, True = has a position; None = all have.
        key_placed: [B, N] bool.
    """

    query_xy: Tensor
    key_xy: Tensor
    weight1: Tensor
    bias1: Tensor
    weight2: Tensor
    bias2: Tensor
    query_features: Tensor | None = None
    key_features: Tensor | None = None
    query_placed: Tensor | None = None
    key_placed: Tensor | None = None

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        _check("query_xy", self.query_xy, ("B", "M", 2), sizes)
        _check("key_xy", self.key_xy, ("B", "N", 2), sizes)
        inputs = 4
        for name, letter, wide in (("query", "M", "C"), ("key", "N", "E")):
            features, placed = getattr(self, f"{name}_features"), getattr(self, f"{name}_placed")
            if features is not None:
                _check(f"{name}_features", features, ("B", letter, wide), sizes)
                inputs += features.shape[2]
            if placed is not None and (
                placed.dtype != torch.bool or placed.shape != (sizes["B"], sizes[letter])
            ):
                wanted = [sizes["B"], sizes[letter]]
                got = f"{placed.dtype} {list(placed.shape)}"
                raise ValueError(f"{name}_placed must be bool {wanted}, got {got}")
        _check("weight1", self.weight1, (inputs, "hidden"), sizes)
        _check("bias1", self.bias1, ("hidden",), sizes)
        _check("weight2", self.weight2, ("hidden", "H"), sizes)
        _check("bias2", self.bias2, ("H",), sizes)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (*self.query_xy.shape[:1], *self.bias2.shape, self.query_xy.shape[1], self.key_xy.shape[1])

    @property
    def hidden(self) -> int:
        return self.weight1.shape[1]

    def rows(self, start: int, stop: int) -> Tensor:
        """[B, H, m, N] bias of queries start to stop."""
        query_xy, key_xy, placed = self.query_xy.narrow(1, start, stop - start), self.key_xy, []
        # missing positions may be NaN, which would reach gradients: they are replaced before computing distances
        if self.query_placed is not None:
            placed.append(self.query_placed[:, start:stop, None])
            query_xy = torch.where(placed[-1], query_xy, 0.0)
        if self.key_placed is not None:
            placed.append(self.key_placed[:, None])
            key_xy = torch.where(self.key_placed[..., None], key_xy, 0.0)
        if (
            self.query_features is None
            and self.key_features is None
            and not placed
            and _few(query_xy, key_xy)
        ):
            offset = key_xy.unsqueeze(1) - query_xy.unsqueeze(2)
            distance = _distance((offset * offset).sum(-1, keepdim=True))
            hidden = gelu(torch.cat([offset, distance, distance.log1p()], -1) @ self.weight1 + self.bias1)
            return (hidden @ self.weight2 + self.bias2).permute(0, 3, 1, 2)
        dx, dy, squared = _offsets(query_xy, key_xy)
        for there in placed:
            dx, dy, squared = (torch.where(there, x, 0.0) for x in (dx, dy, squared))
        distance = _distance(squared)
        inputs = [dx, dy, distance, distance.log1p()]
        if self.query_features is not None:
            inputs += [f[..., None].expand_as(dx) for f in self.query_features[:, start:stop].unbind(-1)]
        if self.key_features is not None:
            inputs += [f[:, None].expand_as(dx) for f in self.key_features.unbind(-1)]
        # hidden units come before pairs: every plane is contiguous, and so is the bias that attention reads
        hidden = gelu(_affine(self.weight1, self.bias1, torch.stack(inputs, 1).flatten(2)))
        return _affine(self.weight2, self.bias2, hidden).unflatten(2, dx.shape[1:])


@dataclass(frozen=True, eq=False)
class BoxGridBias(_Bias):
    """bias[b, :, m, (y, x)] = f_x(x - x1, x - x2) + f_y(y - y1, y - y2): position of a cell in the query's box.

    The keys are the cells of a grid, row by row; cell (y, x) has its centre at (x + 1/2, y + 1/2). Each axis
    has a network f = W2' relu(W1' . + b1) + b2 of the offsets from both corners, so that a query needs width
    + height numbers per head instead of width * height. Source: the axial form of the box-to-pixel relative
    position bias of Lin et al. (ICCV 2023, arXiv 2308.01904, figure 2). The activation, the unit and the use
    of plain offsets (no logarithm) are our choices.

    Args:
        query_boxes: [B, M, 4] (x1, y1, x2, y2), in cells.
        height: cells of the grid from top to bottom; N = height * width.
        width: cells from left to right.
        weight1: [2, 2, hidden], axis (x, y), corner (1, 2).
        bias1: [2, hidden].
        weight2: [2, hidden, H].
        bias2: [2, H].
    """

    query_boxes: Tensor
    height: int
    width: int
    weight1: Tensor
    bias1: Tensor
    weight2: Tensor
    bias2: Tensor

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        _check("query_boxes", self.query_boxes, ("B", "M", 4), sizes)
        if self.height < 0 or self.width < 0:
            raise ValueError(f"height and width must be >= 0, got {self.height} and {self.width}")
        _check("weight1", self.weight1, (2, 2, "hidden"), sizes)
        _check("bias1", self.bias1, (2, "hidden"), sizes)
        _check("weight2", self.weight2, (2, "hidden", "H"), sizes)
        _check("bias2", self.bias2, (2, "H"), sizes)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        keys = self.height * self.width
        return (*self.query_boxes.shape[:1], self.bias2.shape[1], self.query_boxes.shape[1], keys)

    def axis(self, axis: int, start: int, stop: int) -> Tensor:
        """[B, H, m, width or height] bias along x (axis 0) or y (axis 1)."""
        cells = torch.arange((self.width, self.height)[axis]).to(self.query_boxes) + 0.5
        corners = self.query_boxes[:, start:stop, axis::2]  # [B, m, 2]
        offsets = cells[:, None] - corners[:, :, None]  # [B, m, cells, 2]
        hidden = (offsets @ self.weight1[axis] + self.bias1[axis]).relu()
        return (hidden @ self.weight2[axis] + self.bias2[axis]).permute(0, 3, 1, 2)

    def rows(self, start: int, stop: int) -> Tensor:
        """[B, H, m, N] bias of queries start to stop."""
        along_x, along_y = self.axis(0, start, stop), self.axis(1, start, stop)
        return (along_y[..., None] + along_x[..., None, :]).flatten(3)


Bias = GaussianBias | LogDistanceBias | DisplacementBias | BoxGridBias


def _check_places(bias: GaussianBias | LogDistanceBias, name: str) -> None:
    sizes: dict[str, int] = {}
    _check("query_xy", bias.query_xy, ("B", "M", 2), sizes)
    _check("key_xy", bias.key_xy, ("B", "N", 2), sizes)
    _check(name, getattr(bias, name), ("H",), sizes)


def _offsets(query_xy: Tensor, key_xy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """dx, dy (key minus query) and dx^2 + dy^2, each [B, m, N]."""
    dx, dy = (key_xy.mT.unsqueeze(2) - query_xy.mT.unsqueeze(3)).unbind(1)
    return dx, dy, torch.addcmul(dx * dx, dy, dy)


def _few(query_xy: Tensor, key_xy: Tensor) -> bool:
    return query_xy.shape[1] * key_xy.shape[1] <= FEW_PAIRS


def _squared(query_xy: Tensor, key_xy: Tensor) -> Tensor:
    """Squared distances [B, m, N]. For few pairs the number of operations dominates, for many the memory traffic."""
    if not _few(query_xy, key_xy):
        return _offsets(query_xy, key_xy)[2]
    offset = key_xy.unsqueeze(1) - query_xy.unsqueeze(2)
    return (offset * offset).sum(-1)


def _distance(squared: Tensor) -> Tensor:
    """Square root with gradient 0 at 0, where it is undefined."""
    positive = squared > 0
    return torch.where(positive, torch.where(positive, squared, 1.0).sqrt(), 0.0)


def _for_heads(coefficient: Tensor, of_pairs: Tensor) -> Tensor:
    """[H] times [B, m, N] to [B, H, m, N]."""
    return coefficient.view(-1, 1, 1) * of_pairs.unsqueeze(1)


def _affine(weight: Tensor, bias: Tensor, x: Tensor) -> Tensor:
    """[F, K] weight on [B, F, P] to [B, K, P], in one pass."""
    return torch.baddbmm(bias[:, None], weight.T.expand(x.shape[0], -1, -1), x)
