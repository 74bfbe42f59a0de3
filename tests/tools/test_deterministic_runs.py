"""With --deterministic, an interrupted run equals one that was not, bit for bit, and the same run gives the same."""

import subprocess
import sys
from pathlib import Path

import fake_detector
import pytest
from inspected_records import encoded, sound_images, write

from odtk.tools.configure import configure

PROGRAM = Path(__file__).parent / "deterministic_runs.py"
AUGMENTED = """
  data_augmentation_options { random_horizontal_flip {} }
  data_augmentation_options { random_crop_image {} }
  data_augmentation_options { random_adjust_brightness {} }"""


def records(folder: Path, count: int) -> Path:
    """So many training records, of which one is no Example."""
    found = encoded(sound_images(count, 0))
    return write(folder / "records", [*found[:3], b"no Example", *found[4:]])


def differences(config: Path, folder: Path, num_steps: int, *stops: int) -> str:
    """What the program says; "" if nothing differs."""
    command = [sys.executable, str(PROGRAM), str(config), str(folder), str(num_steps), *map(str, stops)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_the_same_run_twice_and_a_resumed_one_give_the_same_weights(tmp_path):
    """Interrupted in the first epoch, at a checkpoint, and where the 11 usable records end between two batches."""
    text = fake_detector.CONFIG.replace("{records}", str(records(tmp_path, 12)))
    text = text.replace("batch_size: 2\n", f"batch_size: 2 {AUGMENTED}\n", 1)
    text = text.replace("optimizer { ", "optimizer { use_moving_average: true ", 1)
    (tmp_path / "pipeline.config").write_text(text)
    assert differences(tmp_path / "pipeline.config", tmp_path, 14, 1, 6, 11) == ""


@pytest.mark.slow
def test_the_same_ssd_twice_and_a_resumed_one_give_the_same_weights(tmp_path):
    folder = records(tmp_path, 10)
    config = tmp_path / "pipeline.config"
    small = "model.ssd.box_predictor.weight_shared_convolutional_box_predictor"
    sets = [
        ("train_config.batch_size", "2"),
        ("train_config.optimizer.use_moving_average", "true"),
        (f"{small}.depth", "16"),
        (f"{small}.use_dropout", "true"),
        ("model.ssd.feature_extractor.depth_multiplier", "0.1"),
        *(
            (f"{reader}.label_map_path", str(folder / "label_map.pbtxt"))
            for reader in ("train_input_reader", "eval_input_reader[0]")
        ),
    ]
    configure("ssd_resnet50_v1_fpn_small", config, train_records=[str(folder)], num_steps=9, set=sets)
    assert differences(config, tmp_path, 9, 4, 7) == ""
