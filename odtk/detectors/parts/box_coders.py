"""Builds a box coder from a BoxCoder message."""

from odtk.boxes.coding import FasterRcnnCoder, MeanStddevCoder, SquareCoder
from odtk.protos import box_coder_pb2


def build_box_coder(message: box_coder_pb2.BoxCoder) -> FasterRcnnCoder | MeanStddevCoder | SquareCoder:
    """The box coder."""
    match message.WhichOneof("box_coder_oneof"):
        case "mean_stddev_box_coder":
            return MeanStddevCoder(message.mean_stddev_box_coder.stddev)
        case "square_box_coder":
            square = message.square_box_coder
            return SquareCoder(square.y_scale, square.x_scale, square.length_scale)
    scales = message.faster_rcnn_box_coder
    return FasterRcnnCoder(scales.y_scale, scales.x_scale, scales.height_scale, scales.width_scale)
