"""What TFOD computes with EfficientDet where no config of the reference's goes, and with stochastic depth.

usage (from the repository's root, where `make tfod` has been):
.tfod/bin/python tests/golden/from_tfod/efficientdet.py [cases] [depth] [structures]

`cases`: each is a config of ../families with some text merged into its model.ssd; the batch is the reference's, and the
weights are `family_value`'s under the name of that config. `depth`: training with stochastic depth, in which images are
left out by given numbers, and by TFOD's own. Both are in efficientdet.npz. `structures`: efficientdet.json, what the
eight networks and a few others are made of.
"""

import hashlib
import json
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
from mobilenet_fpn import IMAGE_SEEDS, IMAGE_SIZE, answers, load, trained  # noqa: E402
from object_detection.builders import model_builder  # noqa: E402
from object_detection.utils import config_util  # noqa: E402
from object_graphs import graph_of, names_of  # noqa: E402
from synthetic_weights import synthetic_image  # noqa: E402

D0, SUM, FROZEN = "efficientdet-d0", "efficientdet-d0_sum", "efficientdet-d0_frozen_own_decay"
# Config below ../families, what is merged into its model.ssd, and what is cleared before.
HYPERPARAMS = "feature_extractor.conv_hyperparams"
RESIZER = "image_resizer"
LEVELS = (
    "feature_extractor { bifpn { min_level: %d max_level: %d num_iterations: 1 } } "
    "anchor_generator { multiscale_anchor_generator { min_level: %d max_level: %d } }"
)
CASES = {
    "weighted sum, levels 4 to 7, odd sides": (
        D0,
        f'{LEVELS % (4, 7, 4, 7)} feature_extractor {{ bifpn {{ combine_method: "weighted_sum" }} }} '
        "image_resizer { fixed_shape_resizer { height: 241 width: 370 } }",
        [RESIZER],
    ),
    "levels 2 to 6, padding to a multiple": (
        D0,
        f"{LEVELS % (2, 6, 2, 6)} feature_extractor {{ pad_to_multiple: 64 min_depth: 40 }} "
        "image_resizer { keep_aspect_ratio_resizer { min_dimension: 130 max_dimension: 180 "
        "pad_to_max_dimension: true } }",
        [RESIZER],
    ),
    "the penalty's L1 weight, no batch norm": (
        FROZEN,
        "feature_extractor { conv_hyperparams { regularizer { l1_regularizer { weight: 3e-5 } } activation: RELU } }",
        [f"{HYPERPARAMS}.regularizer", f"{HYPERPARAMS}.batch_norm", "freeze_batchnorm"],
    ),
    "no regularizer, synchronized batch norm, a shared tower": (
        FROZEN,
        "feature_extractor { conv_hyperparams { sync_batch_norm { decay: 0.98 epsilon: 0.002 scale: true } } } "
        "box_predictor { weight_shared_convolutional_box_predictor { share_prediction_tower: true } }",
        [f"{HYPERPARAMS}.regularizer", f"{HYPERPARAMS}.batch_norm", f"{HYPERPARAMS}.force_use_bias"],
    ),
}
TYPE = "ssd_efficientnet-b{}_bifpn_keras"
# Type, and what its extractor has beside hyperparameters.
STRUCTURES = {f"B{version}": (TYPE.format(version), "") for version in range(8)}
STRUCTURES["B6 in the zoo's D7"] = (
    TYPE.format(6), 'bifpn { num_iterations: 8 num_filters: 384 combine_method: "sum" }',
)  # fmt: skip
DRAWS = 64


def main() -> None:
    """Writes what is asked for, or all of it, beside this file."""
    wanted = sys.argv[1:] or ["cases", "depth", "structures"]
    path = Path(__file__).with_suffix(".npz")
    written = dict(np.load(path)) if path.exists() else {}
    if "cases" in wanted:
        written = {name: value for name, value in written.items() if name.startswith("depth/")}
        written |= {"names": list(CASES), **cases()}
    if "depth" in wanted:
        written |= {f"depth/{name}": value for name, value in depth().items()}
    np.savez_compressed(path, **written)
    if "structures" in wanted:
        found = {name: structure(*each) for name, each in STRUCTURES.items()}
        path.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


def cases() -> dict[str, np.ndarray]:
    """Everything of each case, under its name."""
    written = {}
    for name, (base, text, cleared) in CASES.items():
        config = config_of(base)
        for path in cleared:
            *parents, field = path.split(".")
            message = config.ssd
            for parent in parents:
                message = getattr(message, parent)
            message.ClearField(field)
        text_format.Merge(text, config.ssd)
        computed = answers(config, base, prepare=without_depth)
        written |= {f"{name}/{part}": value for part, value in computed.items()}
        written |= {f"{name}/base": base, f"{name}/model": text_format.MessageToString(config)}
    return written


def config_of(name: str):
    """The `model` of a config of ../families."""
    return config_util.get_configs_from_pipeline_file(str(GOLDEN / f"families/{name}.config"))["model"]


def depth_layers(model) -> list:
    """The layers of stochastic depth that a network runs."""
    layers = model._feature_extractor._efficientnet.layers
    return [layer for layer in layers if isinstance(layer, tf.keras.layers.Dropout)]


def without_depth(model) -> None:
    """Nothing is left out in training."""
    for layer in depth_layers(model):
        layer.rate = 0.0


def depth() -> dict[str, np.ndarray]:
    """Losses of the first training step with given numbers for what is left out, and of many without."""
    config = config_of(SUM)
    model = model_builder.build(config, is_training=True)
    model._is_training = False
    tf.keras.backend.set_learning_phase(False)
    pictures = [tf.constant(synthetic_image(seed, *IMAGE_SIZE)[None], tf.float32) for seed in IMAGE_SEEDS]
    images, shapes = (tf.concat(parts, 0) for parts in zip(*map(model.preprocess, pictures), strict=True))
    model.predict(images, shapes)
    load(model, SUM)
    statistics = {id(each): each.numpy() for each in model.variables}
    layers, random = depth_layers(model), np.random.default_rng(0)
    numbers = random.uniform(size=(len(layers), len(IMAGE_SEEDS))).astype(np.float32)
    own = [layer._random_generator.dropout for layer in layers]
    for layer, given in zip(layers, numbers, strict=True):
        layer._random_generator.dropout = dropout_by(given)
    losses, norm = trained(model, images, shapes)
    for layer, dropout in zip(layers, own, strict=True):
        layer._random_generator.dropout = dropout
    tf.keras.utils.set_random_seed(1)
    draws = []
    for _ in range(DRAWS):
        for variable in model.variables:
            variable.assign(statistics[id(variable)])
        drawn, _ = trained(model, images, shapes)
        draws.append([float(drawn[tag]) for tag in sorted(drawn)])
    return {
        "numbers": numbers,
        "tags": sorted(losses),
        "losses": np.array([float(losses[tag]) for tag in sorted(losses)]),
        "train_gradient_norm": norm.numpy(),
        "draws": np.array(draws, np.float32),
    }


def dropout_by(numbers):
    """TensorFlow's dropout with these numbers in the place of random ones."""

    def sampler(shape, dtype):
        return tf.reshape(tf.constant(numbers, dtype), shape)

    def dropout(inputs, rate, noise_shape=None):
        return tf.nn.experimental.general_dropout(inputs, rate, sampler, noise_shape)

    return dropout


def structure(kind: str, text: str) -> dict:
    """Counts and digests of what stands in a checkpoint, and the rates of stochastic depth."""
    config = config_of(D0)
    config.ssd.feature_extractor.ClearField("bifpn")
    config.ssd.feature_extractor.type = kind
    text_format.Merge(text, config.ssd.feature_extractor)
    model = model_builder.build(config, is_training=False)
    model.predict(*model.preprocess(tf.zeros([1, *IMAGE_SIZE, 3])))
    keys, objects = checkpoint_of(model=model)
    # What `classification` restores.
    classifier_keys, _ = checkpoint_of(**model.restore_from_objects("classification"))
    layers = depth_layers(model)
    assert all(tuple(layer.noise_shape) == (None, 1, 1, 1) for layer in layers)
    return {
        "type": kind,
        "extractor": text,
        "variables": len(keys),
        "objects": len(objects),
        "digest_of_variables": digest(keys),
        "digest_of_objects": digest(objects),
        "digest_of_classifier": digest(classifier_keys),
        "rates": [layer.rate for layer in layers],
    }


def checkpoint_of(**objects) -> tuple[list[str], list[str]]:
    """Lines of a checkpoint: its variables with their shapes, and its objects with all their paths."""
    with tempfile.TemporaryDirectory() as folder:
        prefix = tf.train.Checkpoint(**objects).write(f"{folder}/ckpt")
        shapes = tf.train.load_checkpoint(prefix).get_variable_to_shape_map()
        found = sorted(" ".join(sorted(paths)) for paths in names_of(graph_of(prefix)))
    return sorted(f"{key} {list(shape)}" for key, shape in shapes.items() if not key.startswith("_")), found


def digest(lines: list[str]) -> str:
    """Of their text."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


if __name__ == "__main__":
    main()
