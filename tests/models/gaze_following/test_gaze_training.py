"""Rates by layer, averaged weights, and the ONNX form."""

import warnings
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from gaze_net_toys import SMALL, gaze_batch, lively
from pytorch_lightning.callbacks import EMAWeightAveraging
from torch.nn.attention import SDPBackend, sdpa_kernel

from gazekit.base import System
from gazekit.models.gaze_following.gazelle_net import GazeLLENet
from gazekit.models.gaze_following.onnx_form import GazeForm, example
from gazekit.models.gaze_following.rates import layer_groups, scale_rates
from gazekit.models.gaze_following.vitgaze_net import ViTGazeNet
from gazekit.schedule import one_cycle


def rates_of(net, groups):
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    return {names[id(p)]: group for group in groups for p in group["params"]}


def test_rates_fall_from_the_last_block_to_the_first():
    net = ViTGazeNet(SMALL)
    found = rates_of(net, layer_groups(net))
    assert set(found) == {name for name, _ in net.named_parameters()}
    wanted = {
        "encoder.vit.blocks.4.mlp.fc1.weight": (0.65, False),
        "encoder.vit.blocks.0.norm1.weight": (0.65**5, True),
        "encoder.vit.pos_embed": (0.65**6, True),
        "encoder.vit.patch_embed.proj.weight": (0.65**6, False),
        "encoder.vit.cls_token": (1, False),
        "encoder.mask_token": (1, False),
        "guidance.embed.weight": (1, False),
        "heatmap_head.decoder.bn1.bias": (1, True),
        "inside_head.classifier.linear0.bias": (1, False),
    }
    for name, (rate, spared) in wanted.items():
        assert found[name]["rate"] == pytest.approx(rate), name
        assert (found[name].get("weight_decay") == 0) == spared, name
    net.encoder.vit.patch_embed.requires_grad_(False)
    frozen = rates_of(net, layer_groups(net))
    assert set(found) - set(frozen) == {f"encoder.vit.patch_embed.proj.{kind}" for kind in ("weight", "bias")}


def test_rates_are_in_effect_and_scheduled():
    net = ViTGazeNet(SMALL)
    optimizer = scale_rates(torch.optim.AdamW(layer_groups(net, 0.5), lr=0.1, weight_decay=0.3))
    one_cycle(optimizer, 10, start=0.5)
    found = {group["rate"]: (group["initial_lr"], group["lr"]) for group in optimizer.param_groups}
    assert found[1.0] == pytest.approx((0.1, 0.05)) and found[0.5] == pytest.approx((0.05, 0.025))
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.0, 0.3}


class Follower(System):
    def __init__(self, facts=None):
        super().__init__(facts)
        self.net = ViTGazeNet(SMALL)
        self.optimizer = partial(torch.optim.SGD, lr=1e-4)

    def loss(self, batch):
        scene = self.net.encode(batch["image"])
        return self.net.loss(scene, self.net.look(scene, batch["picture"], batch["head_norm"]), batch)


def test_averaged_weights_are_what_is_validated_and_saved(tmp_path):
    torch.manual_seed(0)
    system = Follower()
    first = {name: x.clone() for name, x in system.state_dict().items()}
    batches = [gaze_batch(seed=seed) | {"group": torch.zeros(6, dtype=torch.long)} for seed in range(2)]
    loader = torch.utils.data.DataLoader(batches, batch_size=None)
    quiet = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "accelerator": "cpu",
    }
    trainer = pl.Trainer(
        max_steps=2, callbacks=[EMAWeightAveraging(decay=0.9)], enable_checkpointing=False, **quiet
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(system, loader)
    name = "net.encoder.vit.blocks.0.mlp.fc1.weight"
    averaged = system.state_dict()[name]
    plain = Follower()
    plain.load_state_dict(first)
    optimizer, weights = torch.optim.SGD(plain.parameters(), 1e-4), []
    for batch in batches:
        optimizer.zero_grad()
        plain.loss(batch)["loss"].backward()
        optimizer.step()
        weights.append(plain.state_dict()[name].clone())
    torch.testing.assert_close(averaged, 0.9 * weights[0] + 0.1 * weights[1], rtol=1e-4, atol=1e-7)


@pytest.mark.slow
def test_gaze_net_as_onnx(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    nets = [
        ViTGazeNet(SMALL, direction=True),
        GazeLLENet(SMALL, "random", width=16, heads=2, rows=True, direction=True),
        GazeLLENet(SMALL, "random", width=16, heads=2, inside=False),
    ]
    for net, outputs in zip(nets, (3, 3, 1), strict=True):
        form, given = GazeForm(lively(net)).eval(), example((64, 48), people=3, pictures=2)
        with sdpa_kernel(SDPBackend.MATH), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(form, kwargs=given, dynamo=True, verbose=False)
        program.save(str(tmp_path / "net.onnx"), include_initializers=True)
        session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
        batch = gaze_batch(2, 3, (64, 48), seed=5)
        batch["picture"] = torch.tensor([1, 1, 0])
        other = {
            "image": batch["image"].float(),
            "head_norm": batch["head_norm"],
            "picture": batch["picture"],
        }
        found = session.run(None, {name: x.numpy() for name, x in other.items()})
        with torch.no_grad():
            wanted = net.look(net.encode(batch["image"]), batch["picture"], batch["head_norm"])
        wanted = [said for said in wanted if said is not None]
        assert len(found) == len(wanted) == outputs
        for ours, theirs in zip(found, wanted, strict=True):
            torch.testing.assert_close(torch.from_numpy(ours), theirs, rtol=1e-4, atol=1e-4)
