"""What a run compares of records and checkpoints in a store, which TensorFlow's file system in memory stands in for."""

import pytest

from odtk import files
from odtk.errors import OutputError
from odtk.tools.run.content import Contents
from odtk.tools.run.decisions import Decision
from odtk.tools.run.earlier_outputs import require_ours, setting_aside
from odtk.tools.run.stage_files import Reading, inputs_of, outputs_of

MODEL = "ram://run/model"


@pytest.fixture
def reading(tmp_path):
    return Reading(Contents(tmp_path / "digests.json"))


def test_a_model_dir_and_records_in_a_store(reading, tmp_path):
    config = tmp_path / "my.config"
    config.write_text('eval_input_reader { tf_record_input_reader { input_path: "ram://run/x.record" } }')
    evaluation = {"pipeline_config": str(config), "model_dir": MODEL}
    assert outputs_of("train", evaluation, reading) == {}
    assert "checkpoints" not in inputs_of("evaluate", evaluation, reading)

    def save(step: int, text: bytes) -> dict:
        files.write_bytes(f"{MODEL}/ckpt-{step}.index", text)
        files.write_bytes(f"{MODEL}/checkpoint", b'model_checkpoint_path: "ckpt-%d"\n' % step)
        return outputs_of("train", evaluation, reading)

    files.make_folder(MODEL)
    first = save(1, b"index")
    assert first == outputs_of("train", evaluation, reading)
    second = save(2, b"index")
    assert first != second
    found = inputs_of("evaluate", evaluation, reading)
    assert found["checkpoints"] == second["checkpoints"]
    before = found["records in a store"]
    config.write_text(config.read_text().replace("x.record", "y.record"))
    assert inputs_of("evaluate", evaluation, reading)["records in a store"] != before
    files.remove_folder(MODEL)


def test_a_training_in_a_store_is_not_set_aside():
    require_ours("train", MODEL, Decision(True, "seed 7 -> 8"), "p.yaml", "p.lock", force=True)
    files.make_folder(MODEL)
    files.write_bytes(f"{MODEL}/ckpt-1.index", b"index")
    require_ours("train", MODEL, Decision(True, "more steps", goes_on=True), "p.yaml", "p.lock", force=False)
    with pytest.raises(OutputError, match="ram://run/model has an earlier training, which does not go on"):
        require_ours("train", MODEL, Decision(True, "seed 7 -> 8"), "p.yaml", "p.lock", force=True)
    assert setting_aside(MODEL) is None
    files.remove_folder(MODEL)
