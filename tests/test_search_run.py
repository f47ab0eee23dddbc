"""The command that users type, with real weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from shell import run_here as gazekit

ROWS = (
    "no_eccentricity",
    "single_pair",
    "ivsn",
    "squeezenet",
    "squeezenet_no_eccentricity",
    "template",
    "chance",
)


@pytest.mark.slow
def test_lit_spheres_are_searched_as_people_search_them(shared_data: Path, tmp_path: Path) -> None:
    """The only asymmetry that was known beforehand to be solid: light from above against light from the side."""
    weights = shared_data / "mobilenet_v2_imagenet" / "mobilenet_v2_int8.safetensors"
    drop = [f"~metrics.baselines.{row}" for row in ROWS]
    gazekit(
        "evaluate", "+experiment=search_asymmetry", f"model.weights={weights}", *drop, "data.tasks=[lighting]",
        "metrics.resamples=500", "run_dir=run", cwd=tmp_path,
    )  # fmt: skip
    rows = json.loads((tmp_path / "run" / "metrics.json").read_text())["rows"]
    lighting = rows["eccnet"]["asymmetry_gated.lighting"]
    assert lighting["value"] > 0.3
    assert lighting["low"] > 0
    assert rows["people"]["asymmetry.lighting"]["value"] == pytest.approx(0.701, abs=5e-4)
    for figure in ("reaction_times", "asymmetries", "searches"):
        assert (tmp_path / "run" / "figures" / f"{figure}.png").is_file()
    gazekit("predict", "ckpt=run/last.ckpt", "run_dir=said", cwd=tmp_path)
    assert (tmp_path / "said" / "scanpaths.csv").read_text().startswith("name,fixation,x_px,y_px")
