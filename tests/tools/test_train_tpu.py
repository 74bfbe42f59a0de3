"""What a run on a TPU may be asked for."""

import fake_detector
import pytest
from inspected_records import write

from odtk.errors import OdtkError
from odtk.protos import pipeline_pb2
from odtk.tools.train import remote_tpu, running, train
from odtk.tools.train.options import TrainingOptions
from odtk.tools.train.parts import build_schedule

STORE, DISK = "gs://bucket/run", "/data/run"


def fitting(options: dict, records=STORE, model_dir=STORE) -> None:
    config = pipeline_pb2.TrainEvalPipelineConfig()
    config.train_input_reader.tf_record_input_reader.input_path[:] = [f"{STORE}/a.record", f"{records}/b.record"]
    config.eval_input_reader.add().tf_record_input_reader.input_path[:] = [
        f"{DISK}/val.record"
    ]  # this process reads it
    remote_tpu.require_fit(TrainingOptions(**options), config, "pets.config", model_dir)


def test_it_evaluates_while_it_trains():
    options = TrainingOptions(tpu="local", eval_every=50)
    assert build_schedule(options, 100, True, print).is_on


def test_the_tpu_of_this_machine_reads_its_disk():
    fitting({"tpu": "local", "profile": "1:2"}, DISK, DISK)
    fitting({}, DISK, DISK)


def test_a_tpu_over_the_network_reads_and_writes_a_store():
    fitting({"tpu": "node-1"})


@pytest.mark.parametrize(
    ("options", "paths", "told"),
    [
        ({}, {"model_dir": DISK}, r"in /data/run, but the hosts of the TPU 'node-1' write them.*MODEL_DIR of Google"),
        ({}, {"model_dir": "ram://run"}, "in ram://run, but"),
        ({}, {"records": DISK}, r"input_path is /data/run/b\.record, but .*--train-records gs://BUCKET/FOLDER"),
        ({"profile": "1:2"}, {}, "The profile is that of this process"),
        ({"cache": "memory"}, {}, "The decoded images are in this process"),
    ],
)
def test_what_its_hosts_cannot_reach_is_refused(options, paths, told):
    with pytest.raises(OdtkError, match=told) as error:
        fitting({"tpu": "node-1", **options}, **paths)
    assert error.value.argument == next(iter(options), "tpu")


def test_so_it_is_with_the_tpu_of_the_callers_own_strategy(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "is_on_remote_tpu", lambda: True)
    with fake_detector.registered():
        config = fake_detector.write_config(tmp_path, write(tmp_path / "records"))
        for options, told in (({}, "the hosts of the TPU whose strategy is in scope write them"),
                              ({"cache": "memory"}, "The decoded images are in this process")):  # fmt: skip
            with pytest.raises(OdtkError, match=told):
                train(config, tmp_path / "model", **options)
    assert not (tmp_path / "model" / "pipeline.config").exists()
