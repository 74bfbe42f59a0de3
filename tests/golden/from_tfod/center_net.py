"""What TFOD computes with CenterNet where no config of the reference's goes: crowded cells, weights, suppression.

usage (from the repository's root, where `make tfod` has been):
.tfod/bin/python tests/golden/from_tfod/center_net.py

Each case is a config of ../families with some text merged into its model.center_net. The pictures are the reference's,
and the weights are `family_value`'s under the name of that config. The boxes are GROUNDTRUTH's.
"""

import importlib
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
from object_detection import model_lib_v2  # noqa: E402
from object_detection.builders import model_builder  # noqa: E402
from object_detection.core import standard_fields  # noqa: E402
from object_detection.models.keras_models import hourglass_network, mobilenet_v2, resnet_v1  # noqa: E402
from object_detection.utils import config_util  # noqa: E402
from synthetic_weights import family_value, synthetic_image  # noqa: E402

SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
# Of each image: boxes, classes and weights. Two on one cell (of one class, and of two), one without an area, one that
# ends at the image's edge, one that hides nothing of another's peak, one that does not count, one that counts by half.
GROUNDTRUTH = (
    (
        ((0.10, 0.10, 0.50, 0.40), (0.20, 0.20, 0.40, 0.30), (0.28, 0.22, 0.32, 0.28), (0.60, 0.60, 1.00, 1.00),
         (0.55, 0.20, 0.55, 0.20), (0.75, 0.10, 0.95, 0.45)),
        (0, 0, 1, 2, 1, 0),
        (1.0, 1.0, 1.0, 1.0, 1.0, 0.5),
    ),
    (
        ((0.05, 0.45, 0.75, 0.95), (0.30, 0.50, 0.60, 0.80), (0.02, 0.02, 0.12, 0.10)),
        (1, 1, 2),
        (1.0, 0.0, 1.0),
    ),
)  # fmt: skip
LABELED = ((1.0, 0.0, 1.0), (0.0, 1.0, 1.0))
RESNET, MOBILENET = "centernet_resnet_v1_fpn-resnet18_loose_iou", "centernet_mobilenet_v2-fpn"
HOURGLASS = "centernet_hourglass-ten"
NMS = (
    "post_processing { batch_non_max_suppression { score_threshold: %g iou_threshold: %g max_detections_per_class: %d "
    "max_total_detections: %d change_coordinate_frame: false %s } }"
)
KEPT_SIDES = (
    "image_resizer { keep_aspect_ratio_resizer { min_dimension: 96 max_dimension: 160 pad_to_max_dimension: true "
    "per_channel_pad_value: [10, 20, 30] } }"
)
CASES = {
    "crowded cells and weights": (RESNET, ""),
    "suppression by class": (RESNET, NMS % (0.2, 0.3, 4, 10, "")),
    "soft suppression": (RESNET, NMS % (0.0, 0.5, 15, 15, "soft_nms_sigma: 0.4")),
    "suppression of all classes at once": (RESNET, NMS % (1e-8, 0.25, 30, 30, "use_class_agnostic_nms: true")),
    "labeled classes, wide pool, plain cross entropy": (
        RESNET,
        "object_center_params { use_labeled_classes: true peak_max_pool_kernel_size: 5 classification_loss { "
        "weighted_sigmoid {} } }",
    ),
    "every cell a peak, heads by default, sigmoid focal": (
        RESNET,
        "object_center_params { peak_max_pool_kernel_size: 1 max_box_predictions: 1 classification_loss { "
        "weighted_sigmoid_focal { gamma: 1.5 alpha: 0.4 } } }",
    ),
    "narrow MobileNet, bilinear, odd means": (
        MOBILENET,
        "feature_extractor { type: 'mobilenet_v2_fpn_sep_conv' use_separable_conv: false depth_multiplier: 0.35 "
        "upsampling_interpolation: 'bilinear' channel_means: [3, 5, 7] channel_stds: [0.5, 2, 1.5] "
        f"bgr_ordering: true }} {KEPT_SIDES}",
    ),
    "two hourglasses": (HOURGLASS, "feature_extractor { type: 'hourglass_104' }"),
    "deeper hourglass": (HOURGLASS, f"feature_extractor {{ type: 'hourglass_20' }} {KEPT_SIDES}"),
}  # fmt: skip
# Those that have the same objects as no other.
OF_OTHER_OBJECTS = (
    "every cell a peak, heads by default, sigmoid focal",
    "narrow MobileNet, bilinear, odd means",
    "two hourglasses",
    "deeper hourglass",
)
# Of these only the objects of a checkpoint are kept, which say how deep they are.
GRAPHS = ("resnet_v1_34_fpn", "resnet_v1_101_fpn", "resnet_v2_101", "mobilenet_v2")
IMAGE_SEEDS, IMAGE_SIZE, NUM_CLASSES = (50, 51), (150, 200), 3
ROWS, COLUMNS = 5, 7  # every how many of a map are kept


def main() -> None:
    """Writes center_net.npz beside this file."""
    patch_tfod()
    written = {"names": list(CASES), "graph_names": GRAPHS}
    written |= {f"groundtruth/{image}/{part}": value for image, of in enumerate(GROUNDTRUTH)
                for part, value in zip(("boxes", "classes", "weights"), of, strict=True)}  # fmt: skip
    written["groundtruth/labeled_classes"] = LABELED
    for name, (base, text) in CASES.items():
        config = config_util.get_configs_from_pipeline_file(str(GOLDEN / f"families/{base}.config"))["model"]
        change(config.center_net, text)
        computed = {"base": base, "model": text_format.MessageToString(config), **answers(config, base)}
        graph = computed.pop("graph")
        written |= {f"graphs/{name}": graph} if name in OF_OTHER_OBJECTS else {}
        written |= {f"{name}/{part}": value for part, value in computed.items()}
    config = config_util.get_configs_from_pipeline_file(str(GOLDEN / f"families/{RESNET}.config"))["model"]
    for name in GRAPHS:
        config.center_net.feature_extractor.type = name
        model = model_builder.build(config, is_training=True)
        written[f"graphs/{name}"] = np.frombuffer(load(model, *preprocessed(model), None), np.uint8)
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **written)


def patch_tfod() -> None:
    """Mends its ResNet-18, makes its MobileNetV2 without ImageNet's weights, and its two hourglasses small."""
    keras = tf.keras.Model.__module__.split(".")[0]
    resnet_v1.resnet = importlib.import_module(f"{keras}.src.applications.resnet")
    build = mobilenet_v2.mobilenet_v2
    mobilenet_v2.mobilenet_v2 = lambda *args, **options: build(*args, **{**options, "weights": None})
    hourglass_network.hourglass_104 = lambda: hourglass_network.HourglassNetwork(
        input_channel_dims=16,
        channel_dims_per_stage=[24, 24, 32],
        num_hourglasses=2,
        num_stages=2,
        blocks_per_stage=[2, 2, 1],
    )


def change(message, text: str) -> None:
    """Merges the text; lists and losses that it has replace those of the message."""
    given = text_format.Parse(text, type(message)())
    if given.object_center_params.HasField("classification_loss"):
        message.object_center_params.ClearField("classification_loss")
    if given.object_center_params.max_box_predictions == 1:
        for parent, field in (("object_center_params", "center"), ("object_detection_task", "scale"),
                              ("object_detection_task", "offset")):  # fmt: skip
            getattr(message, parent).ClearField(f"{field}_head_params")
    for name in ("channel_means", "channel_stds"):
        if getattr(given.feature_extractor, name):
            message.feature_extractor.ClearField(name)
    if given.HasField("image_resizer"):
        message.ClearField("image_resizer")
    message.MergeFrom(given)


def preprocessed(model) -> tuple[tf.Tensor, tf.Tensor]:
    """The reference's pictures as the model takes them, and their true shapes."""
    pictures = [tf.constant(synthetic_image(seed, *IMAGE_SIZE)[None], tf.float32) for seed in IMAGE_SEEDS]
    images, shapes = zip(*map(model.preprocess, pictures), strict=True)
    return tf.concat(images, 0), tf.concat(shapes, 0)


def answers(config, weights_name: str) -> dict[str, np.ndarray]:
    """TFOD's numbers for a `model` message, and the object graph of its checkpoint."""
    model = model_builder.build(config, is_training=True)
    model._is_training = False
    tf.keras.backend.set_learning_phase(False)
    images, shapes = preprocessed(model)
    graph = load(model, images, shapes, weights_name)
    predictions = model.predict(images, shapes)
    found = {
        "graph": np.frombuffer(graph, np.uint8),
        "true_image_shapes": shapes,
        "preprocessed_corners": tf.concat([images[:, :2, :2], images[:, -2:, -2:]], axis=1),
        "map_shapes": [each.shape for each in predictions["extracted_features"]],
        **model.postprocess(predictions, shapes),
    }
    for name in ("object_center", "box/scale", "box/offset"):
        for output, each in enumerate(predictions[name]):
            found[f"{name}/{output}"] = each[:, ::ROWS, ::COLUMNS]
    losses, norm = trained(model, images, shapes)
    return {name: np.asarray(value) for name, value in {**found, **losses, "train_gradient_norm": norm}.items()}


def load(model, images, shapes, weights_name: str | None) -> bytes:
    """Gives the model the weights of a golden, if any; returns the object graph of its checkpoint, serialized."""
    model.predict(images, shapes)
    for number, variable in enumerate(model.variables):
        variable.assign(tf.fill(variable.shape, tf.cast(number, variable.dtype)))
    with tempfile.TemporaryDirectory() as folder:
        reader = tf.train.load_checkpoint(tf.train.Checkpoint(model=model).write(f"{folder}/ckpt"))
        keys = [key for key in reader.get_variable_to_shape_map() if key.startswith("model/")]
        # Variables are told apart by the numbers that stand in the checkpoint under their keys.
        for key in keys if weights_name else ():
            variable = model.variables[int(reader.get_tensor(key).flat[0])]
            variable.assign(family_value(weights_name, key.removesuffix(SUFFIX), variable.shape.as_list()))
        return reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")


def trained(model, images, shapes) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Losses of the first training step by tag, and the norm of its gradient."""
    fields = standard_fields.InputDataFields
    boxes, classes, weights = zip(*GROUNDTRUTH, strict=True)
    one_hot = np.eye(NUM_CLASSES, dtype=np.float32)
    labels = {
        fields.groundtruth_boxes: [tf.constant(of_image) for of_image in boxes],
        fields.groundtruth_classes: [tf.constant(one_hot[list(of_image)]) for of_image in classes],
        fields.groundtruth_weights: [tf.constant(of_image) for of_image in weights],
        fields.groundtruth_labeled_classes: [tf.constant(of_image) for of_image in LABELED],
    }
    model._is_training = True
    tf.keras.backend.set_learning_phase(True)
    features = {fields.image: images, fields.true_image_shape: shapes}
    with tf.GradientTape() as tape:
        losses, _ = model_lib_v2._compute_losses_and_predictions_dicts(model, features, labels)
    gradients = tape.gradient(losses["Loss/total_loss"], model.trainable_variables)
    # There is none of the batch norm that closes a ResNet with the activation first: nothing uses it.
    return losses, tf.linalg.global_norm([each for each in gradients if each is not None])


if __name__ == "__main__":
    main()
