"""`odtk predict`: detections in images, videos and what cameras show, drawn and saved."""

import click

from odtk.cli import options
from odtk.streams import output_kinds
from odtk.terminal_text import on_one_line


@click.command()
@click.argument("model", type=options.any_path)
@click.argument("images", metavar="SOURCE...", nargs=-1, required=True, type=options.any_path)
@click.option("--output", required=True, type=options.any_path, help="Folder to write to.")
@click.option(
    "--checkpoint", metavar="best|last|PREFIX",
    help="Of a model dir: the checkpoint to use.  [default: the best where there is one, else the last]",
)  # fmt: skip
@click.option("--save", default=",".join(output_kinds.DEFAULT), show_default=True, metavar="OUTPUT,...",
              help=f"What to write: {output_kinds.in_words()}.")  # fmt: skip
@click.option("--min-score", type=click.FloatRange(0, 1), help="Leave out boxes with lower scores.  [default: 0.5]")
@click.option(
    "--thresholds", type=options.any_path, metavar="FILE",
    help="Leave out boxes below the score of their class in this file, which odtk evaluate writes.",
)  # fmt: skip
@click.option("--classes", metavar="CLASS,...", help="Leave out other classes: names, or numbers from 1.")
@click.option(
    "--max-boxes", type=click.IntRange(min=1), help="Keep only the best boxes of each image, at most so many."
)
@click.option("--top", type=click.IntRange(min=1), metavar="N",
              help="Print and save the N most likely classes of each box, with their scores.")  # fmt: skip
@click.option("--layer", metavar="NAME", help="Take the features that are saved from this layer (odtk explain MODEL "
              "--list-layers).  [default: from the pyramid]")  # fmt: skip
@click.option("--track", is_flag=True, help="Give the boxes of a video or camera ids, which an object keeps. Needs "
              "supervision: pip install 'odtk[track]'.")  # fmt: skip
@click.option("--show", is_flag=True, help="Show what is drawn in a window: videos as they come, each image until a "
              "key is pressed. q ends.")  # fmt: skip
@click.option("--every", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
              help="Look only at each Nth frame of videos and cameras.")  # fmt: skip
@click.option("--batch-size", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
              help="Images that the model gets at once. An exported model takes more than one if its input type is "
              "float_image_tensor or encoded_image_string_tensor, and together only those of one size.")  # fmt: skip
@click.option("--warm-up", type=click.IntRange(min=0), default=1, show_default=True, metavar="N",
              help="Run the model so often on the first images before times are taken.")  # fmt: skip
@click.option(
    "--label-map",
    help="Label map: a file or a shipped name.  [default: the one that the model was trained with; without one, "
    "classes are shown by number]",
)
@click.option("--devices", default="auto", show_default=True, metavar="auto|cpu|gpu:0",
              help="What the model runs on. auto: the first GPU, else the CPU.")  # fmt: skip
@options.overwrite_option("the --output folder", is_folder=True)
@options.json_option
@options.example(
    "odtk predict exported cat.jpg holiday_photos --output found",
    "odtk predict exported images --output found --min-score 0.3 --max-boxes 10",
    "odtk predict models/pets walk.mp4 --output found --save video,csv --track",
    "odtk predict exported camera:0 --output found",
)
@click.pass_context
def predict(ctx, as_json, **settings) -> None:
    """Detect objects in images, videos and what cameras show.

    MODEL is the output folder of `odtk export` or of TFOD's exporter, or a model dir of `odtk train`, or one of its
    checkpoints (model/ckpt-600), which is built and restored. A SOURCE is an image, a video, a folder (searched
    recursively), a glob in quotes, the http(s) address of an image or a video, an image or a folder in a store
    (gs://...), camera:0 (the first camera of this machine), the address of a network camera (rtsp://...), or - for a
    list of these on standard input, one per line. In folders jpg, png, bmp, gif, webp, tif, avif, ppm and jp2 files and
    videos are found; other image files (heic ...) are listed as skipped.

    The --output folder gets each image under its own name, with boxes, class names and scores drawn on it, each video
    likewise as MP4 with its audio, and detections.json with all boxes as COCO results: bbox is [x, y, width, height]
    in pixels, and category_id starts at 1. If all image names are numbers, as in COCO, they are the image_ids;
    otherwise images and frames are numbered from 1. --save chooses among these and other outputs.

    Images are rotated as their EXIF orientation says, as viewers show them; boxes refer to the rotated image. Of an
    animation or a multi-page TIFF only the first frame is used, and a note says so. An image that cannot be read is
    skipped and listed at the end; the exit code is 1 only if none can be read.

    Decoding, detecting, drawing and writing overlap; the table at the end says how long each takes. Of files no frame
    is lost; of a camera, frames that come while others are worked on are dropped, and counted. Ctrl-C ends a camera:
    what was written until then is complete.
    """
    from odtk.cli.stop_signals import stop_signals
    from odtk.tools.predict import predict as predict_pictures

    with stop_signals(options.log, "after this image, with all files complete") as signals:
        report = predict_pictures(**settings, log=options.log, should_stop=signals.should_stop)
    if as_json:
        options.print_json(_document(report, settings["top"]))
    else:
        _print(report, settings)
        _print_next(report, settings)
    _warn(report)
    is_endless = not report.predictions and all(stream.is_live for stream in report.streams)
    ctx.exit(signals.exit_code(report.stopped) if report.stopped and not is_endless else 0)


def _print(report, settings: dict) -> None:
    score = _limit_in_words(settings)
    for prediction in report.predictions:
        image = prediction.image
        found = _found(image.detections, report.name_of) or f"nothing scored {score} or more"
        click.echo(on_one_line(f"{prediction.source} {image.width}x{image.height}: {found}"))
        for line in _top_lines(image.detections, report.name_of, settings["top"]):
            click.echo(on_one_line(line))
    for stream in report.streams:
        dropped = f", {stream.dropped:,} dropped" if stream.dropped else ""
        boxes = _counts(stream.boxes) or f"nothing scored {score} or more"
        boxes += "" if stream.tracks is None else f" in {_count(len(stream.tracks), 'track')}"
        click.echo(on_one_line(f"{stream.source}: {_count(stream.frames, 'frame')}{dropped}; {boxes}"))
    click.echo(f"\n{_count(report.num_images, 'image')} in {report.seconds:.1f} s "
               f"({report.num_images / max(report.seconds, 1e-9):.3g}/s), "
               f"{_count(report.num_boxes, 'box', 'boxes')}", nl=False)  # fmt: skip
    click.echo(f": {_counts(report.boxes)}" if report.boxes else "")
    _print_times(report.times)
    click.echo(f"Model: {on_one_line(report.model)}.")
    click.echo(on_one_line(f"{report.output} has {'; '.join(report.written) or 'nothing'}."))


def _print_times(times) -> None:
    rows = [
        [each.stage, *(f"{1000 * seconds:,.1f} ms" for seconds in (each.mean, each.p50, each.p95))] for each in times
    ]
    options.print_table("Per image", ["stage", "mean", "p50", "p95"], rows)


def _print_next(report, settings: dict) -> None:
    if report.num_boxes:
        picture = _best_picture(report)
        if picture:
            change = "--thresholds" if settings["thresholds"] else f"--min-score {_limit_in_words(settings)}"
            click.echo(on_one_line(f"Next: look at {picture}; to see more or fewer boxes, change {change}."))
    elif report.best_score and settings["thresholds"] is None and settings["classes"] is None:
        lower = _rounded_down(report.best_score)
        click.echo(f"No box has a score of {_limit_in_words(settings)} or more; the best score is {lower}.")
        click.echo(f"Next: run again with --min-score {lower} --overwrite, or train the model longer.")
    elif report.best_score:
        click.echo(f"No box is left; the best score of all classes is {_rounded_down(report.best_score)}.")
        click.echo("Next: run again with --overwrite and without --classes or --thresholds.")
    else:
        click.echo("The model detects nothing at any score. Next: train it longer, and check it with odtk evaluate.")


def _best_picture(report):
    """That with the most boxes, or a video."""
    drawn = [prediction for prediction in report.predictions if prediction.picture]
    if drawn:
        return max(drawn, key=lambda prediction: len(prediction.image.detections)).picture
    return report.output if report.streams else None


def _limit_in_words(settings: dict) -> str:
    if settings["thresholds"]:
        return f"what {settings['thresholds']} says"
    return f"{0.5 if settings['min_score'] is None else settings['min_score']:g}"


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


def _top_lines(detections, name_of, top: int | None) -> list[str]:
    """The most likely classes of each box."""
    if not top:
        return []
    each = (detections.top_classes(index, top) for index in range(len(detections)))
    return ["  " + ", ".join(f"{name_of(number)} {score:.2f}" for number, score in classes) for classes in each]


def _counts(boxes) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in boxes.most_common())


def _warn(report) -> None:
    if report.stopped:
        options.warn(f"{report.stopped}, so later images are missing; what was written is complete.")
    if not report.has_names:
        options.warn("no label_map.pbtxt next to the model, so classes are shown by number. Add one: --label-map FILE.")
    for path, frames in report.animated:
        click.echo(f"note: only the first of the {frames} frames or pages of {path} was used.", err=True)
    for note in report.notes:
        click.echo(f"note: {on_one_line(note)}", err=True)
    for stream in report.streams:
        if stream.ended:
            options.warn(on_one_line(stream.ended))
    if report.skipped:
        options.warn(f"{_count(len(report.skipped), 'image')} skipped:")
        for _, reason in report.skipped:
            click.echo(f"  {on_one_line(reason)}", err=True)


def _document(report, top: int | None) -> dict:
    return {
        "model": report.model,
        "output": str(report.output),
        "detections": report.detections_path and str(report.detections_path),
        "best_score": report.best_score,
        "images": [_image(prediction, report.name_of, top) for prediction in report.predictions],
        "streams": [
            {
                "source": stream.source,
                "frames": stream.frames,
                "dropped": stream.dropped,
                "boxes": dict(stream.boxes),
                "tracks": None if stream.tracks is None else len(stream.tracks),
                "ended": stream.ended,
            }
            for stream in report.streams
        ],
        "skipped": [{"file": str(path), "reason": reason} for path, reason in report.skipped],
        "notes": report.notes,
        "stopped": report.stopped,
        "seconds": report.seconds,
        "images_per_second": report.num_images / max(report.seconds, 1e-9),
        "seconds_per_image": {each.stage: {"mean": each.mean, "p50": each.p50, "p95": each.p95}
                              for each in report.times},
    }  # fmt: skip


def _image(prediction, name_of, top: int | None) -> dict:
    from odtk.detections import to_coco_results

    found = prediction.image
    boxes = [{**result, "name": result["category_name"]} for result in to_coco_results([found], name_of, top)]
    return {
        "image_id": found.image_id,
        "file": str(prediction.source),
        "picture": prediction.picture and str(prediction.picture),
        "width": found.width,
        "height": found.height,
        "detections": boxes,
    }


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
