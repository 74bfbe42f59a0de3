"""The table of input types; what each does is tested where detectors are exported and loaded."""

import pytest

from odtk.exporting.signatures import INPUT_TYPES, input_type_of, input_types_in_words


@pytest.mark.parametrize("name", INPUT_TYPES)
def test_a_model_tells_its_input_type_by_dtype_and_operations(name):
    kind = INPUT_TYPES[name]
    assert input_type_of(kind.dtype, lambda: {"Cast", *list(kind.ops)[:1]}) is kind


def test_any_other_model_has_none():
    assert input_type_of("int64", lambda: {"ParseExampleV2"}) is None


def test_the_help_names_every_type_with_its_meaning():
    words = input_types_in_words()
    assert words.startswith("image_tensor (uint8, one image), float_image_tensor (a batch), ")
    assert words.endswith(" or tf_example (serialised tf.train.Examples)")
    assert all(name in words for name in INPUT_TYPES)
