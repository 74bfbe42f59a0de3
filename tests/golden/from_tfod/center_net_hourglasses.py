"""What TFOD computes with CenterNet's larger hourglasses, at their full size.

usage (from the repository's root, where `make tfod` has been):
.tfod/bin/python tests/golden/from_tfod/center_net_hourglasses.py

As in center_net.py, whose hourglass_104 is a small stand-in, with the config of the reference's hourglass_10. Weights
have another scale, GAMMA, with which scores do not saturate.
"""

from pathlib import Path

import center_net
import numpy as np
from center_net import GOLDEN, HOURGLASS, answers
from google.protobuf import text_format
from object_detection.utils import config_util
from synthetic_weights import synthetic_value

NAMES = ("hourglass_32", "hourglass_52", "hourglass_104")
GAMMA = 0.5


def main() -> None:
    """Writes center_net_hourglasses.npz beside this file."""
    written: dict[str, np.ndarray] = {"gamma": np.array(GAMMA)}
    center_net.family_value = lambda name, key, shape: synthetic_value(key, shape, GAMMA)
    for name in NAMES:
        config = config_util.get_configs_from_pipeline_file(str(GOLDEN / f"families/{HOURGLASS}.config"))["model"]
        config.center_net.feature_extractor.type = name
        found = {"base": np.array(HOURGLASS), "model": np.array(text_format.MessageToString(config))}
        found |= answers(config, HOURGLASS)
        written |= {f"{name}/{part}": value for part, value in found.items()}
    np.savez_compressed(Path(__file__).with_suffix(".npz"), names=np.array(NAMES), **written)


if __name__ == "__main__":
    main()
