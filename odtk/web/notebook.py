"""`odtk.studio()`: the studio in the output of a notebook's cell, on Colab as in Jupyter.

The server is a process of its own, which ends with the notebook's kernel: the kernel may have TensorFlow and its
threads, and its own event loop. Frames of another site get no cookies in many browsers, so that the token is the first
part of every path; who does not know it, as other users of the machine, gets nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from odtk.errors import OdtkError

# Who may show the pages in a frame. The address is a secret, so that this need not be strict.
_ANCESTORS = "'self' http: https: vscode-webview:"


@dataclass
class NotebookStudio:
    """A studio that a notebook has started; it ends with the notebook's kernel."""

    folder: str
    address: str
    """For a browser on this machine; whoever has it can open the studio. On a JupyterHub its path holds there, too."""
    process: subprocess.Popen = field(repr=False)
    roots: tuple[str, ...] = ()
    """Further folders that it may read."""

    def stop(self) -> None:
        """Ends it; trainings go on."""
        if self.process.stdin:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        _running.pop(self.folder, None)


_running: dict[str, NotebookStudio] = {}


def studio(
    folder: str | os.PathLike = "studio", port: int = 0, height: int = 800, roots: Sequence[str | os.PathLike] = ()
) -> NotebookStudio:
    """Shows the studio of `folder` in the output of a notebook's cell, `height` pixels high, and starts it if need be.

    `port`: 0 for any that is free. `roots` are further folders for pages, such as a dataset's, as `--root` of `odtk
    studio`. On Colab its proxy is used, on a JupyterHub that of the package jupyter-server-proxy, which has to be
    installed where the notebook's server runs; elsewhere the browser has to be on the kernel's machine, or reach the
    port by ssh -L.
    Without a notebook nothing is shown: open `address` of what is returned. Raises OdtkError if the packages of the
    studio are missing, the folder or the port cannot be had, another studio serves the folder, or the one that runs
    already was started without one of the roots.
    """
    where = os.path.realpath(folder)
    found, asked = _running.get(where), [os.path.realpath(root) for root in roots]
    if found is None or found.process.poll() is not None:
        found = _running[where] = _start(where, port, asked)
    elif not set(asked) <= set(found.roots):
        raise OdtkError(
            f"The studio of {where} runs already, without {', '.join(sorted(set(asked) - set(found.roots)))}. End it, "
            "by stop() of what odtk.studio() has returned, and start it again with all roots."
        )
    _show(found, height)
    return found


def _start(folder: str, port: int, roots: list[str]) -> NotebookStudio:
    settings = {"folder": folder, "port": port, "roots": roots, "root": _hub_root()}
    # Not as arguments: everyone on the machine can see those. stdin stays open as long as the kernel lives.
    process = subprocess.Popen(
        [sys.executable, "-m", "odtk.web.notebook"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(settings) + "\n")
    process.stdin.flush()
    answer = _answer(process.stdout.readline())
    if "address" not in answer:
        process.stdin.close()
        process.wait()
        raise OdtkError(answer.get("error", "The studio ended before it answered; the server's log says why."))
    return NotebookStudio(folder, answer["address"], process, tuple(roots))


def _answer(line: str) -> dict[str, str]:
    try:
        return json.loads(line)
    except ValueError:
        return {}


def _show(found: NotebookStudio, height: int) -> None:
    """In the output of the cell that runs; nothing outside of a notebook."""
    _, _, rest = found.address.partition("://")
    place, _, path = rest.partition("/")
    if "google.colab" in sys.modules:
        colab: Any = sys.modules["google.colab"]  # it is on Colab alone, so type checkers cannot know it
        colab.output.serve_kernel_port_as_iframe(int(place.rpartition(":")[2]), path=f"/{path}", height=str(height))
    elif _is_notebook():
        from IPython.display import IFrame, display

        # On a hub, of the address that the notebook has there.
        display(IFrame(f"/{path}" if _hub_root() else found.address, width="100%", height=height))


def _hub_root() -> str:
    """The path at which jupyter-server-proxy shows a port of this machine on a JupyterHub; empty outside of one."""
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "").rstrip("/")
    return f"{prefix}/proxy/{{port}}" if prefix else ""


def _is_notebook() -> bool:
    """Whether IPython runs as a kernel, which can show frames; a terminal cannot."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def main() -> None:
    """The process of the server: reads its settings from stdin, answers with its address, and ends when stdin does."""
    settings = json.loads(sys.stdin.readline())
    try:
        _serve(settings)
    except OdtkError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        sys.exit(1)


def _serve(settings: dict[str, Any]) -> None:
    from odtk.web.packages import require_packages

    require_packages()
    from odtk.web.server import Listening, run
    from odtk.web.workspace import Workspace

    def started(listening: Listening) -> None:
        print(json.dumps({"address": listening.address}), flush=True)
        threading.Thread(target=_end_with_stdin, daemon=True).start()

    run(
        Workspace(settings["folder"], settings["roots"]), port=settings["port"], token=True, is_token_in_path=True,
        root=settings["root"], ancestors=_ANCESTORS, on_start=started,
    )  # fmt: skip


def _end_with_stdin() -> None:
    import signal

    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    main()
