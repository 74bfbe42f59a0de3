"""What a model is measured against, before anything is measured."""

import pytest
from PIL import Image

from odtk.errors import ConfigError
from odtk.evaluation.groundtruth import Groundtruth
from odtk.tools.evaluate.sources import RESULTS, Source
from odtk.tools.evaluate.truths import find_truth

XML = """<annotation><filename>a.jpg</filename><size><width>100</width><height>80</height><depth>3</depth></size>
<object><name>cat</name><difficult>1</difficult>
<bndbox><xmin>11</xmin><ymin>21</ymin><xmax>50</xmax><ymax>60</ymax></bndbox></object></annotation>"""


@pytest.fixture
def of_folder(tmp_path):
    """The groundtruth of a folder with a difficult cat, by this eval_config."""
    (tmp_path / "voc").mkdir()
    Image.new("RGB", (100, 80)).save(tmp_path / "voc/a.jpg")
    (tmp_path / "voc/a.xml").write_text(XML)

    def find(eval_config: str) -> Groundtruth:
        config = tmp_path / "pipeline.config"
        config.write_text(f"eval_config {{ {eval_config} }}")
        return find_truth(tmp_path / "voc", Source(RESULTS, "found.json", str(config)), None)

    return find


def test_the_metrics_sets_say_what_need_not_be_found_in_a_folder(of_folder):
    pascal = 'metrics_set: "pascal_voc_detection_metrics"'
    groups = 'super_categories { key: "pets" value: "cat,dog" }'  # of classes that are not known yet
    weighted = 'metrics_set: "weighted_pascal_voc_detection_metrics"'
    for eval_config, ignored in ((groups, False), (pascal, True), (f"{pascal} {weighted}", True)):
        (image,) = of_folder(eval_config).results.images
        assert image.ignored.tolist() == [ignored]
    with pytest.raises(ConfigError, match=r"differ in it: crowd, difficult\. Choose one metrics_set") as error:
        of_folder(f'{pascal} metrics_set: "coco_detection_metrics"')
    assert error.value.argument == "groundtruth"
