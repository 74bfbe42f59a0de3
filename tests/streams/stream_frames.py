"""Frames whose pixels say where the boxes are, and their detections as a perfect detector would give them."""

import dataclasses

import drawn_field
import numpy as np
from PIL import Image

from odtk.detections import Detections
from odtk.streams.frame import Frame

NAMES = {1: "cat", 2: "cow", 3: "dog"}
IDS = {name: number for number, name in NAMES.items()}


def name_of(class_id):
    return NAMES.get(class_id, f"class {class_id}")


def detections(picture, scores=(0.9, 0.8)):
    """The objects of a drawn picture, and a box outside of it, as networks find them."""
    width, height = picture.size
    yxyx = [[box[1] / height, box[0] / width, box[3] / height, box[2] / width] for _, box in picture.objects]
    boxes = np.float32([*yxyx, [0.2, 1.0, 0.4, 1.3]])
    classes = np.int32([*(IDS[name] for name, _ in picture.objects), 1])
    kept = np.float32([*scores[: len(yxyx)], 0.6])
    columns = np.full([len(boxes), 3], 0.01, np.float32)
    columns[np.arange(len(boxes)), classes - 1] = kept
    return Detections(boxes, classes, kept, class_scores=columns)


def still(picture, source, name=None, image_id=1):
    return Frame(str(source), name or picture.name, image_id, np.asarray(picture.image))


def of_video(picture, number, name="walk.mp4", source="walk.mp4", image_id=1, rate=10):
    return Frame(source, name, image_id, np.asarray(picture.image), number, number / rate)


def blank(size=(160, 120)):
    picture = drawn_field.pictures(1, size)[0]
    return dataclasses.replace(picture, name="blank.png", image=Image.new("RGB", size, (90, 170, 60)), objects=())


def write_all(writer, frames):
    """Hands (frame, detections) pairs to a writer; its drawn picture is the frame itself."""
    for frame, found in frames:
        writer.write(frame, found, lambda frame=frame: Image.fromarray(frame.pixels))
    writer.finish()
