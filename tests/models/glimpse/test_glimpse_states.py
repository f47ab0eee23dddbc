"""What states hold: a path that is summed up, and scenes that are alike."""

from __future__ import annotations

import torch
from glimpse_toys import toy

from gazekit.base import Predictor
from gazekit.base.scores import Settings
from gazekit.models.glimpse import CopyGlimpse, StateScores, steps_of
from gazekit.models.glimpse.figures import glimpse_figures
from gazekit.models.glimpse.states import states_of


class Holding(Predictor):
    """A state of the last saccade, or of the whole path; and of the caption, ever more clearly."""

    def __init__(self, whole: bool) -> None:
        super().__init__()
        self.whole = whole

    def predict(self, batch, generator, samples=1):
        known = steps_of(batch)
        path = known.saccade_px.cumsum(1) if self.whole else known.saccade_px
        step = torch.arange(1, path.shape[1] + 1)[:, None]
        noise = (
            torch.randn(batch["caption"].shape, generator=torch.Generator().manual_seed(1))[:, None] / step**2
        )
        scene = (batch["caption"][:, None] + 4 * noise) / 100
        return {"glimpse": known.glimpse, "state": torch.cat([path / 64, 0 * path[..., :1] + 1, scene], 2)}


def test_only_a_summed_up_path_is_told_later_on() -> None:
    data = toy(pictures=40, heads=True, ragged=False)
    rows = {"whole": Holding(True), "last": Holding(False), "copy": CopyGlimpse(data.facts())}
    found = StateScores().scores(rows, data, Settings(resamples=50), lambda *_: None)
    assert set(found.table) == {"whole", "last"}  # a copy has no state
    whole, last = found.table["whole"], found.table["last"]
    assert whole["path_r2"].value > 0.9
    assert last["path_r2.1"].value > last["path_r2.5"].value + 0.2  # one saccade is all of the path at first
    assert last["path_r2.5"].low < last["path_r2.5"].value < last["path_r2.5"].high < 0.7
    assert whole["scene_rsa.5"].value > whole["scene_rsa.1"].value
    assert whole["path_r2"].n == 10 * 3 * 5
    assert whole["path_r2.2"].n == 10 * 3
    assert set(glimpse_figures(found.table)) == {"states"}


def test_states_are_those_of_steps_that_took_place() -> None:
    data = toy(heads=True)
    found = states_of(Holding(True), data, "val")
    lengths = [
        len(range(*pair)) - 1 for pair in zip(data.records.start, data.records.start[1:], strict=False)
    ]
    assert len(found.state) == sum(lengths[i] for i in data.parts["val"])
    assert found.step.min() == 1
    torch.testing.assert_close(found.state[:, :2] * 64, found.path_px)
