"""A model process without TensorFlow: finds a cat in the left half of each picture, and a dog of low score.

A run that is called "broken" cannot be opened; a picture of one pixel ends the process as if it crashed.
"""

import os
import sys

import numpy as np

from odtk.detections import Detections
from odtk.errors import CheckpointError
from odtk.exporting.model import Model
from odtk.web.model_process import answer_pictures


class HalfModel(Model):
    """Finds the same wherever it looks."""

    description = "half a picture"

    @property
    def names(self):
        return {1: "cat", 2: "<b>dog</b>"}

    def name_of(self, number):
        return self.names[number]

    def place(self, images):
        return images

    def run(self, placed):
        if placed[0].shape[:2] == (1, 1):
            print("out of pixels", file=sys.stderr, flush=True)
            os._exit(3)
        boxes = np.array([[0, 0, 1, 0.5], [0.25, 0.5, 0.75, 1], [0, 0, 1, 1]], np.float32)
        return [Detections(boxes, np.array([1, 2, 1]), np.array([0.9, 0.3, 0.01], np.float32)) for _ in placed]


def open_model():
    """The model of the path that the process was given."""
    if "broken" in sys.argv[1]:
        raise CheckpointError("runs/broken holds no model. Train it.")
    return HalfModel()


if __name__ == "__main__":
    answer_pictures(open_model, sys.stdin.buffer, sys.stdout.buffer)
