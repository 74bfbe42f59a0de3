"""`odtk export`: a checkpoint to a folder in the layout of TFOD's model zoo."""

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from odtk import label_map, pipeline
from odtk.atomic import atomic_directory, may_replace
from odtk.errors import ConfigError, LabelMapError
from odtk.files import names_in
from odtk.prototext.schema import some
from odtk.tools import trained_classes
from odtk.tools.check_config import require_sound

INPUT_TYPES = ("image_tensor", "float_image_tensor", "encoded_image_string_tensor", "tf_example")

# What an exported folder holds.
_FILES = ("saved_model", "checkpoint", "pipeline.config", "label_map.pbtxt")


@dataclass
class ExportReport:
    """What was written, from what."""

    output_dir: str
    checkpoint: str
    step: int | None
    input_type: str
    winograd_convolutions: int = 0
    files: list[str] = field(default_factory=list)
    label_map: str | None = None  # the one that was copied
    label_map_note: str | None = None  # how it differs from the config's


def export(
    pipeline_config: str | os.PathLike,
    checkpoint: str | os.PathLike,
    output_dir: str | os.PathLike,
    *,
    input_type: str = "image_tensor",
    winograd: bool = False,
    overwrite: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> ExportReport:
    """Writes saved_model/, checkpoint/ckpt-0, pipeline.config and label_map.pbtxt to `output_dir`, whole or not at all.

    `checkpoint` is a model dir (its latest), an odtk or TFOD prefix, or an exported folder. With `winograd` the
    SavedModel is one for CPUs (see odtk.layers.winograd). `log` is told where another than the newest checkpoint of a
    model dir is taken. Raises ConfigError, CheckpointError, or OutputError where `output_dir` is not empty;
    `overwrite` replaces an earlier export, and nothing else.
    """
    if input_type not in INPUT_TYPES:
        raise ConfigError(f"'{input_type}' is no input type; these are: {', '.join(INPUT_TYPES)}.")
    replace = may_replace(output_dir, names_in(output_dir), _FILES, "saved_model", overwrite)
    config = pipeline.read(pipeline_config)
    require_sound(config, pipeline_config, needs=())
    with atomic_directory(output_dir, replace) as folder:
        import tensorflow as tf

        from odtk.checkpoints import loading
        from odtk.detectors.build import build_detector
        from odtk.devices import prepare_gpus
        from odtk.exporting import saved_model

        prepare_gpus()
        detector = build_detector(config)
        reader = loading.CheckpointReader(loading.find_checkpoint(checkpoint, log))
        slot = "average" if config.eval_config.use_moving_averages else None
        loading.restore(detector.checkpoint_variables(), reader, slot=slot)

        more_variables = detector.use_winograd() if winograd else []
        saved_model.save(detector, input_type, str(folder / "saved_model"), more_variables)
        # ckpt-0 without a step: as in the zoo, the start of somebody's fine-tuning.
        trackable = tf.train.Checkpoint(**detector.checkpoint_objects())
        tf.train.CheckpointManager(trackable, str(folder / "checkpoint"), max_to_keep=1).save(checkpoint_number=0)
        pipeline.write(config, folder / "pipeline.config")
        map_path = find_label_map(config, reader.prefix)
        if map_path is not None:
            shutil.copyfile(map_path, folder / "label_map.pbtxt")
        files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    note = label_map_note(config, reader.prefix)
    count = len(more_variables)
    return ExportReport(str(output_dir), reader.prefix, reader.step, input_type, count, files, map_path, note)


def find_label_map(config, prefix: str) -> str | None:
    """The label map that a checkpoint was trained with, or else the config's; None where neither is there.

    One that lies with the checkpoint and cannot be read is passed over.
    """
    trained = trained_classes.find_trained_map(prefix)
    for place in [trained, *_config_maps(config), Path(prefix).parent.parent / trained_classes.FILE]:
        with contextlib.suppress(LabelMapError):
            if place:
                label_map.read(place)
                return str(label_map.find(place))
    return None


def label_map_note(config, prefix: str) -> str | None:
    """How the config's label map differs from the one that was trained with, in a sentence; None where it does not."""
    for path in _config_maps(config):
        found = trained_classes.compare(prefix, path)
        if found and (found.conflicts or found.notes):
            conflicts = f"It numbers other classes: {some(found.conflicts)}."
            said = [conflicts] if found.conflicts else found.notes
            return " ".join([f"The config's label map {path} is not the one that was trained with.", *said,
                             f"The export has {found.trained}."])  # fmt: skip
    return None


def _config_maps(config) -> list[str]:
    readers = [*config.eval_input_reader, config.train_input_reader]
    return list(dict.fromkeys(reader.label_map_path for reader in readers if reader.label_map_path))
