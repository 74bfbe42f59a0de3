"""The page on a folder for TensorFlow Serving: how it is started, and asked by REST and by gRPC."""

from __future__ import annotations

from collections.abc import Mapping

from odtk.exporting.signatures import INPUT_NAME, INPUT_TYPES

DETECTIONS = "detections"
"""The signature that answers with the detections alone."""
WITH_PIXELS = ("image_tensor", "float_image_tensor")
"""Input types whose JSON has a number for each pixel."""
_SHOWN = 20  # classes

_PAGE = """\
# {name} in TensorFlow Serving

`{name}/1` is version 1 of the model. Serving watches the folder `{name}` and serves the highest version in it: put a
new export beside it as `{name}/2`, and it takes over without a restart. Requests in
`{name}/1/assets.extra/tf_serving_warmup_requests` run before the first real one, so that it is not the slow one.

## Start

    docker run --rm -p 8500:8500 -p 8501:8501 \\
        -v "$PWD/{name}:/models/{name}" -e MODEL_NAME={name} tensorflow/serving

In this folder. On a GPU: `docker run --gpus all ... tensorflow/serving:latest-gpu`. TensorFlow Serving is no package of
Python; without Docker it is the Debian package `tensorflow-model-server`:

    tensorflow_model_server --port=8500 --rest_api_port=8501 --model_name={name} --model_base_path="$PWD/{name}"

Is it there?

    curl http://localhost:8501/v1/models/{name}

## REST

The model takes {meaning} (input type `{input_type}`).

```python
{rest}
```

## gRPC

`pip install tensorflow-serving-api`

```python
{grpc}
```

## The answer

Of each image, best first: `detection_boxes` as [ymin, xmin, ymax, xmax], in fractions of the image's height and width,
`detection_classes` (from 1), `detection_scores`, and how many of them are real, `num_detections`; the rest is padding.
The signature `{signature}` has these alone; `serving_default`, which a request without a signature asks, has all eight
tensors of TFOD's exported models, among them the raw boxes of all anchors: megabytes of JSON.
{classes}"""

_REST = """\
{imports}
import json
import urllib.request

{instance}
body = json.dumps({{"signature_name": "{signature}", "instances": instances}}).encode()
with urllib.request.urlopen("http://localhost:8501/v1/models/{name}:predict", body) as answer:
    (found,) = json.load(answer)["predictions"]
for number in range(int(found["num_detections"])):
    print(found["detection_classes"][number], found["detection_scores"][number], found["detection_boxes"][number])"""

_GRPC = """\
import grpc
{numpy}import tensorflow as tf
{pillow}from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

request = predict_pb2.PredictRequest()
request.model_spec.name = "{name}"
request.model_spec.signature_name = "{signature}"
{inputs}
with grpc.insecure_channel("localhost:8500") as channel:
    found = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=60).outputs
print(tf.make_ndarray(found["detection_boxes"]), tf.make_ndarray(found["detection_scores"]))"""

_OF_BYTES = 'with open("photo.jpg", "rb") as file:\n    encoded = file.read()'
_OF_EXAMPLE = f"""{_OF_BYTES}
feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded]))
example = tf.train.Example(features=tf.train.Features(feature={{"image/encoded": feature}})).SerializeToString()"""
_OF_PIXELS = 'with Image.open("photo.jpg") as image:\n    pixels = np.asarray(image.convert("RGB"), np.{dtype})'
_IMPORT_PIXELS = "import numpy as np\nfrom PIL import Image"


def text(name: str, input_type: str, names: Mapping[int, str]) -> str:
    """The page in Markdown. `names`: 1-based classes to their names."""
    kind = INPUT_TYPES[input_type]
    return _PAGE.format(
        name=name, input_type=input_type, meaning=kind.meaning, rest=_rest(name, input_type),
        grpc=_grpc(name, input_type), classes=_classes(names), signature=DETECTIONS,
    )  # fmt: skip


def _rest(name: str, input_type: str) -> str:
    pixels = _OF_PIXELS.format(dtype=INPUT_TYPES[input_type].dtype)
    imports, instance = {
        "encoded_image_string_tensor": (
            "import base64",
            f'{_OF_BYTES}\ninstances = [{{"b64": base64.b64encode(encoded).decode()}}]  # one or several',
        ),
        "tf_example": (
            "import base64",
            f'import tensorflow as tf\n\n{_OF_EXAMPLE}\ninstances = [{{"b64": base64.b64encode(example).decode()}}]',
        ),
    }.get(input_type, (_IMPORT_PIXELS, f"{pixels}\ninstances = [pixels.tolist()]"))
    return _sorted_imports(_REST.format(name=name, imports=imports, instance=instance, signature=DETECTIONS))


def _grpc(name: str, input_type: str) -> str:
    pixels = _OF_PIXELS.format(dtype=INPUT_TYPES[input_type].dtype)
    copied = f'request.inputs["{INPUT_NAME}"].CopyFrom(tf.make_tensor_proto({{}}))'
    inputs = {
        "encoded_image_string_tensor": f"{_OF_BYTES}\n{copied.format('[encoded]')}",
        "tf_example": f"{_OF_EXAMPLE}\n{copied.format('[example]')}",
    }.get(input_type, f"{pixels}\n{copied.format('pixels[np.newaxis]')}")
    numpy, pillow = (f"{line}\n" * (input_type in WITH_PIXELS) for line in _IMPORT_PIXELS.splitlines())
    return _GRPC.format(name=name, numpy=numpy, pillow=pillow, inputs=inputs, signature=DETECTIONS)


def _sorted_imports(code: str) -> str:
    """The standard library's imports first, others after them, as readers expect it."""
    lines = code.splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith(("with ", "body")))
    imports = [line for line in lines[:first] if line]
    others = [line for line in imports if line.split()[1] in ("numpy", "PIL", "tensorflow")]
    own = sorted(line for line in imports if line not in others)
    return "\n".join([*own, *(["", *others] if others else []), "", *lines[first:]])


def _classes(names: Mapping[int, str]) -> str:
    if not names:
        return ""
    listed = [f"{number} {name}" for number, name in sorted(names.items())[:_SHOWN]]
    more = f" and {len(names) - _SHOWN} more in label_map.pbtxt" * (len(names) > _SHOWN)
    return f"\nClasses: {', '.join(listed)}{more}.\n"
