"""What TFOD computes with Faster R-CNN on Inception ResNet v2, of which the reference has nothing.

usage (from the repository's root, where `make tfod` has been):
.tfod/bin/python tests/golden/from_tfod/faster_rcnn_inception.py [both] [one]

As in faster_rcnn.py: each case is a config of ../families with some text merged into its model.faster_rcnn, weights are
those of that config, and the groundtruth of training is beside proposals of training. Crops are small, because the
second stage computes a large network on each. With one stage there are detections, but no training of boxes.
"""

import sys

import numpy as np
from faster_rcnn import PADDED, PLAIN, STRIDE, Run, answers, as_arrays, changed, without_races, write
from google.protobuf import text_format

EXTRACTOR = "feature_extractor { type: 'faster_rcnn_inception_resnet_v2_keras' %s }"
CROPS = "initial_crop_size: 5 maxpool_kernel_size: 1 maxpool_stride: 1"
CASES = {
    "as in the zoo": f"{EXTRACTOR % ''} {CROPS}",
    "padded, batch norms train": f"{EXTRACTOR % 'batch_norm_trainable: true'} {CROPS} {PADDED}",
}
ONE_STAGE = "one stage, stride 8"
ANCHORS = "first_stage_anchor_generator { grid_anchor_generator { height_stride: 8 width_stride: 8 } }"
# Whose second stage has nothing else in a checkpoint.
GRAPHS = ("as in the zoo",)


def main() -> None:
    """Writes faster_rcnn_inception.npz and, of the detector with one stage, faster_rcnn_inception_one_stage.npz."""
    wanted = sys.argv[1:] or ["both", "one"]
    if "both" in wanted:
        write("faster_rcnn_inception", {name: case(text, name in GRAPHS) for name, text in CASES.items()})
    if "one" in wanted:
        text = f"{EXTRACTOR % 'first_stage_features_stride: 8'} {ANCHORS} number_of_stages: 1"
        write("faster_rcnn_inception_one_stage", {ONE_STAGE: one_stage(text)})


def case(text: str, keeps_graph: bool) -> dict[str, np.ndarray]:
    """All that is kept of one."""
    config = changed(PLAIN, text)
    found = {"base": np.array(PLAIN), "model": np.array(text_format.MessageToString(config)), **answers(config, PLAIN)}
    if not keeps_graph:
        del found["graph"]
    return found


def one_stage(text: str) -> dict[str, np.ndarray]:
    """The maps, what is predicted on them, the detections, and the objects of a checkpoint."""
    config = changed(PLAIN, text)
    run = Run(config, PLAIN)
    predictions = run.predict()
    maps = [np.asarray(each, np.float64) for each in predictions["rpn_features_to_crop"]]
    detections = run.model.postprocess(predictions, run.shapes)
    return as_arrays(
        {
            "base": PLAIN,
            "model": text_format.MessageToString(config),
            "graph": np.frombuffer(run.graph, np.uint8),
            "map_shapes": [each.shape for each in maps],
            "map_means": [each.mean() for each in maps],
            "stride": STRIDE,
            "anchors": predictions["anchors"][::STRIDE],
            "anchor_count": len(predictions["anchors"]),
            "rpn_box_encodings": predictions["rpn_box_encodings"][:, ::STRIDE],
            "rpn_objectness": predictions["rpn_objectness_predictions_with_background"][:, ::STRIDE],
            **{f"post_{name}": value for name, value in detections.items() if not name.startswith("raw_")},
        }
    )


if __name__ == "__main__":
    without_races()
    main()
