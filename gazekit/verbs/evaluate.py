"""`evaluate`: composes its configuration, calls `gazekit.run.evaluate`."""

from __future__ import annotations

from gazekit.verbs.hydra_command import command

__all__ = ["main"]

main = command("evaluate")
"""Entry point of the verb: its arguments to its exit status."""
