"""`odtk export`: a checkpoint to a folder in the layout of TFOD's model zoo, with models that were compared with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from odtk import pipeline
from odtk.atomic import atomic_directory, may_replace
from odtk.errors import ConfigError, OdtkError
from odtk.exporting.formats import CERTIFICATE, DEFAULT, FORMATS, QUANTIZATIONS, ExportOptions, Source
from odtk.exporting.label_maps import FILE as LABEL_MAP
from odtk.exporting.label_maps import config_maps, find_label_map, read_map
from odtk.exporting.signatures import INPUT_TYPES
from odtk.files import names_in, read_bytes
from odtk.prototext.schema import some
from odtk.tools import trained_classes
from odtk.tools.arguments import require_fraction, require_one_of, require_whole
from odtk.tools.check_config import require_valid

if TYPE_CHECKING:
    from odtk.detectors.detector import Detector
    from odtk.tools.export.certificate import Certificate

PRECISIONS = ("float32", "float16", "bfloat16")
VERIFIED = 16
"""On how many images an export is compared with its checkpoint, unless something else is asked for."""

_FILES = ("checkpoint", "pipeline.config", LABEL_MAP, CERTIFICATE)
"""What an exported folder has beside the models."""


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
    formats: list[str] = field(default_factory=list)
    certificate: Certificate | None = None  # None if nothing was compared
    no_models: list[str] = field(default_factory=list)  # files that cannot be compared, such as a training script

    def notes(self) -> list[str]:
        """What a user should know of the comparison."""
        return [f"{path} is no model: it was not compared with the checkpoint." for path in self.no_models]


def export(
    pipeline_config: str | os.PathLike,
    model_dir: str | os.PathLike,
    output_dir: str | os.PathLike,
    *,
    checkpoint: str | os.PathLike | None = None,
    format: str | Sequence[str] = DEFAULT,
    input_type: str = "image_tensor",
    winograd: bool = False,
    precision: str = "float32",
    quantize: str = QUANTIZATIONS[0],
    calibration: int = ExportOptions.calibration,
    uint8_input: bool = False,
    verify: int = VERIFIED,
    tolerance: float | None = None,
    overwrite: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> ExportReport:
    """Writes each format, checkpoint/ckpt-0, pipeline.config and label_map.pbtxt to `output_dir`, all or nothing.

    `model_dir` is a model dir, an odtk or TFOD prefix, or an exported folder. `checkpoint` is "best" (by the
    evaluations while it was trained), "last" or a prefix; None for the best where there is one, else the last.
    `format` names one or several of odtk.exporting.formats.FORMATS ("saved_model,onnx", or a list); each writes the
    file or folder of its row. `input_type` is one of odtk.exporting.signatures.INPUT_TYPES. With `winograd` the model
    is for CPUs (see odtk.layers.winograd). In a `precision` of odtk.layers.precision other than float32 its network is
    for GPUs; inputs, outputs and weights stay float32. `quantize` ("float16", "dynamic" or "int8") makes a TFLite file
    smaller; int8 gets its ranges from `calibration` images of the records, and takes pixels with `uint8_input`.

    Each model is then run on `verify` images, of the evaluation records or else drawn, and compared with the checkpoint
    in float32; 0 skips that. The comparison is the report's `certificate`, and in certificate.json. `tolerance` is the
    largest accepted difference of boxes (as a part of the image), scores, the part of the objects that only one of the
    two finds, and mAP; None for the format's own.

    `log` is told which checkpoint it is. Raises ConfigError, CheckpointError, ExportError for a model that answers
    otherwise, or where there is nothing to compare, or OutputError if `output_dir` is not empty; `overwrite` replaces
    an earlier export, and nothing else.
    """
    options = ExportOptions(input_type, winograd, precision, quantize, calibration, uint8_input)
    formats = check_options(options, format, verify, tolerance)
    replace = _may_replace(output_dir, overwrite)
    config = pipeline.read(pipeline_config)
    require_valid(config, pipeline_config, needs=())
    _require_possible(config, options, formats)
    with atomic_directory(output_dir, replace) as folder:
        source, report = _opened(config, model_dir, checkpoint, options, log)
        for name in formats:
            FORMATS[name].write(source, str(folder / FORMATS[name].path))
        _write_checkpoint(source.detector, folder / "checkpoint")
        pipeline.write(config, folder / "pipeline.config")
        if source.label_map is not None:
            (folder / LABEL_MAP).write_bytes(source.label_map)
        report.no_models = [FORMATS[name].path for name in formats if FORMATS[name].load is None]
        if verify and len(report.no_models) < len(formats):
            from odtk.tools.export.certifying import certified

            report.certificate = certified(source, formats, folder, verify, tolerance)
        report.files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    report.output_dir, report.formats = str(output_dir), formats
    return report


def check_options(
    options: ExportOptions,
    format: str | Sequence[str] = DEFAULT,
    verify: int = VERIFIED,
    tolerance: float | None = None,
) -> list[str]:
    """The formats that are named; ConfigError or OdtkError for values that no export has, or that do not go together.

    Packages that a format needs are looked for, too.
    """
    _check_choice(options.input_type, INPUT_TYPES, "input type", "input_type")
    words = format.split(",") if isinstance(format, str) else format
    formats = [name.strip() for name in dict.fromkeys(words) if name.strip()]
    if not formats:
        raise ConfigError(f"No export format is given; name at least one of {', '.join(FORMATS)}.", argument="format")
    for name in formats:
        _check_choice(name, FORMATS, "export format", "format")
        needs = FORMATS[name].needs
        if needs is not None:
            needs.require(f"The export format {name}")
    require_one_of(PRECISIONS, precision=options.precision)
    _check_quantization(options, formats)
    require_whole(0, verify=verify)
    if tolerance is not None:
        require_fraction(tolerance=tolerance)
        if not verify:
            raise OdtkError("Without verification there is nothing to tolerate. Leave one out.", argument="tolerance")
    if options.winograd and options.precision != PRECISIONS[0]:
        raise ConfigError(
            f"A model with winograd is for CPUs, and its method amplifies rounding too much for {options.precision}. "
            "Choose one of the two.",
            argument="precision",
        )
    return formats


def _check_quantization(options: ExportOptions, formats: Sequence[str]) -> None:
    """What contradicts itself is refused by the format; here, what means nothing."""
    require_one_of(QUANTIZATIONS, quantize=options.quantize)
    require_whole(1, calibration=options.calibration)
    for name in ("quantize", "calibration", "uint8_input"):
        if "tflite" not in formats and getattr(options, name) != getattr(ExportOptions, name):
            raise ConfigError(
                "Only TFLite files are quantized, and none is exported. Add tflite to the formats, or leave this out.",
                argument=name,
            )


def _require_possible(config, options: ExportOptions, formats: Sequence[str]) -> None:
    """Raises ConfigError if the config's model, or what was chosen, cannot be exported in one of the formats."""
    for name in formats:
        reason = FORMATS[name].refuses(config, options)
        if reason is not None:
            raise ConfigError(f"It cannot be exported as {name}: {reason}", argument="format")


def _may_replace(output_dir: str | os.PathLike, overwrite: bool) -> bool:
    held = names_in(output_dir)
    paths = [pattern for row in FORMATS.values() for pattern in (row.path, *row.also)]
    mark = next((row.path for row in FORMATS.values() if row.path in held), FORMATS[DEFAULT].path)
    return may_replace(output_dir, held, (*paths, *_FILES), mark, overwrite)


def _opened(config, model_dir, checkpoint, options: ExportOptions, log) -> tuple[Source, ExportReport]:
    """What is exported: the detector is built and restored."""
    from odtk.detectors.trained import build_trained_detector
    from odtk.devices import prepare_gpus
    from odtk.exporting.winograd import use_winograd

    prepare_gpus()
    detector, reader = build_trained_detector(config, model_dir, checkpoint, log, "Exporting")
    served, more_variables = detector, []
    if options.winograd or options.precision != PRECISIONS[0]:  # the checkpoint's own is what it is compared with
        served = _copy_of(detector, config, options.precision)
        more_variables = use_winograd(served) if options.winograd else []
    map_path = find_label_map(config, reader.prefix)
    text = None if map_path is None else read_bytes(map_path)
    names = {} if map_path is None else {item["id"]: item["name"] for item in read_map(map_path)[1].categories()}
    source = Source(detector, config, reader.prefix, reader.step, text, names, options, served, more_variables, log)
    report = ExportReport(
        "", reader.prefix, reader.step, options.input_type, len(more_variables), label_map=map_path,
        label_map_note=label_map_note(config, reader.prefix), precision=options.precision,
    )  # fmt: skip
    return source, report


def _check_choice(value: str, choices: Collection[str], kind: str, argument: str) -> None:
    if value not in choices:
        raise ConfigError(f"'{value}' is not an {kind}; it is one of {', '.join(choices)}.", argument=argument)


def _copy_of(detector: Detector, config, precision: str) -> Detector:
    """Another detector with the same weights, whose network computes in `precision`."""
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
