"""The command line: finds the verb, composes its configuration, hands over. Nothing else happens here."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

HELP = """gazekit: modelling human visual attention and gaze

usage: python -m gazekit VERB ...

  fit        train a model, score it beside baselines and people, draw it
  evaluate   score a checkpoint on any copy of a data set
  predict    scanpaths of a checkpoint over one picture
  data       list | info | check | fetch data sets
  score      score scanpaths or saliency maps in files against people's fixations
  recording  info | events | report of eye trackers' recordings
  annotate   label what was looked at in a video, in the browser, with a model that learns from corrections
  list       models | datasets | metrics [NAME] | experiments
  bench      time what we made beside what people use

examples:
  python -m gazekit fit +experiment=oat
  python -m gazekit evaluate ckpt=outputs/oat/TIME/best.ckpt data.root=DIR data.split=all
  python -m gazekit predict ckpt=outputs/oat/TIME/best.ckpt image=shelf.png boxes=shelf.csv target=3
  python -m gazekit data check hsem_hybrid_search --root DIR
  python -m gazekit list experiments
  python -m gazekit list metrics multimatch
  python -m gazekit score --pred model.csv --true people.csv --metrics multimatch,scanmatch --size 800x600
  python -m gazekit recording info recordings/
  python -m gazekit recording report session1.asc --screen 1024x768 --width-cm 38 --distance-cm 60
  python -m gazekit annotate recording=p01/ project=study/p01
  python -m gazekit bench oat out=oat.json

python -m gazekit VERB --help shows the options of a verb.
"""


def main(argv: list[str] | None = None) -> int | None:
    """Entry point of `python -m gazekit` and of the `gazekit` script; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if find_spec("gazekit.conf") is None:
        print(
            "gazekit is not installed: in the folder with pyproject.toml run\n  pip install -e .",
            file=sys.stderr,
        )
        return 2
    verb, rest = (argv[0], argv[1:]) if argv else ("--help", [])
    if verb in ("-h", "--help", "help"):
        print(HELP)
        return 0
    if verb == "--version":
        from gazekit import __version__

        print(__version__)
        return 0
    verbs: dict[str, Callable[[list[str]], int | None]] = {
        "fit": lambda rest: _hydra("fit", rest),
        "evaluate": lambda rest: _hydra("evaluate", rest),
        "predict": lambda rest: _hydra("predict", rest),
        "data": _data,
        "score": _score,
        "recording": _recording,
        "list": _list,
        "annotate": _annotate,
        "bench": _bench,
    }
    if verb not in verbs:
        print(
            f"gazekit: unknown verb {verb!r}, expected one of: {', '.join(verbs)}\n\n{HELP}", file=sys.stderr
        )
        return 2
    try:
        status = verbs[verb](rest)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # who reads it has seen enough, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to fail at the end
        return 1
    except KeyboardInterrupt:
        print(f"\ngazekit {verb}: interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        return _fail(verb, error)


def _fail(verb: str, error: BaseException) -> int:
    print(f"gazekit {verb}: {error}", file=sys.stderr)
    return 2


def _hydra(verb: str, rest: list[str]) -> None:
    """Compose conf/<verb>.yaml with the overrides and call `gazekit.verbs.<verb>.<verb>`."""
    import hydra
    from hydra.errors import InstantiationException
    from omegaconf.errors import MissingMandatoryValue

    command = list(sys.argv)

    @hydra.main(version_base="1.3", config_path="pkg://gazekit.conf", config_name=verb)
    def run(cfg: Any) -> None:
        from importlib import import_module

        sys.argv = command  # processes that Lightning starts repeat the whole command, verb included
        task = getattr(import_module(f"gazekit.verbs.{verb}"), verb)
        try:
            task(cfg)
        except MissingMandatoryValue as error:
            example = f"python -m gazekit {verb} --help shows an example"
            sys.exit(_fail(verb, ValueError(f"{error.full_key}=... is missing; {example}")))
        except InstantiationException as error:
            sys.exit(_fail(verb, error.__cause__ or error))
        except (ValueError, OSError) as error:
            sys.exit(_fail(verb, error))

    sweep = ("-m", "--multirun")  # argparse takes overrides on one side of a flag only
    sys.argv = [command[0], *(a for a in rest if a in sweep), *(a for a in rest if a not in sweep)]
    try:
        run()
    finally:
        sys.argv = command


def _data(rest: list[str]) -> int:
    from gazekit.verbs.data import main

    return main(rest)


def _list(rest: list[str]) -> int:
    from gazekit.verbs.lists import LISTS, facts, lines

    parser = argparse.ArgumentParser(
        prog="gazekit list",
        epilog="examples: python -m gazekit list metrics; python -m gazekit list metrics multimatch",
    )
    parser.add_argument("what", choices=LISTS)
    parser.add_argument("name", nargs="?", help="of a metric: print all facts about it")
    options = parser.parse_args(rest)
    if options.name is not None and options.what != "metrics":
        parser.error(f"a name goes with metrics only, got {options.what} {options.name}")
    print("\n".join(lines(options.what) if options.name is None else facts(options.name)))
    return 0


def _score(rest: list[str]) -> int:
    from gazekit.verbs.score import main

    return main(rest)


def _recording(rest: list[str]) -> int:
    from gazekit.verbs.recording import main

    return main(rest)


def _annotate(rest: list[str]) -> int:
    from gazekit.verbs.annotate import main

    return main(rest, evaluate=lambda words: _hydra("evaluate", words))


def _bench(rest: list[str]) -> int:
    from gazekit.verbs.bench import main

    return main(rest)
