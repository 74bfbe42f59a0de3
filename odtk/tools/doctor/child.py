"""What only TensorFlow knows, in a process of its own: where it breaks, that process ends, not `odtk doctor`.

Each answer is appended to a file as a line of JSON as soon as it is known, so that a crash leaves those before it.
"""

import dataclasses
import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

MODULES = ("numpy", "pycocotools.mask", "hotcoco", "cv2", "tensorflow", "tf_keras", "odtk.training")
"""Those with code that was compiled for one version of another package; the last imports official and Orbit."""


def main(path: str) -> None:
    """Writes all answers to the file `path`; a stage whose imports failed is left out."""

    def answer(**values) -> None:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")

    failed = _import_all(answer)
    if "tensorflow" in failed:
        return
    devices = _describe(answer)
    if not {"odtk.training", "tf_keras"} & set(failed):
        _train(answer, devices)


def _import_all(answer: Callable) -> dict[str, str]:
    failed: dict[str, str] = {}
    for name in MODULES:
        answer(importing=name)
        try:
            importlib.import_module(name)
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"
            if name == "tensorflow":  # the rest would fail with the same words
                break
    answer(importing=None, failed=failed)
    return failed


def _describe(answer: Callable) -> list:
    import tensorflow as tf

    answer(build={name: _plain(value) for name, value in tf.sysconfig.get_build_info().items()})
    answer(doing="devices")
    from odtk.devices import prepare_gpus
    from odtk.hardware import describe_devices, find_devices

    prepare_gpus()
    devices = find_devices()
    answer(doing=None, devices=[dataclasses.asdict(each) for each in devices], device=describe_devices(devices))
    return devices


def _train(answer: Callable, devices: list) -> None:
    answer(doing="steps")
    try:
        from odtk.tools.doctor.trial import trial_config, two_steps
        from odtk.training.precision import AUTO, choose_precision

        config = trial_config()
        chosen = choose_precision(AUTO, config, devices)
        answer(precision=chosen.line)
        start = time.monotonic()
        losses = two_steps(config, chosen.precision, _strategy(devices))
        answer(doing=None, losses=losses, seconds=time.monotonic() - start)
    except Exception as error:
        answer(doing=None, steps_failed=f"{type(error).__name__}: {error}")


def _strategy(devices: list):
    """That of a TPU's cores, without which TensorFlow computes on the CPU; otherwise TensorFlow's default."""
    import tensorflow as tf

    from odtk.device_words import LOCAL_TPU
    from odtk.hardware import TPU
    from odtk.training import tpu

    return tpu.connect(LOCAL_TPU) if any(each.kind == TPU for each in devices) else tf.distribute.get_strategy()


def _plain(value):
    return value if isinstance(value, (bool, int, str)) else list(map(str, value))


if __name__ == "__main__":
    main(sys.argv[1])
