"""The family of TFOD's ssd_efficientnet-b{0..7}_bifpn_keras, EfficientDet. Only building imports TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from odtk.detectors.parts.input_size import InputSize
from odtk.detectors.parts.validation import error, warning
from odtk.detectors.ssd.family import SsdFamily
from odtk.detectors.ssd.options import OF_OTHER_EXTRACTORS, SSD
from odtk.findings import NOTE, Finding
from odtk.pipeline.support import Fields
from odtk.protos import model_pb2, ssd_pb2

if TYPE_CHECKING:
    from odtk.detectors.ssd.extractor import FeatureExtractor

# The backbone's maps, of which the pyramid takes two or more.
_FINEST, _COARSEST = 1, 5
_LAST_FINEST = _COARSEST - 1
_USUAL_LEVELS = (3, 7)
# TFOD's feature extractor refuses smaller images; it checks before padding.
_LEAST_SIDE = 129

_COMBINE_METHODS = ("fast_attention", "weighted_sum", "attention", "sum")
# (num_iterations, num_filters, combine_method) of a config without `bifpn`, for B0 to B7.
_PYRAMIDS = (
    (3, 64, "fast_attention"),
    (4, 88, "fast_attention"),
    (5, 112, "fast_attention"),
    (6, 160, "fast_attention"),
    (7, 224, "fast_attention"),
    (7, 288, "fast_attention"),
    (8, 384, "sum"),
    (8, 384, "sum"),
)

# What Keras takes for a weight that is None.
_DECAY_WITHOUT_REGULARIZER = 0.01


class _Pyramid(NamedTuple):
    """The bidirectional pyramid's fields."""

    min_level: int
    max_level: int
    num_iterations: int
    num_filters: int
    combine_method: str


class EfficientDet(SsdFamily):
    """Levels up to 5 come from the backbone, whose width and depth the type says; there is at least one coarser one."""

    types = tuple(f"ssd_efficientnet-b{version}_bifpn_keras" for version in range(len(_PYRAMIDS)))
    usual_side = 512
    backbone_variables = "^model/_feature_extractor/(_efficientnet|classification_backbone)/"
    variable_fields = (
        *(name for name in SsdFamily.variable_fields if not re.search(r"\.(fpn|depth_multiplier)\b", name)),
        *(f"feature_extractor.bifpn.{name}" for name in _Pyramid._fields),
    )
    options = SSD | {
        "SsdFeatureExtractor": Fields(
            """type depth_multiplier min_depth conv_hyperparams override_base_feature_extractor_hyperparams
            pad_to_multiple use_explicit_padding use_depthwise bifpn""",
            refused={name: why for name, why in OF_OTHER_EXTRACTORS.items() if name != "bifpn"}
            | {
                "fpn": "TFOD's EfficientDet fails with it; its pyramid is set by `bifpn`",
                "num_layers": "TFOD's EfficientDet fails with it; bifpn.max_level sets the levels",
            },
        ),
        "BidirectionalFeaturePyramidNetworks": Fields(" ".join(_Pyramid._fields)),
    }

    def levels(self, ssd: ssd_pb2.Ssd) -> tuple[int, int]:
        """See `SsdFamily`; those of an invalid `bifpn` are as the edits of the findings would make them."""
        pyramid = _pyramid(ssd.feature_extractor)
        highest = pyramid.max_level if pyramid.max_level > _COARSEST else _USUAL_LEVELS[1]
        return _finest(pyramid.min_level), highest

    def input_size(self, model: model_pb2.DetectionModel) -> InputSize:
        """See `Family`."""
        finest, coarsest = self.levels(model.ssd)
        # Maps are upsampled by 2 from the coarsest to the finest.
        return self._padded_to(model, _LEAST_SIDE, 2**coarsest, finest_stride=2**finest)

    def validate_extractor(self, ssd: ssd_pb2.Ssd) -> Iterator[Finding]:
        """See `SsdFamily`."""
        extractor, path = ssd.feature_extractor, f"{self.path}.feature_extractor"
        yield from _check_refused_values(extractor, path)
        yield from _check_pyramid(_pyramid(extractor), f"{path}.bifpn", extractor.min_depth)
        yield from _check_decay(extractor, path)
        if ssd.freeze_batchnorm:
            text = (
                "is true, which keeps the batch norms of the pyramid and of the heads; the backbone's go on training, "
                "as in TFOD. `odtk train --freeze bn` keeps them, too."
            )
            yield Finding(NOTE, text, f"{self.path}.freeze_batchnorm")

    def build_extractor(self, ssd: ssd_pb2.Ssd) -> FeatureExtractor:
        """See `SsdFamily`."""
        from odtk.detectors.parts.hyperparams import build_conv_params
        from odtk.detectors.ssd.bifpn_paths import PARTS, bifpn_paths
        from odtk.detectors.ssd.extractor import FeatureExtractor
        from odtk.layers import efficientnet
        from odtk.layers.bifpn import BiFpn

        extractor, pyramid = ssd.feature_extractor, _pyramid(ssd.feature_extractor)
        params, from_backbone = build_conv_params(extractor.conv_hyperparams), _COARSEST - pyramid.min_level + 1
        decay = (
            _decay(extractor) if extractor.override_base_feature_extractor_hyperparams else efficientnet.WEIGHT_DECAY
        )
        levels = range(pyramid.min_level, _COARSEST + 1)
        return FeatureExtractor(
            backbone=efficientnet.EfficientNet(f"b{_version(extractor)}", levels, decay, name="backbone"),
            pyramid=BiFpn(
                params,
                depth=_depth(pyramid, extractor.min_depth),
                levels=(pyramid.min_level, pyramid.max_level),
                num_backbone_maps=from_backbone,
                iterations=pyramid.num_iterations,
                combine=pyramid.combine_method,
                name="pyramid",
            ),
            preprocess=efficientnet.preprocess,
            color_of=efficientnet.color_of,
            channels=(_depth(pyramid, extractor.min_depth),) * (pyramid.max_level - pyramid.min_level + 1),
            paths=bifpn_paths,
            parts=PARTS,
            backbone_always_trains=True,
            name="efficientdet",
        )


FAMILY = EfficientDet()


def _version(extractor: ssd_pb2.SsdFeatureExtractor) -> int:
    return int(re.findall(r"-b(\d)_", extractor.type)[0])


def _pyramid(extractor: ssd_pb2.SsdFeatureExtractor) -> _Pyramid:
    if not extractor.HasField("bifpn"):
        iterations, filters, combine = _PYRAMIDS[_version(extractor)]
        return _Pyramid(*_USUAL_LEVELS, iterations, filters, combine)
    return _Pyramid(*(getattr(extractor.bifpn, name) for name in _Pyramid._fields))


def _finest(min_level: int) -> int:
    """The nearest level at which a pyramid can begin."""
    return min(max(min_level, _FINEST), _LAST_FINEST)


def _depth(pyramid: _Pyramid, min_depth: int) -> int:
    return max(pyramid.num_filters, min_depth)


def _decay(extractor: ssd_pb2.SsdFeatureExtractor) -> float:
    """The factor of the sum of squares in the backbone's penalty, where the config's weight replaces its own.

    TFOD takes nothing but the weight: that of an L1 penalty becomes one of an L2 penalty.
    """
    regularizer = extractor.conv_hyperparams.regularizer
    match regularizer.WhichOneof("regularizer_oneof"):
        case "l1_regularizer":
            return regularizer.l1_regularizer.weight
        case "l2_regularizer":
            return 0.5 * regularizer.l2_regularizer.weight
    return _DECAY_WITHOUT_REGULARIZER


def _check_refused_values(extractor: ssd_pb2.SsdFeatureExtractor, path: str) -> Iterator[Finding]:
    if extractor.depth_multiplier != 1:
        field = f"{path}.depth_multiplier"
        text = f"is {extractor.depth_multiplier:g}; TFOD's EfficientDet takes 1 only. Its type sets the width."
        yield error(field, text, (field, 1.0))
    for name in ("use_explicit_padding", "use_depthwise"):
        if getattr(extractor, name):
            field = f"{path}.{name}"
            yield error(field, "is true, which TFOD refuses for EfficientDet.", (field, ""))


def _check_pyramid(pyramid: _Pyramid, path: str, min_depth: int) -> Iterator[Finding]:
    lowest = _finest(pyramid.min_level)
    if pyramid.min_level != lowest:
        text = (
            f"is {pyramid.min_level}; the backbone has maps of levels {_FINEST} to {_COARSEST}, and the pyramid takes "
            f"at least two of them, so it is at most {_LAST_FINEST}. TFOD fails with one."
        )
        yield error(f"{path}.min_level", text, (f"{path}.min_level", lowest))
    if pyramid.max_level <= _COARSEST:
        text = (
            f"is {pyramid.max_level}; the pyramid begins with a level beyond {_COARSEST}, the backbone's last. TFOD "
            "fails without one."
        )
        yield error(f"{path}.max_level", text, (f"{path}.max_level", _USUAL_LEVELS[1]))
    for name, value, usual in (
        ("num_iterations", pyramid.num_iterations, _PYRAMIDS[0][0]),
        ("num_filters", _depth(pyramid, min_depth), _PYRAMIDS[0][1]),
    ):
        if value < 1:
            yield error(f"{path}.{name}", f"is {value}; it must be at least 1.", (f"{path}.{name}", usual))
    if pyramid.combine_method not in _COMBINE_METHODS:
        text = f"is '{pyramid.combine_method}'; it is one of {', '.join(_COMBINE_METHODS)}."
        yield error(f"{path}.combine_method", text, (f"{path}.combine_method", ""))
    elif pyramid.combine_method == "attention":
        text = "is attention, which is a plain sum in TFOD and so in odtk: its weights are 1 and do not train."
        yield warning(f"{path}.combine_method", text, (f"{path}.combine_method", "fast_attention"))


def _check_decay(extractor: ssd_pb2.SsdFeatureExtractor, path: str) -> Iterator[Finding]:
    if not extractor.override_base_feature_extractor_hyperparams:
        return
    field = f"{path}.override_base_feature_extractor_hyperparams"
    match extractor.conv_hyperparams.regularizer.WhichOneof("regularizer_oneof"):
        case None:
            text = (
                f"is true, and conv_hyperparams have no regularizer: TFOD, and odtk with it, then penalizes the "
                f"backbone with {_DECAY_WITHOUT_REGULARIZER:g} times the sum of squares, far more than its own 5e-6."
            )
            yield warning(field, text, (field, "false"))
        case "l1_regularizer":
            text = (
                "is true, and conv_hyperparams have an l1_regularizer: TFOD, and odtk with it, takes its weight for "
                "the backbone's sum of squares."
            )
            yield warning(field, text, (field, "false"))
