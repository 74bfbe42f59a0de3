"""The batch of a run: given, found by trial steps whose memory is made up, kept by a resumed run, and said."""

from types import SimpleNamespace

import pytest
import tensorflow as tf

from odtk import pipeline
from odtk.errors import ConfigError, OdtkError
from odtk.hardware import CPU, GPU, Device
from odtk.tools import schedule_edits
from odtk.tools.train import batch_choice
from odtk.tools.train.batch import Batch, batch_line, is_to_be_found, require_divisible, with_planned_batch
from odtk.tools.train.batch_choice import BatchChoice, choose_batch
from odtk.tools.train.options import TrainingOptions
from odtk.training.out_of_memory import SumsCutOff

SMALL = "ssd_resnet50_v1_fpn_small"
RESIZER = "model.ssd.image_resizer"


def edited(*sets):
    return pipeline.parse(pipeline.set_fields(pipeline.read_text(SMALL), list(sets), "c"), "c")


def shipped(size=16):
    return edited(("train_config.batch_size", str(size)))


def rate(config):
    return schedule_edits.base_rate(config)[1]


def test_a_batch_size_scales_the_rates_as_configure_does():
    given = shipped(16)
    config = with_planned_batch(given, TrainingOptions(batch_size=4), "nowhere")
    assert config.train_config.batch_size == 4
    assert rate(config) == pytest.approx(rate(given) / 4)
    assert rate(with_planned_batch(given, TrainingOptions(batch_size="auto"), "nowhere")) == rate(given)


@pytest.mark.parametrize(
    ("batch", "said", "argument"),
    [
        (Batch(64, 3), "64 images cannot be cut into 3 equal micro-batches. Use 2 or 4 of them", "accumulate"),
        (Batch(6, 12), "Use 6 of them, or another batch size", "accumulate"),
        (Batch(64, 4, 8), None, None),
        (Batch(24, 4, 4), "24 images, 6 on each of 4 devices, cannot be cut into 4 .* Use 3 or 6", "accumulate"),
        (Batch(10, 1, 4), "cannot be shared evenly by 4 devices. Make it 8 or 12", "batch_size"),
        (Batch(3, 1, 4), "Make it 4", "batch_size"),
        (Batch(64, 64), None, None),
    ],
)
def test_a_batch_that_cannot_be_cut_is_refused_with_the_nearest_that_can(batch, said, argument):
    if said is None:
        require_divisible(batch)
        return
    with pytest.raises(ConfigError, match=said) as raised:
        require_divisible(batch)
    assert raised.value.argument == argument


def test_that_is_known_before_tensorflow():
    with pytest.raises(ConfigError, match="Use 2 or 4 of them"):
        with_planned_batch(shipped(16), TrainingOptions(accumulate=3), "nowhere")
    with pytest.raises(ConfigError, match="Use 1 or 7 of them"):
        with_planned_batch(shipped(16), TrainingOptions(batch_size=7, accumulate=2), "nowhere")
    with_planned_batch(shipped(16), TrainingOptions(batch_size="auto", accumulate=3), "nowhere")


@pytest.mark.parametrize(
    ("batch", "given", "line"),
    [
        (Batch(16), 16, "Batch: 16 images on one device; learning rate 0.01 as in the config."),
        (Batch(1), 4,
         "Batch: 1 image on one device; learning rate 0.0025, scaled with the batch from 0.01 for 4 images."),
        (Batch(64, 8), 64,
         "Batch: 64 images = 8 micro-batches of 8 on one device; learning rate 0.01 as in the config."),
        (Batch(64, 1, 8), 64, "Batch: 64 images, 8 on each of 8 devices; learning rate 0.01 as in the config."),
        (Batch(64, 4, 8), 64,
         "Batch: 64 images, 8 on each of 8 devices = 4 micro-batches of 2; learning rate 0.01 as in the config."),
    ],
)  # fmt: skip
def test_the_batch_is_said_in_one_line(batch, given, line):
    path = schedule_edits.base_rate(shipped())[0]
    in_file = edited(("train_config.batch_size", str(given)), (path, "0.01"))
    config = with_planned_batch(in_file, TrainingOptions(batch_size=batch.images), "nowhere")
    assert batch_line(config, in_file, batch) == line


@pytest.fixture
def chosen(monkeypatch):
    """`chosen(device, memory, ...)`: (config, batch, lines said) where a step of n images takes n + 1 bytes.

    With micro-batches it takes 1 more, for their sums.
    """

    def choose(kind, memory, size=16, replicas=1, records=1000, finds=True, sets=(), **options):
        config, said = edited(("train_config.batch_size", str(size)), *sets), []

        def trial_steps(choice, most, parts, of):
            def step(images):
                assert images <= most
                if kind == GPU and images + parts > memory:
                    raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
                return images + parts

            return step

        probe = SimpleNamespace(limit=memory / 0.9, may_fail=kind == GPU)
        monkeypatch.setattr(batch_choice, "_trial_steps", trial_steps)
        devices = [Device(kind, index) for index in range(replicas)]
        monkeypatch.setattr(batch_choice, "build_step_memory", lambda of: {id(devices): probe}[id(of)])
        strategy = SimpleNamespace(num_replicas_in_sync=replicas)
        choice = BatchChoice(config, TrainingOptions(**options), finds, records, strategy, devices, None, said.append)
        return *choose_batch(choice), said

    return choose


AUTO_BATCH, AUTO_PARTS = {"batch_size": "auto"}, {"accumulate": "auto"}


@pytest.mark.parametrize(
    ("options", "where", "batch"),
    [
        (AUTO_BATCH, {"memory": 41}, Batch(40)),
        (AUTO_BATCH, {"memory": 41, "replicas": 4}, Batch(160, 1, 4)),
        (AUTO_BATCH, {"memory": 41, "records": 13}, Batch(13)),
        (AUTO_BATCH, {"memory": 41, "records": 70, "replicas": 2}, Batch(70, 1, 2)),
        (AUTO_BATCH | {"accumulate": 3}, {"memory": 42}, Batch(120, 3)),
        (AUTO_BATCH | AUTO_PARTS, {"memory": 41}, Batch(40)),
        (AUTO_PARTS, {"memory": 41}, Batch(16)),
        (AUTO_PARTS, {"memory": 16}, Batch(16, 2)),
        (AUTO_PARTS, {"memory": 9}, Batch(16, 4)),
        (AUTO_PARTS, {"memory": 9, "replicas": 2}, Batch(16, 1, 2)),
        (AUTO_PARTS, {"memory": 6, "size": 9}, Batch(9, 3)),
        # A resumed run keeps its batch.
        (AUTO_BATCH, {"memory": 41, "finds": False}, Batch(16)),
        (AUTO_BATCH, {"memory": 9, "finds": False}, Batch(16, 4)),
        (AUTO_BATCH | {"accumulate": 2}, {"memory": 2, "finds": False}, Batch(16, 2)),
        ({"accumulate": 4}, {"memory": 0, "finds": False}, Batch(16, 4)),
    ],
)
def test_what_fits_is_chosen(chosen, options, where, batch):
    where = {"finds": options.get("batch_size") == "auto"} | where
    config, found, _ = chosen(GPU, **where, **options)
    assert found == batch
    assert config.train_config.batch_size == batch.images
    assert rate(config) == pytest.approx(rate(shipped()) * batch.images / where.get("size", 16), rel=1e-6)


def test_on_a_cpu_the_batch_is_the_configs_or_what_fits(chosen):
    _, batch, said = chosen(CPU, 1000, **AUTO_BATCH)
    assert batch == Batch(16)
    assert said[0] == "A CPU trains larger batches no faster, so the batch is not larger than the config's 16."
    assert chosen(CPU, 11, **AUTO_BATCH)[1] == Batch(10)


def test_images_of_several_sizes_are_computed_one_by_one(chosen):
    sets = [(f"{RESIZER}.keep_aspect_ratio_resizer.max_dimension", "640")]
    _, batch, said = chosen(GPU, 1000, replicas=2, sets=sets, **AUTO_BATCH)
    assert batch == Batch(16, 8, 2)
    assert "several sizes" in said[0]


def test_a_device_that_is_too_small_for_one_image_is_told(chosen):
    for options in (AUTO_BATCH, AUTO_PARTS):
        with pytest.raises(OdtkError, match="Not even one image"):
            chosen(GPU, 1, finds=options == AUTO_BATCH, **options)


@pytest.mark.parametrize(
    ("options", "replicas", "failed", "fits", "told", "argument"),
    [
        (AUTO_BATCH, 2, 40, 4, "again with a batch of 40.", "batch_size"),
        (AUTO_BATCH | {"accumulate": 3}, 2, 4, 3, "again with a batch of 18.", "batch_size"),
        (AUTO_BATCH, 2, 2, None, "again with a batch of 2.", "batch_size"),
        (AUTO_PARTS, 2, 8, None, "again with 2 micro-batches.", "accumulate"),
        (AUTO_PARTS, 2, 2, None, "again with 8 micro-batches.", "accumulate"),
    ],
)
def test_trials_that_cut_off_the_sums_over_devices_end_with_a_number(
    chosen, monkeypatch, options, replicas, failed, fits, told, argument
):
    def largest(trials, sizes):
        raise SumsCutOff(failed, fits)

    monkeypatch.setattr(batch_choice.Trials, "largest", largest)
    with pytest.raises(OdtkError, match=f"on {failed} images for each of {replicas} devices") as raised:
        chosen(GPU, 100, replicas=replicas, finds=argument == "batch_size", **options)
    assert str(raised.value).endswith(told)
    assert raised.value.argument == argument


def test_sums_that_an_earlier_run_cut_off_need_a_new_process(chosen, monkeypatch):
    def largest(trials, sizes):
        raise SumsCutOff(None)

    monkeypatch.setattr(batch_choice.Trials, "largest", largest)
    with pytest.raises(OdtkError, match="again in a new process"):
        chosen(GPU, 100, replicas=2, **AUTO_BATCH)


def test_a_run_keeps_the_batch_that_it_started_with(tmp_path):
    options = TrainingOptions(batch_size="auto")
    (tmp_path / "pipeline.config").write_text(pipeline.format(shipped(40)))
    assert is_to_be_found(options, tmp_path)
    for name in ("checkpoint", "ckpt-3.index", "ckpt-3.data-00000-of-00001"):
        (tmp_path / name).write_text('model_checkpoint_path: "ckpt-3"\n' if name == "checkpoint" else "")
    assert not is_to_be_found(options, tmp_path)
    config = with_planned_batch(shipped(16), options, tmp_path)
    assert config.train_config.batch_size == 40
    assert rate(config) == pytest.approx(rate(shipped()) * 40 / 16)
    assert with_planned_batch(shipped(16), TrainingOptions(batch_size=8), tmp_path).train_config.batch_size == 8
