"""What the families of Faster R-CNN have in common. Only building imports TensorFlow."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from types import MappingProxyType
from typing import TYPE_CHECKING

from odtk.detectors.family import Family
from odtk.detectors.faster_rcnn import validation as own
from odtk.detectors.parts import image_validation, validation
from odtk.detectors.parts.anchor_grid import AnchorGrid, AnchorMatching
from odtk.findings import ERROR, Finding
from odtk.protos import faster_rcnn_pb2, model_pb2

if TYPE_CHECKING:
    from odtk.detectors.faster_rcnn.detector import FasterRcnnDetector
    from odtk.detectors.faster_rcnn.extractor import Extractor

_FEATURES = "model/_feature_extractor_for_proposal_features"
_HEADS = "second_stage_box_predictor.mask_rcnn_box_predictor"


class FasterRcnn(Family):
    """Subclasses define the feature extractor and the levels of its maps."""

    kind = "faster_rcnn"
    batch_norm_switch = "feature_extractor.batch_norm_trainable"
    batch_norm_switch_keeps = False
    checkpoint_marks = MappingProxyType({"detection": (_FEATURES,), "classification": ("feature_extractor/",)})
    variable_fields = (
        *Family.variable_fields,
        "number_of_stages",
        "first_stage_box_predictor_depth",
        "first_stage_box_predictor_kernel_size",
        f"{_HEADS}.share_box_across_classes",
    )

    @abc.abstractmethod
    def levels(self, model: faster_rcnn_pb2.FasterRcnn) -> tuple[int, int]:
        """The finest and the coarsest level of its maps; level n has stride 2 ** n."""

    @abc.abstractmethod
    def build_extractor(self, model: faster_rcnn_pb2.FasterRcnn) -> Extractor:
        """What computes features. Imports TensorFlow."""

    @abc.abstractmethod
    def validate_extractor(self, model: faster_rcnn_pb2.FasterRcnn) -> Iterator[Finding]:
        """The findings about the fields of the feature extractor."""

    def other_detector(self, model: model_pb2.DetectionModel) -> str:
        """See `Family`: Mask R-CNN and R-FCN are configured by the same message."""
        heads = model.faster_rcnn.second_stage_box_predictor
        if model.faster_rcnn.number_of_stages == 3 or heads.mask_rcnn_box_predictor.predict_instance_masks:
            return "is a Mask R-CNN, and odtk's models predict boxes"
        return "is an R-FCN, another detector" if heads.HasField("rfcn_box_predictor") else ""

    def validate(self, model: model_pb2.DetectionModel) -> list[Finding]:
        """See `Family`."""
        frcnn, path = model.faster_rcnn, self.path
        found = [
            *validation.number_of_classes(frcnn.num_classes, self.num_classes_field),
            *own.blocks(frcnn, path),
            *own.stages(frcnn, path),
            *self._images(frcnn),
            *self.validate_extractor(frcnn),
            *own.anchors(frcnn, path, self.levels(frcnn)),
            *own.numbers(frcnn, path),
            *own.sizes(frcnn, path),
            *own.first_stage(frcnn, path),
            *own.second_stage(frcnn, path),
            *self._detections(frcnn),
        ]
        if not any(finding.severity == ERROR for finding in found):
            found += own.anchors_inside(frcnn, path, self.anchor_sizes(model))
        return found

    def _images(self, frcnn: faster_rcnn_pb2.FasterRcnn) -> Iterator[Finding]:
        if frcnn.image_resizer.WhichOneof("image_resizer_oneof") is None:
            yield image_validation.no_resizer(self.image_resizer_field, self.usual_side)
        else:
            yield from image_validation.image_resizer(frcnn.image_resizer, self.image_resizer_field)

    def _detections(self, frcnn: faster_rcnn_pb2.FasterRcnn) -> Iterator[Finding]:
        path, processing = f"{self.path}.second_stage_post_processing", frcnn.second_stage_post_processing
        losses = frcnn.second_stage_classification_loss
        loss = losses.WhichOneof("classification_loss") or "weighted_softmax"
        yield from validation.suppression(processing.batch_non_max_suppression, f"{path}.batch_non_max_suppression")
        yield from validation.score_converter(processing, path, loss)
        yield from validation.calibration(processing, path)
        for name in ("weighted_softmax", "weighted_logits_softmax"):
            place = f"{self.path}.second_stage_classification_loss.{name}"
            yield from validation.logit_scale(getattr(losses, name), place)

    def build(self, model: model_pb2.DetectionModel) -> FasterRcnnDetector:
        """See `Family`."""
        from odtk.detectors.faster_rcnn.build import build_faster_rcnn

        return build_faster_rcnn(model.faster_rcnn, self.build_extractor(model.faster_rcnn))

    def anchor_matching(self, model: model_pb2.DetectionModel) -> AnchorMatching:
        """That of the first stage; see `Family`."""
        from odtk.detectors.faster_rcnn.anchors import anchor_matching

        return anchor_matching()

    def anchor_grid(self, model: model_pb2.DetectionModel, image_size: tuple[int, int]) -> AnchorGrid:
        """The anchors of the first stage; see `Family`."""
        from odtk.detectors.faster_rcnn.anchors import anchor_grid

        padded = [self.input_size(model).padded_side(side) for side in image_size]
        first, last = self.levels(model.faster_rcnn)
        maps = [(-(-padded[0] // 2**level), -(-padded[1] // 2**level)) for level in range(first, last + 1)]
        return anchor_grid(model.faster_rcnn, image_size, maps)

    def anchor_sizes(
        self, model: model_pb2.DetectionModel, image_size: tuple[int, int] | None = None
    ) -> list[tuple[float, float]]:
        """See `Family`; those of all images."""
        generator = model.faster_rcnn.first_stage_anchor_generator
        if generator.HasField("grid_anchor_generator"):
            grid = generator.grid_anchor_generator
            return [
                (scale * grid.height / ratio**0.5, scale * grid.width * ratio**0.5)
                for ratio in grid.aspect_ratios
                for scale in grid.scales
            ]
        scaled = generator.multiscale_anchor_generator
        sides = [
            2 ** (level + octave / scaled.scales_per_octave) * scaled.anchor_scale
            for level in range(scaled.min_level, scaled.max_level + 1)
            for octave in range(scaled.scales_per_octave)
        ]
        return [(side / ratio**0.5, side * ratio**0.5) for side in sides for ratio in scaled.aspect_ratios]
