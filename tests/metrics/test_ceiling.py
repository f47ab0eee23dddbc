"""Ceilings and baselines: against plain loops, and where the answer is known."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

import gazekit.metrics
from gazekit.metrics import (
    INFO,
    KLD,
    NSS,
    CohenKappa,
    Dice,
    Hausdorff,
    MapInformationGain,
    MultiMatch,
    ShuffledAUC,
)
from gazekit.metrics.ceiling import (
    ModelScanpaths,
    People,
    human_ceiling,
    missing_inputs,
    predictors,
    rater_ceiling,
)
from gazekit.metrics.ceiling.maps import CentreMaps, Grid, predicted_maps
from gazekit.metrics.functional import dice, hausdorff_px
from gazekit.scanpath import Scanpaths

SIZES = {"a.png": (90, 60), "b.png": (60, 80), "c.png": (90, 60)}
ROWS = ("people, leave one out", "people, split half", "other images", "chance")


def some_people(seed: int = 0, observers: int = 4) -> People:
    draw = np.random.default_rng(seed)
    paths, image, observer = [], [], []
    for name, size in SIZES.items():
        for who in range(observers):
            n = draw.integers(1, 7)
            paths.append(np.column_stack([draw.uniform(0, size, (n, 2)), draw.uniform(80, 400, n)]))
            image.append(name)
            observer.append(f"person {who}")
    return People(paths, image, observer, SIZES)


def test_leave_one_out_equals_a_loop() -> None:
    people = some_people()
    values = []
    for i in range(len(people)):
        others = [j for j in range(len(people)) if people.image[j] == people.image[i] and j != i]
        pair = [hausdorff_px(people.scanpaths[j], people.scanpaths[i]) for j in others]
        values.append(torch.stack(pair).mean())
    found = human_ceiling(people, {"h": Hausdorff()}, n_resamples=50).rows["people, leave one out"]["h"]
    assert found.value == pytest.approx(torch.stack(values).mean().item(), abs=1e-9)
    assert (found.n, found.undefined) == (len(people), 0)
    assert found.low <= found.value <= found.high


def test_maps_equal_a_loop_over_fixations() -> None:
    people, grid = some_people(), Grid(sigma_px=8.0, cell_px=2.0)

    def density(paths, size, stretch=None) -> torch.Tensor:
        xs, ys = (torch.arange(math.ceil(length / 2)).double() * 2 + 1 for length in size)
        total = torch.zeros(len(ys), len(xs), dtype=torch.float64)
        for path, scale in paths:
            for x, y in path.xy_px[path.mask] * torch.tensor(scale).double():
                for mx in (x, -x, 2 * size[0] - x):
                    for my in (y, -y, 2 * size[1] - y):
                        total += torch.exp(-((ys[:, None] - my) ** 2 + (xs - mx) ** 2) / 128)
        return 0.99 * total / total.sum() + 0.01 / total.numel()  # some of the uniform density is mixed in

    seen = []
    for rows, found, cell_px in predicted_maps(people, predictors.leave_one_out(people), grid):
        assert cell_px == 2
        for row, one in zip(rows.tolist(), found, strict=True):
            image = people.image[row]
            others = [j for j in range(len(people)) if people.image[j] == image and j != row]
            wanted = density([(people.scanpaths[j], (1.0, 1.0)) for j in others], SIZES[image])
            torch.testing.assert_close(one, wanted, rtol=0, atol=1e-12)
            seen.append(row)
    assert sorted(seen) == list(range(len(people)))
    for rows, found, _ in CentreMaps(people).blocks(grid):
        image = people.image[rows[0]]
        size = np.array(SIZES[image])
        others = [j for j in range(len(people)) if people.image[j] != image]
        lattice = [
            np.floor(people.scanpaths[j].xy_px.numpy() / SIZES[people.image[j]] * 512) + 0.5 for j in others
        ]
        binned = [Scanpaths.of(at / 512 * size) for at in lattice]
        masked = [Scanpaths(b.xy_px, people.scanpaths[j].mask) for b, j in zip(binned, others, strict=True)]
        wanted = density([(path, (1.0, 1.0)) for path in masked], size.tolist())
        torch.testing.assert_close(found, wanted.expand_as(found), rtol=0, atol=1e-12)
        exact = density([(people.scanpaths[j], size / SIZES[people.image[j]]) for j in others], size.tolist())
        torch.testing.assert_close(found[0], exact, rtol=0, atol=0.02 * exact.max().item())


def test_people_who_all_do_the_same() -> None:
    path = np.array([[10.0, 10, 100], [50, 30, 300], [30, 50, 200], [70, 20, 100]])
    image = np.repeat(["a", "b", "c"], 3)
    shift = {"a": 0, "b": 4, "c": 9}
    people = People(
        [path + np.array([shift[i], 0, 0]) for i in image], image, np.tile([1, 2, 3], 3), (90, 60)
    )
    found = human_ceiling(people, {"h": Hausdorff(), "mm": MultiMatch()}, n_resamples=20)
    for row in ROWS[:2]:
        assert found.rows[row]["h"].value == 0
        assert all(found.rows[row][c].value == 1 for c in found.columns if c.startswith("mm."))
    assert 4 <= found.rows["other images"]["h"].value <= 9
    assert found.rows["chance"]["h"].value > 9
    assert found.columns == ["h", "mm.vector", "mm.direction", "mm.length", "mm.position", "mm.duration"]


def test_uniform_lookers_are_at_chance() -> None:
    draw = np.random.default_rng(1)
    image, observer = np.repeat(np.arange(30), 8), np.tile(np.arange(8), 30)
    people = People([draw.uniform(0, (120, 90), (10, 2)) for _ in image], image, observer, (120, 90))
    rows = human_ceiling(people, {"nss": NSS(), "h": Hausdorff()}, sigma_px=10, n_resamples=200).rows
    for row in ROWS:
        assert abs(rows[row]["nss"].value) < 0.08
        assert rows[row]["h"].value == pytest.approx(rows["chance"]["h"].value, rel=0.05)


def test_models_stand_beside_people() -> None:
    people = some_people(3)
    copies = ModelScanpaths(people.scanpaths, people.image)  # knows everybody, the person scored included
    flat = {name: torch.rand(height, width) for name, (width, height) in SIZES.items()}
    found = human_ceiling(
        people,
        {"h": Hausdorff(), "nss": NSS()},
        {"copies": copies, "noise": flat},
        sigma_px=8,
        n_resamples=20,
    )
    assert list(found.rows) == ["copies", "noise", *ROWS]
    assert found.rows["copies"]["h"].value < found.rows["people, leave one out"]["h"].value
    assert found.rows["copies"]["nss"].value > found.rows["people, leave one out"]["nss"].value
    assert math.isnan(found.rows["noise"]["h"].value)
    assert found.rows["noise"]["h"].undefined == len(people)
    assert abs(found.rows["noise"]["nss"].value) < 1
    text = str(found)
    assert "| undefined" in text
    assert f"no value of h: {len(people)} of {len(people)} scanpaths (noise)" in text
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert record["rows"]["noise"]["h"]["value"] is None
    assert record["sigma_px"] == 8


def test_a_person_alone_is_counted() -> None:
    paths = [np.ones((3, 2)) * k for k in range(1, 4)]
    people = People(paths, ["a", "a", "b"], [1, 2, 1], (10, 10))
    found = human_ceiling(people, {"h": Hausdorff(), "nss": NSS()}, sigma_px=2, n_resamples=20)
    for row in ROWS[:2]:
        for column in found.columns:
            assert (found.rows[row][column].n, found.rows[row][column].undefined) == (2, 1)
    alone = human_ceiling(People(paths[:1], ["a"], [1], (10, 10)), {"h": Hausdorff()}, n_resamples=20)
    assert [math.isnan(alone.rows[row]["h"].value) for row in ROWS] == [True, True, True, False]


def test_seeds_units_and_progress() -> None:
    people, told = some_people(5), []
    metric = {"h": Hausdorff()}
    first = human_ceiling(
        people, metric, n_resamples=50, progress=lambda row, share: told.append((row, share))
    )
    assert str(human_ceiling(people, metric, n_resamples=50)) == str(first)
    assert str(human_ceiling(people, metric, n_resamples=50, seed=1)) != str(first)
    assert {row for row, _ in told} == set(ROWS)
    assert all(max(share for r, share in told if r == row) == 1 for row in ROWS)
    by_observer = human_ceiling(people, metric, n_resamples=50, unit="observer").rows[ROWS[0]]["h"]
    by_image = first.rows[ROWS[0]]["h"]
    assert by_observer.value == pytest.approx(by_image.value, abs=1e-9)
    assert by_observer.low != by_image.low


def test_fixations_off_the_picture_tell_nothing() -> None:
    off, inside = [[-20.0, 30.0]], [[20.0, 30.0], [70.0, 50.0]]
    people = People([off + inside, inside, [*inside, [95.0, 10.0]]], ["a"] * 3, [1, 2, 3], (90, 60))
    clean = People([inside] * 3, ["a"] * 3, [1, 2, 3], (90, 60))
    metric = {"nss": NSS(on_outside="drop")}
    found, wanted = (
        human_ceiling(p, metric, sigma_px=6, n_resamples=5).rows[ROWS[0]]["nss"] for p in (people, clean)
    )
    assert found.value == pytest.approx(wanted.value, abs=1e-9)


def test_without_other_pictures_there_is_no_centre_bias() -> None:
    draw = np.random.default_rng(0)
    paths = [draw.uniform(0, 60, (6, 2)) for _ in range(4)]
    metrics = {"nss": NSS(), "h": Hausdorff()}
    one_image = People(paths, ["a"] * 4, range(4), (60, 60))
    two_tasks = People(
        paths, ["find a cup", "find a cup", "find a pen", "find a pen"], [1, 2, 1, 2], (60, 60), ["p"] * 4
    )
    for people in (one_image, two_tasks):
        row = human_ceiling(people, metrics, sigma_px=6, n_resamples=5).rows["other images"]
        assert [math.isnan(row[c].value) for c in row] == [True, True]
        assert [row[c].undefined for c in row] == [4, 4]


def test_one_picture_has_no_baseline_to_gain_on() -> None:
    people = People([[[1, 2], [5, 5]], [[3, 4]], [[7, 7]]], ["a"] * 3, ["x", "y", "z"], (9, 9))
    found = human_ceiling(people, {"ig": MapInformationGain(), "nss": NSS()}, sigma_px=2, n_resamples=10)
    assert found.rows["people, leave one out"]["ig"][3:5] == (0, 3)
    assert found.rows["people, leave one out"]["nss"][3:5] == (3, 0)
    with pytest.raises(TypeError, match="metrics must be a mapping from name to metric, got list"):
        human_ceiling(people, [NSS()], sigma_px=2)


def test_tasks_on_one_picture_do_not_predict_one_another() -> None:
    """Each picture has a hot spot of its own: whoever uses the same picture would hit it."""
    draw = np.random.default_rng(0)
    paths, image, picture, observer = [], [], [], []
    for k in range(6):
        spot = draw.uniform(20, 180, 2)
        for task, who in np.ndindex(2, 3):
            paths.append((spot + draw.normal(0, 3, (5, 2))).clip(0, 199))
            image.append(f"{k}, task {task}")
            picture.append(k)
            observer.append(who)
    people = People(paths, image, observer, (200, 200), picture)
    row = human_ceiling(people, {"nss": NSS(), "auc": ShuffledAUC()}, sigma_px=8, n_resamples=20).rows
    assert row["other images"]["nss"].value < 0.5
    assert row[ROWS[0]]["nss"].value > 3


def test_blocks_of_maps_are_bounded(monkeypatch) -> None:
    people = some_people(4, observers=7)
    flat = {name: torch.rand(height, width) for name, (width, height) in SIZES.items()}
    metrics = {"nss": NSS(), "ig": MapInformationGain(), "kld": KLD()}
    model = {"m": {name: m / m.sum() for name, m in flat.items()}}
    whole = human_ceiling(people, metrics, model, sigma_px=8, n_resamples=5)
    monkeypatch.setattr("gazekit.metrics.ceiling.maps._CHUNK_BYTES", 8 * 3000)  # less than a map
    for row, scores in human_ceiling(people, metrics, model, sigma_px=8, n_resamples=5).rows.items():
        for column, score in scores.items():
            assert score.value == pytest.approx(whole.rows[row][column].value, abs=1e-9)


def test_baselines_never_use_the_own_image() -> None:
    people = some_people(7)
    draw = torch.Generator().manual_seed(0)
    source = predictors.from_other_groups(
        people.image_row, torch.arange(len(people)).repeat_interleave(500), draw
    )
    image = people.image_row[torch.arange(len(people)).repeat_interleave(500)]
    assert (people.image_row[source] != image).all()
    for row in range(len(people)):  # and all others
        drawn = set(source[row * 500 : (row + 1) * 500].tolist())
        assert drawn == {j for j in range(len(people)) if people.image_row[j] != people.image_row[row]}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: human_ceiling(p, {}), ValueError, "metrics is empty"),
        (lambda p: human_ceiling(p, {"nss": NSS()}), ValueError, "'nss' takes maps: sigma_px"),
        (lambda p: human_ceiling(p, {"f": hausdorff_px}), TypeError, "'f' must be an ItemMetric"),
        (lambda p: human_ceiling(p, {"h": Hausdorff()}, unit="pixel"), ValueError, "unit must be"),
        (lambda p: human_ceiling(p, {"h": Hausdorff()}, splits=0), ValueError, "splits must be at least 1"),
        (lambda p: human_ceiling(p, {"nss": NSS()}, sigma_px=-3), ValueError, "sigma_px must be above 0"),
        (
            lambda p: human_ceiling(p, {"h": Hausdorff()}, {"chance": ModelScanpaths(p.scanpaths, p.image)}),
            ValueError,
            "a model is named 'chance'",
        ),
        (
            lambda p: People([[[1, 2]]] * 2, ["a", "a"], [1, 2], (9, 9), ["p", "q"]),
            ValueError,
            "expected one picture per image",
        ),
        (
            lambda p: human_ceiling(p, {"h": Hausdorff()}, {"m": ModelScanpaths([[[1, 2]]], ["a.png"])}),
            ValueError,
            "model 'm' has no scanpath for 2 of 3 images: 'b.png', 'c.png'",
        ),
        (
            lambda p: human_ceiling(p, {"h": Hausdorff()}, {"m": dict.fromkeys(SIZES, torch.zeros(60, 90))}),
            ValueError,
            r"map of image 'b.png' must have the shape .* \(80, 60\), got \(60, 90\)",
        ),
        (lambda p: People([[[1, 2]]] * 2, ["a", "a"], [1, 1], (9, 9)), ValueError, "has 2 scanpaths on image 'a'"),
        (lambda p: People([[[1, 2]]] * 2, ["a"], [1, 1], (9, 9)), ValueError, "image must name one for each"),
        (lambda p: People([[[1, 2]]], ["a"], [1], {"b": (9, 9)}), ValueError, "size_px lacks image 'a'"),
        (lambda p: ModelScanpaths([[[1, 2]]], ["a", "b"]), ValueError, "have 2 images"),
    ],
)  # fmt: skip
def test_wrong_input_is_named(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call(some_people())


def test_every_metric_of_scanpaths_and_maps_can_be_measured() -> None:
    people = some_people(2)
    numbers = {"radius_px": 10.0, "centres_px": torch.rand(6, 2) * 60}
    facts = {key: dict.fromkeys(SIZES, value) for key, value in numbers.items()}
    facts["label_map"] = {name: torch.randint(4, (size[1], size[0])) for name, size in SIZES.items()}
    people = People(people.scanpaths, people.image, people.observer, SIZES, facts=facts)
    metrics = {}
    for name, info in INFO.items():
        metric = getattr(gazekit.metrics, info.class_name)
        if missing_inputs(metric, facts) == []:
            metrics[name] = metric(k=1) if name == "time_delay_embedding_px" else metric()
    assert len(metrics) >= 28
    found = human_ceiling(people, metrics, sigma_px=8, n_resamples=5)
    for row, scores in found.rows.items():
        for column, score in scores.items():
            name = column.partition(".")[0]
            assert math.isfinite(score.value) or name == "euclidean_px", (row, column)  # equal lengths only
    assert (
        found.rows["chance"]["map_information_gain_bits"].value
        < found.rows[ROWS[0]]["map_information_gain_bits"].value + 9
    )


def test_raters() -> None:
    """Masks of discs: the closer two raters' discs, the higher their Dice."""
    y, x = np.mgrid[:40, :40]
    draw = np.random.default_rng(0)
    centre = np.repeat(draw.uniform(10, 30, (12, 2)), 3, axis=0) + draw.normal(0, 1, (36, 2))
    masks = torch.as_tensor(((x - centre[:, :1, None]) ** 2 + (y - centre[:, 1:, None]) ** 2) < 49)
    item, rater = np.repeat(np.arange(12), 3), np.tile(list("abc"), 12)
    found = rater_ceiling(masks, item, rater, {"dice": Dice()}, {"copy": masks}, n_resamples=50)
    assert found.rows["copy"]["dice"].value == 1
    assert 0.75 < found.rows["raters, leave one out"]["dice"].value < 0.95
    assert found.rows["other items"]["dice"].value < 0.5
    pairs = [dice(masks[i], masks[j]) for i in range(36) for j in range(36) if i != j and item[i] == item[j]]
    wanted = torch.stack(pairs).mean().item()
    assert found.rows["raters, leave one out"]["dice"].value == pytest.approx(wanted, abs=1e-12)
    with pytest.raises(TypeError, match="does not compare two annotations"):
        rater_ceiling(masks, item, rater, {"kappa": CohenKappa(2)})
    with pytest.raises(ValueError, match="has 2 predictions for 36 annotations"):
        rater_ceiling(masks, item, rater, {"dice": Dice()}, {"short": masks[:2]})
