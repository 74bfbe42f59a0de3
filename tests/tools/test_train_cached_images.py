"""`--cache`: what is kept where and used again, and what is refused with the numbers and the fix."""

import contextlib
import os
import re
import shutil
from types import SimpleNamespace

import fake_detector
import inspected_records
import numpy as np
import pytest
import tensorflow as tf

from odtk import machine, pipeline
from odtk.errors import OdtkError, OutputError
from odtk.inputs.image_cache import ImageCache
from odtk.records import decoded_images, shards
from odtk.tools.make_tfrecords import make_tfrecords
from odtk.tools.synthetic_pets import draw_dataset
from odtk.tools.train import cached_images, train
from odtk.tools.train.cached_images import CACHING, cache_file, keep
from odtk.training.times import Times

PIXELS = 12 * 120 * 90 * 3


@pytest.fixture
def records(tmp_path):
    return inspected_records.write(tmp_path / "records")


def a_reader(*patterns):
    config = pipeline.read("ssd_resnet50_v1_fpn_small")
    config.train_input_reader.tf_record_input_reader.input_path[:] = map(str, patterns)
    return config.train_input_reader


@pytest.fixture
def reader(records):
    return a_reader(records / "train.record-?????-of-00001")


def caches(folder):
    return sorted(folder.glob(decoded_images.NAME.format("*", "*")))


def test_a_file_beside_the_records_is_used_again_until_they_change(records, reader, monkeypatch, capsys):
    said = []
    images = keep("disk", reader, said.append)
    (path,) = caches(records)
    assert len(images) == 12
    assert path.stat().st_size == PIXELS + 12 * decoded_images.ROW.itemsize + 20
    assert said == [f"Image cache: 12 images, in {path}: 389.2 kB. Later runs use it again."]
    assert re.search(
        r"Measuring images 12/12 records.*\n.*Decoding images 12/12 records", capsys.readouterr().err, re.S
    )

    with monkeypatch.context() as patch:
        patch.setattr(cached_images, "measure", pytest.fail)
        assert len(keep("disk", reader, said.append)) == 12
    assert said[1:] == [f"Image cache: 12 images, in {path}, from an earlier run."]

    inspected_records.write(records, train=inspected_records.sound_images(5, 40))
    said.clear()
    assert len(keep("disk", reader, said.append)) == 5
    assert said[0] == f"Removed {path}: decoded images of these records from before they changed."
    (new,) = caches(records)
    assert new != path

    new.write_bytes(new.read_bytes()[:-1])
    assert len(keep("disk", reader, said.append)) == 5, "one that is not whole is written again"
    assert len(images) == 12, "a run that has the old one open keeps it"
    assert images.read(int(images._keys[3])) is not None
    with monkeypatch.context() as patch:
        patch.setattr(tf, "__version__", "another, which may decode otherwise")
        assert cache_file(None, [str(records / "train.record-00000-of-00001")]) != new


def test_records_that_are_written_again_take_the_cache_with_them(tmp_path):
    draw_dataset(tmp_path / "pets", num_images=6, seed=3)
    for option in ({}, {"overwrite": True}):
        make_tfrecords(tmp_path / "pets", tmp_path / "records", num_shards=1, **option)
        if not option:
            keep("disk", a_reader(shards.read_dataset(tmp_path / "records").train_records), print).close()
            assert len(caches(tmp_path / "records")) == 1
    assert caches(tmp_path / "records") == []


def test_what_does_not_fit_is_refused_with_what_it_takes_and_what_there_is(records, reader, monkeypatch):
    memory = lambda available: lambda: machine.Memory(10**9, available, 0, False)  # noqa: E731
    needed = PIXELS + 12 * decoded_images.ROW.itemsize + 20
    monkeypatch.setattr(machine, "find_memory", memory(int(needed / 0.8) - 2))
    with pytest.raises(
        OdtkError, match=r"take 389\.2 kB \(12 images\), but 486\.\d kB of memory are .* Keep"
    ) as raised:
        keep("memory", reader, print)
    assert raised.value.argument == "cache"
    monkeypatch.setattr(machine, "find_memory", memory(int(needed / 0.8) + 2))
    said = []
    images = keep("memory", reader, said.append)
    assert said == ["Image cache: 12 images, in memory: 389.2 kB."]
    images.close()
    with pytest.raises(OdtkError, match="a fifth is left for the training and the rest is shared by 2 workers on this"):
        keep("memory", reader, print, count_here=2)

    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**9 + 389_000))
    with pytest.raises(OdtkError, match=r"take 389\.2 kB .* the disk of .*records has 1\.0 GB free, of which 1\.0 GB"):
        keep("disk", reader, print)
    assert caches(records) == []


def test_memory_is_no_file_on_a_disk(reader, monkeypatch):
    monkeypatch.delattr(os, "memfd_create")
    with pytest.raises(OdtkError, match="cannot be kept in memory: this system has no files in memory"):
        keep("memory", reader, print)


def test_a_folder_that_cannot_be_written_and_one_that_inputs_match_are_refused(records, reader, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file.* another folder \(disk:FOLDER\) or in memory") as raised:
        keep(f"disk:{tmp_path / 'file' / 'folder'}", reader, print)
    assert raised.value.argument == "cache"
    for name in ("val.record-00000-of-00001", "label_map.pbtxt"):
        (records / name).unlink()
    for pattern in (records / "*", records / ".." / "records" / "*"):
        with pytest.raises(OdtkError, match=r"input_path .* would match the file of the decoded images"):
            keep("disk", a_reader(pattern), print)
    assert len(keep(f"disk:{tmp_path / 'new' / 'folder'}", a_reader(records / "*"), print)) == 12


def test_records_in_a_store_are_kept_in_memory_or_in_a_folder_of_this_machine(records, tmp_path):
    tf.io.gfile.makedirs("ram://cached")
    tf.io.gfile.copy(str(records / "train.record-00000-of-00001"), "ram://cached/x", overwrite=True)
    reader = a_reader("ram://cached/x")
    with pytest.raises(OdtkError, match="is in a store, where no decoded images can be kept beside"):
        keep("disk", reader, print)
    for choice in ("memory", f"disk:{tmp_path}", f"disk:{tmp_path}"):
        images = keep(choice, reader, print)
        assert len(images) == 12
        images.close()
    assert len(caches(tmp_path)) == 1


@pytest.mark.parametrize("options", [{"cache": "tape"}, {"cache": "disk:"}, {"cache": "disk:gs://bucket/folder"},
                                     {"cache": "memory", "tpu": "my-tpu"}])  # fmt: skip
def test_other_places_and_a_tpu_elsewhere_are_refused_before_anything_is_read(options, tmp_path):
    with pytest.raises(
        OdtkError, match=r"it is memory, disk \(beside the records\) or disk:FOLDER|The decoded images are in"
    ) as raised:
        train("no.config", tmp_path / "model", **options)
    assert raised.value.argument == "cache"
    assert not (tmp_path / "model").exists()


def test_memory_is_not_filled_for_images_that_are_seen_once(reader):
    info, workers = SimpleNamespace(num_records=12, batch_size=4), SimpleNamespace(count=2)
    experiment = SimpleNamespace(info=info, workers=workers, step=4)
    assert cached_images._is_useless(experiment, "memory", 10) == (
        "12 images are left to train on here, of 12 records, so none is decoded twice"
    )
    assert cached_images._is_useless(experiment, "memory", 11) is None
    assert cached_images._is_useless(experiment, "disk", 10) is None, "the next run uses it"


def test_a_run_reads_its_images_from_the_cache_and_lets_go_of_it(records, reader, tmp_path, monkeypatch):
    """Those of an earlier run, whose pixels are all black here: the batch of the picture shows them."""
    keep("disk", reader, print)
    (path,) = caches(records)
    asked, said, black = [], [], lambda self, key: asked.append((self, key)) or np.zeros((90, 120, 3), np.uint8)
    config = fake_detector.write_config(tmp_path, records)
    monkeypatch.setattr(decoded_images.DecodedImages, "read", black)
    with fake_detector.registered():
        report = train(
            config, tmp_path / "model", num_steps=2, eval_every=0, cache="disk", log=said.append, callbacks=[]
        )
    assert report.last_step == 2
    assert f"Image cache: 12 images, in {path}, from an earlier run." in said
    assert any(line.startswith("On a CPU a step usually takes") for line in said)
    assert len(asked) >= 4
    with pytest.raises(ValueError, match="closed"):
        asked[0][0]._file.fileno()
    assert CACHING in report.summary.times


@pytest.mark.parametrize("cache", [None, ImageCache()])
def test_each_worker_agrees_whether_it_keeps_images_or_not(cache, reader, tmp_path, monkeypatch):
    """`cache` may differ between workers: one that agreed less often than the others would wait for them forever."""
    agreed = []
    workers = SimpleNamespace(count=2, count_here=1, together=contextlib.nullcontext, first=agreed.append)
    monkeypatch.setattr(cached_images, "_note_device", lambda experiment, log: None)
    experiment = SimpleNamespace(
        task=SimpleNamespace(image_cache=cache, config=SimpleNamespace(train_input_reader=reader)),
        workers=workers, times=Times(), step=0, info=SimpleNamespace(num_records=12, batch_size=12),
    )  # fmt: skip
    with cached_images.cached_images(experiment, cache and "memory", 9, lambda line: None):
        assert agreed == [None]
        assert cache is None or len(cache.images) == 12
    assert cache is None or cache.images is None
    assert (CACHING in experiment.times.seconds) == (cache is not None)
