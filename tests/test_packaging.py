"""The mapping of `kernels/` and `conf/` into the package, and what must not shadow it."""

import subprocess
import sys
import tomllib

import pytest


@pytest.fixture(scope="module")
def project(repo_root):
    return tomllib.loads((repo_root / "pyproject.toml").read_text())


def test_every_package_folder_is_listed(repo_root, project):
    listed = set(project["tool"]["setuptools"]["packages"])
    found = set()
    for top, name in (("gazekit", "gazekit"), ("kernels", "gazekit.kernels"), ("conf", "gazekit.conf")):
        for init in (repo_root / top).rglob("__init__.py"):
            found.add(".".join([name, *init.parent.relative_to(repo_root / top).parts]))
    assert listed == found


def test_every_folder_with_code_is_a_package(repo_root):
    for top in ("gazekit", "kernels"):
        for module in (repo_root / top).rglob("*.py"):
            assert (module.parent / "__init__.py").exists(), module


@pytest.mark.parametrize("name", ["kernels", "conf"])
def test_nothing_shadows_the_mapping(repo_root, name):
    assert not (repo_root / "gazekit" / name).exists()


def test_mapped_packages_come_from_the_top_level(repo_root):
    import gazekit.conf
    import gazekit.kernels

    assert (repo_root / "kernels") in [*map(type(repo_root), gazekit.kernels.__path__)]
    assert (repo_root / "conf") in [*map(type(repo_root), gazekit.conf.__path__)]


def test_kernels_refuse_a_second_import(repo_root):
    done = subprocess.run(
        [sys.executable, "-c", "import kernels"], cwd=repo_root, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "import gazekit.kernels" in done.stderr


def test_every_yaml_is_packaged(repo_root, project):
    assert project["tool"]["setuptools"]["package-data"]["gazekit.conf"] == ["**/*.yaml"]


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("gazekit", ["torch", "numpy", "hydra"]),
        ("gazekit.cli", ["torch", "numpy", "hydra"]),
        (
            "gazekit.metrics",
            ["pytorch_lightning", "lightning", "hydra", "triton", "cv2", "mne", "torch_geometric"],
        ),
        ("gazekit.models.oat", ["pytorch_lightning", "hydra", "triton", "cv2", "mne", "matplotlib"]),
        ("gazekit.datasets", ["pytorch_lightning", "hydra", "mne", "matplotlib"]),
    ],
)
def test_imports_are_light(module, absent):
    code = f"import {module}, sys; print(*[m for m in {absent!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_folder_above_a_clone_is_no_trap(tmp_path, project):
    """A folder called gazekit, as a clone is, hides the package's own __init__, but nothing else may depend on it."""
    (tmp_path / "gazekit").mkdir()
    code = "from gazekit.versions import versions; print(versions()['gazekit'])"
    for command in (["-c", code], ["-m", "gazekit", "--version"]):
        done = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True)
        assert done.stdout.strip() == project["project"]["version"], done.stderr
