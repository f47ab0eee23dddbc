"""The labels of one recording on disk: events and the state that follows from them, and the recording's frames."""

from gazekit.annotate.project.project import Project

__all__ = ["Project"]
