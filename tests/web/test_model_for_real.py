"""Summaries and pictures of augmentations as the studio really makes them: programs with TensorFlow, of their own."""

import re
import time
from urllib.parse import quote

import pytest
from running_studio import post

from odtk.tools.make_tfrecords import make_tfrecords
from odtk.tools.synthetic_pets import draw_dataset

pytestmark = pytest.mark.slow


def wait(client, address):
    """The piece at an address, once it asks for itself no more."""
    end = time.monotonic() + 600
    while time.monotonic() < end:
        text = client.get(address).text
        if "load delay" not in text:
            return text
        time.sleep(1)
    raise AssertionError(f"{address} took more than ten minutes")


@pytest.fixture
def project(client):
    """The address of the model of a project with drawn pictures, whose config is made by a command."""
    workspace = client.studio.workspace
    drawn = draw_dataset(workspace.data / "pets", num_images=8, num_test=2)
    make_tfrecords(workspace.data / "pets", workspace.records / "pets", label_map=drawn.label_map)
    answer = post(client, "/projects/new", name="pets", records="records/pets", base="ssd_resnet50_v1_fpn_small")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_a_model_is_shown_layer_by_layer_and_where_it_breaks_and_a_picture_is_augmented(client, project):
    text = wait(client, f"{project}/summary")
    assert ">backbone<" in text
    assert "Training step of 8 images" in text
    digest = re.search(r'name="loaded" value="(\w{16})"', client.get(project).text)[1]
    height = "f:model.ssd.image_resizer.fixed_shape_resizer.height"
    form = {"csrf": client.csrf, "loaded": digest, height: "168"}
    answer = client.post(project, data=form, headers={"hx-request": "true"})
    of = re.search(r"summary\?of=(\w{16})", answer.text)[1]
    broken = wait(client, f"{project}/summary?of={of}")
    assert "does not take images of 160 × 168" in broken
    assert re.search(r'class="broken".*✗ [\w/]+ \(\w+\) fails on', broken, re.DOTALL)

    post(client, f"{project}/preview", record="1")
    piece = wait(client, f"{project}/preview?of=1")
    picture = client.get(re.search(r'src="([^"]+\.png)"', piece)[1])
    assert picture.content.startswith(b"\x89PNG")

    own = sorted(client.studio.workspace.data.rglob("*.jpg"))[0].relative_to(client.studio.workspace.folder)
    post(client, f"{project}/preview", path=str(own))
    piece = wait(client, f"{project}/preview?of={quote(str(own))}")
    other = client.get(re.search(r'src="([^"]+\.png)"', piece)[1])
    assert other.content.startswith(b"\x89PNG")
    assert other.content != picture.content
