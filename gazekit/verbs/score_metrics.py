"""Metrics of `gazekit score` by name, with settings read from the command line and checked before anything runs."""

from __future__ import annotations

import ast
from inspect import signature
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

__all__ = ["make_metrics", "scorable"]


def make_metrics(names: str, settings: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metrics by their names in `gazekit list metrics`, with settings applied.

    Args:
        names: separated by commas.
        settings: "metric.setting=value" each; the setting is one of the constructor, or what `update` takes
            besides scanpaths and maps.
    Returns:
        name to metric, and name to value of what `update` takes.
    Raises:
        ValueError: an unknown metric or setting, a setting that the metric needs and that was not given.
    """
    import gazekit.metrics
    from gazekit.metrics.info import BY_ANY_NAME

    known = scorable()
    given: dict[str, dict[str, Any]] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        metric, dot, name = key.partition(".")
        if not equals or not dot:
            raise ValueError(f"--set {setting}: expected METRIC.SETTING=VALUE, as in scanmatch.bin_ms=50")
        if name in given.setdefault(metric, {}):
            raise ValueError(f"--set {key} is given twice")
        given[metric][name] = _value(text)
    found: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    told_by: dict[str, str] = {}
    for name in (part.strip() for part in names.split(",") if part.strip()):
        info = BY_ANY_NAME.get(name.lower())
        if info is None or info.name not in known:
            raise ValueError(f"unknown metric {name!r}, expected some of: {', '.join(sorted(known))}")
        make = getattr(gazekit.metrics, info.class_name)
        twice = [other for other, metric in found.items() if isinstance(metric, make)]
        if twice:
            raise ValueError(f"--metrics {names}: {twice[0]} and {name} are the same metric")
        found[name], more = _made(name, make, given.pop(name, {}))
        for fact, value in more.items():
            if facts.setdefault(fact, value) != value:
                raise ValueError(
                    f"--set {name}.{fact}={value} contradicts {told_by[fact]}.{fact}={facts[fact]}: metrics scored "
                    "together share what is true of the images; score them one by one"
                )
            told_by.setdefault(fact, name)
    if given:
        raise ValueError(f"--set {next(iter(given))}...: this metric is not among --metrics {names}")
    if not found:
        raise ValueError("--metrics is empty, expected names separated by commas")
    return found, facts


def _made(name: str, make: type, settings: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    from gazekit.metrics.ceiling import missing_inputs

    parameters = {k: p for k, p in signature(make).parameters.items() if k not in ("aggregation", "settings")}
    asked = missing_inputs(make)
    for setting in settings:
        if setting not in parameters and setting not in asked:
            takes = ", ".join([*parameters, *asked]) or "none"
            raise ValueError(f"--set {name}.{setting}: no such setting, {name} takes: {takes}")
    needed = [k for k, p in parameters.items() if p.default is p.empty] + asked
    missing = [k for k in needed if k not in settings]
    if missing:
        raise ValueError(f"{name} needs {', '.join(missing)}: add --set {name}.{missing[0]}=VALUE")
    facts = {k: v for k, v in settings.items() if k in asked}
    hints = get_type_hints(make.__init__)
    own = {k: _fitting(f"{name}.{k}", v, hints.get(k, Any)) for k, v in settings.items() if k not in asked}
    try:
        return make(**own), facts
    except (TypeError, ValueError) as error:
        chosen = ", ".join(f"{name}.{k}={v}" for k, v in own.items())
        raise ValueError(f"--set {chosen}: {error}") from error


def _fitting(key: str, value: Any, hint: Any) -> Any:
    """A setting of the type that the metric takes, a named tuple (`Grouping`) made of its numbers.

    Raises:
        ValueError: another type.
    """
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    for kind in kinds:
        fields = get_type_hints(kind) if hasattr(kind, "_fields") else None
        if fields and _is(value, tuple[tuple(fields.values())]):
            return kind(*value)
        if not fields and _is(value, kind):
            return value
    raise ValueError(f"--set {key}={value}: expected {' or '.join(map(_words, kinds))}")


def _is(value: Any, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is tuple:
        parts = get_args(kind)
        same = isinstance(value, tuple | list) and len(value) == len(parts)
        return same and all(map(_is, value, parts))
    if kind in (int, float):  # True is no number here
        return isinstance(value, int | kind) and not isinstance(value, bool)
    return not isinstance(kind, type) or isinstance(value, kind)


def _words(kind: Any) -> str:
    if hasattr(kind, "_fields"):
        return ",".join(kind._fields)
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    if get_origin(kind) is tuple:
        return f"{len(get_args(kind))} numbers separated by commas"
    return {int: "a whole number", float: "a number", bool: "True or False", type(None): "None"}.get(
        kind, str(kind)
    )


def scorable() -> dict[str, Any]:
    """Facts about the metrics that compare scanpaths or read maps, by name."""
    import gazekit.metrics
    from gazekit.metrics.ceiling import missing_inputs

    return {
        name: info
        for name, info in gazekit.metrics.INFO.items()
        if missing_inputs(getattr(gazekit.metrics, info.class_name)) is not None
    }


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
