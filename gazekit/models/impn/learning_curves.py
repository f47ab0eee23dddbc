"""Curves of `simulate` summed up: intervals over seeds, the corrections that a level costs, tables, a figure."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from matplotlib.figure import Figure

from gazekit.metrics import bootstrap_interval

__all__ = ["compare", "comparison_table", "corrections_to_reach", "curves_figure", "summary"]

TITLES = {
    "fixation_accuracy": "fixation-to-AOI accuracy",
    "kappa": "Cohen's kappa",
    "AP50": "AP50",
    "AP": "AP50:95",
}
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#777777")


def summary(curves: pd.DataFrame, metrics: Sequence[str] = tuple(TITLES)) -> pd.DataFrame:
    """Means over seeds with 95 % bootstrap intervals (seeds are drawn), of each model after each update.

    Args:
        curves: of `simulate`.
        metrics: columns of it.
    Returns:
        One row a model and number of frames, with the means of corrections, actions, annotator_s and update_s, and of
        each metric METRIC, METRIC_low and METRIC_high. No interval, NaN, from a single seed.
    """
    rows = []
    for (model, frames), group in curves.groupby(["model", "frames"], sort=False):
        row = {"model": model, "frames": frames}
        row |= group[["corrections", "actions", "annotator_s", "update_s"]].mean().to_dict()
        for metric in metrics:
            row |= _interval(metric, group[metric])
        rows.append(row)
    return pd.DataFrame(rows)


def _interval(name: str, values: pd.Series) -> dict[str, float]:
    known = torch.as_tensor(values.dropna().to_numpy(float, copy=True))[:, None]
    value, low, high = (float(x[0]) for x in bootstrap_interval(known, torch.ones_like(known)))
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def compare(
    curves: pd.DataFrame, model: str, other: str, metrics: Sequence[str] = tuple(TITLES)
) -> pd.DataFrame:
    """How much better `model` ends than `other`: the difference of their last points, seed by seed.

    Returns:
        One row a metric: metric, difference (mean over seeds), low and high of its 95 % bootstrap interval.
    """
    last = curves.sort_values("frames").groupby(["model", "seed"]).last()
    rows = []
    for metric in metrics:
        found = _interval("difference", last.loc[model, metric] - last.loc[other, metric])
        rows.append(
            dict(zip(("metric", "difference", "low", "high"), (metric, *found.values()), strict=True))
        )
    return pd.DataFrame(rows)


def corrections_to_reach(
    curves: pd.DataFrame, model: str, other: str, metric: str = "fixation_accuracy"
) -> pd.DataFrame:
    """The corrections after which `model` first is as good as `other` is at its end.

    Returns:
        One row a seed: seed, level (the other's last), corrections of the model until then (NaN if it never gets
        there), other_corrections (all of the other's), and their share; other_first_corrections, those at which the
        other first was as good as at its end (fewer where it stood still), and share_of_first.
    """
    rows = []
    for seed, group in curves.sort_values("frames").groupby("seed"):
        end = group[group["model"] == other].iloc[-1]
        mine = group[(group["model"] == model) & (group[metric] >= end[metric])]
        cost = float(mine["corrections"].iloc[0]) if len(mine) else float("nan")
        theirs = group[(group["model"] == other) & (group[metric] >= end[metric])]
        first = float(theirs["corrections"].iloc[0]) if len(theirs) else float("nan")
        rows.append(
            {
                "seed": seed,
                "level": end[metric],
                "corrections": cost,
                "other_corrections": end["corrections"],
                "share": cost / end["corrections"],
                "other_first_corrections": first,
                "share_of_first": cost / first if first else float("nan"),
            }
        )
    return pd.DataFrame(rows)


def comparison_table(curves: pd.DataFrame, model: str = "graph") -> list[str]:
    """Lines of Markdown: what `model` gains over each other one at the end (`compare`), and the corrections that it
    needs for the other's final accuracy (`corrections_to_reach`)."""
    shares = (
        "corrections to its final accuracy, share of all its own | share of its own until it first had it"
    )
    head = f"| {model} minus | {' | '.join(TITLES.values())} | {shares} |"
    lines = [head, "|---" * (len(TITLES) + 3) + "|"]
    for other in (name for name in curves["model"].unique() if name != model):
        gains, found = compare(curves, model, other), corrections_to_reach(curves, model, other)
        reach, first = found["share"], found["share_of_first"]
        cells = [_cell(row.difference, row.low, row.high) for row in gains.itertuples()]
        missed = f" ({int(reach.isna().sum())} of {len(reach)} never)" if reach.isna().any() else ""
        lines.append(f"| {other} | {' | '.join(cells)} | {reach.mean():.2f}{missed} | {first.mean():.2f} |")
    return lines


def _cell(value: float, low: float, high: float) -> str:
    return f"{value:+.3f}" if pd.isna(low) else f"{value:+.3f} [{low:.3f}, {high:.3f}]"


def curves_figure(curves: pd.DataFrame, against: str = "corrections") -> Figure:
    """One axis a metric, one line a model: means over seeds, with bands of their 95 % intervals.

    Args:
        curves: of `simulate`.
        against: "corrections", "actions", "frames" or "annotator_s"; of models that differ in it, means over seeds.
    """
    rows = summary(curves)
    figure = Figure(figsize=(3.1 * len(TITLES), 3.0), layout="constrained")
    for ax, (metric, title) in zip(figure.subplots(1, len(TITLES)), TITLES.items(), strict=True):
        for place, (model, line) in enumerate(rows.groupby("model", sort=False)):
            colour, above = COLOURS[place % len(COLOURS)], 3.0 - 0.1 * place  # the first model on top
            ax.plot(line[against], line[metric], color=colour, label=model, linewidth=1.5, zorder=above)
            ax.fill_between(
                line[against],
                line[f"{metric}_low"],
                line[f"{metric}_high"],
                color=colour,
                alpha=0.15,
                linewidth=0,
            )
        ax.set_title(title, fontsize=10, loc="left")
        ax.set_xlabel({"annotator_s": "annotator's time (modelled, s)"}.get(against, against), fontsize=9)
        ax.set_ylim(0, 1)
        ax.spines[["top", "right"]].set_visible(False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
    return figure
