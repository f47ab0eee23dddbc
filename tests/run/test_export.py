"""Exports are compared with the checkpoint before they are kept."""

import numpy as np
import onnxruntime
import pytest
import torch
from shell import run_here
from test_recipe import SMALL, checkpoint, recipe

from gazekit.models.oat import OAT
from gazekit.models.oat.onnx_form import NextObject, example
from gazekit.run.checkpoint import build


@pytest.mark.filterwarnings("ignore")
def test_onnx_of_oat_agrees_with_the_net(tmp_path):
    torch.manual_seed(0)
    settings = SMALL | {"relation_bias": 8}
    system = build(recipe(settings=settings)).eval()
    path = checkpoint(tmp_path / "a.ckpt", system.state_dict(), settings=settings)
    done = run_here("export", f"ckpt={path}", "format=onnx", "out=oat.onnx", "run_dir=run", cwd=tmp_path)
    assert "largest difference from the checkpoint" in done.stdout
    session = onnxruntime.InferenceSession(str(tmp_path / "oat.onnx"), providers=["CPUExecutionProvider"])
    given = example((1, 1))
    given["xy_px"] = given["xy_px"] + 3.0
    (found,) = session.run(None, {i.name: given[i.name].numpy() for i in session.get_inputs()})
    with torch.no_grad():
        wanted = NextObject(system.net)(**given).numpy()
    assert (np.isfinite(found) == np.isfinite(wanted)).all()
    assert np.allclose(found[np.isfinite(found)], wanted[np.isfinite(wanted)], atol=1e-4)


def test_a_net_that_differs_is_not_kept(tmp_path, monkeypatch):
    class Random(torch.nn.Module):
        def forward(self, x):
            return x + torch.rand(3) * (1 if torch.compiler.is_exporting() else 5)

    monkeypatch.setattr(OAT, "onnx_example", lambda self: (Random(), {"x": torch.zeros(3)}))
    path = checkpoint(tmp_path / "a.ckpt")
    done = run_here(
        "export", f"ckpt={path}", "format=onnx", "out=x.onnx", "run_dir=run", cwd=tmp_path, check=False
    )
    assert done.returncode == 2
    assert "differs from the checkpoint" in done.stderr
    assert not (tmp_path / "x.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ckpt=none.ckpt"], "ckpt=none.ckpt does not exist"),
        (["ckpt=a.ckpt", "format=pickle"], "format must be safetensors or onnx, got 'pickle'"),
    ],
)
def test_export_tells_what_is_wrong(arguments, message, tmp_path):
    checkpoint(tmp_path / "a.ckpt")
    done = run_here("export", *arguments, "run_dir=run", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert message in done.stderr
