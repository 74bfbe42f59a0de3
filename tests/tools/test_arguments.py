import pytest

import odtk
from odtk.errors import OdtkError
from odtk.tools.arguments import as_list, require_fraction, require_one_of, require_positive, require_whole

MOBILENET = "ssd_mobilenet_v2_fpnlite_320x320_pets"


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (lambda **given: require_whole(1, **given), (None, 1, 7), (0, -1, 2.0, "3", True)),
        (lambda **given: require_whole(1, 9, **given), (1, 9), (10,)),
        (require_fraction, (None, 0, 0.5, 1), (-0.1, 1.5, float("nan"), "0.5")),
        (require_positive, (None, 1e-9, 3), (0, -1, float("inf"), float("nan"), "1")),
        (lambda **given: require_one_of(("png", "numerical"), **given), (None, "png"), ("PNG", 3)),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_argument(check, good, bad):
    for value in good:
        check(some_argument=value)
    for value in bad:
        with pytest.raises(OdtkError, match=r"^some_argument is ") as error:
            check(some_argument=value)
        assert error.value.argument == "some_argument"


def test_one_name_need_not_be_a_list():
    assert as_list("cat") == ["cat"]
    assert as_list(("cat", "dog")) == ["cat", "dog"]


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: odtk.configure(MOBILENET, "new.config", batch_size=0), "batch_size"),
        (lambda: odtk.configure(MOBILENET, "new.config", learning_rate=-1), "learning_rate"),
        (lambda: odtk.configure(MOBILENET, "new.config", image_size="320x320"), "image_size"),
        (lambda: odtk.configure(MOBILENET, "new.config", image_size=(320,)), "image_size"),
        (lambda: odtk.configure(MOBILENET, "new.config", set=["train_config.batch_size=8"]), "set"),
        (lambda: odtk.make_tfrecords("pets", "records", num_shards=-1), "num_shards"),
        (lambda: odtk.make_tfrecords("pets", "records", exif="maybe"), "exif"),
        (lambda: odtk.train("pets.config", "model", num_steps=0), "num_steps"),
        (lambda: odtk.train("pets.config", "model", checkpoint_every=0), "checkpoint_every"),
        (lambda: odtk.predict("exported", "images", "found", min_score=50), "min_score"),
        (lambda: odtk.view("pets", "drawn", num_images=0), "num_images"),
        (lambda: odtk.inspect("pets", max_images=-1), "max_images"),
    ],
)
def test_functions_check_their_numbers_before_anything_else(call, argument, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OdtkError) as error:
        call()
    assert error.value.argument == argument
    assert not list(tmp_path.iterdir())
