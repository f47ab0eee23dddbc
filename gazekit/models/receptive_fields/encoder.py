"""From a stimulus to responses: a drive per voxel, a shared response function, amplitude and baseline; and their fit.

The fit starts at the best of a grid of Gaussians. Then Adam maximises the likelihood of all voxels together with what
they share. Amplitude, baseline and size of the noise have their best values in closed form at every step, which
leaves T/2 log(1 - r^2) per voxel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gazekit.models.receptive_fields.fields import (
    CompressiveField,
    DifferenceField,
    Frames,
    GaussianField,
    frames_of,
)
from gazekit.models.receptive_fields.hemodynamics import Hemodynamics, responses
from gazekit.models.receptive_fields.readouts import AttentionReadout, PointReadout
from gazekit.models.receptive_fields.search import best_of_grid, candidate_drives, candidates, likely_hrf

__all__ = ["FIELDS", "Start", "TimeEncoder", "fit_encoder", "scale_to", "start_of"]

FIELDS = {
    "gaussian": GaussianField,
    "compressive": CompressiveField,
    "difference": DifferenceField,
    "point": PointReadout,
    "attention": AttentionReadout,
}
PLACE_RATE, RATE, SHARED_RATE = 0.1, 0.05, 0.01
DELAY_SD_S = 0.3  # of the normal prior of a voxel's own delay
_MOST = 1 - 1e-6


class Start(NamedTuple):
    """Where a fit begins. hrf: peak (s), width (s), undershoot. xy_dva: [V, 2]. sd_dva: [V]."""

    hrf: tuple[float, float, float]
    xy_dva: Tensor
    sd_dva: Tensor


class TimeEncoder(nn.Module):
    """Responses of V voxels to a stimulus over time.

    Args:
        facts: `voxels`, `tr_s`, `x_dva`, `y_dva` of the data.
        field: one of `FIELDS`.
        learned_hrf: fit the shared response function, or keep the canonical one.
        own_delays: each voxel's response may come a little earlier or later (to first order), held by a normal prior
            of sd .3 s.
    Raises:
        ValueError: an unknown field.
    """

    def __init__(
        self, facts: Mapping[str, Any], field: str, learned_hrf: bool = True, own_delays: bool = False
    ) -> None:
        super().__init__()
        if field not in FIELDS:
            raise ValueError(f"field must be one of {', '.join(FIELDS)}, got {field!r}")
        voxels = facts["voxels"]
        for name in ("x_dva", "y_dva"):
            self.register_buffer(name, torch.tensor(facts[name]))
        width, height = (max(map(abs, facts[name])) for name in ("x_dva", "y_dva"))
        self.field = FIELDS[field](voxels, (width, height))
        self.hrf = Hemodynamics(facts["tr_s"], learned_hrf)
        self.own_delays = own_delays
        self.delay_s = nn.Parameter(torch.zeros(voxels))
        self.register_buffer("amplitude", torch.zeros(voxels))
        self.register_buffer("baseline", torch.zeros(voxels))

    def frames(self, stimulus: Tensor, gaze_dva: Tensor | None = None) -> Frames:
        """A stimulus [T, X, Y] on the grid of the data, with gaze [T, 2] in degrees where the eye moved."""
        expected = len(self.x_dva), len(self.y_dva)
        if tuple(stimulus.shape[1:]) != expected:
            raise ValueError(
                f"stimulus must have shape [T, {expected[0]}, {expected[1]}], got {list(stimulus.shape)}"
            )
        return frames_of(stimulus.float(), self.x_dva, self.y_dva, gaze_dva)

    def shape_of(self, frames: Frames, repeat: Tensor | None = None) -> Tensor:
        """[T, V] responses but for amplitude and baseline; `repeat` [T] says which frame is shown when."""
        drive = self.field(frames)
        drive = drive if repeat is None else drive[repeat]
        found = responses(drive, self.hrf())
        if self.own_delays:
            found = found + responses(drive, self.hrf.later()) * self.delay_s
        return found

    def forward(self, batch: Mapping[str, Any]) -> Tensor:
        """[B, V] predicted responses at `time` of a batch with `stimulus` and perhaps `gaze_dva`, see `frames`."""
        frames = self.frames(batch["stimulus"], batch.get("gaze_dva"))
        return self.amplitude * self.shape_of(frames)[batch["time"]] + self.baseline

    def penalty(self) -> Tensor:
        """Negative logs of all priors, summed over voxels."""
        return self.field.penalty() + (self.delay_s / DELAY_SD_S).square().sum() / 2


def start_of(encoder: TimeEncoder, frames: Frames, time: Tensor, response: Tensor) -> Start:
    """Best candidates for responses [B, V] at volumes `time` [B]; the likeliest response function, if it is learned."""
    grid = candidates(encoder.field.half_screen_dva)
    drives = candidate_drives(frames, grid)
    hrf = tuple(encoder.hrf.shape)
    if encoder.hrf.learned:
        hrf = likely_hrf(drives, response, time, encoder.hrf.tr_s)
    shapes = responses(drives, Hemodynamics.of(hrf, encoder.hrf.tr_s))[time]
    chosen = grid[best_of_grid(shapes, response).which]
    return Start(hrf, chosen[:, :2], chosen[:, 2])


def fit_encoder(
    encoder: TimeEncoder, batch: Mapping[str, Any], steps: int, start: Start | None = None
) -> list[float]:
    """Fit to `response` [B, V] at the volumes `time` [B] of a batch; the mean loss per voxel of each step.

    Constant voxels take part in nothing; their amplitude is 0.

    Args:
        steps: of Adam, with a rate that falls to 0 by a cosine.
        start: of `start_of`; found here if it is not given.
    """
    time, response = batch["time"], batch["response"]
    frames = encoder.frames(batch["stimulus"], batch.get("gaze_dva"))
    start = start or start_of(encoder, frames, time, response)
    encoder.hrf.start(start.hrf)
    encoder.field.start(start.xy_dva, start.sd_dva)
    varies = response.std(0) > 0
    once, repeat = _distinct(batch["stimulus"], batch.get("gaze_dva"))
    few = encoder.frames(batch["stimulus"][once], None if frames.gaze_dva is None else frames.gaze_dva[once])
    optimizer = torch.optim.Adam(_groups(encoder))
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    history = []
    with torch.enable_grad():
        for _ in range(steps):
            r = _correlation(encoder.shape_of(few, repeat)[time], response)[varies]
            likelihood = len(time) / 2 * torch.log1p(-_MOST * r.square()).sum()
            loss = likelihood + encoder.penalty()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            encoder.field.hold()
            scheduler.step()
            history.append(float(loss.detach()) / max(1, int(varies.sum())))
    scale_to(encoder, batch)
    return history


@torch.no_grad()
def scale_to(encoder: TimeEncoder, batch: Mapping[str, Any]) -> None:
    """Amplitude and baseline by least squares on the responses of a batch; amplitude 0 for constant ones."""
    response = batch["response"]
    shape = encoder.shape_of(encoder.frames(batch["stimulus"], batch.get("gaze_dva")))[batch["time"]]
    centred = shape - shape.mean(0)
    energy = centred.square().sum(0)
    slope = (centred * response).sum(0) / torch.where(energy > 0, energy, 1.0)
    encoder.amplitude.copy_(torch.where(response.std(0) > 0, slope, 0.0))
    encoder.baseline.copy_(response.mean(0) - encoder.amplitude * shape.mean(0))


def _groups(encoder: TimeEncoder) -> list[dict[str, Any]]:
    """Learned parameters with their rates. What stays as it is, settings say; a run marks all of a row as learned."""
    rates = {"field.xy_dva": PLACE_RATE, "hrf.log_shape": SHARED_RATE}
    fixed = {"hrf.log_shape": not encoder.hrf.learned, "delay_s": not encoder.own_delays}
    learned = {name: p for name, p in encoder.named_parameters() if not fixed.get(name)}
    return [{"params": [p], "lr": rates.get(name, RATE)} for name, p in learned.items()]


def _distinct(stimulus: Tensor, gaze_dva: Tensor | None) -> tuple[Tensor, Tensor]:
    """[K] places of the first of equal frames, and [T] which of these each frame equals; all differ with gaze."""
    count = len(stimulus)
    if gaze_dva is not None:
        return torch.arange(count), torch.arange(count)
    _, repeat = stimulus.flatten(1).unique(dim=0, return_inverse=True)
    first = torch.full((int(repeat.max()) + 1,), count).scatter_reduce(0, repeat, torch.arange(count), "amin")
    return first, repeat


def _correlation(shape: Tensor, response: Tensor) -> Tensor:
    """[V] over time; 0 where one of them is constant."""
    shape, response = shape - shape.mean(0), response - response.mean(0)
    return (shape * response).sum(0) / (shape.square().sum(0) * response.square().sum(0) + 1e-12).sqrt()
