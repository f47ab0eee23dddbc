"""What a checkpoint adds to the configuration of a command: its data and metrics become options like any others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.config_store import ConfigStore

from gazekit.base import System
from gazekit.run.checkpoint import read_checkpoint
from gazekit.run.predict import options_of
from gazekit.run.recipe import resolve

__all__ = ["with_checkpoint"]

FROM = "from_checkpoint"


def _inert(node: Any, path: str, top: bool = True) -> Any:
    """The node, if it holds nothing that Hydra would act on: no choice of other options, no interpolation.

    Raises:
        ValueError: it does.
    """
    if isinstance(node, Mapping):
        if top and "defaults" in node:
            raise ValueError(
                f"ckpt={path}: its configuration chooses other options, which a checkpoint must not"
            )
        return {key: _inert(item, path, False) for key, item in node.items()}
    if isinstance(node, list | tuple):
        return [_inert(item, path, False) for item in node]
    if isinstance(node, str) and "${" in node:
        raise ValueError(
            f"ckpt={path}: its configuration has the interpolation {node!r}, expected plain values"
        )
    return node


def with_checkpoint(overrides: Sequence[str], options: bool = False) -> list[str]:
    """Overrides of a command, completed by what the checkpoint in `ckpt=PATH` was trained with.

    Its data and metrics are registered as `data=from_checkpoint` and `metrics=from_checkpoint`, and chosen unless the
    user chooses others; so `data.root=OTHER` changes one setting, and `--cfg job` shows all of them.

    Args:
        options: whether the options of its system are registered, too (`predict`).
    Raises:
        FileNotFoundError, ValueError: no checkpoint there.
    """
    given = dict(o.split("=", 1) for o in overrides if "=" in o and not o.startswith("-"))
    path = given.get("ckpt")
    if path in (None, "null", ""):
        return list(overrides)
    recipe, _, _ = read_checkpoint(path.strip("'\""))
    store, result = ConfigStore.instance(), list(overrides)
    for group in ("data", "metrics"):
        store.store(group=group, name=FROM, node=_inert(recipe[group], path))
        if group not in given:
            result.append(f"{group}={FROM}")
    if options:
        trust = [name.strip() for name in given.get("trust", "").strip("[]").split(",")]
        found: dict[str, Any] = options_of(resolve(recipe["target"], System, trust))
        store.store(group="options", name=FROM, node=found, package="_global_")
        result.append(f"+options={FROM}")
    return result
