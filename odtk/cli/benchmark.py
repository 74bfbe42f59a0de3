"""`odtk benchmark`: how fast models are."""

import click

from odtk.cli import options


class _Numbers(click.ParamType):
    """1,8,32."""

    name = "numbers"

    def convert(self, value, param, ctx):
        if not isinstance(value, str):
            return value
        words = [word.strip() for word in value.split(",")]
        if not all(word.isascii() and word.isdigit() and int(word) for word in words):
            self.fail(f"{value!r} is no list of batch sizes. Write whole numbers from 1, such as 1,8.", param, ctx)
        return [int(word) for word in words]


class _Sizes(click.ParamType):
    """640x480,1280x720."""

    name = "sizes"

    def convert(self, value, param, ctx):
        if not isinstance(value, str):
            return value
        from odtk.errors import OdtkError
        from odtk.tools.benchmark.plan import image_size_of

        try:
            return [image_size_of(word) for word in value.split(",")]
        except OdtkError as error:
            self.fail(str(error), param, ctx)


@click.command(short_help="Measure latency, throughput and memory of models, in turns.")
@click.argument("models", metavar="MODEL...", nargs=-1, required=True, type=options.any_path)
@click.option("--batch-size", type=_Numbers(), default=(), metavar="1,8",
              help="How many images at once; of several sizes each is measured.  [default: 1]")  # fmt: skip
@click.option("--image-size", type=_Sizes(), default=(), metavar="WxH,...",
              help="Width and height of the images in pixels, e.g. 640x480,1280x720.  [default: 640x480, or those of "
              "the pictures in --images]")  # fmt: skip
@click.option("--images", type=options.any_path, metavar="FOLDER",
              help="Pictures to detect objects in, as what is found may decide how long it takes.  "
              "[default: drawn ones]")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True),
              help="How long each model runs with each batch and image size, all turns together.  "
              "[default: 5]")  # fmt: skip
@click.option("--runs", type=click.IntRange(min=1), help="How many times instead of for how long.")
@click.option("--rounds", type=click.IntRange(min=1), default=10, show_default=True,
              help="In how many turns; the ratio of two models is the median of the rounds' ratios.")  # fmt: skip
@click.option("--warm-up", type=click.IntRange(min=0), default=3, show_default=True,
              help="Runs after the first one that do not count.")  # fmt: skip
@click.option("--devices", default="auto", show_default=True, metavar="auto|cpu|gpu:0",
              help="What the models run on: the CPU, or one GPU. auto: the first GPU, else the CPU.")  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1),
              help="How many of the CPU's cores a model may use.  [default: all]")  # fmt: skip
@click.option("--plot", type=options.any_path, metavar="PNG", help="Draw latencies and throughputs to this file.")
@options.overwrite_option("the plot")
@options.json_option
@options.example(
    "odtk benchmark exported",
    "odtk benchmark exported exported_winograd --batch-size 1,8 --image-size 640x480,1280x720 --plot speed.png",
    "odtk benchmark exported --threads 1 --images photos --json",
)
def benchmark(
    models, batch_size, image_size, images, seconds, runs, rounds, warm_up, devices, threads, plot, overwrite, as_json
) -> None:
    """Measure how long models take, how many images they do in a second, and how much memory they need.

    MODEL is a folder or a file of `odtk export`, a folder of TFOD's exporter, a model dir or a checkpoint. Each runs in
    a process of its own. Several models take turns, round by round, so that a machine that other programs use, or that
    gets hot, treats all alike: each round gives a ratio to the first MODEL, and the median of these is shown with its
    95 % interval. Give the same model twice to see how far to trust a ratio.

    A run is timed from the images on the model's device to the detections in memory, with resizing and the suppression
    of overlapping boxes, as `odtk predict` runs it. Placing (to the model's input form and device) and decoding (a
    JPEG of this size to pixels, by Pillow on one core) are apart. Memory is the peak of the whole process.
    """
    from odtk.tools import benchmark as tool

    report = tool.benchmark(
        models, batch_size=batch_size, image_size=image_size, images=images, seconds=seconds, runs=runs, rounds=rounds,
        warm_up=warm_up, devices=devices, threads=threads, plot=plot, overwrite=overwrite, log=options.log,
    )  # fmt: skip
    if as_json:
        options.print_json(report.document())
    else:
        _print(report)
    for note in report.notes:
        click.echo(f"note: {note}", err=True)


def _print(report) -> None:
    from odtk.machine import counted_cores

    for model in report.models:
        size = "" if model.bytes is None else f", {_bytes(model.bytes)}"
        click.echo(f"{model.name}: {model.description}{size}; loaded in {model.load_seconds:.1f} s")
    devices = list(dict.fromkeys(each.device for each in report.models))
    click.echo(f"On {'; '.join(devices)}; each model may use {counted_cores(report.cores)} of the CPU.\n")
    has_gpu = any(each.gpu_peak_bytes is not None for each in report.results)
    columns = ["Model", "batch", "image", "p50", "p95", "p99", "images/s", "runs", "place", "decode", "memory"]
    rows = [_row(each, has_gpu) for each in report.results]
    title = "Milliseconds of a batch (place: of a batch, decode: of an image)"
    options.print_table(title, columns + ["GPU memory"] * has_gpu, rows, least_width=120)
    if report.comparisons:
        click.echo()
        rows = [_compared(each) for each in report.comparisons]
        columns = ["Latency", "batch", "image", f"of {report.models[0].name}'s", "95 % interval", "half of the rounds"]
        options.print_table(f"Ratios of {report.rounds} rounds", columns, rows, least_width=120)
    if report.plot:
        click.echo(f"\nWrote {report.plot}")


def _row(result, has_gpu: bool) -> list:
    latency = result.latency
    times = [_number(each) for each in (latency.p50, latency.p95, latency.p99)]
    rest = [_number(result.place_ms), _number(result.decode_ms), _bytes(result.peak_bytes)]
    gpu = [] if not has_gpu else ["-" if result.gpu_peak_bytes is None else _bytes(result.gpu_peak_bytes)]
    head = [result.model, result.batch_size, _size(result.image_size)]
    return [*head, *times, _number(result.images_per_second), latency.runs, *rest, *gpu]


def _compared(comparison) -> list:
    ratio = comparison.latency
    interval = "-" if ratio.interval is None else "{:.3f} to {:.3f}".format(*ratio.interval)
    told = "" if ratio.differs is not False else " (no difference)"
    head = [comparison.model, comparison.batch_size, _size(comparison.image_size), f"{ratio.ratio:.3f}"]
    return [*head, interval + told, "{:.3f} to {:.3f}".format(*ratio.quartiles)]


def _size(size) -> str:
    return "own" if size is None else "{}x{}".format(*size)


def _number(number: float | None) -> str:
    """At least three digits."""
    if number is None:
        return "-"
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _bytes(number: int) -> str:
    from rich.filesize import decimal

    return decimal(number)
