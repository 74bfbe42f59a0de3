"""Annotated videos: as many frames as were given, at their times, with the audio of the source."""

from dataclasses import replace

import av
import drawn_field
import drawn_video
import numpy as np
import pytest
from small_disk import small_disk
from stream_frames import blank, detections, name_of, of_video, still, write_all

from odtk import atomic
from odtk.errors import OutputError
from odtk.streams.frame import Frame
from odtk.streams.sources.videos import Video
from odtk.streams.writers import video
from odtk.streams.writers.video import VideoWriter


def _frames(pictures, path, rate=10, every=1, name=None):
    moving = [of_video(each, number, name or path.name, str(path), rate=rate) for number, each in enumerate(pictures)]
    return [(frame, detections(each)) for frame, each in zip(moving, pictures, strict=True)][::every]


@pytest.mark.parametrize(
    ("suffix", "audio", "start"), [(".mp4", "aac", 0.0), (".mkv", "pcm_s16le", 0.0), (".ts", "aac", 3.0)]
)
def test_frames_keep_their_times_and_the_audio_its_length(tmp_path, suffix, audio, start):
    pictures = drawn_field.pictures(12, (96, 64))
    source = tmp_path / f"walk{suffix}"
    drawn_video.write(source, [each.image for each in pictures], 8, audio, start)
    writer = VideoWriter(tmp_path / "out", name_of)
    write_all(writer, _frames(pictures, source, 8, name=f"holiday/walk{suffix}"))
    frames, heard = drawn_video.read(tmp_path / "out/holiday/walk.mp4")
    assert [seconds for seconds, _ in frames] == pytest.approx([number / 8 for number in range(12)], abs=1e-3)
    for (_, pixels), picture in zip(frames, pictures, strict=True):
        assert np.abs(pixels.astype(int) - np.asarray(picture.image)).mean() < 8  # H.264 has half as many colors
    assert heard == pytest.approx((0.0, 1.5), abs=0.08)  # AAC has frames of 0.02 s
    assert (writer.written(), writer.notes) == ("holiday/walk.mp4 (12 frames)", [])


def test_joined_recordings_whose_times_begin_again_go_on(tmp_path):
    """As cat makes them of the files of a recorder; else the second half would take no time, and its audio fail."""
    pictures = drawn_field.pictures(8, (96, 64))
    drawn_video.write(tmp_path / "one.ts", [each.image for each in pictures], 10, "aac")
    source = tmp_path / "joined.ts"
    source.write_bytes((tmp_path / "one.ts").read_bytes() * 2)
    taken = [*Video(str(source), "joined.ts").pictures()]
    frames = [Frame(str(source), "joined.ts", 1, each.load().array, each.number, each.seconds) for each in taken]
    writer = VideoWriter(tmp_path / "out", name_of)
    write_all(writer, [(frame, detections(picture)) for frame, picture in zip(frames, pictures * 2, strict=True)])
    written, heard = drawn_video.read(tmp_path / "out/joined.mp4")
    assert [seconds for seconds, _ in written] == pytest.approx([number / 10 for number in range(16)], abs=1e-3)
    assert heard == pytest.approx((0.0, 1.6), abs=0.1)
    assert writer.notes == []


def test_every_third_frame_of_an_odd_size_and_a_source_stopped_early(tmp_path):
    pictures = drawn_field.pictures(9, (97, 65))
    source = tmp_path / "a.mp4"
    even = [each.image.resize((96, 64)) for each in pictures]
    drawn_video.write(source, even * 3, 10, "aac")
    writer = VideoWriter(tmp_path / "out", name_of)
    write_all(writer, _frames(pictures, source, 10, every=3))
    frames, (_, end) = drawn_video.read(tmp_path / "out/a.mp4")
    assert [seconds for seconds, _ in frames] == pytest.approx([0, 0.3, 0.6], abs=1e-3)
    assert frames[0][1].shape == (66, 98, 3)
    assert end == pytest.approx(0.9, abs=0.08)  # of 2.7 s: until the last frame, which lasts as long as the others


def test_videos_of_equal_names_cameras_and_still_pictures(tmp_path):
    pictures = drawn_field.pictures(3, (64, 48))
    for name in ("a.mp4", "a.mov"):
        drawn_video.write(tmp_path / name, [each.image for each in pictures])
    first, second = (_frames(pictures, tmp_path / name) for name in ("a.mp4", "a.mov"))
    cameras = [_frames(pictures, tmp_path / "none", name=f"camera-{number}.mp4") for number in (0, 1)]
    pairs = [*first, *second, *(pair for both in zip(*cameras, strict=True) for pair in both)]
    writer = VideoWriter(tmp_path / "out", name_of)
    write_all(writer, [*pairs, (still(blank(), "b.png"), detections(blank()))])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("a-2.mp4", "a.mp4", "camera-0.mp4", "camera-1.mp4")
    ]
    assert all(len(drawn_video.read(path)[0]) == 3 for path in (tmp_path / "out").iterdir())
    assert drawn_video.read(tmp_path / "out/camera-1.mp4")[1] is None

    none = VideoWriter(tmp_path / "none", name_of)
    write_all(none, [(still(blank(), "b.png"), detections(blank()))])
    assert (none.written(), none.notes) == ("", ["no video was written, as all sources are still pictures."])
    silent = VideoWriter(tmp_path / "none", name_of, expected=False)
    silent.finish()
    assert silent.notes == []


def test_a_camera_that_changes_its_size_and_repeats_a_time(tmp_path):
    small, large = drawn_field.pictures(1, (64, 48))[0], drawn_field.pictures(1, (128, 96))[0]
    frames = [of_video(each, number, "camera.mp4", "camera:0") for each, number in ((small, 0), (large, 0), (small, 1))]
    writer = VideoWriter(tmp_path, name_of)
    write_all(writer, [(frame, detections(small)) for frame in frames])
    found, _ = drawn_video.read(tmp_path / "camera.mp4")
    assert {pixels.shape for _, pixels in found} == {(48, 64, 3)}
    assert [seconds for seconds, _ in found] == pytest.approx([0, 0, 0.1], abs=1e-3)
    assert writer.notes == ["camera.mp4: the size of its frames changes; all are scaled to that of the first."]


def test_a_video_of_one_frame_is_shown(tmp_path):
    (picture,) = drawn_field.pictures(1, (64, 48))
    write_all(VideoWriter(tmp_path, name_of), _frames([picture], tmp_path / "none", name="walk.mp4"))
    with av.open(str(tmp_path / "walk.mp4")) as file:
        assert file.duration == pytest.approx(40_000, abs=1000)  # microseconds


def test_a_video_lasts_until_its_last_frame_however_far_apart_they_come(tmp_path):
    pictures = drawn_field.pictures(20, (64, 48))
    frames = [replace(_frames([each], tmp_path / "none", name="walk.mp4")[0][0], seconds=0.01 * number**2)
              for number, each in enumerate(pictures)]  # fmt: skip
    write_all(VideoWriter(tmp_path, name_of), [(frame, detections(pictures[0])) for frame in frames])
    with av.open(str(tmp_path / "walk.mp4")) as file:
        assert file.duration / 1e6 > frames[-1].seconds


def test_without_an_encoder_for_h264_a_note_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "_is_there", lambda encoder: encoder == "mpeg4")
    pictures = drawn_field.pictures(3, (64, 48))
    writer = VideoWriter(tmp_path, name_of)
    write_all(writer, _frames(pictures, tmp_path / "none", name="walk.mp4"))
    frames, _ = drawn_video.read(tmp_path / "walk.mp4")
    assert [seconds for seconds, _ in frames] == pytest.approx([0, 0.1, 0.2], abs=0.04)
    assert "MPEG-4" in writer.notes[0]


def test_audio_that_is_damaged_or_unreadable_does_not_end_the_run(tmp_path):
    pictures = drawn_field.pictures(3, (64, 48))
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video")
    writer = VideoWriter(tmp_path / "out", name_of)
    write_all(writer, _frames(pictures, broken))
    assert len(drawn_video.read(tmp_path / "out/broken.mp4")[0]) == 3


def test_an_error_of_the_library_names_the_video(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise av.error.ExternalError(1, "no such luck")

    monkeypatch.setattr(video.av, "open", fail)
    pictures = drawn_field.pictures(1, (64, 48))
    with pytest.raises(OutputError, match=r"walk.mp4 cannot be written: no such luck"):
        write_all(VideoWriter(tmp_path, name_of), _frames(pictures, tmp_path / "none", name="walk.mp4"))


def test_a_full_disk_is_named(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, [20, 240, 320, 3], np.uint8)
    frames = [
        Frame("camera:0", "a.mp4", number + 1, pixels, number, number / 10) for number, pixels in enumerate(noise)
    ]

    def fill():
        with atomic.atomic_directory(tmp_path / "small/out") as folder:
            write_all(VideoWriter(folder, name_of), [(frame, None) for frame in frames])

    with small_disk(tmp_path / "small", 256), pytest.raises(OutputError, match=r"no space is left on its disk"):
        fill()
