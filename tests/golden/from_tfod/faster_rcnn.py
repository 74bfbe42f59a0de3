"""What TFOD computes with Faster R-CNN where no config of the reference's goes, and training where boxes are learned.

usage (from the repository's root, where `make tfod` has been):
.tfod/bin/python tests/golden/from_tfod/faster_rcnn.py [cases] [short] [double]

Each case is a config of ../families with some text merged into its model.faster_rcnn. The images are the reference's,
and the weights are `family_value`'s under the name of that config. The groundtruth of training is set beside proposals
of training, as the reference's meets none: without it the second stage's boxes have no loss. Both samplers take
everything, so that nothing is left to chance. In double precision (see training.py for why and how) three steps are
trained.

Gradients are those of deterministic operations. Otherwise TensorFlow's threads add to one gradient of a feature map
without a lock, and lose what they add at once (the gradient of crop_and_resize on CPUs): a number of each run's own.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
GOLDEN = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(GOLDEN))

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from google.protobuf import text_format  # noqa: E402
from mobilenet_fpn import load  # noqa: E402
from object_detection import model_lib, model_lib_v2  # noqa: E402
from object_detection.builders import model_builder, optimizer_builder  # noqa: E402
from object_detection.core import losses, standard_fields  # noqa: E402
from object_detection.meta_architectures import faster_rcnn_meta_arch  # noqa: E402
from object_detection.utils import config_util  # noqa: E402
from synthetic_weights import synthetic_image  # noqa: E402
from training import _padded, batch_labels  # noqa: E402

PLAIN, PYRAMID = "faster_rcnn-base", "faster_rcnn_fpn-base"
NORM = "batch_norm { decay: 0.9 scale: true epsilon: 0.001 }"
HEADS = "second_stage_box_predictor { mask_rcnn_box_predictor { %s } }"
NMS = "second_stage_post_processing { batch_non_max_suppression { %s } }"
SIDES = "image_resizer { fixed_shape_resizer { height: %d width: %d } }"
PADDED = (
    "image_resizer { keep_aspect_ratio_resizer { min_dimension: 96 max_dimension: 160 pad_to_max_dimension: true "
    "per_channel_pad_value: [120, 110, 100] } }"
)
ANCHORS = "first_stage_anchor_generator { multiscale_anchor_generator { min_level: %d max_level: %d %s } }"
LEVELS = "feature_extractor { fpn { min_level: %d max_level: %d } } " + ANCHORS
# Config below ../families, and what is merged into its model.faster_rcnn.
CASES = {
    "padded, one box for all classes, class-agnostic suppression": (
        PLAIN,
        f"{PADDED} {HEADS % 'share_box_across_classes: true'} {NMS % 'use_class_agnostic_nms: true'} "
        "return_raw_detections_during_predict: true",
    ),
    "class-agnostic and soft suppression, boxes of each class": (
        PLAIN, f"{SIDES % (130, 170)} {NMS % 'use_class_agnostic_nms: true soft_nms_sigma: 0.4'}",
    ),
    "sigmoid loss, proposals by combined suppression": (
        PLAIN,
        "second_stage_classification_loss { weighted_sigmoid {} } use_combined_nms_in_first_stage: true "
        "second_stage_post_processing { score_converter: SIGMOID logit_scale: 2.0 } "
        "first_stage_anchor_generator { grid_anchor_generator { height: 200 width: 120 height_stride: 12 } }",
    ),
    "focal loss, batch norms of the heads": (
        PLAIN,
        "second_stage_classification_loss { weighted_sigmoid_focal { gamma: 1.5 alpha: 0.3 } } "
        f"first_stage_box_predictor_conv_hyperparams {{ {NORM} regularizer {{ l2_regularizer {{ weight: 0.01 }} }} }} "
        f"{HEADS % f'fc_hyperparams {{ {NORM} }}'} second_stage_post_processing {{ score_converter: SIGMOID }}",
    ),
    "features of the detections, crops by products, mining": (
        PLAIN,
        f"{PADDED} output_final_box_features: true output_final_box_rpn_features: true "
        "use_matmul_crop_and_resize: true initial_crop_size: 5 maxpool_kernel_size: 2 maxpool_stride: 1 "
        "hard_example_miner { num_hard_examples: 5 iou_threshold: 0.5 loss_type: LOCALIZATION } "
        "second_stage_classification_loss { weighted_softmax { logit_scale: 1.5 } }",
    ),
    "a pyramid on odd sides": (
        PYRAMID,
        f"{SIDES % (128, 130)} initial_crop_size: 6 use_static_shapes_for_eval: true use_static_shapes: true "
        "clip_anchors_to_image: true first_stage_minibatch_size: 12000",
    ),
    "levels 3 to 7, no batch norm": (
        PYRAMID,
        f"{LEVELS % (3, 7, 3, 7, '')} {PADDED} use_matmul_crop_and_resize: true clip_anchors_to_image: true "
        "feature_extractor { batch_norm_trainable: false override_base_feature_extractor_hyperparams: false }",
    ),
    "level 4 alone": (PYRAMID, f"{LEVELS % (4, 4, 4, 4, '')} initial_crop_size: 6"),
}  # fmt: skip
SHORT = (
    "use_static_shapes: true clip_anchors_to_image: true first_stage_nms_iou_threshold: 0.02 "
    "first_stage_max_proposals: 64 second_stage_batch_size: 64 second_stage_balance_fraction: 1.0"
)
CLEARED = {"levels 3 to 7, no batch norm": "batch_norm"}
# Whose objects in a checkpoint are not another's.
GRAPHS = (
    "sigmoid loss, proposals by combined suppression",
    "focal loss, batch norms of the heads",
    "a pyramid on odd sides",
    "levels 3 to 7, no batch norm",
    "level 4 alone",
)
DOUBLE = (PLAIN, "faster_rcnn-train_batch_norm", PYRAMID)
IMAGE_SEEDS, IMAGE_SIZE, NUM_BOXES, NUM_CLASSES = (50, 51), (150, 200), (3, 4), 3
STRIDE, STEPS = 53, 3
# Proposals beside which groundtruth is set, and by how much, relative to the image.
BESIDE, SHIFT = (0, 3, 7), (0.01, -0.015, 0.02, 0.01)
FIELDS = standard_fields.InputDataFields


def main() -> None:
    """Writes faster_rcnn{,_fpn,_short_sample,_double}.npz beside this file, or what is named."""
    wanted = sys.argv[1:] or ["cases", "short", "double"]
    without_races()
    if "cases" in wanted:
        for base in (PLAIN, PYRAMID):
            found = {name: case(name, base) for name, (of, _) in CASES.items() if of == base}
            write(base.removesuffix("-base"), found)
    if "short" in wanted:
        np.savez_compressed(Path(__file__).with_name("faster_rcnn_short_sample.npz"), **short_sample())
    if "double" in wanted:
        in_double_precision()
        write("faster_rcnn_double", {name: trained_in_double(name) for name in DOUBLE})


def without_races() -> None:
    """See the top of this file. The seed is for the samplers, which TensorFlow then asks for one."""
    tf.keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()


def write(name: str, found: dict[str, dict[str, np.ndarray]]) -> None:
    arrays = {f"{case}/{part}": value for case, parts in found.items() for part, value in parts.items()}
    np.savez_compressed(Path(__file__).with_name(f"{name}.npz"), names=list(found), **arrays)


def case(name: str, base: str) -> dict[str, np.ndarray]:
    """All that is kept of one."""
    config = changed(base, CASES[name][1], CLEARED.get(name))
    found = {"base": np.array(base), "model": np.array(text_format.MessageToString(config)), **answers(config, base)}
    if name not in GRAPHS:
        del found["graph"]
    return found


def short_sample() -> dict[str, np.ndarray]:
    """The first training step with static shapes where fewer proposals remain than the second stage trains on."""
    config = changed(PLAIN, SHORT)
    found = {"base": np.array(PLAIN), "model": np.array(text_format.MessageToString(config)), **answers(config, PLAIN)}
    kept = ("base", "model", "true_image_shapes", "near_", "train_", "Loss/")
    return {name: value for name, value in found.items() if name.startswith(kept)}


def changed(base: str, text: str, cleared: str | None = None):
    """The `model` message of a case."""
    config = config_util.get_configs_from_pipeline_file(str(GOLDEN / f"families/{base}.config"))["model"]
    fields = text_format.Merge(text, type(config.faster_rcnn)())
    if fields.HasField("image_resizer"):
        config.faster_rcnn.ClearField("image_resizer")
    config.faster_rcnn.MergeFrom(fields)
    if cleared:
        config.faster_rcnn.feature_extractor.conv_hyperparams.ClearField(cleared)
    return config


class Run:
    """A model with a golden's weights, and its batch."""

    def __init__(self, config, weights_name: str):
        self.model = model_builder.build(config, is_training=True)
        self.switch(False)
        pictures = [tf.constant(synthetic_image(seed, *IMAGE_SIZE)[None], tf.float32) for seed in IMAGE_SEEDS]
        processed = map(self.model.preprocess, pictures)
        self.images, self.shapes = (tf.concat(parts, 0) for parts in zip(*processed, strict=True))
        self.predict()
        self.graph = load(self.model, weights_name)
        self.weights_name = weights_name
        self.labels = batch_labels(IMAGE_SEEDS, NUM_BOXES, NUM_CLASSES)

    def switch(self, training: bool) -> None:
        self.model._is_training = training
        tf.keras.backend.set_learning_phase(training)

    def predict(self) -> dict:
        return self.model.predict(self.images, self.shapes)

    def set_groundtruth_beside_proposals(self) -> dict[str, np.ndarray]:
        """Beside those of training; returns it."""
        self.switch(True)
        model_lib.provide_groundtruth(self.model, model_lib.unstack_batch(self.labels))
        proposals = np.asarray(self.predict()["proposal_boxes"])
        height, width = self.images.shape[1:3]
        boxes = proposals[:, BESIDE] / [height, width, height, width] + np.array(SHIFT)
        boxes = np.clip(boxes, 0, 1).astype(np.float32)
        classes = np.array([[0, 2, 1]] * 2, np.int32)
        self.set_groundtruth(boxes, classes)
        return {"near_boxes": boxes, "near_classes": classes}

    def set_groundtruth(self, boxes: np.ndarray, classes: np.ndarray) -> None:
        """Three boxes in each image, normalized [2, 3, 4], and their classes from 0 [2, 3]."""
        one_hot = np.eye(NUM_CLASSES, dtype=np.float32)[classes]
        self.labels |= {
            FIELDS.groundtruth_boxes: tf.stack([_padded(each, 100) for each in boxes]),
            FIELDS.groundtruth_classes: tf.stack([_padded(each, 100) for each in one_hot]),
            FIELDS.groundtruth_weights: tf.sequence_mask([3, 3], 100, dtype=tf.float32),
            FIELDS.num_groundtruth_boxes: tf.constant([3, 3], tf.int32),
        }


def answers(config, weights_name: str) -> dict[str, np.ndarray]:
    """TFOD's numbers for a `model` message, and the object graph of its checkpoint."""
    run = Run(config, weights_name)
    model = run.model
    predictions = run.predict()
    found = {
        "graph": np.frombuffer(run.graph, np.uint8),
        "true_image_shapes": run.shapes,
        "preprocessed_corners": tf.concat([run.images[:, :2, :2], run.images[:, -2:, -2:]], axis=1),
        "map_shapes": [m.shape for m in predictions["rpn_features_to_crop"]],
        "stride": STRIDE,
        "anchors": predictions["anchors"][::STRIDE],
        "anchor_count": len(predictions["anchors"]),
        "rpn_box_encodings": predictions["rpn_box_encodings"][:, ::STRIDE],
        "rpn_objectness": predictions["rpn_objectness_predictions_with_background"][:, ::STRIDE],
    }
    for name in ("proposal_boxes", "num_proposals", "refined_box_encodings", "class_predictions_with_background"):
        found[name] = predictions[name]
    if model._return_raw_detections_during_predict:
        found["predicted_raw_boxes"] = predictions["raw_detection_boxes"]
    detections = model.postprocess(predictions, run.shapes)
    for name, value in detections.items():
        features = name in ("detection_features", "cropped_rpn_box_features")
        found[f"post_{name}"] = value[:, ::7, ..., ::97] if features else value
    return as_arrays({**found, **run.set_groundtruth_beside_proposals(), **first_step(run)})


def first_step(run: Run) -> dict[str, tf.Tensor]:
    """Losses of the first training step by tag, the norm of its gradient, and the proposals that were trained on."""
    run.switch(True)
    features = {FIELDS.image: run.images, FIELDS.true_image_shape: run.shapes}
    labels = model_lib.unstack_batch(run.labels, unpad_groundtruth_tensors=True)
    with tf.GradientTape() as tape:
        found, predictions = model_lib_v2._compute_losses_and_predictions_dicts(run.model, features, labels)
    gradients = tape.gradient(found["Loss/total_loss"], run.model.trainable_variables)
    return {
        **found,
        "train_gradient_norm": tf.linalg.global_norm(gradients),
        "train_anchor_count": len(predictions["anchors"]),
        "train_proposal_boxes": predictions["proposal_boxes"],
        "train_num_proposals": predictions["num_proposals"],
    }


def trained(run: Run, name: str) -> list[dict[str, tf.Tensor]]:
    """Losses by tag of each step, by the optimizer of the golden's config."""
    config = config_util.get_configs_from_pipeline_file(str(GOLDEN / f"families/{name}.config"))["train_config"]
    step = tf.Variable(0, dtype=tf.int64)
    optimizer, (rate,) = optimizer_builder.build(config.optimizer, global_step=step)
    features, rows = {FIELDS.image: run.images, FIELDS.true_image_shape: run.shapes}, []
    for _ in range(STEPS):
        getattr(optimizer, "_optimizer", optimizer).learning_rate = float(rate() if callable(rate) else rate)
        run.switch(True)
        rows.append(
            model_lib_v2.eager_train_step(
                run.model, features, run.labels, True, optimizer, step, add_regularization_loss=True
            )
        )
        step.assign_add(1)
    return rows


def trained_in_double(name: str) -> dict[str, np.ndarray]:
    """Losses [steps, tags] of the golden's training run, and norms of what changed in the weights [variables]."""
    run = Run(changed(name, ""), name)
    variables = list(run.model.variables)
    before = [variable.numpy() for variable in variables]
    near = run.set_groundtruth_beside_proposals()
    for variable, value in zip(variables, before, strict=True):  # batch norms have changed their statistics
        variable.assign(value)
    rows = trained(run, name)
    tags = sorted(tag for tag in rows[0] if tag.startswith("Loss/"))
    changes = [np.linalg.norm(after - of) for after, of in zip(variables, before, strict=True)]
    return as_arrays(
        {
            "tags": tags,
            "losses": [[float(row[tag]) for tag in tags] for row in rows],
            "changes": np.sort(changes),
            **near,
        }
    )


def as_arrays(found: dict) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in found.items()}


def in_double_precision() -> None:
    """From here on TFOD's networks are made in float64; its losses stay in float32, as it casts predictions to it.

    Box targets are rounded to 1/4096 in the losses: their last place depends on the logarithm at hand.
    """
    tf.keras.backend.set_floatx("float64")
    model_lib_v2.ops.bfloat16_to_float32_nested = lambda tensors: tensors
    original = losses.WeightedSmoothL1LocalizationLoss.__call__

    def rounded(self, prediction_tensor, target_tensor, **others):
        return original(self, prediction_tensor, tf.round(target_tensor * 4096) / 4096, **others)

    losses.WeightedSmoothL1LocalizationLoss.__call__ = rounded
    detector = faster_rcnn_meta_arch.FasterRCNNMetaArch
    penalties = detector.regularization_losses
    detector.regularization_losses = lambda self: [tf.cast(penalty, tf.float32) for penalty in penalties(self)]


if __name__ == "__main__":
    main()
