"""Four perceptual systems side by side on photographs: the figure of docs/foveation.md.

`FOVEATION_FIGURE=docs/figures/foveation.png python -m pytest tests/drawing/test_foveation_figure.py` makes that
figure, at 256 px, with matched blurs.
"""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from gazekit.drawing.foveation import foveation_figure
from gazekit.foveation import (
    FoveatedBlur,
    FoveatedTexture,
    Reference,
    UniformBlur,
    match_blur,
    match_foveated_blur,
)

NAMES = ("neurofovea_1.png", "macaca_nigra_self-portrait.jpg", "einstein.pgm", "reptile_skin.pgm")
FIXATIONS = ((0.5, 0.5), (0.4, 0.3), (0.5, 0.5), (0.25, 0.6))


def test_four_systems_on_photographs(shared_data, tmp_path):
    out = os.environ.get("FOVEATION_FIGURE")
    side = 256 if out else 64
    photographs = []
    for name in NAMES:
        with Image.open(shared_data / "foveation_images" / name) as picture:
            width = min(picture.size)
            photographs.append(
                np.array(picture.convert("RGB").crop((0, 0, width, width)).resize((side, side)))
            )
    images = torch.from_numpy(np.stack(photographs)).movedim(-1, 1) / 255
    points, p = torch.tensor(FIXATIONS) * side, side / 26
    texture = FoveatedTexture(p)
    uniform, foveated = UniformBlur(side / 75), FoveatedBlur(p, sigma_px=[side / 100])
    if out:
        target = texture(images, points)
        uniform = match_blur(images, target)
        foveated = match_foveated_blur(images, target, p, fixation_xy_px=points)
    systems = {
        "reference": Reference(),
        "foveated texture": texture,
        f"uniform blur, {uniform.sigma_px:.1f} px": uniform,
        "foveated blur": foveated,
    }
    seen = {
        name: (system(images, points).movedim(1, -1) * 255).round().byte().numpy()
        for name, system in systems.items()
    }
    rows = [{name: seen[name][i] for name in seen} for i in range(len(NAMES))]
    figure = foveation_figure(rows, points.tolist())
    figure.savefig(out or tmp_path / "figure.png", dpi=100)
    assert len(figure.axes) == 16
    assert [ax.get_title() for ax in figure.axes[:4]] == list(systems)
    assert all(len(ax.lines) == 2 for ax in figure.axes)


def test_a_fixation_outside_has_no_cross_and_rows_must_fit():
    grey = np.zeros((10, 20), np.uint8)
    figure = foveation_figure([{"a": grey}], [(30.0, 5.0)])
    assert not figure.axes[0].lines
    with pytest.raises(ValueError, match="same names"):
        foveation_figure([{"a": grey}, {"b": grey}], [(1.0, 1.0)] * 2)
    with pytest.raises(ValueError, match="rows"):
        foveation_figure([], [])
