"""The annotation loop in Python: the calls that the page makes over HTTP.

The store holds all labels. The session adds what is derived from it: pictures, the gaze in a frame, suggestions for
fixations, the order of review, and the model that learns in the background.

Example:
    >>> session = AnnotationSession(Project.open("study/p01"))  # doctest: +SKIP
    >>> item = session.queue(limit=1)["items"][0]  # doctest: +SKIP
    >>> session.act({"op": "fixation.label", "fixation": item["id"], "label": 3}, author="ada")  # doctest: +SKIP
    >>> session.update(wait=True)  # doctest: +SKIP
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gazekit.annotate.model.model import FIRST
from gazekit.annotate.model.truth import WEIGHT
from gazekit.annotate.project import Project
from gazekit.annotate.session import file_exchange
from gazekit.annotate.session.session_view import SessionView
from gazekit.annotate.session.tracking import Tracking

if TYPE_CHECKING:
    from gazekit.models.impn import Learner
    from gazekit.models.impn.detector import Detector

__all__ = ["AnnotationSession"]

UPDATE_EVERY = 10  # newly confirmed frames after which the model learns by itself


class AnnotationSession(SessionView):
    """One project while people work on it; `SessionView` has the methods that only read.

    Several threads may call it.

    Args:
        project: the project to annotate; not closed with the session.
        detector, learner: to start from; None: those of the project's last checkpoint, or new ones.
    """

    def __init__(
        self, project: Project, detector: Detector | None = None, learner: Learner | None = None
    ) -> None:
        super().__init__(project, detector, learner)
        self._unlearnt = 0
        self.tracking = Tracking(project, self.act, self.stream)

    def close(self) -> None:
        """Stop all background work. All labels are in the store."""
        self.stream.close()
        self.tracking.close()
        self.loop.close()
        self.frames.close()

    def act(self, action: dict[str, Any], author: str, tab: str = "") -> dict[str, Any]:
        """`Store.act`; the answer also has the frame's new `state`. Other pages are notified.

        Raises:
            Conflict, ValueError, StoreError: as `Store.act`.
        """
        answer = self.store.act(action, author, tab)
        self.fixation_table.follow()
        if action["op"] == "frame.confirm":
            self._unlearnt += 1
            if self._unlearnt >= UPDATE_EVERY:
                self._learn()
        return self._with_state(answer)

    def undo(
        self, author: str, tab: str = "", nonce: str | None = None, event: int | None = None
    ) -> dict[str, Any] | None:
        """`Store.undo`, as `act`."""
        return self._stepped(self.store.undo(author, tab, nonce, event))

    def redo(self, author: str, tab: str = "", nonce: str | None = None) -> dict[str, Any] | None:
        """`Store.redo`, as `act`."""
        return self._stepped(self.store.redo(author, tab, nonce))

    def _stepped(self, answer: dict[str, Any] | None) -> dict[str, Any] | None:
        self.fixation_table.follow()
        return None if answer is None else self._with_state(answer)

    def _with_state(self, answer: dict[str, Any]) -> dict[str, Any]:
        frame = answer["frame"]
        return answer | {"state": None if frame is None else self.store.frame(frame)}

    # --- model, propagation, files

    def update(self, wait: bool = False) -> dict[str, Any]:
        """Let the model learn from all labels, in the background.

        Args:
            wait: return when training has ended, including the detector's.
        Returns:
            `started`, whether there is something to learn from, and `message`, what is learnt or missing.
        """
        missing = self._missing()
        self._learn()
        if wait:
            self.loop.wait()
        return {"started": not missing, "message": missing or "The model is learning from all labels."}

    def _learn(self) -> None:
        self._unlearnt = 0
        self.loop.update()

    def _missing(self) -> str:
        """What people must do before a model can learn, "" if nothing."""
        stats = self.store.stats()
        boxes = sum(count for source, count in stats["boxes_by_source"].items() if source in WEIGHT)
        confirmed = stats["confirmed_frames"]
        if not boxes:
            return "Nothing to learn from yet: draw boxes and confirm frames."
        if self.loop.model.detector is not None or confirmed >= FIRST:
            return ""
        done = "none is" if confirmed == 0 else f"{confirmed} {'is' if confirmed == 1 else 'are'}"
        return (
            f"The model needs {FIRST} confirmed frames; {done} confirmed. Draw what is missing and confirm "
            f"{FIRST - confirmed} more."
        )

    def cancel(self) -> None:
        """Stop learning and propagating."""
        self.loop.cancel()
        self.tracking.cancel()

    def model_status(self) -> dict[str, Any]:
        """`Loop.status`."""
        return self.loop.status()

    def propagate(
        self, frame: int, stop_frame: int, ids: list[int] | None = None, author: str = "model", tab: str = ""
    ) -> None:
        """Propagate boxes of a frame, by default all, to another frame, in the background; see `Tracking`."""
        self.tracking.start(frame, stop_frame, ids, author, tab)

    def export(self, format: str, folder: Path, reviewed_only: bool = False) -> Path:
        """Write an export, one file or a zip of several, into a folder; returns its path.

        Args:
            format: of `gazekit.annotate.exchange`, or "model".
            reviewed_only: see `gazekit.annotate.exchange.export`. Otherwise fixations for which only the model has a
                suggestion get its label, with the source "predicted".
        Raises:
            ValueError: an unknown format, no model yet, reviewed_only of a format without fixations.
        """
        predicted = self.fixation_table.predicted()
        return file_exchange.export(self.project, self.loop.model, format, folder, reviewed_only, predicted)

    def import_(self, format: str, path: Path, author: str, tab: str = "") -> dict[str, Any]:
        """Import labels from another tool's file as one action that can be undone; `summary` of the answer describes
        what was imported and replaced.

        Raises:
            ValueError: an unknown format, a broken file, or one of another recording.
        """
        answer = file_exchange.import_(self.project, format, path, author, tab)
        self.fixation_table.follow()
        return answer
