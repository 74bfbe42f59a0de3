"""The registry: which family a config is of, and that an option of one family is none of another. No TensorFlow."""

import copy
from dataclasses import replace

import pytest

from odtk import pipeline
from odtk.detectors import families
from odtk.detectors.ssd.resnet_fpn import ResnetFpn
from odtk.errors import ConfigError
from odtk.tools.check_config import check_config

CONFIG = pipeline.read("ssd_resnet50_v1_fpn_640x640_pets")

# What families to come will have, with a value to set.
OPTIONS_OF_OTHERS = {
    "mask_head_config": ("Ssd", "mask_head_config"),
}


def config_of(name: str, kind: str = "ssd"):
    config = copy.deepcopy(CONFIG)
    config.model.Clear()
    getattr(config.model, kind).feature_extractor.type = name
    return config


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for kind in sorted(families.kinds()) for name in families.names(kind)]
)
def test_a_family_is_found_by_its_types(name, kind):
    family = families.of(config_of(name, kind))
    assert name in family.types
    assert family is families.of(config_of(name, kind).model)


def test_no_type_is_of_two_families():
    assert len(set(families.names())) == len(families.names())


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (config_of("ssd_of_no_kind"), "model.ssd of type 'ssd_of_no_kind' is not one"),
        (config_of("resnet", "center_net"), "model.center_net of type 'resnet' is not one"),
        (pipeline.parse("", "empty"), "An empty model is not one"),
    ],
)
def test_another_model_is_refused_with_those_that_there_are(config, words):
    assert families.find(config) is None
    with pytest.raises(ConfigError) as error:
        families.of(config)
    assert words in str(error.value)
    assert "model.ssd with feature_extractor.type one of ssd_resnet50_v1_fpn_keras" in str(error.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ssd_resnet50_v1_fpn", "ssd_resnet50_v1_fpn_keras"),
        ("ssd_resnet101_v1_fpn_kears", "ssd_resnet101_v1_fpn_keras"),
        ("ssd_mobilenet_v2_fpn", "ssd_mobilenet_v2_fpn_keras"),
        ("ssd_resnet18_v1_fpn_keras", None),
        ("ssd_mobilenet_v2_fpnlite_keras", "ssd_mobilenet_v2_fpn_keras"),
        ("ssd_mobilenet_v2", "ssd_mobilenet_v2_keras"),  # without a pyramid
        ("ssd_mobilenet_v1", "ssd_mobilenet_v1_keras"),
        ("ssd_mobilenet_v1_kers", "ssd_mobilenet_v1_keras"),
        ("ssd_mobilenet_v3_keras", None),
        ("ssd_mobilenet_v1_ppn", None),
        ("ssd_mobilenet_v2_mnasfpn", None),
        ("ssd_resnet50_v1_ppn", None),
        ("ssd_efficientnet-b0_bifpn", "ssd_efficientnet-b0_bifpn_keras"),
        ("ssd_efficientnet-b8_bifpn_keras", None),
        ("", None),
    ],
)
def test_a_misspelt_name_is_understood_but_another_model_is_not(name, meant):
    assert families.meant(config_of(name)) == meant


class OtherFamily(ResnetFpn):
    """One that has the options of others, as if they were built."""

    types = ("ssd_of_another_family",)

    def __init__(self):
        self.options = dict(ResnetFpn.options)
        for kind, name in OPTIONS_OF_OTHERS.values():
            row = self.options[kind]
            refused = {field: why for field, why in row.refused.items() if field != name}
            self.options[kind] = replace(row, implemented=f"{row.implemented} {name}", refused=refused)


@pytest.fixture
def other_family(monkeypatch):
    registered = (*families.families(), OtherFamily())
    monkeypatch.setattr(families, "families", lambda: iter(registered))
    return registered[-1]


@pytest.mark.parametrize("field", OPTIONS_OF_OTHERS)
def test_an_option_of_one_family_is_refused_in_another(other_family, field):
    path = f"model.ssd.{field}"
    for name in (*other_family.types, *families.names("ssd")):
        text = pipeline.set_fields(pipeline.read_text("ssd_resnet50_v1_fpn_640x640_pets"), [(path, "{}")], "pets")
        text = pipeline.set_fields(text, [("model.ssd.feature_extractor.type", name)], "pets")
        config = pipeline.parse(text, "pets")
        is_refused = name not in other_family.types
        errors = {finding.path for finding in check_config(config, "pets.config", text) if finding.severity == "error"}
        assert (path in errors) == is_refused, name
        if is_refused:
            with pytest.raises(ConfigError, match=field):
                families.of(config).require_buildable(config.model)
