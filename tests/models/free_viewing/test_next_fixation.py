import torch

from gazekit.foveation import Grid
from gazekit.models.free_viewing.net import History, NextFixation, Seen
from gazekit.models.free_viewing.reduction import Reduction
from gazekit.models.free_viewing.tables import ANGULAR, RADIAL, Displacements
from gazekit.scanpaths.walk import LAGS

GRID = Grid((70, 50), 10)
CELLS = len(GRID)


def member(seed: int = 0) -> NextFixation:
    torch.manual_seed(seed)
    net = NextFixation(6, hidden=5, dropout=0.0).double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return net


def some_history(n: int = 7, seed: int = 1) -> History:
    draw = torch.Generator().manual_seed(seed)
    cell = torch.randint(0, CELLS, (n, LAGS), generator=draw)
    step = torch.arange(n)
    cell[torch.arange(LAGS) > step[:, None]] = -1
    return History(torch.randint(0, 2, (n,), generator=draw), cell, step)


def test_a_window_of_a_table_is_the_function_of_the_displacement():
    tables = Displacements.of(GRID)
    x, y = GRID.centres_px.double().unbind(1)
    side = torch.arange(-(GRID.columns - 1), GRID.columns).double() * 10
    down = torch.arange(-(GRID.rows - 1), GRID.rows).double()[:, None] * 10
    table = (side + 1000 * down).flatten()[None]
    cell = torch.tensor([0, 9, 34])
    found = tables.around(table, cell)[0]
    torch.testing.assert_close(found, (x - x[cell, None]) + 1000 * (y - y[cell, None]))


def test_gradients_of_windows():
    tables = Displacements.of(GRID)
    table = torch.randn(3, tables.radial.shape[1], dtype=torch.float64, requires_grad=True)
    cell = torch.tensor([0, 9, 9, 34])
    assert torch.autograd.gradcheck(lambda t: tables.around(t, cell), (table,))


def test_directions_and_lengths_of_displacements():
    tables = Displacements.of(GRID)
    assert tables.radial.shape[0] == RADIAL and tables.angular.shape[0] == ANGULAR
    right, still = 4 * 13 + 6 + 3, 4 * 13 + 6  # rows of 13 displacements; (0, 0) is in the middle
    torch.testing.assert_close(tables.angular[:, right], torch.tensor([1.0, 1, 1, 1, 0]))
    torch.testing.assert_close(tables.angular[:, still], torch.tensor([1.0, 0, 0, 0, 0]))


def test_probabilities_sum_to_one_and_ignore_what_is_not_theirs():
    net, history = member(), some_history()
    features = torch.randn(2, 6, CELLS, dtype=torch.float64)
    seen, centre = net.see(features, GRID), torch.randn(CELLS, dtype=torch.float64)
    log = net(seen, history, centre, GRID)
    torch.testing.assert_close(log.exp().sum(1), torch.ones(7).double())
    for k in range(7):  # rows do not depend on one another
        alone = net(seen, history.select(torch.tensor([k])), centre, GRID)
        torch.testing.assert_close(alone[0], log[k])
    other = Seen(seen.priority.flip(0), seen.content.flip(0))
    turned = net(other, History(1 - history.row, history.cell, history.step), centre, GRID)
    torch.testing.assert_close(turned, log)


def test_each_earlier_fixation_matters_and_missing_ones_do_not():
    net = member()
    seen = net.see(torch.randn(1, 6, CELLS, dtype=torch.float64), GRID)
    centre, row = torch.zeros(CELLS).double(), torch.tensor([0])
    base = torch.tensor([[3, 12, 20, 31]])
    log = net(seen, History(row, base, torch.tensor([6])), centre, GRID)
    for lag in range(LAGS):
        moved = base.clone()
        moved[0, lag] += 1
        assert (net(seen, History(row, moved, torch.tensor([6])), centre, GRID) - log).abs().max() > 1e-3
    none = torch.tensor([[3, 12, -1, -1]])
    gone = net(seen, History(row, none, torch.tensor([1])), centre, GRID)
    with torch.no_grad():
        net.earlier[1:] += 5
    torch.testing.assert_close(net(seen, History(row, none, torch.tensor([1])), centre, GRID), gone)


def test_a_turn_is_seen_whatever_the_direction_of_the_picture():
    net = member()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name != "turn":
                parameter.zero_()
    grid = Grid((90, 90), 10)
    seen = Seen(torch.zeros(1, 81).double(), torch.zeros(1, 8, 81).double())
    centre, row, step = torch.zeros(81).double(), torch.tensor([0]), torch.tensor([5])
    middle = 4 * 9 + 4
    from_left = net(seen, History(row, torch.tensor([[middle, middle - 2, -1, -1]]), step), centre, grid)
    from_above = net(seen, History(row, torch.tensor([[middle, middle - 18, -1, -1]]), step), centre, grid)
    turned = from_left.view(9, 9).T.flatten()  # right becomes down
    torch.testing.assert_close(from_above[0], turned)


def test_components_are_those_of_the_largest_variance():
    torch.manual_seed(0)
    source = torch.randn(4, 2, 50)
    maps = torch.cat([source, source[:, :1] * 3 + 0.01 * torch.randn(4, 1, 50)], 1) + 5
    reduction = Reduction(3, 2)
    reduction.fit(maps)
    found = reduction(maps)
    assert found.shape == (4, 2, 50)
    flat = found.transpose(0, 1).flatten(1)
    assert flat.mean(1).abs().max() < 1e-3 and abs(torch.corrcoef(flat)[0, 1]) < 0.05
    shared = torch.corrcoef(torch.stack([flat[0], maps[:, 2].flatten()]))[0, 1].abs()
    assert shared > 0.99 and flat[0].var() > flat[1].var()


def test_more_components_than_channels_are_zero():
    reduction = Reduction(2, 4)
    reduction.fit(torch.randn(3, 2, 20))
    assert (reduction(torch.randn(1, 2, 5))[:, 2:] == 0).all()
