"""Tasks, items and displays of visual search, against the published figures."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.datasets.search_data import SearchData
from gazekit.datasets.search_displays import PARTS, design, draw_display
from gazekit.datasets.search_items import looks
from gazekit.datasets.search_people import published
from gazekit.datasets.search_tasks import ASYMMETRY, CLASSICAL, CONDITIONS, TASKS, task_of
from gazekit.metrics.functional import asymmetry_index

conditions = st.sampled_from(sorted(CONDITIONS))


def item_of(display, k):
    x0, y0, x1, y1 = display.item_boxes_px[k]
    return display.picture[y0:y1, x0:x1]


def is_one_of(item, kinds):
    return any(np.array_equal(item, kind) for kind in kinds)


@settings(max_examples=150, deadline=None)
@given(conditions, st.data(), st.integers(0, 10**6), st.integers(0, 50), st.booleans())
def test_every_display_follows_the_rules(condition, data, seed, index, present):
    task = task_of(condition)
    n = data.draw(st.integers(0, task.cells))
    display = draw_display(condition, n, index, seed=seed, target_present=present)
    assert display.picture.shape == (task.size_px, task.size_px, 3) and display.picture.dtype == np.uint8
    assert display.target_picture.shape == (task.item_px, task.item_px, 3)
    assert len(set(display.item_cells.tolist())) == n == len(display.item_boxes_px)
    corner = display.item_boxes_px[:, :2] - display.cell_boxes_px[display.item_cells, :2]
    assert ((corner >= 0) & (corner < task.jitter_px)).all()
    assert (display.item_boxes_px[:, 2:] <= display.cell_boxes_px[display.item_cells, 2:]).all()
    assert (display.cell_boxes_px[-1, 2:] <= task.size_px).all()

    targets, distractors = looks(condition)
    is_target = [is_one_of(item_of(display, k), targets) for k in range(n)]
    assert sum(is_target) == (1 if present and n else 0)
    assert all(is_target[k] or is_one_of(item_of(display, k), distractors) for k in range(n))
    if present and n:
        assert is_target[display.target_item]
        assert display.target_cell == display.item_cells[display.target_item]
        np.testing.assert_array_equal(item_of(display, display.target_item), display.target_picture)
    else:
        assert display.target_item is None and display.target_cell == -1
        assert is_one_of(display.target_picture, targets)

    rest = np.ones(display.picture.shape[:2], bool)
    for x0, y0, x1, y1 in display.item_boxes_px:
        rest[y0:y1, x0:x1] = False
    assert (display.picture[rest] == task.background).all()


def test_a_display_depends_on_its_key_only():
    key = ("cross", 6, 3, "test", 11)
    np.testing.assert_array_equal(draw_display(*key).picture, draw_display(*key).picture)
    others = [("cross", 6, 4, "test", 11), ("cross", 6, 3, "val", 11), ("cross", 6, 3, "test", 12)]
    pictures = [draw_display(*k).picture for k in (key, *others)] + [draw_display(*key, False).picture]
    assert all(not np.array_equal(a, b) for i, a in enumerate(pictures) for b in pictures[:i])


def test_layouts_stay_those_of_earlier_versions():
    """Whoever wrote displays for people can draw them again."""
    display = draw_display("cross", 3, 2, "test", 1)
    assert display.item_cells.tolist() == [6, 0, 3]
    assert display.item_boxes_px[:, :2].tolist() == [[19, 430], [4, 24], [16, 207]]
    assert display.target_item == 2


def test_targets_are_anywhere():
    cells = [draw_display("lighting_vertical", 1, k).target_cell for k in range(400)]
    assert set(cells) == set(range(16))
    slots = np.bincount([draw_display("cross", 9, k).target_item for k in range(400)], minlength=9)
    assert slots.min() > 20
    corner = np.array([draw_display("cross", 1, k).item_boxes_px[0, :2] % 205 for k in range(400)])
    assert corner.min() == 0 and corner.max() == 26


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("cross", 10),
            r"condition cross: set size must be 0 to 9, the 3 x 3 cells of task intersection, got 10",
        ),
        (("cross", -1), "set size must be 0 to 9"),
        (("plus", 3), r"unknown condition 'plus', expected one of: curve_in_lines"),
        (("cross", 3, 0, "training"), "part must be one of train, val, test, got 'training'"),
        (("cross", 3, 0, "test", -1), "index and seed must not be negative"),
    ],
)
def test_impossible_displays_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw_display(*arguments)


@pytest.mark.parametrize("name", ASYMMETRY)
def test_pairs_exchange_target_and_distractors(name):
    (target, distractors), (mirror_target, mirror_distractors) = (
        looks(c.name) for c in TASKS[name].conditions
    )
    if name == "lighting":  # upside down, and the same transposed
        np.testing.assert_array_equal(target[0], distractors[0][::-1])
        np.testing.assert_array_equal(mirror_target[0], mirror_distractors[0][:, ::-1])
        np.testing.assert_array_equal(mirror_distractors[0], distractors[0].transpose(1, 0, 2))
    elif name == "orientation_heterogeneous":
        assert is_one_of(target[0], mirror_distractors) and is_one_of(mirror_target[0], distractors)
        assert len(distractors) == 8 and not is_one_of(target[0], distractors)
    else:
        np.testing.assert_array_equal(target, mirror_distractors)
        np.testing.assert_array_equal(mirror_target, distractors)


def test_sizes_of_items():
    curves, lines = looks("curve_in_lines")
    assert len(curves) == len(lines) == 4
    upright = lines[1][..., 0] > 127  # turned by 90 degrees: 6 px wide, 36 px long
    assert upright.any(0).sum() == 6 and upright.any(1).sum() == 36
    cross, apart = (kinds[0][..., 0] == 0 for kinds in looks("cross"))
    assert cross.sum() == 165 * 16 + 17 * (165 - 16)
    assert apart.sum() == 165 * 16 + 17 * (82 - 8) + 16 * (165 - 82 - 8)
    letter_l, letter_t = (kinds[0][..., 0] == 0 for kinds in looks("l_in_ts"))
    assert letter_l.sum() == 165 * 16 + 17 * (165 - 16) and letter_t.sum() == 165 * 16 + 16 * (165 - 16)
    (bar,), _ = (kinds[..., 0] for kinds in looks("homogeneous_0"))
    assert (bar < 128).any(1).sum() == 60 and (bar < 128).any(0).sum() == 9
    disc = looks("lighting_vertical")[1][0][..., 0]
    assert set(np.unique(disc)) - {27} <= set(range(0, 256, 17)) and disc[29, 15] == 17 * 14
    assert (np.diff(disc[1:30, 15].astype(int)) >= 0).all()


def test_tilt_of_20_degrees_is_clockwise():
    (bar,) = looks("homogeneous_20")[0]
    y, x = np.nonzero(bar[..., 0] < 128)
    slope = np.polyfit(y - y.mean(), x - x.mean(), 1)[0]
    assert np.degrees(np.arctan(slope)) == pytest.approx(-20, abs=1.5)  # to the right where y is small


def test_grey_pictures_and_two_colours():
    for name in ASYMMETRY:
        picture = draw_display(TASKS[name].conditions[0].name, 3).picture
        assert (picture == picture[..., :1]).all()
    picture = draw_display("conjunction", 18).picture
    assert {tuple(c) for c in np.unique(picture.reshape(-1, 3), axis=0)} == {
        (0, 0, 0),
        (255, 0, 0),
        (0, 255, 0),
    }


@pytest.mark.parametrize("n", [1, 4, 8, 9, 12, 16])
def test_mixed_distractors_come_once_before_any_is_repeated(n):
    for k in range(10):
        display = draw_display("heterogeneous_20", n, k)
        kinds = looks("heterogeneous_20")[1]
        counts = [sum(np.array_equal(item_of(display, i), kind) for i in range(n)) for kind in kinds]
        assert sum(counts) == n - 1 and max(counts) - min(counts) <= 1


def test_conjunction_is_half_and_half():
    for n in (3, 6, 12, 18):
        display = draw_display("conjunction", n)
        red = [(item_of(display, i)[..., 0] > 0).any() for i in range(n) if i != display.target_item]
        assert abs(2 * sum(red) - len(red)) <= 1


def test_curvature_orientations_cycle_over_items():
    display = draw_display("curve_in_lines", 8, 5)
    curves, lines = looks("curve_in_lines")
    for k in range(8):
        kinds = curves if k == display.target_item else lines
        np.testing.assert_array_equal(item_of(display, k), kinds[k % 4])


def test_published_slopes_and_asymmetry():
    people = published()
    slopes = dict(zip(CONDITIONS, people.slopes_ms(), strict=True))
    expected = {"curve_in_lines": 0.80, "line_in_curves": 7.59, "lighting_horizontal": 23.88, "cross": 96,
                "lighting_vertical": 4.21, "non_cross": 45, "l_in_ts": 33, "t_in_ls": 14, "homogeneous_0": 9.86,
                "homogeneous_20": 2.38, "heterogeneous_0": 23.73, "heterogeneous_20": 71.12}  # fmt: skip
    for name, slope in expected.items():
        assert slopes[name] == pytest.approx(slope, abs=0.01)
    pairs = [{c.is_hard: slopes[c.name] for c in TASKS[name].conditions} for name in ASYMMETRY]
    index = [float(asymmetry_index(pair[True], pair[False])) for pair in pairs]
    assert min(index) > 0
    assert np.mean(index) == pytest.approx(0.564, abs=0.001)


def test_published_classical_slopes_are_those_of_the_trials(shared_data):
    import csv

    with (shared_data / "search_rt_benchmark_derived" / "slopes.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        slope = published().slope_ms(row["task"], row["target_present"] == "1")
        assert slope == pytest.approx(float(row["slope_ms_per_item"]), abs=0.02)
    assert {row["task"] for row in rows} == set(CLASSICAL)
    with (shared_data / "search_rt_benchmark_derived" / "rt_by_set_size.csv").open() as file:
        for row in csv.DictReader(file):
            means = published().mean_rt_ms(row["task"], row["target_present"] == "1")
            assert means[int(row["set_size"])] == float(row["mean_rt_ms"])


@pytest.fixture
def data():
    data = SearchData(displays=2, batch_size=5)
    data.setup()
    return data


def test_batches_hold_one_task_and_all_displays_once(data):
    seen = []
    facts = data.facts()
    for batch in data.batches("test"):
        assert len(set(batch["task"].tolist())) == 1
        assert 1 <= len(batch["group"]) <= 5
        for k, condition in enumerate(batch["condition"].tolist()):
            assert facts["condition_task"][condition] == batch["task"][k]
            assert facts["condition_hard"][condition] == batch["is_hard"][k]
            assert facts["condition_human_slope_ms"][condition] == batch["human_slope_ms"][k]
            assert int(batch["set_size"][k]) in facts["set_sizes"][facts["tasks"][batch["task"][k]]]
        display = data.display(int(batch["group"][0]))
        np.testing.assert_array_equal(batch["picture"][0].numpy(), display.picture)
        assert batch["target_cell"][0] == display.target_cell
        assert batch["cell_boxes_px"].dtype == torch.int64 and batch["background"].dtype == torch.uint8
        seen += batch["group"].tolist()
    assert sorted(seen) == data.parts["test"].tolist()
    assert len(seen) == len(design(ASYMMETRY, 2, ["test"])) == 80
    assert len(set(data.items(seen))) == 80


def test_parts_are_unrelated(data):
    assert {len(data.parts[part]) for part in PARTS} == {80}
    one, two = (data.display(int(data.parts[part][0])).picture for part in ("train", "test"))
    assert not np.array_equal(one, two)


def test_training_sees_every_display_once_an_epoch(data):
    for processes in (1, 2):
        steps = data.steps_per_epoch(processes)
        seen = [
            i
            for s in range(steps)
            for r in range(processes)
            for i in data.training_batch(s, r, processes)["group"]
        ]
        assert set(map(int, seen)) == set(data.parts["train"].tolist())
    again = data.training_batch(0)["group"]
    assert again.tolist() == data.training_batch(0)["group"].tolist()
    assert sum(len(batch["group"]) for batch in data.val_dataloader()) == 80


def test_a_batch_of_several_tasks_is_refused(data):
    with pytest.raises(ValueError, match=r"displays of one task and size, got curvature .*, orientation_het"):
        data.batch([0, 79])


def test_absent_targets():
    data = SearchData(tasks=["feature"], displays=1, target_present=False)
    data.setup()
    batch = next(iter(data.batches("test")))
    assert (batch["target_cell"] == -1).all()
    assert batch["human_slope_ms"][0] == pytest.approx(-0.76, abs=0.02)
    data = SearchData(tasks=["t_l"], displays=1, target_present=False)
    data.setup()
    assert data.about()["notes"] == ["people's slopes are unknown (absent targets): t_in_ls, l_in_ts"]
    assert next(iter(data.batches("test")))["human_slope_ms"].isnan().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tasks": ["tl"]}, r"data\.tasks: unknown task 'tl', expected different ones of: curvature"),
        ({"tasks": ["t_l", "t_l"]}, r"data\.tasks: got t_l, t_l, expected different ones of"),
        ({"tasks": []}, "got none"),
        ({"displays": 0}, "data.displays must be at least 1"),
        ({"split": "all"}, "data.split must be one of train, val, test, got 'all'"),
    ],
)
def test_wrong_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        SearchData(**arguments)


def test_facts_are_plain(data):
    import json

    assert json.loads(json.dumps(data.facts())) == data.facts()
    assert json.loads(json.dumps(data.about())) == data.about()
    assert data.about()["name"] == "search_asymmetry"
