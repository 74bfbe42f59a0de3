"""What the SSD families have in common: they differ in their feature extractors, and in nothing else."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from typing import TYPE_CHECKING

from odtk.detectors.family import Family
from odtk.detectors.parts import anchor_validation, head_validation, image_validation, validation
from odtk.detectors.parts.anchor_grid import AnchorGrid, AnchorMatching
from odtk.detectors.parts.anchor_shapes import flexible_shapes_of, shapes_of
from odtk.detectors.parts.input_size import InputSize
from odtk.findings import ERROR, NOTE, Finding
from odtk.protos import model_pb2, ssd_pb2

if TYPE_CHECKING:
    from odtk.detectors.ssd.detector import SsdDetector
    from odtk.detectors.ssd.extractor import FeatureExtractor

# Required blocks: path below model.ssd, oneof.
_REQUIRED = (
    ("box_coder", "box_coder_oneof"),
    ("matcher", "matcher_oneof"),
    ("similarity_calculator", "region_similarity"),
    ("box_predictor", "box_predictor_oneof"),
    ("anchor_generator", "anchor_generator_oneof"),
    ("loss.localization_loss", "localization_loss"),
    ("loss.classification_loss", "classification_loss"),
)

_SHARED_HEADS = "box_predictor.weight_shared_convolutional_box_predictor"
_MAP_HEADS = "box_predictor.convolutional_box_predictor"
_MULTISCALE = "anchor_generator.multiscale_anchor_generator"
_SSD_ANCHORS = "anchor_generator.ssd_anchor_generator"
_FLEXIBLE = "anchor_generator.flexible_grid_anchor_generator"
_NMS = "post_processing.batch_non_max_suppression"


class SsdFamily(Family):
    """Subclasses define the feature extractor, the levels of its maps and the images that it accepts."""

    kind = "ssd"
    batch_norm_switch = "freeze_batchnorm"
    variable_fields = (
        *Family.variable_fields,
        "feature_extractor.depth_multiplier",
        "feature_extractor.fpn.min_level",
        "feature_extractor.fpn.max_level",
        *(f"{_SHARED_HEADS}.{name}" for name in ("depth", "num_layers_before_predictor", "kernel_size")),
        *(f"{_SHARED_HEADS}.{name}" for name in ("share_prediction_tower", "use_depthwise")),
        *(f"{_MAP_HEADS}.{name}" for name in ("kernel_size", "use_depthwise")),
        f"{_MULTISCALE}.scales_per_octave",
    )

    @abc.abstractmethod
    def levels(self, ssd: ssd_pb2.Ssd) -> tuple[int, int]:
        """The finest and the coarsest level of its feature maps; level n has stride 2 ** n."""

    @abc.abstractmethod
    def build_extractor(self, ssd: ssd_pb2.Ssd) -> FeatureExtractor:
        """Backbone and pyramid. Imports TensorFlow."""

    @abc.abstractmethod
    def validate_extractor(self, ssd: ssd_pb2.Ssd) -> Iterator[Finding]:
        """The findings about the fields of the feature extractor, except those about image sizes."""

    def validate(self, model: model_pb2.DetectionModel) -> list[Finding]:
        """See `Family`."""
        ssd, path = model.ssd, self.path
        return [
            *validation.number_of_classes(ssd.num_classes, self.num_classes_field),
            *validation.empty_blocks(ssd, path, _REQUIRED),
            *self._images(model),
            *self.validate_extractor(ssd),
            *self._anchors(ssd),
            *self._heads(ssd),
            *validation.losses(ssd.loss, f"{path}.loss"),
            *self._background(ssd),
            *self._matching(ssd),
            *self._detections(ssd),
        ]

    def _images(self, model: model_pb2.DetectionModel) -> Iterator[Finding]:
        resizer, field, extractor = model.ssd.image_resizer, self.image_resizer_field, f"{self.path}.feature_extractor"
        if resizer.WhichOneof("image_resizer_oneof") is None:
            yield image_validation.no_resizer(field, self.input_size(model).usable_side(self.usual_side))
            return
        found = list(image_validation.image_resizer(resizer, field))
        yield from found
        if any(finding.severity == ERROR for finding in found):
            return
        stride = 2 ** self.levels(model.ssd)[1]
        found = list(
            image_validation.image_sides(resizer, field, self.input_size(model), stride, f"{extractor}.pad_to_multiple")
        )
        yield from found
        if not found and model.ssd.anchor_generator.HasField("multiscale_anchor_generator"):
            yield from image_validation.moved_anchors(resizer, field, stride)

    def _anchors(self, ssd: ssd_pb2.Ssd) -> Iterator[Finding]:
        generator, (finest, coarsest) = ssd.anchor_generator, self.levels(ssd)
        if generator.HasField("multiscale_anchor_generator"):
            grid, path = generator.multiscale_anchor_generator, f"{self.path}.{_MULTISCALE}"
            yield from anchor_validation.multiscale_anchors(grid, path, finest, coarsest)
        elif generator.HasField("ssd_anchor_generator"):
            path, num_maps = f"{self.path}.{_SSD_ANCHORS}", coarsest - finest + 1
            yield from anchor_validation.ssd_anchors(generator.ssd_anchor_generator, path, num_maps)
        elif generator.HasField("flexible_grid_anchor_generator"):
            grids, path = generator.flexible_grid_anchor_generator, f"{self.path}.{_FLEXIBLE}"
            shared = ssd.box_predictor.HasField("weight_shared_convolutional_box_predictor")
            yield from anchor_validation.flexible_anchors(grids, path, finest, coarsest, shared)

    def _heads(self, ssd: ssd_pb2.Ssd) -> Iterator[Finding]:
        predictor, code_size = ssd.box_predictor, 3 if ssd.box_coder.HasField("square_box_coder") else 4
        if predictor.HasField("convolutional_box_predictor"):
            of_maps, path = predictor.convolutional_box_predictor, f"{self.path}.{_MAP_HEADS}"
            yield from head_validation.map_heads(of_maps, path, code_size)
        elif predictor.HasField("weight_shared_convolutional_box_predictor"):
            shared, path = predictor.weight_shared_convolutional_box_predictor, f"{self.path}.{_SHARED_HEADS}"
            yield from head_validation.shared_heads(shared, path, code_size)
            if shared.score_converter == shared.SIGMOID:
                yield head_validation.sigmoids_in_exports(path, f"{self.path}.post_processing")
            if ssd.anchor_generator.HasField("ssd_anchor_generator"):
                grid, path = ssd.anchor_generator.ssd_anchor_generator, f"{self.path}.{_SSD_ANCHORS}"
                yield from anchor_validation.alike_on_all_maps(grid, path)

    def _background(self, ssd: ssd_pb2.Ssd) -> Iterator[Finding]:
        field = f"{self.path}.explicit_background_class"
        if ssd.explicit_background_class and ssd.add_background_class:
            text = "is true, and so is add_background_class (its default): two backgrounds. TFOD refuses that."
            yield validation.error(field, text, (field, "false"))
        elif ssd.explicit_background_class:
            text = "makes the label map's first class the background; detections are numbered from its second."
            yield validation.warning(field, text, (field, "false"))
        yield from self._confidences(ssd)

    def _confidences(self, ssd: ssd_pb2.Ssd) -> Iterator[Finding]:
        field, weight = f"{self.path}.use_confidences_as_targets", f"{self.path}.implicit_example_weight"
        if ssd.use_confidences_as_targets and not ssd.add_background_class:
            text = "is true, which takes add_background_class (it is false); TFOD fails without."
            yield validation.error(field, text, (field, "false"))
        if not ssd.use_confidences_as_targets and ssd.implicit_example_weight != 1:
            text = "has no effect, as TFOD reads it with use_confidences_as_targets only."
            yield Finding(NOTE, text, weight)

    def _matching(self, ssd: ssd_pb2.Ssd) -> Iterator[Finding]:
        kind = ssd.similarity_calculator.WhichOneof("region_similarity")
        if kind == "thresholded_iou_similarity" and not ssd.add_background_class:
            field = f"{self.path}.similarity_calculator"
            text = "does not go with add_background_class: false, where TFOD rates the boxes of the first class 0."
            yield validation.error(f"{field}.{kind}", text, (f"{field}.iou_similarity", "{}"))
        if ssd.matcher.HasField("argmax_matcher"):
            yield from validation.argmax_matcher(ssd.matcher.argmax_matcher, f"{self.path}.matcher.argmax_matcher")

    def _detections(self, ssd: ssd_pb2.Ssd) -> Iterator[Finding]:
        path, losses = f"{self.path}.post_processing", ssd.loss.classification_loss
        loss = losses.WhichOneof("classification_loss")
        if losses.weighted_dice_classification_loss.is_prediction_probability:
            loss = None  # its predictions are scores
        yield from validation.suppression(ssd.post_processing.batch_non_max_suppression, f"{self.path}.{_NMS}")
        yield from validation.score_converter(ssd.post_processing, path, loss)
        yield from validation.calibration(ssd.post_processing, path)

    def build(self, model: model_pb2.DetectionModel) -> SsdDetector:
        """See `Family`."""
        from odtk.detectors.ssd.build import build_ssd

        return build_ssd(model.ssd, self.build_extractor(model.ssd), self.input_size(model), self.levels(model.ssd)[0])

    def anchor_matching(self, model: model_pb2.DetectionModel) -> AnchorMatching:
        """See `Family`."""
        from odtk.detectors.ssd.anchor_grid import anchor_matching

        return anchor_matching(model.ssd)

    def anchor_grid(self, model: model_pb2.DetectionModel, image_size: tuple[int, int]) -> AnchorGrid:
        """See `Family`."""
        from odtk.detectors.ssd.anchor_grid import anchor_grid

        padded_side = self.input_size(model).padded_side
        padded = padded_side(image_size[0]), padded_side(image_size[1])
        return anchor_grid(model.ssd, image_size, padded, self.levels(model.ssd))

    def anchor_sizes(
        self, model: model_pb2.DetectionModel, image_size: tuple[int, int] | None = None
    ) -> list[tuple[float, float]]:
        """See `Family`. Those of an ssd_anchor_generator grow with the image; none if its size is not known."""
        generator = model.ssd.anchor_generator
        if generator.HasField("multiscale_anchor_generator"):
            return _multiscale_sizes(generator.multiscale_anchor_generator, *self.levels(model.ssd))
        if generator.HasField("flexible_grid_anchor_generator"):
            maps = flexible_shapes_of(generator.flexible_grid_anchor_generator)
            return [(side / ratio**0.5, side * ratio**0.5) for shapes in maps for side, ratio in shapes]
        sides, grid = image_size or self.fixed_sides(model).values(), generator.ssd_anchor_generator
        short = min(sides, default=0)
        return [
            (scale / ratio**0.5 * short * grid.base_anchor_height, scale * ratio**0.5 * short * grid.base_anchor_width)
            for shapes in (shapes_of(grid) if sides else [])
            for scale, ratio in shapes
        ]

    def _padded_to(
        self, model: model_pb2.DetectionModel, least_side: int, side_multiple: int = 1, finest_stride: int = 1
    ) -> InputSize:
        padding = max(model.ssd.feature_extractor.pad_to_multiple, 1)
        return InputSize(padding, least_side, side_multiple, finest_stride)


def _multiscale_sizes(grid, first: int, last: int) -> list[tuple[float, float]]:
    sides = [
        2 ** (level + octave / grid.scales_per_octave) * grid.anchor_scale
        for level in range(first, last + 1)
        for octave in range(grid.scales_per_octave)
    ]
    return [(side / ratio**0.5, side * ratio**0.5) for side in sides for ratio in grid.aspect_ratios]
