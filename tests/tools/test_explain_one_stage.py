"""`odtk explain` of a detector that finds objects and does not say of what class: a Faster R-CNN of one stage."""

from pathlib import Path

import pytest
from golden_cases import family_case
from inspected_records import picture, write

from odtk import label_map
from odtk.detectors.build import build_detector
from odtk.errors import OdtkError
from odtk.exporting.model import naming
from odtk.exporting.trained_model import TrainedModel
from odtk.tools.explain import explain, opened

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("shallow_resnet")]


@pytest.fixture
def model(tmp_path, monkeypatch):
    """That of a golden, as if it had been trained to cats, dogs and birds."""
    config = family_case("faster_rcnn-one_stage").config
    path = tmp_path / "label_map.pbtxt"
    label_map.write(label_map.of_names(["cat", "dog", "bird"]), path)
    made = TrainedModel(build_detector(config), config, "model/ckpt-7", 7, naming(path))
    made.detector.ensure_built()
    made.label_map = path
    monkeypatch.setattr(opened, "kind_of", lambda path: "checkpoint")
    monkeypatch.setattr(opened, "open_trained", lambda *_, **__: made)
    return made


def test_annotated_boxes_of_any_class_are_matched_and_no_class_has_scores(model, tmp_path: Path):
    write(tmp_path / "records")
    (tmp_path / "0.jpg").write_bytes(picture(0))
    given = {"groundtruth": tmp_path / "records", "min_score": 0.0, "max_boxes": 1}
    (found,) = explain("model", tmp_path / "0.jpg", tmp_path / "explained", **given).pictures
    assert [model.name_of(box.class_id) for box in found.boxes] == ["cat", "dog"]
    assert all(box.best_score is not None and 0 < box.best_score < 1 for box in found.boxes)
    assert sum(len(box.anchors) for box in found.boxes) > 0
    assert not found.scores
    with pytest.raises(OdtkError, match="does not say of what class") as caught:
        explain("model", tmp_path / "0.jpg", tmp_path / "again", classes=["dog"], **given)
    assert caught.value.argument == "classes"
