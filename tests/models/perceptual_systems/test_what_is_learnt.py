"""What nets behind the four systems can learn depends on what the transform leaves of a cue."""

import pytest
import torch

from gazekit.datasets.perceived_scenes import PerceivedScenes
from gazekit.models.perceptual_systems import PerceptualSystems
from gazekit.models.perceptual_systems.battery import Battery, Levels
from gazekit.schedule import one_cycle

NOTHING = Levels((), (), (), (), ())


@pytest.mark.slow
def test_a_blur_hides_textures_from_a_net_but_not_layouts():
    found = {}
    for cue in ("texture", "layout"):
        data = PerceivedScenes(classes=6, pictures=960, scored=240, matched=8, cue=cue)
        data.setup()
        system = PerceptualSystems(data.facts(), runs=1)
        optimizer = torch.optim.SGD(system.parameters(), lr=0.05, momentum=0.9, nesterov=True)
        schedule = one_cycle(optimizer, 120)
        for step in range(120):
            optimizer.zero_grad()
            system.loss(data.training_batch(step))["loss"].backward()
            optimizer.step()
            schedule.step()
        found[cue] = Battery(system.eval(), data, data.parts["test"], NOTHING).measure().accuracy[0]
    reference, _, uniform, _ = found["texture"].tolist()
    assert reference > 0.7 and reference - uniform > 0.1
    reference, _, uniform, _ = found["layout"].tolist()
    assert reference > 0.6 and abs(reference - uniform) < 0.15
