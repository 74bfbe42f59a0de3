"""Two processes on this machine train together; one is killed, and all are started again."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import fake_detector
import pytest
from inspected_records import encoded, sound_images, write

PROGRAM = Path(__file__).parent / "worker_process.py"
EPOCH = 1 << 40
pytestmark = pytest.mark.slow


def free_addresses(count: int) -> str:
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    found = ",".join(f"localhost:{each.getsockname()[1]}" for each in sockets)
    for each in sockets:
        each.close()
    return found


def start(config: Path, model_dir: Path, num_steps: int, killed_at: dict[int, int] | None = None, others=()):
    """Runs both workers to their ends: (exit codes, outputs). `others`: configs of single workers, by index."""
    addresses, configs, processes = free_addresses(2), dict(others), []
    for index in range(2):
        command = [sys.executable, str(PROGRAM), str(configs.get(index, config)), str(model_dir), str(num_steps)]
        command += [addresses, str(index), f"{model_dir}.read{index}", *map(str, [(killed_at or {}).get(index, "")])]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    outputs = [process.communicate(timeout=3600)[0] for process in processes]
    return [process.returncode for process in processes], outputs


def values(model_dir: Path, step: int) -> dict:
    import tensorflow as tf

    saved = tf.train.load_checkpoint(str(model_dir / f"ckpt-{step}"))
    names = [name for name in saved.get_variable_to_shape_map() if name.endswith("VARIABLE_VALUE")]
    return {name: saved.get_tensor(name).tolist() for name in names if not name.startswith("save_counter")}


def steps_in(path: Path) -> list[int]:
    return [int(float(line.split(",")[0])) for line in path.read_text().splitlines()[1:]]


def records_of_epoch(model_dir: Path, epoch: int) -> list[tuple[int, int]]:
    """Those that both workers read at the positions of an epoch. A position always has the same record."""
    found = []
    for index in range(2):
        lines = Path(f"{model_dir}.read{index}").read_text().splitlines()
        places = {tuple(map(int, line.split())) for line in lines}
        assert len({position for position, _, _ in places}) == len(places)
        found += [(file, record) for position, file, record in places if position // EPOCH == epoch]
    return sorted(found)


def test_a_killed_worker_ends_all_and_the_same_commands_go_on(tmp_path):
    """7 records in batches of 2: epochs end in the midst of a batch."""
    folder = write(tmp_path / "records", encoded(sound_images(7, 0)))
    config = fake_detector.write_config(tmp_path, folder)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    codes, said = start(config, whole, 9)
    assert codes == [0, 0], said
    assert "ENDED at 9: all steps are done" in said[1]

    codes, said = start(config, killed, 9, killed_at={1: 5})
    assert codes[0] == 1, said
    assert codes[1] == -9
    assert re.search(r"ERROR At step 5 worker 1 \(localhost:\d+\) ended .* newest checkpoint, of step 3", said[0]), said

    different = tmp_path / "different.config"
    different.write_text(config.read_text().replace("learning_rate: 0.01", "learning_rate: 0.02"))
    codes, said = start(config, killed, 9, others={1: different})
    assert codes == [1, 1], said
    for text in said:
        assert re.search(r"learning_rate 0.02 instead of 0.01", text), said

    codes, said = start(config, killed, 9)
    assert codes == [0, 0], said
    assert values(killed, 9) == values(whole, 9)
    assert steps_in(killed / "metrics.csv") == steps_in(whole / "metrics.csv")
    assert steps_in(killed / "evaluations.csv") == steps_in(whole / "evaluations.csv") == [4, 8, 9]
    for model_dir in (whole, killed):
        assert records_of_epoch(model_dir, 0) == [(0, record) for record in range(7)]
        assert records_of_epoch(model_dir, 1) == [(0, record) for record in range(7)]
