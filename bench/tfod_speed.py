"""The same measurements of TFOD: the exported model, the training step and the training input.

Run by TFOD's Python (see `make tfod`), from the repository's root:
`python -m bench.tfod_speed latency|training FOLDER`, with FOLDER/checkpoint from bench/network.py,
`python -m bench.tfod_speed families FOLDER`, with FOLDER/PIPELINE/checkpoint from bench/families.py, or
`python -m bench.tfod_speed input CONFIG`, workers of bench/turns.py. odtk cannot be imported here: its protobuf is
newer.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from object_detection import exporter_lib_v2, inputs, model_lib_v2
from object_detection.builders import model_builder, optimizer_builder
from object_detection.core.standard_fields import InputDataFields as Fields
from object_detection.utils import config_util
from tensorflow.python.ops import control_flow_ops

from bench import workload
from bench.turns import Work, serve

# TFOD's decoder of Examples is tf-slim's, which expects these where older TensorFlow had them.
control_flow_ops.case, control_flow_ops.cond = tf.compat.v1.case, tf.compat.v1.cond


def latency(folder: Path) -> dict[str, Work]:
    """The SavedModel of TFOD's exporter against a SavedModel of only its network, on one preprocessed image."""
    configs = config_util.get_configs_from_pipeline_file(str(workload.CONFIG))
    exporter_lib_v2.export_inference_graph(
        "image_tensor",
        config_util.create_pipeline_proto_from_configs(configs),
        str(folder / "checkpoint"),
        str(folder / "tfod"),
    )
    image = tf.constant(workload.image())
    model, preprocessed, shapes = _model(configs, folder, tf.cast(image, tf.float32), is_training=False)
    _save_network(model, shapes, str(folder / "tfod_network"))
    # The loaded objects own the variables, so they must be kept alive.
    loaded = [tf.saved_model.load(str(folder / name)) for name in ("tfod/saved_model", "tfod_network")]
    whole, network = (module.signatures["serving_default"] for module in loaded)
    return {
        "whole": workload.calls(lambda: whole(input_tensor=image)),
        "network": workload.calls(lambda: network(images=preprocessed)),
    }


def families(folder: Path) -> dict[str, Work]:
    """The SavedModels of TFOD's exporter, of each family's shipped pipeline."""
    image, works = tf.constant(workload.image()), {}
    for name in workload.PIPELINES:
        place = folder / name
        configs = config_util.get_configs_from_pipeline_file(f"pipelines/{name}.config")
        config = config_util.create_pipeline_proto_from_configs(configs)
        exporter_lib_v2.export_inference_graph("image_tensor", config, str(place / "checkpoint"), str(place / "tfod"))
        works[name] = _exported(tf.saved_model.load(str(place / "tfod/saved_model")), image)
    return works


def _exported(model, image: tf.Tensor) -> Work:
    """The loaded model owns the variables, so the work keeps it alive."""
    return workload.calls(lambda: model.signatures["serving_default"](input_tensor=image))


def training(folder: Path) -> dict[str, Work]:
    """The step of TFOD's training loop against the network's two passes, as in bench/network.py.

    TFOD subtracts the channel means in its input, not in its step; odtk does it in the step.
    """
    configs = config_util.get_configs_from_pipeline_file(str(workload.CONFIG))
    config, num_classes = configs["train_config"], configs["model"].ssd.num_classes
    batch = workload.training_batch(num_classes)
    model, images, shapes = _model(configs, folder, tf.constant(batch["images"]), is_training=True)
    features = {Fields.image: images, Fields.true_image_shape: shapes}
    labels = _labels(batch, num_classes)
    global_step = tf.Variable(0, trainable=False, dtype=tf.int64)
    optimizer, _ = optimizer_builder.build(config.optimizer, global_step=global_step)

    @tf.function
    def step(features, labels):
        losses = model_lib_v2.eager_train_step(
            model,
            features,
            labels,
            config.unpad_groundtruth_tensors,
            optimizer,
            training_step=global_step,
            add_regularization_loss=config.add_regularization_loss,
            clip_gradients_value=config.gradient_clipping_by_norm or None,
        )
        global_step.assign_add(1)
        return losses

    @tf.function
    def two_passes(images):
        _set_training(model, True)
        with tf.GradientTape() as tape:
            total = tf.add_n([tf.reduce_sum(output) for output in _outputs(model, images, shapes).values()])
        return total, tape.gradient(total, model.trainable_variables)

    return {
        "whole": workload.calls(lambda: step(features, labels)),
        "network": workload.calls(lambda: two_passes(images)),
    }


def input_pipeline(config: Path) -> dict[str, Work]:
    """Batches of TFOD's training input, 640x640 and 320x320, and only decoding."""
    works = {}
    configs = config_util.get_configs_from_pipeline_file(str(config))
    for side in workload.INPUT_SIDES:
        resizer = configs["model"].ssd.image_resizer.fixed_shape_resizer
        resizer.height = resizer.width = side
        whole = inputs.train_input(
            configs["train_config"],
            configs["train_input_config"],
            configs["model"],
            params={"batch_size": workload.INPUT_BATCH},
        )
        works[str(side)] = workload.batches(whole.repeat())
    return works | {"decoding": workload.batches(_decoding_alone(configs["train_input_config"]))}


def _model(configs: dict, folder: Path, images: tf.Tensor, is_training: bool):
    """A model with odtk's weights, and the images and their shapes in its format."""
    model = model_builder.build(configs["model"], is_training=is_training)
    status = tf.train.Checkpoint(model=model).restore(tf.train.latest_checkpoint(str(folder / "checkpoint")))
    preprocessed, shapes = model.preprocess(images)
    # Makes the variables, which are restored when they are made.
    _set_training(model, False)
    tf.function(_outputs, autograph=False)(model, preprocessed, shapes)
    status.assert_existing_objects_matched()
    return model, preprocessed, shapes


def _set_training(model, is_training: bool) -> None:
    """TFOD sets training mode in this way, before every call."""
    model._is_training = is_training
    tf.keras.backend.set_learning_phase(is_training)


def _outputs(model, images, shapes) -> dict[str, tf.Tensor]:
    """The network's two outputs; the anchors, which `predict` also returns, are pruned from the graph."""
    predicted = model.predict(images, shapes)
    return {name: predicted[name] for name in ("box_encodings", "class_predictions_with_background")}


def _save_network(model, shapes, folder: str) -> None:
    module = tf.Module()
    module.model_variables = model.variables

    spec = tf.TensorSpec([1, workload.SIDE, workload.SIDE, 3], tf.float32, name="images")

    @tf.function(input_signature=[spec], autograph=False)
    def call(images):
        return _outputs(model, images, shapes)

    module.call = call
    tf.saved_model.save(module, folder, signatures={"serving_default": call})


def _labels(batch: dict[str, np.ndarray], num_classes: int) -> dict[str, tf.Tensor]:
    """Groundtruth in the format of TFOD's input: one-hot, all zeros for padding."""
    one_hot = np.eye(num_classes, dtype=np.float32)[batch["classes"]] * batch["weights"][..., None]
    labels = {
        Fields.groundtruth_boxes: batch["boxes"],
        Fields.groundtruth_classes: one_hot,
        Fields.groundtruth_weights: batch["weights"],
        Fields.num_groundtruth_boxes: batch["num_boxes"],
    }
    return {name: tf.constant(value) for name, value in labels.items()}


def _decoding_alone(reader) -> tf.data.Dataset:
    """The shapes of the images: bytes are read, parsed and decoded, nothing else."""
    feature = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}

    def decode(serialized):
        encoded = tf.io.parse_single_example(serialized, feature)["image/encoded"]
        return tf.shape(tf.io.decode_image(encoded, channels=3, expand_animations=False))

    records = tf.data.TFRecordDataset(tf.io.gfile.glob(list(reader.tf_record_input_reader.input_path))).repeat()
    shapes = records.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    return shapes.batch(workload.INPUT_BATCH).prefetch(tf.data.AUTOTUNE)


if __name__ == "__main__":
    parts = {"latency": latency, "families": families, "training": training, "input": input_pipeline}
    serve(lambda: parts[sys.argv[1]](Path(sys.argv[2])))
