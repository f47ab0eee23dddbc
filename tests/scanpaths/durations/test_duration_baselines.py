"""Laws without conditions: maximum likelihood, shrinkage, who is unknown."""

import numpy as np
import pytest
import torch
from duration_toys import random_timed, seeded
from scipy import stats

from gazekit.scanpaths.durations import Gamma, LogNormal, PersonLogNormal

ALL = torch.ones(300, 5, dtype=torch.bool)


def test_log_normal_is_the_best_of_its_kind():
    timed = random_timed(300, mask=ALL)
    law = LogNormal()
    law.fit(timed)
    log = timed.duration_ms.double().log()
    assert float(law.location) == pytest.approx(float(log.mean()))
    assert float(law.scale) == pytest.approx(float(log.std(correction=0)))
    shape, _, scale = stats.lognorm.fit(timed.duration_ms.flatten().numpy(), floc=0)
    wanted = stats.lognorm(shape, scale=scale).logpdf(timed.duration_ms.numpy())
    torch.testing.assert_close(
        law.log_prob(timed).double(), torch.from_numpy(wanted).double(), atol=1e-3, rtol=0
    )


def test_gamma_is_scipys():
    ms = torch.from_numpy(stats.gamma(3.3, scale=80).rvs((300, 5), random_state=0)).float()
    law = Gamma()
    law.fit(random_timed(300, mask=ALL, duration_ms=ms))
    shape, _, scale = stats.gamma.fit(ms.flatten().double().numpy(), floc=0)
    assert float(law.shape) == pytest.approx(shape, rel=1e-3)
    assert float(law.rate) == pytest.approx(1 / scale, rel=1e-3)


def test_people_are_recovered_and_unknown_ones_are_everybody():
    place = torch.tensor([5.0, 5.3, 5.6])
    who = torch.arange(300) % 3
    ms = (place[who][:, None] + 0.4 * torch.randn(300, 5, generator=seeded())).exp()
    timed = random_timed(300, mask=ALL, duration_ms=ms)
    law, everybody = PersonLogNormal(3), LogNormal()
    law.fit(timed)
    everybody.fit(timed)
    torch.testing.assert_close(law.location, place, atol=0.05, rtol=0)
    torch.testing.assert_close(law.scale, torch.full((3,), 0.4), atol=0.03, rtol=0)
    for nobody in (None, torch.full((300,), -1)):
        unknown = random_timed(300, mask=ALL, duration_ms=ms, observer=nobody)
        torch.testing.assert_close(law.log_prob(unknown), everybody.log_prob(unknown))
    with pytest.raises(ValueError, match="observer must be a number from 0 to 2"):
        law.log_prob(random_timed(observer=torch.full((6,), 3)))


def test_people_who_do_not_differ_are_shrunk_to_one():
    timed = random_timed(30, mask=ALL[:30])
    law = PersonLogNormal(4)  # of whom number 3 was never seen
    law.fit(timed)
    own = torch.stack([timed.duration_ms[timed.observer == k].log().mean() for k in range(3)])
    assert law.location[:3].std() < own.std()
    assert law.location[3] == law.everybody.location


@pytest.mark.parametrize("make", [LogNormal, Gamma, lambda: PersonLogNormal(3)])
def test_nothing_to_learn_from(make):
    with pytest.raises(ValueError, match="known duration"):
        make().fit(random_timed(duration_ms=torch.full((6, 5), np.nan)))


@pytest.mark.parametrize("make", [LogNormal, Gamma, lambda: PersonLogNormal(3)])
def test_samples_have_the_law(make):
    timed = random_timed(300, mask=ALL, observer=torch.zeros(300).long())
    law = make()
    law.fit(timed)
    drawn = law.sample(timed, seeded())
    again = random_timed(300, mask=ALL, duration_ms=drawn, observer=torch.zeros(300).long())
    assert stats.kstest(law.cdf(again).flatten().numpy(), "uniform").pvalue > 0.01
