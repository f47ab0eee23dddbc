"""A paragraph for a paper: how fixations were labelled, with versions, counts and shares."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version

import pandas as pd

from gazekit.annotate.model import checkpoints
from gazekit.annotate.model.predictions import LEAST_SCORE
from gazekit.annotate.project.authors import NO_PERSON, SIMULATED
from gazekit.annotate.project.project import UNREVIEWED, Project
from gazekit.recordings.aoi import BACKGROUND

__all__ = ["text"]

# Where a label comes from ("answer", "box", "background") and its source, in words; in order of trust.
_WORDS = {
    ("answer", "manual"): "labelled by hand",
    ("answer", "confirmed"): "labelled by confirming a suggestion",
    ("answer", "imported"): "labelled in an imported file",
    ("box", "manual"): "in a box drawn or corrected by hand, or interpolated between such boxes",
    (
        "box",
        "confirmed",
    ): "in a box made by a machine and confirmed by a person, or interpolated between such boxes",
    ("box", "imported"): "in a box of an imported file, or interpolated between such boxes",
    ("background", "reviewed"): "outside all boxes of a frame that a person has confirmed (background)",
    ("answer", "unreviewed"): "labelled in an imported file that names a machine as the source",
    ("box", "propagated"): "in a box that was propagated from another frame and that nobody has reviewed",
    ("box", "predicted"): "in a box that the model predicted and that nobody has reviewed",
    ("background", "unreviewed"): "outside all boxes of a frame that nobody has confirmed (background)",
    ("none", ""): "without a label: no position, or a frame without boxes, predictions or confirmation",
}


def text(project: Project, mapped: pd.DataFrame, reviewed_only: bool) -> str:
    """The content of `methods.md`.

    Args:
        mapped: `Project.mapped_fixations()`, of all fixations.
        reviewed_only: labels that nobody has reviewed are left out of the tables.
    """
    counts = Counter(map(_kind, mapped["aoi"], mapped["source"], mapped["answered"]))
    shares = [
        f"{counts[kind]} ({100 * counts[kind] / len(mapped):.1f} %) {words}"
        for kind, words in _WORDS.items()
        if counts[kind]
    ]
    lines = [
        "# Methods",
        "",
        " ".join([*_made(project, len(mapped)), f"Labels of fixations by source: {'; '.join(shares)}."]),
    ]
    if unreviewed := int(mapped["source"].isin(UNREVIEWED).sum()):
        share = f"{unreviewed} of {len(mapped)} fixations ({100 * unreviewed / len(mapped):.1f} %)"
        left_out = (
            "are left without a label in the tables, as nobody has reviewed their labels (reviewed_only=true)."
            if reviewed_only
            else "have a label in the tables that nobody has reviewed; reviewed_only=true leaves it out."
        )
        lines += ["", f"{share} {left_out}"]
    return "\n".join(lines) + "\n"


def _kind(aoi: str, source: str, answered: bool) -> tuple[str, str]:
    if not source:
        return "none", ""
    if answered:
        return "answer", "unreviewed" if source in UNREVIEWED else source
    if aoi == BACKGROUND:
        return "background", "unreviewed" if source in UNREVIEWED else "reviewed"
    return "box", source


def _made(project: Project, fixations: int) -> list[str]:
    """Sentences on recording, mapping, people and model."""
    stats, checkpoint = project.store.stats(), checkpoints.latest(project.checkpoints)
    seconds = (project.frame_t_ms[-1] - project.frame_t_ms[0]) / 1000
    authors, found = set(stats["authors"]), project.store.meta("fixations_by")
    people, simulated = len(authors - NO_PERSON), ", and a simulated annotator" * (SIMULATED in authors)
    model = "no model was trained"
    if checkpoint is not None:
        number = int(checkpoint.name)
        model = f"the model is I-MPN-style, version {number}, and suggests from a score of {LEAST_SCORE} on"
        if project.store.meta("model") is not None:
            model += "; it began as the model of another project"
    return [
        f"What was looked at in the recording {project.name} ({seconds:.1f} s, {project.n_frames} video frames, "
        f"{fixations} fixations{f' {found}' if found else ''}) was annotated with gazekit "
        f"{version('gazekit-attention')}.",
        "A fixation belongs to the last video frame at or before its middle, and there to the smallest box that holds "
        "its position; outside all boxes it is background. An answer that a person gave for the fixation itself comes "
        "first.",
        f"{people} {'person' if people == 1 else 'people'} annotated{simulated}; frames confirmed as "
        f"complete: {stats['confirmed_frames']}; boxes: {stats['boxes']}; {model}.",
    ]
