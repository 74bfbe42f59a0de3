"""run.json in a model dir: what its run is made of, when it was trained, and why it ended.

It belongs to the run, not to one process: a resumed run adds a session. `odtk train --repeat` starts from it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

from odtk import files, pipeline
from odtk.checkpoints.files import is_resumable
from odtk.errors import OdtkError, OutputError
from odtk.prototext.schema import some
from odtk.retrying import UnreachableError, Writes, is_of_writing
from odtk.tools.train import fingerprints, surroundings
from odtk.tools.train.batch import Batch
from odtk.tools.train.options import TrainingOptions, command_line

FILE = "run.json"
_NAMED = 5
_KILLED = "killed, or its machine was turned off"


def read_run(model_dir: str | os.PathLike) -> dict | None:
    """The contents of a model dir's run.json; None without one. Raises OdtkError if it is none of odtk's."""
    if FILE not in files.names_in(model_dir):
        return None
    path = files.join(model_dir, FILE)
    try:
        run = json.loads(files.read_bytes(path))
        if isinstance(run["seed"], int) and run["sessions"][-1]["arguments"] is not None:
            return run
    except (ValueError, LookupError, TypeError):
        pass
    raise OdtkError(
        f"{path} is not the description of a run that odtk wrote. Remove it: a run that resumes writes a new one (with "
        "another seed, so its data comes in another order)."
    )


def choose_seed(model_dir: str | os.PathLike, seed: int | None, log: Callable[[str], None]) -> int:
    """The seed of a run: what was asked for, or else that of the run that resumes, or else a drawn one."""
    before = read_run(model_dir)
    if before is None:
        return secrets.randbits(31) if seed is None else seed
    if seed is not None and seed != before["seed"]:
        log(f"note: the run was started with seed {before['seed']}; with {seed}, its data continues in another order.")
        return seed
    return before["seed"]


def repeated(
    model_dir: str | os.PathLike, other_dir: str | os.PathLike, options: TrainingOptions, log: Callable[[str], None]
) -> tuple[str, TrainingOptions]:
    """The config and the options that repeat the run of a model dir; `options` that are not at their defaults win.

    `log` is called with what is different now: files with other contents, other versions. Raises OdtkError if
    `other_dir` has a run that is not such a repetition.
    """
    run = read_run(model_dir)
    if run is None:
        raise OdtkError(
            f"{model_dir} has no {FILE}, so its run cannot be repeated. Give the model dir of a run that odtk trained.",
            argument="pipeline_config",
        )
    config, last = files.join(model_dir, "pipeline.config"), run["sessions"][-1]
    log(f"Repeating the run of {model_dir}: {last['command']}, with seed {run['seed']}.")
    for line in _differences(run, config, model_dir):
        log(f"warning: {line}")
    arguments = last["arguments"] | {"seed": run["seed"]} | options.changed()
    # The config in the model dir has the longer schedule already.
    arguments |= _batch_arguments(last, options)
    # What "auto" chose there might be another one here.
    arguments = {"precision": last.get("precision", options.precision)} | arguments
    arguments |= {"extend_schedule": options.extend_schedule, "log_to": tuple(arguments.get("log_to", ()))}
    _require_free(other_dir, model_dir, arguments["seed"])
    return config, TrainingOptions(**arguments)


def _batch_arguments(session: dict, options: TrainingOptions) -> dict:
    """The numbers that were chosen, instead of choosing again; the config in the model dir has the batch size already.

    A batch size that is asked for now scales that config's learning rate.
    """
    arguments: dict = {"batch_size": options.batch_size}
    if options.accumulate == TrainingOptions.accumulate and options.batch_size is None:
        arguments["accumulate"] = session.get("batch", {}).get(
            "micro_batches", session["arguments"].get("accumulate", 1)
        )
    return arguments


def _require_free(other_dir: str | os.PathLike, model_dir: str | os.PathLike, seed: int) -> None:
    """Raises OdtkError unless a run of `model_dir`, with this seed, may begin or go on in `other_dir`."""
    is_same = os.path.realpath(os.fspath(other_dir)) == os.path.realpath(os.fspath(model_dir))
    run = read_run(other_dir)
    if is_same or (run["seed"] != seed if run else is_resumable(other_dir)):
        what = "is the folder of the run that is repeated" if is_same else f"has another run than that of {model_dir}"
        raise OdtkError(f"{other_dir} {what}. Choose another folder to repeat it in.", argument="model_dir")


def _differences(run: dict, config: str, model_dir: str | os.PathLike) -> Iterator[str]:
    if len({session["config_sha256"] for session in run["sessions"]}) > 1:
        yield f"{model_dir} was resumed with another config, which is now used from the first step on."
    changed = fingerprints.changes(run, fingerprints.of_inputs(pipeline.read(config)))
    if changed:
        yield f"other contents than in the run that is repeated: {some(changed, _NAMED)}."
    before, now = run["sessions"][-1]["versions"], surroundings.versions()
    others = [f"{name} {before.get(name)} (now {now[name]})" for name in now if before.get(name) != now[name]]
    if others:
        yield f"other versions than in the run that is repeated: {', '.join(others)}."


@dataclass
class Session:
    """What one process trained; `reason` is None until it ends."""

    first_step: int
    last_step: int | None = None
    reason: str | None = None
    skipped_steps: int | None = None
    """Since the run began, as gradients overflowed; None unless it computes in float16."""


@contextlib.contextmanager
def recording(
    pipeline_config: str | os.PathLike,
    model_dir: str | os.PathLike,
    options: TrainingOptions,
    config,
    seed: int,
    devices: list[str],
    batch: Callable[[], Batch],
    step: Callable[[], int],
    write: Writes,
    precision: str,
) -> Iterator[Session]:
    """Writes run.json at the start of the block and at its end; the caller fills in how the session ended.

    `config`: the resolved one; `batch` gives how steps are computed now, `step` the step so far; `write` writes the
    file. An exception is its own reason, and is raised again.
    """
    session = Session(step())
    run = _described(read_run(model_dir), config, seed)
    run["sessions"].append(
        {
            "command": command_line(pipeline_config, model_dir, options),
            "pipeline_config": os.fspath(pipeline_config),
            "arguments": options.changed(),
            "folder": os.getcwd(),
            "started": _now(),
            "ended": None,
            "batch": dataclasses.asdict(batch()),
            "precision": precision,
            **surroundings.describe(devices),
            "config_sha256": fingerprints.of_text(run["config"]),
        }
    )
    _write(model_dir, run, session)
    failure: BaseException | None = None
    try:
        yield session
    except BaseException as error:
        session.reason = session.reason or _reason(error)
        failure = error
        raise
    finally:
        session.last_step = step()
        run["sessions"][-1] |= {"ended": _now(), "batch": dataclasses.asdict(batch())}
        if not is_of_writing(failure):
            write(lambda: _write(model_dir, run, session))
        elif not isinstance(failure, UnreachableError):
            with contextlib.suppress(OSError, OutputError):  # the first file that failed is the one to be told of
                _write(model_dir, run, session)


def _described(before: dict | None, config, seed: int) -> dict:
    """The run so far, with the present seed, config and files."""
    sessions = before["sessions"] if before else []
    if sessions and sessions[-1]["ended"] is None:
        sessions[-1]["reason"] = _KILLED
    return {"seed": seed, "sessions": sessions, **fingerprints.of_inputs(config)}


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    text = str(error) if isinstance(error, OdtkError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())


def _write(model_dir: str | os.PathLike, run: dict, session: Session) -> None:
    run["sessions"][-1] |= dataclasses.asdict(session)
    with files.create(files.join(model_dir, FILE)) as file:
        file.write((json.dumps(run, indent=2, ensure_ascii=False) + "\n").encode())


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
