"""The annotation loop: people label what was looked at, a model learns from each correction and asks what it knows least."""
