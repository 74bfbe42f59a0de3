"""The parts of a run in their order, the most valuable first. It needs no TensorFlow."""

from dataclasses import dataclass, field

CPU, EXACT, DEVICE, MIXED = "cpu", "exact", "device", "mixed"
"""What a worker process computes on: the CPU alone; the device with float32 products as they are, without TF32; the
device as TensorFlow uses it; the device as `odtk train` uses it in 16 bits."""

AUTO = "auto"


@dataclass(frozen=True)
class Part:
    """One measurement, by a function of a module of this package."""

    name: str
    function: str
    """module.function"""
    worker: str = DEVICE
    arguments: dict = field(default_factory=dict)
    seconds: int = 60
    """It is not started with less time than half of this left, and ended after three times as long."""


def _worker(precision: str) -> str:
    return DEVICE if precision == "float32" else MIXED


def _training(side: int, precision: str, xla: bool = False, worker: str = "", large: bool = False) -> Part:
    worker = worker or _worker(precision)
    words = [
        ("large", "small")[side],
        precision,
        *(["XLA"] if xla else []),
        *(["without TF32"] if worker == EXACT else []),
    ]
    words += ["large batch"] if large else []
    arguments = {"side": side, "precision": precision, "xla": xla, "large": large}
    return Part(f"training: {', '.join(words)}", "training.measure", worker, arguments, 120 if xla else 60)


def _losses(worker: str, precision: str = "float32") -> Part:
    where = {CPU: "on the CPU", EXACT: "without TF32"}.get(worker, "TF32 allowed")
    return Part(f"losses: {precision}, {where}", "losses.measure", worker, {"precision": precision}, 40)


def _serving(precision: str) -> Part:
    return Part(f"SavedModel: {precision}", "serving.measure", _worker(precision), {"precision": precision}, 60)


def _fed(ahead: bool) -> Part:
    name = "training on the input pipeline" + ("" if ahead else ": copied in the step")
    return Part(name, "training.measure_fed", MIXED, {"precision": AUTO, "ahead": ahead}, 60)


LARGE, SMALL = 0, 1  # the places of the two sides in Sizes.sides
PARTS = (
    Part("device", "facts.measure", EXACT, {}, 20),
    _losses(EXACT),
    _losses(CPU),
    Part("input", "input_rate.measure", CPU, {}, 60),
    _losses(DEVICE),
    _training(LARGE, "float32"),
    _serving("float32"),
    _training(LARGE, AUTO),
    _fed(ahead=True),
    _fed(ahead=False),
    _losses(MIXED, AUTO),
    _training(SMALL, AUTO),
    _serving("float16"),
    _training(LARGE, AUTO, xla=True),
    _training(LARGE, "float16"),
    Part("largest batch", "largest_batch.measure", MIXED, {"precision": AUTO}, 90),
    _training(SMALL, AUTO, xla=True),
    _training(LARGE, AUTO, large=True),
    _training(SMALL, "float32"),
    _training(LARGE, "float32", worker=EXACT),
)


def chosen(words: list[str]) -> list[Part]:
    """The parts whose names contain one of the words; all without words. ValueError for a word that no name has."""
    for word in words:
        if not any(word in part.name for part in PARTS):
            raise ValueError(f"no part has {word!r} in its name; there are: {', '.join(part.name for part in PARTS)}")
    return [part for part in PARTS if not words or any(word in part.name for word in words)]
