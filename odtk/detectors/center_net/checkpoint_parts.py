"""The parts of a CenterNet that a fine_tune_checkpoint_type restores, by prefixes of their variables' keys."""

from odtk.detectors.center_net.checkpoint_keys import EXTRACTOR, HEADS
from odtk.detectors.detector import FineTunePlan

# The feature extractor's prefix in a classification checkpoint.
CLASSIFIER = "feature_extractor/"
# The heads that do not depend on the classes.
BOX_HEADS = {
    "box size head": (f"{HEADS}box.Sscale/",),
    "box offset head": (f"{HEADS}box.Soffset/",),
}


def fine_tune_plan(checkpoint_type: str, keys: list[str], backbone: str | None) -> FineTunePlan:
    """full: everything; detection: backbone and upsampling; classification: the backbone, of both kinds of checkpoint.

    With "detection", the heads of sizes and offsets can be reused, too; that of the centers depends on the classes.
    `keys` are those of all variables; `backbone` is the prefix of what TFOD restores from a classifier, if anything.
    """
    match checkpoint_type:
        case "full":
            return FineTunePlan(keys)
        case "detection":
            taken = [key for key in keys if key.startswith(EXTRACTOR)]
            return FineTunePlan(taken, may_be_unused=(HEADS,), reusable=BOX_HEADS)
    assert backbone is not None
    taken = [key for key in keys if key.startswith(backbone)]
    renamed = {key: CLASSIFIER + key.removeprefix(backbone) for key in taken}
    return FineTunePlan(taken, (HEADS, EXTRACTOR), renamed)
