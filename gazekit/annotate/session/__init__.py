"""One project while people work on it: the review queue, suggestions, and learning in the background."""

from gazekit.annotate.session.session import AnnotationSession

__all__ = ["AnnotationSession"]
