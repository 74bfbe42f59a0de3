"""CenterNet: a heat map of each class, whose peaks are centers of boxes, and their sizes.

Zhou et al., "Objects as Points", 2019.
"""

from collections.abc import Callable, Sequence
from types import MappingProxyType

import tensorflow as tf
import tf_keras

from odtk.boxes import targets as box_lists
from odtk.boxes.rows import take_rows
from odtk.boxes.suppression import SuppressionParams, class_agnostic_suppression, multiclass_suppression
from odtk.checkpoints.object_graph import as_trackable
from odtk.detectors.candidates import Candidates, Level
from odtk.detectors.center_net import checkpoint_keys, checkpoint_objects, checkpoint_parts
from odtk.detectors.center_net.extractor import STRIDE, FeatureExtractor
from odtk.detectors.center_net.peaks import Peaks, boxes_at, find_peaks
from odtk.detectors.center_net.targets import box_targets, heat_maps
from odtk.detectors.center_net.training import CenterNetTraining
from odtk.detectors.detector import BOX_FIELDS, Detector, FineTunePlan, LossSums
from odtk.detectors.parts import image_padding
from odtk.detectors.parts.input_size import InputSize
from odtk.layers.point_head import PointHead

CENTER, SIZE, OFFSET = "object_center", "box/scale", "box/offset"
"""TFOD's names of heads and predictions: logits of classes, (height, width) and (y, x), the latter in cells."""
LABELED = "labeled_classes"


class CenterNetNetwork(tf_keras.Model):
    """Images to maps of stride 4, and what heads make of them."""

    def __init__(
        self,
        extractor: tf_keras.Model,
        unused: Sequence[tf_keras.layers.Layer],
        heads: dict[str, list[PointHead]],
        **kwargs,
    ):
        """`heads`: by their names, one for each map. `unused` are layers that only checkpoints know."""
        super().__init__(**kwargs)
        self.extractor, self.unused, self.heads = extractor, list(unused), heads

    def call(self, images, training=None):
        """Preprocessed images [batch, h, w, 3] to (list of maps, each head's list of maps)."""
        maps = tf.nest.flatten(self.extractor(images, training=training))
        found = {name: [head(x) for head, x in zip(heads, maps, strict=True)] for name, heads in self.heads.items()}
        return maps, found


class CenterNetDetector(Detector):
    """A CenterNet that finds boxes: see `Detector` for the contract and `CenterNetTraining` for the loss."""

    loss_meanings = MappingProxyType(
        {
            f"Loss/{CENTER}": "loss of the heat maps of centers",
            f"Loss/{SIZE}": "loss of the boxes' sizes",
            f"Loss/{OFFSET}": "loss of the centers' places within their cells",
        }
    )
    loss_names = tuple(loss_meanings)
    postprocess_reads = (CENTER, SIZE, OFFSET)
    has_penalties = False  # TFOD leaves them out of CenterNet's loss

    def __init__(
        self,
        extractor: FeatureExtractor,
        heads: dict[str, list[PointHead]],
        resize: Callable,
        image_size: tuple[int, int] | None,
        num_classes: int,
        training: CenterNetTraining,
        input_size: InputSize,
        max_boxes: int = 100,
        pool_size: int = 3,
        suppression: SuppressionParams | None = None,
        class_agnostic: bool = False,
    ):
        """`max_boxes`: how many peaks are boxes; `pool_size`: see find_peaks; `suppression`: of these boxes, if any."""
        super().__init__(name=extractor.name)
        unused = () if extractor.backbone is None else extractor.backbone.unused
        self.network = CenterNetNetwork(extractor.network, unused, heads, name="network")
        self.extractor, self.heads = extractor, heads
        self.resize, self.image_size, self.input_size = resize, image_size, input_size
        self.num_classes, self.training_params = num_classes, training
        self.max_boxes, self.pool_size, self.suppression = max_boxes, pool_size, suppression
        self._suppress = class_agnostic_suppression if class_agnostic else multiclass_suppression
        if training.only_labeled:
            self.groundtruth_fields = (*BOX_FIELDS, LABELED)

    def preprocess(self, images, true_image_shapes):
        """Maps pixel values, and those of the padding, to the backbone's input range."""
        return self.extractor.preprocess(images)

    def predict(
        self, images, true_image_shapes, training: bool = False, groundtruth: dict | None = None
    ) -> dict[str, list[tf.Tensor]]:
        """Lists of maps [batch, rows, columns, ...], one for each output of the backbone, under TFOD's names.

        extracted_features, object_center (logits of the classes), box/scale (height, width) and box/offset (y, x).
        """
        maps, found = self.network(image_padding.checked(images, self.input_size), training=training)
        return {"extracted_features": maps, **found}

    def loss_sums(self, predictions: dict, groundtruth: dict, true_image_shapes) -> LossSums:
        """`Loss/object_center`, `Loss/box/scale` and `Loss/box/offset`, weighted, as means over the outputs."""
        params, outputs = self.training_params, len(predictions[CENTER])
        boxes, classes, weights = box_lists.trim(
            groundtruth["boxes"], groundtruth["classes"], groundtruth["weights"], groundtruth["num_boxes"]
        )
        # Padding has no weight.
        weights *= tf.sequence_mask(groundtruth["num_boxes"], tf.shape(boxes)[1], weights.dtype)
        map_size = _size_of(predictions[CENTER][0])
        wanted = box_targets(boxes, weights, map_size)

        def of_boxes(found, targets):
            values = tf.gather_nd(found, wanted.cells, batch_dims=1)
            return tf.reduce_sum(params.box_loss(values, targets, wanted.weights))

        heat = heat_maps(boxes, classes, weights, map_size, self.num_classes, params.min_overlap)
        counted = self._counted(groundtruth, true_image_shapes, map_size)
        sums = {
            f"Loss/{CENTER}": params.center_weight / outputs
            * tf.add_n([self._center_loss(found, heat, counted) for found in predictions[CENTER]]),
            f"Loss/{SIZE}": params.size_weight / outputs
            * tf.add_n([of_boxes(found, wanted.sizes) for found in predictions[SIZE]]),
            f"Loss/{OFFSET}": params.offset_weight / outputs
            * tf.add_n([of_boxes(found, wanted.offsets) for found in predictions[OFFSET]]),
        }  # fmt: skip
        return LossSums(sums, tf.cast(tf.math.count_nonzero(weights), tf.float32))

    def _center_loss(self, logits, heat, counted):
        """A scalar, of [batch, rows, columns, classes] each; `counted` are weights, of one channel or one a class."""
        flat = [tf.reshape(x, [tf.shape(x)[0], -1, x.shape[-1]]) for x in (logits, heat, counted)]
        loss = self.training_params.center_loss(flat[0], flat[1], tf.ones_like(flat[0][..., 0]))
        return tf.reduce_sum(loss * flat[2])

    def _counted(self, groundtruth: dict, true_image_shapes, map_size):
        """Which values of the heat maps the loss counts, float32 [batch, rows, columns, 1 or classes]."""
        rows, columns = map_size
        true_size = tf.math.ceil(tf.cast(true_image_shapes[:, :2], tf.float32) / STRIDE)
        mask = _inside(true_size, rows, columns)
        return mask * groundtruth[LABELED][:, None, None, :] if self.training_params.only_labeled else mask

    def postprocess(self, predictions: dict, true_image_shapes, *, rounded: bool = False) -> dict[str, tf.Tensor]:
        """The highest peaks of the last output's heat maps; suppressed only if the config has `post_processing`.

        `rounded`: the predictions are those of a network in int8; see find_peaks.
        """
        logits, sizes, offsets = (predictions[name][-1] for name in (CENTER, SIZE, OFFSET))
        map_size = _size_of(logits)
        # As TFOD: cells are compared with pixels. Only where an image fills less than a quarter of a side are any left
        # out.
        true_size = tf.cast(true_image_shapes[:, :2], tf.float32)
        heat = tf.sigmoid(logits) * _inside(true_size, *map_size)
        peaks = find_peaks(heat, self.max_boxes, self.pool_size, rounded)
        in_cells = boxes_at(
            peaks.cells,
            tf.gather_nd(sizes, peaks.cells, batch_dims=1),
            tf.gather_nd(offsets, peaks.cells, batch_dims=1),
            map_size,
        )
        relative = tf.clip_by_value(in_cells * STRIDE / tf.tile(true_size, [1, 2])[:, None], 0.0, 1.0)
        found = {
            "detection_boxes": relative,
            "detection_boxes_strided": in_cells,
            "detection_classes": peaks.classes,
            "detection_scores": peaks.scores,
            "detection_multiclass_scores": tf.gather_nd(heat, peaks.cells, batch_dims=1),
            "num_detections": tf.reduce_sum(tf.cast(peaks.scores > 0, tf.int32), axis=1),
        }
        return found if self.suppression is None else self._suppressed(found, peaks)

    def _suppressed(self, found: dict[str, tf.Tensor], peaks: Peaks) -> dict[str, tf.Tensor]:
        """The boxes that suppression leaves; a box has the score of its own class only."""
        assert self.suppression is not None
        boxes, own = found["detection_boxes"], tf.one_hot(peaks.classes, self.num_classes) * peaks.scores[..., None]
        window = tf.tile([[0.0, 0.0, 1.0, 1.0]], [tf.shape(boxes)[0], 1])
        kept = self._suppress(boxes, own, window, self.suppression)
        filled = tf.sequence_mask(kept.count, self.suppression.max_total, tf.float32)

        def of_kept(name):
            values = take_rows(found[name], kept.anchors)
            return values * (filled if values.shape.rank == 2 else filled[..., None])

        return {
            "detection_boxes": kept.boxes,
            "detection_boxes_strided": of_kept("detection_boxes_strided"),
            "detection_classes": kept.classes,
            # Suppression has no gradient, which heat maps of `odtk explain` follow; soft suppression changes scores.
            "detection_scores": kept.scores if self.suppression.soft_sigma else of_kept("detection_scores"),
            "detection_multiclass_scores": of_kept("detection_multiclass_scores"),
            "num_detections": kept.count,
        }

    def pyramid(self, predictions: dict) -> dict[str, tf.Tensor]:
        """The last map of stride 4."""
        return {"P2": predictions["extracted_features"][-1]}

    def candidates(self, predictions: dict) -> Candidates:
        """The box at every cell, whether it is a peak or not, with the heat of all classes there."""
        logits, sizes, offsets = (predictions[name][-1] for name in (CENTER, SIZE, OFFSET))
        rows, columns = map_size = _size_of(logits)
        cells = tf.stack(tf.meshgrid(tf.range(rows), tf.range(columns), indexing="ij"), axis=-1)
        boxes = boxes_at(cells, sizes, offsets, map_size) / tf.constant([rows, columns, rows, columns], tf.float32)
        return Candidates(
            boxes=tf.reshape(boxes, [-1, rows * columns, 4]),
            scores=tf.reshape(tf.sigmoid(logits), [-1, rows * columns, self.num_classes]),
            levels=(Level("P2", rows, columns, per_cell=1),),
            called="cells",
        )

    def checkpoint_variables(self) -> dict[str, tf.Variable]:
        """See `Detector`."""
        self.ensure_built()
        return checkpoint_keys.tfod_keys(self.extractor, self.heads)

    def checkpoint_objects(self) -> dict[str, tf.train.Checkpoint]:
        """With TFOD's other names of objects and its objects without variables."""
        return as_trackable(
            self.checkpoint_variables(), *checkpoint_objects.tfod_other_paths(self.extractor, self.heads)
        )

    def fine_tune_plan(self, checkpoint_type: str) -> FineTunePlan:
        """See odtk.detectors.center_net.checkpoint_parts."""
        backbone = checkpoint_keys.backbone_prefix(self.extractor)
        return checkpoint_parts.fine_tune_plan(checkpoint_type, list(self.checkpoint_variables()), backbone)

    def ensure_built(self) -> None:
        """Creates the variables by running the network on a blank image of the smallest accepted size."""
        if not self.network.built:
            side = self.input_size.usable_side(1)
            self.network(tf.zeros([1, side, side, 3]))


def _size_of(x) -> tuple:
    """(rows, columns) of a map [batch, rows, columns, ...], as numbers where they are known."""
    rows, columns = x.shape[1:3]
    return tuple(tf.unstack(tf.shape(x)[1:3])) if None in (rows, columns) else (rows, columns)


def _inside(true_size, rows, columns):
    """1 for cells above and left of true_size float32 [batch, 2], else 0: float32 [batch, rows, columns, 1]."""
    in_rows = tf.range(rows, dtype=tf.float32) < true_size[:, :1]
    in_columns = tf.range(columns, dtype=tf.float32) < true_size[:, 1:]
    return tf.cast(in_rows[:, :, None] & in_columns[:, None, :], tf.float32)[..., None]
