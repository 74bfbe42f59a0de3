"""odtk's figures against TFOD's: measured in the same run if TFOD is installed (`make tfod`), otherwise from the
reference machine.

Measurements from another machine are compared through a common baseline that is measured on both: the bare network, or
tf_keras's ResNet50. Every function takes odtk's measurements, and TFOD's or None.
"""

from bench.table import MEASURED, REFERENCE, Figure
from bench.turns import Times, ratio
from bench.workload import IMAGES_PER_TURN

# TFOD 2.8 on 2 cores of the reference machine.
LATENCY, NETWORK_LATENCY = 0.193, 0.109
STEP, RESNET_STEP = 1.86, 0.93
IMAGES_PER_SECOND = {"640": 326, "320": 643}
CONVERSION = 7.1


def latency(work: str, ours: dict[str, Times], tfods: dict[str, Times] | None) -> Figure:
    """The exported model: `whole`, or `winograd`, the one for CPUs."""
    name = {"whole": "  against TFOD's", "winograd": "  with --winograd"}[work]
    if tfods is None:
        # As if the two networks took the same time, which cancels the difference between the machines.
        theirs = LATENCY / NETWORK_LATENCY
        quicker = theirs / ratio(ours[work], ours["network"])
        beside, target = f"TFOD's ratio {theirs:.2f}", "ratio >= 1.5"
        return Figure(name, quicker, "x as quick", beside, quicker, target, quicker >= 1.5, REFERENCE)
    milliseconds, own = 1000 * ours[work].seconds, ratio(ours[work], tfods["whole"])
    theirs, network = 1000 * tfods["whole"].seconds, 1000 * tfods["network"].seconds
    beside = f"TFOD {theirs:.1f} ms; its network alone {network:.1f} ms"
    return Figure(name, milliseconds, "ms", beside, own, "ratio <= 2/3", own <= 2 / 3, MEASURED)


def family(name: str, ours: dict[str, Times], tfods: dict[str, Times]) -> Figure:
    """The exported model of a family's shipped pipeline."""
    own, milliseconds = ratio(ours[name], tfods[name]), 1000 * ours[name].seconds
    beside = f"TFOD {1000 * tfods[name].seconds:.1f} ms"
    return Figure("  against TFOD's", milliseconds, "ms", beside, own, "ratio <= 1", own <= 1, MEASURED)


def training(ours: dict[str, Times], tfods: dict[str, Times] | None) -> Figure:
    """The training step."""
    if tfods is None:
        # The estimated time of TFOD's step here, scaled by the time of a ResNet50 on the two machines.
        resnets = STEP / RESNET_STEP
        own, source = ratio(ours["whole"], ours["resnet"]) / resnets, REFERENCE
        beside = f"TFOD's is {resnets:.1f} times a ResNet50's passes, which take {ours['resnet'].seconds:.2f} s here"
    else:
        own, source = ratio(ours["whole"], tfods["whole"]), MEASURED
        network = tfods["network"].seconds
        beside = f"TFOD {tfods['whole'].seconds:.2f} s; its forward and backward pass {network:.2f} s"
    return Figure("  against TFOD's", ours["whole"].seconds, "s", beside, own, "ratio <= 1", own <= 1, source)


def input_rate(side: str, ours: dict[str, Times], tfods: dict[str, Times] | None) -> Figure:
    """Images per second of the training input."""
    rate, decoding = (IMAGES_PER_TURN / ours[work].seconds for work in (side, "decoding"))
    if tfods is None:
        tfod = IMAGES_PER_SECOND[side]
        own = rate / tfod
    else:
        tfod = IMAGES_PER_TURN / tfods[side].seconds
        own = ratio(tfods[side], ours[side])
    beside = f"TFOD {tfod:.0f}{_elsewhere(tfods)}; decoding alone {decoding:.0f}"
    return Figure(f"input, to {side}x{side}", rate, "images/s", beside, own, "ratio >= 1.3", own >= 1.3, _source(tfods))


def conversion(ours: dict, tfods: dict | None) -> Figure:
    """740 images to records, the whole process."""
    seconds, tfod = ours["seconds"], CONVERSION if tfods is None else tfods["seconds"]
    beside, ratio = f"TFOD {tfod:.1f} s{_elsewhere(tfods)}", seconds / tfod
    name, target = "make-tfrecords, 740 images", "ratio <= 1/3"
    return Figure(name, seconds, "s", beside, ratio, target, ratio <= 1 / 3, _source(tfods))


def _elsewhere(tfods: dict | None) -> str:
    return ", other machine" if tfods is None else ""


def _source(tfods: dict | None) -> str:
    return REFERENCE if tfods is None else MEASURED
