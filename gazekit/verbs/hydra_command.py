"""A verb that Hydra configures: conf/VERB.yaml with overrides, `gazekit.run.VERB.VERB(cfg, folder)`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["command"]

SWEEP = ("-m", "--multirun")


def command(verb: str) -> Callable[[list[str]], int]:
    """The function that takes the arguments of a verb and returns its exit status."""

    def main(rest: list[str]) -> int:
        import hydra
        from hydra.core.hydra_config import HydraConfig

        before = list(sys.argv)

        @hydra.main(version_base="1.3", config_path="pkg://gazekit.conf", config_name=verb)
        def run(cfg: Any) -> None:
            sys.argv = before  # processes that Lightning starts repeat the whole command, verb included
            task = getattr(import_module(f"gazekit.run.{verb}"), verb)
            _reported(verb, lambda: task(cfg, Path(HydraConfig.get().runtime.output_dir)))

        if verb != "fit":
            from gazekit.run.compose import with_checkpoint

            rest = with_checkpoint(rest, options=verb == "predict")
        # argparse takes overrides on one side of a flag only
        sys.argv = [before[0], *(a for a in rest if a in SWEEP), *(a for a in rest if a not in SWEEP)]
        try:
            run()
        finally:
            sys.argv = before
        return 0

    return main


def _reported(verb: str, task: Callable[[], object]) -> None:
    """Call a task; errors that users cause end the command with one line."""
    from hydra.errors import InstantiationException
    from omegaconf.errors import MissingMandatoryValue

    if os.environ.get("HYDRA_FULL_ERROR") == "1":  # for those who look for a mistake in their own code
        task()
        return
    try:
        task()
    except MissingMandatoryValue as error:
        _fail(verb, f"{error.full_key}=... is missing; python -m gazekit {verb} --help shows an example")
    except InstantiationException as error:
        _fail(verb, error.__cause__ or error)
    except (ValueError, OSError, ImportError) as error:
        _fail(verb, error)


def _fail(verb: str, error: object) -> None:
    print(f"gazekit {verb}: {error}", file=sys.stderr)
    sys.exit(2)
