"""What a detector computes of a golden's batch in inference, compared with what TFOD did; see golden_training, too."""

from collections.abc import Collection, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from golden_cases import SUFFIX, GoldenCase, family_case, same_detections
from google.protobuf import text_format
from object_graphs import Graph, graph_of, names_of
from synthetic_weights import synthetic_image

from odtk.detectors.build import build_detector
from odtk.detectors.detector import Detector
from odtk.exporting import runtime, saved_model
from odtk.protos import model_pb2

LOSSES = ["Loss/localization_loss", "Loss/classification_loss"]


def params(names: Iterable[str], quick: Collection[str]) -> list:
    """Each as a parameter, marked slow where it is not in `quick`."""
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in names]


class Built(NamedTuple):
    """A golden, and the detector with its weights."""

    case: GoldenCase
    detector: Detector
    golden: dict[str, np.ndarray]
    key: str
    """In from_tfod/avx2.npz."""


def of_reference(name: str) -> Built:
    """One of the reference's (tests/golden/families)."""
    case = family_case(name)
    detector = build_detector(case.config)
    case.assign_weights(detector.checkpoint_variables())
    return Built(case, detector, case.arrays, name)


def of_tfod(answers: dict[str, np.ndarray], name: str) -> Built:
    """One of those that a script of tests/golden/from_tfod wrote; `answers` are all of its file."""
    golden = {key.removeprefix(f"{name}/"): answers[key] for key in answers if key.startswith(f"{name}/")}
    return of_answers(golden, f"{golden['base']}, {name}")


def of_answers(golden: dict[str, np.ndarray], name: str = "") -> Built:
    """That with these answers, which say from which config its model was made, and which it is."""
    case = family_case(str(golden["base"]))
    case.config.model.CopyFrom(text_format.Parse(str(golden["model"]), model_pb2.DetectionModel()))
    detector = build_detector(case.config)
    for key, variable in detector.checkpoint_variables().items():
        variable.assign(case.value(key, variable.shape))
    return Built(case, detector, golden, name)


def computed(built: Built, groundtruth: dict | None = None) -> SimpleNamespace:
    """In inference: images and predictions, beside what was built and the groundtruth, by default the case's own."""
    images, shapes = built.case.images(built.detector.resize)
    preprocessed = built.detector.preprocess(images, shapes)
    return SimpleNamespace(
        **built._asdict(),
        groundtruth=built.case.groundtruth() if groundtruth is None else groundtruth,
        shapes=shapes,
        preprocessed=preprocessed,
        predictions=built.detector.predict(preprocessed, shapes),
    )


def assert_same_predictions(run: SimpleNamespace) -> None:
    """An SSD's images, feature maps, anchors, box encodings and logits are the golden's."""
    golden, predictions = run.golden, run.predictions
    np.testing.assert_array_equal(run.shapes, golden["true_image_shapes"])
    assert [tuple(m.shape) for m in predictions["feature_maps"]] == [tuple(m) for m in golden["feature_map_shapes"]]
    assert len(predictions["anchors"]) == golden["anchor_count"]
    stride = int(golden["stride"])
    np.testing.assert_allclose(predictions["anchors"][::stride], golden["anchors"], rtol=0, atol=1e-6)
    for name in ("box_encodings", "class_logits"):
        ours = predictions[name][:, ::stride]
        np.testing.assert_allclose(ours, golden[name], rtol=0, atol=1e-3, err_msg=name)


def assert_same_inference(run: SimpleNamespace) -> None:
    """All that the reference has of an SSD before training."""
    golden = run.golden
    assert_same_predictions(run)
    np.testing.assert_allclose(run.preprocessed[:, :4, :4], golden["preprocessed_corner"], atol=1e-5)
    maps = [np.asarray(m, np.float64) for m in run.predictions["feature_maps"]]
    np.testing.assert_allclose([m.mean() for m in maps], golden["feature_map_mean"], rtol=0, atol=1e-3)
    np.testing.assert_allclose([m.std() for m in maps], golden["feature_map_std"], rtol=0, atol=1e-3)
    same_detections(run.detector.postprocess(run.predictions, run.shapes), golden)
    assert_same_inference_losses(run, LOSSES)


def assert_same_inference_losses(run: SimpleNamespace, tags: Iterable[str]) -> None:
    """Those of the reference."""
    losses = run.detector.losses(run.predictions, run.groundtruth, run.shapes)
    for tag in tags:
        expected = float(run.golden[f"infer_{tag.replace('/', '_')}"])
        assert float(losses[tag]) == pytest.approx(expected, rel=1e-4), tag


def assert_same_corners(run: SimpleNamespace, tolerance: float = 1e-5) -> None:
    """Of the preprocessed images, padding included."""
    corners = tf.concat([run.preprocessed[:, :2, :2], run.preprocessed[:, -2:, -2:]], axis=1)
    np.testing.assert_allclose(corners, run.golden["preprocessed_corners"], atol=tolerance)


def assert_tfods_objects(detector: Detector, serialized: np.ndarray, folder: Path) -> None:
    """A checkpoint of the detector has every object of TFOD's under all of its names, and variables under its keys."""
    prefix = tf.train.Checkpoint(**detector.checkpoint_objects()).write(str(folder / "ckpt"))
    graph = Graph.FromString(serialized.tobytes())
    assert names_of(graph_of(prefix)) == names_of(graph)
    keys = {attribute.checkpoint_key for node in graph.nodes for attribute in node.attributes}
    assert {key + SUFFIX for key in detector.checkpoint_variables()} == keys
    assert {key for key in tf.train.load_checkpoint(prefix).get_variable_to_shape_map() if key.endswith(SUFFIX)} == keys


def assert_exported_finds_the_same(run: SimpleNamespace, folder: Path) -> None:
    """As the detector, in a picture that its resizer changes."""
    saved_model.save(run.detector, "image_tensor", str(folder))
    image = synthetic_image(50, *run.case.image_size)
    found = runtime.load(folder).detect(image)
    resized, shape = run.detector.resize(tf.constant(image, tf.float32))
    expected = run.detector.detect(resized[None], shape[None])
    count = int(expected["num_detections"][0])
    np.testing.assert_allclose(found.scores, expected["detection_scores"][0, :count], atol=1e-5)
    np.testing.assert_allclose(found.boxes, expected["detection_boxes"][0, :count], atol=1e-5)
    np.testing.assert_array_equal(found.classes, expected["detection_classes"][0, :count] + 1)
