"""Asks the process that imports TensorFlow, and makes findings of what it answers, or of how it ends."""

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from odtk.findings import ERROR, Finding
from odtk.terminal_text import on_one_line
from odtk.tools.doctor.part import Part

_SECONDS = 300  # importing from a slow drive takes a minute
_LOG_LINES = 40
_ROUNDING = 1.01  # by which a loss may rise in bfloat16 although the step was right
# With this process's path, so that the other one finds the same packages.
_CODE = """
import json, sys
sys.path[:] = json.loads(sys.argv[2])
from odtk.tools.doctor.child import main
main(sys.argv[1])
"""
_DOING = {"devices": "looking for devices", "steps": "training two steps"}
_REINSTALL = 'pip install --force-reinstall --no-deps "{name}"'
# What the text of a failed import says, the reason, and the fix.
_REASONS = (
    (
        ("numpy.core.multiarray failed to import", "compiled using NumPy 1", "numpy.dtype size changed", "_ARRAY_API"),
        "It was compiled for another major version of numpy than the one that is installed.",
        "Install a newer version of it: pip install --upgrade {package}",
    ),
    (
        ("protobuf", "google.protobuf", "Descriptors cannot be created", "gencode"),
        "Its code does not fit the installed protobuf.",
        "See the finding about protobuf, or install TensorFlow's own again: pip install --upgrade protobuf {package}",
    ),
    (
        ("GLIBC", "GLIBCXX", "CXXABI"),
        "It was built for a newer system than this one.",
        "Use a newer Linux, or a container with one.",
    ),
    (("No module named",), "A package that it needs is missing.", "pip install odtk"),
)


def ask(seconds: float = _SECONDS, code: str = _CODE) -> dict:
    """All answers of the process; `log`: what it printed to stderr; `ended`: how, if not as it should."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "0"}
    with tempfile.TemporaryDirectory(prefix="odtk-doctor-") as folder:
        path = Path(folder, "answers")
        command = [sys.executable, "-c", code, str(path), json.dumps(sys.path)]
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=seconds, env=environment, stdin=subprocess.DEVNULL, check=False
            )
            errors, ended = done.stderr, _ending(done.returncode)
        except subprocess.TimeoutExpired as error:
            errors, ended = error.stderr or b"", f"did not answer within {seconds:.0f} s"
        answers: dict = {}
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            with contextlib.suppress(json.JSONDecodeError):  # cut short, as the process was killed
                answers |= json.loads(line)
    lines = [on_one_line(line) for line in errors.decode(errors="replace").splitlines() if line.strip()]
    return answers | {"log": lines[-_LOG_LINES:], "ended": ended}


def _ending(code: int) -> str | None:
    if code == 0:
        return None
    if code > 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    reasons = {
        "SIGILL": ", as the processor lacks instructions that TensorFlow is built for (AVX)",
        "SIGKILL": ", probably for want of memory",
    }
    return f"was killed by {name}{reasons.get(name, '')}"


def check_answers(answer: dict) -> Part:
    """Imports, devices, precision and the two steps."""
    facts = {}
    if "failed" in answer:
        facts["imports"] = "fail: " + ", ".join(answer["failed"]) if answer["failed"] else "all succeed"
    for name in ("device", "precision"):
        if name in answer:
            facts[name] = answer[name].partition(": ")[2].rstrip(".") if name == "precision" else answer[name]
    if "losses" in answer:
        losses = ", ".join(f"{loss:.4g}" for loss in answer["losses"])
        facts["two steps"] = f"losses {losses}; {answer['seconds']:.0f} s with building the network"
    findings = [_of_import(name, text) for name, text in answer.get("failed", {}).items()]
    findings += _of_ending(answer) + _of_steps(answer)
    return Part("TensorFlow", facts, findings)


def _of_import(name: str, text: str) -> Finding:
    package = {"odtk.training": "tf-models-official", "cv2": "opencv-python-headless"}.get(name, name.partition(".")[0])
    reason, fix = next(
        ((why, what) for words, why, what in _REASONS if any(word in text for word in words)),
        ("", "Install it again: " + _REINSTALL.format(name=package)),
    )
    return Finding(
        ERROR,
        f"`import {name}` fails with {on_one_line(text)}{'' if text.endswith('.') else '.'} {reason}".rstrip(),
        kind="broken-import",
        fix=fix.format(package=package),
    )


def _of_ending(answer: dict) -> list[Finding]:
    if not answer["ended"]:
        return []
    doing = answer.get("doing")
    what = _DOING[doing] if doing else f"importing {answer['importing']}" if answer.get("importing") else "starting"
    said = f". It said last: {answer['log'][-1]}" if answer["log"] else "."
    return [
        Finding(
            ERROR,
            f"While {what}, the process that uses TensorFlow {answer['ended'].rstrip('.')}{said}",
            kind="crash",
            fix="See the other findings first. `odtk --debug doctor` shows all that TensorFlow says.",
        )
    ]


def _of_steps(answer: dict) -> list[Finding]:
    if "steps_failed" in answer:
        return [
            Finding(
                ERROR,
                f"Two training steps of a small network fail with {on_one_line(answer['steps_failed'])}",
                kind="steps-failed",
                fix="See the other findings first: what is said of packages and the GPU comes before this. If another "
                "process uses the device, end it.",
            )
        ]
    losses = answer.get("losses", [])
    if not all(map(math.isfinite, losses)) or (losses and losses[1] > losses[0] * _ROUNDING):
        return [
            Finding(
                ERROR,
                f"The losses of two training steps on one batch, {', '.join(f'{loss:.6g}' for loss in losses)}, should "
                "be finite, and the second not above the first: the device does not compute right.",
                kind="wrong-losses",
                fix="Try `odtk train ... --precision float32`, and please report this with the device's name.",
            )
        ]
    return []
