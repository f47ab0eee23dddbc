"""`annotate simulate=FILE`: how much work the loop would have saved on a recording that is labelled already."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gazekit.annotate.exchange import check_labels
from gazekit.annotate.project import Project
from gazekit.annotate.session import AnnotationSession
from gazekit.annotate.session.simulated_annotator import figure, simulate_annotator, summary
from gazekit.recordings.aoi import read_aois

__all__ = ["simulate_labels"]


def simulate_labels(labels: Path, project: Project, n_frames: int | None) -> int:
    """Run the simulated annotator on a new project; writes `simulated.csv` and `simulated.png` into its folder.

    Args:
        labels: COCO, CVAT or Label Studio file with the true labels of the recording.
        project: without labels of people.
        n_frames: number of frames to correct; None: all of the queue.
    Raises:
        ValueError, OSError: an unrecognised file or one of another video; a project with boxes.
    """
    check_labels(project, labels)
    truth = read_aois(labels, project.size_px)
    columns = (TextColumn("corrected frames"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with closing(AnnotationSession(project)) as session, Progress(*columns) as bar:
        task = bar.add_task("")
        rows = simulate_annotator(
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
