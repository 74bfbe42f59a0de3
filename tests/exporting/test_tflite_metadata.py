"""TFLite's metadata and the files that travel in a .tflite file: what is written is read again, and is what readers of
others expect (the slow tests of test_tflite_readers.py ask these themselves)."""

import io
import json
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odtk.errors import CheckpointError
from odtk.exporting import tflite_archive
from odtk.exporting.tflite_metadata import OUTPUTS, DetectorFacts, encode_metadata
from odtk.exporting.tflite_metadata_reading import FoundMetadata, _decode, _root, read_metadata
from odtk.exporting.tflite_texts import FileTexts, names_of

FACTS = DetectorFacts("pets", "Finds pets.", (320, 640), [127.5], [127.5], 100, "labels.txt")


def facts(**changes) -> DetectorFacts:
    return DetectorFacts(**(vars(FACTS) | changes))


def decoded(**changes) -> FoundMetadata:
    return _decode(_root(encode_metadata(facts(**changes))))


@settings(max_examples=30)
@given(
    name=st.text(),
    mean=st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=3),
    label_file=st.none() | st.text(min_size=1),
)
def test_what_is_written_is_read(name, mean, label_file):
    found = decoded(name=name, mean=mean, std=[1.0] * len(mean), label_file=label_file)
    assert found == FoundMetadata(name, tuple(mean), (1.0,) * len(mean), OUTPUTS, label_file)


def fields(buffer: bytes, place: int) -> dict[int, int]:
    """The places of a table's fields by their number, by the flatbuffer format itself."""
    vtable = place - struct.unpack_from("<i", buffer, place)[0]
    (length,) = struct.unpack_from("<H", buffer, vtable)
    offsets = struct.unpack_from(f"<{(length - 4) // 2}H", buffer, vtable + 4)
    return {number: place + offset for number, offset in enumerate(offsets) if offset}


def behind(buffer: bytes, place: int) -> int:
    return place + struct.unpack_from("<I", buffer, place)[0]


def elements(buffer: bytes, place: int) -> list[int]:
    start = behind(buffer, place)
    return [behind(buffer, start + 4 + 4 * index) for index in range(struct.unpack_from("<I", buffer, start)[0])]


def test_the_bytes_are_the_schemas():
    """Walked by hand: identifier, version, the input's normalization and size, the order of a box's sides."""
    buffer = encode_metadata(FACTS)
    assert buffer[4:8] == b"M001"
    model = fields(buffer, behind(buffer, 0))
    assert buffer[behind(buffer, model[7]) :][:9] == b"\x05\0\0\x001.2.0"
    (subgraph,) = (fields(buffer, each) for each in elements(buffer, model[3]))
    (image,) = (fields(buffer, each) for each in elements(buffer, subgraph[2]))
    content = fields(buffer, behind(buffer, image[3]))
    assert buffer[content[0]] == 2  # ImageProperties
    properties = fields(buffer, behind(buffer, content[1]))
    assert buffer[properties[0]] == 1  # RGB
    size = fields(buffer, behind(buffer, properties[1]))
    assert [struct.unpack_from("<I", buffer, size[number])[0] for number in (0, 1)] == [640, 320]
    (unit,) = (fields(buffer, each) for each in elements(buffer, image[4]))
    assert buffer[unit[0]] == 1  # NormalizationOptions
    stats = fields(buffer, behind(buffer, image[5]))
    assert struct.unpack_from("<If", buffer, behind(buffer, stats[0])) == (1, 1.0)
    assert struct.unpack_from("<If", buffer, behind(buffer, stats[1])) == (1, -1.0)
    boxes, classes, *_ = (fields(buffer, each) for each in elements(buffer, subgraph[3]))
    corners = fields(buffer, behind(buffer, fields(buffer, behind(buffer, boxes[3]))[1]))
    assert struct.unpack_from("<5I", buffer, behind(buffer, corners[0])) == (4, 1, 0, 3, 2)
    assert buffer[corners[1]] == 1  # BOUNDARIES
    assert 2 not in corners  # RATIO, the default
    (labels,) = (fields(buffer, each) for each in elements(buffer, classes[6]))
    assert buffer[labels[2]] == 3  # TENSOR_VALUE_LABELS


def test_a_model_of_pixels_says_their_range():
    buffer = encode_metadata(facts(mean=[0.0], std=[1.0], takes_pixels=True))
    assert _decode(_root(buffer)).std == (1.0,)
    assert struct.pack("<If", 1, 255.0) in buffer


MODEL = b"\x1c\0\0\0TFL3" + bytes(range(60))


def test_files_lie_behind_the_model_uncompressed_and_at_their_place():
    packed = tflite_archive.with_files(MODEL, {"labels.txt": "Mops\nKater\n", "odtk.label_map": "ä" * 99})
    assert packed.startswith(MODEL)
    assert tflite_archive.files_in(packed) == {"labels.txt": "Mops\nKater\n", "odtk.label_map": "ä" * 99}
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert {each.compress_type for each in archive.infolist()} == {zipfile.ZIP_STORED}
    # The directory, at the end, has places from the beginning of the file: readers map the whole of it.
    directory = packed.index(b"PK\x01\x02")
    assert packed[struct.unpack_from("<I", packed, directory + 42)[0] :].startswith(b"PK\x03\x04")


def test_packing_again_replaces_files_and_is_reproducible(tmp_path):
    once = tflite_archive.with_files(MODEL, {"a": "1", "b": "2"})
    assert tflite_archive.with_files(once, {"a": "1", "b": "2"}) == once
    assert tflite_archive.files_in(tflite_archive.with_files(once, {"a": "3"})) == {"a": "3"}
    assert tflite_archive.files_in(MODEL) == {}


def test_the_certificate_is_added_and_replaced(tmp_path):
    from odtk.exporting import tflite_file

    path = tmp_path / "model.tflite"
    path.write_bytes(tflite_archive.with_files(MODEL, {"labels.txt": "Mops\n"}))
    for certificate in ({"boxes": 0.1}, {"boxes": 0.2}):
        tflite_file.embed(str(path), json.dumps(certificate))
        files = tflite_archive.files_in(path.read_bytes())
        assert json.loads(files.pop("odtk.certificate")) == certificate
        assert files == {"labels.txt": "Mops\n"}
    assert path.read_bytes().startswith(MODEL)


@pytest.mark.parametrize("content", [b"", b"\x1c\0\0\0", b"PK\x03\x04 something else"])
def test_what_is_no_model_is_refused(content, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.tflite is not a TFLite model"):
        tflite_archive.read_model(path)
    with pytest.raises(CheckpointError, match=r"gone\.tflite cannot be read"):
        tflite_archive.read_model(tmp_path / "gone.tflite")


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_damage_is_said(rest):
    """Never another error than ValueError, whatever the bytes."""
    try:
        found = read_metadata(b"\x1c\0\0\0TFL3" + rest)
    except ValueError:
        return
    assert found is None or isinstance(found, FoundMetadata)


def test_names_are_the_label_maps_else_the_label_files(tmp_path):
    metadata = FoundMetadata(label_file="labels.txt")
    labels = {"labels.txt": "Mops\n???\nKater\n"}
    of_map = {"odtk.label_map": "item { id: 2 name: 'pug' display_name: 'Mops' }"}
    assert names_of(FileTexts("m.tflite", metadata, labels), None) == {1: "Mops", 3: "Kater"}
    assert names_of(FileTexts("m.tflite", metadata, labels | of_map), None) == {2: "Mops"}
    assert names_of(FileTexts("m.tflite", None, labels), None) == {}
    assert names_of(FileTexts("m.tflite", metadata, {"odtk.label_map": "item {"}), None) == {}
    given = tmp_path / "map.pbtxt"
    given.write_text("item { id: 1 name: 'dog' }")
    assert names_of(FileTexts("m.tflite", metadata, labels), given) == {1: "dog"}


def test_outputs_are_found_by_their_names():
    places = [
        FileTexts("m", FoundMetadata(outputs=outputs)).output_places()
        for outputs in (OUTPUTS, ("score", "location", "number of detections", "category"), ("a", "b", "c", "d"))
    ]
    assert places == [[0, 1, 2, 3], [1, 3, 0, 2], [0, 1, 2, 3]]
