import json

import pytest
from drawn_formats import DRAWINGS, WRITERS, touch

from odtk.annotations import formats
from odtk.errors import DataError

# The first lines of what the tools write, each in a file of the tool's own naming.
FOREIGN = {
    "CVAT": ("annotations.xml", '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta/>'
             '<image id="0" name="a.jpg" width="9" height="9"><box label="cat" xtl="1" ytl="1" xbr="5" ybr="5"/>'
             '</image></annotations>'),
    "CVAT for images or video": ("deep/annotations.xml", '<annotations>\n<track id="0" label="cat"/></annotations>'),
    "dlib": ("imglab.xml", "<dataset><images><image file='a.jpg'><box top='1' left='2' width='3' height='4'/></image>"
             "</images></dataset>"),
    "labelme": ("a.json", json.dumps({"version": "5.4.1", "flags": {}, "shapes": [
        {"label": "cat", "points": [[1, 1], [5, 5]], "shape_type": "rectangle"}], "imagePath": "a.jpg"})),
    "VIA": ("via_project.json", json.dumps({"_via_settings": {}, "_via_img_metadata": {"a.jpg12": {
        "filename": "a.jpg", "regions": [{"shape_attributes": {"name": "rect", "x": 1}}]}}})),
    r"VGG Image Annotator \(VIA\)": ("via_region_data.json", json.dumps({"a.jpg12": {
        "filename": "a.jpg", "size": 12, "regions": [{"shape_attributes": {"name": "rect", "x": 1}}]}})),
    "VGG": ("via.csv", 'filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,'
            'region_attributes\na.jpg,12,{},1,0,{},{}\n'),
    "Create ML": ("_annotations.createml.json", json.dumps([{"image": "a.jpg", "annotations": [
        {"label": "cat", "coordinates": {"x": 3, "y": 3, "width": 4, "height": 4}}]}])),
    "Label Studio": ("export.json", json.dumps([{"id": 1, "annotations": [{"result": [
        {"from_name": "label", "value": {"rectanglelabels": ["cat"]}}]}], "data": {"image": "a.jpg"}}])),
    "Supervisely": ("ds/ann/a.jpg.json", json.dumps({"description": "", "size": {"height": 9, "width": 9}, "objects": [
        {"classTitle": "cat", "points": {"exterior": [[1, 1], [5, 5]]}}]})),
    "Datumaro": ("annotations/default.json", json.dumps({"info": {}, "categories": {"label": {"labels": [
        {"name": "cat"}]}}, "items": [{"id": "a", "annotations": [{"type": "bbox", "label_id": 0}]}]})),
    "VoTT": ("a-asset.json", json.dumps({"asset": {"format": "jpg", "name": "a.jpg"}, "regions": [{"tags": ["cat"]}]})),
    "BDD100K": ("det_train.json", json.dumps([{"name": "a.jpg", "labels": [{"category": "cat", "box2d": {"x1": 1}}]}])),
}  # fmt: skip


@pytest.mark.parametrize("format", [None, *formats.FORMATS])
@pytest.mark.parametrize("tool", FOREIGN)
def test_a_foreign_format_is_named_with_what_to_export(tmp_path, tool, format):
    touch(tmp_path / "a.jpg", None)
    name, text = FOREIGN[tool]
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text)
    said = rf"{name} is in the format of .*{tool}.* which odtk does not read\. .*(COCO|VOC|coco|pascal)"
    with pytest.raises(DataError, match=said):
        formats.open_dataset(tmp_path, format)


@pytest.mark.parametrize("kind", ["voc", "coco", "yolo", "csv tutorial"])
def test_foreign_files_beside_a_good_format_do_no_harm(tmp_path, kind):
    WRITERS[kind](tmp_path, picture=touch)
    for name, text in FOREIGN.values():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    dataset = formats.open_dataset(tmp_path)
    assert dataset.format == kind.split()[0]
    read = [listed for listed in dataset.listed if not hasattr(listed.entry, "is_bad")]
    assert len(read) == len(DRAWINGS)
    assert not any(listed.entry.is_bad for listed in dataset.listed if hasattr(listed.entry, "is_bad"))


def test_utf16_does_not_hide_a_foreign_format(tmp_path):
    touch(tmp_path / "a.jpg", None)
    (tmp_path / "annotations.xml").write_bytes(FOREIGN["CVAT"][1].encode("utf-16"))
    with pytest.raises(DataError, match="is in the format of CVAT"):
        formats.guess(tmp_path)
