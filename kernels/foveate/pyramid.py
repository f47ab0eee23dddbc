"""The Gaussian pyramid of an image, with every level upsampled to the image's size.

Source: Burt and Adelson 1983 (IEEE Trans. Commun. 31, 532), binomial kernel (1, 4, 6, 4, 1) / 16, reflection
without the border pixel: every level is equal to that of OpenCV's pyrDown and pyrUp.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.kernels.dispatch import check_tensors

__all__ = ["double", "gaussian_levels", "halve"]


def gaussian_levels(image: Tensor, levels: int = 5) -> Tensor:
    """Blur an image by octaves: level 0 is the image, level l keeps structure coarser than 2^l pixels.

    Level l is smoothed and halved l times, then doubled and smoothed l times. The doublings of all levels are
    batched, so that a level costs about one pass over the image. It is linear and differentiable (autograd); in single
    precision on a CPU, where no gradient is asked for, OpenCV makes the same levels faster.

    Args:
        image: [B, C, H, W] floating, any size from 1 x 1.
        levels: levels above the image, 0 or more.
    Returns:
        [B, levels + 1, C, H, W]; a constant image stays constant at every level.
    Raises:
        TypeError, ValueError: image is not floating or not [B, C, H, W], levels is negative.
    """
    check_image(image)
    if levels < 0:
        raise ValueError(f"levels must be 0 or more, got {levels}")
    tracked = torch.is_grad_enabled() and image.requires_grad
    if image.device.type == "cpu" and image.dtype == torch.float32 and image.numel() and not tracked:
        return _opencv_levels(image, levels)
    pyramid = [image[:, None]]
    for _ in range(levels):
        pyramid.append(halve(pyramid[-1]))
    stack = pyramid.pop()
    while pyramid:
        finer = pyramid.pop()
        rows, columns = finer.shape[-2:]
        stack = torch.cat((finer, double(stack, rows, columns)), dim=1)
    return stack


def _opencv_levels(image: Tensor, levels: int) -> Tensor:
    """The same by OpenCV, plane by plane, several times faster on a CPU; without gradients."""
    import cv2

    stack = image.new_empty(len(image), levels + 1, *image.shape[1:])
    stack[:, 0] = image
    size = image.shape[:-3:-1]
    for b, c in ((b, c) for b in range(image.shape[0]) for c in range(image.shape[1])):
        pyramid = [stack[b, 0, c].numpy()]
        for level in range(1, levels + 1):
            pyramid.append(cv2.pyrDown(pyramid[-1]))
            full = pyramid[-1]
            for finer in reversed(pyramid[1:level]):
                full = cv2.pyrUp(full, dstsize=finer.shape[::-1])
            cv2.pyrUp(full, stack[b, level, c].numpy(), dstsize=size)
    return stack


def halve(image: Tensor) -> Tensor:
    """Smooth and keep every second pixel, from the first: [..., C, H, W] to [..., C, (H + 1) // 2, (W + 1) // 2]."""
    return _halved(_halved(image, -2), -1)


def double(image: Tensor, height: int, width: int) -> Tensor:
    """Up to a picture of which `image` [..., C, (height + 1) // 2, (width + 1) // 2] is the half, smoothed."""
    return _doubled(_doubled(image, -1, width), -2, height)


def _halved(x: Tensor, dim: int) -> Tensor:
    """Smooth and take every second sample: n -> (n + 1) // 2."""
    padded, n = _reflected(x, dim, 2), x.shape[dim]
    last, middle, first = (_every_second(padded, dim, k, n) for k in (4, 2, 0))
    near = _every_second(padded, dim, 1, n) + _every_second(padded, dim, 3, n)
    return torch.add(first + last, near, alpha=4).add(middle, alpha=6) * (1 / 16)


def _every_second(padded: Tensor, dim: int, start: int, n: int) -> Tensor:
    at = [slice(None)] * padded.ndim
    at[dim] = slice(start, start + n, 2)
    return padded[tuple(at)]


def _doubled(x: Tensor, dim: int, n: int) -> Tensor:
    """Put a zero after every sample, smooth, double: (n + 1) // 2 -> n."""
    short = x.shape[dim]
    # A doubled line of even length ends in a zero: reflected about it, the last sample follows itself. OpenCV
    # does the same for odd lengths.
    padded = torch.cat((x.narrow(dim, min(1, short - 1), 1), x, x.narrow(dim, short - 1, 1)), dim)
    here, right = padded.narrow(dim, 1, short), padded.narrow(dim, 2, short)
    even = torch.add(padded.narrow(dim, 0, short) + right, here, alpha=6) * (1 / 8)
    odd = (here + right) * 0.5
    return torch.stack((even, odd), dim).flatten(dim - 1, dim).narrow(dim, 0, n)


def _reflected(x: Tensor, dim: int, width: int) -> Tensor:
    """Both ends of a dimension extended by `width` samples, mirrored about the first and the last sample."""
    n = x.shape[dim]
    if n > width and x.numel():
        lead = x.shape[:-2]
        pad = (0, 0, width, width) if dim == -2 else (width, width, 0, 0)
        return F.pad(x.flatten(0, -3), pad, mode="reflect").unflatten(0, lead)
    period = max(2 * (n - 1), 1)  # F.pad cannot reflect such short lines, nor empty batches
    at = torch.arange(-width, n + width, device=x.device).remainder(period)
    return x.index_select(dim, torch.minimum(at, period - at).clamp_max(n - 1))


def check_image(image: Tensor) -> None:
    """A floating [B, C, H, W] tensor of at least one pixel; B and C may be 0."""
    check_tensors(image=image)
    if not image.is_floating_point():
        raise TypeError(f"image must be floating, got {image.dtype}")
    if image.ndim != 4 or not image.shape[-1] or not image.shape[-2]:
        raise ValueError(f"image must be [B, C, H, W] with pixels, got shape {list(image.shape)}")
