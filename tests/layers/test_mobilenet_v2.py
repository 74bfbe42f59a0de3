import pytest

from odtk.layers.mobilenet import BACKBONE_DEFAULTS
from odtk.layers.mobilenet_v2 import mobilenet_v2


def filters(model) -> dict[str, int]:
    return {layer.name: layer.filters for layer in model.layers if hasattr(layer, "filters")}


def test_where_min_depth_raised_the_channels_nothing_is_added():
    """A quarter of the paper's channels: blocks of 24 and 32 have 8, 64 has 16, 96 has 24, 160 has 40."""
    model = mobilenet_v2(BACKBONE_DEFAULTS, alpha=0.25, min_depth=32)
    assert [layer.name for layer in model.layers if layer.name.endswith("_add")] == ["block_14_add", "block_15_add"]
    widths = filters(model)
    assert widths["block_2_project"] == 32
    # Expansions are of the channels that there are, and are not raised themselves.
    assert widths["block_3_expand"] == 6 * 32
    assert model.outputs[0] is model.get_layer("block_2_project_BN").output


# The stem at 0.35: 11.2 channels, of which 8, though nearer, would be less than nine tenths.
@pytest.mark.parametrize(("alpha", "expected"), [(1.4, (48, 24, 32, 1280)), (0.35, (16, 8, 8, 448))])
def test_widths_are_multiples_of_8_and_the_top_is_never_wider_than_the_papers(alpha, expected):
    widths = filters(mobilenet_v2(BACKBONE_DEFAULTS, alpha=alpha))
    assert tuple(widths[name] for name in ("Conv1", "block_0_project", "block_1_project", "Conv_1")) == expected


def test_maps_within_a_block_can_be_had_and_the_model_ends_at_the_last():
    model = mobilenet_v2(BACKBONE_DEFAULTS, alpha=0.5, outputs=("block_5", "block_13_expand_relu"))
    assert [tuple(shape) for shape in model.compute_output_shape([None, 64, 64, 3])] == [
        (None, 8, 8, 16),
        (None, 4, 4, 288),
    ]
    assert model.layers[-1].name == "block_13_expand_relu"
