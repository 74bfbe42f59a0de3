"""A process of odtk.tools.benchmark whose models are stubs without TensorFlow; how one behaves is its path."""

import os
import signal
import sys

import numpy as np

from odtk.detections import Detections
from odtk.errors import CheckpointError
from odtk.exporting.model import Model
from odtk.tools.benchmark import worker


class Stub(Model):
    """Finds one box in each image."""

    def __init__(self, path: str):
        self.path, self.description, self.takes_batches = path, f"{path}, a stub", "single" not in path
        self.placed: list[list[float]] = []

    def place(self, images):
        os.write(1, b"a library prints this\n")
        self.placed.append([float(image[0, 0, 0]) for image in images])
        return list(images)

    def run(self, placed):
        if "killed" in self.path:
            os.kill(os.getpid(), signal.SIGKILL)
        if "crashing" in self.path:
            raise ValueError("the stub crashes")
        one = np.ones(1, np.float32)
        return [Detections(np.ones((1, 4), np.float32), one.astype(np.int32), one) for _ in placed]


def load(path, *, devices):
    if "broken" in path:
        raise CheckpointError(f"{path} is broken. Export it again.", argument="models")
    return Stub(path)


if __name__ == "__main__":
    from odtk.exporting import open_model

    open_model.open_model = load
    worker.main(sys.argv[1])
