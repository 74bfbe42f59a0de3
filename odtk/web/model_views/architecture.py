"""What `odtk summary` found, as a column of layers: what is inside what, shapes, parameters, operations, memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Layer:
    """A layer or a group of layers; the numbers of a group include those inside it."""

    name: str
    kind: str = ""
    shapes: str = ""
    parameters: int = 0
    inside: list[Layer] = field(default_factory=list)
    broken: str = ""
    """Why it does not work, for the layer at which the column ends."""

    @property
    def is_open(self) -> bool:
        """Whether what is inside is seen at first: where it breaks, it is."""
        return bool(self.broken) or any(layer.is_open for layer in self.inside)


@dataclass(frozen=True)
class AnchorRow:
    """The anchors of a level of the pyramid."""

    stride: str
    cells: str
    per_cell: int
    count: int
    sides: str
    """Of the smallest and the largest, in pixels of the input."""


@dataclass(frozen=True)
class Architecture:
    """A model and what it costs."""

    kind: str
    size: str
    layers: list[Layer]
    parameters: int | None
    trainable: int | None
    multiply_adds: int | None
    memory: list[tuple[str, int]]
    anchors: list[AnchorRow]
    broken: str
    """Why it does not take its images; empty if it does."""

    @property
    def most_parameters(self) -> int:
        """Of one of the outermost layers, at least 1: for bars."""
        return max((layer.parameters for layer in self.layers), default=0) or 1

    @property
    def num_anchors(self) -> int:
        """All of them."""
        return sum(row.count for row in self.anchors)


def architecture(document: Mapping[str, Any]) -> Architecture:
    """The view of a document of `odtk summary --json`."""
    broken = document["broken"]
    rows, columns = document["input_size"]
    layers = _nested([_layer(each) for each in document["layers"]])
    if broken:
        _add_broken(layers, broken)
    return Architecture(
        kind=document["feature_extractor"],
        size=f"{columns} × {rows}",
        layers=layers,
        parameters=None if broken else document["parameters"],
        trainable=None if broken else document["trainable_parameters"],
        multiply_adds=None if broken else document["multiply_adds"],
        memory=_memory(document["memory_bytes"]),
        anchors=[_anchors(each) for each in document["anchors"]],
        broken=_reason(broken) if broken else "",
    )


def _layer(found: Mapping[str, Any]) -> tuple[str, Layer]:
    shapes = [_shape(each) for each in found["output_shapes"]]
    shown = " to ".join(dict.fromkeys([shapes[0], shapes[-1]])) if shapes else ""
    if len(shapes) > 1:
        shown = f"{len(shapes)}: {shown}"
    kind = found["kind"].replace("BatchNormalization", "BatchNorm")
    name = found["name"]
    return name, Layer(name.rpartition("/")[2], kind, shown, found["parameters"])


def _nested(layers: Sequence[tuple[str, Layer]]) -> list[Layer]:
    """The layers inside one another, by the slashes in their names; a level that has no row gets one."""
    known: dict[str, Layer] = dict(layers)
    top: list[Layer] = []
    for name, layer in layers:
        _place(name, layer, known, top)
    with_row = {id(layer) for _, layer in layers}
    for layer in top:
        _add_up(layer, with_row)
    return top


def _add_up(layer: Layer, with_row: set[int]) -> None:
    """Gives levels without a row of their own the sums of what is inside."""
    for each in layer.inside:
        _add_up(each, with_row)
    if id(layer) not in with_row:
        layer.parameters = sum(each.parameters for each in layer.inside)


def _place(name: str, layer: Layer, known: dict[str, Layer], top: list[Layer]) -> None:
    outer = name.rpartition("/")[0]
    if not outer:
        if not any(each is layer for each in top):
            top.append(layer)
        return
    if outer not in known:
        known[outer] = Layer(outer.rpartition("/")[2])
    above = known[outer]
    _place(outer, above, known, top)
    if not any(each is layer for each in above.inside):
        above.inside.append(layer)


def _add_broken(layers: list[Layer], broken: Mapping[str, Any]) -> None:
    """Marks the layer that fails, which need not be among those that were reached."""
    here = layers
    layer: Layer | None = None
    for part in broken["name"].split("/"):
        layer = next((each for each in here if each.name == part), None)
        if layer is None:
            layer = Layer(part)
            here.append(layer)
        here = layer.inside
    assert layer is not None
    layer.kind, layer.shapes, layer.broken = broken["kind"], "", _reason(broken)


def _reason(broken: Mapping[str, Any]) -> str:
    shapes = ", ".join(_shape(each[1:]) for each in broken["inputs"])
    return f"{broken['name']} ({broken['kind']}) fails on {shapes}: {broken['reason']}"


def _memory(found: Mapping[str, Any]) -> list[tuple[str, int]]:
    names = {
        "weights": "Weights",
        "image": "One image, at the peak",
        "training_image": "One image in training",
        "gradients": "Gradients",
        "optimizer": "Optimizer",
        "training_batch": f"Training step of {found['batch_size']} images",
    }
    return [(title, found[key]) for key, title in names.items() if found[key] is not None]


def _anchors(level: Mapping[str, Any]) -> AnchorRow:
    sizes = sorted(level["input_sizes"], key=lambda size: size[0] * size[1])
    ends = list(dict.fromkeys(f"{width:.0f} × {height:.0f}" for height, width in (sizes[0], sizes[-1])))
    stride = "–" if level["stride"] is None else f"{level['stride']:.4g}"
    return AnchorRow(
        stride, f"{level['columns']} × {level['rows']}", level["per_cell"], level["count"], " to ".join(ends)
    )


def _shape(sides: Sequence[int | None]) -> str:
    return " × ".join("?" if side is None else str(side) for side in sides)
