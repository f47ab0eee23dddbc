import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import one_row_a_trial, random_batch, seen

from gazekit.datasets.files import grid_boxes
from gazekit.scanpaths.relations import PAIRWISE, RELATIONS, RelationState, relations
from gazekit.scene import Scene, SceneBatch

KNOWN = pytest.mark.parametrize("known", [True, False], ids=["known", "hidden"])


def grid_features(objects, known=True, target=5, start=None):
    """Features on a grid of 2 rows and 3 columns: [T + 1, 7] of each name."""
    scene = Scene("grid", (300, 100), grid_boxes((300, 100), 2, 3), target=target, start_xy_px=start)
    features = relations(SceneBatch.from_scenes([scene]), torch.tensor([objects], dtype=torch.long), known)[0]
    return {name: features[..., k] for k, name in enumerate(RELATIONS)}


@KNOWN
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), targets=st.sampled_from([(2, 0, 3), (None, 4, None)]))
def test_step_by_step_equals_all_at_once(known, seed, targets):
    batch = random_batch(seed, targets=targets)
    scenes = one_row_a_trial(batch)
    together = relations(scenes, batch.objects, known)
    state = RelationState.begin(scenes, 1, known)
    belongs = seen(batch)
    for t in range(batch.objects.shape[1] + 1):
        now = belongs[:, t]
        torch.testing.assert_close(state.features()[now, 0], together[now, t])
        if t < batch.objects.shape[1]:
            stop = batch.scenes.object_mask.shape[1]
            state = state.advance(batch.objects[:, t].where(batch.mask[:, t], stop)[:, None])


@KNOWN
def test_several_scanpaths_of_a_scene_do_not_mix(known):
    batch = random_batch(lengths=(4, 4, 4))
    scenes = one_row_a_trial(batch)
    other = torch.zeros_like(batch.objects)
    both = RelationState.begin(scenes, 2, known)
    for t in range(4):
        both = both.advance(torch.stack([other[:, t], batch.objects[:, t]], 1))
    features = both.features()
    torch.testing.assert_close(features[:, 0], relations(scenes, other, known)[:, -1])
    torch.testing.assert_close(features[:, 1], relations(scenes, batch.objects, known)[:, -1])


def test_selection_keeps_the_rows():
    batch = random_batch(lengths=(3, 3, 3))
    state = RelationState.begin(one_row_a_trial(batch), 2).advance(torch.tensor([[1, 2], [0, 1], [3, 3]]))
    rows = torch.tensor([2, 0])
    chosen = state.select(rows)
    torch.testing.assert_close(chosen.features(), state.features()[rows])
    following = torch.tensor([[0, 1], [2, 2]])
    everywhere = torch.tensor([[2, 2], [0, 0], [0, 1]])
    torch.testing.assert_close(
        chosen.advance(following).features(), state.advance(everywhere).features()[rows]
    )


@KNOWN
def test_a_stopped_scanpath_keeps_its_history(known):
    scenes = one_row_a_trial(random_batch(lengths=(2, 2, 2)))
    state = RelationState.begin(scenes, 1, known).advance(torch.tensor([[1], [0], [2]]))
    after = state.advance(torch.tensor([[7], [7], [1]]))  # 7 = STOP
    for name in ("visits", "last_visit", "current", "previous"):
        torch.testing.assert_close(getattr(after, name)[:2], getattr(state, name)[:2])
    assert after.current[2] == 1
    assert after.previous[2] == 2


@KNOWN
def test_the_past_does_not_see_the_future(known):
    batch = random_batch(lengths=(5, 5, 5))
    scenes = one_row_a_trial(batch)
    before = relations(scenes, batch.objects, known)
    changed = batch.objects.clone()
    changed[:, 3] = (changed[:, 3] + 1) % 4
    after = relations(scenes, changed, known)
    torch.testing.assert_close(after[:, :4], before[:, :4], rtol=0, atol=0)
    assert not torch.equal(after[:, 4], before[:, 4])


@pytest.mark.parametrize("objects", [[], [0], [0, 1, 1, 0, 3]])
def test_hidden_target_leaves_no_trace(objects):
    # both targets are never fixated: nothing may tell them apart, least of all the STOP column
    one, other = (grid_features(objects, known=False, target=target) for target in (5, 2))
    for name in RELATIONS:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=0, msg=lambda m, n=name: f"{n}: {m}")


def test_known_target_shows():
    one, other = (grid_features([3, 1], target=target) for target in (5, 0))
    for name in ("dx", "dy", "distance", "target", "x", "y"):
        assert not torch.equal(one[name], other[name]), name


@pytest.mark.parametrize("objects", [[5], [0, 5, 1]])
def test_hidden_target_shows_once_it_is_fixated(objects):
    on_target = grid_features(objects, known=False, target=5)["on_target"]
    expected = [0.0] + [float(o == 5) for o in objects]
    assert on_target[:, 0].tolist() == expected
    assert (on_target == on_target[:, :1]).all()  # a fact about the moment, the same for every candidate


def test_numbers_by_hand():
    # cells are 100 x 50: 0 1 2 / 3 4 5; the path goes 0 -> 4 -> 4 -> 1, the target is 5
    f = grid_features([0, 4, 4, 1], start=(250.0, 25.0))
    torch.testing.assert_close(
        f["dx"][0] * 4, torch.tensor([-2.0, -1, 0, -2, -1, 0, 0])
    )  # from the start at 2
    torch.testing.assert_close(f["dx"][1] * 4, torch.tensor([0.0, 1, 2, 0, 1, 2, 2]))
    torch.testing.assert_close(f["dy"][1] * 4, torch.tensor([0.0, 0, 0, 1, 1, 1, 1]))
    torch.testing.assert_close(f["distance"][2, 2] * 4, torch.tensor(math.sqrt(2)))
    torch.testing.assert_close(f["log_distance"][2, 2], torch.tensor(math.log1p(math.sqrt(2))))
    assert f["current"].argmax(1).tolist()[1:] == [0, 4, 4, 1]
    assert f["current"].sum(1).tolist() == [0, 1, 1, 1, 1]
    assert f["target"][0].tolist() == [0, 0, 0, 0, 0, 1, 1]  # STOP stands for the target
    assert f["stop"][2].tolist() == [0, 0, 0, 0, 0, 0, 1]
    assert f["visited"][4].tolist() == [1, 1, 0, 0, 1, 0, 0]
    torch.testing.assert_close(f["visits"][4, 4], torch.tensor(math.log(3)))
    torch.testing.assert_close(f["recency"][4], torch.tensor([1 / 4, 1, 0, 0, 1 / 2, 0, 0]))
    torch.testing.assert_close(f["step"][:, 0] * 3, torch.arange(5).float().log1p())
    # the first saccade starts where the eye was: from 2 to 0, two columns to the left
    assert f["last_dx"][1, 0] * 4 == -2
    assert f["last_dy"][1, 0] * 4 == 0
    torch.testing.assert_close(f["last_amplitude"][2, 0], torch.tensor(math.log1p(math.sqrt(2))))
    assert (f["last_amplitude"][3] == 0).all()  # 4 -> 4
    # after 0 -> 4: back to 0 reverses the saccade, on to 5 turns by 45 degrees, staying has no direction
    torch.testing.assert_close(f["turn"][2, [0, 5, 4]], torch.tensor([-1.0, math.sqrt(0.5), 0.0]))
    torch.testing.assert_close(f["x"][0], torch.tensor([-2 / 3, 0, 2 / 3, -2 / 3, 0, 2 / 3, 2 / 3]))
    torch.testing.assert_close(f["y"][0], torch.tensor([-0.5, -0.5, -0.5, 0.5, 0.5, 0.5, 0.5]))


def test_target_visits_are_the_stop_columns_visits():
    f = grid_features([5, 0])
    assert f["visited"][2, [5, 6]].tolist() == [1, 1]
    torch.testing.assert_close(f["recency"][2, [5, 6]], torch.tensor([0.5, 0.5]))
    hidden = grid_features([5, 0], known=False)
    assert hidden["visited"][2, [5, 6]].tolist() == [1, 0]
    assert hidden["recency"][2, 6] == 0


def test_a_hidden_stop_column_stands_in_the_middle_of_the_picture():
    f = grid_features([0, 4, 1], known=False)
    for name in ("target", "visited", "visits", "recency", "x", "y"):
        assert (f[name][:, 6] == 0).all(), name
    torch.testing.assert_close(
        f["dx"][:, 6] * 4, torch.tensor([0.0, 1.0, 0.0, 0.0])
    )  # from the middle, 0, 4, 1
    torch.testing.assert_close(f["dy"][:, 6] * 4, torch.tensor([0.0, 0.5, -0.5, 0.5]))


def test_gaze_is_where_the_eye_landed():
    """Features from the gaze differ from those of centres by the landing error; the others stay."""
    trial = torch.tensor([[0, 4]])
    scenes = SceneBatch.from_scenes([Scene("grid", (300, 100), grid_boxes((300, 100), 2, 3), target=5)])
    centres = scenes.centres_px[:, trial[0]]
    on, off = relations(scenes, trial, True, centres), relations(scenes, trial, True, centres + 10.0)
    torch.testing.assert_close(on, relations(scenes, trial))
    moved = {name for k, name in enumerate(RELATIONS) if not torch.equal(on[..., k], off[..., k])}
    assert moved == {"gaze_dx", "gaze_dy", "gaze_distance"}
    landed = off[0, 1, 1, RELATIONS.index("gaze_dx")]  # from (0's centre + 10 px) to 1, one cell further
    torch.testing.assert_close(landed.expm1(), 1 - 10 / scenes.spacing_px[0, 0])


@KNOWN
def test_free_viewing_has_no_target(known):
    f = grid_features([0, 5], known, target=None)
    for name in ("target", "on_target"):
        assert (f[name] == 0).all()
    for name in ("visited", "visits", "recency"):  # nobody visits the STOP column
        assert (f[name][:, 6] == 0).all(), name
    assert all(f[name].isfinite().all() for name in RELATIONS)


@KNOWN
def test_distances_are_in_objects(known):
    """Twice the picture, the same numbers."""
    scenes = one_row_a_trial(batch := random_batch())
    large = replace(
        scenes, boxes_px=scenes.boxes_px * 2, size_px=scenes.size_px * 2, start_xy_px=scenes.start_xy_px * 2
    )
    torch.testing.assert_close(
        relations(large, batch.objects, known), relations(scenes, batch.objects, known), rtol=1e-5, atol=1e-5
    )


def test_the_pairwise_names_come_first():
    assert RELATIONS[: len(PAIRWISE)] == PAIRWISE
    assert len(set(RELATIONS)) == len(RELATIONS)
    batch = random_batch()
    shape = relations(one_row_a_trial(batch), batch.objects).shape
    assert shape == (5, 7, 8, len(RELATIONS))
    assert np.prod(relations(one_row_a_trial(batch), batch.objects[:, :0]).shape) == 5 * 8 * len(RELATIONS)
