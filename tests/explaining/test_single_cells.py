"""A coarsest level with one cell for the whole picture: it has scores, but no places to show."""

from types import SimpleNamespace

import pytest
import tensorflow as tf

from odtk.detectors.candidates import Level
from odtk.errors import OdtkError
from odtk.explaining.box_features import BoxFeatures
from odtk.explaining.gradient_maps import gradient_map
from odtk.explaining.map_frame import MapFrame
from odtk.tools.explain.single_picture import _layers

OUTPUTS = {"conv": tf.ones([1, 2, 2, 3]), "P5": tf.ones([1, 2, 2, 3]), "P6": tf.ones([1, 1, 1, 3])}


def run_of(level: str, touched: str) -> SimpleNamespace:
    def gradient(index, names):
        return {name: tf.ones_like(OUTPUTS[name]) * (name == touched) for name in names}

    return SimpleNamespace(
        outputs=OUTPUTS, levels=["P5", "P6"], level=lambda index: Level(level, 1, 1, 1), gradient=gradient,
        frame=MapFrame((8, 8), (8, 8), (8, 8)),
    )  # fmt: skip


def test_a_detection_from_one_cell_is_explained_by_the_map_before():
    assert gradient_map(run_of("P6", "conv"), 0).source == "conv"
    assert gradient_map(run_of("P5", "P5"), 0).source == "P5"


def test_its_features_are_left_out_unless_named():
    assert _layers(run_of("P6", "conv"), SimpleNamespace(layers=(), levels=())) == ["P5"]
    assert _layers(run_of("P6", "conv"), SimpleNamespace(layers=(), levels=(6,))) == ["P6"]


@pytest.mark.parametrize(
    ("layer", "text"), [(None, "The maps P4, P5, .* Name one of them, such as P4,"), ("a", "outputs of a have")]
)
def test_maps_with_other_channels_each_are_no_features_together(layer, text):
    features = BoxFeatures.__new__(BoxFeatures)
    features._layer, features._names = layer, ["P4", "P5"] if layer is None else ["a:0", "a:1"]
    with pytest.raises(OdtkError, match=text):
        features._check([tf.ones([1, 2, 2, 3]), tf.ones([1, 1, 1, 4])], ["a"])
