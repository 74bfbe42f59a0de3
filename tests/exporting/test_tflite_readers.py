"""What others read of a .tflite file: MediaPipe shows the names of classes, and the schema's own reader every field.

Both are in mediapipe, which is installed into an environment of its own: that takes a minute and a package index.
ODTK_READERS_PYTHON names the Python of one that has it.
"""

import json
import os
import subprocess
import venv

import numpy as np
import pytest
from PIL import Image

from odtk.exporting import tflite_model
from odtk.exporting.tflite_metadata import OUTPUTS, DetectorFacts, encode_metadata
from odtk.tools.export import export

pytestmark = pytest.mark.slow

ASK_MEDIAPIPE = """
import json, sys
import mediapipe as mp
from mediapipe.tasks.python import BaseOptions, vision
model, *pictures = sys.argv[1:]
options = vision.ObjectDetectorOptions(base_options=BaseOptions(model_asset_path=model), score_threshold=0.3)
found = []
with vision.ObjectDetector.create_from_options(options) as detector:
    for picture in pictures:
        image = mp.Image.create_from_file(picture)
        found.append([
            [each.bounding_box.origin_y, each.bounding_box.origin_x, each.bounding_box.height, each.bounding_box.width,
             each.categories[0].category_name, each.categories[0].score]
            for each in detector.detect(image).detections
        ])
print(json.dumps(found))
"""

READ_METADATA = """
import json, sys
from mediapipe.tasks.metadata import metadata_schema_py_generated as schema
metadata = open(sys.argv[1], "rb").read()
assert schema.ModelMetadata.ModelMetadataBufferHasIdentifier(metadata, 0)
def plain(value):
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [plain(each) for each in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    fields = vars(value) if hasattr(value, "__dict__") else None
    return value if fields is None else {name: plain(each) for name, each in fields.items() if each is not None}
print(json.dumps(plain(schema.ModelMetadataT.InitFromObj(schema.ModelMetadata.GetRootAs(metadata, 0)))))
"""


@pytest.fixture(scope="module")
def readers(tmp_path_factory) -> str:
    """The Python of an environment with mediapipe."""
    given = os.environ.get("ODTK_READERS_PYTHON")
    if given:
        return given
    folder = tmp_path_factory.mktemp("readers")
    venv.create(folder, with_pip=True)
    python = str(folder / "bin/python")
    installed = subprocess.run([python, "-m", "pip", "install", "--quiet", "mediapipe"], capture_output=True, text=True)
    if installed.returncode:
        pytest.skip(f"mediapipe cannot be installed here: {installed.stderr.strip().splitlines()[-1:]}")
    return python


def test_the_schemas_own_reader_reads_every_field(readers, tmp_path):
    facts = DetectorFacts("pets", "Finds pets.", (320, 640), [127.5], [128.0], 100, "labels.txt", (("map", "Names."),))
    (tmp_path / "metadata").write_bytes(encode_metadata(facts))
    read = subprocess.run(
        [readers, "-c", READ_METADATA, str(tmp_path / "metadata")], capture_output=True, text=True, check=True
    )
    found = json.loads(read.stdout)
    (subgraph,) = found["subgraphMetadata"]
    (image,) = subgraph["inputTensorMetadata"]
    boxes, classes, *_ = subgraph["outputTensorMetadata"]
    assert (found["name"], found["description"], found["minParserVersion"]) == ("pets", "Finds pets.", "1.2.0")
    assert found["associatedFiles"] == [{"name": "map", "description": "Names.", "type": 1}]
    assert image["processUnits"] == [{"optionsType": 1, "options": {"mean": [127.5], "std": [128.0]}}]
    assert image["content"]["contentProperties"] == {"colorSpace": 1, "defaultSize": {"width": 640, "height": 320}}
    assert boxes["content"]["contentProperties"] == {"index": [1, 0, 3, 2], "type": 1, "coordinateType": 0}
    assert [each["name"] for each in subgraph["outputTensorMetadata"]] == list(OUTPUTS)
    assert [(each["name"], each["type"]) for each in classes["associatedFiles"]] == [("labels.txt", 3)]
    assert subgraph["outputTensorGroups"][0]["tensorNames"] == list(OUTPUTS[:3])


@pytest.mark.parametrize("name", ["ssd_mobilenet_v2_small", "ssd_resnet50_v1_fpn_small"])
@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_mediapipe_finds_the_same_and_names_it(name, quantize, trained_small_model, readers, tmp_path):
    config, model_dir = trained_small_model(name)
    options = {"quantize": quantize, "uint8_input": quantize == "int8", "verify": 0}
    export(config, model_dir, tmp_path / "out", format="tflite", **options)
    model = tflite_model.load(tmp_path / "out/model.tflite")
    ((values, _),) = model.place([np.zeros([9, 9, 3], np.uint8)])
    height, width = values.shape[1:3]
    pictures = _pictures(tmp_path, (width, height))
    asked = subprocess.run(
        [readers, "-c", ASK_MEDIAPIPE, str(model.path), *map(str, pictures)], capture_output=True, text=True
    )
    assert asked.returncode == 0, asked.stderr
    for picture, found in zip(pictures, json.loads(asked.stdout), strict=True):
        ours = model.detect(picture).best(0.3)
        assert len(found) == len(ours) > 0
        in_pixels = ours.boxes * np.tile([height, width], 2)
        for top, left, rows, columns, label, score in found:
            far = np.abs(in_pixels - [top, left, top + rows, left + columns]).max(axis=1)
            # Corner and size are each rounded to whole pixels.
            same = (far <= 2) & (np.abs(ours.scores - score) < 1e-3) & (np.array(ours.names) == label)
            assert same.any(), (label, score, far.min())


def _pictures(folder, size: tuple[int, int]) -> list:
    """Three, resized to the model's (width, height).

    MediaPipe samples pixels at their centers when it resizes, TFOD at their corners: in int8 that moved the score of a
    weak box by 0.23.
    """
    from odtk.tools import synthetic_pets

    data = synthetic_pets.draw_dataset(folder / "pets", num_images=3, seed=8)
    paths = [path.with_suffix(".png") for path in sorted(data.folder.rglob("*.jpg"))[:3]]
    for path in paths:
        Image.open(path.with_suffix(".jpg")).resize(size).save(path)
    return paths
