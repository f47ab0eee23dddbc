"""The loop: where a searcher may look, when it has found the target, and what counts as a saccade."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gazekit.datasets.search_data import SearchData
from gazekit.datasets.search_displays import draw_display
from gazekit.models.visual_search import Chance, EccNetRow, Template
from gazekit.models.visual_search.search import rt_ms, search_cells, search_pictures


def cells_of(many: int, grid: int, side: int) -> Tensor:
    row, column = torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")
    corner = torch.stack([column, row], -1).flatten(0, 1) * side
    return torch.cat([corner, corner + side], 1).expand(many, -1, -1)


def towards(values: Tensor):
    """A priority that never changes: one value per cell of a 3 x 3 grid with cells of 20 px."""
    return lambda rows, xy, painted: (
        values[rows].view(-1, 3, 3).repeat_interleave(20, 1).repeat_interleave(20, 2)
    )


def test_cells_are_visited_in_the_order_of_their_values_and_never_again() -> None:
    values = torch.tensor([[3.0, 9, 1, 8, 2, 7, 6, 5, 4], [9.0, 8, 7, 6, 5, 4, 3, 2, 1]])
    found = search_cells(
        towards(values), (60, 60), cells_of(2, 3, 20), torch.tensor([8, 0]), torch.tensor([9, 9])
    )
    assert found.saccades.tolist() == [6, 1]
    assert found.found.all()
    assert found.cells[0].tolist() == [1, 3, 5, 6, 7, 8]
    assert found.cells[1].tolist() == [0, -1, -1, -1, -1, -1]
    assert found.xy_px[0, 0].tolist() == [30, 30]
    assert found.xy_px[1, 2:].isnan().all()


def test_what_was_looked_at_is_painted_over_for_those_that_go_on() -> None:
    told = []

    def priority(rows: Tensor, xy: Tensor, painted: tuple[Tensor, Tensor]) -> Tensor:
        told.append((painted[0].tolist(), painted[1].tolist()))
        return towards(torch.tensor([[9.0, 8, 7, 6, 5, 4, 3, 2, 1]] * 2))(rows, xy, painted)

    search_cells(priority, (60, 60), cells_of(2, 3, 20), torch.tensor([0, 1]), torch.tensor([9, 9]))
    assert told == [([], []), ([1], [[0, 0, 20, 20]])]


def test_the_target_is_recognised_from_within_five_pixels() -> None:
    values = torch.zeros(1, 60, 60)
    values[0, 30, 18] = 1  # in cell 3, whose right neighbour is the target
    found = search_cells(
        lambda *_: values, (60, 60), cells_of(1, 3, 20), torch.tensor([4]), torch.tensor([9])
    )
    assert found.saccades.tolist() == [1]
    values = values.roll(-5, 2)
    found = search_cells(
        lambda *_: values, (60, 60), cells_of(1, 3, 20), torch.tensor([4]), torch.tensor([9])
    )
    assert found.saccades.tolist() != [1]


def test_an_absent_target_is_never_found_and_a_spent_budget_counts_as_published() -> None:
    values = torch.arange(9.0)[None].repeat(2, 1)
    absent = search_cells(
        towards(values), (60, 60), cells_of(2, 3, 20), torch.tensor([-1, 8]), torch.tensor([9, 9])
    )
    assert absent.saccades.isnan().tolist() == [True, False]
    assert absent.found.tolist() == [False, True]
    assert sorted(absent.cells[0].tolist()) == list(range(9))
    short = search_cells(
        towards(values), (60, 60), cells_of(2, 3, 20), torch.tensor([0, 8]), torch.tensor([7, 7]), 3
    )
    assert short.saccades.tolist() == [7, 1]
    assert short.found.tolist() == [False, True]


@pytest.mark.parametrize("shape", ("square", "disc"))
def test_pictures_are_searched_without_returning(shape: str) -> None:
    draw = torch.Generator().manual_seed(0)
    values = torch.rand(2, 80, 100, generator=draw)
    box = torch.tensor([[90.0, 5, 96, 11], [torch.nan] * 4])
    found = search_pictures(lambda rows, *_: values[rows], (80, 100), box, 40, 20, shape)
    for path in found.xy_px:
        path = path[path.isfinite().all(1)]
        far = (path[:, None] - path[None]).abs().amax(-1) if shape == "square" else torch.cdist(path, path)
        assert (far + 1e3 * torch.eye(len(path)) > 10).all()
    assert bool(found.found[0]) == bool(found.saccades[0] <= 40)
    assert not found.found[1]
    assert found.saccades[1].isnan()


def test_a_target_at_the_start_takes_no_saccade() -> None:
    box = torch.tensor([[45.0, 35, 60, 50]])
    found = search_pictures(lambda rows, *_: torch.zeros(1, 80, 100), (80, 100), box, 5, 20)
    assert found.saccades.tolist() == [0]


def test_a_target_in_a_picture_is_recognised_where_its_widened_box_begins() -> None:
    box = torch.tensor([[62.5, 30, 70, 50], [62.6, 30, 70, 50], [30.0, 30, 37.5, 50]], dtype=torch.float64)
    found = search_pictures(lambda rows, *_: torch.zeros(len(rows), 80, 100), (80, 100), box, 1, 25)
    assert (found.saccades == 0).tolist() == [
        True,
        False,
        False,
    ]  # the eye starts at 50, and the box is half-open


@pytest.mark.parametrize("batch_size", (1, 3, 6))
def test_a_spent_budget_counts_the_same_whatever_is_in_the_batch(batch_size: int) -> None:
    data = SearchData(tasks=["curvature"], displays=1, batch_size=batch_size)
    data.setup()
    for batch in data.batches("test"):
        said = Template(data.facts(), budget=1).predict(batch, torch.Generator())
        assert (said["fixations"][~said["found"]] == 32).all()
    with pytest.raises(ValueError, match="needs the facts"):
        Template(budget=1).predict(batch, torch.Generator())


@pytest.mark.gpu
def test_a_batch_on_another_device_is_searched_too(squeeze: EccNetRow) -> None:
    batch = lighting().batch([3])
    moved = {name: value.to("cuda") for name, value in batch.items()}
    here, there = (squeeze.predict(one, torch.Generator()) for one in (batch, moved))
    assert here["fixations"].tolist() == there["fixations"].tolist()


def test_reaction_time_is_linear_in_saccades() -> None:
    torch.testing.assert_close(rt_ms(torch.tensor([1.0, 3.0])), torch.tensor([628.63, 1133.348]))


def lighting(**settings) -> SearchData:
    data = SearchData(tasks=["lighting"], displays=1, batch_size=6, **settings)
    data.setup()
    return data


@pytest.mark.parametrize("row", (Chance, Template))
def test_simple_searchers_find_every_target(row: type) -> None:
    data = lighting()
    for batch in data.batches("test"):
        said = row(data.facts()).predict(batch, torch.Generator().manual_seed(1))
        assert said["found"].all()
        assert (said["fixations"] >= 1).all()
        assert (said["fixations"] <= 16).all()
        for path, n in zip(said["visited_cells"], said["fixations"].tolist(), strict=True):
            path = path[path >= 0]
            assert len(path) == n == len(path.unique())


def test_the_template_finds_a_lone_item_at_once() -> None:
    data = lighting()
    batch = next(data.batches("test"))
    said = Template(data.facts()).predict(batch, torch.Generator())
    assert said["fixations"][batch["set_size"] == 1].tolist() == [1.0] * int((batch["set_size"] == 1).sum())


@pytest.fixture(scope="module")
def squeeze() -> EccNetRow:
    facts = lighting().facts()
    return EccNetRow(facts, "squeezenet1_0", "random", stride=16)


def test_eccnet_searches_present_and_absent_targets(squeeze: EccNetRow) -> None:
    for present in (True, False):
        data = lighting(target_present=present)
        said = squeeze.predict(data.batch([1]), torch.Generator())
        assert said["found"].tolist() == [present]
        assert said["cost"].isnan().tolist() == [not present]


def test_eccnet_says_the_same_alone_and_in_a_batch(squeeze: EccNetRow) -> None:
    data = lighting()
    together = squeeze.predict(data.batch([3, 4, 5]), torch.Generator())
    for k, index in enumerate((3, 4, 5)):
        alone = squeeze.predict(data.batch([index]), torch.Generator())
        assert alone["fixations"][0] == together["fixations"][k]


def test_an_empty_display_and_one_item(squeeze: EccNetRow) -> None:
    data = lighting()
    batch = data.batch([0])
    empty = draw_display("lighting_vertical", 0, 0, "test", 0, False)
    batch["picture"], batch["target_cell"] = torch.from_numpy(empty.picture)[None], torch.tensor([-1])
    said = squeeze.predict(batch, torch.Generator())
    assert not said["found"][0]
    assert (said["visited_cells"][0] >= 0).sum() == 16


def test_pictures_of_any_shape_and_targets_that_do_not_fit(squeeze: EccNetRow) -> None:
    draw = torch.Generator().manual_seed(0)
    picture = torch.randint(0, 255, (1, 70, 150, 3), generator=draw, dtype=torch.uint8)
    batch = {
        "picture": picture,
        "target_picture": picture[:, 20:52, 100:140],
        "target_box_px": torch.tensor([[100.0, 20, 140, 52]]),
        "background": torch.full((1, 3), 127, dtype=torch.uint8),
        "group": torch.tensor([0]),
    }
    said = squeeze.predict(batch, torch.Generator())
    assert said["found"].all()
    assert said["paths"][0].shape[1] == 2
    assert said["boxes_xyxy_px"].tolist() == [[68.0, -12, 172, 84]]
    batch["target_picture"] = torch.zeros(1, 80, 20, 3, dtype=torch.uint8)
    with pytest.raises(ValueError, match="target of 20 x 80 px is larger than the picture of 150 x 70 px"):
        squeeze.predict(batch, torch.Generator())


@pytest.mark.parametrize(
    ("settings", "message"),
    (
        ({"stride": 8}, "stride must be 16 or 32"),
        ({"backbone": "vit_tiny"}, "layers must be given for vit_tiny"),
        ({"ior_shape": "star"}, "square or disc"),
        ({"budget": 0}, "at least 1 saccade"),
        ({"weighting": "peaks"}, "weighting must be peak or equal"),
        ({"sharpening": ((4, 1.0), (5, 3.0))}, "sizes of model.sharpening must be odd"),
    ),
)
def test_settings_that_cannot_be(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EccNetRow({}, **settings)
