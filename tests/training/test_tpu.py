"""A TPU over the network is found as Google's APIs tell, here those of a local server; or it is said why not."""

import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import googleapiclient
import pytest
import tensorflow as tf
from google.auth.credentials import AnonymousCredentials
from oauth2client.client import ApplicationDefaultCredentialsError, GoogleCredentials

from odtk.errors import OdtkError
from odtk.training import tpu
from odtk.training.strategy import build_strategy

NODE = "/v1/projects/pets/locations/europe-west4-a/nodes/node-1"


class Answers(BaseHTTPRequestHandler):
    """Of the metadata server, the API's description and the API itself."""

    def do_GET(self):
        answer = self.server.answers.get(self.path.partition("?")[0])
        self.send_response(404 if answer is None else 200)
        self.end_headers()
        self.wfile.write((answer or "no such node").encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def cloud(monkeypatch):
    """What the server answers, by path; the TPU's node is there, and its only host listens."""
    server = HTTPServer(("127.0.0.1", 0), Answers)
    host, address = socket.create_server(("127.0.0.1", 0)), f"127.0.0.1:{server.server_port}"
    description = Path(googleapiclient.__file__).parent / "discovery_cache/documents/tpu.v1.json"
    node = {
        "state": "READY",
        "tensorflowVersion": tf.__version__,
        "networkEndpoints": [{"ipAddress": "127.0.0.1", "port": host.getsockname()[1]}],
    }
    server.answers = {
        "/computeMetadata/v1/project/project-id": "pets",
        "/computeMetadata/v1/instance/zone": "projects/1/zones/europe-west4-a",
        "/description": description.read_text().replace("https://tpu.googleapis.com/", f"http://{address}/"),
        NODE: json.dumps(node),
    }
    server.node = node
    monkeypatch.setenv("GCE_METADATA_HOST", address)
    monkeypatch.setenv("TPU_API_DISCOVERY_URL", f"http://{address}/description")
    monkeypatch.setattr(GoogleCredentials, "get_application_default", lambda: AnonymousCredentials())
    tpu.connect.cache_clear()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
    host.close()
    tpu.connect.cache_clear()


def refusal(name: str) -> str:
    with pytest.raises(OdtkError) as error:
        tpu.connect(name)
    assert error.value.argument == "tpu"
    return str(error.value)


@pytest.mark.parametrize("kind", ["name", "address"])
def test_one_that_is_there_is_connected_to_once(cloud, monkeypatch, kind):
    name = "node-1" if kind == "name" else f"grpc://127.0.0.1:{cloud.node['networkEndpoints'][0]['port']}"
    asked = []
    monkeypatch.setattr(
        tpu.distribute_utils, "get_distribution_strategy", lambda *kind, **where: asked.append((kind, where)) or "cores"
    )
    assert build_strategy(tpu=name) == build_strategy(tpu=name) == "cores"
    assert asked == [(("tpu",), {"tpu_address": name})]


@pytest.mark.parametrize(
    ("node", "told"),
    [
        ({"state": "CREATING"}, 'TPU "node-1" is not yet ready; state: "CREATING"'),
        ({"tensorflowVersion": "2.12.0"}, "node-1' run TensorFlow 2.12.0, and this machine 2."),
        ({"tensorflowVersion": "tpu-vm-tf-2.12.1-pod"}, "TensorFlow tpu-vm-tf-2.12.1-pod, and this"),
        ({"networkEndpoints": [{"ipAddress": "127.0.0.1", "port": 1}]}, "at 127.0.0.1:1: Connection refused"),
    ],
)
def test_one_that_cannot_be_used_is_refused(cloud, node, told):
    cloud.answers[NODE] = json.dumps(cloud.node | node)
    assert told in refusal("node-1")


def test_what_is_not_there_is_refused(cloud, monkeypatch):
    text = refusal("node-2")
    assert text.startswith("The TPU 'node-2' was not found: Could not lookup TPU metadata from name 'node-2'.")
    assert "gcloud compute tpus list" in text
    assert "at 127.0.0.1:1: Connection refused" in refusal("grpc://127.0.0.1:1")

    def fail():
        raise ApplicationDefaultCredentialsError("The Application Default Credentials are not available. See ...")

    monkeypatch.setattr(GoogleCredentials, "get_application_default", fail)
    assert "not found: The Application Default Credentials are not available." in refusal("node-1")
    del cloud.answers["/computeMetadata/v1/project/project-id"]
    assert "not found: HTTP Error 404" in refusal("node-1")


def test_hosts_of_an_unknown_version_are_not_refused():
    for runtime in (None, "tpu-ubuntu2204-base", "v2-alpha-tpuv5", f"tpu-vm-tf-{tf.__version__}"):
        tpu._require_same_tensorflow("node-1", runtime)


def test_addresses_that_are_no_tpus(cloud, monkeypatch):
    def fail(*_, **__):
        raise tf.errors.NotFoundError(None, None, "No TPU devices found in eager mode. More ...")

    monkeypatch.setattr(tpu.distribute_utils, "get_distribution_strategy", fail)
    assert refusal("node-1").startswith("The TPU 'node-1' cannot be used: No TPU devices found in eager mode. End")


@pytest.mark.slow  # tests/inputs/test_graph_records.py has what is counted, in one process
def test_records_are_read_and_counted_beside_a_host_that_is_another_process(tmp_path):
    """What calls Python or writes to this disk stays here: placed there, it would fail or wait forever."""
    tests = Path(__file__).parents[1]
    program, path = Path(__file__).with_name("tpu_host_run.py"), (tests, tests / "tools", tests.parent)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    command = [sys.executable, str(program), str(tmp_path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=100)
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout.splitlines()[-1])
    assert found["evaluated"] == {"images": 9, "bad": [0], "events": [1, 1]}
    assert found["trained"] == {"images": 10, "bad": [0], "device": "/job:worker/replica:0/task:0/device:CPU:0"}
    assert not list((tmp_path / "host").iterdir())
