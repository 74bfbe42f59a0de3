"""Two or more runs over each other, with what differs between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from odtk.errors import OdtkError
from odtk.web.commands import shell_line
from odtk.web.live import watch
from odtk.web.projects import Project, all_projects, project_called
from odtk.web.routing import Pages
from odtk.web.run_views.comparison import MOST, config_differences, config_of, option_differences
from odtk.web.run_views.run_store import Drawn, store_of
from odtk.web.studio import Studio

pages = Pages()


@pages.get("/compare")
def compare(request: Request, studio: Studio) -> Response:
    """`/compare?projects=a,b`, as a link has it, or `?projects=a&projects=b`, as the form sends it."""
    chosen = _chosen(request, studio)
    drawn = _draw(studio, chosen)
    fields, options, problem = _differences(chosen)
    configs = [studio.workspace.shown(config_of(each)) for each in chosen]
    diffs = [shell_line("diff", configs[0], config) for config in configs[1:]]
    return studio.page(
        "compare.html", "Compare runs", section="Compare", every=all_projects(studio.workspace), chosen=chosen,
        drawn=drawn, fields=fields, options=options, problem=problem, address=_address(chosen), most=MOST,
        commands=[*diffs, shell_line("tensorboard", "--logdir", studio.workspace.runs.name)],
    )  # fmt: skip


@pages.get("/compare/live")
def live(request: Request, studio: Studio) -> Response:
    """The charts and the metrics, whenever they change."""
    chosen = _chosen(request, studio)

    def pieces() -> dict[str, str]:
        drawn = _draw(studio, chosen)

        def piece(name: str) -> str:
            return studio.html("compare_piece.html", name=name, drawn=drawn, chosen=chosen)

        return store_of(studio).pieces(drawn, lambda: {name: piece(name) for name in ("charts", "metrics")})

    return watch(request, studio.closing, pieces, seconds=2.0)


def _chosen(request: Request, studio: Studio) -> list[Project]:
    words = [name for text in request.query_params.getlist("projects") for name in text.split(",") if name]
    names = list(dict.fromkeys(words))
    if len(names) > MOST:
        raise OdtkError(f"{len(names)} runs are too many for one chart. Choose at most {MOST}.")
    return [project_called(studio.workspace, name) for name in names]


def _address(chosen: Sequence[Project]) -> str:
    return ",".join(project.name for project in chosen)


def _draw(studio: Studio, chosen: Sequence[Project]) -> Drawn:
    return store_of(studio).draw(tuple((project.name, project.run) for project in chosen))


def _differences(chosen: Sequence[Project]) -> tuple[list[Any], list[Any], str]:
    """Of the configs, of the options, and why the configs cannot be compared."""
    if len(chosen) < 2:
        return [], [], ""
    try:
        return config_differences(chosen), option_differences(chosen), ""
    except OdtkError as error:
        return [], option_differences(chosen), str(error)
