"""Try the model: pictures, videos and the webcam, with thresholds that are chosen while one looks at the boxes."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from odtk.errors import OdtkError
from odtk.web.live import watch
from odtk.web.model_process import MAX_BYTES, MIN_SCORE
from odtk.web.projects import Project
from odtk.web.result_views import tried
from odtk.web.result_views.run_files import class_names, has_model, model_version, require_model
from odtk.web.routing import Pages, project_of, redirect, text_field
from odtk.web.studio import Studio

pages = Pages()

_MAX_UPLOAD = 1_000_000_000  # bytes of a video, which are written to the disk as they come


@pages.get("/projects/{name}/results/try")
def try_page(request: Request, studio: Studio) -> Response:
    """Where pictures and videos are dropped; with the last ones and what was found."""
    project = project_of(request, studio)
    picture, names, chosen = tried.tried_picture(project), class_names(project), tried.chosen_thresholds(project)
    film = _video(studio, project)
    return studio.page(
        "try.html", "Try the model", section="Results", project=project, part="Try it", has_model=has_model(project),
        picture=picture, names=names, chosen=chosen, least=MIN_SCORE, accepted=", ".join(tried.PICTURES + tried.VIDEOS),
        is_saved=tried.thresholds_file(project).exists(), colors=tried.COLORS,
        commands=[tried.predict_command(project), *([film["video"].command] if film["video"] else [])], **film,
    )  # fmt: skip


@pages.post("/projects/{name}/results/try", max_bytes=_MAX_UPLOAD)
async def upload(request: Request, studio: Studio, form: FormData) -> Response:
    """Keeps a picture or a video, and has the model look at it."""
    project = await run_in_threadpool(project_of, request, studio)
    file = form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise OdtkError("No file was chosen. Choose a picture or a video.")
    path = await run_in_threadpool(_keep, studio, project, file.filename, file.file)
    if path.suffix in tried.PICTURES:
        found = await _detect(studio, project, await run_in_threadpool(path.read_bytes))
        await run_in_threadpool(tried.note_found, path, found)
    else:
        await run_in_threadpool(_start_video, studio, project)
    return redirect(request, f"/projects/{project.name}/results/try")


def _keep(studio: Studio, project: Project, name: str, file: IO[bytes]) -> Path:
    require_model(project)
    if tried.kind_of(name) == tried.VIDEO:
        _stop_video(studio, project)  # the last one is about to be removed
    return tried.keep(project, name, file, studio.background.words())


@pages.receive("/projects/{name}/results/detect", max_bytes=MAX_BYTES)
async def detect(request: Request, studio: Studio) -> Response:
    """A picture's boxes as JSON: for dropped pictures, and for frames of a webcam."""
    project = await run_in_threadpool(project_of, request, studio)
    encoded = await request.body()
    try:
        await run_in_threadpool(require_model, project)
        return JSONResponse(await _detect(studio, project, encoded))
    except OdtkError as error:
        return JSONResponse({"error": str(error)}, status_code=400)


@pages.post("/projects/{name}/results/thresholds")
def thresholds(request: Request, studio: Studio, form: FormData) -> Response:
    """Writes the thresholds that were chosen."""
    project = project_of(request, studio)
    texts = {key: text_field(form, key) for key in form if key == "all" or key.startswith("class-")}
    tried.save_thresholds(project, class_names(project), texts)
    return redirect(request, f"/projects/{project.name}/results/try#thresholds")


@pages.get("/projects/{name}/results/try/live")
def live(request: Request, studio: Studio) -> Response:
    """How far the video is."""
    project = project_of(request, studio)
    return watch(
        request,
        studio.closing,
        lambda: {"video": studio.html("tried_video.html", project=project, **_video(studio, project))},
    )


@pages.post("/projects/{name}/results/video")
def video_again(request: Request, studio: Studio, form: FormData) -> Response:
    """Detects in the last video once more, or ends what does."""
    project = project_of(request, studio)
    if text_field(form, "do") == "stop":
        _stop_video(studio, project)
    else:
        _start_video(studio, project)
    return redirect(request, f"/projects/{project.name}/results/try")


async def _detect(studio: Studio, project: Project, encoded: bytes) -> dict:
    if len(encoded) > MAX_BYTES:
        raise HTTPException(413, f"A picture may have {MAX_BYTES:,} bytes here. Make it smaller.")
    version = await run_in_threadpool(model_version, project)
    return await studio.models.detect(studio.workspace.shown(project.run), version, encoded)


def _start_video(studio: Studio, project: Project) -> None:
    video = tried.tried_video(project)
    if video is None:
        raise OdtkError("There is no video yet. Choose one.")
    studio.background.start(_key(video), video.command)


def _video(studio: Studio, project: Project) -> dict[str, Any]:
    video = tried.tried_video(project)
    return {"video": video, "video_run": studio.background.find(_key(video)) if video else None}


def _stop_video(studio: Studio, project: Project) -> None:
    if video := tried.tried_video(project):
        studio.background.cancel(_key(video))


def _key(video: tried.TriedVideo) -> str:
    # Of this video alone: the last one may still be ending.
    return f"video:{video.path}:{video.path.stat().st_mtime_ns}"
