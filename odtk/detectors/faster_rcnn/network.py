"""The network of a Faster R-CNN: everything that has variables."""

from dataclasses import dataclass

import tensorflow as tf
import tf_keras

from odtk.boxes.crops import crop, levels_of
from odtk.layers.region_heads import RegionHeads
from odtk.layers.region_proposals import RegionProposalHead


class ProposalFeatures(tf_keras.Model):
    """The maps from which proposals are made and cropped: those of the backbone, or of a pyramid on top of them."""

    def __init__(
        self,
        backbone: tf_keras.Model,
        pyramid: tf_keras.layers.Layer | None = None,
        used_maps: slice = slice(None),
        pad_to_multiple: int = 1,
        **kwargs,
    ):
        """`used_maps`: of the backbone's; images are padded with zeros to multiples of `pad_to_multiple`."""
        super().__init__(**kwargs)
        self.backbone, self.pyramid = backbone, pyramid
        self.used_maps, self.pad_to_multiple = used_maps, pad_to_multiple

    def call(self, images, training=None):
        """Preprocessed images [batch, h, w, 3] to the list of maps, finest first; `training` is for batch norms."""
        maps = self.backbone(self._padded(images), training=training)[self.used_maps]
        return maps if self.pyramid is None else self.pyramid(maps, training=training)

    def _padded(self, images):
        sides = [tf.shape(images)[axis] if images.shape[axis] is None else images.shape[axis] for axis in (1, 2)]
        rows, columns = (-side % self.pad_to_multiple for side in sides)
        return tf.pad(images, [[0, 0], [0, rows], [0, columns], [0, 0]]) if self.pad_to_multiple > 1 else images


@dataclass(frozen=True)
class Cropping:
    """Regions are cropped to `size` x `size` cells, then max pooled; `exact_border`: see odtk.boxes.crops."""

    size: int
    pool_size: int
    pool_stride: int
    exact_border: bool = False

    def crops(self, maps: list, boxes, image_size):
        """Crops at boxes yxyx [batch, n, 4], normalized to the images of `image_size` (int32 [2]): [batch * n, ...]."""
        levels = levels_of(boxes, len(maps), tf.cast(image_size, tf.float32)) if len(maps) > 1 else None
        crops = crop(maps, boxes, levels, self.size, self.exact_border)
        crops = tf.reshape(crops, [-1, *crops.shape[2:]])
        return tf.nn.max_pool2d(crops, self.pool_size, self.pool_stride, "VALID")


class FasterRcnnNetwork(tf_keras.Model):
    """Both stages; without `region_features` the second one is not run."""

    def __init__(
        self,
        features: ProposalFeatures,
        proposal_head: RegionProposalHead,
        cropping: Cropping,
        region_features: tf_keras.Model | None,
        region_heads: RegionHeads,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.features, self.proposal_head = features, proposal_head
        self.cropping = cropping
        self.region_features, self.region_heads = region_features, region_heads

    def call(self, images, training=None, norm_training=None):
        """What both stages compute, with the whole image as the only region: enough to create all variables."""
        maps, *_ = first = self.first_stage(images, training, norm_training)
        if self.region_features is None:
            return first
        whole = tf.tile(tf.constant([[[0.0, 0.0, 1.0, 1.0]]]), [tf.shape(images)[0], 1, 1])
        return first, self.second_stage(maps, whole, tf.shape(images)[1:3], training, norm_training)

    def first_stage(self, images, training=None, norm_training=None):
        """Preprocessed images to (maps, the head's features by level, box encodings, objectness logits).

        `norm_training` is for the batch norms of features, `training` for that of the head.
        """
        maps = self.features(images, training=norm_training)
        return maps, *self.proposal_head(maps, training=training)

    def second_stage(self, maps, boxes, image_size, training=None, norm_training=None):
        """Boxes yxyx [batch, n, 4], normalized to the images, to (features, box encodings, logits), [batch * n, ...].

        `norm_training` is for the batch norms of features, `training` for dropout and batch norms of the heads.
        """
        features = self.features_at(maps, boxes, image_size, norm_training)
        return features, *self.region_heads(features, training=training)

    def features_at(self, maps, boxes, image_size, norm_training=None):
        """The features [batch * n, h, w, channels] of the regions in boxes yxyx [batch, n, 4]."""
        assert self.region_features is not None
        return self.region_features(self.cropping.crops(maps, boxes, image_size), training=norm_training)
