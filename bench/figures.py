"""The measurements as rows of the table."""

from collections.abc import Callable

from bench import against_tfod
from bench.table import Figure
from bench.turns import Times, ratio
from bench.workload import IMAGES_PER_TURN, INPUT_SIDES, PIPELINES, STEPS_PER_TURN, network_of

# odtk's limit for large datasets.
INSPECTED_IMAGES, INSPECTION_SECONDS, MEGABYTES = 5000, 60, 600


def figures(raw: dict[str, dict], tfod: dict[str, dict]) -> list[Figure]:
    """All rows: `raw` has odtk's measurements by part, `tfod` TFOD's, as far as available.

    Interleaved measurements are Times by work; the others are numbers by name.
    """
    return [row for rows in by_part(raw, tfod).values() for row in rows]


def by_part(raw: dict[str, dict], tfod: dict[str, dict]) -> dict[str, list[Figure]]:
    """The same by part, of the parts that were measured."""
    return {part: make(raw[part], tfod.get(part)) for part, make in ROWS.items() if part in raw}


def _latency(times: dict[str, Times]) -> Figure:
    own, beside = ratio(times["whole"], times["network"]), f"network alone {1000 * times['network'].seconds:.1f} ms"
    milliseconds = 1000 * times["whole"].seconds
    return Figure("SavedModel, 320x320", milliseconds, "ms", beside, own, "ratio <= 1.2", own <= 1.2)


def _family(name: str, times: dict[str, Times], tfods: dict[str, Times] | None) -> list[Figure]:
    own, network = ratio(times[name], times[network_of(name)]), times[network_of(name)].seconds
    row = Figure(f"SavedModel, {name}", 1000 * times[name].seconds, "ms", f"network alone {1000 * network:.1f} ms", own)
    return [row] if tfods is None else [row, against_tfod.family(name, times, tfods)]


def _training(times: dict[str, Times]) -> Figure:
    own, seconds = ratio(times["whole"], times["network"]), times["whole"].seconds
    beside = f"forward and backward pass {times['network'].seconds:.2f} s"
    return Figure("training step, 320x320, batch 4", seconds, "s", beside, own, "ratio <= 1.05", own <= 1.05)


def _cached_input(side: int, times: dict[str, Times]) -> Figure:
    cached, decoding = times[f"{side} cached"], times[str(side)]
    rate, beside = IMAGES_PER_TURN / cached.seconds, f"decoding them each time {IMAGES_PER_TURN / decoding.seconds:.0f}"
    own = ratio(decoding, cached)
    return Figure(f"input, to {side}x{side}, --cache memory", rate, "images/s", beside, own, "ratio > 1", own > 1)


def _watched(times: dict[str, Times]) -> Figure:
    own, seconds = ratio(times["watched"], times["bare"]), times["watched"].seconds / STEPS_PER_TURN
    beside = f"without callbacks, logs and measurements {times['bare'].seconds / STEPS_PER_TURN:.3f} s"
    return Figure("step of odtk train, 320x320, batch 4", seconds, "s", beside, own, "ratio <= 1.02", own <= 1.02)


def _evaluations(measured: dict) -> Figure:
    own = measured["after"] / measured["before"]
    beside = f"{measured['before']:.0f} MB after 50; {measured['traces']} trace"
    is_met = own <= 1.02 and measured["traces"] == 1
    return Figure(
        "memory after 200 evaluations", measured["after"], "MB", beside, own, "ratio <= 1.02, 1 trace", is_met
    )


def _against_pycocotools(coco: dict) -> Figure:
    beside = f"pycocotools alone {coco['pycocotools_seconds']:.1f} s"
    own = coco["seconds"] / coco["pycocotools_seconds"]
    return Figure("COCO metrics, 5,000 images", coco["seconds"], "s", beside, own, "ratio <= 0.2", own <= 0.2)


def _start(start: dict) -> list[Figure]:
    stages = ", ".join(f"{name.replace('_', ' ')} {start[f'{name}_seconds']:.1f}" for name in ("imports", "build"))
    stages += f", trace and step {start['first_step_seconds']:.1f}"
    return [
        Figure("odtk train to its first step", start["seconds"], "s", stages, None),
        Figure("training, peak memory", start["peak_megabytes"], "MB", "320x320, batch 4", None),
    ]


def _inspection(inspection: dict) -> Figure:
    seconds, name = inspection["seconds"], f"inspect, {INSPECTED_IMAGES:,} images"
    return Figure(name, seconds, "s", "", None, f"<= {INSPECTION_SECONDS} s", seconds <= INSPECTION_SECONDS)


def _memory(command: str, measured: dict) -> Figure:
    peak = measured["peak_megabytes"]
    return Figure(f"{command}, peak memory", peak, "MB", "", None, f"<= {MEGABYTES} MB", peak <= MEGABYTES)


# By part, in the table's order: functions of odtk's measurements and TFOD's, or None.
ROWS: dict[str, Callable[[dict, dict | None], list[Figure]]] = {
    "latency": lambda ours, tfods: [
        _latency(ours),
        against_tfod.latency("whole", ours, tfods),
        against_tfod.latency("winograd", ours, tfods),
    ],
    "families": lambda ours, tfods: [row for name in PIPELINES for row in _family(name, ours, tfods)],
    "training": lambda ours, tfods: [_training(ours), against_tfod.training(ours, tfods)],
    "input": lambda ours, tfods: [
        *(against_tfod.input_rate(str(side), ours, tfods) for side in INPUT_SIDES),
        *(_cached_input(side, ours) for side in INPUT_SIDES),
    ],
    "coco": lambda ours, tfods: [_against_pycocotools(ours)],
    "start": lambda ours, tfods: _start(ours),
    "evaluation": lambda ours, tfods: [
        Figure("evaluation, peak memory", ours["peak_megabytes"], "MB", "222 images, 320x320", None)
    ],
    "watched": lambda ours, tfods: [_watched(ours)],
    "evaluations": lambda ours, tfods: [_evaluations(ours)],
    "conversion": lambda ours, tfods: [against_tfod.conversion(ours, tfods), _memory("make-tfrecords", ours)],
    "inspection": lambda ours, tfods: [_inspection(ours), _memory("inspect", ours)],
}
