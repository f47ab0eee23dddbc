"""Speed of scanpath generation and training of the default OAT net (conf/model/oat.yaml).

Displays are jittered lattices of N objects with noise for crops, and the net is untrained: neither affects
the time per step. The cost of generating a scanpath depends on its length, so all methods
draw from the same distribution; the rows give the mean lengths.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import torch
from omegaconf import OmegaConf
from torch import Tensor

from gazekit.harness import Case
from gazekit.models.oat import OAT, OATNet
from gazekit.scanpath import Ragged, Scanpath
from gazekit.scanpaths.likelihood import negative_log_likelihood
from gazekit.scanpaths.model import ScanpathModel, sample
from gazekit.scene import Scene, SceneBatch, Trial, TrialBatch

__all__ = ["Sizes", "cases", "generate_one_at_a_time", "gradients_one_at_a_time"]

CROP_PX, CELL_PX = 32, 60


@dataclass(frozen=True)
class Sizes:
    """Sizes of the cases.

    Args:
        trials, objects: size of the main cases.
        samples: scanpaths per trial, so that "64 x 10" makes 640; the references generate one per trial.
        max_fixations: generated scanpaths are cut off at this length; training scanpaths have at most this
            length.
        growth: numbers of objects in the growth cases.
        growth_trials: trials in the growth cases, fewer because the encoder's cost is quadratic in the
            objects.
    """

    trials: int = 64
    objects: int = 16
    samples: int = 10
    max_fixations: int = 12
    growth: tuple[int, ...] = (16, 32, 64, 128, 256)
    growth_trials: int = 8


def cases(device: str = "cpu", sizes: Sizes | None = None) -> list[Case]:
    """Generation against plain loops, training against batches of one, and both for growing numbers of objects."""
    sizes = sizes or Sizes()
    found = [
        *_generation(device, sizes),
        _training(device, sizes.trials, sizes.objects, sizes, compared=True),
    ]
    for n in sizes.growth:
        found.append(_growing_generation(device, n, sizes))
    for n in sizes.growth:
        found.append(_training(device, sizes.growth_trials, n, sizes, compared=False))
    return found


def _generation(device: str, sizes: Sizes) -> list[Case]:
    net = _default_net(device).eval()
    scenes = SceneBatch.from_scenes(_draw_scenes(sizes.trials, sizes.objects)).to(device)

    def ours() -> Ragged:
        return sample(net, scenes, sizes.samples, sizes.max_fixations, _generator())

    def plain() -> Ragged:
        return generate_one_at_a_time(net, scenes, 1, sizes.max_fixations, _generator())

    def kept() -> Ragged:
        generator = _generator()
        alone = [scenes[_row(trial, device)] for trial in range(sizes.trials)]
        paths = [sample(net, scene, 1, sizes.max_fixations, generator) for scene in alone]
        return Ragged.from_list([path.values[0, 0] for path in paths])

    name = f"generate, {sizes.trials} x {sizes.samples}"

    def facts(ours: Ragged, theirs: Ragged) -> dict[str, float]:
        about = {"objects": sizes.objects, "trials": sizes.trials, "mean_fixations": _mean_length(ours)}
        return about | {"reference_mean_fixations": _mean_length(theirs)}

    shared = {"items": sizes.trials * sizes.samples, "unit": "scanpath", "reference_items": sizes.trials}
    return [
        Case(name, ours, reference="one trial at a time, whole prefix at every step", run_reference=plain,
             facts=facts, **shared),
        Case(f"{name} (vs kept keys)", ours, reference="one trial at a time, keys kept as in ours",
             run_reference=kept, facts=facts, **shared),
    ]  # fmt: skip


def _growing_generation(device: str, n: int, sizes: Sizes) -> Case:
    net = _default_net(device).eval()
    scenes = SceneBatch.from_scenes(_draw_scenes(sizes.growth_trials, n)).to(device)
    return Case(
        f"generate, {n} objects",
        lambda: sample(net, scenes, sizes.samples, sizes.max_fixations, _generator()),
        items=sizes.growth_trials * sizes.samples,
        unit="scanpath",
        facts=lambda ours, _: {
            "objects": n,
            "trials": sizes.growth_trials,
            "mean_fixations": _mean_length(ours),
        },
    )


def _training(device: str, n_trials: int, n: int, sizes: Sizes, compared: bool) -> Case:
    net = _default_net(device).train()
    scenes = _draw_scenes(n_trials, n)
    trials = _draw_trials(n_trials, n, sizes.max_fixations)
    batch = TrialBatch.from_trials(scenes, trials, range(n_trials)).to(device)
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, (0.9, 0.98), weight_decay=0.05)

    def ours() -> None:
        optimizer.zero_grad()
        negative_log_likelihood(net.log_prob(batch), batch).backward()
        optimizer.step()

    def ones() -> None:
        optimizer.zero_grad()
        gradients_one_at_a_time(net, scenes, trials, device)
        optimizer.step()

    name = f"train, batch of {n_trials}" if compared else f"train, {n} objects"
    return Case(
        name,
        ours,
        items=n_trials,
        unit="trial",
        reference="the same step, one trial at a time, gradients added up" if compared else "",
        run_reference=ones if compared else None,
        reference_items=n_trials,
        facts=lambda *_: {"objects": n, "trials": n_trials},
    )


# ------------------------------------------------------------------ references


@torch.no_grad()
def generate_one_at_a_time(
    net: ScanpathModel,
    scenes: SceneBatch,
    n: int,
    max_fixations: int,
    generator: torch.Generator | None = None,
    greedy: bool = False,
) -> Ragged:
    """The naive loop, as a reference for `gazekit.scanpaths.model.sample`.

    It generates every scanpath of every trial separately: the net reads the scene and the whole prefix again at each
    step. It draws from the same distribution as `sample`; greedy scanpaths are identical.

    Args:
        scenes, n, max_fixations, generator, greedy: as in `sample`.
    Returns:
        Ragged [B * n, T] object indices.
    """
    device, stop = scenes.target.device, scenes.object_mask.shape[1]
    paths = []
    for trial in range(len(scenes)):
        scene = scenes[_row(trial, device)]
        for _ in range(n):
            path = torch.zeros(1, 0, dtype=torch.long, device=device)
            while path.shape[1] < max_fixations:
                valid, centres = torch.ones_like(path, dtype=torch.bool), scene.centres_px[0][path]
                row = _row(0, device)
                one = TrialBatch(scene, row, path, valid, centres, trial=row, group=row)
                p = net.log_prob(one)[0, -1].exp().cpu()
                choice = p.argmax() if greedy else torch.multinomial(p, 1, generator=generator)
                if choice == stop:
                    break
                path = torch.cat([path, choice.view(1, 1).to(device)], 1)
            paths.append(path[0])
    return Ragged.from_list(paths)


def gradients_one_at_a_time(
    net: OATNet, scenes: Sequence[Scene], trials: Sequence[Trial], device: str = "cpu"
) -> None:
    """Accumulate the gradients of the batch's mean loss trial by trial, each with its share of the outcomes."""
    outcomes = [len(trial.objects) + 1 for trial in trials]  # its fixations and STOP
    for index, (trial, own) in enumerate(zip(trials, outcomes, strict=True)):
        one = TrialBatch.from_trials(scenes, [trial], [index]).to(device)
        (negative_log_likelihood(net.log_prob(one), one) * (own / sum(outcomes))).backward()


# ------------------------------------------------------------- net and displays


def _default_net(device: str) -> OATNet:
    """The net of conf/model/oat.yaml on crops, as for generated displays; untrained, the same each time."""
    settings = OmegaConf.to_container(OmegaConf.load(str(files("gazekit.conf").joinpath("model/oat.yaml"))))
    settings.pop("_target_")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return OAT({"crop_size": [CROP_PX, CROP_PX]}, **settings).net.to(device)


def _draw_scenes(n_scenes: int, n_objects: int, seed: int = 0) -> list[Scene]:
    """Displays of boxes on a jittered lattice, noise for crops; the first object is the target."""
    rng = np.random.default_rng(seed)
    columns = math.ceil(math.sqrt(n_objects))
    size = (columns * CELL_PX, math.ceil(n_objects / columns) * CELL_PX)
    cell = np.stack(np.divmod(np.arange(n_objects), columns)[::-1], 1)
    scenes = []
    for i in range(n_scenes):
        centre = (cell + 0.5) * CELL_PX + rng.uniform(-12, 12, cell.shape)
        half = rng.uniform(10, 18, (n_objects, 1))
        crops = rng.integers(0, 256, (n_objects, CROP_PX, CROP_PX, 3), dtype=np.uint8)
        boxes = np.concatenate([centre - half, centre + half], 1)
        scenes.append(Scene(f"{i}", size, boxes, target=0, crops=crops))
    return scenes


def _draw_trials(n_trials: int, n_objects: int, max_fixations: int, seed: int = 0) -> list[Trial]:
    """One trial per scene, with 1 to max_fixations random fixations."""
    rng = np.random.default_rng(seed)
    trials = []
    for scene in range(n_trials):
        objects = rng.integers(0, n_objects, rng.integers(1, max_fixations + 1))
        trials.append(Trial(scene, Scanpath(np.zeros((len(objects), 2))), objects))
    return trials


def _mean_length(paths: Ragged) -> float:
    return float(paths.lengths.float().mean())


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _row(index: int, device: torch.device | str) -> Tensor:
    return torch.tensor([index], device=device)
