"""A program: reads and evaluates records while another process computes, as the hosts of a TPU do; prints JSON.

Its argument is a folder. The other process has a working directory of its own: relative paths are files of this one
alone, as all are where the processes share no disk. TensorFlow can be connected to it only once, so this is a program.
"""

import contextlib
import json
import multiprocessing
import os
import sys
from pathlib import Path

import fake_detector
import tensorflow as tf
from inspected_records import write

from odtk import pipeline
from odtk.detectors.build import build_detector
from odtk.evaluation.build import ConfiguredEvaluation
from odtk.inputs.build import build_train_dataset
from odtk.inputs.record_filter import new_filter
from odtk.training.loggers.event_files import EventFiles, add_measurement


def be_host(folder: Path, pipe, its_end) -> None:
    """Computes for the process that `pipe` tells the address, for as long as that lives, which holds `its_end`."""
    its_end.close()
    folder.mkdir()
    os.chdir(folder)
    server = tf.distribute.Server({"worker": ["127.0.0.1:0"]}, job_name="worker", task_index=0)
    pipe.send(server.target)
    with contextlib.suppress(EOFError):
        pipe.recv()
    os._exit(0)


def damaged_config(records: Path):
    """Of `records`, the first of which is damaged in each split."""
    write(records)
    for split in ("train", "val"):
        path = records / f"{split}.record-00000-of-00001"
        content = bytearray(path.read_bytes())
        content[50] ^= 1
        path.write_bytes(content)
    return pipeline.read(fake_detector.write_config(records, records))


def evaluated(config) -> dict:
    """What is measured on the records, which lie at a relative path."""
    measured = ConfiguredEvaluation(config, build_detector(config))
    count = measured.run().num_images
    add_measurement("eval", 1, {"loss": 2.0})
    events = EventFiles("train", 0)
    events.add_scalars(1, {"loss": 2.0})
    events.close()
    return {
        "images": count,
        "bad": [bad.record for bad in measured.bad_records],
        "events": [len(os.listdir(name)) for name in ("eval", "train")],
    }


def trained(config) -> dict:
    """What of the records comes to a function on the other process."""
    reader = config.train_input_reader
    reader.num_epochs = 1
    names = list(reader.tf_record_input_reader.input_path)
    reader.tf_record_input_reader.input_path[:] = [os.path.abspath(name) for name in names]
    detector, record_filter = build_detector(config), new_filter(5, print, is_in_graph=True)
    dataset = build_train_dataset(config, detector.resize, 2, record_filter=record_filter)

    @tf.function
    def loop(iterator):
        for batch in iterator:
            features, _ = record_filter.without_skipped(batch)
            seen.assign_add(tf.size(features["position"]))

    seen = tf.Variable(0)
    loop(iter(dataset))
    return {"images": int(seen), "device": seen.device, "bad": [bad.record for bad in record_filter.finish()]}


def main() -> None:
    os.chdir(sys.argv[1])
    own, others = multiprocessing.Pipe()
    multiprocessing.get_context("fork").Process(target=be_host, args=(Path("host"), others, own), daemon=True).start()
    config = damaged_config(Path("records"))
    tf.config.experimental_connect_to_host(own.recv(), job_name="worker")
    with fake_detector.registered(), tf.device("/job:worker/replica:0/task:0"):
        print(json.dumps({"evaluated": evaluated(config), "trained": trained(config)}))


if __name__ == "__main__":
    main()
