"""Frozen nets with named feature maps, for whoever builds on pictures.

    backbone = load_backbone("vit_tiny", layers=["block5", "class"], weights="data/backbones/vit_tiny")
    maps = backbone(backbone.preprocess(images))     # uint8 [B, H, W, 3] -> {"block5": [B, 192, 14, 14], ...}

`INFO` holds what is known of each without loading anything. Importing this package imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gazekit.backbones.cards import CARDS as INFO
from gazekit.backbones.cards import Card

if TYPE_CHECKING:
    from gazekit.backbones.backbone import Backbone, Layer, Net
    from gazekit.backbones.load import build_net, load_backbone

__all__ = ["INFO", "NAMES", "Backbone", "Card", "Layer", "Net", "build_net", "load_backbone"]

NAMES = tuple(INFO)
_LATER = {
    "Backbone": "backbone",
    "Layer": "backbone",
    "Net": "backbone",
    "build_net": "load",
    "load_backbone": "load",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"gazekit.backbones.{_LATER[name]}"), name)
