"""`fit`: composes its configuration, calls `gazekit.run.fit`."""

from __future__ import annotations

from gazekit.verbs.hydra_command import command

__all__ = ["main"]

main = command("fit")
"""Entry point of the verb: its arguments to its exit status."""
