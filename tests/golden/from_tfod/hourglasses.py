"""What TFOD computes with CenterNet's larger hourglasses, at their full size; see center_net.py.

usage (from the repository's root, where `make tfod` has been; needs 8 GB of memory):
.tfod/bin/python tests/golden/from_tfod/hourglasses.py
"""

from pathlib import Path

import numpy as np
from center_net import GOLDEN, HOURGLASS, answers, change
from google.protobuf import text_format
from object_detection.utils import config_util

NAMES = ("hourglass_32", "hourglass_52", "hourglass_104")
CHANGE = "feature_extractor { type: '%s' } image_resizer { fixed_shape_resizer { height: 128 width: 128 } }"


def main() -> None:
    """Writes hourglasses.npz beside this file."""
    written = {"names": list(NAMES)}
    for name in NAMES:
        config = config_util.get_configs_from_pipeline_file(str(GOLDEN / f"families/{HOURGLASS}.config"))["model"]
        change(config.center_net, CHANGE % name)
        computed = {"base": HOURGLASS, "model": text_format.MessageToString(config), **answers(config, HOURGLASS)}
        written |= {f"{name}/{part}": value for part, value in computed.items()}
        heat = computed["object_center/0"]
        print(name, "logits", heat.min(), heat.max(), "scores", computed["detection_scores"][:, :3], flush=True)
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **written)


if __name__ == "__main__":
    main()
