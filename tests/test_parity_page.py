"""docs/parity.md says what the tests compare with TFOD: made from their `parity` marks, and held to them here."""

import ast
import os
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs/parity.md"
ACCEPT = "ODTK_ACCEPT=1 .venv/bin/python -m pytest tests/test_parity_page.py"

HEAD = f"""# What is compared with TFOD

Made from the tests' own `parity` marks by `{ACCEPT}`: change the mark next to the test, not this page.
Every row is a test; those that only run in `make test-all` say so. The goldens in `tests/golden` were computed by
running TFOD 2.8 on TensorFlow 2.15, on a CPU. Those under `from_tfod/` were made by the scripts next to them, which run
TFOD itself (`make tfod`) and can be run again.

**Training and rounding.** Every relu6 is a switch: a change in a weight's last digit flips some of them. In single
precision TFOD therefore does not reproduce its own numbers after one to three steps on another CPU, with other kernels
or with weights changed by 1e-7; the differences are larger than the tolerances of the other tests.
`from_tfod/single.npz` holds six of its runs on a CPU without AVX-512, and single-precision runs are compared within
the spread of TFOD's own runs. Batch norms over few pixels (MobileNets, the large hourglasses) and proposals (Faster
R-CNN) magnify rounding already in the first step: `from_tfod/avx2.npz` has what TFOD trains without AVX-512, and odtk's
training steps are all those of the one kind of CPU or all those of the other, at the tolerances of the table. In double
precision TFOD reproduces its numbers, and odtk reproduces TFOD's: all losses of all steps, and the change of every
variable.

| what | against | tolerance | test |
| --- | --- | --- | --- |
"""

DIFFERENCES = """
## Deliberate differences

- **Records.** `make-tfrecords` never writes an image that cannot be fully decoded (TFOD writes a truncated JPEG),
  keeps GIF, PNG and CMYK images named `.jpg` as RGB JPEGs (TFOD drops the first two), puts swapped corners of a box in
  order, and leaves out images with a box that is empty or completely outside. `--strict-tfod` does what TFOD does,
  except for images that cannot be decoded.
- **Reading.** A missing shard of a set that the pattern matches is an error, while TFOD ignores it. A box whose class
  is outside 1..num_classes is dropped, while TFOD keeps an object without a class. `max_number_of_boxes` of
  `train_config` is used if the reader has none. Evaluation reads its records once and in order, regardless of the
  reader's options.
- **Preprocessing.** Images are resized before they are preprocessed (the channel means subtracted, or values scaled to
  -1..1), so that batches hold images; TFOD does it the other way round. Predictions differ by rounding (1e-5), so
  training runs diverge from TFOD's sooner.
- **Config.** A field that is set twice is an error, while TFOD uses the last value; an option that odtk does not
  implement is an error that names it.
- **Export.** For every input type the anchors are those of training. TFOD forgets the image size in exports of
  batches, and therefore moves the anchors of levels if the size is not a multiple of their stride. The weights are
  constants of the SavedModel's graph, which CPUs compute quicker, while TFOD's are variables; the export's checkpoint
  has them as variables.
- **Metrics.** Per-category metrics work (in TFOD they are broken). The mean of a super-category excludes classes
  without groundtruth, while TFOD adds their -1. `all_metrics_per_category` works without the other option.
  Pascal VOC's and Open Images' metrics count real boxes only: TFOD's evaluation counts the padding up to the reader's
  `max_number_of_boxes` as objects of class 1 that are never found. Pooled over no groundtruth they are NaN, while TFOD
  fails.
- **Losses.** The gradients of `weighted_iou` and `weighted_giou` are finite for boxes without area, while TFOD's are
  NaN and end the training. `use_confidences_as_targets` works as it is, while TFOD fails with it unless
  `unpad_groundtruth_tensors` is false, as it does not cut the padding off the confidences.
- **CenterNet.** Without a checkpoint all weights start at random, while TFOD starts the backbones of `mobilenet_v2` and
  `mobilenet_v2_fpn` with a `depth_multiplier` of 1 from Keras's weights of ImageNet, which it downloads. A box whose
  center lies off the map has no cell, while TFOD reads its size in another one or fails.
  With `use_labeled_classes` a record's `image/class` says what an image was labeled for, while TFOD's decoders do not
  give its model what it asks for.
- **Faster R-CNN.** With `number_of_stages: 1` detections have a class, the first, while TFOD's have none and cannot be
  exported. Evaluation samples anchors at random unless `use_static_shapes_for_eval` is set. An anchor that lies wholly
  outside of its image is clipped to nothing, while TFOD fails in inference without static shapes. Where fewer than
  `first_stage_max_proposals` boxes remain, the rest is zeros and in TFOD with `use_static_shapes` other boxes; only the
  static sampler ever takes any of them. XLA, and `--deterministic` on a GPU, crop by products with matrices, as
  `use_matmul_crop_and_resize` does in TFOD. On CPUs all of a crop's gradient reaches the features, while TFOD trains
  with TensorFlow's, whose threads lose what they add to one cell at once.
- **Calibration.** A score of 1 or more beyond a curve's last point, which only `IDENTITY` gives, gets that point's
  value, while TFOD uses the first point's.
- **Scalars** are written every 10 steps, not every 100; checkpoints are named by their step.
- **Suppression.** Entries after `num_detections` are zero, while TFOD with `use_static_shapes` leaves boxes with the
  score -1. `detection_multiclass_scores` and `detection_anchor_indices` are those of the detection's own box, while
  TFOD with `use_static_shapes` and `use_partitioned_nms` takes another's: it has sorted the boxes, but not these.
"""


def marks(path: Path) -> list[tuple[str, ...]]:
    """(what, against, tolerance, test) of each `@pytest.mark.parity(...)` in a file of tests."""
    rows = []
    for node in ast.walk(ast.parse(path.read_text())):
        for decorator in getattr(node, "decorator_list", []):
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.parity":
                words = {keyword.arg: ast.literal_eval(keyword.value) for keyword in decorator.keywords}
                test = f"`{path.relative_to(TESTS)}::{node.name}`"
                rows.append((words["what"], words["against"], words["tolerance"], test))
    return rows


def page() -> str:
    rows = [row for path in sorted(TESTS.rglob("test_*.py")) for row in marks(path)]
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows) + DIFFERENCES


def test_the_page_is_made_from_the_marks():
    if os.environ.get("ODTK_ACCEPT"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), f"docs/parity.md is out of date; make it again: {ACCEPT}"


def test_every_golden_is_compared(golden_dir):
    """No golden lies in the folder without a row that names it.

    The variants go by their folder's name, those in `families` by their beginning, as in `families/mobilenet_v1_fpn-*`.
    """
    told = page()
    files = [
        path.relative_to(golden_dir) for path in golden_dir.rglob("*") if ".npz" in path.name or ".json" in path.name
    ]
    names = [path.as_posix() for path in files if not path.name.endswith("-keys.json")]
    goldens = {"variants" if name.startswith("variants/") else name for name in names}
    goldens = {name.partition("-")[0] + "-*" if name.startswith("families/") else name for name in goldens}
    assert {name for name in goldens if name not in told} == set()
