"""The parts of an SSD that a fine_tune_checkpoint_type restores, by prefixes of their variables' keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from odtk.detectors.detector import FineTunePlan

EXTRACTOR = "model/_feature_extractor/"
HEADS = "model/_box_predictor/"
# The backbone's prefix in a classification checkpoint.
CLASSIFIER = "feature_extractor/"

_SHARED = f"{HEADS}_head_scope_conv_layers"
_OF_LEVELS = f"{HEADS}_base_tower_layers_for_heads"
# The parts of weight-shared heads that do not depend on the classes.
SHARED_HEADS = {
    "box tower": (f"{_SHARED}/BoxPredictionTower/", f"{_SHARED}/PredictionTower/", f"{_OF_LEVELS}/box_encodings/"),
    "box head": (f"{HEADS}_box_prediction_head/",),
    "class tower": (f"{_SHARED}/ClassPredictionTower/", f"{_OF_LEVELS}/class_predictions_with_background/"),
}


@dataclass(frozen=True)
class CheckpointParts:
    """A family's key prefixes: of its backbone, and of the reusable parts of its heads."""

    backbone: tuple[str, ...] = (f"{EXTRACTOR}classification_backbone/",)
    reusable_heads: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: SHARED_HEADS)

    def fine_tune_plan(self, checkpoint_type: str, keys: list[str]) -> FineTunePlan:
        """full: everything; detection: backbone and pyramid; classification: the backbone, of both kinds of checkpoint.

        With "detection", towers and box predictions can be reused, too; class predictions depend on the classes. `keys`
        are those of all variables.
        """
        match checkpoint_type:
            case "full":
                return FineTunePlan(keys)
            case "detection":
                taken = [key for key in keys if key.startswith(EXTRACTOR)]
                return FineTunePlan(taken, may_be_unused=(HEADS,), reusable=self.reusable_heads)
        taken = [key for key in keys if key.startswith(self.backbone)]
        renamed = {
            key: CLASSIFIER + key[len(prefix) :] for prefix in self.backbone for key in taken if key.startswith(prefix)
        }
        return FineTunePlan(taken, (HEADS, EXTRACTOR), renamed)
