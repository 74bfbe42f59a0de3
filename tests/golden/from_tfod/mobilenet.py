"""What TFOD computes with SSD-MobileNets without a pyramid where no config of the reference's goes.

Heads of each map and anchors of an ssd_anchor_generator are also given to networks with a pyramid, and shared heads to
those without. Besides, the reference's own training runs in double precision: see training.py.

usage (from the repository's root, where `make tfod` has been): .tfod/bin/python tests/golden/from_tfod/mobilenet.py

Each case is a config of ../families with some text merged into its model.ssd. The batch is the reference's, and the
weights are `family_value`'s under the name of that config.
"""

import functools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import mobilenet_fpn
import numpy as np
import training
from google.protobuf import text_format
from object_detection.utils import config_util

GOLDEN = mobilenet_fpn.GOLDEN
V1, V2, TOWER = "mobilenet_v1-base", "mobilenet_v2-base", "mobilenet_v2-tower_of_two"
DEPTHWISE, SOFTMAX, FPN_LITE = (
    "mobilenet_v2-depthwise_explicit_padding",
    "mobilenet_v2-softmax",
    "mobilenet_v2_fpnlite-base",
)
SIDES = "image_resizer { fixed_shape_resizer { height: 97 width: 131 } }"
SHARED = """box_predictor { weight_shared_convolutional_box_predictor { depth: 24 num_layers_before_predictor: 1
    class_prediction_bias_init: -3 conv_hyperparams { activation: RELU_6 batch_norm { scale: true epsilon: 0.001 }
    regularizer { l2_regularizer { weight: 4e-05 } } } %s } }"""
OF_MAPS = """box_predictor { convolutional_box_predictor { min_depth: 8 max_depth: 20 num_layers_before_predictor: 1
    kernel_size: 3 use_dropout: false conv_hyperparams { activation: RELU_6 batch_norm { scale: true epsilon: 0.001 }
    regularizer { l2_regularizer { weight: 4e-05 } } } %s } }"""
FOUR_MAPS = """feature_extractor { num_layers: 4 } anchor_generator { ssd_anchor_generator { num_layers: 4
    scales: 0.15 scales: 0.3 scales: 0.5 scales: 0.8 base_anchor_height: 1.5 base_anchor_width: 0.75
    height_stride: 16 height_stride: 32 height_stride: 64 height_stride: 128
    width_stride: 18 width_stride: 34 width_stride: 66 width_stride: 130
    height_offset: 8 height_offset: 15 height_offset: 30 height_offset: 60
    width_offset: 9 width_offset: 17 width_offset: 33 width_offset: 65 } }"""
ONE_MAP = """feature_extractor { num_layers: 1 } anchor_generator { ssd_anchor_generator { num_layers: 1 scales: 0.3
    reduce_boxes_in_lowest_layer: false interpolated_scale_aspect_ratio: 0.0 } }"""
# Each: the base, what is merged into its model.ssd, and fields that are cleared before.
CASES = {
    "explicit padding, odd sides, v1": (V1, f"feature_extractor {{ use_explicit_padding: true }} {SIDES}", ()),
    "depthwise without batch norm": (
        DEPTHWISE, f"feature_extractor {{ use_explicit_padding: false }} {SIDES}",
        ("feature_extractor.conv_hyperparams.batch_norm",
         "box_predictor.convolutional_box_predictor.conv_hyperparams.batch_norm"),
    ),
    "no center, a forced bias": (
        TOWER,
        """feature_extractor { conv_hyperparams { force_use_bias: true } }
        box_predictor { convolutional_box_predictor { conv_hyperparams { batch_norm { center: false } } } }""", (),
    ),
    "the backbone's own hyperparameters, padded": (
        V2,
        "feature_extractor { override_base_feature_extractor_hyperparams: false pad_to_multiple: 64 } "
        "freeze_batchnorm: true", (),
    ),
    "raised widths, padded images": (
        V2, f"feature_extractor {{ min_depth: 24 depth_multiplier: 0.35 }} {mobilenet_fpn.PADDED}", (),
    ),
    "four maps, strides and offsets": (V1, f"{FOUR_MAPS} {SIDES}", ()),
    "one map": (V2, ONE_MAP, ()),
    "square boxes, clipped, without background": (
        SOFTMAX,
        """box_coder { square_box_coder { } } add_background_class: false
        box_predictor { convolutional_box_predictor { box_code_size: 3
        box_encodings_clip_range { min: -0.3 max: 0.2 } } }""", (),
    ),
    "shared heads": (
        V2,
        SHARED % "share_prediction_tower: true"
        + "anchor_generator { ssd_anchor_generator { reduce_boxes_in_lowest_layer: false } }", (),
    ),
    "shared depthwise heads, multiscale anchors": (
        V1,
        SHARED % "use_depthwise: true kernel_size: 3"
        + """anchor_generator { multiscale_anchor_generator { min_level: 4 max_level: 9 anchor_scale: 2.0
        aspect_ratios: 1.0 aspect_ratios: 2.0 scales_per_octave: 1 } }""", (),
    ),
    "a pyramid with heads of each map": (FPN_LITE, OF_MAPS % "", ()),
    "a pyramid with both": (
        FPN_LITE,
        OF_MAPS % "use_depthwise: true"
        + "anchor_generator { ssd_anchor_generator { num_layers: 5 aspect_ratios: 1.0 aspect_ratios: 0.7 } }", (),
    ),
}  # fmt: skip
# Their objects are those of the reference's config.
OBJECTS_AS_BASE = (
    "the backbone's own hyperparameters, padded",
    "raised widths, padded images",
    "square boxes, clipped, without background",
)
# Dropout, so that losses are random: inference alone.
WITH_DROPOUT = {
    "dropout": (
        TOWER, "box_predictor { convolutional_box_predictor { use_dropout: true dropout_keep_probability: 0.5 } }", (),
    ),
}  # fmt: skip


def main() -> None:
    """Writes mobilenet.npz and mobilenet_double.npz beside this file."""
    written = {"names": list(CASES), "with_dropout": list(WITH_DROPOUT)}
    for name, (base, text, cleared) in (CASES | WITH_DROPOUT).items():
        config = config_util.get_configs_from_pipeline_file(str(GOLDEN / f"families/{base}.config"))["model"]
        for path in cleared:
            *parents, field = path.split(".")
            functools.reduce(getattr, parents, config.ssd).ClearField(field)
        text_format.Merge(text, config.ssd)
        computed: dict = {
            "base": base,
            "model": text_format.MessageToString(config),
            **mobilenet_fpn.answers(config, base),
        }
        if name in OBJECTS_AS_BASE:
            computed.pop("graph")
        written |= {f"{name}/{part}": value for part, value in computed.items()}
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **written)

    # Last: what makes TFOD's networks double cannot be taken back.
    training.in_double_precision()
    runs = {}
    for path in sorted((GOLDEN / "families").glob("mobilenet_v?-*.config")):
        run = training.TrainingRun(f"families/{path.stem}", functools.partial(mobilenet_fpn.family_value, path.stem))
        runs[f"families/{path.stem}"] = {"losses": run.train(), "changes": run.norms(of_changes=True)}
    training._write("mobilenet_double", runs)


if __name__ == "__main__":
    main()
