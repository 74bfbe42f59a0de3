"""How often a run halved its learning rate after a NaN: nan/rate.json of the model dir, which resumed runs read."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from odtk import files
from odtk.errors import OdtkError

FOLDER = "nan"
FILE = "rate.json"


@dataclass(frozen=True)
class Halving:
    """The loss became NaN or infinite at a step, and training went on from an earlier one."""

    failed_at: int
    went_on_from: int


def path_of(model_dir: str | os.PathLike) -> str:
    """The file, whether it exists or not."""
    return files.join(files.join(model_dir, FOLDER), FILE)


def read_halvings(model_dir: str | os.PathLike, step: int) -> list[Halving]:
    """Those before `step`, at which the run continues. Raises OdtkError if the file is none of odtk's."""
    path = path_of(model_dir)
    if not files.exists(path):
        return []
    try:
        return [halving for halving in from_json(files.read_text(path)) if halving.went_on_from <= step]
    except (ValueError, LookupError, TypeError) as error:
        raise OdtkError(
            f"{path} is not what odtk wrote there: how often this run halved its learning rate. Remove it to train at "
            "the config's rate."
        ) from error


def write_halvings(model_dir: str | os.PathLike, halvings: Sequence[Halving]) -> None:
    """Replaces the file as a whole."""
    files.write_text(path_of(model_dir), as_json(halvings))


def as_json(halvings: Sequence[Halving]) -> str:
    """The file's text."""
    document = {"rate_scale": rate_scale(halvings), "halvings": [asdict(halving) for halving in halvings]}
    return json.dumps(document, indent=2) + "\n"


def from_json(text: str) -> list[Halving]:
    """The halvings of such a text. Raises ValueError, LookupError or TypeError for another one."""
    return [Halving(**entry) for entry in json.loads(text)["halvings"]]


def rate_scale(halvings: Sequence[Halving]) -> float:
    """What the config's learning rate is multiplied with."""
    return 0.5 ** len(halvings)


def in_words(halvings: Sequence[Halving]) -> str:
    """How often and when, and the rate now."""
    steps = ", ".join(str(halving.failed_at) for halving in halvings)
    return (
        f"the loss became NaN or infinite at step{'s' * (len(halvings) > 1)} {steps}, so the learning rate is "
        f"{rate_scale(halvings):g} of the config's"
    )
