"""TPUs: whether there is one, and why TensorFlow uses it or not."""

import os
from collections.abc import Mapping
from pathlib import Path

from odtk import machine
from odtk.findings import ERROR, NOTE, Finding
from odtk.tools.doctor.packages import TPU, Installed, check_tpu_packages
from odtk.tools.doctor.part import Part

_VARIABLES = ("TPU_NAME", "TPU_ACCELERATOR_TYPE", "COLAB_TPU_ADDR")


def check_tpu(
    installed: Installed, answer: dict, root: Path = machine.ROOT, environ: Mapping[str, str] = os.environ
) -> Part:
    """`answer`: of the process that has imported TensorFlow."""
    chips = machine.find_tpus(root)
    given = {name: environ[name] for name in _VARIABLES if environ.get(name)}
    facts = {"TPU chips on PCI": f"{len(chips)} {chips[0].model}" if chips else "none", **given}
    if "libtpu" in installed:
        facts["libtpu"] = installed["libtpu"].version
    cores = [each for each in answer.get("devices") or () if each["kind"] == "tpu"]
    if chips:
        facts["TPU cores that TensorFlow sees"] = str(len(cores))
    # Colab sets the type of its TPU where it hides PCI.
    has_tpu = bool(chips) or "TPU_ACCELERATOR_TYPE" in given or "COLAB_TPU_ADDR" in given
    findings = list(check_tpu_packages(installed, has_tpu))
    if has_tpu and TPU in installed.tensorflows and "devices" in answer and not cores:
        findings.append(
            Finding(
                ERROR,
                "This machine has a TPU, and TensorFlow does not see it.",
                kind="tpu-not-seen",
                fix="If another process uses it, end it (on Colab: Runtime > Restart session), then run this again.",
            )
        )
    elif "TPU_NAME" in given and not has_tpu and not cores:
        findings.append(
            Finding(
                NOTE,
                f"TPU_NAME names the TPU {given['TPU_NAME']}, which this machine does not have; odtk can reach it over "
                "the network, which was not tried.",
                kind="remote-tpu",
                fix=f"odtk train CONFIG gs://BUCKET/FOLDER --tpu {given['TPU_NAME']}",
            )
        )
    elif cores:
        findings.append(
            Finding(
                NOTE,
                "A TPU is there; `odtk train` uses it when it is told to.",
                kind="tpu",
                fix="odtk train ... --tpu local",
            )
        )
    return Part("TPU", facts, findings)
