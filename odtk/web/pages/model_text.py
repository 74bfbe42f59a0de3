"""A project's pipeline.config as text: numbered lines with what is wrong at them, the diff, and an editor."""

from __future__ import annotations

import contextlib

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from odtk import pipeline
from odtk.atomic import write_text
from odtk.errors import ConfigError, OdtkError
from odtk.web.commands import command
from odtk.web.model_views.config_text import CheckedText, DiffLine, checked_text, diff, nearest_shipped
from odtk.web.model_views.open_config import MAX_FORM, OpenConfig, open_config, require_inside
from odtk.web.routing import Pages, redirect, text_field
from odtk.web.studio import Studio

pages = Pages()

TRAINED = "trained"


@pages.get("/projects/{name}/model/text")
def text(request: Request, studio: Studio) -> Response:
    """The config as it is."""
    opened = open_config(studio.workspace, request.path_params["name"])
    return _page(studio, opened, opened.text, request.query_params.get("against", ""))


@pages.post("/projects/{name}/model/text", max_bytes=MAX_FORM)
async def save(request: Request, studio: Studio, form: FormData) -> Response:
    """Saves an edited text, if it can be read and nothing else was saved meanwhile."""
    async with studio.config_lock(request.path_params["name"]):
        opened = await run_in_threadpool(open_config, studio.workspace, request.path_params["name"])
        given = _lines_as(opened.text, _raw(form, "text"))
        if text_field(form, "loaded") != opened.digest and given != opened.text:
            return await run_in_threadpool(_page, studio, opened, given, "", status=409, conflict=True)
        try:
            await run_in_threadpool(_save, opened, given)
        except OdtkError as error:
            problem = "" if isinstance(error, ConfigError) else str(error)
            return await run_in_threadpool(_page, studio, opened, given, "", status=400, problem=problem)
    return redirect(request, f"/projects/{opened.project.name}/model/text")


@pages.post("/projects/{name}/model/text/check", max_bytes=MAX_FORM)
def check(request: Request, studio: Studio, form: FormData) -> Response:
    """What is wrong with a text that is being edited; nothing is saved."""
    opened = open_config(studio.workspace, request.path_params["name"])
    given = _lines_as(opened.text, _raw(form, "text"))
    found = _listed(opened, given)
    return studio.piece("model_lines.html", found=found, is_saved=given == opened.text)


def _save(opened: OpenConfig, given: str) -> None:
    """Writes a text. Raises ConfigError if it cannot be read, OutsideError for paths beyond the roots."""
    _require_inside(opened, given)
    write_text(opened.project.config, given)
    opened.history.now()


def _require_inside(opened: OpenConfig, given: str) -> None:
    config = opened.parsed(given)
    try:
        before = opened.parsed()
    except ConfigError:  # it is being repaired
        before = None
    require_inside(opened.project.workspace, config, before)


def _listed(opened: OpenConfig, given: str) -> CheckedText:
    """The text with its findings. Raises OutsideError instead of looking into files beyond the studio's folders."""
    with contextlib.suppress(ConfigError):
        _require_inside(opened, given)
    return checked_text(given, opened.check, opened.shown)


def _page(
    studio: Studio, opened: OpenConfig, given: str, against: str, *, status: int = 200, problem: str = "",
    conflict: bool = False,
) -> Response:  # fmt: skip
    # What was refused for its paths is not checked: the check would read them.
    found = None if problem else _listed(opened, given)
    name, lines, bases = _diff(opened, given, against)
    meanwhile = diff(given, opened.text, "yours", "saved meanwhile") if conflict else []
    shown = [command("configure", opened.shown, "--check")]
    return studio.page(
        "model_text.html", f"pipeline.config of {opened.project.name}", section="pipeline.config",
        project=opened.project, opened=opened, given=given, found=found, is_saved=given == opened.text, problem=problem,
        conflict=conflict, meanwhile=meanwhile, base=name, lines=lines, bases=bases, status=status, commands=shown,
    )  # fmt: skip


def _diff(opened: OpenConfig, given: str, against: str) -> tuple[str, list[DiffLine], dict[str, str]]:
    """What the text is compared with, how it differs, and what it could be compared with."""
    bases = _bases(opened, given)
    if not bases:
        return "", [], {}
    key = against if against in bases else next(iter(bases))
    name, before = bases[key]
    return key, diff(before, given, name, opened.shown), {key: name for key, (name, _) in bases.items()}


def _bases(opened: OpenConfig, given: str) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    trained = opened.project.run / "pipeline.config"
    if trained.is_file():
        found[TRAINED] = (opened.project.workspace.shown(trained), pipeline.read_text(trained))
    shipped = nearest_shipped(opened.text, opened.shown) or nearest_shipped(given, opened.shown)
    if shipped is not None:
        found["shipped"] = shipped
    if given != opened.text:
        found = {"saved": ("what is saved", opened.text), **found}
    return found


def _raw(form: FormData, name: str) -> str:
    given = form.get(name)
    return given if isinstance(given, str) else ""


def _lines_as(before: str, given: str) -> str:
    """A text from a browser, whose lines end with CR LF, with the line ends of the text before."""
    plain = given.replace("\r\n", "\n")
    return plain.replace("\n", "\r\n") if "\r\n" in before else plain
