"""docs/config says of every field what it does and who honors it: made from the schema and the families' tables."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from docs_site import config_tables  # noqa: E402
from docs_site.config_pages import ACCEPT, config_pages  # noqa: E402
from docs_site.config_tables import HONORED, NO_EFFECT, REFUSED  # noqa: E402
from odtk import pipeline  # noqa: E402
from odtk.errors import ConfigError  # noqa: E402
from odtk.prototext.comments import read_comments  # noqa: E402

FOLDER = ROOT / "docs/config"
KNOWN, COMMENTS, PAGES = config_tables.known_messages(), read_comments(), config_pages()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_made_from_the_schema_and_the_tables(name):
    page = FOLDER / name
    if os.environ.get("ODTK_ACCEPT"):
        FOLDER.mkdir(exist_ok=True)
        page.write_text(PAGES[name], encoding="utf-8")
    written = page.read_text("utf-8") if page.exists() else ""
    assert written == PAGES[name], f"docs/config/{name} is out of date; make it again: {ACCEPT}"


def test_no_page_is_left_over():
    assert {path.name for path in FOLDER.iterdir()} == set(PAGES)


def test_every_message_and_every_field_that_is_honored_is_explained():
    honored = {
        f"{message.name}.{field}"
        for message in KNOWN.values()
        for field, of_field in message.verdicts.items()
        if any(verdict.what == HONORED for verdict in of_field.values())
    }
    assert len(honored) > 400
    assert (honored | set(KNOWN)) - set(COMMENTS) == set()


def test_no_comment_is_about_a_field_that_is_not_there():
    fields = {f"{message.name}.{spec.name}" for message in KNOWN.values() for spec in message.descriptor.fields}
    assert set(COMMENTS) - fields - set(KNOWN) == set()


@pytest.mark.parametrize(
    ("name", "field", "said"),
    [
        ("TrainConfig", "sync_replicas", {"": NO_EFFECT}),
        ("TrainConfig", "batch_size", {"": HONORED}),
        (
            "SsdFeatureExtractor",
            "fpn",
            {"SSD MobileNet FPN": HONORED, "SSD ResNet FPN": NO_EFFECT, "EfficientDet": REFUSED},
        ),
        ("BatchNonMaxSuppression", "change_coordinate_frame", {"SSD MobileNet": HONORED, "Faster R-CNN": NO_EFFECT}),
        ("RandomHorizontalFlip", "keypoint_flip_permutation", {"": NO_EFFECT}),
        ("PreprocessingStep", "autoaugment_image", {"": REFUSED}),
    ],
)
def test_the_verdicts_are_the_tables(name, field, said):
    found = KNOWN[name].verdicts[field]
    assert {reader: found[reader].what for reader in said} == said


def test_a_message_is_listed_where_a_config_can_have_it():
    assert KNOWN["FeaturePyramidNetworks"].readers == ["SSD MobileNet FPN", "Faster R-CNN FPN"]
    assert KNOWN["GridAnchorGenerator"].paths == [
        "model.faster_rcnn.first_stage_anchor_generator.grid_anchor_generator"
    ]
    assert "Ssd.MaskHead" in config_tables.unknown_messages(KNOWN)


def test_two_alternatives_at_once_are_an_error_as_the_pages_say(tmp_path):
    both = tmp_path / "both.config"
    both.write_text("train_config { optimizer { adam_optimizer { } momentum_optimizer { } } }")
    with pytest.raises(ConfigError, match="momentum_optimizer"):
        pipeline.read(str(both))


def test_a_default_is_shown_as_a_config_would_set_it():
    lines = PAGES["training.md"].splitlines()
    rows = {line.split("|")[1].strip(): line.split("|")[3].strip() for line in lines if line.startswith("| `")}
    assert rows["`moving_average_decay`"] == "`0.9999`"
    assert rows["`fine_tune_checkpoint_version`"] == "`V1`"
    assert rows["`staircase`"] == "`true`"
