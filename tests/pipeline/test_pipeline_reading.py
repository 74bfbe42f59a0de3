"""From names and paths to messages, and back to files."""

import os
from pathlib import Path

import pytest

from odtk import pipeline, resources
from odtk.errors import ConfigError
from odtk.protos import pipeline_pb2

SAMPLES = Path(__file__).parents[2] / "../shared/reference/tfod_sample_configs"
PETS = "ssd_resnet50_v1_fpn_640x640_pets"


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="TFOD's sample configs are not on this machine")
def test_tfods_sample_configs_survive_write_then_read(tmp_path):
    samples = sorted(SAMPLES.glob("*.config"))
    assert len(samples) == 46
    for sample in samples:
        message = pipeline.read(sample)
        assert message.HasField("model")
        pipeline.write(message, tmp_path / "written.config")
        assert pipeline.read(tmp_path / "written.config") == message


def test_every_shipped_pipeline_is_read_by_name_with_and_without_its_ending():
    names = list(resources.shipped_files("pipelines", ".config"))
    assert PETS in names
    for name in names:
        assert pipeline.read(name) == pipeline.read(f"{name}.config")


def test_a_file_comes_before_a_shipped_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(PETS).write_text("model { ssd { num_classes: 2 } }")
    assert pipeline.read(PETS).model.ssd.num_classes == 2


def test_the_text_is_left_as_it_is(tmp_path):
    (tmp_path / "windows.config").write_bytes("\ufeffmodel { # é\r\n}\r\n".encode())
    assert pipeline.read_text(tmp_path / "windows.config") == "model { # é\r\n}\r\n"
    assert pipeline.read(tmp_path / "windows.config") == pipeline_pb2.TrainEvalPipelineConfig(model={})


def test_paths_that_are_not_ascii_stay_readable(tmp_path):
    message = pipeline.parse('train_config { fine_tune_checkpoint: "/данные/ckpt-0" }', "x")
    pipeline.write(message, tmp_path / "x.config")
    assert "/данные/ckpt-0" in (tmp_path / "x.config").read_text(encoding="utf-8")
    assert pipeline.read(tmp_path / "x.config") == message


def test_a_misspelt_name_gets_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match=f"Did you mean {PETS}"):
        pipeline.read("ssd_resnet50_v1_fpn_640x640_pet")
    (tmp_path / "pipeline.config").write_text("model {}")
    with pytest.raises(ConfigError, match=r"pipelines?.config is neither .* Did you mean .*pipeline\.config\?"):
        pipeline.read(tmp_path / "pipelines.config")


def test_a_url_is_not_fetched():
    with pytest.raises(ConfigError, match=r"https://a\.b/c\.config is a URL, but a file is expected\. Download it"):
        pipeline.read("https://a.b/c.config")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty, but a pipeline config is expected"),
        (b" \n", "is empty"),
        (b"\x0a\x00\x12\x04", "is a binary file"),
        ("model {}".encode("utf-16"), "is UTF-16 text"),
        ('model {\n # caf\u00e9"}'.encode("latin-1"), r"x.config:2: a byte that is not UTF-8 \(0xe9\)"),
    ],
)
def test_files_that_are_no_config_text(tmp_path, content, words):
    (tmp_path / "x.config").write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        pipeline.read(tmp_path / "x.config")


def test_a_folder_points_to_the_config_in_it(tmp_path):
    with pytest.raises(ConfigError, match="is a folder, but a pipeline config is expected"):
        pipeline.read(tmp_path)
    (tmp_path / "pipeline.config").write_text("model {}")
    with pytest.raises(ConfigError, match=r"Did you mean .*pipeline\.config"):
        pipeline.read(tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read anything")
def test_a_file_that_may_not_be_read(tmp_path):
    (tmp_path / "x.config").write_text("model {}")
    (tmp_path / "x.config").chmod(0)
    with pytest.raises(ConfigError, match="cannot be read"):
        pipeline.read(tmp_path / "x.config")
