"""`annotate simulate=FILE`: what the loop would have saved on a recording that somebody has labelled already."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gazekit.annotate.exchange import check_labels
from gazekit.annotate.project import Project
from gazekit.annotate.session import AnnotationSession
from gazekit.annotate.simulated import annotate, figure, summary
from gazekit.recordings.aoi import read_aois

__all__ = ["simulate_labels"]


def simulate_labels(labels: Path, project: Project, n_frames: int | None) -> int:
    """Let the simulated annotator work on a new project; `simulated.csv` and `simulated.png` go into its folder.

    Args:
        labels: COCO, CVAT or Label Studio file with the truth of the recording.
        project: that nobody has worked on.
        n_frames: how many frames are mended; None: all of the queue.
    Raises:
        ValueError, OSError: a file that is none of these or of another video, a project with boxes.
    """
    check_labels(project, labels)
    truth = read_aois(labels, project.size_px)
    columns = (TextColumn("frames mended"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with closing(AnnotationSession(project)) as session, Progress(*columns) as bar:
        task = bar.add_task("")
        rows = annotate(
            session,
            truth,
            n_frames,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if rows.empty:
        raise ValueError(f"{project.folder}: the recording has no frame to label")
    rows.to_csv(project.folder / "simulated.csv", index=False)
    figure(rows).savefig(project.folder / "simulated.png", dpi=150)
    Console(highlight=False).print(
        summary(rows), f"\n{project.folder / 'simulated.csv'}, simulated.png", markup=False
    )
    return 0
