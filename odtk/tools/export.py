"""`odtk export`: a checkpoint to a folder in the layout of TFOD's model zoo."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from odtk import pipeline
from odtk.atomic import atomic_directory, may_replace
from odtk.errors import ConfigError
from odtk.exporting.formats import DEFAULT, FORMATS
from odtk.exporting.label_maps import FILE as LABEL_MAP
from odtk.exporting.label_maps import config_maps, find_label_map
from odtk.exporting.signatures import INPUT_TYPES
from odtk.files import names_in, read_bytes
from odtk.prototext.schema import some
from odtk.tools import trained_classes
from odtk.tools.arguments import as_list, require_one_of
from odtk.tools.check_config import require_valid

if TYPE_CHECKING:
    from odtk.detectors.detector import Detector
    from odtk.exporting.agreement import Agreement

PRECISIONS = ("float32", "float16", "bfloat16")

# Other files in an exported folder.
_FILES = ("checkpoint", "pipeline.config", LABEL_MAP)


@dataclass
class ExportReport:
    """What was exported, from which checkpoint."""

    output_dir: str
    checkpoint: str
    step: int | None
    input_type: str
    winograd_convolutions: int = 0
    files: list[str] = field(default_factory=list)
    label_map: str | None = None  # the one that was copied
    label_map_note: str | None = None  # how it differs from the config's
    precision: str = "float32"
    agreement: Agreement | None = None  # with float32, of another precision


def export(
    pipeline_config: str | os.PathLike,
    model_dir: str | os.PathLike,
    output_dir: str | os.PathLike,
    *,
    checkpoint: str | os.PathLike | None = None,
    input_type: str = "image_tensor",
    winograd: bool = False,
    precision: str = "float32",
    overwrite: bool = False,
    log: Callable[[str], None] = lambda line: None,
    formats: Sequence[str] = (DEFAULT,),
) -> ExportReport:
    """Writes saved_model/, checkpoint/ckpt-0, pipeline.config and label_map.pbtxt to `output_dir`, whole or not at all.

    `model_dir` is a model dir, an odtk or TFOD prefix, or an exported folder. `checkpoint` is "best" (by the
    evaluations while it was trained), "last" or a prefix; None for the best where there is one, else the last.
    `input_type` is one of odtk.exporting.signatures.INPUT_TYPES. `formats` are keys of odtk.exporting.formats.FORMATS;
    each writes the file or folder of its row. With `winograd` the model is for CPUs (see odtk.layers.winograd). In a
    `precision` of odtk.layers.precision other than float32 its network is for GPUs; inputs, outputs and weights stay
    float32. `log` is told which checkpoint it is. Raises ConfigError, CheckpointError, or OutputError if `output_dir`
    is not empty; `overwrite` replaces an earlier export, and nothing else.
    """
    formats = as_list(formats)
    check_options(input_type, winograd, precision, formats)
    held, paths = names_in(output_dir), [each.path for each in FORMATS.values()]
    mark = next((path for path in paths if path in held), FORMATS[DEFAULT].path)
    replace = may_replace(output_dir, held, (*paths, *_FILES), mark, overwrite)
    config = pipeline.read(pipeline_config)
    require_valid(config, pipeline_config, needs=())
    with atomic_directory(output_dir, replace) as folder:
        from odtk.detectors.trained import build_trained_detector
        from odtk.devices import prepare_gpus
        from odtk.exporting.agreement import measure
        from odtk.exporting.winograd import use_winograd

        prepare_gpus()
        detector, reader = build_trained_detector(config, model_dir, checkpoint, log, "Exporting")
        more_variables = use_winograd(detector) if winograd else []
        served, agreement = detector, None
        if precision != PRECISIONS[0]:
            served = _in_precision(detector, config, precision)
            agreement = measure(detector, served, config)
        for name in formats:
            FORMATS[name].write(served, input_type, str(folder / FORMATS[name].path), more_variables)
        _write_checkpoint(detector, folder / "checkpoint")
        pipeline.write(config, folder / "pipeline.config")
        map_path = find_label_map(config, reader.prefix)
        if map_path is not None:
            (folder / LABEL_MAP).write_bytes(read_bytes(map_path))
        files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    note = label_map_note(config, reader.prefix)
    count = len(more_variables)
    return ExportReport(
        str(output_dir), reader.prefix, reader.step, input_type, count, files, map_path, note, precision, agreement
    )


def check_options(
    input_type: str = "image_tensor",
    winograd: bool = False,
    precision: str = PRECISIONS[0],
    formats: Sequence[str] = (DEFAULT,),
) -> None:
    """Raises ConfigError or OdtkError for values that no export can have, or that contradict each other."""
    _check_choice(input_type, INPUT_TYPES, "input type", "input_type")
    if not formats:
        raise ConfigError(f"No export format is given; name at least one of {', '.join(FORMATS)}.", argument="formats")
    for name in formats:
        _check_choice(name, FORMATS, "export format", "formats")
    require_one_of(PRECISIONS, precision=precision)
    if winograd and precision != PRECISIONS[0]:
        raise ConfigError(
            f"A model with winograd is for CPUs, and its method amplifies rounding too much for {precision}. Choose "
            "one of the two.",
            argument="precision",
        )


def _check_choice(value: str, choices: Collection[str], kind: str, argument: str) -> None:
    if value not in choices:
        raise ConfigError(f"'{value}' is not an {kind}; it is one of {', '.join(choices)}.", argument=argument)


def _in_precision(detector: Detector, config, precision: str) -> Detector:
    """The same detector, with the same weights, whose network computes in `precision`."""
    from odtk.detectors.build import build_detector

    other, weights = build_detector(config, precision), detector.checkpoint_variables()
    for key, variable in other.checkpoint_variables().items():
        variable.assign(weights[key])
    return other


def _write_checkpoint(detector, folder: Path) -> None:
    """ckpt-0 without a step, for fine-tuning, as in the zoo."""
    import tensorflow as tf

    trackable = tf.train.Checkpoint(**detector.checkpoint_objects())
    tf.train.CheckpointManager(trackable, str(folder), max_to_keep=1).save(checkpoint_number=0)


def label_map_note(config, prefix: str) -> str | None:
    """How the config's label map differs from the one of the training run, as a sentence; None if it does not."""
    for path in config_maps(config):
        found = trained_classes.compare(prefix, path)
        if found and (found.conflicts or found.notes):
            conflicts = f"It has other classes for these ids: {some(found.conflicts)}."
            said = [conflicts] if found.conflicts else found.notes
            return " ".join([f"The config's label map {path} is not the one of the training run.", *said,
                             f"The export has {found.trained}."])  # fmt: skip
    return None
