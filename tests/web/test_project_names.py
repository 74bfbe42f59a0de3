"""Names of projects: what is free for a copy, and what is refused."""

import pytest

from odtk.errors import OdtkError
from odtk.web.projects import copy_project, create_project, free_name


def test_a_copy_gets_a_name_that_no_project_run_or_export_has(client):
    workspace = client.studio.workspace
    project = create_project(workspace, "pets", {"train": {}})
    assert free_name(project) == "pets-2"
    (workspace.runs / "pets-2").mkdir(parents=True)
    (workspace.exports / "pets-3").mkdir(parents=True)
    assert free_name(project) == "pets-4"
    copied = copy_project(project, "pets-4")
    assert free_name(copied) == "pets-5"


@pytest.mark.parametrize("name", ["a" * 64, "a" * 62 + "-9", "a-" + "9" * 62, "a" * 62 + ".b"])
def test_a_copy_of_a_long_name_can_be_made(client, name):
    project = create_project(client.studio.workspace, name, {"train": {}})
    made = copy_project(project, free_name(project))
    assert made.name != name


def test_the_page_for_new_projects_keeps_its_address(client):
    with pytest.raises(OdtkError, match="'new'"):
        create_project(client.studio.workspace, "new", {"train": {}})
