"""The command line: finds the verb, composes its configuration, hands over. Nothing else happens here."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec

HELP = """gazekit: modelling human visual attention and gaze

usage: python -m gazekit VERB ...

  fit        train a system, score it beside baselines and people, draw it
  evaluate   score a checkpoint on any copy of a data set, or an experiment without training
  predict    what a checkpoint says of a picture, a folder of pictures or a recording
  export     a checkpoint as safetensors or ONNX
  report     merge runs (seeds, sweeps, models) into one table and figure
  data       list | info | check | fetch data sets
  score      score scanpaths or saliency maps in files against people's fixations
  recording  info | events | report of eye trackers' recordings
  annotate   label what was looked at in a video, in the browser, with a model that learns from corrections
  list       experiments | models | datasets | metrics [NAME] | backbones | kernels
  bench      time what we made beside what people use

examples:
  python -m gazekit fit +experiment=oat
  python -m gazekit evaluate ckpt=outputs/oat/TIME/best.ckpt data.root=DIR data.split=all
  python -m gazekit predict ckpt=outputs/oat/TIME/best.ckpt input=shelf.png boxes=shelf.csv target=3
  python -m gazekit export ckpt=outputs/oat/TIME/best.ckpt out=oat.safetensors
  python -m gazekit report outputs/oat/sweep_TIME
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


VERBS = {
    "fit": "fit",
    "evaluate": "evaluate",
    "predict": "predict",
    "export": "export",
    "report": "report",
    "data": "data",
    "score": "score",
    "recording": "recording",
    "annotate": "annotate",
    "list": "lists",
    "bench": "bench",
}
"""Verb to the module of `gazekit.verbs` whose `main` takes its arguments."""


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
        from importlib.metadata import version

        print(version("gazekit-attention"))
        return 0
    if verb not in VERBS:
        print(
            f"gazekit: unknown verb {verb!r}, expected one of: {', '.join(VERBS)}\n\n{HELP}", file=sys.stderr
        )
        return 2
    try:
        status = import_module(f"gazekit.verbs.{VERBS[verb]}").main(rest)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # who reads it has seen enough, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to fail at the end
        return 1
    except KeyboardInterrupt:
        print(f"\ngazekit {verb}: interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f"gazekit {verb}: {error}", file=sys.stderr)
        return 2
