"""`odtk doctor`: whether this machine can train, on what, and what is missing; without importing TensorFlow itself."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from odtk.findings import WARNING, Finding, has_errors, worst_first
from odtk.system_errors import describe
from odtk.tools.doctor.part import Part

__all__ = ["DoctorReport", "doctor"]


@dataclass(frozen=True)
class DoctorReport:
    """Facts by part, and all findings, errors first."""

    folder: str
    facts: dict[str, dict[str, str]]
    findings: list[Finding]
    log: list[str] = field(default_factory=list)
    """The last lines that TensorFlow printed."""

    @property
    def is_healthy(self) -> bool:
        """Whether there is no error."""
        return not has_errors(self.findings)


def doctor(
    folder: str | os.PathLike = ".",
    *,
    log: Callable[[str], None] = lambda line: None,
) -> DoctorReport:
    """Checks packages, processor, memory, GPU, TPU, the precision that training would choose, and two training steps.

    `folder` is what a training would write to: its free space and speed are measured with a file of 32 MB, which is
    removed. TensorFlow runs in a process of its own, so that a broken one is a finding. A check that itself fails is a
    finding, too. `log` is called with what takes seconds.
    """
    from odtk.tools.doctor.asking import ask, check_answers
    from odtk.tools.doctor.computer import check_computer
    from odtk.tools.doctor.folder import check_folder
    from odtk.tools.doctor.gpu import check_gpus, find_gpu_facts
    from odtk.tools.doctor.packages import Installed, check_packages
    from odtk.tools.doctor.tpu import check_tpu

    installed = Installed()
    parts = [
        _isolated("Packages", lambda: check_packages(installed)),
        _isolated("Computer", check_computer),
        _isolated("Folder", lambda: check_folder(folder)),
    ]
    log("Importing TensorFlow and training two steps, in a process of its own.")
    try:
        answer = ask()
    except OSError as error:  # no process, or no room for what it answers
        answer = {"log": [], "ended": f"cannot be asked: {describe(error)}"}
    tensorflow = next(iter(installed.tensorflows.values()), None)
    parts += [
        _isolated("GPU", lambda: check_gpus(find_gpu_facts(tensorflow, answer))),
        _isolated("TPU", lambda: check_tpu(installed, answer)),
        _isolated("TensorFlow", lambda: check_answers(answer)),
    ]
    findings = [finding for part in parts for finding in part.findings]
    facts = {part.title: part.facts for part in parts}
    return DoctorReport(os.fspath(folder), facts, worst_first(findings), answer["log"])


def _isolated(title: str, check: Callable[[], Part]) -> Part:
    try:
        return check()
    except Exception as error:
        finding = Finding(
            WARNING,
            f"{title} could not be checked: {type(error).__name__}: {error}.",
            kind="unchecked",
            fix="This is a bug in odtk: please report it.",
        )
        return Part(title, {}, [finding])
