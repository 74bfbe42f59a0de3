"""What several tests share: where the goldens lie, and the TFOD checkpoint that they were made with."""

import json
import os
import signal
from pathlib import Path

import parts
import pytest
from hypothesis import HealthCheck, settings
from quick_runs import draw_nothing, leave_imports_alone

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# The same examples each time, so that what fails can be repeated, and none is timed.
settings.register_profile(
    "odtk", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("odtk")

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser):
    parser.addoption("--part", metavar="K/N", help="run the tests in this part of the files only; see tests/parts.py")


def pytest_collection_modifyitems(config, items):
    wanted = config.getoption("--part")
    if wanted is None:
        return
    try:
        part, count = parts.parse(wanted)
    except ValueError as error:
        raise pytest.UsageError(f"--part: {error}") from error
    in_files = [(str(item.path), item.get_closest_marker("slow") is not None) for item in items]
    chosen = parts.files_of(part, count, parts.lengths(in_files))
    config.hook.pytest_deselected(items=[item for item in items if str(item.path) not in chosen])
    items[:] = [item for item in items if str(item.path) in chosen]


def pytest_collection_finish():
    leave_imports_alone()


@pytest.fixture
def signals_of_a_terminal():
    """Ctrl-C and a closed terminal are noticed, also by programs that the test starts.

    Where the tests run in the background of a script, or under nohup, these signals are ignored, which is inherited.
    """
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    kept = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def no_pictures():
    """Runs draw nothing."""
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        yield


@pytest.fixture(scope="module")
def shallow_resnet():
    """ResNet-50 with a block where it has up to six: built and traced in a third of the time."""
    from odtk.layers import resnet_v1

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(resnet_v1.BLOCKS, 50, (1, 1, 1, 1))
        yield


@pytest.fixture(scope="module")
def shared_backbones():
    """Equal ResNets are built once, which is most of building a detector: for tests that set all weights themselves."""
    import tf_keras

    from odtk.layers import resnet_v1

    build, built = resnet_v1.resnet_v1, {}

    def build_once(depth, params, *options):
        penalty = params.regularizer and (type(params.regularizer), str(params.regularizer.get_config()))
        policy = tf_keras.backend.floatx(), tf_keras.mixed_precision.global_policy().name
        # All but the initializer, whose values are replaced.
        key = depth, penalty, params.batch_norm, params.activation, params.force_use_bias, options, policy
        if key not in built:
            built[key] = build(depth, params, *options)
        return built[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resnet_v1, "resnet_v1", build_once)
        yield


@pytest.fixture
def double_precision():
    """Keras in float64, and in what it was before when the test is over.

    The policy as well as floatx: Keras derives it from floatx only until something has set it, as building a detector
    does, so that it would be another one in the first such test of a process, and float64 in all after it.
    """
    import tf_keras

    floatx, policy = tf_keras.backend.floatx(), tf_keras.mixed_precision.global_policy()
    tf_keras.backend.set_floatx("float64")
    tf_keras.mixed_precision.set_global_policy("float64")
    yield
    tf_keras.backend.set_floatx(floatx)
    tf_keras.mixed_precision.set_global_policy(policy)


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    return GOLDEN


@pytest.fixture(scope="session")
def tfod_checkpoint(tmp_path_factory) -> str:
    """Prefix of the checkpoint behind ssd_resnet50_320.npz: 129 MB of formula under TFOD's own object graph."""
    # Not at the top: most tests need no TensorFlow.
    from golden_cases import write_checkpoint
    from synthetic_weights import synthetic_value

    shapes = dict(json.loads((GOLDEN / "ssd_resnet50_320-keys.json").read_text()))
    graph = (GOLDEN / "ssd_resnet50_320-object_graph.pb").read_bytes()
    prefix = str(tmp_path_factory.mktemp("tfod_checkpoint") / "ckpt-0")
    write_checkpoint(prefix, {key: synthetic_value(key, shape) for key, shape in shapes.items()}, graph)
    return prefix


@pytest.fixture(scope="session")
def trained_small_model(tmp_path_factory):
    """A function from the name of a small pipeline to (config, model dir), trained on the demo's pets; slow."""
    from small_models import SmallModels

    return SmallModels(tmp_path_factory.mktemp("small_models")).trained
