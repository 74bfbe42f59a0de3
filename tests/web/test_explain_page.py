"""Looking inside: the command for a picture, and what it wrote by layer and channel."""

import io
import json

import pytest
from fake_runs import jpeg, trained_project
from running_studio import post

from odtk.web.commands import command
from odtk.web.result_views.explained import explained_folder, read_explained
from odtk.web.result_views.tried import PICTURES, keep, tried_file, tried_folder

DOCUMENT = {
    "pictures": [{
        "file": "/data/cat.jpg", "size": [48, 64], "notes": [],
        "detections": [{
            "class": "<b>cat</b>", "score": 0.886, "box": [0, 0, 1, 1], "level": "P3",
            "heat": {"picture": "cat/heat-1-cat.png", "from": "P3", "share_inside": 0.75},
        }],
        "scores": {"<b>cat</b>": {"P3": {"best": 0.886, "picture": "cat/scores-cat-P3.png"}}},
        "anchors": {"fired": 1200},
        "features": [
            {"layer": name, "shape": [6, 8, 64], "sheet": f"cat/features/{name}/sheet.png", "channels": {
                str(channel): {"picture": f"cat/features/{name}/channel-{channel}.png", "low": 0.0, "high": 3.24}
                for channel in (50, 7)
            }}
            for name in ("P3", "P4")
        ],
    }],
}  # fmt: skip


@pytest.fixture
def project(client):
    """A trained project."""
    return trained_project(client.studio.workspace)


@pytest.fixture
def started(client, monkeypatch):
    """The commands that the page starts."""
    words = []
    monkeypatch.setattr(client.studio.background, "start", lambda key, command: words.append(str(command)))
    return words


def write_explained(project):
    """What `odtk explain` leaves."""
    folder = explained_folder(project)
    found = DOCUMENT["pictures"][0]
    files = ["detections.png", "anchors-fired.png", "heat-1-cat.png", "scores-cat-P3.png"]
    paths = [f"cat/{name}" for name in files]
    for layer in found["features"]:
        paths += [layer["sheet"], *(channel["picture"] for channel in layer["channels"].values())]
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"png")
    (folder / "explain.json").write_text(json.dumps(DOCUMENT))


def test_a_picture_is_uploaded_and_explained(client, project, started):
    client.post(
        "/projects/pets/results/explain",
        files={"file": ("a.png", jpeg())},
        data={"csrf": client.csrf, "method": "occlusion", "layer": "backbone/*", "channels": "0-3, 7"},
    )
    picture = project.workspace.shown(tried_file(project, PICTURES))
    assert started == [
        f"odtk explain runs/pets {picture} --output projects/pets/explained --method=occlusion "
        "'--layer=backbone/*' --channels=0-3,7 --overwrite --json"
    ]


def test_what_is_refused_leaves_the_last_picture_and_video_alone(client, project, monkeypatch):
    kept = {keep(project, name, io.BytesIO(b"x")) for name in ("a.png", "b.mp4")}

    def upload(name, **fields):
        return client.post(
            "/projects/pets/results/explain", files={"file": (name, jpeg())}, data={"csrf": client.csrf, **fields}
        )

    for name, fields in {"c.mp4": {}, "c.exe": {}, "c.png": {"method": "magic"}, "d.png": {"channels": "x"}}.items():
        assert upload(name, **fields).status_code == 400
        assert set(tried_folder(project).iterdir()) == kept
    client.studio.background._tasks["explain:pets"] = (command("explain"), None)
    assert "still being explained" in upload("c.png").text
    del client.studio.background._tasks["explain:pets"]
    assert set(tried_folder(project).iterdir()) == kept


def test_a_picture_of_the_data_is_explained_with_its_annotation(client, project, started):
    project.update("make-tfrecords", {"data-dir": "../../data/pets"})
    image = project.workspace.data / "pets" / "cat.jpg"
    image.parent.mkdir(parents=True)
    image.write_bytes(jpeg())
    post(client, "/projects/pets/results/explain", path="data/pets/cat.jpg")
    assert "--groundtruth=projects/pets/pipeline.config" in started[0]


@pytest.mark.parametrize(
    "fields", [{"path": "../../etc/hostname"}, {"path": "none.jpg"}, {}, {"path": "a.jpg", "method": "magic"}]
)
def test_what_cannot_be_explained_is_refused(client, project, started, fields):
    (project.workspace.folder / "a.jpg").write_bytes(jpeg())
    assert post(client, "/projects/pets/results/explain", **fields).status_code in (400, 404)
    assert started == []


def test_layers_and_channels_are_chosen(client, project):
    write_explained(project)
    found = read_explained(project)
    assert found.heats[0].caption == "<b>cat</b> 89%, heat of P3: 75% of the heat is inside the box"
    text = client.get("/projects/pets/results/explain?layer=P4&channel=7").text
    assert "features/P4/channel-7.png" in text
    assert "<b>cat" not in text
    assert "1,200 anchors" in text
    piece = client.get("/projects/pets/results/explain/features?layer=P3&channel=99").text
    assert "features/P3/sheet.png" in piece
    assert "<html" not in piece
    address = found.layers["P4"].channels["7"].address
    assert client.get(address).content == b"png"


def test_half_of_an_output_is_none(client, project):
    write_explained(project)
    (explained_folder(project) / "explain.json").write_text('{"pictures": []}')
    assert read_explained(project) is None
    assert client.get("/projects/pets/results/explain").status_code == 200


def test_layers_are_listed_by_the_command(client, project, started):
    post(client, "/projects/pets/results/explain/layers")
    assert started == ["odtk explain runs/pets --list-layers --json"]
