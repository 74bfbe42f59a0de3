"""Options of the SSD-ResNet-FPN family that no golden has: what they change, and what cannot be built from them.

No network is run: predictions are made up, so a detector is its anchors, losses and post-processing.
"""

import copy
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from golden_cases import variant_case
from google.protobuf import text_format

from odtk import pipeline
from odtk.detectors import families
from odtk.detectors.build import build_detector
from odtk.detectors.parts.heads import build_shared_heads
from odtk.detectors.ssd.build import build_training
from odtk.detectors.ssd.training import Background
from odtk.errors import ConfigError
from odtk.findings import ERROR

CASE = variant_case("base")
NMS = "post_processing { batch_non_max_suppression { %s } }"
PREDICTOR = "box_predictor { weight_shared_convolutional_box_predictor { %s } }"


def changed(*texts: str, clear: tuple[str, ...] = ()):
    """The base variant's config with these merged into model.ssd."""
    config = copy.deepcopy(CASE.config)
    for name in clear:
        config.model.ssd.ClearField(name)
    for text in texts:
        text_format.Merge(text, config.model.ssd)
    return config


def resizer(text: str):
    return changed(f"image_resizer {{ {text} }}", clear=("image_resizer",))


def errors_of(config):
    return [each for each in families.of(config).validate(config.model) if each.severity == ERROR]


# What is merged into the base variant, and a part of what must be said.
REFUSED = {
    "two backgrounds": (changed("explicit_background_class: true"), "explicit_background_class is true, and so is"),
    "mining with focal loss": (changed("loss { hard_example_miner { } }"), "hard_example_miner does not go with"),
    "mining with IoU": (
        changed(
            "loss { hard_example_miner { } classification_loss { weighted_sigmoid { } } }",
            "loss { localization_loss { weighted_iou { } } }",
        ),
        "hard_example_miner does not go with weighted_iou",
    ),
    "no positives": (
        changed("loss { random_example_sampler { positive_sample_fraction: 0 } }"),
        "random_example_sampler.positive_sample_fraction is 0",
    ),
    "several classes": (
        changed(NMS % "use_class_agnostic_nms: true max_classes_per_detection: 2"),
        "max_classes_per_detection is 2",
    ),
    "soft static": (changed(NMS % "use_static_shapes: true soft_nms_sigma: 0.5"), "with use_static_shapes: true"),
    "soft hard": (changed(NMS % "use_hard_nms: true soft_nms_sigma: 0.5"), "with use_hard_nms: true"),
    "sigma": (changed(NMS % "soft_nms_sigma: -1"), "soft_nms_sigma is -1"),
    "NMS overlap": (changed(NMS % "iou_threshold: 1.5"), "iou_threshold is 1.5"),
    "NMS counts": (changed(NMS % "max_detections_per_class: 21"), "max_detections_per_class is 21, above"),
    "combined": (changed(NMS % "use_combined_nms: true"), "use_combined_nms (TFOD refuses it for SSD"),
    "thresholds": (
        changed("matcher { argmax_matcher { unmatched_threshold: 0.7 } }"),
        "unmatched_threshold is 0.7, above matched_threshold 0.5",
    ),
    "no negatives": (
        changed("matcher { argmax_matcher { negatives_lower_than_unmatched: false } }"),
        "no anchor would ever be negative",
    ),
    "scored boxes": (
        changed("similarity_calculator { thresholded_iou_similarity { } } add_background_class: false"),
        "does not go with add_background_class",
    ),
    "bipartite": (changed("matcher { bipartite_matcher { } }"), "bipartite_matcher (TFOD 2 no longer has it"),
    "square codes": (changed("box_coder { square_box_coder { } }"), "box_code_size is 4; a square box is coded in 3"),
    "codes": (changed(PREDICTOR % "box_code_size: 3"), "box_code_size is 3; a box is coded in 4"),
    "no kernel": (changed(PREDICTOR % "kernel_size: 0"), "kernel_size is 0; a kernel has at least one pixel"),
    "depthwise 1x1": (
        changed(PREDICTOR % "use_depthwise: true kernel_size: 1"),
        "kernel_size is 1, with use_depthwise",
    ),
    "no channel": (
        changed("feature_extractor { depth_multiplier: 0.01 min_depth: 0 }"),
        "depth_multiplier is 0.01: it leaves the first layers no channel",
    ),
    "dropout": (
        changed(PREDICTOR % "use_dropout: true dropout_keep_probability: 1.5"),
        "dropout_keep_probability is 1.5; it is a probability",
    ),
    "scale of scores": (changed("post_processing { logit_scale: 0 }"), "post_processing.logit_scale is 0, and logits"),
    "scale of the loss": (
        changed("loss { classification_loss { weighted_softmax { logit_scale: 0 } } }"),
        "weighted_softmax.logit_scale is 0, and logits",
    ),
    "no overlap": (
        changed("matcher { argmax_matcher { matched_threshold: -1 } }"),
        "matched_threshold is -1; overlaps lie between 0 and 1",
    ),
    "no calibrator": (changed("post_processing { calibration_config { } }"), "calibration_config is empty"),
    "temperature": (
        changed("post_processing { calibration_config { temperature_scaling_calibration { scaler: 0 } } }"),
        "scaler is 0",
    ),
    "unsorted curve": (
        changed(
            "post_processing { calibration_config { function_approximation { x_y_pairs {"
            "x_y_pair { x: 1 y: 0 } x_y_pair { x: 0 y: 1 } } } } }"
        ),
        "each x above the one before it",
    ),
    "no size of images": (changed(clear=("image_resizer",)), "image_resizer is empty, so images have no size"),
    "no matcher": (changed(clear=("matcher",)), "matcher is empty"),
    "no similarity": (changed(clear=("similarity_calculator",)), "similarity_calculator is empty"),
    "no class": (changed("num_classes: 0"), "num_classes is 0"),
    "height": (
        resizer("fixed_shape_resizer { height: 300 width: 320 }"),
        "height is 300, which is not a multiple of 32",
    ),
    "width": (resizer("fixed_shape_resizer { height: 320 width: 150 }"), "width is 150, which is not a multiple of 32"),
    "small": (
        resizer("fixed_shape_resizer { height: 128 width: 320 }"),
        "height is 128; this model takes no side below",
    ),
    "small, padded": (
        changed(
            "image_resizer { fixed_shape_resizer { height: 100 width: 320 } }",
            "feature_extractor { pad_to_multiple: 128 }",
            clear=("image_resizer",),
        ),
        "height is 100; this model takes no side below 129",
    ),
    "wrong padding": (
        changed("image_resizer { fixed_shape_resizer { height: 170 } } feature_extractor { pad_to_multiple: 40 }"),
        "height is 170, which is not a multiple of 32",
    ),
    "long side": (
        resizer("keep_aspect_ratio_resizer { min_dimension: 200 max_dimension: 333 pad_to_max_dimension: true }"),
        "max_dimension is 333, which is not a multiple of 32",
    ),
    "any size": (
        resizer("keep_aspect_ratio_resizer { min_dimension: 160 max_dimension: 320 }"),
        "keep_aspect_ratio_resizer gives images of any size",
    ),
    "own size": (resizer("identity_resizer { }"), "identity_resizer gives images of any size"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_built_is_refused_before_it_is(name):
    config, words = REFUSED[name]
    with pytest.raises(ConfigError) as error:
        build_detector(config)
    assert words in str(error.value)
    assert "model.ssd." in str(error.value)


# It is unknown which block is meant; the others are options that are not implemented, which `validate` is not asked of.
WITHOUT_EDITS = ("no matcher", "no similarity", "combined", "bipartite")


@pytest.mark.parametrize("name", [name for name in REFUSED if name not in WITHOUT_EDITS])
def test_an_errors_edits_fix_it(name):
    config = REFUSED[name][0]
    errors = errors_of(config)
    text = text_format.MessageToString(config)
    for error in errors:
        edits = [(field, value.replace("N", "2")) for field, value in error.edits]
        assert edits, error
        text = pipeline.set_fields(text, edits, name)
    assert errors
    assert errors_of(pipeline.parse(text, name)) == []


def test_everything_is_said_at_once():
    config = changed(NMS % "soft_nms_sigma: -1", "num_classes: 0")
    assert [error.path.rpartition(".")[2] for error in errors_of(config)] == ["num_classes", "soft_nms_sigma"]


BUILDABLE = {
    "base": CASE.config,
    "multiples of 32": resizer("fixed_shape_resizer { height: 160 width: 352 }"),
    "padded": changed(
        "image_resizer { fixed_shape_resizer { height: 130 width: 333 } } feature_extractor { pad_to_multiple: 32 }"
    ),
    "padded long side": resizer(
        "keep_aspect_ratio_resizer { min_dimension: 9 max_dimension: 160 pad_to_max_dimension: true }"
    ),
    "padded any size": changed(
        "image_resizer { keep_aspect_ratio_resizer { min_dimension: 160 max_dimension: 320 } }"
        "feature_extractor { pad_to_multiple: 64 }",
        clear=("image_resizer",),
    ),
    "multiples of its own": resizer("pad_to_multiple_resizer { multiple: 96 }"),
    "static, hard, partitioned, on the CPU": changed(
        NMS % "use_static_shapes: true use_hard_nms: true use_partitioned_nms: true use_cpu_nms: true"
    ),
    "two classes, of which NMS by class knows nothing": changed(NMS % "max_classes_per_detection: 2"),
    "square": changed("box_coder { square_box_coder { } }", PREDICTOR % "box_code_size: 3"),
}


@pytest.mark.parametrize("name", BUILDABLE)
def test_what_can_be_built_is_not_refused(name):
    assert errors_of(BUILDABLE[name]) == []


def test_asking_takes_no_tensorflow():
    code = (
        "import sys; from odtk import pipeline; from odtk.detectors import families\n"
        "model = pipeline.read('ssd_resnet50_v1_fpn_640x640_pets').model; family = families.of(model)\n"
        "family.require_buildable(model), family.input_size(model), family.fixed_sides(model)\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.fixture(scope="module")
def detector():
    return build_detector(CASE.config)


class TestSizesAtRunTime:
    @pytest.mark.parametrize("size", [(128, 160), (160, 170)])
    def test_known_sizes_are_refused_when_the_graph_is_built(self, detector, size):
        with pytest.raises(ConfigError, match=rf"at least 129.*multiples of 32.*{size[0]}x{size[1]}"):
            detector.predict(tf.zeros([1, *size, 3]), None)

    def test_unknown_sizes_are_refused_when_it_runs(self, detector):
        graph = tf.function(
            lambda images: detector.predict(images, None)["box_encodings"],
            input_signature=[tf.TensorSpec([1, None, None, 3])],
        )
        assert graph(tf.zeros([1, 160, 192, 3])).shape[2] == 4
        for size in [(128, 160), (160, 170)]:
            with pytest.raises(tf.errors.InvalidArgumentError, match="Sides of at least 129, and multiples of 32"):
                graph(tf.zeros([1, *size, 3]))


class TestBackground:
    CLASSES = np.int32([[0, 2, -1]])

    @pytest.mark.parametrize(
        ("background", "expected"),
        [
            (Background(), [[0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]),
            (Background(as_zeros=False), [[0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0]]),
            (Background(added=False), [[1, 0, 0], [0, 0, 1], [0, 0, 0]]),
            (Background(added=False, as_zeros=False), [[1, 0, 0], [0, 0, 1], [1, 0, 0]]),
        ],
    )
    def test_targets(self, background, expected):
        np.testing.assert_array_equal(background.one_hot(self.CLASSES, 3), [expected])
        assert background.columns(3) == len(expected[0])

    def test_columns_that_are_detected(self):
        scores = tf.constant([[[1.0, 2.0, 3.0]]])
        for background, columns in [
            (Background(), [2, 3]),
            (Background(added=False, explicit=True), [2, 3]),
            (Background(added=False), [1, 2, 3]),
        ]:
            assert background.without(scores).numpy().tolist() == [[columns]]


@pytest.fixture
def losses_of(detector, predictions):
    """The losses of the made-up predictions where this is merged into the config."""
    before = detector.training_params

    def losses(text: str) -> dict[str, float]:
        detector.training_params = build_training(changed(text).model.ssd)
        losses = detector.losses(predictions, CASE.groundtruth(), None)
        return {tag.split("/")[1]: float(loss) for tag, loss in losses.items()}

    yield losses
    detector.training_params = before


@pytest.fixture(scope="module")
def predictions(detector):
    anchors = detector.anchors_of(
        tf.zeros([1, 160, 160, 3]), [tf.zeros([1, side, side, 1]) for side in (20, 10, 5, 3, 2)]
    )
    rng = np.random.default_rng(0)
    return {
        "anchors": anchors,
        "box_encodings": tf.constant(rng.normal(0, 1, [2, len(anchors), 4]), tf.float32),
        "class_logits": tf.constant(rng.normal(-4, 1, [2, len(anchors), 4]), tf.float32),
    }


SIGMOID = "loss { classification_loss { weighted_sigmoid { } } %s }"


class TestLosses:
    def test_mining_by_another_loss_keeps_other_anchors(self, losses_of):
        whole = losses_of(SIGMOID % "")
        mined = {
            by: losses_of(SIGMOID % f"hard_example_miner {{ loss_type: {by} num_hard_examples: 20 }}")
            for by in ("CLASSIFICATION", "LOCALIZATION", "BOTH")
        }
        assert all(0 < losses["classification_loss"] < whole["classification_loss"] for losses in mined.values())
        assert mined["CLASSIFICATION"]["classification_loss"] > mined["LOCALIZATION"]["classification_loss"]
        assert mined["LOCALIZATION"]["localization_loss"] > mined["CLASSIFICATION"]["localization_loss"]
        assert len({losses["classification_loss"] for losses in mined.values()}) == 3

    def test_both_weighs_the_losses_as_their_sum_does(self, losses_of):
        miner = "hard_example_miner { loss_type: %s num_hard_examples: 20 } localization_weight: 1e-9"
        both, by_class = (losses_of(SIGMOID % (miner % by)) for by in ("BOTH", "CLASSIFICATION"))
        assert both["classification_loss"] == pytest.approx(by_class["classification_loss"], rel=1e-5)

    def test_mining_everything_changes_nothing(self, losses_of):
        whole = losses_of(SIGMOID % "")
        mined = losses_of(SIGMOID % "hard_example_miner { num_hard_examples: 0 iou_threshold: 1 }")
        assert mined == pytest.approx(whole, rel=1e-5)

    def test_sampling_keeps_the_positives_and_few_negatives(self, losses_of):
        whole = losses_of(SIGMOID % "")
        sampled = losses_of(SIGMOID % "random_example_sampler { positive_sample_fraction: 0.5 }")
        alone = losses_of(SIGMOID % "random_example_sampler { positive_sample_fraction: 1 }")
        assert sampled["localization_loss"] == pytest.approx(whole["localization_loss"], rel=1e-6)
        assert 0 < alone["classification_loss"] < sampled["classification_loss"] < whole["classification_loss"]

    def test_overlap_losses_look_at_matched_encodings_only(self, losses_of):
        for kind, most in (("weighted_iou", 1), ("weighted_giou", 2)):
            text = f"loss {{ localization_loss {{ {kind} {{ }} }} }} normalize_loc_loss_by_codesize: false"
            assert 0 < losses_of(text)["localization_loss"] <= most, kind

    def test_thresholded_iou_is_another_matching(self, detector, losses_of, predictions):
        strict = "similarity_calculator { thresholded_iou_similarity { iou_threshold: 0.9 } }"
        loose = "similarity_calculator { thresholded_iou_similarity { iou_threshold: 0.5 } }"
        anchors, groundtruth = predictions["anchors"], CASE.groundtruth()
        count = {}
        for text in (strict, loose, ""):
            losses_of(text)
            count[text] = int(tf.reduce_sum(detector.assign_targets(anchors, groundtruth).box_weights))
        # At 0.5 it is as good as IoU. At 0.9 all anchors are alike, so all boxes of an image force the first of them.
        assert count[strict] == 2
        assert count[loose] == count[""] > 7


def test_the_predictor_reads_its_options():
    ssd = changed(
        "box_coder { square_box_coder { } } add_background_class: false",
        PREDICTOR % "box_code_size: 3 use_depthwise: true apply_conv_hyperparams_to_heads: true",
    ).model.ssd
    predictor = ssd.box_predictor.weight_shared_convolutional_box_predictor
    heads = build_shared_heads(predictor, channels=(8,) * 5, anchors_per_location=6, num_outputs=3)
    assert heads.box_code_size == 3
    assert heads.box_conv.filters == 18
    assert heads.box_conv.pointwise_regularizer is not None
    assert heads.box_tower.convs[0].pointwise_regularizer is None
