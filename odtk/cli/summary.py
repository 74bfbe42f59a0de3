"""`odtk summary`: the layers of a model, and what they cost."""

import re

import click

from odtk.cli import options


class _Size(click.ParamType):
    name = "WxH"

    def convert(self, value, param, ctx):
        if not isinstance(value, str):
            return value
        found = re.fullmatch(r"([1-9]\d*)[xX×]([1-9]\d*)", value)
        if not found:
            self.fail(f"{value!r} is not a size like 1280x720 (width x height in pixels).", param, ctx)
        return int(found[1]), int(found[2])


@click.command(short_help="Show a model's layers, parameters, multiply-adds, memory and anchors.")
@click.argument("model", metavar="CONFIG_OR_MODEL", type=options.any_path)
@click.option("--image-size", type=_Size(), help="Width and height of an original image, e.g. 1280x720.  [default: "
              "that of most of the config's training images]")  # fmt: skip
@click.option("--batch-size", type=click.IntRange(min=1), help="Of a training step.  [default: the config's]")
@click.option("--depth", type=click.IntRange(min=1), help="Show layers inside layers down to this depth.  "
              "[default: all]")  # fmt: skip
@options.json_option
@options.example(
    "odtk summary ssd_resnet50_v1_fpn_640x640_pets --depth 1",
    "odtk summary model --image-size 1280x720",
    "odtk summary pets.config --json",
)
def summary(model, image_size, batch_size, depth, as_json) -> None:
    """Show what a model consists of and what it costs, without running or training it.

    CONFIG_OR_MODEL is a pipeline.config (a file or a shipped name), a model dir, a checkpoint or an exported folder.
    Each layer has the shapes of its outputs, its parameters and the multiply-adds for one image (convolutions and
    products of matrices), those of the layers inside included. If the model does not take the images, the table ends
    at the layer that fails, with the reason, and the exit code is 1.

    Memory is what the tensors of the graph need in float32; the workspaces of convolutions, TensorFlow itself and the
    input pipeline come on top. Anchors are listed for each level of the pyramid, with their sizes in pixels of the
    original images.
    """
    from odtk.tools import summary as tool

    report = tool.summary(model, image_size=image_size, batch_size=batch_size, log=options.log)
    if as_json:
        options.print_json(tool.document(report))
    else:
        _print(report, depth)
    if report.costs.broken:
        raise click.exceptions.Exit(1)


def _print(report, depth: int | None) -> None:
    costs, (width, height) = report.costs, report.image_size
    click.echo(f"{report.model}: {report.kind}, {report.num_classes} classes")
    rows_in, columns_in = report.input_size
    click.echo(f"An image of {width}x{height} pixels becomes an input of {columns_in}x{rows_in} (width x height).\n")
    columns = ["Layer", "kind", "output", "parameters", "multiply-adds"]
    title = "Layers; a layer's numbers include those of the layers inside it"
    options.print_table(title, columns, _rows(report, depth), least_width=110)
    if costs.broken:
        broken = costs.broken
        shapes = ", ".join(_shape(shape) for shape in broken.inputs)
        click.echo(f"\nThe model does not take this input. {broken.name} ({broken.kind}) fails on {shapes}: "
                   f"{broken.reason}")  # fmt: skip
        for finding in report.findings:
            click.echo(str(finding))
        return
    click.echo(f"\nParameters: {costs.parameters:,}, of which {costs.trainable_parameters:,} can be trained")
    click.echo(f"Multiply-adds for one image: {_amount(costs.multiply_adds)}")
    _print_memory(report)
    _print_anchors(report)


def _rows(report, depth: int | None) -> list[list]:
    """A row for each layer, a group before what is inside it, and the layer that fails last."""
    layers = {cost.info.name: cost for cost in report.costs.layers}
    names: list[str] = []
    for name in layers:
        parts = name.split("/")
        names += [each for n in range(1, len(parts) + 1) if (each := "/".join(parts[:n])) not in names]
    rows = [
        _row(name, layers[name]) if name in layers else [_indented(name), "", "", "", ""]
        for name in names
        if depth is None or name.count("/") < depth
    ]
    broken = report.costs.broken
    if broken is None:
        return rows
    return [
        *(row for row in rows if row[0] != _indented(broken.name)),
        [f"✗ {broken.name}", broken.kind, "fails", "", ""],
    ]


def _row(name: str, cost) -> list:
    shapes = [_shape(shape) for shape in cost.info.shapes]
    shown = shapes[0] if len(shapes) == 1 else f"{len(shapes)}: {shapes[0]} to {shapes[-1]}"
    parameters, multiply_adds = cost.info.parameters, cost.multiply_adds
    return [_indented(name), _kind(cost), shown, f"{parameters:,}" if parameters else "", _millions(multiply_adds)]


def _kind(cost) -> str:
    """Short, so that the table fits into a terminal of 80 columns."""
    return cost.info.kind.replace("BatchNormalization", "BatchNorm")


def _indented(name: str) -> str:
    outer, _, last = name.rpartition("/")
    return "  " * (outer.count("/") + bool(outer)) + last


def _shape(shape) -> str:
    """Without the batch."""
    return "x".join("?" if side is None else str(side) for side in shape[1:])


def _print_memory(report) -> None:
    memory = report.memory
    rows = [
        ["weights", _bytes(memory.weights)],
        ["one image, at the peak", _bytes(memory.image)],
        ["one image in training", _bytes(memory.training_image)],
        ["gradients", _bytes(memory.gradients)],
        ["optimizer", _bytes(memory.optimizer)],
        [f"training step of {report.batch_size} images", _bytes(memory.training_batch)],
    ]
    click.echo()
    options.print_table("Memory (float32, estimated)", ["Of", "size"], rows, least_width=110)


def _print_anchors(report) -> None:
    click.echo()
    if not report.anchors:
        click.echo("The model has no anchors.")
        return
    rows = [
        [
            "-" if level.stride is None else f"{level.stride:.4g}",
            f"{level.columns}x{level.rows}",
            level.per_cell,
            f"{level.count:,}",
            *_sides(level),
        ]
        for level in report.anchors
    ]
    total = sum(level.count for level in report.anchors)
    columns = ["Stride", "map", "per cell", "anchors", "in the input", "in original images", "width/height"]
    title = f"{total:,} anchors: smallest and largest of each level, width x height in pixels"
    options.print_table(title, columns, rows, least_width=110)


def _sides(level) -> tuple[str, str, str]:
    """The smallest and the largest anchor, of equal areas the squarest, in both sizes; and all aspect ratios."""
    pairs = list(zip(level.input_sizes, level.original_sizes, strict=True))
    areas = [height * width for (height, width), _ in pairs]
    ends = [
        min((pair for pair, area in zip(pairs, areas, strict=True) if abs(area / end - 1) < 0.02), key=_elongation)
        for end in (min(areas), max(areas))
    ]
    said = [" to ".join(dict.fromkeys(f"{each[kind][1]:.0f}x{each[kind][0]:.0f}" for each in ends)) for kind in (0, 1)]
    ratios = sorted({f"{width / height:.2g}" for height, width in level.input_sizes}, key=float)
    return said[0], said[1], ", ".join(ratios)


def _elongation(pair) -> float:
    (height, width), _ = pair
    return max(height / width, width / height)


def _millions(number: int) -> str:
    return f"{number / 1e6:,.1f} M" if number else ""


def _amount(number: int) -> str:
    for unit, size in (("billion", 1e9), ("million", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:,}"


def _bytes(number: int) -> str:
    from rich.filesize import decimal

    return decimal(number)
