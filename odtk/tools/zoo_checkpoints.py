"""The checkpoints of TFOD's model zoo that shipped pipelines are made for: which there are, and which are here."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from odtk import pipeline, resources

_PLACEHOLDER = re.compile("PATH_TO_BE_CONFIGURED/(.+)")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint of the zoo."""

    pipeline: str
    """That is made for it."""
    prefix: str
    """`ssd_..._coco17_tpu-8/checkpoint/ckpt-0`, as it is unpacked."""

    @property
    def model(self) -> str:
        """Its name in the zoo, by which `odtk download` finds it."""
        return self.prefix.partition("/")[0]


@functools.cache
def zoo_checkpoints() -> dict[str, Checkpoint]:
    """All of them, by pipeline; those that train from scratch have none."""
    found = {}
    for name, path in resources.shipped_files("pipelines", ".config").items():
        written = pipeline.read(path).train_config.fine_tune_checkpoint
        if match := _PLACEHOLDER.fullmatch(written):
            found[name] = Checkpoint(name, match[1])
    return found


def checkpoints_here(folders: Iterable[str]) -> dict[str, str]:
    """The prefixes of those that were unpacked in one of the folders, by pipeline; the first folder counts."""
    here = {}
    for folder in folders:
        for name, checkpoint in zoo_checkpoints().items():
            prefix = os.path.join(folder, checkpoint.prefix)
            if os.path.exists(f"{prefix}.index"):
                here.setdefault(name, prefix)
    return here
