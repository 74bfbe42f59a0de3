"""The goldens of the detector as test cases: their config, the batch they were fed, and how detections are compared."""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import tensorflow as tf
from synthetic_weights import family_value, synthetic_groundtruth, synthetic_image, synthetic_value

from odtk import pipeline
from odtk.detectors.parts.resizer import build_resizer
from odtk.layers import resnet_v1

GOLDEN = Path(__file__).parent
VARIANTS = sorted(path.stem for path in (GOLDEN / "variants").glob("*.config"))
# Their training run is the base's: what they vary comes after the network.
AS_BASE = ["class_agnostic_nms", "score_threshold", "soft_nms", "static_shapes_nms"]
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


@dataclass(frozen=True)
class GoldenCase:
    """One golden: `name` is its path below tests/golden, without extension."""

    name: str
    image_seeds: tuple[int, int]
    image_size: tuple[int, int]
    boxes: tuple[tuple[int, int], ...]  # (seed, count) of each image's groundtruth
    num_classes: int
    value: Callable = synthetic_value  # of a weight, from its key and shape

    @cached_property
    def config(self):
        return pipeline.read(GOLDEN / f"{self.name}.config")

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every variable by its key in TFOD's checkpoint."""
        keys = json.loads((GOLDEN / f"{self.name}-keys.json").read_text())
        return {key: tuple(shape) for key, shape in keys}

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        with np.load(GOLDEN / f"{self.name}.npz") as file:
            return dict(file)

    def training_losses(self) -> dict[str, np.ndarray]:
        """TFOD's tag to the values at each step; empty where the golden has none."""
        if "train_losses" not in self.arrays:
            return {}
        return dict(zip(self.arrays["train_columns"].tolist(), self.arrays["train_losses"].T, strict=True))

    def assign_weights(self, variables: dict[str, tf.Variable]) -> None:
        """The formula's values, straight into variables that stand at TFOD's keys, all of them and no others."""
        assert {key: tuple(variable.shape) for key, variable in variables.items()} == self.shapes
        for key, variable in variables.items():
            variable.assign(self.value(key, self.shapes[key]))

    def draw_weights(self, variables: dict[str, tf.Variable]) -> None:
        """The formula's values for a network that need not be the golden's."""
        for key, variable in variables.items():
            variable.assign(self.value(key, tuple(variable.shape)))

    def images(self, resize):
        """(images float32 [2, height, width, 3] in 0..255, true_image_shapes int32 [2, 3]), by a detector's resize."""
        pictures = (synthetic_image(seed, *self.image_size) for seed in self.image_seeds)
        resized = [resize(tf.constant(picture, tf.float32)) for picture in pictures]
        return tf.stack([image for image, _ in resized]), tf.stack([shape for _, shape in resized])

    def preprocessed(self, preprocess: Callable = resnet_v1.preprocess) -> tf.Tensor:
        """What TFOD's network was fed, float32 [2, height, width, 3]: preprocessed, *then* resized and padded.

        odtk preprocesses last, as its batches hold pictures. That rounds otherwise, which the answers of a network do
        not notice, but a run of training does: its gradients depend on which activations lie on which side of a
        relu6's bounds.
        """
        resize = build_resizer(self.config.model.ssd.image_resizer)
        pictures = (synthetic_image(seed, *self.image_size) for seed in self.image_seeds)
        return tf.stack([resize(preprocess(tf.constant(picture, tf.float32)))[0] for picture in pictures])

    def groundtruth(self) -> dict[str, tf.Tensor]:
        """As TFOD was fed it: relative to the frame, padding included (it was not rescaled with the image)."""
        drawn = [synthetic_groundtruth(seed, count, self.num_classes) for seed, count in self.boxes]
        counts = [len(boxes) for boxes, _ in drawn]
        most = max(counts)
        return {
            "boxes": tf.stack([np.pad(boxes, [(0, most - len(boxes)), (0, 0)]) for boxes, _ in drawn]),
            "classes": tf.stack([np.pad(classes, (0, most - len(classes))) for _, classes in drawn]),
            "weights": tf.sequence_mask(counts, most, dtype=tf.float32),
            "num_boxes": tf.constant(counts),
        }


def resnet50_case() -> GoldenCase:
    """The full network: 320x320, 37 classes."""
    return GoldenCase("ssd_resnet50_320", (1, 2), (320, 320), ((1, 3), (2, 4)), 37)


def variant_case(name: str) -> GoldenCase:
    """A small network with one option changed."""
    return GoldenCase(f"variants/{name}", (50, 51), (150, 200), ((50, 3), (51, 4)), 3)


def family_case(name: str) -> GoldenCase:
    """A small network of another family than ResNet's."""
    value = functools.partial(family_value, name)
    return GoldenCase(f"families/{name}", (50, 51), (150, 200), ((50, 3), (51, 4)), 3, value)


def trained_variants() -> list[str]:
    """The variants that have a training run of their own."""
    return [name for name in VARIANTS if name not in AS_BASE and variant_case(name).training_losses()]


def write_checkpoint(prefix: str, values: dict[str, np.ndarray], object_graph: bytes | None) -> None:
    """A checkpoint of these values by key, with this serialized object graph or, as TensorFlow 1's, with none."""
    tensors = {key + SUFFIX: tf.constant(value) for key, value in values.items()}
    tensors["save_counter" + SUFFIX] = tf.constant(1, tf.int64)
    if object_graph is not None:
        tensors["_CHECKPOINTABLE_OBJECT_GRAPH"] = tf.constant(object_graph)
    names = sorted(tensors)
    tf.raw_ops.SaveV2(
        prefix=f"{prefix}.part",
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tensors[name] for name in names],
    )
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=[f"{prefix}.part"], destination_prefix=prefix)


def same_detections(ours: dict, golden: dict) -> np.ndarray:
    """Our place for each of the golden's detections, int [batch, max]; AssertionError where they are not the same.

    Both hold detection_boxes, detection_classes, detection_scores [batch, max, ...] and num_detections [batch]. The
    same detections with the same scores (1e-4), boxes (1e-3) and classes must be there; two may have changed places
    where the golden's scores are closer than 1e-4. What pads the rest must be zero.
    """
    ours = {name: np.asarray(value) for name, value in ours.items()}
    assert ours["detection_boxes"].shape == golden["detection_boxes"].shape
    np.testing.assert_array_equal(ours["num_detections"], golden["num_detections"])
    places = np.tile(np.arange(golden["detection_scores"].shape[1]), (len(golden["detection_scores"]), 1))
    for image, count in enumerate(golden["num_detections"].astype(int)):
        of_image = [{name: value[image] for name, value in side.items() if value.ndim > 1} for side in (ours, golden)]
        places[image, :count] = _places(*of_image, count)
        for name in ("detection_boxes", "detection_classes", "detection_scores"):
            assert not ours[name][image, count:].any(), f"{name} of image {image} is not zero beyond {count}"
    return places


def _places(ours: dict, golden: dict, count: int) -> list[int]:
    free = set(range(count))
    places = []
    for row in range(count):
        score = golden["detection_scores"][row]
        fits = [
            place
            for place in free
            if ours["detection_classes"][place] == golden["detection_classes"][row]
            and abs(ours["detection_scores"][place] - score) <= 1e-4
            and (place == row or abs(golden["detection_scores"][place] - score) < 1e-4)
            and np.abs(ours["detection_boxes"][place] - golden["detection_boxes"][row]).max() <= 1e-3
        ]
        detection = {name: golden[f"detection_{name}"][row].tolist() for name in ("boxes", "classes", "scores")}
        assert fits, f"detection {row} of the golden is not among ours: {detection}"
        # Suppression leaves no two boxes of a class that are this much alike; the nearest place is the one.
        places.append(min(fits, key=lambda place: abs(place - row)))
        free.remove(places[-1])
    return places
