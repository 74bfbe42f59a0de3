"""The real huggingface_hub against a Hub of this process, by HF_ENDPOINT: a folder goes there and comes back."""

import base64
import contextlib
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from odtk.resources import shipped_files

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("huggingface_hub") is None, reason="needs odtk[hf], which is not installed"
    ),
]
SHA = "a" * 40


class _Hub(BaseHTTPRequestHandler):
    """As much of the Hub's interface as one commit and one download need."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/repos/create":
            self.answer({"url": f"{self.server.address}/me/pets", "name": "me/pets", "id": "me/pets"})
        elif self.path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif self.path.endswith("/preupload/main"):
            files = [{"path": each["path"], "uploadMode": "regular", "shouldIgnore": False}
                     for each in json.loads(body)["files"]]  # fmt: skip
            self.answer({"files": files})
        elif self.path.endswith("/commit/main"):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.server.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                else:
                    self.server.messages.append(line["value"]["summary"])
            self.answer({"success": True, "commitOid": SHA, "commitUrl": f"{self.server.address}/me/pets/commit/{SHA}"})
        else:
            self.answer({"error": self.path}, 404)

    def do_GET(self):
        name = self.path.partition(f"/resolve/{SHA}/")[2]
        if "/api/models/me/pets/tree/" in self.path:
            files = self.server.files.items()
            self.answer([{"type": "file", "path": path, "size": len(held), "oid": SHA} for path, held in files])
        elif "/api/models/me/pets/" in self.path:
            siblings = [{"rfilename": each} for each in self.server.files]
            self.answer({"id": "me/pets", "modelId": "me/pets", "sha": SHA, "siblings": siblings, "tags": []})
        elif name in self.server.files:
            self.send(self.server.files[name], "application/octet-stream", 200)
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    do_HEAD = do_GET

    def answer(self, document, status=200):
        self.send(json.dumps(document).encode(), "application/json", status)

    def send(self, content, kind, status):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", SHA)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()[:40]}"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def local_hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    server.address, server.files, server.messages = f"http://127.0.0.1:{server.server_address[1]}", {}, []
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def odtk(hub, folder, *words):
    # The library reads its address when it is imported.
    environment = os.environ | {"HF_ENDPOINT": hub.address, "HF_HOME": str(folder / "home"), "HF_TOKEN": "hf_none"}
    command = [sys.executable, "-m", "odtk", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_folder_goes_there_and_comes_back(tmp_path):
    exported = tmp_path / "exported"
    (exported / "saved_model").mkdir(parents=True)
    config = shipped_files("pipelines", ".config")["ssd_resnet50_v1_fpn_small"].read_bytes()
    (exported / "pipeline.config").write_bytes(config)
    (exported / "saved_model/saved_model.pb").write_bytes(b"graph")
    with local_hub() as hub:
        done = odtk(hub, tmp_path, "push", "exported", "hf://me/pets", "--license", "mit", "--message", "First")
        assert done.returncode == 0, done.stderr
        assert f"Uploaded 3 files: {hub.address}/me/pets/commit/{SHA}" in done.stdout
        assert hub.messages == ["First"]
        assert set(hub.files) == {"README.md", "pipeline.config", "saved_model/saved_model.pb"}
        assert hub.files["README.md"].startswith(b"---\nlicense: mit\n")
        done = odtk(hub, tmp_path, "download", "hf://me/pets")
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "pets/pipeline.config").read_bytes() == config
        assert (tmp_path / "pets/saved_model/saved_model.pb").read_bytes() == b"graph"
        done = odtk(hub, tmp_path, "download", "hf://me/pets", "--overwrite")
        assert done.returncode == 0, done.stderr
        done = odtk(hub, tmp_path, "download", "hf://me/absent")
        assert done.returncode == 1
        assert f"error: hf://me/absent cannot be downloaded from {hub.address}: there is no such model" in done.stderr
        assert not (tmp_path / "absent").exists()
