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
    from gazekit.backbones.load import build_net, fetch_weights, load_backbone

__all__ = ["INFO", "NAMES", "Backbone", "Card", "Layer", "Net", "build_net", "fetch_weights", "load_backbone"]

NAMES = tuple(INFO)
_LATER = {"backbone": ("Backbone", "Layer", "Net"), "load": ("build_net", "fetch_weights", "load_backbone")}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for module, names in _LATER.items():
        if name in names:
            return getattr(import_module(f"gazekit.backbones.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
