"""A workspace with records and a project, whose commands run in this process, without TensorFlow."""

import os
from pathlib import Path

from click.testing import CliRunner

from odtk import label_map
from odtk.errors import OdtkError
from odtk.records import shards
from odtk.web.background import DONE, Background
from odtk.web.commands import Command, Commands, Outcome, _document

SMALL = "ssd_resnet50_v1_fpn_small"

SUMMARY = {
    "model": SMALL,
    "pipeline_config": SMALL,
    "feature_extractor": "ssd_resnet50_v1_fpn_keras",
    "num_classes": 2,
    "image_width": 640,
    "image_height": 480,
    "input_size": [160, 160],
    "parameters": 1_873_620,
    "trainable_parameters": 1_857_268,
    "multiply_adds": 249_379_328,
    "memory_bytes": {"weights": 7_494_480, "image": 1_234_688, "training_image": 18_627_688, "optimizer": 7_429_072,
                     "gradients": 7_429_072, "training_batch": 171_374_128, "batch_size": 8},
    "layers": [
        {"name": "backbone/conv1_pad", "kind": "ZeroPadding2D", "output_shapes": [[166, 166, 3]], "parameters": 0,
         "multiply_adds": 0, "output_bytes": 330_672, "is_group": False},
        {"name": "backbone/conv1_conv", "kind": "Conv2D", "output_shapes": [[80, 80, 16]], "parameters": 2352,
         "multiply_adds": 15_052_800, "output_bytes": 409_600, "is_group": False},
        {"name": "pyramid", "kind": "FeaturePyramid", "output_shapes": [[20, 20, 64], [2, 2, 64]], "parameters": 300,
         "multiply_adds": 1000, "output_bytes": 102_400, "is_group": True},
    ],
    "broken": None,
    "anchors": [{"rows": 20, "columns": 20, "per_cell": 2, "stride": 8.0, "input_sizes": [[32.0, 32.0], [45.2, 45.2]],
                 "original_sizes": [[96.0, 128.0], [135.8, 181.0]], "count": 800}],
    "findings": [],
}  # fmt: skip
"""What `odtk summary --json` prints, with three of its layers."""


def make_records(workspace: Path, name: str = "pets") -> Path:
    """A folder of records as make-tfrecords names them, with a label map of two classes."""
    folder = workspace / "records" / name
    folder.mkdir(parents=True)
    label_map.write(label_map.of_names(["cat", "dog"]), folder / "label_map.pbtxt")
    for split in ("train", "val"):
        shards.write_records(folder / shards.shard_name(f"{split}.record", 0, 1), [b""])
    globs = [shards.shard_glob(f"{split}.record", 1) for split in ("train", "val")]
    shards.write_dataset(folder, *globs, "label_map.pbtxt", {})
    return folder


def run_in_this_process(monkeypatch, ran: list[str]) -> None:
    """Commands are called here, and what runs in the background has ended at once; `ran` gets the lines."""

    async def run(self, command: Command, progress_file=None) -> Outcome:
        ran.append(str(command))
        return _run(command, self._folder)

    def start(self, key, command, then=None):
        ran.append(str(command))
        self._note(key, command, DONE, Outcome(command, 0, SUMMARY, ""))
        return self.find(key)

    monkeypatch.setattr(Commands, "run", run)
    monkeypatch.setattr(Background, "start", start)


def _run(command: Command, folder: Path) -> Outcome:
    from odtk.cli.configure import configure

    name, *words = command.words
    assert name == "configure"
    before = os.getcwd()
    os.chdir(folder)
    try:
        result = CliRunner().invoke(configure, words)
    finally:
        os.chdir(before)
    said = f"error: {result.exception}" if isinstance(result.exception, OdtkError) else result.stderr
    return Outcome(command, result.exit_code, _document(result.stdout.encode()), said)
