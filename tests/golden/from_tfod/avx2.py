"""What TFOD computes in training on a CPU without AVX-512, where its numbers are others.

usage (from the repository's root, where `make tfod` has been): .tfod/bin/python tests/golden/from_tfod/avx2.py

The other goldens are from CPUs with AVX-512, for which oneDNN has other kernels, which round otherwise. Inference does
not notice. In training, batch norms over a few pixels magnify that, and so do proposals, which change by jumps: TFOD's
own losses then differ by up to 7 % in the third step, and the norm of its first gradient by up to 22 %. So the
training numbers of the families in which that happens are here once more, of the reference's goldens and of those made
by the scripts beside this one; so are the losses of the reference's small variants, which are less far apart. oneDNN is
told to use no more than AVX2, so that any x86 processor gives them.
"""

import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
sys.path.insert(0, str(Path(__file__).parent))

import center_net
import faster_rcnn
import mobilenet_fpn
import numpy as np
import training
from center_net_hourglasses import GAMMA
from google.protobuf import text_format
from object_detection.protos import model_pb2
from synthetic_weights import family_value, synthetic_value

HERE = Path(__file__).parent
FAMILIES, VARIANTS = HERE.parent / "families", HERE.parent / "variants"
HOURGLASSES = ("hourglass_52", "hourglass_104")

Numbers = dict[str, np.ndarray]
"""losses/TAG: of each step; train_gradient_norm; of a Faster R-CNN train_proposal_boxes."""


def main() -> None:
    """Writes avx2.npz beside this file."""
    faster_rcnn.without_races()
    found: dict[str, Numbers] = {}
    for path in sorted(FAMILIES.glob("mobilenet_*.config")):
        found[path.stem] = of_reference_ssd(path.stem)
    for path in sorted(VARIANTS.glob("*.npz")):
        if "train_losses" in np.load(path):
            found[f"variants/{path.stem}"] = by_tag(training.TrainingRun(f"variants/{path.stem}").train())
    for path in sorted(FAMILIES.glob("faster_rcnn*.npz")):
        if "train_proposal_boxes" in np.load(path):  # others have no second stage, and agree
            found[path.stem] = of_reference_faster_rcnn(path.stem)
    for file in ("mobilenet", "mobilenet_fpn"):
        for key, base, model, _ in options(file):
            found[key] = kept(mobilenet_fpn.answers(model, base))
    for file in ("faster_rcnn", "faster_rcnn_fpn"):
        for key, base, model, golden in options(file):
            run = faster_rcnn.Run(model, base)
            run.set_groundtruth(golden["near_boxes"], golden["near_classes"])
            found[key] = kept(faster_rcnn.first_step(run))
    center_net.family_value = lambda name, key, shape: synthetic_value(key, shape, GAMMA)
    for key, base, model, _ in options("center_net_hourglasses"):
        if key.endswith(HOURGLASSES):
            found[key] = kept(center_net.answers(model, base))
    arrays = {f"{key}/{part}": value for key, parts in found.items() for part, value in parts.items()}
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **arrays)


def options(file: str) -> Iterator[tuple[str, str, model_pb2.DetectionModel, Numbers]]:
    """The cases of another script: key in avx2.npz, base, `model` message, and the golden."""
    with np.load(HERE / f"{file}.npz") as arrays:
        for name in arrays["names"].tolist():
            golden = {key.removeprefix(f"{name}/"): arrays[key] for key in arrays if key.startswith(f"{name}/")}
            base, model = str(golden["base"]), text_format.Parse(str(golden["model"]), model_pb2.DetectionModel())
            yield f"{base}, {name}", base, model, golden


def kept(found: dict) -> Numbers:
    """Of a first step, what is compared; the losses as those of a run of one step."""
    losses = {f"losses/{tag}": np.atleast_1d(value) for tag, value in found.items() if tag.startswith("Loss/")}
    others = ("train_gradient_norm", "train_proposal_boxes")
    return losses | {name: np.asarray(found[name]) for name in others if name in found}


def of_reference_ssd(name: str) -> Numbers:
    """The reference's training run, and the norm of its first gradient."""
    run = training.TrainingRun(f"families/{name}", functools.partial(family_value, name))
    losses = run.train()
    run.load()
    _, norm = mobilenet_fpn.trained(run.model, *run.features.values())
    return by_tag(losses) | {"train_gradient_norm": np.asarray(norm)}


def by_tag(losses: np.ndarray) -> Numbers:
    """Of losses [steps, tags]."""
    return {f"losses/{tag}": column for tag, column in zip(training.TAGS, losses.T, strict=True)}


def of_reference_faster_rcnn(name: str) -> Numbers:
    """The same, and the proposals that the first step trains on."""
    run = faster_rcnn.Run(faster_rcnn.changed(name, ""), name)
    variables = list(run.model.variables)
    weights = [variable.numpy() for variable in variables]
    first = kept(faster_rcnn.first_step(run))
    for variable, value in zip(variables, weights, strict=True):  # batch norms have changed their statistics
        variable.assign(value)
    rows = faster_rcnn.trained(run, name)
    return first | {
        tag: np.array([float(row[tag.removeprefix("losses/")]) for row in rows]) for tag in first if "Loss/" in tag
    }


if __name__ == "__main__":
    main()
