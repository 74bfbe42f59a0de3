"""Which images the page shows: some of each class, examples of the findings, and the model's inputs."""

import random
from collections.abc import Callable, Iterator, Sequence

from odtk.datasets.annotated_picture import AnnotatedPicture
from odtk.datasets.model_inputs import SEED, read_model_inputs
from odtk.datasets.open_dataset import CONFIG, Target
from odtk.datasets.record_source import RecordSource
from odtk.datasets.scan import Rows
from odtk.errors import DataError, OdtkError
from odtk.findings import Example, Finding
from odtk.protos.pipeline_pb2 import TrainEvalPipelineConfig
from odtk.tools.inspect.inspection import Inspection
from odtk.tools.inspect.page import Pictures

ACROSS_SPLITS = ("same-image-across-splits", "look-alikes-across-splits")
"""Kinds of findings that are shown side by side."""

NUM_GROUNDTRUTH, NUM_FED, NUM_DUPLICATES, NUM_SUSPICIOUS = 24, 12, 8, 32
_PER_FINDING = 4  # so that one kind does not crowd out the others
_PER_GROUP = 4


def choose_pictures(inspection: Inspection, rows: Rows, seed: int = SEED) -> Pictures:
    """The pictures of the page; what cannot be shown is omitted, and said in `inspection.not_looked_at`."""
    pictures = Pictures(
        duplicates=list(_duplicates(inspection.findings, rows)),
        suspicious=list(_suspicious(inspection.findings, rows)),
        unreadable=[example for tally in rows.unusable.values() for example in tally.examples],
        groundtruth=list(_readable(rows, _sample(rows, NUM_GROUNDTRUTH, seed))),
        fed_seed=seed,
        name_of=_naming(rows.target),
    )
    config = rows.target.config
    if config is not None:
        try:
            pictures.fed = read_model_inputs(_config_of_records(rows.target, config), NUM_FED, seed)
        except OdtkError as error:
            inspection.not_looked_at.append(f"No model inputs are shown: {error}")
    return pictures


def _naming(target: Target) -> Callable[[int], str]:
    labels = {item.id: item.shown for item in target.labels.items} if target.labels else {}
    return lambda class_id: labels.get(class_id, f"class {class_id}")


def _config_of_records(target: Target, config: TrainEvalPipelineConfig) -> TrainEvalPipelineConfig:
    """The config, made to read the records that are inspected."""
    if target.kind == CONFIG:
        return config
    if target.is_annotated:
        raise DataError("a model reads records, and these are not records yet. Run odtk make-tfrecords first.")
    source = target.sources[0]
    assert isinstance(source, RecordSource)  # as they are not annotated
    changed = TrainEvalPipelineConfig()
    changed.CopyFrom(config)
    reader = changed.train_input_reader
    reader.tf_record_input_reader.input_path[:] = source.files
    if target.label_map:
        reader.label_map_path = target.label_map
    return changed


def _sample(rows: Rows, count: int, seed: int) -> list[int]:
    """Rows of randomly chosen images: first one image of each class, the rarest class first."""
    generator = random.Random(seed)
    images = {number: rows.image[rows.class_of == number] for number in range(len(rows.class_names))}
    rarest = sorted(images, key=lambda number: len(images[number]))
    chosen: dict[int, None] = {}
    for number in rarest[:count]:
        chosen[int(generator.choice(images[number]))] = None
    rest = generator.sample(range(len(rows.split)), min(len(rows.split), 2 * count))
    return list(dict.fromkeys([*chosen, *rest]))[:count]


def _readable(rows: Rows, chosen: Sequence[int], **options) -> Iterator[AnnotatedPicture]:
    for row in chosen:
        try:
            yield rows.shown(row, **options)
        except OdtkError:  # it is listed with the unreadable ones
            continue


def _duplicates(findings: Sequence[Finding], rows: Rows) -> Iterator[list[AnnotatedPicture]]:
    across = [finding for finding in findings if finding.kind in ACROSS_SPLITS]
    examples = [example for finding in across for example in finding.examples]
    for example in examples[:NUM_DUPLICATES]:
        group = list(_readable(rows, example.rows[:_PER_GROUP]))
        if len(group) > 1:
            yield group


def _suspicious(findings: Sequence[Finding], rows: Rows) -> Iterator[AnnotatedPicture]:
    cases: dict[tuple, tuple[Finding, Example]] = {}  # by what is shown; of several findings about it the worst counts
    for finding in findings:
        if finding.kind not in ACROSS_SPLITS:
            for example in [example for example in finding.examples if example.rows][:_PER_FINDING]:
                cases.setdefault((example.rows[0], example.boxes), (finding, example))
    for finding, example in list(cases.values())[:NUM_SUSPICIOUS]:
        remark = f"{finding.kind.replace('-', ' ').capitalize()}: {example.text}"
        yield from _readable(rows, example.rows[:1], focus=example.boxes or None, remark=remark)
