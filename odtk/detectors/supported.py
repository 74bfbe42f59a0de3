"""Which models odtk builds; without TensorFlow, because `odtk configure --check` asks."""

# model.ssd.feature_extractor.type; the keys of odtk.detectors.build.BUILDERS.
MODEL_TYPES = (
    "ssd_resnet50_v1_fpn_keras",
    "ssd_resnet101_v1_fpn_keras",
    "ssd_resnet152_v1_fpn_keras",
)
