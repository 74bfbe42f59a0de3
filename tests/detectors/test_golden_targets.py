"""What targets are made of, as the config asks for it: box codes, similarities and matches, against TFOD's."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from odtk.boxes.matching import NOTHING
from odtk.detectors.parts.box_coders import build_box_coder
from odtk.detectors.parts.matching import build_argmax_match, build_similarity
from odtk.protos import ssd_pb2

TFOD = dict(np.load(Path(__file__).parents[1] / "golden/from_tfod/targets.npz"))


def configs(kind: str) -> list[str]:
    return [key.removeprefix(f"{kind} ") for key in TFOD if key.startswith(f"{kind} ")]


def ssd(text: str) -> ssd_pb2.Ssd:
    return text_format.Parse(text, ssd_pb2.Ssd())


@pytest.mark.parametrize("config", configs("encoded"))
@pytest.mark.parity(
    what="three box coders, both ways, boxes without area included",
    against="from_tfod/targets.npz",
    tolerance="1e-6 absolute or relative",
)
def test_codes_are_tfods(config):
    coder = build_box_coder(ssd(f"box_coder {{ {config} }}").box_coder)
    encoded = coder.encode(tf.constant(TFOD["coded"]), tf.constant(TFOD["seen_from"]))
    np.testing.assert_allclose(encoded, TFOD[f"encoded {config}"], rtol=1e-6, atol=1e-6)
    decoded = coder.decode(tf.constant(TFOD["encodings"][:, : coder.code_size]), tf.constant(TFOD["seen_from"]))
    np.testing.assert_allclose(decoded, TFOD[f"decoded {config}"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("config", configs("similarity"))
@pytest.mark.parity(what="four similarities of boxes and anchors", against="from_tfod/targets.npz", tolerance="1e-6")
def test_similarities_are_tfods(config):
    similarity = build_similarity(ssd(f"similarity_calculator {{ {config} }}").similarity_calculator)
    got = similarity(tf.constant(TFOD["groundtruth"]), tf.constant(TFOD["anchors"])).numpy()
    real = np.arange(got.shape[1]) < TFOD["counts"][:, None]
    np.testing.assert_allclose(got[real], TFOD[f"similarity {config}"][real], rtol=0, atol=1e-6)


@pytest.mark.parametrize("config", configs("match"))
@pytest.mark.parity(
    what="matches: seven matchers with five similarities, equal and degenerate boxes and none at all included",
    against="from_tfod/targets.npz",
    tolerance="exact",
)
def test_matches_are_tfods(config):
    similarity, matcher = config.split(" argmax_matcher")
    config_of_both = ssd(f"similarity_calculator {{ {similarity} }} matcher {{ argmax_matcher {matcher} }}")
    boxes, anchors = tf.constant(TFOD["groundtruth"]), tf.constant(TFOD["anchors"])
    valid = np.arange(boxes.shape[1]) < TFOD["counts"][:, None]
    # As in odtk.boxes.targets: padding is like nothing at all.
    overlaps = tf.where(
        valid[..., None], build_similarity(config_of_both.similarity_calculator)(boxes, anchors), NOTHING
    )
    got = build_argmax_match(config_of_both.matcher)(overlaps, tf.constant(valid))
    np.testing.assert_array_equal(got, TFOD[f"match {config}"])
