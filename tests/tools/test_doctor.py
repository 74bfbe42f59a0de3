"""`odtk doctor` as a whole: what it prints here, and that nothing that breaks ends it."""

import errno
import json
import os
import subprocess
import sys

import pytest
import tensorflow as tf
from click.testing import CliRunner

from odtk import machine
from odtk.cli.main import cli
from odtk.errors import OdtkError
from odtk.findings import ERROR, NOTE, WARNING
from odtk.hardware import CPU, TPU, Device
from odtk.tools import doctor as tool
from odtk.tools.doctor import asking, child, trial
from odtk.tools.doctor.asking import ask, check_answers
from odtk.tools.doctor.computer import check_computer
from odtk.tools.doctor.folder import check_folder, measure_speed
from odtk.tools.doctor.packages import Installed
from odtk.training import tpu


@pytest.fixture(scope="module")
def answer():
    """What the process that imports TensorFlow says here; the only one that these tests start with it."""
    return ask()


def test_tensorflow_answers(answer):
    assert answer["ended"] is None, answer["log"]
    assert answer["failed"] == {}
    assert answer["device"]
    assert answer["precision"].startswith("Precision: ")
    part = check_answers(answer)
    assert part.findings == []
    assert part.facts["two steps"].startswith("losses ")


@pytest.mark.parametrize("kind", [CPU, TPU])
def test_the_steps_are_computed_by_the_tpu_that_is_named(kind, monkeypatch):
    """Without its strategy TensorFlow would compute them on the CPU."""
    strategies, answers = [], {}
    monkeypatch.setattr(tpu, "connect", lambda name: f"the TPU {name}")
    monkeypatch.setattr(trial, "two_steps", lambda config, precision, of: strategies.append(of) or [2.0, 1.0])
    child._train(lambda **values: answers.update(values), [Device(kind)])
    assert answers["losses"] == [2.0, 1.0]
    assert strategies == [tf.distribute.get_strategy() if kind == CPU else "the TPU local"]

    def refuse(name):
        raise OdtkError("No TPU was found on this machine: it is busy.")

    monkeypatch.setattr(tpu, "connect", refuse)
    child._train(lambda **values: answers.update(values), [Device(TPU)])
    assert answers["steps_failed"] == "OdtkError: No TPU was found on this machine: it is busy."


TWO_STEPS = """
import json
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from odtk.tools.doctor.trial import trial_config, two_steps
from odtk.training.strategy import build_strategy
strategies = tf.distribute.get_strategy(), build_strategy("cpu:0,1")
print(json.dumps([two_steps(trial_config(), "float32", strategy) for strategy in strategies]))
"""


@pytest.mark.slow
def test_the_steps_of_several_replicas_are_those_of_one():
    done = subprocess.run([sys.executable, "-c", TWO_STEPS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    one, two = json.loads(done.stdout.splitlines()[-1])
    assert two == pytest.approx(one, rel=1e-3)
    assert one[1] < one[0]


def test_a_process_that_cannot_be_started(monkeypatch, tmp_path):
    def refuse():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp")

    monkeypatch.setattr(asking, "ask", refuse)
    crash = next(each for each in tool.doctor(tmp_path).findings if each.kind == "crash")
    assert "/tmp cannot be written: no space is left on its disk" in crash.text


def test_the_report_on_this_machine(answer, monkeypatch, tmp_path):
    monkeypatch.setattr(asking, "ask", lambda: answer)
    shown = CliRunner().invoke(cli, ["doctor", str(tmp_path)], catch_exceptions=False)
    assert shown.exit_code == 0, shown.output
    for title in ("Packages", "Computer", "Folder", "GPU", "TPU", "TensorFlow"):
        assert f"\n{title}\n" in shown.output
    if not any(each["kind"] == "gpu" for each in answer["devices"]):
        assert "note: This machine has no NVIDIA GPU" in shown.output
    assert list(tmp_path.iterdir()) == []

    printed = CliRunner().invoke(cli, ["doctor", str(tmp_path), "--json"]).stdout
    document = json.loads(printed)
    assert document["facts"]["Folder"]["folder"] == str(tmp_path)
    assert all(each["text"] and each["fix"] for each in document["findings"])


def test_an_error_is_exit_code_1_and_a_check_that_breaks_is_a_finding(monkeypatch, tmp_path):
    def breaks(*args):
        raise RuntimeError("a bug")

    monkeypatch.setattr("odtk.tools.doctor.computer.check_computer", breaks)
    broken = {"failed": {"tensorflow": "ImportError: DLL"}, "importing": None, "log": [], "ended": None}
    monkeypatch.setattr(asking, "ask", lambda: broken)
    shown = CliRunner().invoke(cli, ["doctor", str(tmp_path)], catch_exceptions=False)
    assert shown.exit_code == 1
    assert "Computer could not be checked: RuntimeError: a bug." in shown.output
    assert "error: `import tensorflow` fails with ImportError: DLL." in shown.output
    assert shown.output.index("error:") < shown.output.index("warning:")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "killed by SIGILL, as the processor lacks"),
        (
            "import sys; print('all is lost', file=sys.stderr); sys.exit(3)",
            "ended with exit code 3. It said last: all",
        ),
        ("import time; time.sleep(60)", "did not answer within 1 s"),
        (
            """import os, sys; open(sys.argv[1], "w").write('{"importing": "tensorflow"}\\n'); os.abort()""",
            "While importing tensorflow, the process that uses TensorFlow was killed by SIGABRT.",
        ),
    ],
)
def test_a_process_that_ends_as_it_should_not(code, said):
    (finding,) = check_answers(ask(1 if "sleep" in code else 60, code)).findings
    assert finding.severity == ERROR
    assert said in finding.text


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("cv2", "ImportError: numpy.core.multiarray failed to import", "--upgrade opencv-python-headless"),
        (
            "odtk.training",
            "TypeError: Descriptors cannot be created directly.",
            "--upgrade protobuf tf-models-official",
        ),
        ("tensorflow", "ImportError: libm.so.6: version `GLIBC_2.29' not found", "newer Linux"),
        ("tf_keras", "ModuleNotFoundError: No module named 'tf_keras'", "pip install odtk"),
        (
            "tensorflow",
            "AttributeError: module has no attribute",
            'pip install --force-reinstall --no-deps "tensorflow"',
        ),
    ],
)
def test_an_import_that_fails_comes_with_its_remedy(name, text, said):
    (finding,) = check_answers({"failed": {name: text}, "log": [], "ended": None}).findings
    assert f"`import {name}` fails with" in finding.text
    assert said in finding.fix


@pytest.mark.parametrize("losses", [[1.0, float("nan")], [1.0, 1.5]])
def test_losses_that_are_not_finite_or_rise(losses):
    (finding,) = check_answers({"losses": losses, "seconds": 1.0, "log": [], "ended": None}).findings
    assert (finding.severity, finding.kind) == (ERROR, "wrong-losses")


def test_steps_that_fail():
    (finding,) = check_answers({"steps_failed": "ResourceExhaustedError: OOM", "log": [], "ended": None}).findings
    assert "fail with ResourceExhaustedError: OOM" in finding.text


def test_little_memory_is_said(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 2000000 kB\nMemAvailable: 1000000 kB\n")
    part = check_computer(tmp_path)
    assert part.facts["memory"] == "2.0 GB"
    assert [(each.kind, each.severity) for each in part.findings] == [("little-memory", WARNING)]
    assert check_computer(tmp_path / "nothing").findings == []


def test_a_folder_on_a_slow_disk_and_one_that_does_not_exist_yet(tmp_path):
    part = check_folder(tmp_path / "models/pets", tmp_path, {}, speed=lambda folder: 5e6)
    assert part.facts["folder"] == str(tmp_path)
    assert part.facts["writing"] == "5.0 MB per second"
    assert "slow-disk" in {each.kind for each in part.findings}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "said"), [(errno.EDQUOT, "quota is used up"), (errno.EROFS, "read-only")])
def test_a_folder_that_cannot_be_written_to(tmp_path, number, said):
    def refuse(folder):
        raise OSError(number, os.strerror(number))

    (finding,) = [each for each in check_folder(tmp_path, tmp_path, {}, refuse).findings if each.severity == ERROR]
    assert said in finding.text
    assert "choose another folder" in finding.fix


def test_the_file_that_is_measured_is_removed(tmp_path):
    assert measure_speed(tmp_path) > 0
    assert list(tmp_path.iterdir()) == []


def test_google_drive_and_colabs_own_disk(tmp_path):
    drive = tmp_path / "content/drive/MyDrive"
    drive.mkdir(parents=True)

    def kinds(folder):
        found = check_folder(folder, tmp_path, {"COLAB_RELEASE_TAG": "x"}, lambda folder: 1e9).findings
        return {each.kind: each.fix for each in found if each.severity == NOTE}

    assert set(kinds(drive)) == {"drive"}
    assert "/content/drive/MyDrive" in kinds(tmp_path / "content")["colab-disk"]
    drive.rmdir()
    assert "drive.mount" in kinds(tmp_path / "content")["colab-disk"]


def test_an_object_store_is_not_written_to():
    part = check_folder("gs://bucket/model", machine.ROOT, {}, lambda folder: pytest.fail("it was measured"))
    assert part.findings == []


def test_without_any_tensorflow_the_rest_is_still_told(monkeypatch, tmp_path):
    monkeypatch.setattr("odtk.tools.doctor.packages.Installed", lambda: Installed([str(tmp_path)]))
    failed = {"tensorflow": "ModuleNotFoundError: No module named 'tensorflow'"}
    monkeypatch.setattr(asking, "ask", lambda: {"failed": failed, "log": [], "ended": None})
    report = tool.doctor(tmp_path)
    assert not report.is_healthy
    assert report.facts["Packages"]["tensorflow"] == "not installed"
    assert report.facts["Computer"]
