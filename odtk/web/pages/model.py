"""The model of a project and its hyper-parameters: fields, the architecture that they make, options of training."""

from __future__ import annotations

import functools
from pathlib import Path
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from odtk.errors import ConfigError, OdtkError
from odtk.web.background import Run
from odtk.web.commands import Command, as_lines, command
from odtk.web.model_process import MAX_BYTES
from odtk.web.model_views import done_commands
from odtk.web.model_views.augmentations import OPTIONS
from odtk.web.model_views.changes import Asked, ask, fix
from odtk.web.model_views.config_edits import Trial
from odtk.web.model_views.model_page import ModelForm, config_problem, form_difference, model_form, refused_elsewhere
from odtk.web.model_views.open_config import OpenConfig, open_config, require_inside
from odtk.web.model_views.previews import (
    Preview,
    Subject,
    awaited_preview,
    find_preview,
    keep_upload,
    start_preview,
    subject_of,
)
from odtk.web.model_views.start_points import DOWNLOADS, zoo_models_for
from odtk.web.model_views.summaries import failure, shown_architecture, summary_command, summary_of_text
from odtk.web.model_views.training_options import MAIN, MORE, option_fields, read_options
from odtk.web.routing import Pages, project_of, redirect, text_field
from odtk.web.studio import Studio

pages = Pages()

_PREFIX = "f:"


@pages.get("/projects/{name}/model")
def model(request: Request, studio: Studio) -> Response:
    """The form, beside the architecture."""
    project = project_of(request, studio)
    if not project.config.exists():
        shown = studio.workspace.shown(project.config)
        terminal = [
            command("configure", "--list"),
            command("configure", "ssd_resnet50_v1_fpn_small", "--output", shown),
        ]
        title = f"Model of {project.name}"
        return studio.page("no_config.html", title, section="Model", project=project, config=shown, commands=terminal)
    opened = open_config(studio.workspace, _name(request))
    if config_problem(opened):
        # What cannot be read as fields is shown as text, with what is wrong at its line.
        return redirect(request, f"/projects/{opened.project.name}/model/text")
    return _page(studio, opened, subject=_subject(opened, request.query_params.get("of", "")))


@pages.post("/projects/{name}/model")
async def change(request: Request, studio: Studio, form: FormData) -> Response:
    """Sets what was changed in the form, except what is wrong."""
    typed = {key[len(_PREFIX) :]: text_field(form, key) for key in form if key.startswith(_PREFIX)}
    switched = [str(each) for each in form.getlist("aug")] if "aug_shown" in form else None
    loaded, scale = text_field(form, "loaded"), text_field(form, "scale", "true") == "true"
    # Once a picture was asked for, it follows the augmentations.
    live = text_field(form, "live") if "live" in form else None
    asking = functools.partial(ask, loaded=loaded, typed=typed, switched=switched, scale=scale)
    return await _changed(request, studio, loaded, asking, live)


@pages.post("/projects/{name}/model/fix")
async def fixed(request: Request, studio: Studio, form: FormData) -> Response:
    """Sets what the fix of a finding sets."""
    number, loaded = text_field(form, "number"), text_field(form, "loaded")

    def asked(opened: OpenConfig) -> Asked:
        if loaded != opened.digest or not number.isdecimal():
            raise ConfigError("The config was changed meanwhile. Reload the page.")
        return fix(opened, int(number))

    return await _changed(request, studio, loaded, asked)


@pages.post("/projects/{name}/model/undo")
async def undo(request: Request, studio: Studio, form: FormData) -> Response:
    """Goes back to the text before the last change."""
    async with studio.config_lock(_name(request)):
        opened = await run_in_threadpool(open_config, studio.workspace, _name(request))
        if text_field(form, "loaded") != opened.digest:
            raise ConfigError("The config was changed meanwhile. Reload the page to see it, and undo then.")
        await run_in_threadpool(opened.history.undo)
    return redirect(request, f"/projects/{opened.project.name}/model")


@pages.post("/projects/{name}/model/options")
def options(request: Request, studio: Studio, form: FormData) -> Response:
    """Keeps the options of training that are no fields of the config in the project file."""
    opened = open_config(studio.workspace, _name(request))
    typed = {key: text_field(form, f"o:{key}") for key in (*MAIN, *MORE) if f"o:{key}" in form}
    changed = {key: text for key, text in typed.items() if text != text_field(form, f"was:{key}")}
    values, errors = read_options(opened.project, changed)
    if values:
        opened.project.update("train", values)
    if not errors and request.headers.get("hx-request") != "true":
        return redirect(request, f"/projects/{opened.project.name}/model#options")
    found = option_fields(opened.project.sections().get("train", {}), {key: changed[key] for key in errors}, errors)
    if request.headers.get("hx-request") == "true":
        return studio.piece("model_options_changed.html", options=found)
    return _page(studio, opened, options=found, status=400)


@pages.get("/projects/{name}/model/summary")
def summary(request: Request, studio: Studio) -> Response:
    """The architecture of the text of a digest, by default of the config; asked for again while it is made."""
    opened = open_config(studio.workspace, _name(request))
    text = _text_of(opened, request.query_params.get("of", ""))
    return studio.piece("model_summary.html", **_summary(studio, opened, text))


@pages.post("/projects/{name}/model/summary")
def summary_again(request: Request, studio: Studio, form: FormData) -> Response:
    """Makes an architecture once more that could not be made, as for want of memory."""
    opened = open_config(studio.workspace, _name(request))
    found = _summary(studio, opened, _text_of(opened, text_field(form, "of")), again=True)
    if request.headers.get("hx-request") != "true":
        return redirect(request, f"/projects/{opened.project.name}/model")
    return studio.piece("model_summary.html", **found)


def _text_of(opened: OpenConfig, digest: str) -> str:
    text = opened.history.text_of(digest) if digest else opened.text
    if text is None:
        raise HTTPException(404, "There is no such text of this config.")
    return text


@pages.post("/projects/{name}/model/preview", max_bytes=MAX_BYTES + 10_000)
def preview(request: Request, studio: Studio, form: FormData) -> Response:
    """Draws a picture as it is augmented: an upload, a file, one of the records, or the last one."""
    opened, file = open_config(studio.workspace, _name(request)), form.get("file")
    if isinstance(file, UploadFile) and file.filename:
        subject = keep_upload(opened, file.filename, file.file)
    else:
        subject = subject_of(opened, _wanted(form))
    found = start_preview(studio, opened, subject)
    if request.headers.get("hx-request") != "true":
        of = urlencode({"of": subject.text})
        return redirect(request, f"/projects/{opened.project.name}/model?{of}#preview")
    return studio.piece("model_preview.html", **_shown(opened, found))


@pages.get("/projects/{name}/model/preview")
def preview_now(request: Request, studio: Studio) -> Response:
    """The state of the picture, while it is drawn."""
    opened = open_config(studio.workspace, _name(request))
    found = awaited_preview(studio, opened, subject_of(opened, request.query_params.get("of", "")))
    return studio.piece("model_preview.html", **_shown(opened, found))


def _wanted(form: FormData) -> str:
    """The path or the number that was typed; what the form began with, if neither was."""
    was, path, record = (text_field(form, name) for name in ("was", "path", "record"))
    return next((text for text in (path, record) if text and text != was), was)


def _shown(opened: OpenConfig, preview: Preview) -> dict:
    return {"project": opened.project, "preview": preview}


@pages.get("/projects/{name}/model/preview/{key}.png")
def preview_picture(request: Request, studio: Studio) -> Response:
    """The picture itself."""
    key = request.path_params["key"]
    path = studio.workspace.hidden / "previews" / f"{key}.png"
    if not key.isalnum() or not path.is_file():
        raise HTTPException(404, "There is no such picture.")
    return FileResponse(path, media_type="image/png")


@pages.post("/projects/{name}/model/download")
def download(request: Request, studio: Studio, form: FormData) -> Response:
    """Downloads a model of the zoo into the workspace."""
    opened = open_config(studio.workspace, _name(request))
    wanted = text_field(form, "zoo")
    if wanted not in [model.name for model in zoo_models_for(opened.parsed())]:
        raise OdtkError("Choose a model of the list.")
    studio.background.start(f"download:{wanted}", _download(wanted))
    return redirect(request, f"/projects/{opened.project.name}/model?download={wanted}#start")


@pages.get("/projects/{name}/model/downloads")
def downloads(request: Request, studio: Studio) -> Response:
    """How far downloads are; asked for again while one runs."""
    opened = open_config(studio.workspace, _name(request))
    names = [model.name for model in zoo_models_for(opened.parsed())]
    return studio.piece("model_downloads.html", project=opened.project, downloads=_downloads(studio, names))


def _downloads(studio: Studio, names: list[str]) -> list[Run]:
    return [run for name in names if (run := studio.background.find(f"download:{name}"))]


def _download(name: str) -> Command:
    return command("download", name, "--dir", DOWNLOADS, "--json")


async def _changed(request: Request, studio: Studio, loaded: str, asking, live: str | None = None) -> Response:
    """Makes a change by `odtk configure`, after it was tried, and answers with what is different then."""
    async with studio.config_lock(_name(request)):
        before = await run_in_threadpool(open_config, studio.workspace, _name(request))
        asked: Asked = await run_in_threadpool(_asked, before, asking)
        notes: list[str] = []
        if asked.words:
            words = command("configure", before.shown, "--output", before.shown, *asked.words, "--json")
            outcome = await studio.commands.run(words)
            if outcome.error is not None:
                raise OdtkError(outcome.error)
            notes = outcome.document["notes"]
            await run_in_threadpool(done_commands.note, before.project, words)
        after = await run_in_threadpool(open_config, studio.workspace, _name(request))
    if request.headers.get("hx-request") == "true":
        return await run_in_threadpool(_answer, studio, loaded, before, after, asked, notes, live)
    if not asked.trial.refused:
        return redirect(request, f"/projects/{after.project.name}/model")
    return await run_in_threadpool(_page, studio, after, asked, status=400)


def _answer(
    studio: Studio, loaded: str, before: OpenConfig, after: OpenConfig, asked: Asked, notes: list[str],
    live: str | None,
) -> Response:  # fmt: skip
    drawn = start_preview(studio, after, _subject(after, live)) if live is not None else None
    shown = OpenConfig(before.project, before.history.text_of(loaded) or before.text)
    return _pieces(studio, shown, after, asked, notes=notes, drawn=drawn)


def _asked(opened: OpenConfig, asking) -> Asked:
    asked: Asked = asking(opened)
    require_inside(opened.project.workspace, opened.parsed(asked.trial.text), opened.parsed())
    return asked


def _pieces(studio: Studio, loaded: OpenConfig, after: OpenConfig, asked: Asked, **shown) -> Response:
    """What htmx puts into the page: the fields that are different, what is wrong, and the architecture."""
    old = model_form(loaded)
    new = model_form(after, asked)
    found = form_difference(old, new)
    if found.other_groups:
        return Response(status_code=204, headers={"HX-Refresh": "true"})
    # Those that were typed into, too: what was typed may be another notation of the same value.
    typed = [field for path, field in new.fields().items() if path in asked.typed]
    whole = {field.path for group in found.groups for field in group.fields}
    fields = {field.path: field for field in [*found.fields, *typed] if field.path not in whole}
    if found.other_steps:
        fields = {path: field for path, field in fields.items() if not path.startswith(OPTIONS)}
    context = _context(studio, after, new, asked) | shown
    return studio.piece(
        "model_changed.html", fields=list(fields.values()), groups=found.groups, other_steps=found.other_steps,
        **context,
    )  # fmt: skip


def _page(
    studio: Studio, opened: OpenConfig, asked: Asked | None = None, status: int = 200, options=None,
    subject: Subject | None = None,
) -> Response:  # fmt: skip
    form = model_form(opened, asked)
    found = find_preview(studio, opened, subject or subject_of(opened, ""))
    context = _context(studio, opened, form, asked) | _shown(opened, found)
    if options is not None:
        context["options"] = options
    return studio.page("model.html", f"Model of {opened.project.name}", section="Model", status=status, **context)


def _context(studio: Studio, opened: OpenConfig, form: ModelForm, asked: Asked | None) -> dict:
    text = opened.text
    if asked is not None and _breaks(asked.trial):
        text = asked.trial.refused_text or text
    return {
        "project": opened.project,
        "opened": opened,
        "form": form,
        "options": form.options,
        "main": MAIN,
        "more": MORE,
        "refused": refused_elsewhere(form, asked) if asked else [],
        "is_trained": opened.project.run.exists(),
        "can_undo": opened.history.earlier() is not None,
        "downloads": _downloads(studio, form.zoo_models),
        "download_commands": {name: str(_download(name)) for name in form.zoo_models},
        "terminal": as_lines([*done_commands.done(opened.project), summary_command(opened.shown)]),
        **_summary(studio, opened, text, is_new=asked is not None),
    }


def _breaks(trial: Trial) -> bool:
    """Whether a refused change is one whose architecture can be shown up to where it breaks: of the image's size."""
    return trial.refused_text is not None and any(
        ".image_resizer." in path or path.endswith(".pad_to_multiple") for path in trial.refused
    )


def _summary(studio: Studio, opened: OpenConfig, text: str, is_new: bool = False, again: bool = False) -> dict:
    file: Path = opened.history.keep(text) if text != opened.text else opened.project.config
    run = summary_of_text(studio, opened.project.name, text, file, is_new, again)
    digest = opened.digest if text == opened.text else file.stem
    return {
        "run": run,
        "found": shown_architecture(run),
        "failure": failure(run),
        "of": digest,
        "is_refused": text != opened.text,
        "project": opened.project,
    }


def _subject(opened: OpenConfig, text: str) -> Subject:
    """What an address names; the first record where that is not there any more."""
    try:
        return subject_of(opened, text)
    except OdtkError:
        return subject_of(opened, "")


def _name(request: Request) -> str:
    return request.path_params["name"]
