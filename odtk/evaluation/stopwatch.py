"""The seconds that the stages of an evaluation take."""

import contextlib
import time
from collections.abc import Iterator

READING, FIRST_STEP, INFERENCE, SCORING = "reading", "first step", "inference", "scoring"
"""Waiting for images (read and decoded), the first images through the model (which compiles it), the other images
through the model, and matching and counting."""


class Stopwatch:
    """Adds up the seconds of each stage."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self.first_images = 0
        """How many images the first step had."""

    @property
    def seconds(self) -> dict[str, float]:
        """Those of the stages that occurred, in the order in which an image passes them."""
        order = (READING, FIRST_STEP, INFERENCE, SCORING)
        return {stage: self._seconds[stage] for stage in order if stage in self._seconds}

    @contextlib.contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        """The block is a part of this stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + time.perf_counter() - start

    def inference(self, num_images: int) -> contextlib.AbstractContextManager[None]:
        """The block runs the model on so many images, for the first time or again."""
        if FIRST_STEP in self._seconds:
            return self.timing(INFERENCE)
        self.first_images = num_images
        return self.timing(FIRST_STEP)
