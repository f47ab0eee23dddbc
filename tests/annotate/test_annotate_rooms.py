"""Rooms of the annotation loop: each imports only rooms before it."""

import ast

ROOMS = ("project", "model", "exchange", "session", "server")


def test_rooms_import_one_way(repo_root):
    upward, folder = [], repo_root / "gazekit" / "annotate"
    for path in folder.rglob("*.py"):
        room = path.relative_to(folder).parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gazekit.annotate"):
                names = (f"{node.module}.{alias.name}".split(".")[2] for alias in node.names)
                upward += [(str(path), name) for name in names if ROOMS.index(name) > ROOMS.index(room)]
    assert not upward
    assert {path.name for path in folder.iterdir() if (path / "__init__.py").exists()} == set(ROOMS)
