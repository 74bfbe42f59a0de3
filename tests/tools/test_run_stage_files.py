"""What a stage reads, as digests: all that it would read now, whichever way it is named."""

import os

from odtk.tools.run.content import Contents
from odtk.tools.run.stage_files import Reading, inputs_of


def test_images_of_a_glob_count_by_what_it_matches_and_addresses_by_themselves(tmp_path):
    def digest(*images):
        return inputs_of("predict", {"model": "x", "images": images}, Reading(Contents(os.devnull))).get("images")

    pattern = f"{tmp_path}/*.jpg"
    assert digest(pattern) is None
    (tmp_path / "a.jpg").write_bytes(b"a")
    one = digest(pattern)
    (tmp_path / "b.txt").write_bytes(b"b")
    assert digest(pattern) == one is not None
    (tmp_path / "b.jpg").write_bytes(b"b")
    assert digest(pattern) != one
    address = "https://host/cat.jpg"
    assert digest(address) == digest(address) != digest("https://host/dog.jpg")


def test_a_model_dir_counts_by_its_checkpoints_and_an_export_by_all_its_files(tmp_path):
    def digest(**arguments):
        found = inputs_of("predict", {"images": ["x"], **arguments}, Reading(Contents(os.devnull)))
        return next((value for name, value in found.items() if "model" in name), None)

    model, exported = tmp_path / "model", tmp_path / "exported"
    model.mkdir()
    for name in ("ckpt-1", "ckpt-2"):
        (model / f"{name}.index").write_bytes(name.encode())
    whole = digest(model=str(model))
    (model / "metrics.csv").write_text("step")
    assert digest(model=str(model)) == whole is not None
    assert digest(model=str(model), checkpoint=str(model / "ckpt-1")) != whole
    (exported / "saved_model").mkdir(parents=True)
    (exported / "saved_model/saved_model.pb").write_bytes(b"1")
    before = digest(model=str(exported))
    (exported / "saved_model/saved_model.pb").write_bytes(b"2")
    assert digest(model=str(exported)) != before
