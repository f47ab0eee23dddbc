import pytest
import torch
from toys import one_row_a_trial, random_batch

from gazekit.datasets.synthetic_search import SimulatedObserver
from gazekit.models.oat import OATNet
from gazekit.scanpaths.baselines import Marginal, Pairwise, Uniform
from gazekit.scanpaths.model import ScanpathModel, masked_log_softmax, sample
from gazekit.scanpaths.relations import RelationState
from gazekit.scene import SceneBatch

MODELS = {
    "uniform": Uniform,
    "marginal": Marginal,
    "pairwise": Pairwise,
    "oat": lambda: OATNet(width=24, hidden=16, heads=2, relation_bias=8),
}


class Script:
    """Looks at the objects of a script one after the other, then stops; certain of itself."""

    def __init__(self, *objects: int) -> None:
        self.objects = objects

    def log_prob(self, batch):
        raise NotImplementedError

    def begin(self, scenes, n):
        return RelationState.begin(scenes, n)

    def next_log_prob(self, state):
        b, n, n_objects = state.visits.shape
        choice = self.objects[state.step] if state.step < len(self.objects) else n_objects
        return torch.full((b, n, n_objects + 1), -torch.inf).index_fill_(2, torch.tensor([choice]), 0.0)

    def advance(self, state, chosen):
        return state.advance(chosen)


@pytest.fixture(params=MODELS)
def model(request):
    torch.manual_seed(0)
    model = MODELS[request.param]().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.fixture
def scenes() -> SceneBatch:
    return random_batch().scenes


def draw(model, scenes, n=3, max_fixations=12, seed=0, **options):
    return sample(model, scenes, n, max_fixations, torch.Generator().manual_seed(seed), **options)


def test_every_model_satisfies_the_protocol(model):
    assert isinstance(model, ScanpathModel)
    assert isinstance(SimulatedObserver(), ScanpathModel)


def test_a_script_is_followed(scenes):
    paths = sample(Script(2, 0, 0), scenes, n=2, max_fixations=9)
    assert paths.mask.shape == (3, 2, 3)
    assert [p.tolist() for p in paths.to_list()] == [[2, 0, 0]] * 6


@pytest.mark.parametrize("max_fixations", [1, 2, 3, 4])
def test_cut_at_max_fixations(scenes, max_fixations):
    for path in sample(Script(2, 0, 0), scenes, 1, max_fixations).to_list():
        assert path.tolist() == [2, 0, 0][:max_fixations]


def test_seed_decides(model, scenes):
    one, same, other = draw(model, scenes), draw(model, scenes), draw(model, scenes, seed=1)
    assert torch.equal(one.values, same.values)
    assert torch.equal(one.mask, same.mask)
    assert one.values.shape != other.values.shape or not torch.equal(one.values, other.values)


def test_scanpaths_are_valid(model, scenes):
    paths = draw(model, scenes, n=20)
    lengths = paths.lengths
    assert lengths.min() >= 1  # nobody stops before the first fixation
    assert lengths.max() == paths.values.shape[-1] <= 12
    allowed = scenes.object_mask[:, None].expand(-1, 20, -1).gather(2, paths.values)
    assert allowed[paths.mask].all()  # no padded object
    assert (paths.values[~paths.mask] == 0).all()
    assert (paths.mask.int().diff(dim=-1) <= 0).all()


def test_greedy_takes_the_most_probable_and_needs_no_seed(model, scenes):
    paths = sample(model, scenes, 2, 6, greedy=True)
    torch.testing.assert_close(paths.values[:, 0], paths.values[:, 1])
    stop = scenes.object_mask.shape[1]
    state = model.begin(scenes, 1)
    going = torch.ones(len(scenes), dtype=torch.bool)
    for t in range(paths.values.shape[-1]):
        with torch.no_grad():
            best = model.next_log_prob(state)[:, 0].argmax(-1)
        going &= best != stop
        assert torch.equal(paths.mask[:, 0, t], going)
        assert torch.equal(paths.values[going, 0, t], best[going])
        state = model.advance(state, best.where(going, stop)[:, None])


def test_a_batch_of_scenes_equals_single_scenes(model, scenes):
    together = sample(model, scenes, 1, 8, greedy=True).to_list()
    for i, path in enumerate(together):
        (alone,) = sample(model, scenes[torch.tensor([i])], 1, 8, greedy=True).to_list()
        assert path.tolist() == alone.tolist()


def test_rows_that_go_on_do_not_notice_those_that_left(scenes):
    """Scene 0 stops after one fixation and leaves; the others' objects must land in the others' rows."""

    class OwnTarget(Script):
        def next_log_prob(self, state):
            b, n, n_objects = state.visits.shape
            wanted = state.scenes.target.clone()
            wanted[(wanted == 2) & (state.step > 0)] = n_objects  # the scene with target 2 is scene 0
            wanted[torch.full_like(wanted, state.step) >= 3] = n_objects
            out = torch.full((b, n, n_objects + 1), -torch.inf)
            return out.scatter_(2, wanted[:, None, None].expand(b, n, 1), 0.0)

    paths = sample(OwnTarget(), scenes, 2, 9).to_list()
    assert [p.tolist() for p in paths] == [[2]] * 2 + [[0, 0, 0]] * 2 + [[3, 3, 3]] * 2


def test_frequencies_follow_the_probabilities(scenes):
    torch.manual_seed(0)
    model = Pairwise()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    n = 4000
    first = draw(model, scenes, n=n, max_fixations=1).values[..., 0]
    with torch.no_grad():
        expected = model.next_log_prob(model.begin(scenes, 1))[:, 0, :-1].exp()
    frequency = torch.nn.functional.one_hot(first, expected.shape[1]).float().mean(1)
    assert expected.max() > 0.3  # not uniform, or the comparison says little
    assert (frequency - expected).abs().max() < 5 * (0.25 / n) ** 0.5


def test_no_scenes():
    nothing = random_batch().scenes[torch.zeros(0, dtype=torch.long)]
    assert sample(Uniform(), nothing, 2, 5).values.shape == (0, 2, 0)


@pytest.mark.parametrize(("n", "max_fixations"), [(0, 5), (2, 0)])
def test_at_least_one_of_each(scenes, n, max_fixations):
    with pytest.raises(ValueError, match=f"needs n >= 1 and max_fixations >= 1, got {n} and {max_fixations}"):
        sample(Uniform(), scenes, n, max_fixations)


def test_masked_log_softmax():
    mask = torch.tensor([[True, True, False]])
    out = masked_log_softmax(torch.zeros(1, 2, 4), mask, torch.tensor([True, False])).exp()
    torch.testing.assert_close(out[0], torch.tensor([[1 / 2, 1 / 2, 0, 0], [1 / 3, 1 / 3, 0, 1 / 3]]))
    everywhere = masked_log_softmax(torch.zeros(1, 2, 4), mask, True).exp()
    torch.testing.assert_close(everywhere[0, 1], out[0, 0])


def test_log_prob_is_a_distribution_at_every_step(model):
    batch = random_batch()
    with torch.no_grad():
        log_prob = model.log_prob(batch)
    assert log_prob.shape == (5, 7, 8)
    torch.testing.assert_close(log_prob.exp().sum(-1), torch.ones(5, 7))
    assert (log_prob[:, 0, -1] == -torch.inf).all()
    assert (log_prob[:, 1:, -1] > -torch.inf).all()
    padded = ~one_row_a_trial(batch).object_mask
    assert (log_prob[..., :-1].transpose(1, 2)[padded] == -torch.inf).all()
