"""Figures of the motion model: its bank, its answers to gratings and plaids, and clips with true and seen flow."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure

from gazekit.base import Data, System
from gazekit.datasets.motion_stimuli import ILLUSIONS
from gazekit.models.motion_energy.physiology import Physiology, measure

__all__ = ["flow_picture", "flow_rgb", "motion_figures"]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
SMALL_PT = 8


def motion_figures(system: System, data: Data) -> dict[str, Figure]:
    """Of a trained system, and of clips of the scored part of `MotionStimuli`."""
    measured = measure(system)
    return {
        "bank": bank_figure(system, measured),
        "iterations": iterations_figure(system, data, measured),
        "clips": clips_figure(system, data),
    }


def flow_rgb(flow: np.ndarray, longest: float | None = None) -> np.ndarray:
    """[H, W, 3] of flow [2, H, W]: hue is direction (red to the right, then clockwise on the screen: v is downwards),
    white stands still, full colour is `longest` px per frame (by default the longest flow).
    """
    speed = np.linalg.norm(flow, axis=0)
    longest = max(float(speed.max()) if longest is None else longest, 1e-6)
    hue = (np.arctan2(flow[1], flow[0]) / (2 * np.pi)) % 1
    return hsv_to_rgb(np.stack([hue, np.clip(speed / longest, 0, 1), np.ones_like(hue)], -1))


def flow_picture(flow: np.ndarray) -> Figure:
    """Flow [2, H, W] in colours, with the speed of full colour."""
    figure = Figure(figsize=(3, 3 * flow.shape[1] / flow.shape[2] + 0.3), layout="constrained")
    axes = figure.subplots()
    axes.imshow(flow_rgb(flow))
    longest = np.linalg.norm(flow, axis=0).max()
    _plain(axes, f"full colour: {longest:.2g} px per frame")
    return figure


def bank_figure(system: System, measured: Physiology) -> Figure:
    """Preferred direction and speed of all units, and tuning for the direction of gratings of some of them."""
    direction, speed = (x.numpy() for x in system.net.bank.preferred())
    level = np.repeat(np.arange(system.net.bank.levels), system.net.bank.units)
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.add_subplot(1, 2, 1, projection="polar")
    dots = axes.scatter(direction, np.log2(speed), c=level + 1, s=18, cmap="viridis")
    axes.set_theta_direction(-1)  # y points down
    low, high = np.floor(np.log2(speed).min()) - 1, np.ceil(np.log2(speed).max())
    ticks = np.arange(low + 1, high + 1)
    axes.set_rlim(low, high)
    axes.set_rticks(ticks, [f"{2.0**t:g}" for t in ticks], fontsize=SMALL_PT)
    axes.set_title("preferred direction and speed (px per frame)", fontsize=10)
    figure.colorbar(dots, ax=axes, label="level", shrink=0.7)
    axes = figure.add_subplot(1, 2, 2, projection="polar")
    tuning = measured.tuning[0].numpy()
    depth = (tuning.max(0) - tuning.min(0)) / (tuning.max(0) + 1e-9)
    angle = np.append(measured.directions, measured.directions[0])
    for k, unit in enumerate(np.argsort(-depth)[:4]):
        curve = tuning[:, unit] / tuning[:, unit].max()
        label = f"level {level[unit] + 1}, {speed[unit]:.1f} px per frame"
        axes.plot(angle, np.append(curve, curve[0]), color=COLOURS[k], label=label)
    axes.set_theta_direction(-1)
    axes.set_rticks([0.5, 1.0], ["", ""])
    axes.set_title("the four best tuned units: response to gratings", fontsize=10)
    axes.legend(fontsize=SMALL_PT, loc="upper left", bbox_to_anchor=(0.75, 1.05))
    return figure


def iterations_figure(system: System, data: Data, measured: Physiology) -> Figure:
    """Over stage I and the iterations: error on scored clips, plaids, pattern index, and illusions."""
    errors, illusions = errors_by_step(system, data), illusion_cosines(system, data)
    steps = np.arange(len(measured.plaid_speed))
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots(2, 2)
    for k, (kind, error) in enumerate(errors.items()):
        axes[0, 0].plot(steps, error, "o-", color=COLOURS[k % 4], label=kind, markersize=4)
    axes[0, 0].set_ylabel("end-point error (px per frame)")
    axes[0, 1].plot(steps, measured.plaid_error_deg.numpy(), "o-", color=COLOURS[0], markersize=4)
    axes[0, 1].set_ylabel("plaids: error of direction (degrees)")
    pattern = measured.pattern.numpy()
    for style, label, q in (("--", "quartiles", 25), ("o-", "median unit", 50), ("--", None, 75)):
        curve = np.nanpercentile(pattern, q, 1)
        axes[1, 0].plot(steps, curve, style, color=COLOURS[0], markersize=4, label=label)
    for height, name in ((1.28, "pattern"), (-1.28, "component")):
        axes[1, 0].axhline(height, color="#666666", linewidth=0.7)
        axes[1, 0].annotate(
            name, (steps[-1], height), fontsize=SMALL_PT, ha="right", va="bottom", color="#666666"
        )
    axes[1, 0].set_ylabel("pattern index of units (Zp - Zc)")
    for k, (kind, cosine) in enumerate(illusions.items()):
        axes[1, 1].plot(steps, cosine, "o-", color=COLOURS[k], label=kind.replace("_", " "), markersize=4)
    axes[1, 1].axhline(0, color="#666666", linewidth=0.7)
    axes[1, 1].set_ylim(-1.05, 1.05)
    axes[1, 1].set_ylabel("cosine of seen and physical direction")
    for axis in axes.flat:
        axis.set_xticks(steps, ["I", *map(str, steps[1:])])
        axis.set_xlabel("stage I, then iterations of stage II")
        axis.spines[["top", "right"]].set_visible(False)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=SMALL_PT)
    return figure


@torch.no_grad()
def errors_by_step(system: System, data: Data) -> dict[str, list[float]]:
    """Kind to the mean end-point error of stage I and each iteration, on the scored part."""
    from gazekit.metrics.functional import end_point_error

    names, errors, kinds = data.facts()["conditions"], [], []
    for batch in data.batches(data.split):
        flows = system.sequence(batch["frames"]).convex
        errors.append(torch.stack([end_point_error(flow, batch["true_flow"]) for flow in flows]))
        kinds.append(batch["condition"])
    error, kind = torch.cat(errors, 1), torch.cat(kinds)
    return {name: error[:, kind == k].mean(1).tolist() for k, name in enumerate(names) if (kind == k).any()}


@torch.no_grad()
def illusion_cosines(system: System, data: Data) -> dict[str, list[float]]:
    """Kind of illusion to the mean cosine of the seen and the physical direction, by stage."""
    names, found, kinds = data.facts()["conditions"], [], []
    for batch in data.batches("illusions"):
        true = batch["true_flow"].mean((2, 3))
        flows = [flow.mean((2, 3)) for flow in system.sequence(batch["frames"]).convex]
        found.append(torch.stack([torch.cosine_similarity(flow, true) for flow in flows]))
        kinds.append(batch["condition"])
    cosine, kind = torch.cat(found, 1), torch.cat(kinds)
    return {
        name: cosine[:, kind == names.index(name)].mean(1).tolist()
        for name in ILLUSIONS
        if (kind == names.index(name)).any()
    }


@torch.no_grad()
def clips_figure(system: System, data: Data, number: int = 8) -> Figure:
    """Middle frame, true flow, flow of stage I and of the last iteration, of the first clips of the scored part."""
    index = data.parts[data.split][:number].tolist()
    batch = data.batch(index)
    flows = system.sequence(batch["frames"]).convex
    figure = Figure(figsize=(1.25 * len(index), 5.2), layout="constrained")
    axes = figure.subplots(4, len(index), squeeze=False)
    rows = [batch["true_flow"], flows[0], flows[-1]]
    names, middle = data.facts()["conditions"], batch["frames"].shape[1] // 2
    for k in range(len(index)):
        axes[0, k].imshow(batch["frames"][k, middle].numpy(), cmap="gray", vmin=0, vmax=1)
        longest = max(0.5, float(batch["true_flow"][k].norm(dim=0).max()))
        _plain(axes[0, k], names[int(batch["condition"][k])].replace("_", " "))
        for row, flow in enumerate(rows):
            axes[row + 1, k].imshow(flow_rgb(flow[k].numpy(), longest))
            _plain(axes[row + 1, k], "")
    for row, name in enumerate(("middle frame", "true flow", "stage I", "last iteration")):
        axes[row, 0].set_ylabel(name, fontsize=SMALL_PT)
    return figure


def _plain(axes: Axes, title: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=SMALL_PT)
