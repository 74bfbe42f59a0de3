"""Look inside: heat maps and features of a picture, by layer and channel."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response

from odtk.errors import OdtkError
from odtk.web.background import DONE, RUNNING
from odtk.web.live import watch
from odtk.web.model_process import MAX_BYTES
from odtk.web.projects import Project
from odtk.web.result_views import explained, tried
from odtk.web.result_views.run_files import dataset_folder, has_model, model_version, require_model
from odtk.web.routing import Pages, project_of, redirect, text_field
from odtk.web.studio import Studio

pages = Pages()

_STARTING = threading.Lock()  # from the look at what runs until another one does


@pages.get("/projects/{name}/results/explain")
def explain_page(request: Request, studio: Studio) -> Response:
    """The form, and what was explained last."""
    project = project_of(request, studio)
    picture = tried.tried_file(project, tried.PICTURES)
    run = studio.background.find(_key(project))
    default = explained.ExplainWishes(picture or Path("PICTURE")).command(project)
    return studio.page(
        "explain.html", "Look inside", section="Results", project=project, part="Look inside",
        has_model=has_model(project), picture=picture and studio.workspace.shown(picture), methods=explained.METHODS,
        accepted=", ".join(tried.PICTURES),
        commands=[run.command if run else default, explained.layers_command(project)],
        **_layers(studio, project), **_state(studio, project), **_chosen(request, project),
    )  # fmt: skip


@pages.get("/projects/{name}/results/explain/features")
def features(request: Request, studio: Studio) -> Response:
    """The features of the layer and channel that were chosen."""
    project = project_of(request, studio)
    return studio.piece("features.html", project=project, **_chosen(request, project))


@pages.get("/projects/{name}/results/explain/live")
def live(request: Request, studio: Studio) -> Response:
    """How far the command is; the results when it has ended."""
    project = project_of(request, studio)

    def pieces() -> dict[str, str]:
        return {
            "state": studio.html("explain_state.html", project=project, **_state(studio, project)),
            "found": studio.html("explained.html", project=project, **_chosen(request, project)),
            "layers": studio.html("layer_names.html", **_layers(studio, project)),
        }

    return watch(request, studio.closing, pieces)


@pages.post("/projects/{name}/results/explain", max_bytes=MAX_BYTES + 10_000)
def explain(request: Request, studio: Studio, form: FormData) -> Response:
    """Starts the command."""
    project = project_of(request, studio)
    require_model(project)
    method = text_field(form, "method", explained.METHODS[0])
    # First, as an upload takes the place of the last picture.
    wishes = explained.ExplainWishes(Path(), method, text_field(form, "layer"), text_field(form, "channels"))
    with _STARTING:
        picture, is_annotated = _picture(studio, project, form)
        wishes = dataclasses.replace(wishes, picture=picture, is_annotated=is_annotated)
        studio.background.start(_key(project), wishes.command(project))
    return redirect(request, f"/projects/{project.name}/results/explain")


@pages.post("/projects/{name}/results/explain/layers")
def list_layers(request: Request, studio: Studio, form: FormData) -> Response:
    """Lists the network's layers, to choose from."""
    project = project_of(request, studio)
    require_model(project)
    studio.background.start(_layers_key(project), explained.layers_command(project))
    return redirect(request, f"/projects/{project.name}/results/explain")


@pages.post("/projects/{name}/results/explain/stop")
def stop(request: Request, studio: Studio, form: FormData) -> Response:
    """Ends the command."""
    project = project_of(request, studio)
    studio.background.cancel(_key(project))
    return redirect(request, f"/projects/{project.name}/results/explain")


def _picture(studio: Studio, project: Project, form: FormData) -> tuple[Path, bool]:
    """The uploaded picture, else the one whose path was given, else the last one; and whether it is of the data."""
    file, written = form.get("file"), text_field(form, "path")
    if isinstance(file, UploadFile) and file.filename:
        if tried.kind_of(file.filename) != tried.PICTURE:
            raise OdtkError("That is a video. Choose a picture.")
        if _state(studio, project)["is_running"]:
            raise OdtkError("The last picture is still being explained. Wait for the end, or stop it.")
        return tried.keep(project, file.filename, file.file, studio.background.words()), False
    if written:
        path = studio.workspace.inside(written)
        if not path.is_file():
            raise OdtkError(f"There is no picture {written!r}. Give its path in the workspace, or upload it.")
        folder = dataset_folder(project)
        return path, folder is not None and path.is_relative_to(folder)
    last = tried.tried_file(project, tried.PICTURES)
    if last is None:
        raise OdtkError("No picture was chosen. Choose one.")
    return last, False


def _state(studio: Studio, project: Project) -> dict[str, Any]:
    run = studio.background.find(_key(project))
    return {"run": run, "is_running": run is not None and run.state == RUNNING}


def _chosen(request: Request, project: Project) -> dict[str, Any]:
    """What was explained, with the layer and channel that the address names, or the first."""
    found = explained.read_explained(project)
    layers = found.layers if found else {}
    layer = layers.get(request.query_params.get("layer", "")) or next(iter(layers.values()), None)
    number = request.query_params.get("channel", "")
    channel = layer.channels.get(number) if layer else None
    return {"explained": found, "layer": layer, "channel": channel, "number": number if channel else ""}


def _layers(studio: Studio, project: Project) -> dict[str, Any]:
    """The layers to choose from, and the command that lists them."""
    run = studio.background.find(_layers_key(project))
    document = run.outcome.document if run and run.state == DONE and run.outcome else None
    return {"layers": document["layers"] if document else [], "layers_run": run}


def _layers_key(project: Project) -> str:
    return f"layers:{project.name}:{model_version(project)}"


def _key(project: Project) -> str:
    return f"explain:{project.name}"
