"""Ctrl-C and SIGTERM at a random step: the report is written, and the resumed run ends as an unbroken one."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from own_project import write_example

STEPS = 600
LONG = ("fit", "--config-dir", "conf", "+experiment=mine", "trust=mine.Model", "metrics.resamples=20",
        f"trainer.max_steps={STEPS}", "trainer.val_check_interval=20", "trainer.log_every_n_steps=1",
        "callbacks.early_stopping.patience=100000", "model.dropout=0.3")  # fmt: skip
DDP = ("trainer=ddp", "trainer.accelerator=cpu", "data.batch_size=5")


@pytest.fixture(scope="module")
def project(tmp_path_factory, repo_root):
    folder = tmp_path_factory.mktemp("interrupted")
    write_example(repo_root / "docs" / "adding_a_model.md", folder)
    return folder


def arguments(run_dir: str, *more: str) -> list[str]:
    return [*LONG, f"run_dir={run_dir}", *more]


def start(project: Path, *args: str) -> subprocess.Popen:
    """Another process: those of a parallel training repeat its command line."""
    environment = os.environ | {"PYTHONPATH": str(project)}
    command = [sys.executable, "-m", "gazekit", *args]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=project, env=environment, **pipes)


def finished(project: Path, *args: str) -> None:
    process = start(project, *args)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-3000:]


def start_and_interrupt(project: Path, run_dir: str, number: int, *more: str) -> int:
    """Interrupt a long run at a random time after its first validation; the step at which it stopped."""
    process = start(project, *arguments(run_dir, *more))
    deadline = time.monotonic() + 120
    while not (project / run_dir / "last.ckpt").exists():
        assert process.poll() is None, process.stderr.read()[-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(random.uniform(0, 0.5))
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err[-3000:]
    assert "Interrupted" in out + err
    assert (project / run_dir / "metrics.json").exists()
    return torch.load(project / run_dir / "last.ckpt", weights_only=True)["global_step"]


def losses(project: Path, run_dir: str) -> list[float]:
    """Of every step. (Lightning numbers them from 1 after a resumed validation.)"""
    with (project / run_dir / "log" / "metrics.csv").open() as file:
        return [float(line["train/loss"]) for line in csv.DictReader(file) if line["train/loss"]]


def same_end(project: Path, tag: str, number: int, *more: str) -> None:
    stopped = start_and_interrupt(project, f"{tag}_stopped", number, *more)
    assert stopped < STEPS
    finished(project, *arguments(f"{tag}_resumed", *more, f"ckpt={tag}_stopped/last.ckpt"))
    finished(project, *arguments(f"{tag}_unbroken", *more))
    resumed, unbroken = losses(project, f"{tag}_resumed"), losses(project, f"{tag}_unbroken")
    assert len(unbroken) == STEPS
    assert resumed == pytest.approx(unbroken[stopped:], abs=1e-6)
    a, b = (
        torch.load(project / f"{tag}_{name}" / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("resumed", "unbroken")
    )
    for key in a:
        assert torch.allclose(a[key], b[key], atol=1e-6), key


SLOW_SIGTERM = pytest.param(signal.SIGTERM, id="sigterm", marks=pytest.mark.slow)


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, id="ctrl-c"), SLOW_SIGTERM])
def test_an_interrupted_run_reports_and_resumes_exactly(project, number):
    same_end(project, number.name, number)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_two_processes_do_so_too(project, number):
    same_end(project, f"ddp_{number.name}", number, *DDP)
