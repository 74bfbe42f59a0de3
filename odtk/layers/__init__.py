"""tf_keras blocks: backbones, feature pyramids and prediction heads."""
