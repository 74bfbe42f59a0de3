"""Which parts of an SSD a fine_tune_checkpoint_type takes, by how the keys of their variables begin."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from odtk.detectors.detector import FineTunePlan

EXTRACTOR = "model/_feature_extractor/"
HEADS = "model/_box_predictor/"
# Where a classification checkpoint has the backbone.
CLASSIFIER = "feature_extractor/"

_SHARED = f"{HEADS}_head_scope_conv_layers"
_OF_LEVELS = f"{HEADS}_base_tower_layers_for_heads"
# Of weight-shared heads, what does not depend on the classes.
SHARED_HEADS = {
    "box tower": (f"{_SHARED}/BoxPredictionTower/", f"{_SHARED}/PredictionTower/", f"{_OF_LEVELS}/box_encodings/"),
    "box head": (f"{HEADS}_box_prediction_head/",),
    "class tower": (f"{_SHARED}/ClassPredictionTower/", f"{_OF_LEVELS}/class_predictions_with_background/"),
}


@dataclass(frozen=True)
class CheckpointParts:
    """Of a family: how the keys of its backbone begin, and of the parts of its heads that may be taken besides."""

    backbone: str = f"{EXTRACTOR}classification_backbone/"
    reusable_heads: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: SHARED_HEADS)

    def fine_tune_plan(self, checkpoint_type: str, keys: list[str]) -> FineTunePlan:
        """full: everything; detection: backbone and pyramid; classification: the backbone, of either kind of model.

        With "detection" towers and box predictions may be taken besides; the class predictions belong to their classes.
        `keys` are those of all variables.
        """
        match checkpoint_type:
            case "full":
                return FineTunePlan(keys)
            case "detection":
                taken = [key for key in keys if key.startswith(EXTRACTOR)]
                return FineTunePlan(taken, may_be_unused=(HEADS,), reusable=self.reusable_heads)
        taken = [key for key in keys if key.startswith(self.backbone)]
        renamed = {key: CLASSIFIER + key.removeprefix(self.backbone) for key in taken}
        return FineTunePlan(taken, (HEADS, EXTRACTOR), renamed)
