"""The annotation loop: people label what was looked at, a model learns from it and asks what it knows least."""
