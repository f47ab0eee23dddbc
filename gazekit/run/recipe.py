"""Plain values to objects and back, safely: what a checkpoint names must not choose what runs.

A recipe is `{"target": "gazekit.models.ROOM.CLASS", "settings": {...}, "facts": {...}}`. The target must be a class
that its room exports, defined in that room, and derived from the expected base. Classes of other packages are made
only if the user names them with `trust=my.package.Class`. Nothing of a recipe reaches Hydra.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from gazekit.base import ROOMS

__all__ = ["make", "plain", "resolve", "settings_of", "targets_in", "trusted"]


def resolve(target: object, base: type | tuple[type, ...], trust: Sequence[str] = ()) -> type:
    """The class that a recipe names.

    Args:
        target: dotted path of a class.
        base: what it must derive from.
        trust: full names of classes outside gazekit that may be made.
    Raises:
        ValueError: no such class, another base, a class that its module does not export or that lives elsewhere,
            or one of another package that is not trusted.
    """
    if not isinstance(target, str) or not all(part.isidentifier() for part in target.split(".")):
        raise ValueError(f"a target must be the dotted path of a class, got {target!r}")
    module_name, _, name = target.rpartition(".")
    own = target not in trust
    if own:
        _check_own(target, module_name)
    try:
        module = import_module(module_name)
        if own and name not in getattr(module, "__all__", ()):
            raise ValueError(f"{target} is not exported by {module_name}")
        found = getattr(module, name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{target} is no class that can be imported: {error}") from error
    home = getattr(found, "__module__", "")
    if own and home != module_name and not home.startswith(module_name + "."):
        raise ValueError(f"{target} is not exported by {module_name}: it is defined elsewhere, in {home}")
    if not (isinstance(found, type) and issubclass(found, base)):
        bases = " or ".join(b.__name__ for b in (base if isinstance(base, tuple) else (base,)))
        raise ValueError(f"{target} must be a class derived from {bases}")
    return found


def _check_own(target: str, module_name: str) -> None:
    """Whether the path leads into one of our packages, and a model's to its room."""
    if not any(module_name == p or module_name.startswith(p + ".") for p in ROOMS):
        raise ValueError(
            f"{target} is not part of gazekit: add trust={target} if you trust its code (several: trust=[A,B])"
        )
    room = module_name.removeprefix("gazekit.models.")
    if module_name.startswith("gazekit.models") and ("." in room or room == module_name):
        raise ValueError(f"{target}: a system is named by its room, as in gazekit.models.ROOM.CLASS")
    if find_spec(module_name) is None:
        raise ValueError(f"{target} does not exist in this version of gazekit")


def plain(value: Any, where: str = "settings") -> Any:
    """A copy in JSON types.

    Raises:
        ValueError: another type, or a key that Hydra would act on (`_target_` and the like).
    """
    if isinstance(value, DictConfig | ListConfig):
        value = OmegaConf.to_container(value, resolve=True)
    if isinstance(value, Mapping):
        if hidden := [key for key in value if not isinstance(key, str) or key.startswith("_")]:
            raise ValueError(f"{where} has {hidden[0]!r}: settings are plain values, without nested targets")
        return {key: plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, where) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ValueError(
        f"{where} must be a plain value (text, number, list, mapping), got {type(value).__name__}"
    )


def settings_of(config: Mapping, where: str) -> tuple[str, dict[str, Any]]:
    """Target and plain settings of a configuration with `_target_`.

    Raises:
        ValueError: no `_target_`, or settings that are not plain.
    """
    if isinstance(config, DictConfig):
        config = OmegaConf.to_container(config, resolve=True)
    if not isinstance(config, Mapping) or "_target_" not in config:
        raise ValueError(f"{where} has no _target_; `gazekit list experiments` shows what can be chosen")
    return config["_target_"], plain({k: v for k, v in config.items() if k != "_target_"}, where)


def make(
    config: Mapping, base: type | tuple[type, ...], where: str, trust: Sequence[str] = (), **more
) -> Any:
    """The object that a configuration with `_target_` and plain settings describes.

    Args:
        where: configuration key, for messages.
        more: further arguments of the constructor.
    Raises:
        ValueError: see `resolve` and `plain`; a setting that the class does not have or lacks.
    """
    target, settings = settings_of(config, where)
    return call(resolve(target, base, trust), where, **settings, **more)


def call(cls: type, where: str, **arguments: Any) -> Any:
    """`cls(**arguments)`, with an error that names the configuration key if the arguments do not fit."""
    parameters = signature(cls).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    unknown = [name for name in arguments if name not in parameters]
    if unknown and not open_ended:
        known = ", ".join(name for name in parameters if name != "facts")
        raise ValueError(f"{where}.{unknown[0]} is unknown: {cls.__name__} has {known or 'no settings'}")
    missing = [
        name
        for name, p in parameters.items()
        if p.default is p.empty and name not in arguments and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    if missing:
        raise ValueError(f"{where}.{missing[0]} is missing: {cls.__name__} needs it")
    try:
        return cls(**arguments)
    except TypeError as error:
        raise ValueError(f"{where}: {cls.__name__} cannot be made with these settings: {error}") from error


def targets_in(config: Any) -> list[str]:
    """Every `_target_` at the first levels of a configuration that the user composed."""
    if isinstance(config, DictConfig | ListConfig):
        config = OmegaConf.to_container(config, resolve=True)
    if isinstance(config, Mapping):
        own = [config["_target_"]] if isinstance(config.get("_target_"), str) else []
        return own + [t for key, item in config.items() if key != "_target_" for t in targets_in(item)]
    return []


def trusted(cfg: DictConfig) -> list[str]:
    """The classes that `trust=` names: one, or a list."""
    return [cfg.trust] if isinstance(cfg.trust, str) else list(cfg.trust or ())
