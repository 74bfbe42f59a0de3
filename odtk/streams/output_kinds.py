"""The kinds of output that a stream of pictures may have: names and meanings, without loading what writes them."""

from collections.abc import Iterable

from odtk.errors import OdtkError

MEANINGS = {
    "pictures": "each picture with its boxes drawn on it; a frame of a video only without `video`",
    "video": "each video with boxes drawn on it, and the audio of a file",
    "coco": "detections.json, COCO results",
    "csv": "detections.csv, a row per box",
    "yolo": "a YOLO dataset to correct and train on: yolo/images, yolo/labels, yolo/data.yaml",
    "voc": "the same as Pascal VOC: voc/JPEGImages, voc/Annotations",
    "crops": "each box as a picture of its own, in crops/CLASS",
    "features": "features.npz: a vector of each box and of each picture, from a layer of the network",
}
"""What `odtk predict` can save, by name."""

DEFAULT = ("pictures", "video", "coco")

FOLDERS = ("yolo", "voc", "crops")
"""Those of outputs in a folder of their own."""


def in_words() -> str:
    """Every kind with its meaning, for a help text."""
    return "; ".join(f"{name} ({meaning})" for name, meaning in MEANINGS.items())


def check(kinds: str | Iterable[str]) -> tuple[str, ...]:
    """The kinds, each once, from an iterable or from a text such as "pictures,csv"; OdtkError for an unknown one."""
    words = kinds.split(",") if isinstance(kinds, str) else list(kinds)
    found = tuple(dict.fromkeys(word.strip().lower() for word in words if word.strip()))
    unknown = [kind for kind in found if kind not in MEANINGS]
    if unknown or not found:
        what = f"The output {unknown[0]!r} is not known" if unknown else "No output is named"
        raise OdtkError(f"{what}. Choose any of {', '.join(MEANINGS)}, separated by commas.", argument="save")
    return found
