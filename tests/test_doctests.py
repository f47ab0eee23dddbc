"""The examples in the docstrings print what they say.

Modules are found by walking the packages: `kernels/` is mapped to `gazekit.kernels` and would be imported a
second time, under a wrong name, by pytest's own doctest collection.
"""

import doctest
import importlib
import pkgutil

import pytest

import gazekit
import gazekit.kernels

RUNS_THE_PROGRAM = {"gazekit.__main__"}


def module_names() -> list[str]:
    found = {gazekit.__name__, gazekit.kernels.__name__}
    for package in (gazekit, gazekit.kernels):
        found |= {module.name for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")}
    return sorted(found - RUNS_THE_PROGRAM)


@pytest.mark.parametrize("name", module_names())
def test_examples_in_docstrings(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "gazekit":
            raise
        pytest.skip(f"{name} needs {error.name}")
    assert doctest.testmod(module).failed == 0


def test_the_walk_finds_both_roots() -> None:
    names = module_names()
    assert "gazekit.metrics.functional.sequence_score" in names
    assert "gazekit.kernels.alignment.reference" in names
