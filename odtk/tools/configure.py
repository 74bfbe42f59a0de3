"""Makes a pipeline.config from another one: sets data, checkpoint, sizes and any fields in its text, and checks it."""

import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from odtk import label_map as label_maps
from odtk import pipeline
from odtk.atomic import write_text
from odtk.datasets.record_files import EVAL_WORDS, TRAIN_WORDS, absolute_if_here, find_records, held_out
from odtk.detectors import families
from odtk.errors import ConfigError, LabelMapError, OutputError
from odtk.findings import ERROR, Finding
from odtk.pipeline.differences import Change, changed_fields, unified_diff
from odtk.tools import schedule_edits
from odtk.tools.arguments import require_positive, require_whole
from odtk.tools.check_config import check_config, is_placeholder
from odtk.tools.check_config.checkpoint import look_into
from odtk.tools.download import catalog, download


@dataclass
class ConfigureReport:
    """The written file, the changes, notes on changes that were not requested explicitly, and the check's findings."""

    output: str
    diff: str
    changes: list[Change]
    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def next_command(self) -> str:
        """The next command: one that fixes the first error or sets the training data, otherwise training."""
        open_ends = [finding for finding in self.findings if finding.severity == ERROR]
        open_ends += [finding for finding in self.findings if is_placeholder(finding, "train_input_reader.")]
        fixes = [finding.fix for finding in open_ends if finding.fix]
        return fixes[0] if fixes else shlex.join(["odtk", "train", self.output, "MODEL_DIR"])


def configure(
    base: str | os.PathLike,
    output: str | os.PathLike,
    *,
    num_classes: int | None = None,
    label_map: str | os.PathLike | None = None,
    train_records: str | os.PathLike | Sequence[str | os.PathLike] | None = None,
    eval_records: str | os.PathLike | Sequence[str | os.PathLike] | None = None,
    fine_tune_checkpoint: str | os.PathLike | None = None,
    fine_tune_checkpoint_type: str | None = None,
    fine_tune: bool = False,
    download_dir: str | os.PathLike = ".",
    batch_size: int | None = None,
    scale_learning_rate: bool = True,
    num_steps: int | None = None,
    learning_rate: float | None = None,
    image_size: int | tuple[int, int] | None = None,
    set: Mapping[str, object] | Sequence[tuple[str, object]] = (),
    overwrite: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> ConfigureReport:
    """Writes `base` (a shipped pipeline's name or a file) with the given changes to `output`, and checks the result.

    Comments and layout are kept; without changes the text is the base's. `train_records` and `eval_records` are paths,
    globs or folders of make-tfrecords; `image_size` is (height, width), or one number for both; `set` maps dotted paths
    of any fields to values ({"train_config.max_number_of_boxes": 200}), and is applied last. With `fine_tune` the model
    of TFOD's zoo that the base is made for is downloaded to `download_dir`, if it is not there, and is started from.
    The file is written even if the check finds errors. Raises ConfigError if the base does not parse or a field does
    not exist, DataError for a folder without records, OutputError if `output` exists and is not `base`, unless
    `overwrite`, and DownloadError.
    """
    require_whole(1, num_classes=num_classes, batch_size=batch_size, num_steps=num_steps)
    require_positive(learning_rate=learning_rate)
    size = None if image_size is None else _height_width(image_size)
    _refuse_existing(base, output, overwrite)
    text = pipeline.read_text(base)
    edit = _Edit(text, os.fspath(base))
    if fine_tune:
        fine_tune_checkpoint = _download(edit.config, os.fspath(base), fine_tune_checkpoint, download_dir, log)
    edit.data(label_map, _paths(train_records), _paths(eval_records), num_classes)
    edit.checkpoint(fine_tune_checkpoint, fine_tune_checkpoint_type)
    if size is not None:
        edit.image_size(*size)
    if batch_size is not None:
        edit.batch_size(batch_size, scale_learning_rate and learning_rate is None)
    if num_steps is not None:
        edit.num_steps(num_steps)
    if learning_rate is not None:
        edit.learning_rate(learning_rate)
    edit.set(*_assignments(set))
    write_text(output, edit.text)
    return ConfigureReport(
        output=os.fspath(output),
        diff=unified_diff(text, edit.text, os.fspath(base), os.fspath(output)),
        changes=changed_fields(pipeline.parse(text, os.fspath(base)), edit.config),
        notes=edit.notes,
        findings=check_config(edit.config, output, edit.text),
    )


def check(config_file: str | os.PathLike) -> list[Finding]:
    """Checks a config (a file, or a shipped pipeline's name) and writes nothing."""
    text = pipeline.read_text(config_file)
    return check_config(pipeline.parse(text, os.fspath(config_file)), config_file, text)


def _refuse_existing(base: str | os.PathLike, output: str | os.PathLike, overwrite: bool) -> None:
    """Raises OutputError if `output` exists, unless it is the base, which may be edited in place."""
    if overwrite or not os.path.isfile(output) or (os.path.exists(base) and os.path.samefile(base, output)):
        return
    output = os.fspath(output)
    in_place = shlex.join(["odtk", "configure", output, "--output", output])
    raise OutputError(
        f"{output} already exists. To edit it in place, run {in_place} ... To make it again from {os.fspath(base)}, "
        "overwrite it; or choose another file.",
        argument="overwrite",
    )


def _download(config, base: str, given: str | os.PathLike | None, folder: str | os.PathLike, log) -> str:
    """The prefix of the zoo's checkpoint that a config is made for, which is downloaded unless it is here."""
    if given is not None:
        text = "fine_tune finds a checkpoint itself, and fine_tune_checkpoint names another. Give one of the two."
        raise ConfigError(text, argument="fine_tune_checkpoint")
    parts = config.train_config.fine_tune_checkpoint.replace("\\", "/").split("/")
    name = next((part for part in parts if part in catalog.models()), None)
    if name is None:
        raise ConfigError(_no_model(config, base), argument="fine_tune_checkpoint")
    report = download(name, dir=folder, log=log)
    assert report.checkpoint is not None, "a model without a checkpoint is no model of the zoo"
    return report.checkpoint


def _no_model(config, base: str) -> str:
    """Why no checkpoint goes with a config, and which may."""
    kind = families.type_of(config.model)
    same = [name for name, model in catalog.models().items() if kind and model.type == kind and model.trainable]
    hint = f" The zoo has {', '.join(same)}, of the same type: download one, and name its checkpoint." if same else ""
    return (
        f"{base} names no model of TFOD's zoo in train_config.fine_tune_checkpoint, so it is not known which one it is "
        f"made for.{hint} `odtk configure --list` says which shipped pipelines are made for one."
    )


class _Edit:
    """A config's text and its changes, with `notes` on changes that the user did not request explicitly."""

    def __init__(self, text: str, filename: str):
        self.text, self._filename = text, filename
        self.config = pipeline.parse(text, filename)
        self.notes: list[str] = []

    def set(self, *assignments: tuple[str, str]) -> None:
        """Sets fields, in order."""
        if assignments:
            self.text = pipeline.set_fields(self.text, list(assignments), self._filename)
            self.config = pipeline.parse(self.text, self._filename)

    def data(self, label_map, train_records: list[str], eval_records: list[str], num_classes: int | None) -> None:
        """Record files, label map and number of classes."""
        train = [find_records(path, TRAIN_WORDS) for path in train_records]
        evals = [find_records(path, EVAL_WORDS) for path in eval_records]
        if train and not eval_records:
            evals = [found for path in train_records for found in held_out(path)]
        self._set_records("train_input_reader", [name for found in train for name in found.patterns])
        self._set_records("eval_input_reader[0]", [name for found in evals for name in found.patterns])
        described = [found.label_map for found in (*train, *evals) if found.label_map]
        if label_map is None and described:
            label_map = described[0]
            # A folder given only for evaluation does not change training.
            if not train:
                self.set(("eval_input_reader[0].label_map_path", _quoted(label_map)))
                label_map = None
        classes = self._set_label_map(os.fspath(label_map)) if label_map is not None else None
        if num_classes is None:
            num_classes = classes
        if num_classes is not None:
            self.set((f"{self._model('num_classes')}.num_classes", str(num_classes)))

    def _set_records(self, reader: str, patterns: list[str]) -> None:
        if not patterns:
            return
        if reader.endswith("[0]") and not self.config.eval_input_reader:
            self.set((f"{reader}.shuffle", "false"), (f"{reader}.num_epochs", "1"))
        elif reader.endswith("[0]") and len(self.config.eval_input_reader) > 1:
            self.notes.append("The new records are in the first eval_input_reader, which is the one odtk evaluates.")
        value = "[" + ", ".join(map(_quoted, patterns)) + "]"
        self.set((f"{reader}.tf_record_input_reader.input_path", value))

    def _set_label_map(self, name_or_path: str) -> int | None:
        """Sets the label map of every reader, and the number of classes if the label map can be read."""
        path = absolute_if_here(name_or_path)
        if not os.path.exists(path):
            try:
                path = str(label_maps.find(name_or_path).resolve())
            except LabelMapError:
                self.notes.append(f"{path} does not exist on this machine, so the number of classes is unchanged.")
        readers = ["train_input_reader"]
        readers += [f"eval_input_reader[{index}]" for index in range(len(self.config.eval_input_reader))]
        self.set(*((f"{reader}.label_map_path", _quoted(path)) for reader in readers))
        try:
            return label_maps.read(path).num_classes
        except LabelMapError:
            return None

    def checkpoint(self, prefix: str | os.PathLike | None, kind: str | None) -> None:
        """The checkpoint to start from and the part to restore; an empty prefix means random weights."""
        if prefix is not None:
            prefix = os.fspath(prefix)
            path = absolute_if_here(prefix)
            # A prefix is not a file; it exists if its index does.
            path = os.path.abspath(path) if os.path.exists(f"{path}.index") else path
            self.set(("train_config.fine_tune_checkpoint", _quoted(path) if path else ""))
            if path:
                kind = self._complete_checkpoint(path, kind)
        if kind is not None:
            self.set(("train_config.fine_tune_checkpoint_type", _quoted(kind)))

    def _complete_checkpoint(self, prefix: str, kind: str | None) -> str | None:
        """Sets the version of a TensorFlow 2 checkpoint, and a type if none was given or set."""
        family, train = families.find(self.config), self.config.train_config
        contents = look_into(prefix, family)
        if contents.is_tf2 if contents else family is not None:
            self.set(("train_config.fine_tune_checkpoint_version", "V2"))
        if kind is not None or train.fine_tune_checkpoint_type:
            return kind
        kind = (contents.kind if contents else None) or "detection"
        self.notes.append(f"fine_tune_checkpoint_type was not set; it is now '{kind}'.")
        return kind

    def image_size(self, height: int, width: int) -> None:
        """A fixed size, which replaces any other resizer."""
        model = self._model("image_resizer")
        resizer = pipeline.get_field(self.config, f"{model}.image_resizer")
        old = resizer.WhichOneof("image_resizer_oneof")
        if old not in (None, "fixed_shape_resizer"):
            self.notes.append(f"image_resizer is now fixed_shape_resizer instead of {old}.")
        path = f"{model}.image_resizer.fixed_shape_resizer"
        self.set((f"{path}.height", str(height)), (f"{path}.width", str(width)))

    def batch_size(self, batch_size: int, scale: bool) -> None:
        """The batch size, and the learning rates in proportion."""
        old = self.config.train_config.batch_size
        assignments = schedule_edits.set_batch_size(self.config, batch_size, scale)
        if rates := assignments[1:]:
            self.notes.append(
                f"The batch size changes from {old} to {batch_size}, so the learning rate is scaled with it: "
                f"{schedule_edits.describe(self.config, rates)}. To keep it: --no-scale-learning-rate."
            )
        self.set(*assignments)

    def num_steps(self, num_steps: int) -> None:
        """The number of steps, and the schedule's length in proportion."""
        assignments = schedule_edits.set_num_steps(self.config, num_steps)
        moved = schedule_edits.describe(self.config, assignments[1:])
        if moved:
            self.notes.append(f"The learning rate schedule changes with num_steps: {moved}.")
        self.set(*assignments)

    def learning_rate(self, rate: float) -> None:
        """The base learning rate, and the others in proportion."""
        rates = schedule_edits.set_base_rate(self.config, rate)
        if not rates:
            raise ConfigError(
                f"{self._filename} has no learning rate schedule. Add one by setting "
                "train_config.optimizer.momentum_optimizer.learning_rate.constant_learning_rate.learning_rate="
                f"{rate:g}",
                argument="set",
            )
        others = schedule_edits.describe(self.config, rates[1:])
        if others:
            self.notes.append(f"The other learning rates change in proportion: {others}.")
        self.set(*rates)

    def _model(self, wanted: str) -> str:
        """The dotted path of the model that is set, which must have a field `wanted`."""
        kind = self.config.model.WhichOneof("model")
        if kind is None or wanted not in pipeline.field_names(f"model.{kind}"):
            what = f"model.{kind}" if kind else "an empty model"
            raise ConfigError(f"{self._filename} has {what}, which has no {wanted}. Start from another pipeline.")
        return f"model.{kind}"


def _height_width(image_size: object) -> tuple[int, int]:
    sides = image_size if isinstance(image_size, (tuple, list)) else (image_size, image_size)
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        text = f"image_size is {image_size!r}; it is (height, width) in pixels, or one number for both."
        raise ConfigError(text, argument="image_size")
    return sides[0], sides[1]


def _paths(paths: Sequence[str | os.PathLike] | str | os.PathLike | None) -> list[str]:
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    return [os.path.expanduser(path) for path in paths or []]


def _assignments(values: Mapping[str, object] | Sequence[tuple[str, object]]) -> list[tuple[str, str]]:
    """Dotted paths and values in text format; strings are taken as text format already, as on the command line."""
    pairs = list(values.items() if isinstance(values, Mapping) else values)
    if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
        text = f'set is {values!r}; it is a dict of paths and values, such as {{"train_config.batch_size": 8}}.'
        raise ConfigError(text, argument="set")
    return [(path, _as_text(value)) for path, value in pairs]


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_quoted(each) if isinstance(each, str) else _as_text(each) for each in value) + "]"
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def _quoted(text: str | os.PathLike) -> str:
    """A string in text format notation."""
    return json.dumps(os.fspath(text), ensure_ascii=False)
