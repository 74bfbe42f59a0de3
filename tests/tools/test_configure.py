"""`odtk configure`: what is asked for is written and nothing else; comments and layout survive."""

import difflib
from pathlib import Path

import pytest

from odtk import label_map, pipeline, resources
from odtk.datasets.record_files import scan_classes
from odtk.errors import ConfigError, DataError, OutputError
from odtk.records import shards
from odtk.tools.configure import configure

SEED = Path(__file__).parents[1] / "data/seed_pipeline.config"
SAMPLES = Path(__file__).parents[2] / "../shared/reference/tfod_sample_configs"
PETS = "ssd_resnet50_v1_fpn_640x640_pets"
RATES = "train_config.optimizer.momentum_optimizer.learning_rate"
COSINE = f"{RATES}.cosine_decay_learning_rate"


@pytest.fixture
def output(tmp_path, monkeypatch):
    """Where the config is to be written: `out.config` in the working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "out.config"


@pytest.fixture
def dataset(output):
    """An output folder of make-tfrecords, with a label map of three classes."""
    folder = output.parent / "records"
    folder.mkdir()
    label_map.write(label_map.of_names(["a", "b", "c"]), folder / "label_map.pbtxt")
    for split in ("train", "val"):
        for index in range(2):
            shards.write_records(folder / shards.shard_name(f"pet_faces_{split}.record", index, 2), [b""])
    globs = [shards.shard_glob(f"pet_faces_{split}.record", 2) for split in ("train", "val")]
    shards.write_dataset(folder, *globs, "label_map.pbtxt", {})
    return folder


def edited(output, base=SEED, **options):
    """The config that configure writes, whatever is there, and its report."""
    report = configure(base, output, overwrite=True, **options)
    return pipeline.read(output), report


def cosine(config):
    return config.train_config.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate


def changed_lines(output, base=SEED):
    """How many lines of the base are others now."""
    lines = difflib.ndiff(base.read_text("utf-8").splitlines(), output.read_text("utf-8").splitlines())
    return [line for line in lines if line.startswith("+ ")]


@pytest.mark.parametrize("name", sorted(resources.shipped_files("pipelines", ".config")))
def test_without_options_a_shipped_pipeline_stays_what_it_is(output, name):
    report = configure(name, output)
    assert output.read_text("utf-8") == pipeline.read_text(name)
    assert (report.diff, report.changes, report.notes) == ("", [], [])


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample configs are in ../shared/reference, which is not here")
def test_without_options_every_sample_config_means_the_same(output):
    paths = sorted(SAMPLES.glob("*.config"))
    assert len(paths) == 46
    for path in paths:
        config, report = edited(output, path)
        assert config == pipeline.read(path)
        assert not report.changes


def test_what_the_options_ask_for_is_all_that_changes(output, dataset):
    config, report = edited(
        output,
        train_records=[str(dataset)],
        fine_tune_checkpoint="/zoo/ckpt-0",
        batch_size=8,
        num_steps=5000,
        image_size=(320, 512),
    )
    before, after = pipeline.read(SEED), config
    assert {change.path for change in report.changes} == {
        path for path, value in pipeline.walk(after) if dict(pipeline.walk(before)).get(path) != value
    }
    assert len(changed_lines(output)) == len(report.changes) == 14
    text = output.read_text("utf-8")
    for comment in (
        "# Set this to the number of different label classes",
        "# Path to testing TFRecord",
        "# Path to label",
    ):
        assert comment in text
    assert "-    num_classes: 37 # Set" in report.diff
    assert "+    num_classes: 3 # Set" in report.diff


def test_a_folder_of_make_tfrecords_sets_both_readers_the_label_map_and_the_classes(output, dataset):
    config, _ = edited(output, train_records=["records"])
    assert config.model.ssd.num_classes == 3
    assert list(config.train_input_reader.tf_record_input_reader.input_path) == [
        f"{dataset}/pet_faces_train.record-?????-of-00002"
    ]
    (reader,) = config.eval_input_reader
    assert list(reader.tf_record_input_reader.input_path) == [f"{dataset}/pet_faces_val.record-?????-of-00002"]
    assert reader.label_map_path == config.train_input_reader.label_map_path == f"{dataset}/label_map.pbtxt"


def test_what_is_given_has_precedence_over_the_folder(output, dataset):
    label_map.write(label_map.of_names("xy"), output.parent / "mine.pbtxt")
    config, _ = edited(
        output, train_records=["records"], eval_records=["/data/*.record"], label_map="mine.pbtxt", num_classes=7
    )
    assert config.train_input_reader.label_map_path == str(output.parent / "mine.pbtxt")
    assert list(config.eval_input_reader[0].tf_record_input_reader.input_path) == ["/data/*.record"]
    assert config.model.ssd.num_classes == 7


def test_a_folder_for_evaluation_only_leaves_training_alone(output, dataset):
    config, _ = edited(output, eval_records=["records"])
    before = pipeline.read(SEED)
    assert config.train_input_reader == before.train_input_reader
    assert config.model == before.model
    assert config.eval_input_reader[0].label_map_path == f"{dataset}/label_map.pbtxt"
    assert "pet_faces_val" in config.eval_input_reader[0].tf_record_input_reader.input_path[0]


def test_a_folder_of_other_records_is_understood_by_their_names(output):
    folder = output.parent / "others"
    folder.mkdir()
    for name in ("my_train.record", "my_val.record-00000-of-00001", "readme.txt"):
        (folder / name).write_bytes(b"")
    config, _ = edited(output, train_records=["others"])
    assert list(config.train_input_reader.tf_record_input_reader.input_path) == [f"{folder}/my_train.record"]
    assert list(config.eval_input_reader[0].tf_record_input_reader.input_path) == [
        f"{folder}/my_val.record-?????-of-00001"
    ]
    (folder / "our_train.record").write_bytes(b"")
    with pytest.raises(DataError, match=r"several sets of records, .*my_train\.record, .*our_train\.record"):
        configure(SEED, output.parent / "new.config", train_records=["others"])
    with pytest.raises(DataError, match="no records of that name"):
        configure(SEED, output.parent / "new.config", train_records=["."])


def test_several_records_make_a_list(output):
    (output.parent / "here.record").write_bytes(b"")
    config, _ = edited(output, train_records=["here.record", "/there/*.record"])
    paths = list(config.train_input_reader.tf_record_input_reader.input_path)
    assert paths == [str(output.parent / "here.record"), "/there/*.record"]


def test_paths_that_are_not_here_stay_as_typed_and_are_warnings(output):
    config, report = edited(output, label_map="their/map.pbtxt", train_records=["their/train-*"])
    assert config.train_input_reader.label_map_path == "their/map.pbtxt"
    assert config.model.ssd.num_classes == 37
    assert any("number of classes is unchanged" in note for note in report.notes)
    findings = {finding.path: finding.severity for finding in report.findings}
    assert findings["train_input_reader.label_map_path"] == "warning"
    assert findings["train_input_reader.tf_record_input_reader.input_path"] == "warning"


def test_a_shipped_label_map_goes_by_its_name(output):
    config, _ = edited(output, base="ssd_resnet50_v1_fpn_small", label_map="pet_label_map")
    assert config.model.ssd.num_classes == 37
    assert Path(config.eval_input_reader[0].label_map_path).is_file()


def test_an_eval_reader_is_added_where_there_is_none(output):
    base = output.parent / "base.config"
    base.write_text(pipeline.set_fields(SEED.read_text("utf-8"), [("eval_input_reader", "")], "seed"), "utf-8")
    config, _ = edited(output, base, eval_records=["/data/val"], label_map="/data/map")
    (reader,) = config.eval_input_reader
    assert list(reader.tf_record_input_reader.input_path) == ["/data/val"]
    assert (reader.shuffle, reader.num_epochs, reader.label_map_path) == (False, 1, "/data/map")


def test_batch_size_scales_all_rates_and_says_so(output):
    config, report = edited(output, batch_size=16)
    assert config.train_config.batch_size == 16
    assert cosine(config).learning_rate_base == pytest.approx(0.01)
    assert cosine(config).warmup_learning_rate == pytest.approx(0.013333 / 4)
    (note,) = report.notes
    assert "learning_rate_base 0.04 -> 0.01" in note
    assert "--no-scale-learning-rate" in note


@pytest.mark.parametrize("options", [{"scale_learning_rate": False}, {"learning_rate": 0.04}])
def test_batch_size_leaves_the_rates_where_that_is_asked(output, options):
    config, _ = edited(output, batch_size=16, **options)
    assert cosine(config).learning_rate_base == pytest.approx(0.04)
    assert cosine(config).warmup_learning_rate == pytest.approx(0.013333)


def test_learning_rate_keeps_the_warm_up_in_proportion(output):
    config, report = edited(output, learning_rate=0.02)
    assert cosine(config).learning_rate_base == pytest.approx(0.02)
    assert cosine(config).warmup_learning_rate == pytest.approx(0.013333 / 2)
    assert "warmup_learning_rate 0.013333 -> 0.0066665" in report.notes[0]


def test_num_steps_moves_the_cosine_and_keeps_the_warm_up_in_proportion(output):
    config, report = edited(output, num_steps=5000, set=[(f"{COSINE}.hold_base_rate_steps", "0")])
    assert config.train_config.num_steps == cosine(config).total_steps == 5000
    assert cosine(config).warmup_steps == 400
    assert "total_steps 25000 -> 5000, warmup_steps 2000 -> 400" in report.notes[0]


SCHEDULES = {
    "exponential_decay_learning_rate": (
        "initial_learning_rate: 0.4 decay_steps: 1000 burnin_learning_rate: 0.1 burnin_steps: 50",
        "initial_learning_rate: 0.1 decay_steps: 100 burnin_learning_rate: 0.025 burnin_steps: 5",
    ),
    "manual_step_learning_rate": (
        "initial_learning_rate: 0.4 schedule { step: 9000 learning_rate: 0.04 } "
        "schedule { step: 9004 learning_rate: 0.004 }",
        "initial_learning_rate: 0.1 schedule { step: 900 learning_rate: 0.01 } "
        "schedule { step: 901 learning_rate: 0.001 }",
    ),
    "constant_learning_rate": ("learning_rate: 0.4", "learning_rate: 0.1"),
    # No warm-up: its rate, which is not set, is left out of it.
    "cosine_decay_learning_rate": (
        "learning_rate_base: 0.4 total_steps: 10000 warmup_steps: 0",
        "learning_rate_base: 0.1 total_steps: 1000 warmup_steps: 0",
    ),
}


@pytest.mark.parametrize("kind", SCHEDULES)
def test_every_schedule_follows_batch_and_steps(output, kind):
    before, after = SCHEDULES[kind]
    start = [(RATES, f"{kind} {{ {before} }}"), ("train_config.num_steps", "10000")]
    base, wanted = output.parent / "base.config", output.parent / "wanted.config"
    base.write_text(pipeline.set_fields(SEED.read_text("utf-8"), start, "seed"), "utf-8")
    end = [(RATES, f"{kind} {{ {after} }}"), ("train_config.num_steps", "1000"), ("train_config.batch_size", "16")]
    wanted.write_text(pipeline.set_fields(SEED.read_text("utf-8"), end, "seed"), "utf-8")
    config, _ = edited(output, base, batch_size=16, num_steps=1000)
    assert config == pipeline.read(wanted)


def test_image_size_replaces_another_resizer_and_says_so(output):
    base = output.parent / "base.config"
    resizer = ("model.ssd.image_resizer.keep_aspect_ratio_resizer", "max_dimension: 640 pad_to_max_dimension: true")
    base.write_text(pipeline.set_fields(SEED.read_text("utf-8"), [resizer], "seed"), "utf-8")
    config, report = edited(output, base, image_size=(320, 512))
    fixed = config.model.ssd.image_resizer.fixed_shape_resizer
    assert (fixed.height, fixed.width) == (320, 512)
    assert "now fixed_shape_resizer instead of keep_aspect_ratio_resizer" in report.notes[0]


@pytest.mark.parametrize(
    ("index", "kind"),
    [(b"_CHECKPOINTABLE_OBJECT_GRAPH model/_box_predictor", "detection"),
     (b"_CHECKPOINTABLE_OBJECT_GRAPH feature_extractor/x", "classification")],
)  # fmt: skip
def test_a_checkpoint_brings_its_version_and_a_type_where_none_is_set(output, index, kind):
    (output.parent / "ckpt-0.index").write_bytes(index)
    (output.parent / "ckpt-0.data-00000-of-00001").touch()
    bare = [("train_config.fine_tune_checkpoint_type", ""), ("train_config.fine_tune_checkpoint_version", "")]
    base = output.parent / "base.config"
    base.write_text(pipeline.set_fields(SEED.read_text("utf-8"), bare, "seed"), "utf-8")
    train = edited(output, base, fine_tune_checkpoint="ckpt-0")[0].train_config
    assert train.fine_tune_checkpoint == str(output.parent / "ckpt-0")
    assert train.fine_tune_checkpoint_type == kind
    assert pipeline.get_field(pipeline.read(output), "train_config.fine_tune_checkpoint_version") == "V2"
    train = edited(output, base, fine_tune_checkpoint="ckpt-0", fine_tune_checkpoint_type="full")[0].train_config
    assert train.fine_tune_checkpoint_type == "full"


def test_an_empty_checkpoint_starts_from_random_weights(output):
    config, _ = edited(output, fine_tune_checkpoint="")
    assert not config.train_config.HasField("fine_tune_checkpoint")


def test_set_comes_last_and_takes_any_field(output):
    config, _ = edited(
        output,
        batch_size=16,
        set=[
            ("train_config.batch_size", "4"),
            ("model.ssd.anchor_generator.multiscale_anchor_generator.aspect_ratios", "[1, 3]"),
            ("train_config.data_augmentation_options[+].random_adjust_hue", "{}"),
            ("train_config.optimizer.momentum_optimizer.momentum_optimizer_value", "0.95"),
        ],
    )
    assert config.train_config.batch_size == 4
    assert list(config.model.ssd.anchor_generator.multiscale_anchor_generator.aspect_ratios) == [1, 3]
    assert config.train_config.data_augmentation_options[2].HasField("random_adjust_hue")
    assert config.train_config.optimizer.momentum_optimizer.momentum_optimizer_value == pytest.approx(0.95)


def test_values_of_python_are_set_as_the_command_line_sets_their_text(output):
    reader, ssd = "train_input_reader", "model.ssd.anchor_generator.multiscale_anchor_generator"
    config, _ = edited(
        output,
        image_size=96,
        set={
            f"{ssd}.aspect_ratios": [1, 0.5],
            f"{ssd}.normalize_coordinates": False,
            f"{reader}.tf_record_input_reader.input_path": ["a.record", "b c.record"],
            f"{reader}.label_map_path": Path("map.pbtxt"),
            "train_config.max_number_of_boxes": 300,
        },
    )
    assert config.model.ssd.image_resizer.fixed_shape_resizer.width == 96
    anchors, reader = config.model.ssd.anchor_generator.multiscale_anchor_generator, config.train_input_reader
    assert (list(anchors.aspect_ratios), anchors.normalize_coordinates) == ([1, 0.5], False)
    assert list(reader.tf_record_input_reader.input_path) == ["a.record", "b c.record"]
    assert (reader.label_map_path, config.train_config.max_number_of_boxes) == ("map.pbtxt", 300)


def test_a_typo_writes_nothing_and_names_the_nearest_field(output):
    with pytest.raises(ConfigError, match=r"train_config\.batchsize.*Did you mean train_config\.batch_size\?"):
        configure(SEED, output, set=[("train_config.batchsize", "4")])
    assert not output.exists()


def test_the_file_is_written_whatever_the_findings(output):
    config, report = edited(output, image_size=(100, 100), set=[("train_config.num_steps", "0")])
    assert config.model.ssd.image_resizer.fixed_shape_resizer.height == 100
    assert len([finding for finding in report.findings if finding.severity == "error"]) == 2


def test_base_and_output_may_be_the_same(output):
    output.write_text(SEED.read_text("utf-8"), "utf-8")
    configure(output, output, num_classes=5)
    assert pipeline.read(output).model.ssd.num_classes == 5
    with pytest.raises(OutputError, match=r"out\.config already exists.*overwrite it"):
        configure(SEED, output)
    assert pipeline.read(output).model.ssd.num_classes == 5


def test_other_families_are_configured_too(output, dataset):
    base = output.parent / "base.config"
    base.write_text("model { faster_rcnn { num_classes: 90 image_resizer { identity_resizer {} } } }", "utf-8")
    config, report = edited(output, base, train_records=["records"], image_size=(600, 800))
    assert config.model.faster_rcnn.num_classes == 3
    assert config.model.faster_rcnn.image_resizer.fixed_shape_resizer.width == 800
    assert report.findings[0].path == "model.faster_rcnn.feature_extractor.type"


def test_a_scan_of_too_many_records_is_a_sample_and_says_so(output):
    from odtk.protos.example_pb2 import Example

    record = Example().SerializeToString() + bytes([0xA2, 0x06, 100]) + bytes(100)  # an unknown field as ballast
    paths = [output.parent / f"{index}.record" for index in range(4)]
    for path in paths:
        shards.write_records(path, [record] * 10)
    whole, sample = scan_classes(paths), scan_classes(paths, max_bytes=4 * 2 * len(record))
    assert (whole.num_records, whole.is_complete) == (40, True)
    assert (sample.num_records, sample.is_complete) == (8, False)
