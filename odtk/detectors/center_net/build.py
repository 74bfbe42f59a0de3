"""Builds a CenterNet from a config's `center_net` message and the feature extractor of its family."""

from odtk.detectors.center_net.detector import CENTER, OFFSET, SIZE, CenterNetDetector
from odtk.detectors.center_net.extractor import FeatureExtractor
from odtk.detectors.center_net.training import CenterNetTraining
from odtk.detectors.parts.input_size import InputSize, output_size
from odtk.detectors.parts.losses import build_classification_loss, build_localization_loss
from odtk.detectors.parts.resizer import build_resizer
from odtk.detectors.parts.suppression import build_suppression
from odtk.layers.point_head import PointHead
from odtk.protos import center_net_pb2

# What TFOD takes where a head's parameters are not given.
_WIDTHS, _KERNEL_SIZES = (256,), (3,)


def build_center_net(
    message: center_net_pb2.CenterNet, extractor: FeatureExtractor, input_size: InputSize
) -> CenterNetDetector:
    """Every field of the message is read here or in the parts' builders, or was refused by the family."""
    center, nms = message.object_center_params, message.post_processing.batch_non_max_suppression
    return CenterNetDetector(
        extractor=extractor,
        heads=build_heads(message, extractor.num_outputs),
        resize=build_resizer(message.image_resizer),
        image_size=output_size(message.image_resizer),
        num_classes=message.num_classes,
        training=build_training(message),
        input_size=input_size,
        max_boxes=center.max_box_predictions,
        pool_size=center.peak_max_pool_kernel_size,
        suppression=build_suppression(nms) if message.HasField("post_processing") else None,
        class_agnostic=nms.use_class_agnostic_nms,
    )


def build_heads(message: center_net_pb2.CenterNet, num_outputs: int) -> dict[str, list[PointHead]]:
    """The three kinds of heads by TFOD's names, one of each for every output of the feature extractor."""
    center, task = message.object_center_params, message.object_detection_task
    kinds = {
        CENTER: ("center", message.num_classes, center, "center_head_params", center.heatmap_bias_init),
        SIZE: ("box_size", 2, task, "scale_head_params", 0.0),
        OFFSET: ("box_offset", 2, task, "offset_head_params", 0.0),
    }

    def build(name, channels, parent, field, bias, output):
        params = getattr(parent, field)
        is_given = parent.HasField(field)
        return PointHead(
            channels,
            list(params.num_filters) if is_given else _WIDTHS,
            list(params.kernel_sizes) if is_given else _KERNEL_SIZES,
            bias,
            message.use_depthwise,
            name=f"{name}_{output}" if num_outputs > 1 else name,
        )

    return {tfods: [build(*kind, output) for output in range(num_outputs)] for tfods, kind in kinds.items()}


def build_training(message: center_net_pb2.CenterNet) -> CenterNetTraining:
    """Losses and targets, with the config's parameters."""
    center, task = message.object_center_params, message.object_detection_task
    return CenterNetTraining(
        center_loss=build_classification_loss(center.classification_loss, soft_targets=True),
        box_loss=build_localization_loss(task.localization_loss),
        min_overlap=center.min_box_overlap_iou,
        only_labeled=center.use_labeled_classes,
        center_weight=center.object_center_loss_weight,
        size_weight=task.scale_loss_weight * task.task_loss_weight,
        offset_weight=task.offset_loss_weight * task.task_loss_weight,
    )
