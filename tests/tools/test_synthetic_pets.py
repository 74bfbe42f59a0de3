import numpy as np
import pytest
from PIL import Image

from odtk import label_map
from odtk.records import example, shards
from odtk.tools.make_tfrecords import make_tfrecords
from odtk.tools.synthetic_pets import BREEDS, draw_dataset


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return draw_dataset(tmp_path_factory.mktemp("drawn") / "pets", num_images=16, num_test=4, seed=3)


def _contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_seed_decides_everything(drawn, tmp_path):
    same = draw_dataset(tmp_path / "same", num_images=16, num_test=4, seed=3)
    assert _contents(same.folder) == _contents(drawn.folder)
    other = draw_dataset(tmp_path / "other", num_images=4, num_test=0, seed=4)
    image = "images/pug_1.jpg"
    assert (other.folder / image).read_bytes() != (drawn.folder / image).read_bytes()


def test_the_drawings_convert_without_problems(drawn, tmp_path):
    for full_body in (False, True):
        report = make_tfrecords(
            drawn.folder, tmp_path / str(full_body), full_body=full_body, label_map=drawn.label_map, num_shards=1
        )
        assert (report.listed, report.written) == (16, 16)
        assert not report.repaired + report.skipped + report.problems
        images: dict[str, int] = {}
        for counts in report.splits.values():
            for name, of_class in counts.classes.items():
                images[name] = images.get(name, 0) + of_class.images
        assert images == {breed.name: 4 for breed in BREEDS}


def test_heads_are_within_the_image_and_on_a_pet(drawn, tmp_path):
    report = make_tfrecords(drawn.folder, tmp_path / "out", label_map=drawn.label_map, num_shards=1)
    for path in shards.expand_globs(report.records.values()):
        for image in map(example.decode, shards.read_records(path)):
            trimap = np.asarray(
                Image.open(drawn.folder / "annotations" / "trimaps" / image.filename.replace(".jpg", ".png"))
            )
            assert trimap.shape == (image.height, image.width)
            assert set(np.unique(trimap)) == {1, 2, 3}
            assert image.objects
            for entry in image.objects:
                ymin, xmin, ymax, xmax = np.round(np.multiply(entry.box, [*trimap.shape] * 2)).astype(int)
                assert 0 <= ymin < ymax <= image.height
                assert 0 <= xmin < xmax <= image.width
                assert min(ymax - ymin, xmax - xmin) >= 24
                # The box is tight: pet touches its top edge and both sides, and fills most of it.
                head = trimap[ymin:ymax, xmin:xmax] != 2
                assert head.mean() > 0.5
                assert head[:3].any()
                assert head[:, :3].any()
                assert head[:, -3:].any()


def test_test_images_are_drawn_and_have_no_annotation(drawn):
    assert len(drawn.test_images) == 4
    for path in drawn.test_images:
        Image.open(path).load()
        assert not (drawn.folder / "annotations" / "xmls" / f"{path.stem}.xml").exists()
    assert [(item.id, item.name) for item in label_map.read(drawn.label_map).items] == [
        (index, breed.name) for index, breed in enumerate(BREEDS, 1)
    ]
