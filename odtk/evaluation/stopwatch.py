"""The seconds that the stages of an evaluation take."""

import contextlib
import time
from collections.abc import Iterator

READING, FIRST_STEP, INFERENCE, SCORING = "reading", "first step", "inference", "scoring"
"""Waiting for images (read and decoded), the first images through the model (which compiles it), the other images
through the model, and matching and counting."""


class Stopwatch:
    """Adds up the seconds of each stage, in the order in which they first occur."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        """The block is a part of this stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def inference(self) -> contextlib.AbstractContextManager[None]:
        """The block runs the model, for the first time or again."""
        return self.timing(INFERENCE if FIRST_STEP in self.seconds else FIRST_STEP)
