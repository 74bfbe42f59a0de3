"""`odtk predict`: boxes on pictures, and detections.json."""

import click

from odtk.cli import options
from odtk.terminal_text import on_one_line


@click.command()
@click.argument("exported_dir", type=options.existing_folder)
@click.argument("images", metavar="IMAGE_OR_FOLDER...", nargs=-1, required=True, type=options.any_path)
@click.option("--output", required=True, type=options.any_path, help="Folder to write to.")
@click.option(
    "--min-score", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Leave out boxes scored lower."
)
@click.option("--max-boxes", type=click.IntRange(min=1), help="Keep only this many best boxes per image.")
@click.option(
    "--label-map",
    help="Names of the classes: a file or a shipped map's name.  [default: EXPORTED_DIR/label_map.pbtxt; without one, "
    "classes have numbers]",
)
@options.overwrite_option("the --output folder", is_folder=True)
@options.json_option
@options.example(
    "odtk predict exported cat.jpg holiday_photos --output found",
    "odtk predict exported images --output found --min-score 0.3 --max-boxes 10",
)
def predict(exported_dir, images, output, min_score, max_boxes, label_map, overwrite, as_json) -> None:
    """Find things in images with an exported detector.

    EXPORTED_DIR is what `odtk export` or TFOD's exporter wrote. Folders are searched for jpg, png, bmp, gif, webp, tif,
    avif, ppm and jp2 files, sub-folders included; other images there (heic ...) are named as skipped. In the --output
    folder every image appears under its own name with boxes, names and scores drawn on it, and detections.json lists
    all boxes as COCO results: pixel [x, y, width, height], and category_id counted from 1 with its category_name. Where
    every image's name is a number, as in COCO, that is its image_id; otherwise images are counted from 1.

    Images are turned upright as their EXIF orientation says, as viewers show them; boxes refer to the upright image. Of
    an animation or a TIFF of several pages the first one is taken, and said. An image that cannot be read is skipped
    and named at the end; the exit code is 1 only where none could be read.
    """
    from odtk.tools.predict import predict as predict_pictures

    report = predict_pictures(
        exported_dir, images, output, min_score=min_score, max_boxes=max_boxes, label_map=label_map, overwrite=overwrite
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
        click.echo(on_one_line(f"Next: look at {picture}; --min-score (now {min_score:g}) keeps more boxes or fewer."))
    elif report.best_score:
        lower = _rounded_down(report.best_score)
        click.echo(f"No box scores {min_score:g} or more; the best score is {report.best_score:.2g}.")
        click.echo(f"Next: the same command with --min-score {lower} --overwrite, or train the model longer.")
    else:
        click.echo("The model finds nothing, at any score. Next: train it longer, and measure it with odtk evaluate.")


def _rounded_down(score: float) -> str:
    """Two digits at most, so that a box of this score is kept."""
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
        click.echo("No label_map.pbtxt beside the model: classes have numbers. Name one with --label-map.", err=True)
    for path, frames in report.animated:
        click.echo(f"Only the first of the {frames} frames or pages of {path} was looked at.", err=True)
    if report.skipped:
        click.echo(f"Warning: {_count(len(report.skipped), 'image')} skipped:", err=True)
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
