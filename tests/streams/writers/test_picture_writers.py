"""Drawn pictures, crops and COCO results."""

from dataclasses import replace

import drawn_field
import numpy as np
import pytest
from PIL import Image
from pixels import bounds, masks
from stream_frames import blank, detections, name_of, of_video, still, write_all

from odtk import detections as detections_files
from odtk.errors import OdtkError
from odtk.streams import output_kinds
from odtk.streams.writers.build import Wanted, build_writers
from odtk.streams.writers.coco import CocoWriter
from odtk.streams.writers.crops import CropWriter
from odtk.streams.writers.features import FeatureWriter
from odtk.streams.writers.pictures import PictureWriter


def test_crops_show_their_object_and_nothing_else(tmp_path):
    one, two = drawn_field.pictures(2)
    writer = CropWriter(tmp_path, {1: "cat/../..", 3: "dog"}.get)
    frames = [still(one, "a.jpg", "zoo/a.jpg"), still(two, "a.jpg", "zoo_a.jpg"), of_video(two, 4), still(blank(), "b")]
    write_all(writer, [*zip(frames, map(detections, (one, two, two, blank())), strict=True)])
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jpg"))
    objects = len(one.objects) + 2 * len(two.objects)
    assert len(files) == objects
    assert {path.split("/")[1] for path in files} == {"cat_.._", "dog"}  # no name leads out of the folder
    assert "crops/dog/walk_mp4_000004-2.jpg" in files
    for path in tmp_path.rglob("*.jpg"):
        crop = np.asarray(Image.open(path)).astype(int)
        shown = {name: box for name, mask in masks(crop).items() if (box := bounds(mask))}
        assert list(shown) == [path.parent.name.rstrip("._")]
        assert np.abs(np.subtract(*[*shown.values()], (0, 0, *crop.shape[:2]))).max() <= 2
    assert writer.written() == f"crops/ ({objects} boxes of 2 classes)"


def test_coco_results_are_read_back_and_tell_tracks_seconds_and_other_classes(tmp_path):
    (picture,) = drawn_field.pictures(1)
    found = detections(picture)
    tracked = detections_files.Detections(
        found.boxes, found.classes, found.scores, (), found.class_scores, np.array([4, 0, 0])
    )
    writer = CocoWriter(tmp_path, name_of, top=2)
    write_all(writer, [(still(picture, "a.jpg", image_id=7), tracked), (of_video(picture, 2, image_id=8), found)])
    results = detections_files.read(tmp_path / "detections.json")
    assert len(results) == 2 * len(found)
    first, second, moving = results[0], results[1], results[len(found)]
    assert (first["track_id"], first["file_name"]) == (4, picture.name)
    assert "track_id" not in second
    assert "seconds" not in first
    assert (moving["seconds"], moving["file_name"], moving["image_id"]) == (0.2, "walk_mp4/000002.jpg", 8)
    assert first["top"][0] == {"category_id": 1, "category_name": "cat", "score": first["score"]}
    assert len(first["top"]) == 2
    back = detections_files.from_coco_results(results[: len(found)], *picture.size)
    np.testing.assert_allclose(back.boxes, found.boxes, atol=1e-4)


def test_coco_results_of_no_boxes_are_an_empty_list(tmp_path):
    write_all(CocoWriter(tmp_path, name_of), [])
    assert detections_files.read(tmp_path / "detections.json") == []


def test_frames_of_a_video_are_pictures_only_where_no_video_is_written(tmp_path):
    (picture,) = drawn_field.pictures(1)
    frames = [
        (still(picture, "a.jpg", "holiday/a.png"), detections(picture)),
        (of_video(picture, 1), detections(picture)),
    ]
    write_all(PictureWriter(tmp_path / "all", name_of), frames)
    write_all(PictureWriter(tmp_path / "still", name_of, only_still=True), frames)
    names = {folder: sorted(path.name for path in (tmp_path / folder).rglob("*.*")) for folder in ("all", "still")}
    assert names == {"all": ["000001.jpg", "a.png"], "still": ["a.png"]}
    assert (np.asarray(Image.open(tmp_path / "still/holiday/a.png")) == np.asarray(picture.image)).all()


def test_every_kind_has_a_writer_and_unknown_ones_are_named(tmp_path):
    assert output_kinds.check(" csv, YOLO,csv") == ("csv", "yolo")
    with pytest.raises(OdtkError, match=r"'xls' is not known.*pictures, video, coco") as caught:
        output_kinds.check("csv,xls")
    assert caught.value.argument == "save"
    with pytest.raises(OdtkError, match="No output"):
        output_kinds.check(",")
    wanted = Wanted(
        [*output_kinds.MEANINGS], name_of, features_of=lambda pixels, boxes: (np.zeros(2), np.zeros((0, 2)))
    )
    writers = build_writers(wanted, tmp_path)
    for writer in writers:
        writer.finish()
    assert len({type(writer) for writer in writers}) == len(output_kinds.MEANINGS)
    for kinds, is_warned in ((["csv", "pictures"], True), (["csv", "video"], False)):  # which no dataset refers to
        csv = build_writers(replace(wanted, kinds=kinds), tmp_path)[0]
        assert ("do not train on them" in " ".join(csv.notes)) == is_warned
    assert set(output_kinds.DEFAULT) <= set(output_kinds.MEANINGS)


def test_features_are_arrays_that_numpy_reads_without_pickle(tmp_path):
    one, two = drawn_field.pictures(2)

    def features_of(pixels, boxes):
        return np.float32([pixels.mean(), 1, 2]), boxes[:, :3] * 10

    writer = FeatureWriter(tmp_path, name_of, features_of, "stem")
    found = [detections(one), detections(two).best(1.0), replace(detections(two), track_ids=np.array([5, 0, 0]))]
    write_all(writer, [*zip([still(one, "a"), still(two, "b", "b.png", 2), of_video(two, 3)], found, strict=True)])
    with np.load(tmp_path / "features.npz") as arrays:
        read = dict(arrays)
    assert read["image_names"].tolist() == [one.name, "b.png", "walk_mp4/000003.jpg"]
    assert read["image_vectors"][:, 0] == pytest.approx([np.asarray(each.image).mean() for each in (one, two, two)])
    assert read["box_image"].tolist() == [0] * len(found[0]) + [2] * len(found[2])
    np.testing.assert_allclose(read["box_vectors"], 10 * read["box_yxyx"][:, :3])
    assert read["box_tracks"].tolist() == [0] * len(found[0]) + [5, 0, 0]
    assert read["box_names"].tolist() == [name_of(number) for number in read["box_classes"]]
    assert str(read["layer"]) == "stem"
    write_all(FeatureWriter(tmp_path, name_of, features_of), [])
    assert np.load(tmp_path / "features.npz")["box_vectors"].shape == (0, 0)
