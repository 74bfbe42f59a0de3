"""`odtk explain`: what a detector computes on a picture."""

import re

import click

from odtk.cli import options
from odtk.terminal_text import on_one_line


class _Channels(click.ParamType):
    """Numbers and ranges of them: 0-15,40."""

    name = "channels"

    def convert(self, value, param, ctx):
        if not isinstance(value, str):
            return value
        chosen: list[int] = []
        for part in value.split(","):
            found = re.fullmatch(r"\s*(\d{1,6})(?:\s*-\s*(\d{1,6}))?\s*", part, re.ASCII)
            first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
            if last < first:
                self.fail(
                    f"{value!r} is no list of channels. Write numbers from 0 and ranges, such as 0-15,40.", param, ctx
                )
            chosen += range(first, last + 1)
        return list(dict.fromkeys(chosen))


@click.command()
@click.argument("model", type=options.any_path)
@click.argument("images", metavar="[SOURCE]...", nargs=-1, type=options.any_path)
@click.option("--output", type=options.any_path, help="Folder to write to.")
@click.option(
    "--groundtruth", type=options.any_path, metavar="PATH",
    help="The images' annotations, which are found by file name: records, the folder of a dataset or a "
    "pipeline.config. They show which anchors training would match.",
)  # fmt: skip
@options.checkpoint_option
@click.option("--min-score", type=click.FloatRange(0, 1), default=0.5, show_default=True,
              help="Explain detections, and show anchors, with at least this score.")  # fmt: skip
@click.option("--max-boxes", type=click.IntRange(min=1), default=5, show_default=True,
              help="Explain only the best detections of each image, at most so many.")  # fmt: skip
@click.option(
    "--method", type=click.Choice(["gradient", "occlusion"]), default="gradient", show_default=True,
    help="How the heat maps are computed: gradient weighs features by the gradient of the detection's score; occlusion "
    "hides parts of the image and looks at what is still detected, which takes longer and needs no gradients.",
)  # fmt: skip
@click.option("--heat-layer", metavar="LAYER",
              help="For gradient: the layer whose features are weighed.  [default: the level of the feature pyramid "
              "that the detection was predicted from]")  # fmt: skip
@click.option("--masks", type=click.IntRange(min=1), help="For occlusion: how many times parts are hidden. More show "
              "finer differences.  [default: 500]")  # fmt: skip
@click.option("--layer", multiple=True, metavar="LAYER",
              help="Show the features of this layer: a name of --list-layers, or a pattern of names (`*`, `?`); "
              "repeatable.  [default: the feature pyramid]")  # fmt: skip
@click.option("--level", multiple=True, type=click.IntRange(min=0), help="Show the features of this level of the "
              "feature pyramid: 3 has a cell for every 8 pixels; repeatable.")  # fmt: skip
@click.option("--channels", type=_Channels(), default=(), metavar="0-15,40",
              help="Show these channels of each layer.  [default: the 16 that vary most over the image]")  # fmt: skip
@click.option("--classes", metavar="CLASS,...",
              help="Show the scores of these classes: names, or numbers from 1.  [default: the detected and annotated "
              "ones]")  # fmt: skip
@click.option("--label-map", help="Label map: a file or a shipped name.  [default: the model's own]")
@click.option("--devices", default="auto", show_default=True, metavar="auto|cpu|gpu:0",
              help="What the model runs on. auto: the first GPU, else the CPU.")  # fmt: skip
@click.option("--list-layers", is_flag=True,
              help="List the layers of the network with the shapes of their outputs, and write nothing.")  # fmt: skip
@options.overwrite_option("the --output folder", is_folder=True)
@options.json_option
@options.example(
    "odtk explain model cat.jpg --output explained",
    "odtk explain exported photos --groundtruth records --level 3 --channels 0-15 --output explained",
    "odtk explain model --list-layers",
)
def explain(model, images, list_layers, as_json, **settings) -> None:
    """Show what a detector computes on images, on a page with pictures.

    MODEL is a model dir of `odtk train`, a checkpoint prefix (model/ckpt-600) or an exported folder. A folder with a
    SavedModel alone has only its detections explained, with --method occlusion. A SOURCE is an image, a folder
    (searched recursively), a glob in quotes or an http(s) address of an image, as for `odtk predict`.

    The --output folder gets explain.html, a page to choose classes, layers and channels on, without scripts; for each
    image a folder with the page's pictures as PNGs: the detections, a heat map of each, the scores of each class on
    each level of the feature pyramid, the anchors that fired, those that match the groundtruth, and feature maps; and
    explain.json with the numbers. An image that cannot be read is skipped and listed at the end; the exit code is 1
    only if none can be read.
    """
    if list_layers:
        if images or settings["output"] is not None:
            raise click.UsageError("--list-layers explains nothing. Leave out SOURCE... and --output, or that.")
        _list_layers(model, settings, as_json)
        return
    if not images:
        raise click.UsageError("Missing argument 'SOURCE...'. --list-layers needs none.")
    if settings["output"] is None:
        raise click.UsageError("Missing option '--output'.")
    from odtk.tools.explain import DOCUMENT
    from odtk.tools.explain import explain as explain_pictures

    report = explain_pictures(model, images, log=options.log, **settings)
    if as_json:
        options.print_json(report.document | {"page": str(report.page)})
    else:
        _print(report)
        click.echo(f"\nPage, pictures and {DOCUMENT} are in {report.page.parent}")
        click.echo(f"Next: open {report.page}")
    if report.skipped:
        options.warn(f"{len(report.skipped)} of {len(report.skipped) + len(report.pictures)} images skipped:")
        for _, reason in report.skipped:
            click.echo(f"  {on_one_line(reason)}", err=True)


def _print(report) -> None:
    for picture in report.pictures:
        click.echo(on_one_line(f"{picture.source}: {_detections(picture)}"))
        for note in picture.notes:
            click.echo(on_one_line(f"  {note}"))
        for box in picture.boxes:
            score = "" if box.best_score is None else f", whose best score for it is {box.best_score:.2f}"
            matching = f"{len(box.anchors)} {picture.called} match{score}"
            click.echo(on_one_line(f"  groundtruth {report.name_of(box.class_id)}: {matching}"))


def _detections(picture) -> str:
    described = []
    for each in picture.detections:
        level = f" from {each.level}" if each.level else ""
        inside = "" if each.heat_inside is None else f", {each.heat_inside:.0%} of its heat inside the box"
        described.append(f"{each.class_name} {each.score:.2f}{level}{inside}")
    return "; ".join(described) or "nothing"


def _list_layers(model, settings: dict, as_json: bool) -> None:
    from odtk.tools.explain import list_layers

    given = {name: settings[name] for name in ("checkpoint", "devices")}
    found = list_layers(model, log=options.log, **given)
    if as_json:
        layers = [
            {
                "name": each.name, "kind": each.kind, "shapes": [list(shape) for shape in each.shapes],
                "parameters": each.parameters, "outputs": each.outputs, "group": each.is_group,
            }
            for each in found.layers
        ]  # fmt: skip
        options.print_json({"model": found.model, "image": list(found.image_size), "layers": layers})
        return
    height, width = found.image_size
    rows = [
        [each.name, each.kind.replace("BatchNormalization", "BatchNorm"), _shapes(each.shapes), f"{each.parameters:,}"]
        for each in found.layers
    ]
    title = f"{found.model}: layers for an image of {width}x{height}"
    options.print_table(title, ["layer", "kind", "output", "parameters"], rows)


def _shapes(shapes) -> str:
    """Without the batch: 20x20x64, 10x10x64."""
    return ", ".join("x".join("?" if side is None else str(side) for side in shape[1:]) for shape in shapes)
