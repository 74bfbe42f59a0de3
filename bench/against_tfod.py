"""odtk's figures against TFOD's: measured in the same run where TFOD is (`make tfod`), from the reference machine
where it is not.

What was measured on another machine is compared by what was measured beside it there and is measured here: the bare
network, or tf_keras's ResNet50. Every function takes what odtk's measurement gave, and TFOD's or None.
"""

from bench.table import MEASURED, REFERENCE, Figure

# TFOD 2.8 on 2 cores of the reference machine.
LATENCY, NETWORK_LATENCY = 0.193, 0.109
STEP, RESNET_STEP = 1.86, 0.93
IMAGES_PER_SECOND = {"640": 326, "320": 643}
CONVERSION = 7.1


def latency(ours: dict, tfods: dict | None) -> Figure:
    """The exported model."""
    if tfods is None:
        # As if the two networks took the same time, which leaves the machines out.
        quicker, beside = LATENCY / NETWORK_LATENCY / ours["ratio"], f"TFOD's ratio {LATENCY / NETWORK_LATENCY:.2f}"
        values = (quicker, "x as quick", beside, quicker, "ratio >= 1.5", quicker >= 1.5)
        return Figure("  against TFOD's", *values, REFERENCE)
    seconds, ratio = ours["seconds"], ours["seconds"] / tfods["seconds"]
    beside = f"TFOD {1000 * tfods['seconds']:.1f} ms; its network alone {1000 * tfods['network_seconds']:.1f} ms"
    return Figure("  against TFOD's", 1000 * seconds, "ms", beside, ratio, "ratio <= 2/3", ratio <= 2 / 3, MEASURED)


def training(ours: dict, tfods: dict | None) -> Figure:
    """The training step."""
    seconds = ours["seconds"]
    if tfods is None:
        # What TFOD's step would take here, if the two machines differ by what a ResNet50 takes on them.
        resnets = STEP / RESNET_STEP
        ratio, source = ours["resnet_ratio"] / resnets, REFERENCE
        beside = f"TFOD's {resnets:.1f} times a ResNet50's passes, here {ours['resnet_seconds']:.2f} s"
    else:
        ratio, source = seconds / tfods["seconds"], MEASURED
        beside = f"TFOD {tfods['seconds']:.2f} s; its forward and backward pass {tfods['network_seconds']:.2f} s"
    return Figure("  against TFOD's", seconds, "s", beside, ratio, "ratio <= 1", ratio <= 1, source)


def input_rate(side: str, ours: dict, tfods: dict | None) -> Figure:
    """Images per second of the training input."""
    rate, decoding = ours["images_per_second"], ours["decoding_images_per_second"]
    tfod = IMAGES_PER_SECOND[side] if tfods is None else tfods["images_per_second"]
    beside = f"TFOD {tfod:.0f}{_elsewhere(tfods)}; decoding alone {decoding:.0f}"
    name, ratio = f"input, to {side}x{side}", rate / tfod
    return Figure(name, rate, "images/s", beside, ratio, "ratio >= 1.3", ratio >= 1.3, _source(tfods))


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
