"""TFOD's training runs in single precision, repeated: the full network through `odtk train`, variants by the task.

What can be asked of a repeated run. The losses are smooth in the weights, their gradients are not: every relu6 is a
switch, and an activation within rounding of 0 or 6 passes its gradient on or does not. Where the forward pass rounds as
TFOD's did (oneDNN's kernels on a CPU with AVX-512, as the reference machine had), the gradients are TFOD's too and the
goldens' first two steps agree to 1e-5. Where it rounds otherwise, TFOD leaves its own numbers: run on a CPU without
AVX-512, its second step is off by 3e-3 and its third localization loss by 5e-2, and weights changed by 1e-7 do the
same. So each loss is held to the reference's tolerance or, from the second step on, to the spread of TFOD's own
repeated runs where that is the larger (from_tfod/single.npz, for the full network and the base), or of ours for the
variants, whose golden is then one or the other of TFOD's: with AVX-512, or without (from_tfod/avx2.npz). That no
systematic error hides in the spread is shown in double precision, where TFOD repeats its numbers and odtk does to six
digits: test_training_in_double.py.
"""

import io
from pathlib import Path
from types import SimpleNamespace

import last_places
import numpy as np
import pytest
import tensorflow as tf
from golden_cases import AS_BASE, GOLDEN, GoldenCase, resnet50_case, trained_variants, variant_case
from golden_training import losses_without_avx512
from PIL import Image
from synthetic_weights import synthetic_groundtruth, synthetic_image, synthetic_value

from odtk import pipeline
from odtk.annotations.annotated_image import AnnotatedImage, AnnotatedObject
from odtk.checkpoints.reader import CheckpointReader
from odtk.records import example, shards
from odtk.tools.train import train
from odtk.training.optimizer import build_optimizer
from odtk.training.task import DetectionTask

REGULARIZATION = "Loss/regularization_loss"
TOTAL = "Loss/total_loss"
DATA_LOSSES = ["Loss/classification_loss", "Loss/localization_loss", TOTAL]
# TFOD's own runs in single precision, by from_tfod/training.py: the golden's weights, and changed in their last place.
TFODS_RUNS = GOLDEN / "from_tfod/single.npz"
# Two of seven such draws, the golden and TFOD's six, differ by less than this many deviations 999 times in 1000.
TWO_DRAWS = 8.4
# The small networks' runs cost little; with twelve, 99 % lie within 3.1 deviations.
VARIANT_REPEATS, VARIANT_DEVIATIONS = 12, 3.1


def tolerance(step: int) -> float:
    """Relative, of a training loss, as the reference's README gives it."""
    return 1e-3 if step < 3 else 5e-2


def train_repeatedly(case: GoldenCase, seeds) -> list[dict[str, np.ndarray]]:
    """Losses by tag at each of the golden's steps, from its weights with other last places; seed 0: as they are."""
    task = DetectionTask(case.config)
    detector = task.build_model()
    variables = detector.checkpoint_variables()
    optimizer = build_optimizer(case.config.train_config.optimizer)
    if hasattr(optimizer, "shadow_copy"):
        optimizer.shadow_copy(detector)
    detector.preprocess = lambda images, true_image_shapes: images
    features, groundtruth = {"image": case.preprocessed(), "true_image_shape": None}, case.groundtruth()
    step = tf.function(lambda: task.train_step((features, groundtruth), detector, optimizer))
    runs = []
    for seed in seeds:
        case.assign_weights(variables)
        last_places.change(variables.values(), seed)
        for state in optimizer.variables():
            state.assign(tf.zeros_like(state))
        rows = [step() for _ in case.training_losses()[REGULARIZATION]]
        run = {tag: np.array([float(row[tag]) for row in rows]) for tag in [*DATA_LOSSES, REGULARIZATION]}
        runs.append(run | probe(case, {key: variable.numpy() for key, variable in variables.items()}))
    return runs


def probe(case: GoldenCase, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Norms of the golden's probed variables, and of what training changed in them; empty where it probed none."""
    keys = case.arrays.get("probe_keys", np.array([])).tolist()
    changes = [values[key] - synthetic_value(key, values[key].shape) for key in keys]
    norms = {
        "probe_norm": [np.linalg.norm(values[key]) for key in keys],
        "probe_delta_norm": [np.linalg.norm(c) for c in changes],
    }
    return {name: np.array(norm) for name, norm in norms.items() if keys}


def tfods_spread(golden: np.ndarray, relative, runs: list[np.ndarray]) -> np.ndarray:
    """How far a run may be from the golden: the relative tolerance, or TFOD's own spread where that is the larger."""
    return np.maximum(relative * np.abs(golden), TWO_DRAWS * np.std([golden, *runs], axis=0, ddof=1))


def our_spread(golden: np.ndarray, relative, runs: list[np.ndarray]) -> np.ndarray:
    """How far the golden may be from the median of our `runs`: the relative tolerance, or their spread where larger."""
    return np.maximum(relative * np.abs(golden), VARIANT_DEVIATIONS * np.std(runs, axis=0, ddof=1))


def off(ours: dict, golden: dict, runs: list[dict], allowed) -> list[str]:
    """What is not the golden's: the first step's losses at the reference's tolerance, later ones as the runs allow."""
    relative = np.array([tolerance(step) for step in range(len(golden[REGULARIZATION]))])
    limits = {REGULARIZATION: 1e-4 * np.abs(golden[REGULARIZATION])}
    for tag in DATA_LOSSES:
        limits[tag] = allowed(golden[tag], relative, [run[tag] for run in runs])
        limits[tag][0] = relative[0] * abs(golden[tag][0])
    limits[TOTAL] = np.minimum(limits[TOTAL], 5e-2 * np.abs(golden[TOTAL]))
    far = {tag: np.abs(ours[tag] - golden[tag]) for tag in limits}
    return [
        f"{tag}: {ours[tag]}, TFOD's {golden[tag]}; off by {far[tag]}, allowed {limit}"
        for tag, limit in limits.items()
        if not (far[tag] <= limit).all()
    ]


def annotated_image(case: GoldenCase, seed: int, boxes_seed: int, count: int) -> AnnotatedImage:
    """An image of the golden's batch with its groundtruth, the pixels kept as they are by a PNG."""
    png = io.BytesIO()
    Image.fromarray(synthetic_image(seed, *case.image_size)).save(png, "PNG")
    drawn = zip(*synthetic_groundtruth(boxes_seed, count, case.num_classes), strict=True)
    objects = tuple(AnnotatedObject(tuple(map(float, box)), int(c) + 1, f"class_{c}") for box, c in drawn)
    return AnnotatedImage(png.getvalue(), f"{seed}.png", *case.image_size, objects, format="png")


def config_of_batch(case: GoldenCase, folder: Path, checkpoint: str) -> Path:
    """The golden's config, made to read the golden's batch, and nothing else, from records in `folder`."""
    pairs = zip(case.image_seeds, case.boxes, strict=True)
    images = [annotated_image(case, seed, *boxes) for seed, boxes in pairs]
    shards.write_records(folder / "batch.record", map(example.encode, images))
    items = (f"item {{ id: {i + 1} name: 'class_{i}' }}\n" for i in range(case.num_classes))
    (folder / "label_map.pbtxt").write_text("".join(items))
    config = pipeline.read(GOLDEN / f"{case.name}.config")
    config.train_config.ClearField("data_augmentation_options")
    config.train_config.fine_tune_checkpoint = checkpoint
    config.train_config.fine_tune_checkpoint_type = "full"
    config.train_input_reader.shuffle = False
    config.train_input_reader.label_map_path = str(folder / "label_map.pbtxt")
    config.train_input_reader.tf_record_input_reader.input_path[:] = [str(folder / "batch.record")]
    pipeline.write(config, folder / "pipeline.config")
    return folder / "pipeline.config"


def read_scalars(folder: Path) -> dict[str, dict[int, float]]:
    """Tag to step to value."""
    scalars: dict[str, dict[int, float]] = {}
    for events in sorted(folder.glob("events*")):
        for event in tf.compat.v1.train.summary_iterator(str(events)):
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name != "images":
                    scalars.setdefault(value.tag, {})[event.step] = float(tf.make_ndarray(value.tensor))
    return scalars


@pytest.fixture(scope="module")
def run(tfod_checkpoint, no_pictures, tmp_path_factory) -> SimpleNamespace:
    """`odtk train` for the golden's five steps."""
    case, folder = resnet50_case(), tmp_path_factory.mktemp("parity")
    config = config_of_batch(case, folder, tfod_checkpoint)
    report = train(config, folder / "model", num_steps=5, log_every=1, seed=1)
    scalars = read_scalars(folder / "model" / "train")
    return SimpleNamespace(case=case, golden=case.arrays, scalars=scalars, checkpoint=report.checkpoint)


def tfods_runs(case: GoldenCase) -> list[dict[str, np.ndarray]]:
    """TFOD's own repeated runs of the full network or the base, as train_repeatedly gives ours."""
    probed = [list(case.shapes).index(key) for key in case.arrays.get("probe_keys", [])]
    with np.load(TFODS_RUNS) as file:
        tags = file["tags"].tolist()
        losses, norms, changes = (file[f"{case.name}/{part}"] for part in ("losses", "norms", "changes"))
    return [
        dict(zip(tags, rows.T, strict=True)) | {"probe_norm": norm[probed], "probe_delta_norm": change[probed]}
        for rows, norm, change in zip(losses, norms, changes, strict=True)
    ]


@pytest.mark.slow  # half a minute; the base's run is its faster sibling, test_train.py has the trainer's scalars
def test_scalars_stand_at_tfods_steps(run):
    """Row s of the golden is what TFOD logs under step s + 1."""
    assert {*DATA_LOSSES, REGULARIZATION, "learning_rate"} <= set(run.scalars)
    for tag in [*DATA_LOSSES, REGULARIZATION, "learning_rate"]:
        assert list(run.scalars[tag]) == [1, 2, 3, 4, 5], tag


@pytest.mark.slow
@pytest.mark.parity(
    what="losses of five training steps through the trainer, in single precision (`make test-all`)",
    against="ssd_resnet50_320.npz, from_tfod/single.npz",
    tolerance="first step 1e-3 relative, totals 5 %, penalties 1e-4; else the spread of TFOD's own repeated runs",
)
def test_losses_through_the_trainer(run):
    ours = {tag: np.array(list(run.scalars[tag].values())) for tag in [*DATA_LOSSES, REGULARIZATION]}
    assert not off(ours, run.case.training_losses(), tfods_runs(run.case), tfods_spread)


@pytest.mark.parity(
    what="losses of three training steps, in single precision; the other variants' in `make test-all`",
    against="variants/base.npz, from_tfod/single.npz",
    tolerance="first step 1e-3 relative, totals 5 %, penalties 1e-4; else the spread of TFOD's own repeated runs",
)
def test_losses_of_the_base():
    case = variant_case("base")
    assert not off(train_repeatedly(case, [0])[0], case.training_losses(), tfods_runs(case), tfods_spread)


def test_goldens_that_train_as_the_base():
    base = variant_case("base").training_losses()
    for name in AS_BASE:
        for tag, values in variant_case(name).training_losses().items():
            np.testing.assert_array_equal(values, base[tag], err_msg=name)


@pytest.mark.slow
@pytest.mark.parity(
    what="learning rates logged (`make test-all`)", against="ssd_resnet50_320.npz", tolerance="1e-6 relative"
)
def test_the_learning_rate_logged_at_a_step_is_that_of_the_next(run):
    """The golden's row s holds the rate that step s used, so schedule(s); what is logged under s is schedule(s)."""
    used = run.case.training_losses()["learning_rate"]
    logged = run.scalars["learning_rate"]
    np.testing.assert_allclose([logged[step] for step in range(1, 5)], used[1:], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parity(
    what="norms of 68 weights, and of their changes, after five steps (`make test-all`)",
    against="ssd_resnet50_320.npz, from_tfod/single.npz",
    tolerance="weights 1e-3, changes 5 %, or the spread of TFOD's own repeated runs; changes 2 % in the median",
)
def test_norms_of_the_weights(run):
    """The weights themselves, and what training changed in them, which is far smaller and tells optimizers apart."""
    reader = CheckpointReader(run.checkpoint)
    values = {key: reader.value(reader.tensor_name(key)) for key in run.golden["probe_keys"].tolist()}
    ours, golden = probe(run.case, values), run.golden
    for name, relative in (("probe_norm", 1e-3), ("probe_delta_norm", 5e-2)):
        limits = tfods_spread(golden[name], relative, [tfods[name] for tfods in tfods_runs(run.case)])
        far = np.abs(ours[name] - golden[name]) / np.maximum(limits, 1e-7)
        assert far.max() <= 1, f"{name} of {golden['probe_keys'][far.argmax()]}: {far.max()} of what is allowed"
    # Most changes agree far better than the worst may.
    changes = golden["probe_delta_norm"]
    assert np.median(np.abs(ours["probe_delta_norm"] - changes) / np.maximum(changes, 1e-7)) < 2e-2


@pytest.mark.slow
@pytest.mark.parametrize("name", trained_variants())
def test_losses_of_a_variant(name):
    """The golden is one of our own draws: within their spread around their median, where that is the larger tolerance.

    A small network has rare switches of great effect, which one run in a dozen takes; so no single run is compared.
    Last places do not cover the distance between two kinds of processors: without AVX-512, it is TFOD's run on such.
    """
    case = variant_case(name)
    runs = train_repeatedly(case, range(VARIANT_REPEATS))
    medians = {tag: np.median([run[tag] for run in runs], axis=0) for tag in runs[0]}
    goldens = case.training_losses(), losses_without_avx512(case.name)
    far = [off(medians, golden, runs, our_spread) for golden in goldens]
    assert not all(far), far
