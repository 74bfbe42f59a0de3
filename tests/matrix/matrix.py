"""Runs the core of the suite on each supported Python with each supported TensorFlow, and with what Colab has.

`python tests/matrix/matrix.py [CELL ...]` does it one cell after the other, each in an environment of its own under
.matrix, which stays for the next time. It needs the standard library alone, and is run by whichever Python 3 is there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
ENVIRONMENTS = CHECKOUT / ".matrix"

# What README promises; test_matrix.py compares.
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
TENSORFLOWS = ("2.19", "2.20")
IMPOSSIBLE = {("3.13", "2.19"): "TensorFlow 2.19 has no wheels for Python 3.13"}
COLAB = CHECKOUT / "tests/data/colab-constraints.txt"

# What breaks first on another Python, TensorFlow, NumPy or protobuf, in a few minutes: every import; what stands on
# protobuf and Click; annotations and records; TFOD's numbers for the forward pass, targets, losses; and all commands.
CORE = (
    "tests/test_imports.py",
    "tests/test_packaging.py",
    "tests/test_protos.py",
    "tests/prototext",
    "tests/pipeline",
    "tests/cli",
    "tests/annotations",
    "tests/field",
    "tests/records/test_example.py",
    "tests/records/test_shards.py",
    "tests/test_label_map.py",
    "tests/test_atomic.py",
    "tests/test_parallel.py",
    "tests/checkpoints",
    "tests/boxes/test_anchors.py",
    "tests/boxes/test_coding.py",
    "tests/boxes/test_targets.py",
    "tests/test_losses.py",
    "tests/test_images.py",
    "tests/detectors/test_golden_ssd_resnet50.py",
    "tests/detectors/test_golden_targets.py",
    "tests/evaluation/test_coco_metrics.py",
    "tests/tools/test_demo.py",
)


@dataclass(frozen=True)
class Cell:
    """One environment: a Python, a TensorFlow, and a constraints file for everything else (None: the newest)."""

    python: str
    tensorflow: str
    constraints: Path | None = None

    @property
    def name(self) -> str:
        """What the command line, the table and the folder call it."""
        return "colab" if self.constraints else f"{self.python}+{self.tensorflow}"

    @property
    def folder(self) -> Path:
        """Where its environment is."""
        return ENVIRONMENTS / self.name


@dataclass
class Outcome:
    """What became of a cell; `result` is passed, FAILED or passed over."""

    cell: Cell
    result: str
    detail: str
    seconds: float = 0


def cells() -> list[Cell]:
    """Every Python with every TensorFlow, and Colab's Python with Colab's packages."""
    return [
        *(Cell(python, tensorflow) for python in PYTHONS for tensorflow in TENSORFLOWS),
        Cell("3.13", "2.20", COLAB),
    ]


def chosen(names: list[str]) -> list[Cell]:
    """The cells of these names, in the matrix's order; all where none is named. Exits where a name is no cell's."""
    known = {cell.name: cell for cell in cells()}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"There is no cell {', '.join(unknown)}; the cells are {', '.join(known)}.")
    return [cell for name, cell in known.items() if not names or name in names]


def interpreter(python: str) -> str | None:
    """An interpreter of this version that can make environments: this one, PATH's or pyenv's; None: there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [sys.executable, shutil.which(f"python{python}")]
    candidates += sorted(pyenv.glob(f"versions/{python}.*/bin/python{python}"))
    ask = f"import ensurepip, sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '{python}')"
    for candidate in filter(None, candidates):
        # A shim may be on PATH and fail when run.
        if subprocess.run([candidate, "-c", ask], capture_output=True).returncode == 0:
            return str(candidate)
    return None


def install(cell: Cell, base: str, log) -> bool:
    """Makes the cell's environment unless it is there and newer than pyproject.toml; False where that failed."""
    ready = cell.folder / ".ready"
    if ready.exists() and ready.stat().st_mtime >= (CHECKOUT / "pyproject.toml").stat().st_mtime:
        return True
    pip = [cell.folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    constraints = ["--constraint", cell.constraints] if cell.constraints else []
    for command in (
        [base, "-m", "venv", "--clear", cell.folder],
        [*pip, "pip>=23.1"],
        [*pip, *constraints, "--editable", f"{CHECKOUT}[test]", f"tensorflow=={cell.tensorflow}.*"],
    ):
        if subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, cwd=CHECKOUT).returncode != 0:
            return False
    ready.touch()
    return True


def test(cell: Cell, log) -> bool:
    """Runs the core in the cell's environment; False where a test failed."""
    command = [cell.folder / "bin/python", "-m", "pytest", "-p", "no:cacheprovider", *CORE]
    # Nothing of the caller's: neither another checkout nor another environment's packages.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, cwd=CHECKOUT, env=environment)
    return done.returncode == 0


def run(cell: Cell) -> Outcome:
    """Installs and tests one cell; its output goes to a file beside its environment."""
    if (cell.python, cell.tensorflow) in IMPOSSIBLE:
        return Outcome(cell, "passed over", IMPOSSIBLE[cell.python, cell.tensorflow])
    base = interpreter(cell.python)
    if not base:
        return Outcome(cell, "passed over", f"no Python {cell.python} is here")
    started = time.monotonic()
    path = cell.folder.with_name(f"{cell.name}.log")
    with open(path, "w") as log:
        passed = install(cell, base, log) and test(cell, log)
    last = path.read_text().splitlines()[-1:]
    detail = last if passed else [*last, f"see {path}"]
    return Outcome(cell, "passed" if passed else "FAILED", "; ".join(detail), time.monotonic() - started)


def main(names: list[str]) -> int:
    """Runs the cells named, prints a line as each ends and a table at the end; 1 where one failed or none could run."""
    ENVIRONMENTS.mkdir(exist_ok=True)
    outcomes = []
    for cell in chosen(names):
        print(f"{cell.name}: Python {cell.python}, TensorFlow {cell.tensorflow} ...", flush=True)
        outcomes.append(run(cell))
    print()
    for outcome in outcomes:
        print(f"{outcome.cell.name:10}  {outcome.result:11}  {outcome.seconds:5.0f} s  {outcome.detail}")
    results = {outcome.result for outcome in outcomes}
    return int("FAILED" in results or "passed" not in results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
