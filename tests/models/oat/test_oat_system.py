"""OAT as a system: which appearance it takes, and what its report must say."""

import json
from pathlib import Path

import pytest
import torch
from toys import random_batch

from gazekit.models.oat import OAT, upgrade
from gazekit.models.oat.appearance import CategoryAppearance, CropAppearance, NoAppearance

SMALL = {"width": 24, "encoder_layers": 1, "decoder_layers": 1, "heads": 2, "hidden": 32, "pointer_heads": 1}
CROPS, NAMES = {"crop_size": [32, 32]}, {"categories": ["cup", "pen", "key"]}


def made(facts=None, **options) -> OAT:
    torch.manual_seed(0)
    return OAT({"max_fixations": 5, "free_viewing": True, **(facts or {})}, **{**SMALL, **options})


@pytest.mark.parametrize(
    ("facts", "wanted", "name", "kind"),
    [
        ({**CROPS, **NAMES}, "auto", "crop", CropAppearance),
        (NAMES, "auto", "category", CategoryAppearance),
        ({"categories": ["cup"]}, "auto", "none", NoAppearance),  # one name tells nothing apart
        ({}, "auto", "none", NoAppearance),
        ({**CROPS, **NAMES}, "category", "category", CategoryAppearance),
        ({**CROPS, **NAMES}, "none", "none", NoAppearance),
    ],
)
def test_appearance_is_what_the_data_have(facts, wanted, name, kind):
    system = made(facts, appearance=wanted)
    assert system.appearance == name
    assert any(isinstance(module, kind) for module in system.net.modules())
    assert f"appearance of objects: {name}" in system.notes()


@pytest.mark.parametrize(
    ("facts", "wanted", "message"),
    [
        (NAMES, "crop", "model.appearance=crop, but toy has no crops; choose auto or none"),
        (CROPS, "category", "model.appearance=category, but toy has no categories to tell apart"),
        ({}, "colour", "model.appearance must be one of auto, crop, category, none, got 'colour'"),
    ],
)
def test_an_appearance_that_the_data_lack(facts, wanted, message):
    with pytest.raises(ValueError, match=message):
        made({"dataset": "toy", **facts}, appearance=wanted)


@torch.no_grad()
def test_it_predicts_with_the_settings_it_got():
    system = made(NAMES).eval()
    assert system.model is system.net
    assert system.max_fixations == 5
    said = system.predict(random_batch(), torch.Generator().manual_seed(0), 3)
    assert said["model_mask"].shape[1] == 3
    assert said["model_mask"].sum(-1).max() <= 5


def test_plain_values_make_the_same_system_again():
    facts = json.loads(json.dumps({**CROPS, **NAMES, "max_fixations": 5}))
    one, again = made(facts), made(facts)
    again.load_state_dict(one.state_dict(), strict=True)
    batch = random_batch(crop=(32, 32))
    torch.testing.assert_close(
        again.eval().net.log_prob(batch), one.eval().net.log_prob(batch), rtol=0, atol=0
    )


@pytest.mark.parametrize(
    ("options", "told"), [({}, True), ({"landing": False}, False), ({"relation_bias": 0}, False)]
)
def test_what_it_knows_beyond_the_baselines_is_told(options, told):
    system = made(NAMES, **options)
    system.recipe = {"name": "mine"}
    notes = [note for note in system.notes() if note.startswith("the likelihood of mine is given where")]
    assert len(notes) == told


def test_a_checkpoint_of_version_0_1_is_read_as_one_of_today():
    path = Path(__file__).parents[2] / "golden" / "oat_short_run" / "best.ckpt"
    content = torch.load(path, map_location="cpu", weights_only=True)
    recipe, state = upgrade(content["gazekit"], content["state_dict"])
    assert recipe["target"] == "gazekit.models.oat.OAT"
    assert json.loads(json.dumps(recipe)) == recipe
    assert set(recipe["baselines"]) == {"pairwise", "marginal", "uniform"}
    system = OAT(recipe["facts"], **recipe["settings"])
    own = {key: value for key, value in state.items() if not key.startswith("baselines.")}
    system.load_state_dict(own, strict=True)
