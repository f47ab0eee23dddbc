"""Weights that the authors of the transformer encoder released, read by key and shape.

Layout of `Hosseinadeli/transformer_brain_encoder`: one query for each region and one for voxels without region, the
left hemisphere's before the right one's; one read-out for each hemisphere. Its decoder's self-attention, its 1 x 1
convolution to 64 channels and the frozen backbone are not read: nothing of the first two is ever computed there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gazekit.errors import DataError
from gazekit.models.brain_encoding.regions import REST, SIDES
from gazekit.models.brain_encoding.transformer import TransformerEncoder

__all__ = ["NSD_REGIONS", "load_released"]

NSD_REGIONS = (
    "V1v V1d V2v V2d V3v V3d hV4 EBA FBA-1 FBA-2 mTL-bodies OFA FFA-1 FFA-2 mTL-faces aTL-faces OPA PPA RSC "
    "OWFA VWFA-1 VWFA-2 mfs-words mTL-words"
).split()
"""Regions of the released "rois_all" queries, in their order."""
_LAYER = "transformer.decoder.layers.0."
_UNUSED = (
    f"{_LAYER}self_attn.",
    f"{_LAYER}norm2.",
    "transformer.memory_proj.",
    "backbone_model.",
)
_LINEARS = {
    "out": f"{_LAYER}multihead_attn.out_proj",
    "hidden": f"{_LAYER}linear1",
    "back": f"{_LAYER}linear2",
    "norm_in": f"{_LAYER}norm3",
    "norm_out": "transformer.decoder.norm",
}


def load_released(
    encoder: TransformerEncoder,
    weights: str | Path | Mapping[str, Tensor],
    hemisphere_of: Sequence[int],
    regions: Sequence[str] = NSD_REGIONS,
) -> None:
    """Give an encoder the released weights of one subject.

    Its queries are found by their names; those that the encoder lacks, because no voxel is in them, are left out. The
    released attention adds a layer norm's bias to each query (its target is 0); both are added up here.

    Args:
        encoder: of the published sizes, with one subject.
        weights: a file (loaded without executing code) or the tensors by their released names, also under "model".
        hemisphere_of: [V] 0 for voxels of the left hemisphere, 1 for the right one.
        regions: names of the released queries of one hemisphere, without that of no region, in their order.
    Raises:
        DataError: tensors that are missing, too many, or of another shape; all of them are named.
    """
    source = "the released weights" if isinstance(weights, Mapping) else str(weights)
    state = _read(weights)
    found = {
        f"{ours}.{x}": state.pop(f"{theirs}.{x}", None)
        for ours, theirs in _LINEARS.items()
        for x in ("weight", "bias")
    }
    for x in ("weight", "bias"):
        joint = state.pop(f"{_LAYER}multihead_attn.in_proj_{x}", None)
        for name, part in zip(("in_query", "in_key", "in_value"), _thirds(joint), strict=True):
            found[f"{name}.{x}"] = part
    if "input_proj.weight" in state and not isinstance(encoder.project, torch.nn.Identity):
        found["project.weight"] = state.pop("input_proj.weight").flatten(1)
        found["project.bias"] = state.pop("input_proj.bias")
    found["query"] = _queries(encoder, state, regions, source)
    found |= _readout(state, torch.as_tensor(hemisphere_of), source)
    left = [name for name in state if not name.startswith(_UNUSED)]
    wrong = [f"{name} is missing" for name, x in found.items() if x is None] + [
        f"{name} has no place" for name in left
    ]
    own = dict(encoder.named_parameters())
    wrong += [
        f"{name} has shape {list(x.shape)}, expected {list(own[name].shape)}"
        for name, x in found.items()
        if x is not None and x.shape != own[name].shape
    ]
    wrong += [f"{name} is missing" for name in own if name not in found]
    if wrong:
        raise DataError(f"{source} does not fit this encoder: {'; '.join(wrong)}")
    with torch.no_grad():
        for name, x in found.items():
            own[name].copy_(x)


def _read(weights: str | Path | Mapping[str, Tensor]) -> dict[str, Tensor]:
    content: Any = weights
    if not isinstance(weights, Mapping):
        content = torch.load(weights, map_location="cpu", weights_only=True)
    content = content.get("model", content) if isinstance(content, Mapping) else content
    if not isinstance(content, Mapping) or not all(isinstance(x, Tensor) for x in content.values()):
        raise DataError(f"{weights} holds no plain dictionary of tensors")
    return dict(content)


def _thirds(joint: Tensor | None) -> Sequence[Tensor | None]:
    return (None, None, None) if joint is None or len(joint) % 3 else joint.chunk(3)


def _queries(
    encoder: TransformerEncoder, state: dict[str, Tensor], regions: Sequence[str], source: str
) -> Tensor | None:
    """[R, d] of the encoder's queries; None if the file has none."""
    queries, shift = state.pop("query_embed.weight", None), state.pop(f"{_LAYER}norm1.bias", None)
    state.pop(f"{_LAYER}norm1.weight", None)  # of a target that is 0
    if queries is None or shift is None:
        return None
    if encoder.per_voxel:
        order = [f"voxel {v}" for v in range(encoder.voxels)]
    elif len(queries) == len(SIDES):
        order = [f"all voxels, {side}" for side in SIDES]
    else:
        order = [f"{region}, {side}" for side in SIDES for region in (*regions, REST)]
    unknown = sorted(set(encoder.names) - set(order))
    if len(queries) != len(order) or unknown:
        raise DataError(
            f"{source} has {len(queries)} queries, expected {len(order)} for {len(regions)} regions in two hemispheres"
            + (f"; none of them is for {', '.join(unknown)}" if unknown else "")
        )
    place = {name: k for k, name in enumerate(order)}
    return queries[[place[name] for name in encoder.names]] + shift


def _readout(state: dict[str, Tensor], side: Tensor, source: str) -> dict[str, Tensor | None]:
    """Weight and bias of all voxels, in their own order."""
    found: dict[str, Tensor | None] = {}
    for name in ("weight", "bias"):
        left, right = (state.pop(f"{hand}_embed.0.{name}", None) for hand in ("lh", "rh"))
        found[name] = None
        if left is None or right is None:
            continue
        expected = [int((side == k).sum()) for k in (0, 1)]
        if [len(left), len(right)] != expected:
            raise DataError(
                f"{source} has {len(left)} voxels in the left and {len(right)} in the right hemisphere, "
                f"expected {expected[0]} and {expected[1]}"
            )
        whole = left.new_empty(len(side), *left.shape[1:])
        whole[side == 0], whole[side == 1] = left, right
        found[name] = whole
    return found
