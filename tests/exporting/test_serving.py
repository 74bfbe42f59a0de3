"""A folder for TensorFlow Serving, asked as Serving asks it: JSON is parsed by its rules, the signature answers.

Serving itself is a container or a Debian package, which no test can count on.
"""

import base64
import http.server
import io
import json
import re
import threading

import fake_detector
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from PIL import Image
from tensorflow.core.framework import tensor_pb2

from odtk.errors import CheckpointError
from odtk.exporting import serving
from odtk.exporting.open_model import open_model
from odtk.exporting.signatures import INPUT_TYPES
from odtk.tools.export import export

JPEG, DETECTIONS = "encoded_image_string_tensor", "detections"


@pytest.fixture(scope="module", autouse=True)
def family():
    with fake_detector.registered():
        yield


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory, family):
    return fake_detector.write_model_dir(tmp_path_factory.mktemp("serving") / "my pets", seed=2)


@pytest.fixture(scope="module")
def exported(model_dir):
    """Folders by input type, the one with JPEG compared with its checkpoint."""
    folders = {}
    for input_type, verify in (("image_tensor", 0), (JPEG, 2)):
        folders[input_type] = model_dir.parent / input_type
        options = {"format": "serving", "input_type": input_type, "verify": verify}
        export(model_dir / "pipeline.config", model_dir, folders[input_type], **options)
    return folders


@pytest.fixture(scope="module")
def signatures(exported):
    loaded = {name: tf.saved_model.load(str(folder / "serving/my_pets/1")) for name, folder in exported.items()}
    return {name: (each, each.signatures) for name, each in loaded.items()}  # a signature does not keep its model


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(5).integers(0, 256, (48, 32, 3), np.uint8)


def test_the_layout_is_servings(exported):
    folder = exported[JPEG] / "serving"
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found >= {
        "README.md", "label_map.pbtxt", "my_pets/1/saved_model.pb", "my_pets/1/variables/variables.index",
        "my_pets/1/assets.extra/tf_serving_warmup_requests", "my_pets/1/assets.extra/certificate.json",
    }  # fmt: skip


def answer_as_serving(signatures, body: dict) -> dict:
    """What Serving's REST API does with a request in row format (its json_tensor.cc), with the model's own signature.

    Instances are values of the only input, or objects by its name; an object with b64 alone is bytes. Each output must
    have a value for each instance.
    """
    function = signatures[body.get("signature_name", "serving_default")]
    ((name, spec),) = function.structured_input_signature[1].items()
    rows = [row[name] if isinstance(row, dict) and set(row) != {"b64"} else row for row in body["instances"]]
    if spec.dtype == tf.string:
        values = tf.constant([base64.b64decode(row["b64"]) for row in rows])
    else:
        values = tf.constant(np.array(rows), spec.dtype)
    outputs = {key: value.numpy() for key, value in function(**{name: values}).items()}
    assert {len(value) for value in outputs.values()} == {len(rows)}
    return {"predictions": [{key: value[i].tolist() for key, value in outputs.items()} for i in range(len(rows))]}


def as_png(image) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def test_json_is_answered_as_the_checkpoint_detects(signatures, model_dir, image):
    expected = open_model(model_dir, devices="cpu").detect(image)
    encoded = {"b64": base64.b64encode(as_png(image)).decode()}
    for input_type, rows in (
        (JPEG, [encoded, encoded]),
        (JPEG, [{"input_tensor": encoded}]),
        ("image_tensor", [image.tolist()]),
    ):
        for signature in ("serving_default", DETECTIONS):
            body = json.loads(json.dumps({"signature_name": signature, "instances": rows}))
            answers = json.loads(json.dumps(answer_as_serving(signatures[input_type][1], body)))["predictions"]
            assert len(answers) == len(rows)
            for found in answers:
                count = int(found["num_detections"])
                np.testing.assert_allclose(found["detection_boxes"][:count], expected.boxes, atol=1e-5)
                np.testing.assert_allclose(found["detection_scores"][:count], expected.scores, atol=1e-5)
                assert found["detection_classes"][:count] == expected.classes.tolist()


def test_rest_needs_no_outputs_that_no_client_reads(signatures):
    of_all, few = (set(signatures[JPEG][1][name].structured_outputs) for name in ("serving_default", DETECTIONS))
    assert few == {"detection_boxes", "detection_classes", "detection_scores", "num_detections"} <= of_all


def blocks_of(folder) -> dict[str, str]:
    """The page's Python by the headings above."""
    text = (folder / "serving/README.md").read_text("utf-8")
    return dict(re.findall(r"## (REST|gRPC)\n.*?```python\n(.*?)```", text, re.DOTALL))


class Serving(http.server.BaseHTTPRequestHandler):
    """Stands in for the server."""

    def do_POST(self):
        assert self.path == "/v1/models/my_pets:predict"
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.dumps(answer_as_serving(self.server.signatures, body)).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


@pytest.mark.parametrize("input_type", [JPEG, "image_tensor"])
def test_the_pages_rest_client_gets_the_detections(
    input_type, exported, signatures, image, model_dir, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(as_png(image))  # whatever its name, the bytes decide
    with http.server.HTTPServer(("localhost", 0), Serving) as server:
        server.signatures = signatures[input_type][1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        code = blocks_of(exported[input_type])["REST"].replace(":8501/", f":{server.server_port}/")
        exec(compile(code, "README.md", "exec"), {})
        server.shutdown()
    expected = open_model(model_dir, devices="cpu").detect(image)
    printed = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert [float(number) for number, _, _ in printed] == expected.classes.tolist()
    np.testing.assert_allclose([float(score) for _, score, _ in printed], expected.scores, atol=1e-5)


def test_the_page_has_a_command_that_starts_it_and_a_grpc_client(exported):
    text = (exported[JPEG] / "serving/README.md").read_text("utf-8")
    assert '-v "$PWD/my_pets:/models/my_pets" -e MODEL_NAME=my_pets tensorflow/serving\n' in text
    assert "Classes: 1 cat, 2 dog." in text
    for folder in exported.values():
        code = blocks_of(folder)["gRPC"]
        compile(code, "README.md", "exec")
        assert 'signature_name = "detections"' in code


def prediction_log():
    """The class tensorflow.serving.PredictionLog, with the fields that are written; TensorProto as its bytes."""
    file = descriptor_pb2.FileDescriptorProto(name="prediction_log.proto", package="serving", syntax="proto3")
    messages = {
        "PredictionLog": [("predict_log", 6, "PredictLog", False)],
        "PredictLog": [("request", 1, "PredictRequest", False)],
        "PredictRequest": [("model_spec", 1, "ModelSpec", False), ("inputs", 2, "Entry", True)],
        "ModelSpec": [("name", 1, None, False), ("signature_name", 3, None, False)],
        "Entry": [("key", 1, None, False), ("value", 2, bytes, False)],
    }
    of = descriptor_pb2.FieldDescriptorProto
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, number, kind, is_repeated in fields:
            type_ = of.TYPE_STRING if kind is None else of.TYPE_BYTES if kind is bytes else of.TYPE_MESSAGE
            added = message.field.add(name=field, number=number, type=type_, label=of.LABEL_OPTIONAL)
            if is_repeated:
                added.label = of.LABEL_REPEATED
            if isinstance(kind, str):
                added.type_name = f".serving.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("serving.PredictionLog"))


@pytest.mark.parametrize("input_type", [JPEG, "image_tensor"])
def test_the_warm_up_requests_are_answered_by_the_signatures_that_they_name(input_type, exported, signatures):
    path = exported[input_type] / "serving/my_pets/1" / serving.EXTRA / serving.WARM_UP
    asked = []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        request = prediction_log().FromString(record).predict_log.request
        assert request.model_spec.name == "my_pets"
        (entry,) = request.inputs
        tensor = tf.make_ndarray(tensor_pb2.TensorProto.FromString(entry.value))
        spec = INPUT_TYPES[input_type].spec()
        outputs = signatures[input_type][1][request.model_spec.signature_name](
            **{entry.key: tf.constant(tensor, spec.dtype)}
        )
        assert outputs["num_detections"].shape == [1]
        asked.append(request.model_spec.signature_name)
    assert asked == ["serving_default", DETECTIONS]


def test_the_highest_version_is_opened_with_its_names(exported, tmp_path, image, model_dir):
    model = open_model(exported[JPEG], devices="cpu")
    assert model.names == {1: "cat", 2: "dog"}
    assert model.input_type == JPEG
    place = tmp_path / "serving"
    for version in ("9", "10"):
        (place / "pets" / version).mkdir(parents=True)
        (place / "pets" / version / "saved_model.pb").touch()
    assert serving.find_version(place).name == "10"
    (place / "dogs/1").mkdir(parents=True)
    (place / "dogs/1/saved_model.pb").touch()
    with pytest.raises(CheckpointError, match="it holds dogs, pets"):
        serving.find_version(place)


def test_names_of_models():
    assert serving.name_of("models/pets/best/ckpt-6") == "pets"
    assert serving.name_of("/a/exported v2/checkpoint/ckpt-0") == "exported_v2"
    assert serving.name_of("gs://bucket/my.run/ckpt-5") == "my_run"
    assert serving.name_of("/ckpt-5") == "detector"
