"""The data of the measurements: synthetic pets of 500x375 pixels in Pet layout, and the configs that read them."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from odtk import label_map, pipeline
from odtk.records import shards
from odtk.tools.synthetic_pets import BREEDS, draw_picture

SIZE = (500, 375)  # width, height
NUM_IMAGES = 740  # 20 of each of 37 breeds
_GRAIN = 4  # standard deviation of the noise that makes every copy of an image a different file


def draw_pets(folder: Path, num_images: int = NUM_IMAGES) -> None:
    """Writes images/, annotations/xmls/, trimaps/ and trainval.txt: copies of 37 images, each with different noise.

    The trimaps are for TFOD, which reads them even for records of faces.
    """
    for name in ("images", "annotations/xmls", "annotations/trimaps"):
        (folder / name).mkdir(parents=True)
    names = [item.name for item in label_map.read(label_map.find("pet_label_map")).items]
    pictures = [_picture(index) for index in range(len(names))]
    trimaps = [_trimap(box) for _, box in pictures]
    rng = np.random.default_rng(0)
    grain = rng.normal(0, _GRAIN, (SIZE[1] + 64, SIZE[0] + 64, 1)).astype(np.float32)
    listed = []
    for index in range(num_images):
        pixels, box = pictures[index % len(names)]
        name = f"{names[index % len(names)]}_{index // len(names) + 1}"
        y, x = rng.integers(0, 64, 2)
        image = Image.fromarray((pixels + grain[y : y + SIZE[1], x : x + SIZE[0]]).clip(0, 255).astype(np.uint8))
        image.save(folder / "images" / f"{name}.jpg", quality=90)
        (folder / "annotations" / "xmls" / f"{name}.xml").write_text(_xml(name, box))
        (folder / "annotations" / "trimaps" / f"{name}.png").write_bytes(trimaps[index % len(names)])
        listed.append(f"{name} 1 1 1\n")
    (folder / "annotations" / "trainval.txt").write_text("".join(listed))


def config_320(records: Path):
    """The shipped 37-class pipeline at 320x320, batch 4, on what make-tfrecords wrote; no checkpoint to start from."""
    config = pipeline.read("ssd_resnet50_v1_fpn_640x640_pets")
    resizer = config.model.ssd.image_resizer.fixed_shape_resizer
    resizer.height = resizer.width = 320
    config.train_config.batch_size = 4
    config.train_config.ClearField("fine_tune_checkpoint")
    config.train_config.ClearField("fine_tune_checkpoint_type")
    dataset = shards.read_dataset(records)
    for reader, pattern in (
        (config.train_input_reader, dataset.train_records),
        (config.eval_input_reader[0], dataset.val_records),
    ):
        reader.label_map_path = str(dataset.label_map)
        reader.tf_record_input_reader.input_path[:] = [pattern]
    return config


def _picture(index: int):
    picture = draw_picture(BREEDS[index % len(BREEDS)], np.random.default_rng((7, index)))
    scale = np.array([SIZE[1] / picture.image.height, SIZE[0] / picture.image.width] * 2)
    box = (np.array(picture.boxes[0]) * scale).astype(int) if picture.boxes else np.array([50, 50, 200, 200])
    return np.asarray(picture.image.resize(SIZE, Image.Resampling.BICUBIC), np.float32), box


def _trimap(box) -> bytes:
    """PNG of 2 (background), 1 in the box (the pet)."""
    pixels = np.full(SIZE[::-1], 2, np.uint8)
    ymin, xmin, ymax, xmax = box
    pixels[ymin:ymax, xmin:xmax] = 1
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    return encoded.getvalue()


def _xml(name: str, box) -> str:
    ymin, xmin, ymax, xmax = box
    corners = f"<xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax>"
    return (
        f"<annotation><filename>{name}.jpg</filename>"
        f"<size><width>{SIZE[0]}</width><height>{SIZE[1]}</height><depth>3</depth></size>"
        f"<object><name>cat</name><pose>Frontal</pose><truncated>0</truncated><difficult>0</difficult>"
        f"<bndbox>{corners}</bndbox></object></annotation>\n"
    )
