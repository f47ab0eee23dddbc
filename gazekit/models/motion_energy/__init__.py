"""Trainable motion energy with recurrent attention, judged by true flow and by what people perceive."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gazekit.models.motion_energy.flow_scores import FlowScores
    from gazekit.models.motion_energy.true_flow import TrueFlow

__all__ = ["FlowScores", "TrueFlow"]

_MODULE_OF = {"FlowScores": "flow_scores", "TrueFlow": "true_flow"}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
