"""What a backbone of CenterNet is made of."""

from typing import NamedTuple

import tf_keras


class Backbone(NamedTuple):
    """A functional model from images to maps, and layers of TFOD's that no map depends on.

    Checkpoints of TFOD hold the variables of `unused` behind those of the model. They do not train.
    """

    model: tf_keras.Model
    unused: tuple[tf_keras.layers.Layer, ...] = ()

    @property
    def layers(self) -> list[tf_keras.layers.Layer]:
        """All layers, in the order in which TFOD's checkpoints number them."""
        return [*self.model.layers, *self.unused]
