"""A headless Chromium on a pipe (the DevTools protocol), to open a file at a true width and ask what became of it."""

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_OPTIONS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --remote-debugging-pipe"
)


class Browser:
    """One tab; `events` is all that the browser said of itself since the last `open`."""

    def __init__(self, process, commands: int, answers: int):
        self._process, self._commands, self._answers = process, commands, answers
        self._buffer, self._number, self.events = b"", 0, []
        target = self._call("Target.createTarget", {"url": "about:blank"}, session=None)["targetId"]
        attach = {"targetId": target, "flatten": True}
        self._session = self._call("Target.attachToTarget", attach, session=None)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def open(self, url: str, width: int, scheme: str = "light") -> None:
        """Loads `url` in a window `width` CSS pixels wide, for people who like `scheme`."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", size)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._call("Emulation.setEmulatedMedia", {"features": [feature]})
        self.events = []
        self._call("Page.navigate", {"url": url})
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read())

    def evaluate(self, expression: str):
        """The value of a JavaScript expression."""
        found = self._call("Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True})
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def screenshot(self, path, top: int = 0, height: int | None = None) -> None:
        """Writes the page from `top` on, beyond what a window shows, as a PNG."""
        width = self.evaluate("innerWidth")
        height = height or self.evaluate("document.documentElement.scrollHeight") - top
        clip = {"x": 0, "y": top, "width": width, "height": height, "scale": 1}
        found = self._call("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        with open(path, "wb") as file:
            file.write(base64.b64decode(found["data"]))

    def requests(self) -> list[str]:
        """The URLs that the page asked for."""
        sent = [event for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def complaints(self) -> list[dict]:
        """What went to the console, and exceptions."""
        methods = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [event for event in self.events if event["method"] in methods]

    def _call(self, method: str, params: dict | None = None, session: str | None = "") -> dict:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params or {}}
        if session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _read(self) -> dict:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], 60)
            read = os.read(self._answers, 1 << 20) if ready else b""
            assert read, "Chromium does not answer"
            self._buffer += read
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)


@contextlib.contextmanager
def browser():
    """A Browser that ends with the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command_out, command_in = os.pipe()
        answer_out, answer_in = os.pipe()
        # Chromium reads commands from its descriptor 3 and answers on 4.
        line = f"exec '{PROGRAM}' {_OPTIONS} --user-data-dir='{profile}' 3<&{command_out} 4>&{answer_in}"
        process = subprocess.Popen(
            ["bash", "-c", line], pass_fds=(command_out, answer_in), stderr=subprocess.DEVNULL, start_new_session=True
        )
        os.close(command_out)
        os.close(answer_in)
        try:
            yield Browser(process, command_in, answer_out)
        finally:
            os.close(command_in)
            os.close(answer_out)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
