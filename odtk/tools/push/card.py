"""The model card of a detector: a README.md whose head the Hugging Face Hub reads (its "model cards" documentation)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from odtk.detectors import families
from odtk.downloads.hub import HubPlace
from odtk.terminal_text import on_one_line
from odtk.tools.push.facts import Facts

CARD, PICTURE = "README.md", "picture.png"

_SHOWN = {
    "DetectionBoxes_Precision/mAP": "mAP",
    "DetectionBoxes_Precision/mAP@.50IOU": "mAP at IoU 0.50",
    "DetectionBoxes_Precision/mAP@.75IOU": "mAP at IoU 0.75",
    "DetectionBoxes_Recall/AR@100": "AR with 100 detections",
}
_MOST_CLASSES = 100


def card(place: HubPlace, facts: Facts, license: str | None) -> str:
    """The whole text, in Markdown."""
    head = yaml.safe_dump(_head(place, facts, license), sort_keys=False, allow_unicode=True)
    sections = [
        _what(place, facts),
        _use(place, facts),
        _results(facts),
        _certificate(facts),
        _data(facts),
        _license(license),
    ]
    return f"---\n{head}---\n\n" + "\n\n".join("\n".join(section) for section in map(list, sections) if section) + "\n"


def _head(place: HubPlace, facts: Facts, license: str | None) -> dict:
    head: dict = {"license": license} if license else {}
    head |= {
        "library_name": "odtk",
        "pipeline_tag": "object-detection",
        "tags": ["object-detection", "tensorflow", "odtk", facts.model],
    }
    measured = [
        {"type": "mean_average_precision", "name": name, "value": round(facts.metrics[key], 4)}
        for key, name in _SHOWN.items()
        if _is_measured(facts, key)
    ]
    if measured:
        task = {"type": "object-detection"}
        dataset = {"type": "records", "name": _evaluated_on(facts) or "evaluation records"}
        results = [{"task": task, "dataset": dataset, "metrics": measured}]
        head["model-index"] = [{"name": place.name, "results": results}]
    return head


def _what(place: HubPlace, facts: Facts) -> Iterator[str]:
    sides = families.of(facts.config).fixed_sides(facts.config.model)
    size = "x".join(str(side) for side in sides.values())
    yield f"# {place.name}"
    yield ""
    kinds = f"{len(facts.classes)} classes" if facts.classes else "its classes"
    yield (
        f"A detector of {kinds}: `{facts.model}`" + (f", images of {size} pixels" if size else "") + ", trained and "
        "exported by odtk in the files of the TensorFlow Object Detection API."
    )
    if facts.picture:
        yield ""
        yield f"![Groundtruth and detections]({PICTURE})"


def _use(place: HubPlace, facts: Facts) -> Iterator[str]:
    yield "## Use"
    yield ""
    yield '    pip install "odtk[hf]"'
    yield f"    odtk download {place}"
    yield f"    odtk predict {place.name} photo.jpg --output found"
    if facts.input:
        name, what = facts.input
        yield ""
        yield "Without odtk, as any SavedModel of the TensorFlow Object Detection API:"
        yield ""
        yield (
            "    import tensorflow as tf\n"
            f'    detect = tf.saved_model.load("{place.name}/saved_model").signatures["serving_default"]\n'
            f"    found = detect({name}=tf.constant(given))  # given: {what}\n"
            '    boxes, scores, classes = (found[f"detection_{name}"] for name in ("boxes", "scores", "classes"))'
        )
    yield ""
    yield "A SavedModel is a program: only load it if you trust its author."


def _results(facts: Facts) -> Iterator[str]:
    shown = {name: facts.metrics[key] for key, name in _SHOWN.items() if _is_measured(facts, key)}
    if not shown:
        return
    yield "## Results"
    yield ""
    on = _evaluated_on(facts)
    yield f"COCO's metrics on {on}:" if on else "COCO's metrics:"
    yield ""
    yield from _table(["metric", "value"], [[name, f"{value:.3f}"] for name, value in shown.items()])
    rows = [[row.get("name", ""), _number(row.get("AP")), _number(row.get("AP@.50IOU"))] for row in facts.by_class]
    if rows:
        yield ""
        yield from _table(["class", "AP", "AP at IoU 0.50"], rows[:_MOST_CLASSES])
    if len(rows) > _MOST_CLASSES:
        yield f"\nand {len(rows) - _MOST_CLASSES} more classes."


def _certificate(facts: Facts) -> Iterator[str]:
    if not facts.certificate:
        return
    yield "## Certificate"
    yield ""
    yield "How far each file's detections are from those of the checkpoint that it was made from, on the same images:"
    yield ""
    columns = ["file", "the same objects", "boxes within", "scores within", "mAP", "checkpoint's mAP"]
    yield from _table(columns, [_certified(each) for each in facts.certificate])


def _certified(row: Mapping[str, Any]) -> list[str]:
    agreement = row["agreement"]
    same = f"{agreement['objects'] - agreement['missing']} of {agreement['objects']}"
    distances = [f"{agreement[name]:.2g}" for name in ("boxes", "scores")]
    return [row["path"], same, *distances, _number(row["map_after"]), _number(row["map_before"])]


def _data(facts: Facts) -> Iterator[str]:
    if not (facts.records or facts.classes or facts.session):
        return
    yield "## Data and training"
    yield ""
    for name, count in facts.records.items():
        yield f"- `{on_one_line(name)}`: {count:,} images"
    if facts.session:
        versions = facts.session.get("versions", {})
        steps, batch = facts.session.get("last_step"), facts.session.get("batch", {}).get("images")
        yield f"- {steps} steps of {batch} images, odtk {versions.get('odtk')}, TensorFlow {versions.get('tensorflow')}"
    if facts.classes:
        yield f"- Classes: {on_one_line(', '.join(facts.classes))}"


def _license(license: str | None) -> Iterator[str]:
    yield "## License"
    yield ""
    yield license if license else "No license was stated: ask the author."


def _evaluated_on(facts: Facts) -> str:
    """The records of the evaluation, by name and number, as far as run.json knows them."""
    read = [path for reader in facts.config.eval_input_reader for path in reader.tf_record_input_reader.input_path]
    names = [name for name in facts.records if any(name in path for path in read)]
    return ", ".join(f"{on_one_line(name)} ({facts.records[name]:,} images)" for name in names)


def _is_measured(facts: Facts, key: str) -> bool:
    # COCO's -1 and null: the groundtruth has none of this kind.
    value = facts.metrics.get(key)
    return isinstance(value, (int, float)) and value >= 0


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, (int, float)) and value >= 0 else ""


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    for row in [columns, ["---"] * len(columns), *rows]:
        yield "| " + " | ".join(on_one_line(str(cell)).replace("|", "\\|") for cell in row) + " |"
