"""Pointing at one of N objects or at STOP: a softmax over a set whose size depends on the scene.

score[b, r, n] = sum_h mix_h (q[b, r, h] . k[b, n, h]) / sqrt(D) + bias[b, r, n], n < N an object and n = N STOP.
Absent objects, and STOP before the first fixation, score -inf; log p = score - log sum_n exp(score). Mixing
the heads is linear, so per-head scores are never computed: (mix_h q_h), flattened over heads and depth, times
the flattened keys is one matrix product. The loss of known scanpaths does not store probabilities
either: its gradient softmax - onehot is recomputed from the inputs. Everything is computed in the dtype of
query, also under autocast. Source: the pointer of OAT (Fang et al., ECCV 2024, arXiv 2407.13335), after
Vinyals et al. 2015 (arXiv 1506.03134).
"""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.kernels.dispatch import Impl, check_tensors, use_triton
from gazekit.kernels.pointer import blocks, reference

__all__ = ["pointer_log_prob", "pointer_nll"]

MAX_FLAT = 512  # heads times depth in the Triton kernels, which keep whole queries and keys


def pointer_log_prob(
    query: Tensor,
    key: Tensor,
    mix: Tensor,
    object_mask: Tensor,
    at_start: Tensor | bool,
    bias: Tensor | None = None,
    *,
    impl: Impl = "auto",
) -> Tensor:
    """Natural log-probabilities of all objects and STOP.

    Args:
        query: [B, R, H, D], floating; R steps of a scanpath, or R scanpaths at one step.
        key: [B, N + 1, H, D], STOP last.
        mix: [H] weight of each head; mix and bias are converted to the dtype of query.
        object_mask: [B, N] bool, True = present.
        at_start: [R] or [B, R] bool, or one bool: before the first fixation, where STOP is impossible.
        bias: [B, R, N + 1] added to the scores, or None. -inf excludes, like an absent object: no gradient.
        impl: "reference" mixes scores head by head; "auto" computes one matrix product. There is no Triton
        kernel: if all probabilities are needed, torch's product and log-softmax leave nothing to fuse.
    Returns:
        [B, R, N + 1]; excluded entries are -inf, a row without allowed entries (no object at the start) is
        NaN, with gradient 0. B, R and N may be 0.
    Raises:
        TypeError: masks are not bool; query and key are not of one floating dtype; mix or bias is not floating.
        ValueError: inconsistent shapes, or `impl` is "triton".
    """
    start = _check(query, key, mix, object_mask, at_start, bias)
    use_triton(impl, query, unfit="log-probabilities have no Triton form, pointer_nll has")
    mix, bias = _like(query, mix, bias)
    with torch.autocast(query.device.type, enabled=False):
        if impl == "reference":
            return reference.log_prob(reference.scores(query, key, mix, bias), object_mask, start)
        flat_query, flat_key = blocks.flat(query, key, mix)
        scores = flat_query @ flat_key.transpose(1, 2)
        return reference.log_prob(scores if bias is None else scores + bias, object_mask, start)


def pointer_nll(
    query: Tensor,
    key: Tensor,
    mix: Tensor,
    object_mask: Tensor,
    at_start: Tensor | bool,
    target: Tensor,
    bias: Tensor | None = None,
    *,
    impl: Impl = "auto",
) -> Tensor:
    """-log p of the outcome of each step; at most 4 MiB of scores are stored.

    Args:
        query, key, mix, object_mask, at_start, bias: see `pointer_log_prob`.
        target: [B, R] integers: the next object, N for STOP, -1 for no step (padding).
        impl: "reference" is the definition and has second derivatives; "auto" has first derivatives and
            computes the scanpaths in blocks, on a GPU by Triton kernels (H D up to 512).
    Returns:
        [B, R] in nats; 0 without gradient for padding; inf for an excluded target (gradient: the softmax,
        which lowers the allowed scores); NaN with gradient 0 in a row without allowed entries. Their sum over
        the steps is the scanpath's, their mean over real steps the training loss.
    Raises:
        TypeError: as `pointer_log_prob`; target is not an integer tensor.
        ValueError: inconsistent shapes; a target outside -1 .. N (checked on the CPU only: on a GPU the check
            would wait for the device); "triton" where it cannot run.
    """
    start = _check(query, key, mix, object_mask, at_start, bias)
    _check_target(target, query, key)
    target = target.long()
    mix, bias = _like(query, mix, bias)
    tensors = (query, key) if bias is None else (query, key, bias)
    width = query.shape[2] * query.shape[3]
    unfit = f"heads times depth is at most {MAX_FLAT}, got {width}" if width > MAX_FLAT else ""
    if use_triton(impl, *tensors, unfit=unfit):
        from gazekit.kernels.pointer.triton import nll
    else:
        nll = blocks.nll
    with torch.autocast(query.device.type, enabled=False):
        if impl == "reference":
            scores = reference.scores(query, key, mix, bias)
            return reference.nll(reference.log_prob(scores, object_mask, start), target)
        return nll(*blocks.flat(query, key, mix), bias, object_mask, start, target)


def _like(query: Tensor, mix: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """mix and bias in the dtype of query: under autocast parameters are wider than the layers' outputs."""
    return mix.to(query.dtype), None if bias is None else bias.to(query.dtype)


def _check(query, key, mix, object_mask, at_start, bias) -> Tensor:
    """`at_start` as [B, R]."""
    check_tensors(query=query, key=key, mix=mix, object_mask=object_mask, bias=bias)
    if query.dim() != 4:
        raise ValueError(f"query must be [B, R, H, D], got {list(query.shape)}")
    b, r, h, d = query.shape
    if key.dim() != 4 or (key.shape[0], *key.shape[2:]) != (b, h, d) or key.shape[1] == 0:
        raise ValueError(
            f"key must be [{b}, N + 1, {h}, {d}] like query, the last of them STOP, got {list(key.shape)}"
        )
    if mix.shape != (h,):
        raise ValueError(f"mix must be [{h}], one weight per head of query, got {list(mix.shape)}")
    n = key.shape[1] - 1
    if object_mask.shape != (b, n):
        raise ValueError(
            f"object_mask must be [{b}, {n}], one per key except the last, which is STOP, "
            f"got {list(object_mask.shape)}"
        )
    if bias is not None and bias.shape != (b, r, n + 1):
        raise ValueError(f"bias must be [{b}, {r}, {n + 1}], got {list(bias.shape)}")
    start = torch.as_tensor(at_start, device=query.device)
    if start.shape not in ((), (r,), (b, r)):
        raise ValueError(f"at_start must be [{r}], [{b}, {r}] or one bool, got {list(start.shape)}")
    for name, mask in (("object_mask", object_mask), ("at_start", start)):
        if mask.dtype != torch.bool:
            raise TypeError(f"{name} must be bool, got {mask.dtype}")
    if query.dtype != key.dtype or not query.is_floating_point():
        raise TypeError(f"query and key must have one floating dtype, got {query.dtype} and {key.dtype}")
    for name, x in (("mix", mix), ("bias", bias)):
        if x is not None and not x.is_floating_point():
            raise TypeError(f"{name} must be floating, got {x.dtype}")
    return start.expand(b, r)


def _check_target(target: Tensor, query: Tensor, key: Tensor) -> None:
    check_tensors(target=target)
    if target.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"target must be integers, got {target.dtype}")
    if target.shape != query.shape[:2]:
        raise ValueError(f"target must be {list(query.shape[:2])} like query, got {list(target.shape)}")
    n = key.shape[1] - 1
    if target.numel() and target.device.type == "cpu" and (target.min() < -1 or target.max() > n):
        found = f"{int(target.min())} .. {int(target.max())}"
        raise ValueError(f"target must lie in -1 .. {n}, got {found}")
