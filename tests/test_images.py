"""Resizing against TFOD's own results, and decoding of what people call .jpg."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from PIL import Image

from odtk import images
from odtk.detectors.parts.input_size import output_size
from odtk.detectors.parts.resizer import build_resizer
from odtk.errors import ConfigError
from odtk.layers import mobilenet, resnet_v1
from odtk.protos import image_resizer_pb2

GOLDEN = Path(__file__).parent / "golden"
RESIZERS = json.loads((GOLDEN / "resize.json").read_text())
ARRAYS = np.load(GOLDEN / "resize.npz")


def parse(text):
    return text_format.Parse(text, image_resizer_pb2.ImageResizer())


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("dtype", [tf.uint8, tf.float32])
@pytest.mark.parametrize("name", RESIZERS)
@pytest.mark.parity(what="four resizers", against="resize.json, resize.npz", tolerance="1e-3")
def test_resizers_are_tfods(name, dtype):
    message = parse(RESIZERS[name]["config"])
    resized, true_shape = build_resizer(message)(tf.cast(ARRAYS["resize_input"], dtype))
    np.testing.assert_allclose(resized, ARRAYS[name], atol=1e-3)
    assert true_shape.numpy().tolist() == RESIZERS[name]["true_shape"]
    if output_size(message):
        assert output_size(message) == tuple(RESIZERS[name]["out_shape"][:2])


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        ("fixed_shape_resizer { height: 32 width: 48 }", [32, 48, 3]),
        ("keep_aspect_ratio_resizer { min_dimension: 20 max_dimension: 40 pad_to_max_dimension: true }", [40, 40, 3]),
        ("keep_aspect_ratio_resizer { min_dimension: 20 max_dimension: 40 }", [None, None, 3]),
        ("identity_resizer {}", [None, None, 3]),
        ("conditional_shape_resizer {}", [None, None, 3]),
        ("pad_to_multiple_resizer { multiple: 32 }", [None, None, 3]),
    ],
)
def test_sizes_known_beforehand_are_static(config, shape):
    message = parse(config)
    function = tf.function(build_resizer(message)).get_concrete_function(tf.TensorSpec([None, None, 3], tf.uint8))
    assert function.structured_outputs[0].shape.as_list() == shape
    assert output_size(message) == (tuple(shape[:2]) if shape[0] else None)


def test_padding_is_bottom_right_with_the_channels_values():
    config = """keep_aspect_ratio_resizer { min_dimension: 30 max_dimension: 40 pad_to_max_dimension: true
        per_channel_pad_value: 1 per_channel_pad_value: 2 per_channel_pad_value: 3 }"""
    resized, true_shape = build_resizer(parse(config))(tf.constant(noise(15, 20)))
    assert true_shape.numpy().tolist() == [30, 40, 3]
    np.testing.assert_array_equal(resized[30:], np.broadcast_to([1, 2, 3], (10, 40, 3)))
    np.testing.assert_array_equal(resized[:30:2, ::2], noise(15, 20))  # on the legacy grid even pixels are the input's


@pytest.mark.parametrize("backbone", [resnet_v1, mobilenet])
def test_preprocessing_turns_the_padding_into_the_channels_values(backbone):
    """TFOD's SSDs preprocess first, and pad then."""
    values = [0.5, -1.0, 20.0]
    fields = " ".join(f"per_channel_pad_value: {value}" for value in values)
    for config, size, expected in (
        (f"keep_aspect_ratio_resizer {{ min_dimension: 30 max_dimension: 40 pad_to_max_dimension: true {fields} }}",
         (15, 20), values),
        ("pad_to_multiple_resizer { multiple: 40 }", (30, 40), [0, 0, 0]),
    ):  # fmt: skip
        image, _ = build_resizer(parse(config), backbone.color_of)(tf.constant(noise(*size)))
        padding = backbone.preprocess(image)[30:]
        np.testing.assert_allclose(padding, np.broadcast_to(expected, (10, 40, 3)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "size"),
    [
        ("conditional_shape_resizer { condition: GREATER size_threshold: 40 }", (30, 40)),
        ("conditional_shape_resizer { condition: GREATER size_threshold: 100 }", (60, 80)),
        ("conditional_shape_resizer { condition: SMALLER size_threshold: 90 }", (90, 120)),
        ("conditional_shape_resizer { condition: SMALLER size_threshold: 50 }", (60, 80)),
        ("identity_resizer {}", (60, 80)),
    ],
)
def test_sizes_that_depend_on_the_image(config, size):
    resized, true_shape = build_resizer(parse(config))(tf.constant(noise(60, 80)))
    assert resized.shape == (*size, 3)
    assert true_shape.numpy().tolist() == [*size, 3]
    corners = [0, 0, -1, -1], [0, -1, 0, -1]
    np.testing.assert_allclose(resized.numpy()[corners], noise(60, 80)[corners], atol=1e-3)  # aligned corners


def test_pad_to_multiple():
    padded, true_shape = build_resizer(parse("pad_to_multiple_resizer { multiple: 32 }"))(tf.constant(noise(60, 64)))
    assert padded.shape == (64, 64, 3)
    assert true_shape.numpy().tolist() == [60, 64, 3]
    np.testing.assert_array_equal(padded[:60], noise(60, 64))
    assert not padded[60:].numpy().any()


@pytest.mark.parametrize("method", images.METHODS)
def test_methods_halve_a_picture_on_the_legacy_grid(method):
    picture = noise(8, 12)
    halved = images.resize(tf.constant(picture), (4, 6), method).numpy()
    expected = picture.reshape(4, 2, 6, 2, 3).mean((1, 3)) if method == "area" else picture[::2, ::2]
    np.testing.assert_allclose(halved, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ("", "image_resizer is empty"),
        ("fixed_shape_resizer { height: 0 }", "fixed_shape_resizer.height is 0"),
        ("fixed_shape_resizer { convert_to_grayscale: true }", "convert_to_grayscale"),
        (
            "keep_aspect_ratio_resizer { min_dimension: 9 max_dimension: 8 }",
            "min_dimension is 9, above max_dimension 8",
        ),
        ("keep_aspect_ratio_resizer { per_channel_pad_value: 3 }", "per_channel_pad_value has 1"),
        ("conditional_shape_resizer { condition: INVALID }", "condition is INVALID"),
    ],
)
def test_resizers_that_cannot_be_built(config, word):
    with pytest.raises(ConfigError, match=word):
        build_resizer(parse(config))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "RGBA"])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP"])
def test_every_kind_of_picture_decodes_to_rgb(form, mode):
    if (form, mode) in {("JPEG", "RGBA"), ("PNG", "CMYK"), ("GIF", "CMYK"), ("BMP", "CMYK"), ("GIF", "RGBA")}:
        pytest.skip("the format has no such mode")
    buffer = io.BytesIO()
    Image.new("RGB", (31, 17), (200, 60, 20)).convert(mode).save(buffer, form)
    decoded = images.decode(buffer.getvalue()).numpy()
    assert decoded.shape == (17, 31, 3)
    assert decoded.dtype == np.uint8
    expected = [99] * 3 if mode == "L" else [200, 60, 20]
    # CMYK without a color profile and GIF palettes are approximate.
    np.testing.assert_allclose(decoded.mean((0, 1)), expected, atol=4)


def test_what_is_no_picture_raises():
    with pytest.raises(tf.errors.InvalidArgumentError):
        images.decode(b"no picture")
