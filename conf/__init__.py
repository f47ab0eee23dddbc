"""Hydra configuration groups of gazekit, composed by `gazekit.cli`."""
