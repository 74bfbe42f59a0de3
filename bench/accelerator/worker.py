"""A process that measures parts. Run as `python -m bench.accelerator.worker SETTING SMALL FOLDER`.

It reads a JSON line [function, arguments] for each part, and writes a JSON line {"figures": ...} or {"error": ...}.
"""

import contextlib
import gc
import importlib
import json
import sys
import traceback
from pathlib import Path

from bench.accelerator.parts import AUTO, CPU, EXACT, MIXED
from bench.accelerator.sizes import FULL, SMALL


def main() -> None:
    """Answers until its input ends."""
    setting, small, folder = sys.argv[1], sys.argv[2] == "small", Path(sys.argv[3])
    with contextlib.redirect_stdout(sys.stderr):  # output of libraries must not mix with the answers
        prepare(setting)
        for line in sys.stdin:
            name, arguments = json.loads(line)
            answer = run(name, arguments | {"sizes": SMALL if small else FULL, "folder": folder})
            print(json.dumps(answer), file=sys.__stdout__, flush=True)


def prepare(setting: str) -> None:
    """Sets TensorFlow up: which devices it sees, and whether it may use TF32."""
    import tensorflow as tf

    from bench.accelerator.models import precision_of
    from odtk.devices import keep_freed_memory, prepare_gpus, use_quick_batch_norms
    from odtk.layers.precision import BFLOAT16

    if setting == CPU:
        tf.config.set_visible_devices([], "GPU")
    tf.config.experimental.enable_tensor_float_32_execution(setting != EXACT)
    prepare_gpus()
    if setting == MIXED and precision_of(AUTO) == BFLOAT16:
        use_quick_batch_norms()
    keep_freed_memory()


def run(name: str, arguments: dict) -> dict:
    """The figures of `module.function` of this package, or its error in one line."""
    module, function = name.split(".")
    try:
        return {"figures": getattr(importlib.import_module(f"bench.accelerator.{module}"), function)(**arguments)}
    except Exception as error:
        traceback.print_exc()
        return {"error": " ".join(f"{type(error).__name__}: {error}".split())[:2000]}
    finally:
        gc.collect()  # models have cycles; what they hold of the device's memory is for the next part


if __name__ == "__main__":
    main()
