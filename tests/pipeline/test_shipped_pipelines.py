"""The shipped configs: what they mean, and that nothing of this machine is in them."""

import re
from pathlib import Path

import pytest

from odtk import pipeline, resources
from odtk.tools.shipped_pipelines import shipped_pipelines

GOLDEN = Path(__file__).parents[1] / "golden"
ZOO = Path(__file__).parents[2] / "../shared/reference/tfod2_configs"
SEED = Path(__file__).parents[2] / "../shared/reference/seed_pipeline.config"
PATHS = re.compile(r"label_map_path|input_path\[\d\]|fine_tune_checkpoint$")


def values_of(name_or_path, but_for: str = "(?!)") -> dict:
    """Every value that is set; those whose path matches `but_for` as None."""
    values = dict(pipeline.walk(pipeline.read(name_or_path)))
    return {path: None if PATHS.search(path) or re.search(but_for, path) else value for path, value in values.items()}


@pytest.mark.parametrize("depth", [50, 101, 152])
@pytest.mark.skipif(not SEED.is_file(), reason="the seed config is not on this machine")
def test_the_pets_configs_have_the_walk_throughs_values(depth):
    name = f"ssd_resnet{depth}_v1_fpn_640x640_pets"
    extractor = "model.ssd.feature_extractor.type"
    assert values_of(name, extractor) == values_of(SEED, extractor)
    assert pipeline.get_field(pipeline.read(name), extractor) == f"ssd_resnet{depth}_v1_fpn_keras"


def test_the_pets_config_is_the_goldens_at_another_size():
    """The golden's training options were made short for its 5 steps; its model is the pets config's."""
    but_for = r"fixed_shape_resizer|^train_config|num_epochs"
    ours, golden = (
        values_of(path, but_for) for path in ("ssd_resnet50_v1_fpn_640x640_pets", GOLDEN / "ssd_resnet50_320.config")
    )
    assert {k: v for k, v in ours.items() if k.startswith("model.")} == {
        k: v for k, v in golden.items() if k.startswith("model.")
    }


@pytest.mark.parametrize("name", ["fpnlite_320x320", "fpnlite_640x640", "320x320"])
@pytest.mark.skipif(not ZOO.is_dir(), reason="the zoo's configs are not on this machine")
def test_the_mobilenets_have_the_zoos_model_and_the_walk_throughs_training(name):
    ours = values_of(f"ssd_mobilenet_v2_{name}_pets")
    zoo = values_of(ZOO / f"ssd_mobilenet_v2_{name}_coco17_tpu-8.config")
    walk_through = values_of("ssd_resnet50_v1_fpn_640x640_pets")
    model = {path: value for path, value in zoo.items() if path.startswith("model.")}
    training = {path: value for path, value in walk_through.items() if not path.startswith("model.")}
    assert ours == model | training | {"model.ssd.num_classes": 37}


@pytest.mark.skipif(not ZOO.is_dir(), reason="the zoo's configs are not on this machine")
def test_the_efficientdet_has_the_zoos_model_and_augmentation():
    name, zoo_name = "ssd_efficientdet_d0_512x512_pets", "ssd_efficientdet_d0_512x512_coco17_tpu-8.config"
    of_training = r"^(train|eval)_(config|input_reader)(?!.*data_augmentation)"
    ours, zoo = (values_of(path, of_training) for path in (name, ZOO / zoo_name))
    ours, zoo = ({path: value for path, value in each.items() if value is not None} for each in (ours, zoo))
    assert ours == zoo | {"model.ssd.num_classes": 37}
    # The zoo's rate for its batch of 128.
    rate = "train_config.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate.learning_rate_base"
    assert pipeline.get_field(pipeline.read(name), rate) == pytest.approx(0.08 * 16 / 128)


@pytest.mark.skipif(not ZOO.is_dir(), reason="the zoo's configs are not on this machine")
def test_the_centernet_has_the_zoos_tasks_and_augmentation():
    name, zoo_name = "centernet_resnet50_v1_fpn_512x512_pets", "centernet_resnet101_v1_fpn_512x512_coco17_tpu-8.config"
    of_training = r"^(train|eval)_(config|input_reader)(?!.*data_augmentation)"
    ours, zoo = (values_of(path, of_training) for path in (name, ZOO / zoo_name))
    ours, zoo = ({path: value for path, value in each.items() if value is not None} for each in (ours, zoo))
    # That of the larger network; the one for this network is in no repository.
    own = {"model.center_net.num_classes": 37, "model.center_net.feature_extractor.type": "resnet_v1_50_fpn"}
    assert ours == zoo | own
    # The zoo's rate for its batch of 128.
    rate = "train_config.optimizer.adam_optimizer.learning_rate.cosine_decay_learning_rate.learning_rate_base"
    assert pipeline.get_field(pipeline.read(name), rate) == pytest.approx(0.001 * 16 / 128)


def test_the_small_centernet_starts_from_scratch():
    small = pipeline.read("centernet_small")
    cosine = "train_config.optimizer.adam_optimizer.learning_rate.cosine_decay_learning_rate"
    expected = {
        "model.center_net.num_classes": 1,
        "model.center_net.feature_extractor.type": "hourglass_10",
        "model.center_net.image_resizer.fixed_shape_resizer.height": 128,
        "model.center_net.image_resizer.fixed_shape_resizer.width": 128,
        "train_config.batch_size": 8,
        "train_config.num_steps": 600,
        f"{cosine}.learning_rate_base": 0.001,
        f"{cosine}.total_steps": 600,
    }
    assert {path: pipeline.get_field(small, path) for path in expected} == pytest.approx(expected)
    assert not pipeline.is_set(small, "train_config.fine_tune_checkpoint")


def test_the_faster_rcnn_has_the_zoos_model_and_training():
    readers = r"input_reader|eval_config|fine_tune_checkpoint_type|use_bfloat16"
    name, zoo_name = "faster_rcnn_resnet50_v1_640x640_pets", "faster_rcnn_resnet50_v1_640x640_coco17_tpu-8.config"
    ours, zoo = (values_of(path, readers) for path in (name, ZOO / zoo_name))
    ours, zoo = ({path: value for path, value in each.items() if value is not None} for each in (ours, zoo))
    assert ours == zoo | {"model.faster_rcnn.num_classes": 37}


def test_the_small_faster_rcnn_starts_from_scratch():
    small = pipeline.read("faster_rcnn_resnet50_fpn_small")
    extractor = small.model.faster_rcnn.feature_extractor
    cosine = small.train_config.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate
    assert extractor.batch_norm_trainable
    assert extractor.conv_hyperparams.batch_norm.decay == pytest.approx(0.9)
    assert cosine.total_steps == small.train_config.num_steps
    assert not small.train_config.fine_tune_checkpoint


def test_the_siblings_differ_in_their_depth_only():
    texts = {
        re.sub(r"(resnet|ResNet-)(50|101|152)", "DEPTH", pipeline.read_text(f"ssd_resnet{depth}_v1_fpn_640x640_pets"))
        for depth in (50, 101, 152)
    }
    texts = {re.sub(r"# (Speed|Weights): .*", "", text) for text in texts}
    assert len(texts) == 1


def test_the_small_one_starts_from_scratch():
    small = pipeline.read("ssd_resnet50_v1_fpn_small")
    cosine = "train_config.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate"
    head = "model.ssd.box_predictor.weight_shared_convolutional_box_predictor"
    expected = {
        "model.ssd.num_classes": 1,
        "model.ssd.image_resizer.fixed_shape_resizer.height": 160,
        "model.ssd.image_resizer.fixed_shape_resizer.width": 160,
        "model.ssd.feature_extractor.depth_multiplier": 0.25,
        "model.ssd.feature_extractor.min_depth": 16,
        "model.ssd.feature_extractor.conv_hyperparams.batch_norm.decay": 0.9,
        f"{head}.conv_hyperparams.batch_norm.decay": 0.9,
        f"{head}.depth": 64,
        f"{head}.num_layers_before_predictor": 2,
        f"{head}.class_prediction_bias_init": -3,
        "model.ssd.post_processing.batch_non_max_suppression.max_total_detections": 100,
        "train_config.batch_size": 8,
        "train_config.num_steps": 600,
        "train_config.gradient_clipping_by_norm": 10,
        f"{cosine}.learning_rate_base": 0.02,
        f"{cosine}.total_steps": 600,
        "train_config.optimizer.momentum_optimizer.momentum_optimizer_value": 0.9,
    }
    assert {path: pipeline.get_field(small, path) for path in expected} == pytest.approx(expected)
    assert pipeline.get_field(small, f"{cosine}.warmup_steps") <= 60
    assert not pipeline.is_set(small, "train_config.fine_tune_checkpoint")
    assert [option.WhichOneof("preprocessing_step") for option in small.train_config.data_augmentation_options] == [
        "random_horizontal_flip"
    ]


def test_the_small_efficientdet_starts_from_scratch():
    small = pipeline.read("efficientdet_small")
    extractor, cosine = "model.ssd.feature_extractor", "train_config.optimizer.adam_optimizer.learning_rate"
    expected = {
        "model.ssd.num_classes": 1,
        "model.ssd.add_background_class": False,
        "model.ssd.image_resizer.fixed_shape_resizer.height": 192,
        "model.ssd.image_resizer.fixed_shape_resizer.width": 192,
        f"{extractor}.type": "ssd_efficientnet-b0_bifpn_keras",
        f"{extractor}.bifpn.max_level": 6,
        f"{extractor}.conv_hyperparams.batch_norm.decay": 0.9,
        "train_config.batch_size": 8,
        f"{cosine}.cosine_decay_learning_rate.total_steps": small.train_config.num_steps,
    }
    assert {path: pipeline.get_field(small, path) for path in expected} == {
        path: pytest.approx(value) for path, value in expected.items()
    }
    assert not pipeline.is_set(small, "train_config.fine_tune_checkpoint")


def test_the_small_one_is_found_by_the_name_that_it_had():
    assert pipeline.find("ssd_resnet50_v1_fpn_demo.config") == pipeline.find("ssd_resnet50_v1_fpn_small")


# Building takes seconds; the small ones have each family's count.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name.endswith("_small") else pytest.mark.slow)
        for name in resources.shipped_files("pipelines", ".config")
    ],
)
def test_the_head_says_how_many_weights_the_detector_has(name):
    from odtk.detectors.build import build_detector

    (listed,) = (each for each in shipped_pipelines() if each.name == name)
    variables = build_detector(pipeline.read(name)).trainable_variables
    assert listed.million_weights == round(sum(variable.shape.num_elements() for variable in variables) / 1e6, 1)


@pytest.mark.parametrize("name", resources.shipped_files("pipelines", ".config"))
def test_every_path_is_a_placeholder_as_in_tfods_samples(name):
    paths = {path: value for path, value in pipeline.walk(pipeline.read(name)) if PATHS.search(path)}
    assert len(paths) >= 4
    assert all(value.startswith("PATH_TO_BE_CONFIGURED/") for value in paths.values())


def test_the_list_says_how_fast_each_is_or_that_it_is_not_known():
    speeds = {each.name: each.speed for each in shipped_pipelines()}
    assert not [name for name, speed in speeds.items() if not re.search(r"\d|not measured", speed)]
