"""Which precision a run computes in, by option, config and devices."""

import pytest

from odtk.errors import OdtkError
from odtk.hardware import CPU, GPU, TPU, Device
from odtk.machine import Cpu
from odtk.protos import pipeline_pb2
from odtk.training import precision
from odtk.training.precision import choose_precision


def gpu(model, *capability):
    return Device(GPU, 0, model, None, capability or None)


K80, P100, V100, T4 = gpu("Tesla K80", 3, 7), gpu("Tesla P100", 6, 0), gpu("Tesla V100", 7, 0), gpu("Tesla T4", 7, 5)
A100, L4, H100, STRANGE = gpu("A100", 8, 0), gpu("L4", 8, 9), gpu("H100", 9, 0), gpu("MI250X")


@pytest.fixture(params=["", "AVX512-BF16"])
def instructions(request, monkeypatch):
    features = ("avx2", "avx512_bf16") if request.param else ("avx2",)
    monkeypatch.setattr(precision.machine, "find_cpu", lambda: Cpu("a CPU", 2, features))
    return request.param


def chosen(requested, devices, use_bfloat16=False):
    config = pipeline_pb2.TrainEvalPipelineConfig()
    config.train_config.use_bfloat16 = use_bfloat16
    return choose_precision(requested, config, devices).line


@pytest.mark.parametrize(
    ("devices", "line"),
    [
        ([K80], "float32 (auto: Tesla K80, an older GPU, is not quicker in another one)."),
        ([P100], "float32 (auto: Tesla P100, a Pascal GPU, is not quicker in another one)."),
        ([V100], "float16 with loss scaling (auto: Tesla V100, a Volta GPU, has no bfloat16)."),
        ([T4, T4], "float16 with loss scaling (auto: Tesla T4, a Turing GPU, has no bfloat16)."),
        ([A100], "bfloat16 (auto: A100, an Ampere GPU, is quick at it)."),
        ([L4], "bfloat16 (auto: L4, an Ada GPU, is quick at it)."),
        ([H100], "bfloat16 (auto: H100, a Hopper GPU, is quick at it)."),
        ([H100, T4, A100], "float16 with loss scaling (auto: Tesla T4, a Turing GPU, has no bfloat16)."),
        ([STRANGE, A100], "float32 (auto: the compute capability of MI250X is unknown)."),
        ([Device(TPU)], "bfloat16 (auto: TPUs multiply in bfloat16)."),
    ],
)
def test_auto_is_what_all_devices_are_quick_at(devices, line):
    assert chosen("auto", devices) == f"Precision: {line}"


def test_cpus_train_in_float32_and_bfloat16_is_named_where_they_have_it(instructions):
    known = "; this one has AVX512-BF16, with which bfloat16 may be quicker" if instructions else ""
    assert chosen("auto", [Device(CPU)]) == f"Precision: float32 (auto: a CPU{known})."


def test_the_configs_bfloat16_is_heeded_with_a_word_where_it_is_slow(instructions):
    drawback = "" if instructions else "; this CPU has neither AVX512-BF16 nor AMX, so float32 is quicker"
    assert chosen("auto", [Device(CPU)], True) == f"Precision: bfloat16 (the config's use_bfloat16{drawback})."
    assert chosen("auto", [A100], True) == "Precision: bfloat16 (the config's use_bfloat16)."
    assert "has no bfloat16 and computes it in float32: float16 is quicker" in chosen("auto", [T4], True)


@pytest.mark.parametrize("use_bfloat16", [False, True])
def test_what_is_asked_for_wins_over_the_config(use_bfloat16):
    assert chosen("float32", [A100], use_bfloat16) == "Precision: float32 (as asked for)."
    assert chosen("float16", [A100], use_bfloat16) == "Precision: float16 with loss scaling (as asked for)."
    assert "it saves memory alone" in chosen("float16", [P100], use_bfloat16)
    assert "CPUs are slower in float16" in chosen("float16", [], use_bfloat16)
    with pytest.raises(OdtkError, match="TPUs do not compute in float16") as raised:
        chosen("float16", [Device(TPU)], use_bfloat16)
    assert raised.value.argument == "precision"
