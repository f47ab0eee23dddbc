"""`annotate`: label what people looked at in a video, in the browser, with a model that learns from each correction."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from gazekit.verbs.learning_curves import learning_curves

try:
    import fcntl
except ImportError:  # on Windows, two servers of one project are not detected
    fcntl = None

__all__ = ["Options", "main"]

HELP = """gazekit annotate: label what people looked at in a video, with a model that learns from each correction

usage: python -m gazekit annotate project=DIR [recording=PATH] [KEY=VALUE ...]
       python -m gazekit annotate compare=DIR project=DIR
       python -m gazekit annotate simulate=LABELS project=DIR recording=PATH [frames=N]
       python -m gazekit annotate simulate=RUNS run_dir=DIR [KEY=VALUE ...]

  project=DIR         folder of the project: one file with every action, and the models. Created if absent
  recording=PATH      an eye tracker's recording, or a folder of images; needed for a new project
  name=TEXT           name of a new project; default: that of the recording
  model=PATH          for a new project: the model of another project (its folder, or its exported .zip), with its
                      labels; it predicts from the first frame on
  detector=FOLDER     fine-tune RT-DETRv2 or D-FINE of the package transformers, as save_pretrained writes it, instead
                      of training the small detector from scratch; detector=tiny returns to that. Stored in the project
  propagator=FOLDER   propagate boxes with SAM 2 for video of transformers instead of the motion of points;
                      propagator=flow returns to that. Stored in the project
  host=127.0.0.1      address to listen on. Any other than loopback (127.0.0.1, ::1, localhost) requires the token that
                      is printed; the connection is not encrypted: use it in a trusted network only
  port=0              0 uses the project's last port, or another if that is taken
  token=TEXT          for host=; default: a new one at each start
  open_browser=true   open the page in the browser

The page is at the address that is printed; ? lists its keys. Each action is saved at once. Ctrl+C stops the server.

  compare=DIR         no page: agreement of the coders of two projects of one recording, over the fixations that both
                      labelled. Prints it and writes agreement.csv and agreement_confusion.csv into the project's folder

  simulate=LABELS     no page: a simulated annotator, who knows the labels of a COCO, CVAT or Label Studio file, works
                      through the queue of a new project, and the model learns as it does for people; prints how much
                      work the model would have saved
  frames=N            number of frames of the queue for simulate=LABELS; default: all

  simulate=RUNS       no page: a simulated annotator corrects the generated videos of the runs of
                      `fit +experiment=impn` in a folder (a run or a sweep), from their detectors, and learning curves
                      are drawn into run_dir=DIR. Settings: models=A,B n_labelled=60 every=10 steps=100
                      detector_steps=100

examples:
  python -m gazekit annotate recording=p01/ project=study/p01
  python -m gazekit annotate project=study/p01
  python -m gazekit annotate project=study/p01 host=0.0.0.0 port=8800
  python -m gazekit annotate simulate=p01.json recording=p01/ project=trial frames=60
  python -m gazekit annotate simulate=outputs/impn/TIME run_dir=curves every=5
"""


@dataclass(frozen=True)
class Options:
    """The options of `annotate`; see its help."""

    project: str
    recording: str | None = None
    name: str | None = None
    model: str | None = None
    detector: str | None = None
    propagator: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    token: str | None = None
    open_browser: bool = True


def main(rest: list[str]) -> int:
    """Run `gazekit annotate ...`.

    Raises:
        ValueError, OSError: invalid options, or a project or recording that cannot be used.
    """
    if not rest or rest[0] in ("-h", "--help", "help"):
        print(HELP)
        return 0
    if simulated := [word.partition("=")[2] for word in rest if word.startswith("simulate=")]:
        path, words = simulated[-1], [word for word in rest if not word.startswith("simulate=")]
        path = os.path.expanduser(path)
        if Path(path).is_dir():
            return learning_curves(Path(path), _key_values(words))
        return _simulate(Path(path), words)
    values = _key_values(rest)
    from gazekit.errors import StoreError

    try:
        return _compare(values) if "compare" in values else _serve(_options(values))
    except StoreError as error:
        raise ValueError(str(error)) from error


def _compare(values: dict[str, str]) -> int:
    if set(values) != {"compare", "project"}:
        raise ValueError(f"expected compare=DIR project=DIR only, got {', '.join(values)}")
    from gazekit.annotate.project import Project
    from gazekit.annotate.project.agreement import compare

    with Project.open(values["compare"]) as first, Project.open(values["project"]) as second:
        found = compare(first, second)
        print(found)
        print(f"\nwritten to {' and '.join(map(str, found.save(second.folder)))}")
    return 0


def _simulate(path: Path, rest: list[str]) -> int:
    """The simulated annotator of a file of labels."""
    if not path.exists():
        raise ValueError(f"simulate={path}: no such file of labels or run folder")
    from gazekit.annotate.session.project_setup import checked_settings, create_project, existing_project
    from gazekit.verbs.annotation_simulation import simulate_labels

    values = _key_values(rest)
    frames = values.pop("frames", None)
    if frames is not None and not (frames.isdecimal() and int(frames) > 0):
        raise ValueError(f"frames={frames}: expected a whole number of frames from 1")
    options = _options(values)
    settings = checked_settings(options.detector, options.propagator)
    project = existing_project(options.project, options.recording, options.model)
    if project is None:
        project = create_project(options.project, options.recording, options.model, options.name)
    with closing(project):
        project.store.describe(settings)
        return simulate_labels(path, project, None if frames is None else int(frames))


def _key_values(rest: Sequence[str]) -> dict[str, str]:
    """key=value, with or without leading dashes; `--key value` as well."""
    values, words = {}, list(rest)
    while words:
        word = words.pop(0)
        key, equals, value = word.lstrip("-").partition("=")
        if not equals and word.startswith("--") and words:
            equals, value = "=", words.pop(0)
        if not equals or not key:
            raise ValueError(f"{word!r}: expected KEY=VALUE, as in project=study/p01; see annotate --help")
        if key in values:
            raise ValueError(f"{key} is given twice: {values[key]!r} and {value!r}")
        values[key] = value
    return values


def _options(values: dict[str, str]) -> Options:
    known = {field.name for field in fields(Options)}
    if unknown := sorted(set(values) - known):
        raise ValueError(
            f"unknown {', '.join(unknown)}; expected {', '.join(sorted(known | {'compare', 'simulate'}))}"
        )
    if not values.get("project"):
        raise ValueError("project=DIR is missing: the folder of the labels, created if absent")
    typed: dict[str, Any] = dict(values)
    for name in ("project", "recording", "model", "detector", "propagator"):
        if name in values:
            typed[name] = os.path.expanduser(values[name])  # shells do not expand the ~ of KEY=~/...
    if "port" in values:
        if not values["port"].isdecimal() or int(values["port"]) > 65535:
            raise ValueError(f"port={values['port']}: expected a number from 0 to 65535")
        typed["port"] = int(values["port"])
    if "open_browser" in values:
        if values["open_browser"].lower() not in ("true", "false"):
            raise ValueError(f"open_browser={values['open_browser']}: expected true or false")
        typed["open_browser"] = values["open_browser"].lower() == "true"
    return Options(**typed)


def _serve(options: Options) -> int:
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ValueError(
            f"annotate needs {error.name}: in the checkout run pip install -c constraints.txt -e '.[annotate]'"
        ) from error
    from gazekit.annotate.server.app import serve
    from gazekit.annotate.server.security import is_loopback
    from gazekit.annotate.session import AnnotationSession
    from gazekit.annotate.session.project_setup import checked_settings, create_project, existing_project

    settings = checked_settings(options.detector, options.propagator)
    token = options.token or (None if is_loopback(options.host) else secrets.token_urlsafe(24))
    with ExitStack() as stack:
        project = existing_project(options.project, options.recording, options.model)
        last = None if project is None else stack.enter_context(closing(project)).store.meta("port")
        if project is not None and options.name not in (None, project.name):
            raise ValueError(
                f"name={options.name}: project={options.project} exists already, with the name {project.name!r}"
            )
        listening = stack.enter_context(_listening(options.host, options.port, last))
        if project is None:  # only once the server can listen
            project = create_project(options.project, options.recording, options.model, options.name)
            stack.enter_context(closing(project))
        port = listening.getsockname()[1]
        address = _address(options.host, port)
        stack.enter_context(_only_server(Path(options.project), address))
        # pages that wait for the server to restart try the last port
        project.store.describe({**settings, "port": port})
        session = stack.enter_context(closing(AnnotationSession(project)))
        shown = address if token is None else f"{address}?token={token}"
        serve(session, listening, options.host, token, ready=lambda: _announce(shown, options.open_browser))
    print("Everything is saved.", file=sys.stderr)
    return 0


def _listening(host: str, port: int, last: int | None = None) -> socket.socket:
    """A bound socket; port 0 uses the last port, if it is free."""
    if port == 0 and last is not None:
        with suppress(OSError):
            return _listening(host, last)
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OSError(f"host={host}: {error}") from error
    try:
        if os.name == "posix":  # reuse the port of a server that just ended
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise OSError(f"cannot listen on host={host} port={port}: {error}; port=0 uses a free one") from error
    return listening


def _address(host: str, port: int) -> str:
    name = {"0.0.0.0": socket.gethostname().lower(), "::": socket.gethostname().lower()}.get(host, host)
    return f"http://[{name.strip('[]')}]:{port}/" if ":" in name else f"http://{name}:{port}/"


@contextmanager
def _only_server(folder: Path, address: str) -> Iterator[None]:
    """One server per project: pages of two servers would not see each other's labels.

    Raises:
        ValueError: another server runs; the text says where.
    """
    if fcntl is None:
        yield
        return
    with (folder / "server.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            where = file.read().strip() or "another address"
            raise ValueError(
                f"this project is already open at {where}: use that page, or stop that server"
            ) from error
        file.truncate(0)
        file.write(address)
        file.flush()
        yield
        file.truncate(0)


def _announce(address: str, open_browser: bool) -> None:
    print(f"gazekit annotate: {address}", flush=True)
    if open_browser:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
