"""`odtk predict`: detections drawn on images, and detections.json."""

import click

from odtk.cli import options
from odtk.terminal_text import on_one_line


@click.command()
@click.argument("exported_dir", type=options.existing_folder)
@click.argument("images", metavar="IMAGE_OR_FOLDER...", nargs=-1, required=True, type=options.any_path)
@click.option("--output", required=True, type=options.any_path, help="Folder to write to.")
@click.option(
    "--min-score",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Leave out boxes with lower scores.",
)
@click.option(
    "--max-boxes", type=click.IntRange(min=1), help="Keep only the best boxes of each image, at most so many."
)
@click.option(
    "--label-map",
    help="Label map: a file or a shipped name.  [default: EXPORTED_DIR/label_map.pbtxt; without one, classes are shown "
    "by number]",
)
@click.option("--devices", default="auto", show_default=True, metavar="auto|cpu|gpu:0",
              help="What the model runs on. auto: the first GPU, else the CPU.")  # fmt: skip
@options.overwrite_option("the --output folder", is_folder=True)
@options.json_option
@options.example(
    "odtk predict exported cat.jpg holiday_photos --output found",
    "odtk predict exported images --output found --min-score 0.3 --max-boxes 10",
)
def predict(exported_dir, images, output, min_score, max_boxes, label_map, devices, overwrite, as_json) -> None:
    """Detect objects in images with an exported detector.

    EXPORTED_DIR is the output folder of `odtk export` or of TFOD's exporter. Folders are searched recursively for jpg,
    png, bmp, gif, webp, tif, avif, ppm and jp2 files; other image files (heic ...) are listed as skipped. The --output
    folder gets each image under its own name, with boxes, class names and scores drawn on it, and detections.json with
    all boxes as COCO results: bbox is [x, y, width, height] in pixels, and category_id starts at 1. If all image names
    are numbers, as in COCO, they are the image_ids; otherwise images are numbered from 1.

    Images are rotated as their EXIF orientation says, as viewers show them; boxes refer to the rotated image. Of an
    animation or a multi-page TIFF only the first frame is used, and a note says so. An image that cannot be read is
    skipped and listed at the end; the exit code is 1 only if none can be read.
    """
    from odtk.tools.predict import predict as predict_pictures

    report = predict_pictures(
        exported_dir,
        images,
        output,
        min_score=min_score,
        max_boxes=max_boxes,
        label_map=label_map,
        devices=devices,
        overwrite=overwrite,
    )
    if as_json:
        options.print_json(_document(report))
    else:
        _print(report, min_score)
        _print_next(report, min_score)
    _warn(report)


def _print(report, min_score: float) -> None:
    from collections import Counter

    totals: Counter[str] = Counter()
    for prediction in report.predictions:
        image = prediction.image
        totals.update(map(report.name_of, image.detections.classes.tolist()))
        found = _found(image.detections, report.name_of) or f"nothing scored {min_score:g} or more"
        click.echo(on_one_line(f"{prediction.source} {image.width}x{image.height}: {found}"))
    count = len(report.predictions)
    click.echo(
        f"\n{_count(count, 'image')} in {report.seconds:.1f} s, {_count(report.num_boxes, 'box', 'boxes')}", nl=False
    )
    click.echo(": " + ", ".join(f"{name} {number}" for name, number in totals.most_common()) if totals else "")
    click.echo(f"Annotated images and {report.detections_path.name} are in {report.detections_path.parent}")


def _print_next(report, min_score: float) -> None:
    if report.num_boxes:
        picture = max(report.predictions, key=lambda prediction: len(prediction.image.detections)).picture
        click.echo(
            on_one_line(f"Next: look at {picture}; to see more or fewer boxes, change --min-score {min_score:g}.")
        )
    elif report.best_score:
        lower = _rounded_down(report.best_score)
        click.echo(f"No box has a score of {min_score:g} or more; the best score is {lower}.")
        click.echo(f"Next: run again with --min-score {lower} --overwrite, or train the model longer.")
    else:
        click.echo("The model detects nothing at any score. Next: train it longer, and check it with odtk evaluate.")


def _rounded_down(score: float) -> str:
    """At most two digits, so that a box of this score is kept."""
    import math

    digits = max(2, 1 - math.floor(math.log10(score)))
    return f"{math.floor(score * 10**digits) / 10**digits:g}"


def _found(detections, name_of) -> str:
    scores: dict[str, list[str]] = {}
    for category, score in zip(detections.classes.tolist(), detections.scores.tolist(), strict=True):
        scores.setdefault(name_of(category), []).append(f"{score:.2f}")
    return "; ".join(f"{len(each)} {name} ({', '.join(each)})" for name, each in scores.items())


def _warn(report) -> None:
    if report.label_map_path is None:
        options.warn("no label_map.pbtxt next to the model, so classes are shown by number. Add one: --label-map FILE.")
    for path, frames in report.animated:
        click.echo(f"note: only the first of the {frames} frames or pages of {path} was used.", err=True)
    if report.skipped:
        options.warn(f"{_count(len(report.skipped), 'image')} skipped:")
        for _, reason in report.skipped:
            click.echo(f"  {on_one_line(reason)}", err=True)


def _document(report) -> dict:
    from odtk.detections import to_coco_results

    def image(prediction) -> dict:
        results = to_coco_results([prediction.image], report.name_of)
        boxes = [{**result, "name": result["category_name"]} for result in results]
        found = prediction.image
        return {
            "image_id": found.image_id,
            "file": str(prediction.source),
            "picture": str(prediction.picture),
            "width": found.width,
            "height": found.height,
            "detections": boxes,
        }

    return {
        "detections": str(report.detections_path),
        "best_score": report.best_score,
        "images": [image(prediction) for prediction in report.predictions],
        "skipped": [{"file": str(path), "reason": reason} for path, reason in report.skipped],
    }


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
