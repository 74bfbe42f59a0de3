"""What TFOD's SSD makes of made-up predictions under options that no config of the reference's sets.

usage (from the repository's root, where `make tfod` has been):
.tfod/bin/python tests/golden/from_tfod/ssd_options.py

Each case is ../variants/base.config with some text merged into its model.ssd. No network runs, except where it is the
question which of its outputs are sigmoids.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import mobilenet_fpn
import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from object_detection import model_lib
from object_detection.builders import model_builder
from object_detection.core import box_list_ops, standard_fields
from object_detection.utils import config_util
from synthetic_weights import synthetic_image
from training import batch_labels

GOLDEN = mobilenet_fpn.GOLDEN
IMAGE, MAPS = (64, 48), ((8, 6), (4, 3), (2, 2), (1, 1), (1, 1))
NUM_CLASSES, MOST_BOXES = 3, 6
SMALL = "anchor_generator { multiscale_anchor_generator { anchor_scale: 2 } }"
NEAREST = f"{SMALL} similarity_calculator {{ neg_sq_dist_similarity {{ }} }} matcher {{ argmax_matcher {{ %s }} }}"
CONFIDENT = f"{SMALL} use_confidences_as_targets: true implicit_example_weight: %g %s"
CLASSES = f"{SMALL} loss {{ classification_loss {{ %s }} }} %s"
FLEXIBLE = """anchor_generator { flexible_grid_anchor_generator {
    anchor_grid { base_sizes: 12 base_sizes: 17.5 base_sizes: 9 aspect_ratios: 1 aspect_ratios: 0.6 aspect_ratios: 2.5
                  height_stride: 8 width_stride: 8 height_offset: 4 width_offset: 4 }
    anchor_grid { base_sizes: 20 base_sizes: 24 base_sizes: 30 aspect_ratios: 1 aspect_ratios: 2 aspect_ratios: 0.5
                  height_stride: 16 width_stride: 15 height_offset: 8 width_offset: 7 }
    anchor_grid { base_sizes: 40 base_sizes: 44 base_sizes: 37 aspect_ratios: 1 aspect_ratios: 1.3 aspect_ratios: 0.5
                  height_stride: 32 width_stride: 24 }
    anchor_grid { base_sizes: 50 base_sizes: 61 base_sizes: 70 aspect_ratios: 1 aspect_ratios: 1.7 aspect_ratios: 0.7
                  height_stride: 64 width_stride: 64 height_offset: 32 width_offset: 24 }
    anchor_grid { base_sizes: 64 base_sizes: 80 base_sizes: 55 aspect_ratios: 1 aspect_ratios: 1 aspect_ratios: 3
                  height_stride: 128 width_stride: 128 height_offset: 30 width_offset: 20 } } }"""
CASES = {
    "nearest, without thresholds": NEAREST % "ignore_thresholds: true",
    "nearest, by force alone": NEAREST % "force_match_for_each_row: true",
    "nearest, ignored but for the forced": NEAREST
    % "matched_threshold: 0.6 unmatched_threshold: 0.2 negatives_lower_than_unmatched: false",
    "confidences": CONFIDENT % (0.3, ""),
    "confidences, background as a class, box weights": CONFIDENT % (0.5, "encode_background_as_zeros: false"),
    "confidences, softmax": CONFIDENT % (0.25, "loss { classification_loss { weighted_softmax { logit_scale: 2 } } }"),
    "confidences, ignored anchors, bootstrapped": CONFIDENT
    % (
        0.7,
        "matcher { argmax_matcher { unmatched_threshold: 0.2 } } "
        "loss { classification_loss { bootstrapped_sigmoid { alpha: 0.9 } } }",
    ),
    "confidences, positives alone": CONFIDENT
    % (0.3, "loss { random_example_sampler { positive_sample_fraction: 1 } }"),
    "confidences without implicit ones, mined": CONFIDENT
    % (0, "loss { classification_loss { weighted_sigmoid { } } hard_example_miner { num_hard_examples: 30 } }"),
    "logits as targets": CLASSES % ("weighted_logits_softmax { }", ""),
    "logits as targets, scaled, background as a class": CLASSES
    % ("weighted_logits_softmax { logit_scale: 0.5 }", "encode_background_as_zeros: false"),
    "penalty-reduced": CLASSES % ("penalty_reduced_logistic_focal_loss { }", ""),
    "penalty-reduced, other powers, mined": CLASSES
    % (
        "penalty_reduced_logistic_focal_loss { alpha: 1.5 beta: 3 }",
        "loss { hard_example_miner { num_hard_examples: 30 } }",
    ),
    "dice": CLASSES % ("weighted_dice_classification_loss { }", ""),
    "dice of squares": CLASSES % ("weighted_dice_classification_loss { squared_normalization: true }", ""),
    "dice of probabilities": CLASSES % ("weighted_dice_classification_loss { is_prediction_probability: true }", ""),
    "grids written out": FLEXIBLE,
}
SIGMOIDS, OF_NETWORK = "box_predictor { weight_shared_convolutional_box_predictor { score_converter: SIGMOID } }", {
    "sigmoids in exports": "post_processing { score_converter: IDENTITY }",
    "sigmoids of sigmoids in exports": "",
}  # fmt: skip
DETECTED = ("detection_boxes", "detection_scores", "detection_classes", "num_detections", "raw_detection_scores")


def main() -> None:
    """Writes ssd_options.npz beside this file."""
    drawn = batch()
    written = {"names": list(CASES), "of_network": list(OF_NETWORK), **drawn}
    for name, text in CASES.items():
        config = config_util.get_configs_from_pipeline_file(str(GOLDEN / "variants/base.config"))["model"]
        text_format.Merge(text, config.ssd)
        written |= {f"{name}/{part}": value for part, value in (answers(config, drawn) | {"text": text}).items()}
    for name, text in OF_NETWORK.items():
        written |= {f"{name}/{part}": value for part, value in of_network(SIGMOIDS + text).items()}
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **written)


def batch() -> dict[str, np.ndarray]:
    """Boxes of three images, of which the last has none, and predictions for all anchors."""
    rng = np.random.default_rng(17)
    counts = np.array([4, MOST_BOXES, 0])
    real = np.arange(MOST_BOXES) < counts[:, None]
    centers, sizes = rng.uniform(0.25, 0.75, [3, MOST_BOXES, 2]), rng.uniform(0.15, 0.5, [3, MOST_BOXES, 2])
    boxes = np.concatenate([centers - sizes / 2, centers + sizes / 2], axis=-1) * real[..., None]
    anchors = sum(rows * columns for rows, columns in MAPS)
    return {
        "boxes": boxes.astype(np.float32),
        "classes": rng.integers(0, NUM_CLASSES, [3, MOST_BOXES]) * real,
        "weights": (rng.choice([0.5, 1.0, 1.0], [3, MOST_BOXES]) * real).astype(np.float32),
        "counts": counts,
        "box_encodings": rng.normal(0, 1, [3, 6 * anchors, 4]).astype(np.float32),
        "class_logits": rng.normal(-1, 1.5, [3, 6 * anchors, NUM_CLASSES + 1]).astype(np.float32),
    }


def answers(config, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Anchors, targets and losses, and the norms of the losses' gradients."""
    model = model_builder.build(config, is_training=True)
    laid_out = model._anchor_generator.generate(list(MAPS), im_height=IMAGE[0], im_width=IMAGE[1])
    model._anchors = box_list_ops.concatenate(laid_out)
    count = model._anchors.num_boxes_static()
    provide(model, drawn, padded=config.ssd.use_confidences_as_targets)
    fields = standard_fields.BoxListFields
    targets = model._assign_targets(
        *(model.groundtruth_lists(field) for field in (fields.boxes, fields.classes)),
        None,
        *(model.groundtruth_lists(field) for field in (fields.weights, fields.confidences)),
    )
    names = ("class_targets", "class_weights", "box_targets", "box_weights", "match")
    boxes, logits = (tf.constant(drawn[name][:, :count]) for name in ("box_encodings", "class_logits"))
    with tf.GradientTape() as tape:
        tape.watch([boxes, logits])
        predictions = {
            "box_encodings": boxes,
            "class_predictions_with_background": logits,
            "anchors": model.anchors.get(),
        }
        losses = model.loss(predictions, None)
        total = tf.add_n(list(losses.values()))
    gradients = tape.gradient(total, [boxes, logits])
    found = {"anchors": model.anchors.get(), **dict(zip(names, targets, strict=True)), **losses}
    found["gradient_norms"] = [tf.linalg.norm(gradient) for gradient in gradients]
    return {name: np.asarray(value) for name, value in found.items()}


def provide(model, drawn: dict[str, np.ndarray], padded: bool) -> None:
    """The groundtruth as TFOD's input gives it; with confidences it has to be padded, as TFOD does not cut these."""
    ends = [MOST_BOXES] * 3 if padded else drawn["counts"]
    real = np.arange(MOST_BOXES) < drawn["counts"][:, None]
    one_hot = np.eye(NUM_CLASSES, dtype=np.float32)[drawn["classes"]] * real[..., None]

    def of_each(values: np.ndarray) -> list[tf.Tensor]:
        return [tf.constant(rows[:end]) for rows, end in zip(values, ends, strict=True)]

    model.provide_groundtruth(
        groundtruth_boxes_list=of_each(drawn["boxes"]),
        groundtruth_classes_list=of_each(one_hot),
        groundtruth_confidences_list=of_each(one_hot),
        groundtruth_weights_list=of_each(drawn["weights"]),
    )


def of_network(text: str) -> dict[str, np.ndarray]:
    """Losses and detections of the model that TFOD evaluates (built for training), detections of what it exports."""
    base = mobilenet_fpn.V2_LITE
    config = config_util.get_configs_from_pipeline_file(str(GOLDEN / f"families/{base}.config"))["model"]
    text_format.Merge(text, config.ssd)
    found: dict = {"base": base, "model": text_format.MessageToString(config), "stride": mobilenet_fpn.STRIDE}
    for name, is_training in (("evaluated", True), ("exported", False)):
        tf.keras.backend.clear_session()
        model = model_builder.build(config, is_training=is_training)
        tf.keras.backend.set_learning_phase(False)
        pictures = [
            tf.constant(synthetic_image(seed, *mobilenet_fpn.IMAGE_SIZE)[None], tf.float32)
            for seed in mobilenet_fpn.IMAGE_SEEDS
        ]
        images, shapes = (tf.concat(parts, 0) for parts in zip(*map(model.preprocess, pictures), strict=True))
        # As TFOD's evaluation: the box predictor is one for training, and its norms are not.
        model._is_training = False
        model.predict(images, shapes)
        mobilenet_fpn.load(model, base)
        predictions = model.predict(images, shapes)
        detections = model.postprocess(predictions, shapes)
        found |= {f"{name}/{key}": detections[key] for key in DETECTED if not key.startswith("raw")}
        found[f"{name}/raw_detection_scores"] = detections["raw_detection_scores"][:, :: mobilenet_fpn.STRIDE]
        if is_training:
            labels = batch_labels(mobilenet_fpn.IMAGE_SEEDS, mobilenet_fpn.NUM_BOXES, mobilenet_fpn.NUM_CLASSES)
            model_lib.provide_groundtruth(model, model_lib.unstack_batch(labels, unpad_groundtruth_tensors=True))
            found |= model.loss(predictions, shapes)
    return {name: np.asarray(value) for name, value in found.items()}


if __name__ == "__main__":
    main()
