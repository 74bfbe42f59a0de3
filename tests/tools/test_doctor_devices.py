"""Why TensorFlow uses a GPU or a TPU or not, on machines that are drawn."""

import dataclasses
from importlib import metadata

import pytest

from odtk.findings import ERROR, NOTE, WARNING
from odtk.tools.doctor.cuda import missing_libraries, needed_libraries
from odtk.tools.doctor.gpu import GpuFacts, check_gpus, find_gpu_facts
from odtk.tools.doctor.packages import Installed
from odtk.tools.doctor.tpu import check_tpu

CUDA = {
    "is_cuda_build": True,
    "cuda_version": "12.5.1",
    "cudnn_version": "9",
    "cuda_compute_capabilities": ["sm_60", "sm_80", "compute_90"],
}
T4 = {"kind": "gpu", "index": 0, "model": "Tesla T4", "memory": 14_600_000_000, "compute_capability": [7, 5]}
WORKING = GpuFacts(
    on_pci=1,
    driver="550.54.15",
    has_device=True,
    has_libcuda=True,
    tensorflow="2.20.0",
    build=CUDA,
    devices=(T4,),
)
UNSEEN = dataclasses.replace(WORKING, devices=())


def test_a_gpu_that_works():
    part = check_gpus(WORKING)
    assert part.findings == []
    assert part.facts["GPUs that TensorFlow sees"] == "gpu:0 Tesla T4, 14.6 GB, compute capability 7.5"
    assert part.facts["CUDA libraries"] == "all found"


@pytest.mark.parametrize(
    ("found", "kind", "severity", "said"),
    [
        (GpuFacts(build=CUDA, devices=()), "no-gpu", NOTE, "Runtime > Change runtime type"),
        (
            GpuFacts(build=CUDA, devices=(), missing=("libcudnn.so.9",), tensorflow="2.20.0"),
            "no-gpu",
            NOTE,
            'libraries: pip install "tensorflow[and-cuda]==2.20.0"',
        ),
        (dataclasses.replace(UNSEEN, visible=""), "hidden-gpus", WARNING, "unset CUDA_VISIBLE_DEVICES"),
        (dataclasses.replace(UNSEEN, visible="-1"), "hidden-gpus", WARNING, "unset CUDA_VISIBLE_DEVICES"),
        (GpuFacts(on_pci=1, devices=(), build=CUDA), "no-driver", WARNING, "nvidia.com/drivers"),
        (
            dataclasses.replace(UNSEEN, has_device=False, has_libcuda=False),
            "no-libcuda",
            ERROR,
            "docker run --gpus all",
        ),
        (dataclasses.replace(UNSEEN, has_libcuda=False), "no-libcuda", ERROR, "libraries again"),
        (
            dataclasses.replace(UNSEEN, build={"is_cuda_build": False}),
            "no-cuda-build",
            ERROR,
            'pip install "tensorflow[and-cuda]==2.20.0"',
        ),
        (
            dataclasses.replace(UNSEEN, missing=("libcudnn.so.9",)),
            "missing-libraries",
            ERROR,
            'pip install "odtk[gpu]"',
        ),
        (dataclasses.replace(UNSEEN, driver="470.82.01"), "old-driver", ERROR, "newer driver"),
        (dataclasses.replace(UNSEEN, log=("cuInit: CUDA_ERROR_UNKNOWN",)), "gpu-not-seen", ERROR, "nvidia-smi"),
        (dataclasses.replace(UNSEEN, devices=None, build=None), "gpu-unknown", WARNING, "what is said above"),
    ],
)
def test_the_reason_why_there_is_none(found, kind, severity, said):
    (finding,) = check_gpus(found).findings
    assert (finding.kind, finding.severity) == (kind, severity)
    assert said in finding.fix


def test_missing_libraries_and_the_log_are_named():
    part = check_gpus(dataclasses.replace(UNSEEN, missing=("libcublas.so.12", "libcudnn.so.9")))
    assert "does not find libcublas.so.12, libcudnn.so.9" in part.findings[0].text
    part = check_gpus(dataclasses.replace(UNSEEN, log=("cuInit: CUDA_ERROR_UNKNOWN",)))
    assert part.findings[0].text.endswith("It says: cuInit: CUDA_ERROR_UNKNOWN")


def test_one_of_two_gpus_and_one_that_is_newer_than_tensorflow():
    blackwell = T4 | {"model": "B200", "compute_capability": [10, 0]}
    part = check_gpus(dataclasses.replace(WORKING, on_pci=2, devices=(blackwell,)))
    assert [(each.kind, each.severity) for each in part.findings] == [("fewer-gpus", NOTE), ("newer-gpu", WARNING)]
    assert "B200" in part.findings[1].text


@pytest.fixture
def tensorflow(tmp_path):
    """TensorFlow's distribution in an environment where NVIDIA's package has one of the libraries."""
    info = tmp_path / "tensorflow-2.20.0.dist-info"
    info.mkdir()
    requires = [
        "numpy>=1.26",
        *(f'nvidia-{name}; extra == "and-cuda"' for name in ("cudnn-cu12<10,>=9.3", "nccl-cu12>=2")),
    ]
    requires += [
        f'nvidia-{name}; extra == "and-cuda"' for name in ("cublas-cu12<13.0,>=12.5.3.2", "cufft-cu12>=11.2.3.61")
    ]
    lines = ["Metadata-Version: 2.1", "Name: tensorflow", "Version: 2.20.0", *map("Requires-Dist: {}".format, requires)]
    info.joinpath("METADATA").write_text("\n".join(lines))
    library = tmp_path / "nvidia/cudnn/lib/libcudnn.so.9"
    library.parent.mkdir(parents=True)
    library.touch()
    (found,) = metadata.distributions(path=[str(tmp_path)])
    return found


def test_libraries_are_those_of_tensorflows_own_metadata(tensorflow):
    assert needed_libraries(tensorflow) == ["libcudnn.so.9", "libcublas.so.12", "libcublasLt.so.12", "libcufft.so.11"]
    assert missing_libraries(tensorflow, opens=lambda name: name == "libcublas.so.12") == [
        "libcublasLt.so.12",
        "libcufft.so.11",
    ]


def test_facts_of_a_drawn_machine(tensorflow, tmp_path):
    version = tmp_path / "proc/driver/nvidia/version"
    version.parent.mkdir(parents=True)
    version.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5\n")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia0").touch()
    answer = {"build": CUDA, "devices": [T4, {"kind": "cpu"}], "log": ["cuda is there", "something else"]}
    found = find_gpu_facts(tensorflow, answer, tmp_path, {"CUDA_VISIBLE_DEVICES": "0"})
    assert (found.driver, found.has_device, found.visible, found.devices) == ("550.54.15", True, "0", (T4,))
    assert found.log == ("cuda is there",)
    assert "libcudnn.so.9" not in found.missing


def test_no_tpu(tmp_path):
    part = check_tpu(Installed([str(tmp_path)]), {"devices": []}, tmp_path, {})
    assert part.facts == {"TPU chips on PCI": "none"}
    assert part.findings == []


@pytest.mark.parametrize("cores", [0, 1])
def test_a_tpu(tmp_path, cores, monkeypatch):
    for name, value in (("vendor", "0x1ae0"), ("device", "0x0063"), ("class", "0x120000")):
        path = tmp_path / "sys/bus/pci/devices/0000:00:04.0" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)
    for name in ("tensorflow", "tensorflow_tpu", "libtpu"):
        info = tmp_path / f"{name}-2.20.0.dist-info"
        info.mkdir()
        info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.20.0\n")
        info.joinpath("RECORD").write_text("tensorflow/__init__.py,,\n" if name == "tensorflow_tpu" else "x,,\n")
    answer = {"devices": [{"kind": "tpu"}] * cores}
    part = check_tpu(Installed([str(tmp_path)]), answer, tmp_path, {})
    (finding,) = part.findings
    assert part.facts["TPU chips on PCI"] == "1 TPU v5e"
    if cores:
        assert (finding.severity, finding.fix) == (NOTE, "odtk train ... --tpu local")
    else:
        assert (finding.severity, finding.kind) == (ERROR, "tpu-not-seen")


def test_a_tpu_that_is_reached_by_its_name(tmp_path):
    (finding,) = check_tpu(Installed([str(tmp_path)]), {}, tmp_path, {"TPU_NAME": "pets"}).findings
    assert finding.kind == "remote-tpu"
    assert finding.text.startswith("TPU_NAME names the TPU pets")
