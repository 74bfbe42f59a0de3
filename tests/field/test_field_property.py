"""What make-tfrecords writes lies on its object, or it is named: for whatever tools and scripts do to a dataset."""

import tempfile
from pathlib import Path

import pytest
from changes import changes_of, some
from drawn_field import WRITERS, pictures
from hypothesis import given, settings
from hypothesis import strategies as st
from pixels import check_boxes, records

from odtk.errors import OdtkError
from odtk.tools.make_tfrecords import make_tfrecords

DRAWN = pictures(6)

# Where nothing in the set tells how an orientation is meant, or only a few of its boxes look as if their numbers were
# others than the format's, saying so is all that can be done.
_AMBIGUOUS = ("EXIF", "extends beyond the image")

# What a change after them could not open any more.
_LAST = ("image_cut_short", "image_gone", "utf_16", "utf_16_json", "xml_named_as_the_image",
         "texts_named_as_the_image", "no_header")  # fmt: skip


# What all annotations are moved by or exchanged in shows in the whole set; with another change behind, not always.
_ALONE = ("images_numbered_from_0_in_annotations", "categories_numbered_from_0_in_annotations", "y_before_x",
          "y_before_x_in_csv")  # fmt: skip


@st.composite
def _changed_sets(draw):
    format = draw(st.sampled_from(sorted(WRITERS)))
    combined = sorted({*changes_of(format)} - {*_ALONE})
    changes = draw(st.lists(st.sampled_from(combined), min_size=1, max_size=3, unique=True))
    oriented = [name for name in changes if name.startswith("annotated_as")]
    changes = [name for name in changes if name not in oriented[1:]]  # an image is tagged once
    changes.sort(key=lambda name: name in _LAST)
    return format, [(name, draw(st.integers(0, 10**6))) for name in changes]


@settings(max_examples=100)
@given(_changed_sets())
def test_what_is_written_lies_on_its_object_or_is_named(changed):
    format, changes = changed
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        WRITERS[format](data, DRAWN)
        for name, seed in changes:
            changes_of(format)[name](data, DRAWN, some(DRAWN, seed))
        _check(data, format, Path(folder, "out"))


def _check(data: Path, format: str, output: Path) -> None:
    """The property, of one dataset; a set that is refused says what it stumbled on."""
    try:
        report = make_tfrecords(data, output, format, max_bad_fraction=1, workers=1)
    except OdtkError as error:
        if str(data) not in str(error):
            raise AssertionError(f"no file is named: {error}") from error
        return
    named = [str(problem) for found in (report.skipped, report.problems) for problem in found]
    written = {Path(name).stem: (name, image) for name, image in records(output).items()}
    for picture in DRAWN:
        said = [text for text in named if picture.stem in text]
        if picture.stem not in written:
            assert said, f"{picture.name} has no record, and nothing says so: {named}"
            continue
        try:
            check_boxes(*written[picture.stem])
        except AssertionError:
            if not any(word in text for text in said for word in _AMBIGUOUS):
                raise


# What a change alone, made to all pictures, leads to: every box on its object; or no record of such a picture.
_ON_OBJECTS = {
    "any": ["suffix_upper", "png_called_jpg", "annotated_as_shown"],
    "voc": ["flags_unspecified", "flags_fraction", "corners_exchanged", "resized_after_annotation", "no_size",
            "size_zero", "path_of_another_machine", "utf_16", "rotated_boxes", "suffix_jfif",
            "line_before_the_declaration", "xml_named_as_the_image", "annotated_as_stored"],
    "coco": ["image_ids_text", "category_ids_text", "category_names_for_ids", "file_names_of_windows",
             "flags_as_they_come", "utf_16_json",
             "image_under_two_ids", "annotated_as_stored"],
    "yolo": ["outlines", "class_names_for_ids", "texts_named_as_the_image",
             "lists_of_another_machine", "line_ends_of_windows", "suffix_jfif"],
    "csv": ["no_header", "absolute_paths", "no_suffix", "corners_exchanged_in_csv", "annotated_as_stored"],
}  # fmt: skip
_REFUSED = {
    "voc": ["image_cut_short", "image_gone", "one_box_empty", "xml_cut_short", "y_before_x"],
    "coco": [
        "image_gone",
        "orphaned",
        "corners_for_sides",
        "images_numbered_from_0_in_annotations",
        "categories_numbered_from_0_in_annotations",
    ],
    "yolo": ["confidence", "confidence_and_track", "keypoints_that_do_not_fit", "in_pixels", "classes_numbered_from_1"],
    "csv": ["image_gone", "sides_for_corners", "y_before_x_in_csv"],
}


def _cases(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    any_format = [(format, name) for format in WRITERS for name in table.get("any", ())]
    return any_format + [(format, name) for format, names in table.items() if format != "any" for name in names]


@pytest.mark.parametrize(("format", "name"), _cases(_ON_OBJECTS))
def test_what_can_be_read_is_read_and_its_boxes_lie_on_their_objects(tmp_path, format, name):
    WRITERS[format](tmp_path / "data", DRAWN)
    changes_of(format)[name](tmp_path / "data", DRAWN, DRAWN)
    make_tfrecords(tmp_path / "data", tmp_path / "out", format)
    found = records(tmp_path / "out")
    assert len(found) == len(DRAWN)
    for name, image in found.items():
        check_boxes(name, image)


@pytest.mark.parametrize(("format", "name"), _cases(_REFUSED))
def test_what_cannot_be_read_is_refused_by_name(tmp_path, format, name):
    WRITERS[format](tmp_path / "data", DRAWN)
    changes_of(format)[name](tmp_path / "data", DRAWN, DRAWN)
    with pytest.raises(OdtkError) as error:
        make_tfrecords(tmp_path / "data", tmp_path / "out", format)
    assert str(tmp_path / "data") in str(error.value)
    assert not (tmp_path / "out").exists()
