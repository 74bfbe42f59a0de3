"""Videos, cameras, addresses and lists go through `predict`: no frame is lost, what is written is whole."""

import csv
import json
from unittest.mock import patch

import av
import fake_detector
import numpy as np
import pytest
import videos
from click.testing import CliRunner
from patience import until
from PIL import Image
from stub_model import export

from odtk.cli.main import cli
from odtk.errors import CheckpointError, OdtkError
from odtk.streams.sources import cameras
from odtk.tools.predict import predict


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export(tmp_path_factory.mktemp("exported"), "image_tensor")


@pytest.fixture(scope="module")
def taking_batches(tmp_path_factory):
    return export(tmp_path_factory.mktemp("batches"), "float_image_tensor")


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    return videos.write(tmp_path_factory.mktemp("walk") / "walk.mp4", 14, sound=True)


def run(*arguments, **options):
    return CliRunner().invoke(cli, ["predict", *map(str, arguments)], **options)


def frames_of(path):
    with av.open(str(path)) as container:
        return [videos.number_of(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def scores(report):
    """Of the pugs, which say how bright their frame is, by image id."""
    found = json.loads(report.detections_path.read_text())
    return {each["image_id"]: each["score"] for each in found if each["category_name"] == "pug"}


def test_a_video_comes_back_with_all_its_frames_whatever_the_batch(exported, taking_batches, walk, tmp_path):
    one = predict(exported, walk, tmp_path / "one", min_score=0, classes="pug", save="video,coco")
    (stream,) = one.streams
    assert (stream.source, stream.frames, stream.dropped, dict(stream.boxes)) == (str(walk), 14, 0, {"pug": 14})
    assert (one.num_images, one.num_boxes, one.predictions) == (14, 14, [])
    assert frames_of(tmp_path / "one/walk.mp4") == frames_of(walk) == list(range(14))
    with av.open(str(tmp_path / "one/walk.mp4")) as container:
        assert len(container.streams.audio) == 1
    found = scores(one)
    assert list(found) == list(range(1, 15))
    # The brightness of each frame, of which the right half is half as bright.
    assert list(found.values()) == pytest.approx([number * 12 * 0.75 / 255 for number in range(14)], abs=0.01)
    assert [each.stage for each in one.times] == ["decode", "transfer", "inference", "draw", "write"]
    assert all(0 < each.p50 <= each.p95 for each in one.times)
    batches = predict(
        taking_batches, walk, tmp_path / "four", min_score=0, classes=["pug"], batch_size=4, save=["coco"]
    )
    assert scores(batches) == pytest.approx(found, abs=1e-6)
    assert sorted(path.name for path in (tmp_path / "four").glob("[a-z]*")) == ["detections.json"]


def test_videos_and_images_together_and_every_few_frames(exported, walk, tmp_path):
    picture = tmp_path / "7.png"
    Image.new("RGB", (60, 80), (204, 0, 0)).save(picture)
    report = predict(exported, [walk.parent, picture], tmp_path / "out", min_score=0.9, every=5)
    assert [prediction.image.image_id for prediction in report.predictions] == [4], "after three frames of a video"
    assert report.streams[0].frames == 3
    assert frames_of(tmp_path / "out/walk.mp4") == [0, 5, 10]
    assert sorted(path.name for path in (tmp_path / "out").glob("[a-z0-9]*")) == [
        "7.png",
        "detections.json",
        "walk.mp4",
    ]


def test_the_command_prints_streams_and_times(exported, walk, tmp_path):
    result = run(exported, "-", "--output", tmp_path / "out", "--min-score", "0.2", input=f"{walk}\n\n")
    assert result.exit_code == 0, result.output
    assert f"{walk}: 14 frames; Abyssinian 14, pug 8" in result.stdout
    assert "14 images in" in result.stdout
    lines = [line.strip() for line in result.stdout.splitlines()]
    table = lines.index("Per image")
    assert lines[table + 1].split() == ["stage", "mean", "p50", "p95"]
    assert [line.split()[0] for line in lines[table + 2 : table + 7]] == [
        "decode", "transfer", "inference", "draw", "write"
    ]  # fmt: skip
    assert f"Model: {exported}/saved_model, an exported model (input type image_tensor" in result.stdout
    assert "walk.mp4 (14 frames)" in result.stdout
    document = json.loads(run(exported, walk, "--output", tmp_path / "json", "--every", "7", "--json").stdout)
    assert document["streams"][0]["frames"] == 2
    assert document["seconds_per_image"]["inference"]["p50"] > 0
    assert document["notes"] == []


def test_tracks_and_other_classes_are_printed_and_saved(taking_batches, walk, tmp_path):
    pytest.importorskip("supervision")
    Image.new("RGB", (60, 80), (204, 0, 0)).save(tmp_path / "7.png")
    arguments = (taking_batches, walk, tmp_path / "7.png", "--track", "--top", 2, "--save", "csv,coco,yolo,voc,crops")
    result = run(*arguments, "--min-score", 0.2, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert f"{walk}: 14 frames; Abyssinian 14, pug 8 in 2 tracks" in result.stdout
    lines = result.stdout.splitlines()
    found = lines.index(f"{tmp_path}/7.png 60x80: 1 pug (0.80); 1 Abyssinian (0.25)")
    assert lines[found + 1 : found + 3] == ["  pug 0.80, Abyssinian 0.12", "  Abyssinian 0.25, pug 0.12"]
    for output in ("detections.csv (24 boxes)", "yolo/ (15 images with 24 boxes)", "crops/ (24 boxes of 2 classes)"):
        assert output in result.stdout
    rows = [*csv.DictReader((tmp_path / "out/detections.csv").open())]
    assert {row["class"]: row["track_id"] for row in rows if row["frame"] == "13"} == {"Abyssinian": "1", "pug": "2"}
    assert {row["track_id"] for row in rows if not row["frame"]} == {""}
    document = json.loads(run(*arguments, "--min-score", 0.3, "--output", tmp_path / "json", "--json").stdout)
    assert document["streams"][0]["tracks"] == 1  # that of the pug
    (pug,) = document["images"][0]["detections"]
    assert [each["category_name"] for each in pug["top"]] == ["pug", "Abyssinian"]


def test_a_model_dir_is_a_model(tmp_path, walk):
    with fake_detector.registered():
        model = fake_detector.write_model_dir(tmp_path / "model")
        lines = []
        options = {"save": "features", "layer": "stem", "batch_size": 3, "every": 2}
        report = predict(model, walk, tmp_path / "out", min_score=0, log=lines.append, **options)
        assert lines == [f"Using {model}/ckpt-1, the last."]
        assert report.model == f"{model}/ckpt-1, built from its pipeline.config"
        assert (report.num_images, report.num_boxes) == (7, 21)
        assert set(report.boxes) <= {"cat", "dog"}
        with np.load(tmp_path / "out/features.npz") as arrays:
            assert arrays["image_vectors"].shape == (7, 4)
            assert arrays["box_vectors"].shape == (21, 4)
            assert arrays["box_image"].tolist() == [number for number in range(7) for _ in range(3)]
        result = run(model / "ckpt-1", walk, "--output", tmp_path / "prefix", "--checkpoint", tmp_path / "gone")
    assert result.exit_code == 1
    assert "gone" in result.stderr


@pytest.mark.parametrize(
    ("options", "argument", "message"),
    [
        (
            {"batch_size": 2},
            "batch_size",
            "Batches of 2 images are not possible with .*image_tensor, one image at a time",
        ),
        ({"every": 2}, "every", "every is about the frames of videos"),
        ({"track": True}, "track", "track is about the frames of videos"),
        ({"layer": "conv"}, "layer", "layer says what features are taken from"),
        ({"checkpoint": "best"}, "checkpoint", "one set of weights"),
        ({"save": "pictures,films"}, "save", "'films' is not known"),
        ({"top": 3}, "top", "its best 3 are not known"),
        ({"classes": "dog"}, "classes", "no class 'dog'.*Abyssinian, pug"),
    ],
)
def test_options_without_an_effect_are_errors_that_leave_nothing(exported, tmp_path, options, argument, message):
    Image.new("RGB", (60, 80)).save(tmp_path / "a.png")
    with pytest.raises(OdtkError, match=message) as error:
        predict(exported, tmp_path / "a.png", tmp_path / "out", **options)
    assert error.value.argument == argument
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


class EndlessCamera:
    """Frames as fast as they are read, as OpenCV gives them."""

    is_released = False

    def read(self):
        return True, np.full([48, 64, 3], 90, np.uint8)

    def release(self):
        self.is_released = True


def test_a_camera_runs_until_it_is_stopped_and_what_was_written_is_whole(exported, tmp_path):
    camera, asked = EndlessCamera(), []

    def stop_after_a_while():
        asked.append(True)
        return "stopped by a test" if len(asked) > 40 else None

    with patch.object(cameras, "_connect", lambda device: camera):
        report = predict(exported, "camera:0", tmp_path / "out", min_score=0, should_stop=stop_after_a_while)
    (stream,) = report.streams
    assert (report.stopped, stream.is_live, stream.ended) == ("stopped by a test", True, None)
    assert stream.frames > 0
    assert stream.dropped > 0, "it is faster than any model"
    until(lambda: camera.is_released)  # by the thread that reads it
    assert len(frames_of(tmp_path / "out/camera-0.mp4")) == stream.frames
    assert len(json.loads(report.detections_path.read_text())) == 2 * stream.frames


def test_files_that_are_stopped_keep_what_is_done(exported, walk, tmp_path):
    left = iter([None] * 5)
    report = predict(exported, walk, tmp_path / "out", should_stop=lambda: next(left, "stopped by a test"))
    assert report.streams[0].frames == 5
    assert frames_of(tmp_path / "out/walk.mp4") == [0, 1, 2, 3, 4]
    with pytest.raises(OdtkError, match=r"before the first image was done \(no time\)"):
        predict(exported, walk, tmp_path / "none", should_stop=lambda: "no time")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(5, "broken disk")])
def test_an_interruption_leaves_nothing(exported, walk, tmp_path, error):
    with (
        patch("odtk.streams.writers.coco.CocoWriter.write", side_effect=error),
        pytest.raises(KeyboardInterrupt if error is KeyboardInterrupt else Exception, match=r"broken disk|^$"),
    ):
        predict(exported, walk, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_export_without_a_checkpoint_has_no_features(exported, walk, tmp_path):
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        predict(exported, walk, tmp_path / "out", save="features")
