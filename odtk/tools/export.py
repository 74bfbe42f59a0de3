"""`odtk export`: a checkpoint to a folder in the layout of TFOD's model zoo."""

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from odtk import label_map, pipeline
from odtk.atomic import atomic_directory
from odtk.errors import ConfigError, LabelMapError
from odtk.tools.check_config import require_sound

INPUT_TYPES = ("image_tensor", "float_image_tensor", "encoded_image_string_tensor", "tf_example")


@dataclass
class ExportReport:
    """What was written, from what."""

    output_dir: str
    checkpoint: str
    step: int | None
    input_type: str
    winograd_convolutions: int = 0
    files: list[str] = field(default_factory=list)
    label_map: str | None = None


def export(
    pipeline_config: str | os.PathLike,
    checkpoint: str | os.PathLike,
    output_dir: str | os.PathLike,
    input_type: str = "image_tensor",
    winograd: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> ExportReport:
    """Writes saved_model/, checkpoint/ckpt-0, pipeline.config and label_map.pbtxt to `output_dir`, whole or not at all.

    `checkpoint` is a model dir (its latest), an odtk or TFOD prefix, or an exported folder. With `winograd` the
    SavedModel is one for CPUs (see odtk.layers.winograd). `log` is told where another than the newest checkpoint of a
    model dir is taken. Raises ConfigError, CheckpointError, or OutputError where
    `output_dir` is not empty.
    """
    if input_type not in INPUT_TYPES:
        raise ConfigError(f"'{input_type}' is no input type; these are: {', '.join(INPUT_TYPES)}.")
    config = pipeline.read(pipeline_config)
    require_sound(config, pipeline_config, needs=())
    with atomic_directory(output_dir) as folder:
        import tensorflow as tf

        from odtk import checkpoints, saved_model
        from odtk.detectors.build import build_detector
        from odtk.gpus import prepare_gpus

        prepare_gpus()
        detector = build_detector(config)
        reader = checkpoints.CheckpointReader(checkpoints.find_checkpoint(checkpoint, log))
        slot = "average" if config.eval_config.use_moving_averages else None
        checkpoints.restore(detector.checkpoint_variables(), reader, slot=slot)

        more_variables = detector.use_winograd() if winograd else []
        saved_model.save(detector, input_type, str(folder / "saved_model"), more_variables)
        # ckpt-0 without a step: as in the zoo, the start of somebody's fine-tuning.
        trackable = tf.train.Checkpoint(**detector.checkpoint_objects())
        tf.train.CheckpointManager(trackable, str(folder / "checkpoint"), max_to_keep=1).save(checkpoint_number=0)
        pipeline.write(config, folder / "pipeline.config")
        map_path = find_label_map(config, checkpoint)
        if map_path is not None:
            shutil.copyfile(map_path, folder / "label_map.pbtxt")
        files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return ExportReport(str(output_dir), reader.prefix, reader.step, input_type, len(more_variables), files, map_path)


def find_label_map(config, checkpoint: str | os.PathLike) -> str | None:
    """The label map that the config names, or the one that lies with the checkpoint; None where neither is there."""
    readers = [*config.eval_input_reader, config.train_input_reader]
    beside = Path(checkpoint) if Path(checkpoint).is_dir() else Path(checkpoint).parent
    places = [reader.label_map_path for reader in readers if reader.label_map_path]
    places += [beside / "label_map.pbtxt", beside.parent / "label_map.pbtxt"]
    for place in places:
        with contextlib.suppress(LabelMapError):
            return str(label_map.find(place))
    return None
