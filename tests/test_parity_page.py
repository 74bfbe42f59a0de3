"""docs/parity.md says what the tests compare with TFOD: made from their `parity` marks, and held to them here."""

import ast
import os
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs/parity.md"
ACCEPT = "ODTK_ACCEPT=1 .venv/bin/python -m pytest tests/test_parity_page.py"

HEAD = f"""# What is compared with TFOD

Made from the tests' own `parity` marks by `{ACCEPT}`: change the mark beside the test, not this page.
Every row is a test; those that run in `make test-all` only say so. The goldens in `tests/golden` were computed by
running TFOD 2.8 on TensorFlow 2.15, on a CPU. Those under `from_tfod/` were made by the scripts beside them, which run
TFOD itself (`make tfod`) and can be run again.

**Training, and what rounding does to it.** Every relu6 is a switch: a weight that differs in its last place throws
some. In single precision TFOD therefore leaves its own numbers after one to three steps, on another CPU, with other
kernels or from weights changed by 1e-7, and by more than the tolerances that fit its other numbers:
`from_tfod/single.npz` holds six of its runs on a CPU without AVX-512. Single-precision runs are held to the spread of
TFOD's own. In double precision TFOD repeats its numbers, and odtk repeats TFOD's: all losses of all steps, and what
training changed in every variable.

| what | against | tolerance | test |
| --- | --- | --- | --- |
"""

DIFFERENCES = """
## Deliberate differences

- **Records.** `make-tfrecords` never writes an image that cannot be fully decoded (TFOD writes a truncated JPEG),
  keeps GIF, PNG and CMYK pictures called `.jpg` as RGB JPEGs (TFOD drops the first two), puts the exchanged corners
  of a box in order, and leaves out images with an empty box or one wholly outside. `--strict-tfod` goes back to TFOD's
  choice, but for what cannot be decoded.
- **Reading.** A shard that is missing from a set its pattern matches is an error, where TFOD reads on. A box whose
  class is outside 1..num_classes is dropped, where TFOD keeps an object of no class. `max_number_of_boxes` of
  `train_config` counts where the reader has none of its own. Evaluation reads its records once and in order,
  whatever the reader's options say.
- **Preprocessing.** Images are resized and then the channel means are subtracted, as batches hold pictures; TFOD does
  it the other way round. Predictions differ by rounding (1e-5); a repeated training run leaves TFOD's sooner.
- **Config.** A field that is set twice is an error, where TFOD takes the last; an option that odtk does not
  implement is refused by name.
- **Export.** In every input type the anchors are those of training. TFOD forgets the image size in exports of
  batches, and with it moves the anchors of levels whose stride does not divide the size.
- **Metrics.** Per-category numbers work (in TFOD they are broken). A super-category's mean leaves out classes
  without groundtruth, where TFOD's adds their -1. `all_metrics_per_category` alone is enough to ask for them.
  Pascal VOC's and Open Images' numbers count true boxes only: TFOD's evaluation takes the padding up to the reader's
  `max_number_of_boxes` for objects of class 1 that nobody finds. Pooled over no groundtruth they are NaN, where TFOD
  ends in an error.
- **Losses.** The gradients of `weighted_iou` and `weighted_giou` are finite for boxes without area, where TFOD's are
  NaN and end the training.
- **Calibration.** A score that lies 1 or more beyond a curve's last point, as only `IDENTITY` gives it, keeps that
  point's value, where TFOD falls back to the first one's.
- **Scalars** are written every 10 steps, not every 100; checkpoints are named by their step.
- **Suppression.** Slots behind `num_detections` are zero, where TFOD with `use_static_shapes` leaves leftovers with
  score -1.
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
