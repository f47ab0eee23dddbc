"""Search in scenes as the ViSioNS benchmark scores it: oracles for each score, and people of the real sets."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KernelDensity

from gazekit.base import Predictor
from gazekit.base.scores import Comparison, Settings
from gazekit.datasets.records import ScanpathDataset
from gazekit.datasets.scanpath_data import ScanpathData
from gazekit.metrics.functional import multimatch
from gazekit.scanpath import Scanpath, Scanpaths
from gazekit.scanpaths import search_scores
from gazekit.scanpaths.baselines import Uniform
from gazekit.scanpaths.search_maps import SIGMAS_PX, CentreBias, MapGrid, ObjectSpread, gold_standard
from gazekit.scanpaths.search_rows import SceneRows, SceneSettings
from gazekit.scanpaths.search_scenes import SearchSceneComparison
from gazekit.scene import Scene, SceneBatch, Trial

NAN, INF = math.nan, math.inf
GRID = MapGrid((320, 240), 32)
TEST_SUBJECTS = "S103 S107 S108 S111 S116 et_244108 et_533569 et_576470 et_664304_2 et_862513".split()


def paths_in(size, count, length=6, seed=0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.uniform(5, np.array(size) - 5, (length, 2)) for _ in range(count)]


class TestMaps:
    def test_cells_and_gaussians(self) -> None:
        assert GRID.shape == (8, 10)
        assert GRID.cell_of(torch.tensor([[0.0, 0], [33, 0], [319.9, 239.9], [320, 240]])).tolist() == [
            0,
            1,
            79,
            79,
        ]
        x, y = MapGrid((100, 70), 32).edges()
        assert x.tolist() == [0, 32, 64, 96, 100] and y.tolist() == [0, 32, 64, 70]
        path = Scanpaths.of(
            [[[1.0, 1], [100.5, 70.5], [319, 50]]]
        )  # the first and the one on the border do not count
        found = GRID.maps(path, GRID.profiles(20)).view(8, 10)
        mass_x, mass_y = (
            np.diff(stats.norm(at, 20).cdf(edge))
            for at, edge in zip((100.5, 70.5), GRID.edges(), strict=True)
        )
        np.testing.assert_allclose(found, np.outer(mass_y, mass_x), atol=1e-12)

    def test_gold_standard_is_the_density_of_the_others(self) -> None:
        people = paths_in((320, 240), 3)
        found = gold_standard(
            MapGrid((320, 240), 4), Scanpaths.of(people), {30: MapGrid((320, 240), 4).profiles(30)}
        )
        x, y = np.meshgrid(np.arange(2, 320, 4), np.arange(2, 240, 4))
        for k in range(3):
            others = np.concatenate([p[1:] for i, p in enumerate(people) if i != k])
            kde = np.exp(
                KernelDensity(bandwidth=30).fit(others).score_samples(np.stack([x.ravel(), y.ravel()], 1))
            )
            expected = 0.99 * kde / kde.sum() + 0.01 / kde.size
            np.testing.assert_allclose(found[k].exp(), expected, rtol=0.05)  # to 1 px
        assert gold_standard(GRID, Scanpaths.of(people[:1]), {30: GRID.profiles(30)}).isnan().all()

    def test_gold_standard_of_a_person_knows_nothing_of_that_persons_fixations(self) -> None:
        draw = torch.Generator().manual_seed(0)
        people = [torch.rand(6, 2, generator=draw) * torch.tensor(GRID.size_px) for _ in range(5)]
        profiles = {sigma: GRID.profiles(sigma) for sigma in SIGMAS_PX}
        one, two = (
            gold_standard(GRID, Scanpaths.of([own, *people[1:]]), profiles)[0]
            for own in (people[0], 5 + people[0] / 10)
        )  # not even by the width of the Gaussians
        torch.testing.assert_close(one, two)

    def test_centre_bias_leaves_the_image_out(self) -> None:
        left, right = [[[0.0, 0], [40, 120], [50, 110]]], [[[0.0, 0], [280, 120], [290, 110]]]
        bias = CentreBias(GRID, Scanpaths.of(left + right), torch.tensor([4, 9]))
        x = torch.arange(80) % 10
        for image, side in ((4, x > 6), (9, x < 3)):
            density = bias.density(image).exp()
            assert density.sum() == pytest.approx(1) and density[side].sum() > 0.6
        elsewhere = bias.density(5).exp()
        assert elsewhere[x > 6].sum() == pytest.approx(elsewhere[x < 3].sum().item(), abs=0.02)

    def test_centre_bias_needs_other_images(self) -> None:
        one = Scanpaths.of([[[0.0, 0], [40, 120]], [[0.0, 0]]])
        assert CentreBias(GRID, one, torch.tensor([4, 9])).density(4).isnan().all()
        assert CentreBias(GRID, one[:1], torch.tensor([4])).density(9).isfinite().all()

    def test_objects_are_spread_by_the_offsets(self) -> None:
        boxes = [[40, 40, 48, 48], [200, 100, 208, 108]]
        scenes = SceneBatch.from_scenes([Scene("a", (320, 240), boxes)])
        spread = ObjectSpread(
            GRID, torch.tensor([[32.0, 0.0]]).repeat(20, 1)
        )  # one cell to the right of the centre
        found = spread.maps(torch.tensor([[[0.25, 0.75]]]).log(), scenes)[0, 0].exp()
        assert found.sum() == pytest.approx(1)
        assert found.topk(2).indices.tolist() == [3 * 10 + 7, 1 * 10 + 2]
        assert found[37] > 2 * found[12] > 0.2


class TestScores:
    def test_predictions_against_sklearn_and_numpy(self) -> None:
        draw = torch.Generator().manual_seed(0)
        maps = torch.rand(2, 3, 80, generator=draw, dtype=torch.float64)
        maps = (maps / maps.sum(-1, keepdim=True)).log()
        centre = torch.rand(2, 80, generator=draw, dtype=torch.float64)
        centre = (centre / centre.sum(-1, keepdim=True)).log()
        cells = torch.randint(80, (2, 3), generator=draw)
        mask = torch.tensor([[True, True, True], [True, False, False]])
        found = search_scores.prediction_scores(maps, centre, cells, mask)
        assert found[1].isnan().all()  # the first fixation is not predicted
        scores = []
        for t in (1, 2):
            log, cell = maps[0, t].numpy(), int(cells[0, t])
            truth = np.r_[np.ones(1), np.zeros(80)]  # against all cells, itself included
            auc = roc_auc_score(truth, np.r_[log[cell], log])
            z = (np.exp(log[cell]) - np.exp(log).mean()) / np.exp(log).std()
            bits = log / np.log(2)
            scores.append(
                [auc, max(z, 0), bits[cell] - float(centre[0, cell]) / np.log(2), bits[cell] + np.log2(80)]
            )
        np.testing.assert_allclose(found[0], np.mean(scores, 0), rtol=1e-9)
        static = search_scores.prediction_scores(maps[:, 1:2], centre, cells, mask)
        again = search_scores.prediction_scores(maps[:, 1:2].expand(-1, 3, -1), centre, cells, mask)
        torch.testing.assert_close(static, again, equal_nan=True)

    def test_impossible_fixations_cost_bits_but_not_all(self) -> None:
        log = torch.tensor([[[0.0, -INF]]]).double()
        found = search_scores.prediction_scores(
            log,
            torch.full((1, 2), 0.5).double().log(),
            torch.tensor([[0, 1]]),
            torch.ones(1, 2, dtype=torch.bool),
        )
        assert found[0].tolist() == pytest.approx([0.25, 0, -51, -51], abs=0.01)

    def test_when_targets_are_found(self) -> None:
        far, near = [[0, 0], [300, 200]], [[0, 0], [84, 100], [300, 200], [100, 100]]
        box = torch.tensor([[100, 90, 120, 110.0]] * 2)
        steps, cut = search_scores.searched(Scanpaths.of([far, near]), box, 32)
        assert steps.tolist() == [INF, 2]  # 16 px off the box is just near enough
        assert cut.lengths.tolist() == [2, 2]
        found, searches = search_scores.found_counts(steps, torch.tensor([0, 0]), 2, 4, None)
        assert found.tolist() == [[0, 1, 1, 1], [0] * 4] and searches.tolist() == [[2] * 4, [0] * 4]
        area = search_scores.area_interval(found, searches, 50, 0)
        assert area.value == pytest.approx((0.25 + 0.5 + 0.5) / 3)

    def test_numbers_of_saccades_that_were_allowed(self) -> None:
        steps, allowed = torch.tensor([2, INF, 3, 9, 9]), torch.tensor([3, 3, 5, 5, 9])
        found, searches = search_scores.found_counts(steps, torch.tensor([0, 0, 0, 1, 1]), 2, 16, allowed)
        assert searches.tolist() == [[2, 1, 0], [0, 1, 1]] and found.tolist() == [[1, 1, 0], [0, 0, 1]]
        area = search_scores.area_interval(found, searches, 50, 0).value
        assert area == pytest.approx(np.trapezoid([0.5, 0.5, 1], dx=0.5))

    def test_searches_count_up_to_what_they_were_allowed(self) -> None:
        steps, allowed = torch.tensor([2, INF]), torch.tensor([3, 2])
        found, searches = search_scores.found_by_each(steps, torch.tensor([0, 0]), 1, 4, allowed)
        assert found.tolist() == [[0, 1, 1, 0]] and searches.tolist() == [[2, 2, 1, 0]]

    def test_likeness_is_multimatch(self) -> None:
        a, b = paths_in((320, 240), 4), paths_in((320, 240), 2, 4, seed=1)
        image = torch.tensor([0, 0, 0, 1])
        found = search_scores.likeness(Scanpaths.of(a), image, None, None, 3, (320, 240))
        pairs = [multimatch(a[i], a[j], (320, 240))[:4].mean() for i, j in ((0, 1), (0, 2), (1, 2))]
        np.testing.assert_allclose(found, [np.mean(pairs), NAN, NAN])
        found = search_scores.likeness(
            Scanpaths.of(b), torch.tensor([1, 2]), Scanpaths.of(a), image, 3, (320, 240)
        )
        np.testing.assert_allclose(found, [NAN, multimatch(b[0], a[3], (320, 240))[:4].mean(), NAN])

    def test_correlation_is_scipys(self) -> None:
        a, b = np.random.default_rng(0).normal(size=(2, 9))
        a[3] = NAN
        found = search_scores.correlation_interval(torch.tensor(a), torch.tensor(b), 200, 0)
        keep = np.arange(9) != 3
        assert found.value == pytest.approx(stats.pearsonr(a[keep], b[keep]).statistic)
        assert found.low < found.value < found.high
        assert search_scores.correlation_interval(torch.zeros(2), torch.zeros(2), 5, 0).value.isnan()


class Maps(Predictor):
    """Says where people look next, and searches at random; `wrong` gives another number of rows."""

    def __init__(self, wrong: bool = False) -> None:
        super().__init__()
        self.wrong = wrong

    def positions_px(self, batch, generator, samples):
        size = batch.scenes.size_px[batch.scene_of_trial]
        return [torch.rand(9, 2, generator=generator) * s for s in size for _ in range(samples)]

    def next_fixation_maps(self, batch):
        rows, columns = (9 if self.wrong else 8), 10
        cells = GRID.cell_of(batch.xy_px)
        maps = torch.full((*batch.mask.shape, rows * columns), 0.1 / 79)
        return maps.scatter(2, cells[..., None], 0.9).log().unflatten(2, (rows, columns))


@pytest.fixture
def data() -> ScanpathData:
    """Four scenes with four objects, five people on each."""
    rng = np.random.default_rng(0)
    scenes, trials = [], []
    for k in range(4):
        corner = rng.uniform(20, 180, (4, 2))
        boxes = np.concatenate([corner, corner + 40], 1)
        scenes.append(Scene(f"s{k}", (320, 240), boxes, 1, attributes={"memory": 1 + k % 2}))
        for person in "abcde":
            xy = np.concatenate([rng.uniform(10, 230, (5, 2)), boxes[1:2, :2] + 20])
            trials.append(Trial(k, Scanpath(xy, observer=person), rng.integers(0, 4, 6)))
    data = ScanpathData("toy", split="all", batch_size=3)
    data.use(ScanpathDataset("toy", tuple(scenes), tuple(trials)))
    return data


class TestComparison:
    def test_rows(self, data) -> None:
        comparison = SearchSceneComparison(32, 8)
        assert isinstance(comparison, Comparison)
        rows = {"oracle": Maps(), "objects": Uniform({"max_fixations": 9}), "silent": Predictor()}
        told = []
        found = comparison.scores(rows, data, Settings(2, 50), lambda name, share: told.append(share))
        assert list(found.table) == ["people", "gold standard", "centre bias", "uniform", "oracle", "objects"]
        assert told[-1] == 1
        people, oracle, uniform = (found.table[row] for row in ("people", "oracle", "uniform"))
        assert set(people) == {"AUCperf", "AvgMM"} and set(oracle) == {
            "AvgMM",
            "Corr",
            "AUCperf",
            *search_scores.PREDICTION,
        }
        assert people["AUCperf"].value < 1 and people["AvgMM"].n == 4
        assert oracle["AUChsp"].value == pytest.approx(1 - 0.5 / 80)
        assert oracle["LLhsp"].value == pytest.approx(math.log2(0.9 * 80))
        assert [uniform[k].value for k in ("AUChsp", "NSShsp", "LLhsp")] == pytest.approx([0.5, 0, 0])
        centre = found.table["centre bias"]
        assert centre["IGhsp"].value == 0 and uniform["IGhsp"].value == pytest.approx(-centre["LLhsp"].value)
        gain = oracle["LLhsp"].value - centre["LLhsp"].value
        assert oracle["IGhsp"].value == pytest.approx(gain)
        assert 0.5 < found.table["objects"]["AUChsp"].value < 1
        assert found.higher_is_better["AUCperf"] is None and found.higher_is_better["LLhsp"]

    def test_a_lone_target_says_nothing_about_objects(self, data) -> None:
        scenes = tuple(replace(s, boxes_px=s.boxes_px[1:2], target=0) for s in data.dataset.scenes)
        trials = tuple(replace(t, objects=np.zeros(6, int)) for t in data.dataset.trials)
        data.use(replace(data.dataset, scenes=scenes, trials=trials))
        rows = {"objects": Uniform({"max_fixations": 9})}
        found = SearchSceneComparison(32, 8).scores(rows, data, Settings(1, 20), lambda *_: None)
        assert "rows over objects (objects) say nothing" in found.notes[-1]
        assert found.table["objects"]["AUCperf"].value == 1

    def test_curves(self, data) -> None:
        found = SearchSceneComparison(32, 8).curves(
            {"a": Maps(), "silent": Predictor()}, data, Settings(2, 50)
        )
        assert list(found) == ["people", "a"]
        assert found["people"]["found"][-1] == 1 and len(found["a"]["low"]) == 8
        assert found["people"]["found"] == sorted(found["people"]["found"])

    def test_groups_of_scenes(self, data) -> None:
        found = SearchSceneComparison(32, 8, by="memory").scores({}, data, Settings(1, 20), lambda *_: None)
        assert set(found.table["people"]) == {f"{m}.memory {k}" for m in ("AUCperf", "AvgMM") for k in (1, 2)}
        assert found.table["people"]["AvgMM.memory 2"].n == 2
        with pytest.raises(ValueError, match="scene 's0' has no attribute 'colour'"):
            SearchSceneComparison(32, 8, by="colour").scores({}, data, Settings(1, 20), lambda *_: None)

    def test_wrong_input_is_named(self, data) -> None:
        with pytest.raises(
            ValueError, match=r"\[trials, fixations, rows, columns\] = \[3, 6, 8, 10\] with cells of 32 px"
        ):
            SearchSceneComparison(32, 8).scores({"a": Maps(True)}, data, Settings(1, 20), lambda *_: None)
        with pytest.raises(ValueError, match="most_fixations at least 2, got 32, 0 and 8"):
            SearchSceneComparison(32, 8, cell_px=0)
        scenes = (replace(data.dataset.scenes[0], target=None), *data.dataset.scenes[1:])
        data.use(replace(data.dataset, scenes=scenes))
        with pytest.raises(ValueError, match="toy has scenes without a target"):
            SearchSceneComparison(32, 8).scores({}, data, Settings(1, 20), lambda *_: None)


class TestPublishedPeople:
    """The whole sets give .424 and .851 for Interiors; a fifth of the images is kept back here."""

    @pytest.mark.slow
    def test_interiors(self, shared_data) -> None:
        data = ScanpathData("interiors_search", shared_data / "interiors_search", split="all")
        data.setup()
        rows = SceneRows(SceneSettings(32, 16, 32, None), data, Settings(1, 200))
        people = rows.people_row()
        assert people["AUCperf"].value == pytest.approx(0.4371, abs=1e-3)
        assert people["AUCperf"].low < 0.424 < people["AUCperf"].high
        assert people["AvgMM"].value == pytest.approx(0.8533, abs=1e-3)
        assert people["AvgMM"].low < 0.851 < people["AvgMM"].high

    def test_hybrid_search(self, shared_data) -> None:
        data = ScanpathData("hsem_hybrid_search", shared_data / "hsem_hybrid_search", split="all")
        data.setup()
        keep = [t for t in data.dataset.trials if t.scanpath.observer in TEST_SUBJECTS]
        data.use(replace(data.dataset, trials=tuple(keep)))
        people = SceneRows(SceneSettings(68, 25, 32, "memory_set_size"), data, Settings(1, 200)).people_row()
        for size, area, alike in ((1, 0.611, 0.844), (2, 0.580, 0.835), (4, 0.420, 0.834)):
            name = f"memory_set_size {size}"
            assert people[f"AUCperf.{name}"].value == pytest.approx(area, abs=0.025)
            assert people[f"AvgMM.{name}"].value == pytest.approx(alike, abs=0.004)
