"""How well networks that predict glimpses, and others, match the visual cortex: published scores, recomputed."""

from gazekit.models.glimpse_representation.comparison import PublishedComparison
from gazekit.models.glimpse_representation.published import PublishedNetwork, gains

__all__ = ["PublishedComparison", "PublishedNetwork", "gains"]
