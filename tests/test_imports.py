"""Imports run downwards: no circle between files, no room that imports one above it."""

import ast
import re
import sys
from pathlib import Path

import pytest

FLOORS = (
    {
        "errors",
        "files",
        "versions",
        "harness",
        "geometry",
        "scanpath",
        "scene",
        "schedule",
        "download",
        "transformers_package",
        "__init__",
    },
    {"kernels"},
    {"metrics"},
    {"base"},
    {"drawing", "backbones", "foveation", "scanpath_files"},
    {"features", "scanpaths", "recordings", "brain"},
    {"datasets"},
    {"models"},
    {"report", "annotate"},
    {"run"},
    {"bench"},
    {"verbs"},
    {"cli", "conf"},
    {"__main__"},
)
"""From the ground up. Rooms of one floor do not import each other, except on the ground."""

FLOOR_OF = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}


def modules(root: Path) -> dict[str, Path]:
    found = {}
    for folder, package in ((root / "gazekit", "gazekit"), (root / "kernels", "gazekit.kernels"),
                            (root / "conf", "gazekit.conf")):  # fmt: skip
        for path in folder.rglob("*.py"):
            parts = list(path.relative_to(folder).with_suffix("").parts)
            found[".".join([package, *(p for p in parts if p != "__init__")])] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """Every module of gazekit that a file imports anywhere in it, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    found = set()
    for name in names:
        while name and name not in known:
            name = name.rpartition(".")[0]
        found |= {name} if name else set()
    return found


@pytest.fixture(scope="module")
def arrows(repo_root):
    known = modules(repo_root)
    return {module: imports(path, known) - {module} for module, path in known.items()}


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def test_the_picture_in_the_docs_is_this_house(repo_root, arrows):
    page = (repo_root / "docs" / "architecture.md").read_text()
    picture = page.split("## The house")[1].split("```")[1].strip().splitlines()
    assert [set(line.split()) for line in reversed(picture)] == [floor - {"__init__"} for floor in FLOORS]
    assert set(FLOOR_OF) - {"__init__"} <= {room_of(module) for module in arrows}


def test_every_room_has_a_floor(arrows):
    assert {room_of(module) for module in arrows} <= set(FLOOR_OF)


def test_no_import_runs_upward(arrows):
    upward = [
        f"{module} -> {other}"
        for module, others in arrows.items()
        for other in others
        if FLOOR_OF[room_of(other)] > FLOOR_OF[room_of(module)]
    ]
    assert not upward


def test_rooms_of_one_floor_do_not_import_each_other(arrows):
    sideways = [
        f"{module} -> {other}"
        for module, others in arrows.items()
        for other in others
        if room_of(module) != room_of(other) and FLOOR_OF[room_of(other)] == FLOOR_OF[room_of(module)] > 0
    ]
    assert not sideways


def test_models_do_not_import_each_other(arrows):
    def room(module):
        return ".".join(module.split(".")[:3])

    for module, others in arrows.items():
        for other in others:
            both = module.startswith("gazekit.models.") and other.startswith("gazekit.models.")
            rooms = {room(module), room(other)}
            inside = all(any(m.startswith(r + ".") for m in arrows) for r in rooms)
            assert not (both and inside and len(rooms) == 2), f"{module} -> {other}"


def test_no_circle(arrows):
    sys.setrecursionlimit(10_000)
    done, path = set(), []

    def visit(module):
        if module in path:
            pytest.fail("circle: " + " -> ".join([*path[path.index(module) :], module]))
        if module not in done:
            path.append(module)
            for other in sorted(arrows[module]):
                visit(other)
            path.pop()
            done.add(module)

    for module in arrows:
        visit(module)


def test_the_run_and_the_report_name_no_model(repo_root):
    folder = repo_root / "gazekit"
    files = [*(folder / "run").glob("*.py"), *(folder / "report").glob("*.py")]
    files += [folder / "verbs" / f"{verb}.py" for verb in ("fit", "evaluate", "predict", "export", "report")]
    named = re.compile(r"(?<![a-z])(oat|impn|scanpath)", re.IGNORECASE)
    assert not [
        f"{path.name}: {line}"
        for path in files
        for line in path.read_text().splitlines()
        if named.search(line)
    ]


def test_the_run_stays_small(repo_root):
    """Verbs, run and report together have no more lines than verbs and report had before they served any system."""
    folders = ("verbs", "run", "report")
    lines = [
        path.read_text().count("\n") for f in folders for path in (repo_root / "gazekit" / f).glob("*.py")
    ]
    assert sum(lines) <= 4070


def test_the_checks_can_fail(tmp_path):
    (tmp_path / "gazekit" / "metrics").mkdir(parents=True)
    (tmp_path / "gazekit" / "report.py").write_text("")
    (tmp_path / "gazekit" / "metrics" / "x.py").write_text("def f():\n    from gazekit import report\n")
    (tmp_path / "gazekit" / "metrics" / "__init__.py").write_text("")
    (tmp_path / "gazekit" / "__init__.py").write_text("")
    known = modules(tmp_path)
    assert imports(known["gazekit.metrics.x"], known) == {"gazekit.report"}
