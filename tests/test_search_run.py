"""The command that users type, with real weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shell import run_here as gazekit

ROWS = (
    "no_eccentricity",
    "squeezenet",
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


def test_targets_in_pictures_of_several_sizes(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    lines = ["image,x_min,y_min,x_max,y_max"]
    for name, (height, width), box in (
        ("a.png", (72, 120), (80, 20, 104, 44)),
        ("b.png", (90, 64), (8, 50, 40, 70)),
    ):
        Image.fromarray(draw.integers(0, 256, (height, width, 3), np.uint8)).save(tmp_path / name)
        lines.append(f"{name},{','.join(map(str, box))}")
    (tmp_path / "targets.csv").write_text("\n".join(lines))
    net = ["model.backbone=squeezenet1_0", "model.weights=random"]
    gazekit("evaluate", "+experiment=search_pictures", f"data.root={tmp_path}", *net, "metrics.resamples=20",
            "~metrics.baselines.ivsn", "run_dir=run", cwd=tmp_path)  # fmt: skip
    rows = json.loads((tmp_path / "run" / "metrics.json").read_text())["rows"]
    assert rows["chance"]["targets.found by 11"]["n"] == 2
    gazekit("predict", "ckpt=run/last.ckpt", "run_dir=said", cwd=tmp_path)
    said = (tmp_path / "said" / "searches.csv").read_text().splitlines()
    assert sorted(line.partition(",")[0] for line in said[1:]) == ["a.png", "b.png"]
