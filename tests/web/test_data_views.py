"""What the pages about data show, without a server: folders, fixes, galleries, and the form for records."""

import json
import os
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from click.testing import CliRunner
from drawn_data import draw_voc
from running_studio import run_in_thread

from odtk.cli.main import cli
from odtk.datasets.image_index import ImageIndex, Wanted
from odtk.errors import DataError, OdtkError, Option
from odtk.tools.inspect import inspect
from odtk.tools.inspect.inspection import document
from odtk.web import record_making
from odtk.web.background import Background
from odtk.web.commands import Commands, command
from odtk.web.data_views import fixes, folders, gallery, inspections, thumbnails
from odtk.web.workspace import OutsideError, Workspace

PETS = Path(__file__).parents[1] / "data" / "pets_mini"


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "work")


@pytest.fixture(scope="module")
def indexed(tmp_path_factory):
    """A folder with a dataset of 30 images, and the index of its inspection."""
    folder = tmp_path_factory.mktemp("indexed")
    draw_voc(folder / "voc", 30, ("cat", "<script>alert(1)</script>", "dog"))
    inspect(folder / "voc", index=folder / "index.sqlite")
    return folder


def test_folders_are_counted_and_their_format_is_recognized(workspace):
    draw_voc(workspace.data / "voc", 3)
    (workspace.data / "empty").mkdir()
    (workspace.data / ".hidden").mkdir()
    (workspace.records / "pets").mkdir(parents=True)
    (workspace.records / "pets" / "train.record-00000-of-00001").touch()
    found = folders.listing(workspace, workspace.data)
    assert [(each.name, each.contents, each.is_data) for each in found.below] == [
        ("empty", "no images", False), ("voc", "3 images, Pascal VOC", True),
    ]  # fmt: skip
    assert [(each.name, each.path) for each in found.above] == [("Workspace", ".")]
    (records,) = folders.entries(workspace, workspace.records)
    assert (records.contents, records.path) == ("TFRecords", "records/pets")


def test_links_that_lead_out_are_not_listed(workspace, tmp_path):
    (tmp_path / "secret").mkdir()
    workspace.data.mkdir()
    os.symlink(tmp_path / "secret", workspace.data / "out")
    assert not folders.listing(workspace, workspace.data).below
    with pytest.raises(OutsideError):
        workspace.inside("data/out")


def test_a_large_folder_is_not_counted_to_its_end(workspace, monkeypatch):
    monkeypatch.setattr(folders, "MOST_FILES", 4)
    draw_voc(workspace.data / "voc", 4)
    (found,) = folders.entries(workspace, workspace.data)
    assert found.contents == "more than 4 images"
    assert found.is_data


def test_an_inspection_has_files_of_its_own_and_known_options(workspace):
    background = Background(workspace.hidden / "commands", Commands(workspace.folder))
    places = [workspace.data / "voc", workspace.data / "other" / "voc"]
    first, second = (inspections.inspection_of(workspace, background, place) for place in places)
    assert len({first.page, first.index, second.page, second.index}) == 4
    words = inspections.inspect_command(first, "voc", "xyxy").words
    assert words == (
        "inspect", "data/voc", "--html", first.page, "--index", first.index, "--format", "voc", "--boxes", "xyxy",
        "--overwrite", "--json",
    )  # fmt: skip
    with pytest.raises(OdtkError, match="no format"):
        inspections.inspect_command(second, "--html")


def test_a_change_of_a_file_is_seen(workspace):
    folder = draw_voc(workspace.data / "voc", 2)
    newest = max(path.stat().st_mtime for path in [folder, *folder.iterdir()])
    assert inspections.has_changed(folder, newest) is False
    os.utime(folder / "picture_00.xml", (newest + 5, newest + 5))
    assert inspections.has_changed(folder, newest) is True


def test_a_gallery_filters_by_class_size_finding_and_name(indexed):
    with ImageIndex(indexed / "index.sqlite") as index:
        assert {each.boxes for each in index.classes()} == {10}
        cats = gallery.gallery_page(index, gallery.filters_of({"class": "cat"}))
        assert [each.name for each in cats.images[:2]] == ["picture_00.jpg", "picture_03.jpg"]
        assert cats.count == 10
        assert index.count(Wanted(class_name="cat", size="small")) == 5
        assert index.count(Wanted(size="large")) == 0
        assert index.count(Wanted(size="medium")) == 15
        assert index.count(Wanted(name="_0")) == 10
        assert index.count(Wanted(name="%")) == 0
        assert index.count(Wanted(is_empty=True)) == 0
        assert index.beside(Wanted(class_name="cat"), 3) == (0, 6)


def test_a_gallery_has_pages(indexed):
    with ImageIndex(indexed / "index.sqlite") as index:
        second = gallery.gallery_page(index, gallery.filters_of({"page": "2"}))
        assert (second.last, len(second.images), second.first_shown) == (2, 6, 25)
        assert gallery.gallery_page(index, gallery.filters_of({"page": "99"})).filters.page == 2
    assert gallery.filters_of({"class": "a b", "page": "2"}).query("x", page=1) == "path=x&class=a+b&page=1"
    with pytest.raises(OdtkError, match="not known"):
        gallery.filters_of({"size": "huge"})


def test_findings_lead_to_their_images(tmp_path):
    draw_voc(tmp_path / "voc", 6)
    shutil.copy(tmp_path / "voc" / "picture_00.jpg", tmp_path / "voc" / "picture_01.jpg")
    found = inspect(tmp_path / "voc", index=tmp_path / "index.sqlite")
    (number,) = [n for n, each in enumerate(found.findings) if each.kind == "look-alikes"]
    with ImageIndex(tmp_path / "index.sqlite") as index:
        assert [each.name for each in index.some(Wanted(finding=number), 0, 9)] == ["picture_00.jpg", "picture_01.jpg"]
        assert index.remarks(0)[0][1] == "look-alikes"
        assert number in [each.number for each in index.findings()]


def test_an_index_that_is_none_is_said(tmp_path):
    (tmp_path / "index.sqlite").write_text("no")
    for name in ("index.sqlite", "missing.sqlite"):
        with pytest.raises(DataError, match="not an index"):
            ImageIndex(tmp_path / name)


def test_pictures_are_drawn_once_and_kept(indexed, tmp_path):
    read = []

    def locate(path):
        read.append(path)
        return Path(path)

    first = thumbnails.thumbnail(tmp_path / "kept", indexed / "index.sqlite", 1, 256, locate)
    assert first.startswith(b"\xff\xd8")
    assert thumbnails.thumbnail(tmp_path / "kept", indexed / "index.sqlite", 1, 256, locate) == first
    assert len(read) == 1


def test_pictures_of_records_are_read_from_the_records(tmp_path):
    from odtk.tools.make_tfrecords import make_tfrecords

    make_tfrecords(draw_voc(tmp_path / "voc", 6), tmp_path / "records", num_shards=1)
    inspect(tmp_path / "records", index=tmp_path / "index.sqlite")
    with ImageIndex(tmp_path / "index.sqlite") as index:
        images = index.some(Wanted(), 0, 9)
        assert sorted(each.name for each in images) == [f"picture_{number:02d}.jpg" for number in range(6)]
        assert index.splits() == ["train", "val"]
    assert thumbnails.thumbnail(tmp_path / "kept", tmp_path / "index.sqlite", 2, 256, Path).startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    ("option", "address"),
    [
        (Option("make-tfrecords", "--max-side", "1280"), "/data/records?path=d&max-side=1280"),
        (Option("make-tfrecords", "--resplit"), "/data/records?path=d&resplit=on"),
        (Option("make-tfrecords", "--exif", "apply"), "/data/records?path=d&exif=apply"),
    ],
)
def test_options_of_make_tfrecords_open_the_form(option, address):
    (found,) = fixes.fixes_of([asdict(option)], "d")
    assert found.address == address
    assert not fixes.fixes_of([asdict(option)], "d", is_records=True)


def test_options_of_inspect_inspect_again():
    (found,) = fixes.fixes_of([asdict(Option("inspect", "--boxes", "xyxy"))], "d")
    assert (found.label, found.inspect) == ("Inspect with boxes as xyxy", {"boxes": "xyxy"})


def test_a_refusal_leads_back_to_the_form_with_what_it_asks_for():
    (found,) = fixes.fixes_of_refusal(
        [asdict(Option("make-tfrecords", "--boxes", "xyxy"))], {"path": "d", "name": "first"}
    )
    assert found.address == "/data/records?path=d&name=first&boxes=xyxy"
    (found,) = fixes.fixes_of_refusal([asdict(Option("make-tfrecords", "--allow-duplicates"))], {"path": "d"})
    assert found.address == "/data/records?path=d&allow-duplicates=on"


def labels_of(inspection):
    found = [fix for each in document(inspection)["findings"] for fix in fixes.fixes_of(each["options"], "d")]
    return [fix.label for fix in found]


def test_findings_have_buttons():
    assert "Make records with --max-bad-fraction 0.1" in labels_of(inspect(PETS))


def test_the_error_about_several_formats_has_a_button_for_each(tmp_path):
    folder = draw_voc(tmp_path / "both", 2)
    rows = ["filename,xmin,ymin,xmax,ymax,class", *(f"picture_{number:02d}.jpg,5,4,25,24,cat" for number in range(2))]
    (folder / "boxes.csv").write_text("\n".join(rows))
    result = CliRunner().invoke(cli, ["inspect", str(folder), "--json"], prog_name="odtk")
    assert result.exit_code == 1
    options = json.loads(result.stdout)["options"]
    assert [fix.label for fix in fixes.fixes_of(options, "d")] == ["Inspect as voc", "Inspect as csv"]
    outcome = run_in_thread(Commands(tmp_path).run(command("inspect", folder, "--json")))
    assert (outcome.document, outcome.options) == (None, options)
    assert outcome.error.startswith(f"{folder} may be of several formats")


def test_the_refusal_of_boxes_in_another_order_has_a_button(tmp_path):
    folder = draw_voc(tmp_path / "sizes", 20)
    for path in folder.glob("*.xml"):  # 60 x 40 pixels, written as a corner and the size
        text = re.sub(
            r"<xmin>.*</ymax>", "<xmin>50</xmin><ymin>45</ymin><xmax>60</xmax><ymax>40</ymax>", path.read_text()
        )
        path.write_text(text)
    assert "Inspect with boxes as xywh" in labels_of(inspect(folder))
    result = CliRunner().invoke(cli, ["make-tfrecords", str(folder), str(tmp_path / "out"), "--json"], prog_name="odtk")
    options = json.loads(result.stdout)["options"]
    assert options[0] == {"command": "make-tfrecords", "option": "--boxes", "value": "xywh"}
    assert fixes.fixes_of_refusal(options, {})[0].label == "Try again with --boxes xywh"


def test_the_form_says_what_is_wrong_with_it(workspace):
    values = {"name": "../x", "train": "60", "val": "30", "test": "0", "seed": "many", "label-map": "/etc/passwd"}
    found = record_making.problems_of(record_making.form_of(values, "data/d", "d"), workspace)
    assert set(found) == {"name", "shares", "seed", "label-map"}
    assert found["shares"] == "The shares add up to 90 %, not to 100 %."
    assert "whole number" in found["seed"]


def test_the_form_becomes_a_command_and_the_command_a_section(workspace):
    values = {"name": "d", "train": "70", "val": "20", "test": "10", "seed": "7", "skip-crowd": "on", "boxes": "xywh"}
    form = record_making.form_of(values, "data/d", "d")
    assert not record_making.problems_of(form, workspace)
    words = record_making.records_command(form, workspace, "data/d")
    assert record_making.section_of_words(words.words) == {
        "data-dir": "data/d", "val-fraction": 0.2, "test-fraction": 0.1, "seed": 7, "boxes": "xywh", "skip-crowd": True,
    }  # fmt: skip
    query = record_making.query_of(words)
    assert record_making.form_of(query, query["path"], "") == form
    assert record_making.section_of_words(["make-tfrecords", "a", "b", "--unheard-of"]) is None
