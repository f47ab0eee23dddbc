"""`predict`: composes its configuration, calls `gazekit.run.predict`."""

from __future__ import annotations

from gazekit.verbs.hydra_command import command

__all__ = ["main"]

main = command("predict")
"""Entry point of the verb: its arguments to its exit status."""
