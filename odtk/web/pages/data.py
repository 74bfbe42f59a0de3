"""Data: folders and uploads, what `odtk inspect` finds in them, galleries, and making records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from odtk.datasets.image_index import ImageIndex
from odtk.errors import OdtkError
from odtk.web import data_use, record_making
from odtk.web.commands import Command, shell_line
from odtk.web.data_views import folders, inspections, thumbnails, uploads
from odtk.web.data_views.fixes import fixes_of, fixes_of_refusal
from odtk.web.data_views.gallery import Filters, filters_of, gallery_page
from odtk.web.data_views.inspections import Inspection, inspect_command, inspection_of
from odtk.web.routing import Pages, redirect, text_field
from odtk.web.studio import Studio

pages = Pages()

SECTION = "Data"


@pages.get("/data")
def overview(request: Request, studio: Studio) -> Response:
    """Datasets and records of the workspace, an upload, and the folders below the roots."""
    workspace = studio.workspace
    path = workspace.inside(request.query_params.get("folder", "."))
    listing = folders.listing(workspace, path)
    own = folders.entries(workspace, workspace.data)
    records = folders.entries(workspace, workspace.records)
    return studio.page(
        "data.html", "Data", section=SECTION, commands=_inspecting(studio, path, listing.here), listing=listing,
        datasets=own, records=records, limit=uploads.MAX_UPLOAD,
        roots=folders.roots(workspace),
    )  # fmt: skip


def _inspecting(studio: Studio, path: Path, here: folders.FolderEntry) -> list[Command | str]:
    """What the page's button runs; what lists the folder where there is nothing to inspect."""
    if not here.is_data:
        return [shell_line("ls", here.path)]
    return [inspect_command(inspection_of(studio.workspace, studio.background, path))]


@pages.get("/data/contents")
def contents(request: Request, studio: Studio) -> Response:
    """What is in a folder, in a few words, for a page that did not wait for it."""
    path = studio.workspace.inside(request.query_params.get("folder", "."))
    found = folders.entry(studio.workspace, path, folders.soon())
    return studio.piece("contents.html", entry=found)


@pages.post("/data/upload", max_bytes=uploads.MAX_UPLOAD + 100_000)
def upload(request: Request, studio: Studio, form: FormData) -> Response:
    """Unpacks a zip to data/NAME."""
    file = form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise OdtkError("No file was chosen. Choose a zip of a folder with images and annotations.")
    name = uploads.name_of_upload(text_field(form, "name"), file.filename)
    made = uploads.unpack_upload(studio.workspace, file.file, name)
    return redirect(request, _look(studio.workspace.shown(made)))


def _look(path: str) -> str:
    return f"/data/look?{urlencode({'path': path})}"


@pages.post("/data/inspect")
def inspect(request: Request, studio: Studio, form: FormData) -> Response:
    """Starts `odtk inspect` on a folder, unless it runs."""
    found = _inspection(studio, text_field(form, "path"))
    words = inspect_command(found, text_field(form, "format"), text_field(form, "boxes"))
    (studio.workspace.folder / found.page).parent.mkdir(exist_ok=True)
    studio.background.start(inspections.key_of(found.path), words)
    return redirect(request, _look(found.path))


@pages.post("/data/inspect/cancel")
def cancel(request: Request, studio: Studio, form: FormData) -> Response:
    """Ends an inspection."""
    found = _inspection(studio, text_field(form, "path"))
    studio.background.cancel(inspections.key_of(found.path))
    return redirect(request, _look(found.path))


def _inspection(studio: Studio, path: str) -> Inspection:
    if not path:
        raise OdtkError("No folder is named. Choose one on the page Data.")
    inside = studio.workspace.inside(path)
    if not inside.is_dir():
        raise OdtkError(f"{path} is no folder. Choose one on the page Data.")
    return inspection_of(studio.workspace, studio.background, inside)


@pages.get("/data/look")
def look(request: Request, studio: Studio) -> Response:
    """What is in a folder: findings with their fixes, a gallery, and inspect's own page."""
    found = _inspection(studio, request.query_params.get("path", ""))
    filters = filters_of(request.query_params)
    values = _seen(studio, found, filters)
    name = Path(found.path).name or "Workspace"
    ran = found.run.command if found.run else inspect_command(found)
    return studio.page(
        "look.html", name, section=SECTION, found=found, commands=[ran], formats=inspections.FORMATS,
        orders=inspections.BOXES, **values,
    )  # fmt: skip


def _seen(studio: Studio, found: Inspection, filters: Filters) -> dict[str, Any]:
    """What the template shows of an inspection, which may not have been made."""
    document, error = found.document, found.error
    values: dict[str, Any] = {
        "document": document, "error": error, "error_fixes": fixes_of(found.error_options, found.path),
        "changed": False, "findings": [], "gallery": None,
    }  # fmt: skip
    if document is None:
        path = studio.workspace.inside(found.path)
        entry = folders.entry(studio.workspace, path, folders.soon())
        return {**values, "entry": entry}
    assert found.run is not None
    if found.run.ended is not None:
        values["changed"] = inspections.has_changed(studio.workspace.inside(found.path), found.run.ended)
    values["findings"] = [
        {**each, "number": number, "fixes": fixes_of(each.get("options", ()), found.path, found.is_of_records)}
        for number, each in enumerate(document["findings"])
    ]
    return {**values, **_gallery(studio, found, filters)}


def _gallery(studio: Studio, found: Inspection, filters: Filters) -> dict[str, Any]:
    path = _index_path(studio, found)
    if not path.exists():
        return {"gallery": None}
    with ImageIndex(path) as index:
        return {
            "gallery": gallery_page(index, filters), "classes": index.classes(), "splits": index.splits(),
            "shown_findings": index.findings(), "version": path.stat().st_mtime_ns,
        }  # fmt: skip


def _index_path(studio: Studio, found: Inspection) -> Path:
    return studio.workspace.folder / found.index


@pages.get("/data/look/progress")
def progress(request: Request, studio: Studio) -> Response:
    """How far an inspection is; when it has ended, the page is loaded again."""
    found = _inspection(studio, request.query_params.get("path", ""))
    if not found.is_running:
        return Response(status_code=200, headers={"HX-Refresh": "true"})
    return studio.piece("inspecting.html", found=found)


@pages.get("/data/gallery")
def gallery(request: Request, studio: Studio) -> Response:
    """The pictures of the gallery alone, for htmx; the address in the browser's bar is that of the whole page."""
    found = _inspection(studio, request.query_params.get("path", ""))
    filters = filters_of(request.query_params)
    values = _gallery(studio, found, filters)
    answer = studio.piece("gallery.html", found=found, **values)
    answer.headers["HX-Replace-Url"] = f"/data/look?{filters.query(found.path)}"
    return answer


@pages.get("/data/image")
def image(request: Request, studio: Studio) -> Response:
    """One image of the gallery, large, with its boxes as a table."""
    found, query = _inspection(studio, request.query_params.get("path", "")), request.query_params
    filters, number = filters_of(query), _number(query)
    values = _one_image(studio, found, filters, number)
    return studio.page(
        "data_image.html", values["image"].name, section=SECTION, found=found, filters=filters,
        commands=[found.run.command] if found.run else [], **values,
    )  # fmt: skip


def _one_image(studio: Studio, found: Inspection, filters: Filters, number: int) -> dict[str, Any]:
    path = _index_path(studio, found)
    with ImageIndex(path) as index:
        shown, beside = index.image(number), index.beside(filters.wanted, number)
        return {
            "image": shown, "boxes": index.boxes(number), "remarks": index.remarks(number), "beside": beside,
            "version": path.stat().st_mtime_ns, "file": None if shown.offset is not None else shown.file,
        }  # fmt: skip


def _number(query: Mapping[str, str]) -> int:
    text = query.get("image", "")
    if not text.isdecimal() or len(text) > 12:
        raise HTTPException(404, "There is no such image.")
    return int(text)


@pages.get("/data/image.jpg")
def picture(request: Request, studio: Studio) -> Response:
    """An image with its boxes drawn; an image that cannot be read is 404."""
    found, query = _inspection(studio, request.query_params.get("path", "")), request.query_params
    side = thumbnails.SIDES["large" in query]
    folder, locate = studio.workspace.hidden / "thumbnails", studio.workspace.inside
    number, path = _number(query), _index_path(studio, found)
    try:
        drawn = thumbnails.thumbnail(folder, path, number, side, locate)
    except (OdtkError, OSError) as error:
        raise HTTPException(404, str(error)) from error
    # The address names the version of the index.
    headers = {"cache-control": "private, max-age=86400"} if "v" in query else {}
    return Response(drawn, media_type="image/jpeg", headers=headers)


@pages.get("/data/records")
def records_form(request: Request, studio: Studio) -> Response:
    """The form for records of a dataset; its query may set fields."""
    found = _inspection(studio, request.query_params.get("path", ""))
    values = {**found.options, **request.query_params}
    form = record_making.form_of(values, found.path, _free_name(studio, found.path))
    return _records_page(studio, found, form, {})


@pages.post("/data/records")
def make_records(request: Request, studio: Studio, form: FormData) -> Response:
    """Starts `odtk make-tfrecords`, or shows what is wrong with the form."""
    found = _inspection(studio, text_field(form, "path"))
    filled = record_making.form_of(dict(form), found.path, "")
    problems = record_making.problems_of(filled, studio.workspace)
    target = studio.workspace.records / filled.name
    if not problems and target.exists() and any(target.iterdir()) and "overwrite" not in filled.flags:
        problems["name"] = f"records/{filled.name} exists. Choose another name, or replace it."
    if problems:
        return _records_page(studio, found, filled, problems)
    words = record_making.records_command(filled, studio.workspace, found.path)
    studio.workspace.records.mkdir(exist_ok=True)
    records = f"records/{filled.name}"
    with data_use.LOCK:
        data_use.require_unwritten(studio, studio.workspace.inside(found.path))
        studio.background.start(record_making.key_of(records), words)
    return redirect(request, _made(records))


def _made(records: str) -> str:
    return f"/data/made?{urlencode({'records': records})}"


def _free_name(studio: Studio, path: str) -> str:
    """A name for records of a folder that no records have."""
    base = uploads.name_of_upload("", Path(path).name or "records")
    names = [base, *(f"{base[:60]}-{number}" for number in range(2, 100))]
    return next((name for name in names if not (studio.workspace.records / name).exists()), base)


def _records_page(
    studio: Studio, found: Inspection, form: record_making.RecordForm, problems: Mapping[str, str]
) -> Response:
    splits = [each["name"] for each in found.document["splits"]] if found.document else []
    commands: list[Command] = []
    if not record_making.problems_of(form, studio.workspace):
        commands = [record_making.records_command(form, studio.workspace, found.path)]
    return studio.page(
        "records_form.html", "Make records", section=SECTION, status=400 if problems else 200, form=form, found=found,
        problems=problems, own_splits=[name for name in splits if name != "all"], label_maps=record_making.label_maps(),
        flags=record_making.FLAGS, choices=record_making.choices(), commands=commands,
    )  # fmt: skip


@pages.get("/data/made")
def made(request: Request, studio: Studio) -> Response:
    """Records as they are made, and what they became."""
    found = _made_records(studio, request.query_params.get("records", ""))
    query = record_making.query_of(found.run.command)
    if found.report is not None:  # other records get another name
        query.pop("name", None)
    again = f"/data/records?{urlencode(query)}"
    return studio.page(
        "made.html", f"Records {found.records}", section=SECTION, made=found, again=again, commands=[found.run.command],
        fixes=fixes_of_refusal(found.error_options, query),
    )  # fmt: skip


@pages.get("/data/made/progress")
def made_progress(request: Request, studio: Studio) -> Response:
    """How far the records are; when they are made, the page is loaded again."""
    found = _made_records(studio, request.query_params.get("records", ""))
    if found.run.ended is not None:
        return Response(status_code=200, headers={"HX-Refresh": "true"})
    return studio.piece("records_running.html", made=found)


@pages.post("/data/made/cancel")
def cancel_records(request: Request, studio: Studio, form: FormData) -> Response:
    """Ends the making of records; nothing is left behind."""
    found = _made_records(studio, text_field(form, "records"))
    studio.background.cancel(found.run.key)
    return redirect(request, _made(found.records))


def _made_records(studio: Studio, records: str) -> record_making.Made:
    shown = studio.workspace.shown(studio.workspace.inside(records))
    found = record_making.made_records(studio, shown)
    if found is None:
        raise HTTPException(404, f"This studio has not made {shown}. Look into it on the page Data.")
    return found
