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
# The parts of the heads that do not depend on the classes: weight-shared ones, and those of each map.
REUSABLE = {
    "box tower": (f"{_SHARED}/BoxPredictionTower/", f"{_SHARED}/PredictionTower/", f"{_OF_LEVELS}/box_encodings/"),
    "box head": (f"{HEADS}_box_prediction_head/", f"{HEADS}_prediction_heads/box_encodings/"),
    "class tower": (f"{_SHARED}/ClassPredictionTower/", f"{_OF_LEVELS}/class_predictions_with_background/"),
    "projections": (f"{HEADS}_additional_projection_layers/",),
    "layers before the heads": (f"{HEADS}_shared_nets/",),
}


@dataclass(frozen=True)
class CheckpointParts:
    """A family's key prefixes: of its backbone, and of the parts of its heads that may be reused."""

    backbone: tuple[str, ...] = (f"{EXTRACTOR}classification_backbone/",)
    reusable_heads: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: REUSABLE)

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
                parts = self.reusable_heads.items()
                present = {name: start for name, start in parts if any(key.startswith(start) for key in keys)}
                return FineTunePlan(taken, may_be_unused=(HEADS,), reusable=present)
        taken = [key for key in keys if key.startswith(self.backbone)]
        renamed = {
            key: CLASSIFIER + key[len(prefix) :] for prefix in self.backbone for key in taken if key.startswith(prefix)
        }
        return FineTunePlan(taken, (HEADS, EXTRACTOR), renamed)
