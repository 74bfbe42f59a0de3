"""Training images as the model gets them: augmented, resized and padded by training's own input pipeline."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

SEED = 0

# A small buffer shows as much, and keeps few encoded images in memory.
_SHUFFLE_BUFFER = 100
_MAX_BAD_RECORDS = 100  # training's default


@dataclass(frozen=True)
class ModelInput:
    """One image of a batch: its pixels, including padding, and the groundtruth that the loss sees."""

    image: Image.Image
    true_size: tuple[int, int]  # (height, width) without the padding
    source_id: str
    boxes: np.ndarray  # [n, 4] yxyx, normalized to the padded image
    class_ids: np.ndarray  # [n], from 1
    marks: list[str]  # for each box its weight and flags if they are not the defaults, or ""


def read_model_inputs(config, num_images: int, seed: int = SEED) -> list[ModelInput]:
    """The first images of a shuffled, augmented epoch of a pipeline.config; the same `seed` gives the same.

    Fewer than `num_images` if the reader has fewer records. Records that training would skip are skipped.
    Raises the errors that training on the config would: ConfigError, DataError.
    """
    from odtk.detectors.build import build_detector
    from odtk.inputs.bad_records import BadRecordFilter
    from odtk.inputs.build import build_train_dataset

    fed = type(config)()
    fed.CopyFrom(config)
    reader = fed.train_input_reader
    reader.shuffle_buffer_size = min(reader.shuffle_buffer_size, _SHUFFLE_BUFFER)
    detector = build_detector(fed)
    record_filter = BadRecordFilter(_MAX_BAD_RECORDS)
    # One image per batch: images do not depend on the batch size, and none is lost in a short last batch.
    dataset = build_train_dataset(fed, detector.resize, detector.num_classes, 1, seed, record_filter)
    images = [_model_input(*batch) for batch in dataset.take(num_images).as_numpy_iterator()]
    record_filter.finish()
    return images


def _model_input(features: dict, groundtruth: dict) -> ModelInput:
    count = int(groundtruth["num_boxes"][0])
    truth = {name: values[0][:count] for name, values in groundtruth.items() if name != "num_boxes"}
    pixels = np.clip(np.rint(features["image"][0]), 0, 255).astype(np.uint8)
    height, width = (int(side) for side in features["true_image_shape"][0][:2])
    return ModelInput(
        image=Image.fromarray(pixels),
        true_size=(height, width),
        source_id=features["source_id"][0].decode(errors="replace"),
        boxes=truth["boxes"],
        class_ids=truth["classes"] + 1,
        marks=[_mark(truth, index) for index in range(count)],
    )


def _mark(truth: dict, index: int) -> str:
    weight = float(truth["weights"][index])
    words = [f"weight {weight:g}"] * (weight != 1)
    words += [field.replace("is_", "").replace("_", " ") for field in _FLAGS if truth[field][index]]
    return ", ".join(words)


_FLAGS = ("difficult", "is_crowd", "group_of")
