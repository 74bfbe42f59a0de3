"""The checkpoint paths of heads whose convolutions all levels share (`odtk.layers.heads`)."""

from odtk.detectors.ssd.checkpoint_paths import CheckpointPaths
from odtk.layers.heads import SharedHeads, SharedTower

BOX_TOWER = "model/_box_predictor/_head_scope_conv_layers/BoxPredictionTower/{}"
CLASS_TOWER = "model/_box_predictor/_head_scope_conv_layers/ClassPredictionTower/{}"
SHARED_TOWER = "model/_box_predictor/_head_scope_conv_layers/PredictionTower/{}"
BOX_TOWER_NORM = "model/_box_predictor/_base_tower_layers_for_heads/box_encodings/{}/{}"
CLASS_TOWER_NORM = "model/_box_predictor/_base_tower_layers_for_heads/class_predictions_with_background/{}/{}"
BOX_CONV = "model/_box_predictor/_box_prediction_head/_box_encoder_layers/0"
CLASS_CONV = "model/_box_predictor/_prediction_heads/class_predictions_with_background/_class_predictor_layers/{}"
PROJECTIONS = "model/_box_predictor/_additional_projection_layers/{}"
DROPOUT = CLASS_CONV.format(0)


def shared_heads_paths(heads: SharedHeads) -> CheckpointPaths:
    """The paths of built heads."""
    # In TFOD's list of class prediction layers, dropout is a separate layer.
    position = 0 if heads.dropout is None else 1
    paths = CheckpointPaths(
        {BOX_CONV: heads.box_conv, CLASS_CONV.format(position): heads.class_conv},
        bare=() if heads.dropout is None else (DROPOUT,),
    )
    paths = paths | _projections(heads)
    if heads.class_tower is None:
        return paths | _tower(heads.box_tower, SHARED_TOWER, BOX_TOWER_NORM) | _unused_class_tower(heads.box_tower)
    box, classes = heads.box_tower, heads.class_tower
    return paths | _tower(box, BOX_TOWER, BOX_TOWER_NORM) | _tower(classes, CLASS_TOWER, CLASS_TOWER_NORM)


def _projections(heads: SharedHeads) -> CheckpointPaths:
    """Each level has a list of them, which is empty if all maps have the same number of channels."""
    if not heads.projections:
        return CheckpointPaths(bare=tuple(map(PROJECTIONS.format, range(len(heads.box_tower.norms)))))
    layers = {f"{PROJECTIONS.format(level)}/0": each.conv for level, each in enumerate(heads.projections)}
    norms = {f"{PROJECTIONS.format(level)}/1": each.norm for level, each in enumerate(heads.projections) if each.norm}
    return CheckpointPaths(layers | norms)


def _unused_class_tower(shared: SharedTower) -> CheckpointPaths:
    """TFOD creates it beside a shared tower; it is never run, so its layers have no variables."""
    aliases, bare = _lists(shared, CLASS_TOWER, CLASS_TOWER_NORM)
    bare += [CLASS_TOWER.format(index) for index in range(len(shared.convs))]
    for level, norms in enumerate(shared.norms):
        bare += [CLASS_TOWER_NORM.format(level, 3 * index + 1) for index in range(len(norms))]
    return CheckpointPaths(aliases=aliases, bare=tuple(bare))


def _tower(tower: SharedTower, conv_key: str, level_key: str) -> CheckpointPaths:
    layers = {conv_key.format(index): conv for index, conv in enumerate(tower.convs)}
    for level, norms in enumerate(tower.norms):
        # A tower is a flat list of convolution, batch norm, activation, convolution, ...
        layers.update({level_key.format(level, 3 * index + 1): norm for index, norm in enumerate(norms)})
    aliases, bare = _lists(tower, conv_key, level_key)
    return CheckpointPaths(layers, aliases, tuple(bare))


def _lists(tower: SharedTower, conv_key: str, level_key: str) -> tuple[dict[str, str], list[str]]:
    """(aliases, bare) of each level's list of layers; its convolutions are shared by all levels."""
    aliases, bare = {}, []
    for level, norms in enumerate(tower.norms):
        # Convolution, batch norm (if any), activation.
        period = 3 if norms else 2
        for index in range(len(tower.convs)):
            aliases[level_key.format(level, period * index)] = conv_key.format(index)
            bare.append(level_key.format(level, period * index + period - 1))
    if not tower.convs:
        bare = [conv_key.rsplit("/", 1)[0], *(level_key.format(i, "").rstrip("/") for i in range(len(tower.norms)))]
    return aliases, bare
