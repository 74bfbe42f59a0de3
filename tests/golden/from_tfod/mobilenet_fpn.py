"""What TFOD computes with MobileNet and FPN where no config of the reference's goes: explicit padding, other levels.

usage (from the repository's root, where `make tfod` has been):
.tfod/bin/python tests/golden/from_tfod/mobilenet_fpn.py

Each case is a config of ../families with some text merged into its model.ssd. The batch is the reference's, and the
weights are `family_value`'s under the name of that config.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
GOLDEN = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(GOLDEN))

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from google.protobuf import text_format  # noqa: E402
from object_detection import model_lib, model_lib_v2  # noqa: E402
from object_detection.builders import model_builder  # noqa: E402
from object_detection.core import standard_fields  # noqa: E402
from object_detection.utils import config_util  # noqa: E402
from synthetic_weights import family_value, synthetic_image  # noqa: E402
from training import SUFFIX, batch_labels  # noqa: E402

# Config below ../families, what is merged into its model.ssd, and what of its extractor's hyperparameters is cleared.
V1, V1_LITE, V2_LITE = "mobilenet_v1_fpn-base", "mobilenet_v1_fpn-lite", "mobilenet_v2_fpnlite-base"
ANCHORS = "anchor_generator { multiscale_anchor_generator { min_level: %d max_level: %d } }"
LEVELS = "feature_extractor { fpn { min_level: %d max_level: %d } } " + ANCHORS
SIDES = "image_resizer { fixed_shape_resizer { height: %d width: %d } }"
PADDED = (
    "image_resizer { keep_aspect_ratio_resizer { min_dimension: 96 max_dimension: 160 pad_to_max_dimension: true } }"
)
HEADS = "box_predictor { weight_shared_convolutional_box_predictor { conv_hyperparams { %s } } }"
CASES = {
    "explicit padding, v2": (V2_LITE, f"feature_extractor {{ use_explicit_padding: true }} {SIDES % (97, 131)}", ""),
    "explicit padding, v1": (V1, f"feature_extractor {{ use_explicit_padding: true }} {SIDES % (97, 131)}", ""),
    "levels 3 to 4": (V2_LITE, LEVELS % (3, 4, 3, 4), ""),
    "levels 5 to 6": (V1_LITE, f"{LEVELS % (5, 6, 5, 6)} {SIDES % (75, 101)}", ""),
    "levels 4 to 8": (V2_LITE, LEVELS % (4, 8, 4, 8), ""),
    "raised widths, padded images": (
        V2_LITE, f"feature_extractor {{ min_depth: 24 depth_multiplier: 0.35 }} {PADDED}", "",
    ),
    "the backbone's own hyperparameters": (
        V1_LITE, "feature_extractor { override_base_feature_extractor_hyperparams: false pad_to_multiple: 64 }", "",
    ),
    "no batch norm": (V1_LITE, "", "batch_norm"),
    "norms without center in the heads": (V1_LITE, HEADS % "batch_norm { center: false }", ""),
    "synchronized norms in the heads": (V1_LITE, HEADS % "sync_batch_norm { decay: 0.9 }", ""),
}  # fmt: skip
IMAGE_SEEDS, IMAGE_SIZE, NUM_BOXES, NUM_CLASSES = (50, 51), (150, 200), (3, 4), 3
STRIDE = 53


def main() -> None:
    """Writes mobilenet_fpn.npz beside this file."""
    written = {"names": list(CASES)}
    for name, (base, text, cleared) in CASES.items():
        config = config_util.get_configs_from_pipeline_file(str(GOLDEN / f"families/{base}.config"))["model"]
        text_format.Merge(text, config.ssd)
        if cleared:
            config.ssd.feature_extractor.conv_hyperparams.ClearField(cleared)
        computed = {"base": base, "model": text_format.MessageToString(config), **answers(config, base)}
        written |= {f"{name}/{part}": value for part, value in computed.items()}
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **written)


def answers(config, weights_name: str, prepare=lambda model: None) -> dict[str, np.ndarray]:
    """TFOD's numbers for a `model` message, and the object graph of its checkpoint.

    `prepare` may change the model when it is built.
    """
    model = model_builder.build(config, is_training=True)
    model._is_training = False
    tf.keras.backend.set_learning_phase(False)
    pictures = [tf.constant(synthetic_image(seed, *IMAGE_SIZE)[None], tf.float32) for seed in IMAGE_SEEDS]
    images, shapes = (tf.concat(parts, 0) for parts in zip(*map(model.preprocess, pictures), strict=True))
    model.predict(images, shapes)
    graph = load(model, weights_name)
    prepare(model)
    predictions = model.predict(images, shapes)
    found = {
        "graph": np.frombuffer(graph, np.uint8),
        "true_image_shapes": shapes,
        "preprocessed_corners": tf.concat([images[:, :2, :2], images[:, -2:, -2:]], axis=1),
        "feature_map_shapes": [m.shape for m in predictions["feature_maps"]],
        "stride": STRIDE,
        "anchors": model.anchors.get()[::STRIDE],
        "anchor_count": model.anchors.num_boxes(),
        "box_encodings": predictions["box_encodings"][:, ::STRIDE],
        "class_logits": predictions["class_predictions_with_background"][:, ::STRIDE],
    }
    losses, norm = trained(model, images, shapes)
    return {name: np.asarray(value) for name, value in {**found, **losses, "train_gradient_norm": norm}.items()}


def load(model, weights_name: str) -> bytes:
    """Gives the model the weights of a golden; returns the object graph of its checkpoint, serialized."""
    for number, variable in enumerate(model.variables):
        variable.assign(tf.fill(variable.shape, tf.cast(number, variable.dtype)))
    with tempfile.TemporaryDirectory() as folder:
        reader = tf.train.load_checkpoint(tf.train.Checkpoint(model=model).write(f"{folder}/ckpt"))
        keys = [key for key in reader.get_variable_to_shape_map() if key.startswith("model/")]
        # Variables are told apart by the numbers that stand in the checkpoint under their keys.
        for key in keys:
            variable = model.variables[int(reader.get_tensor(key).flat[0])]
            variable.assign(family_value(weights_name, key.removesuffix(SUFFIX), variable.shape.as_list()))
        return reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")


def trained(model, images, shapes) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Losses of the first training step by tag, and the norm of its gradient."""
    fields = standard_fields.InputDataFields
    labels = batch_labels(IMAGE_SEEDS, NUM_BOXES, NUM_CLASSES)
    labels = model_lib.unstack_batch(labels, unpad_groundtruth_tensors=True)
    model._is_training = True
    tf.keras.backend.set_learning_phase(True)
    features = {fields.image: images, fields.true_image_shape: shapes}
    with tf.GradientTape() as tape:
        losses, _ = model_lib_v2._compute_losses_and_predictions_dicts(model, features, labels)
    gradients = tape.gradient(losses["Loss/total_loss"], model.trainable_variables)
    return losses, tf.linalg.global_norm(gradients)


if __name__ == "__main__":
    main()
