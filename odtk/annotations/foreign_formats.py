"""Recognizes files of labelling tools that odtk does not read, and says what to export instead."""

from __future__ import annotations

import re
from dataclasses import dataclass

from odtk.annotations import data_folder
from odtk.annotations.data_folder import DataFolder

_SNIFFED_FILES, _SNIFFED_BYTES = 20, 1 << 16


@dataclass(frozen=True)
class ForeignFormat:
    """A tool's own format: patterns that all occur in its files, and how to export another format."""

    name: str
    patterns: tuple[str, ...]
    advice: str


_JSON = (
    ForeignFormat(
        "VGG Image Annotator (VIA)", (r'"(_via_[a-z_]+|shape_attributes)"\s*:',),
        "In VIA, choose Annotation > Export Annotations (COCO format)",
    ),
    ForeignFormat(
        "labelme", (r'"shapes"\s*:\s*\[', r'"(imagePath|imageData|flags|shape_type)"\s*:'),
        "Convert it with labelme2coco (pip install labelme2coco) or labelme's labelme2voc.py; X-AnyLabeling "
        "exports COCO and VOC from its menu",
    ),
    ForeignFormat(
        "Label Studio", (r'"(rectanglelabels|polygonlabels|brushlabels|from_name|completions)"\s*:',),
        "In Label Studio, choose Export > COCO, Pascal VOC XML or YOLO, with images",
    ),
    ForeignFormat(
        "Create ML", (r'"annotations"\s*:\s*\[', r'"coordinates"\s*:\s*\{', r'"(label|imagefilename|image)"\s*:'),
        "Export from the labelling tool (Roboflow, RectLabel, Make Sense ...) as Pascal VOC or COCO",
    ),
    ForeignFormat(
        "Supervisely", (r'"(classTitle|geometryType)"\s*:',),
        "In Supervisely, run the app Export to COCO or Export to Pascal VOC",
    ),
    ForeignFormat(
        "Datumaro", (r'"items"\s*:\s*\[|"label_categories"\s*:|"dm_format_version"\s*:',
                     r'"(label|categories|label_categories)"\s*:\s*[{\[]'),
        "Convert it: datum convert -i FOLDER -if datumaro -f coco -o OUTPUT -- --save-media; or export COCO 1.0 from "
        "CVAT",
    ),
    ForeignFormat(
        "VoTT", (r'"asset"\s*:\s*\{', r'"regions"\s*:\s*\['),
        "In VoTT, choose Pascal VOC or CSV in the export settings, and export",
    ),
    ForeignFormat(
        "BDD100K or Scalabel", (r'"box2d"\s*:\s*\{',),
        "Convert it: python -m scalabel.label.to_coco -i FILE -o annotations.json",
    ),
    ForeignFormat(
        "Labelbox", (r'"(data_row|Labeled Data)"\s*:',), "Convert it with Labelbox's own coco exporter, to COCO",
    ),
    ForeignFormat(
        "FiftyOne", (r'"samples"\s*:\s*\[', r'"(filepath|_cls|_media_type)"\s*:'),
        "Export it: dataset.export(FOLDER, dataset_type=fiftyone.types.COCODetectionDataset)",
    ),
    ForeignFormat(
        "Amazon SageMaker Ground Truth", (r'"source-ref"\s*:',),
        "Convert its manifest to COCO first, with one box per annotation",
    ),
    ForeignFormat(
        "Hugging Face's image folders", (r'"file_name"\s*:', r'"objects"\s*:\s*\{'),
        "Write its objects as COCO annotations, or as a CSV of filename,class,xmin,ymin,xmax,ymax",
    ),
)  # fmt: skip

_FIFTYONE = "fiftyone convert --input-dir FOLDER --input-type fiftyone.types.{} --output-dir OUTPUT --output-type "
_TO_COCO = "fiftyone.types.COCODetectionDataset"
_NUMBER = r"-?\d+(\.\d+)?"

_TXT = (
    ForeignFormat(
        "DOTA", (rf"(?m)^(imagesource:|gsd:|({_NUMBER}\s+){{8}}[^\d\s]\S*\s+[0-2]\s*$)",),
        "Convert it: ultralytics.data.converter.convert_dota_to_yolo_obb(FOLDER), and add a data.yaml",
    ),
    ForeignFormat(
        "KITTI", (rf"(?m)^[A-Za-z_]\w*( {_NUMBER}){{14,15}}\s*$",),
        f"Convert it: {_FIFTYONE.format('KITTIDetectionDataset')}{_TO_COCO}",
    ),
    ForeignFormat(
        "keras-yolo3 (a line per image)", (r"(?mi)^\S.*\.(jpe?g|png|bmp)(\s+-?\d+,-?\d+,-?\d+,-?\d+,\d+)+\s*$",),
        "Write a CSV of filename,class,xmin,ymin,xmax,ymax, with one row per box",
    ),
    ForeignFormat(
        "WIDER FACE", (r"(?mi)^\S+\.jpe?g\s*\n\d+\s*\n(-?\d+\s){9,10}",),
        "Write a CSV of filename,class,x,y,w,h, with one row per box",
    ),
)  # fmt: skip

_XML = (
    ForeignFormat(
        "CVAT for images or video (annotations.xml)", (r"<annotations[\s>]", r"<(image|track|meta)[\s>]"),
        "In CVAT, export the task as COCO 1.0 or Pascal VOC 1.1, with images",
    ),
    ForeignFormat(
        "dlib's imglab", (r"<dataset[\s>]", r"<box\s+[^>]*top="),
        "Convert it: imglab --convert pascal-xml FILE",
    ),
)  # fmt: skip

_CSV = (
    ForeignFormat(
        "VGG Image Annotator (VIA)", (r"region_shape_attributes",),
        "In VIA, choose Annotation > Export Annotations (COCO format)",
    ),
)  # fmt: skip

_LINES = (".jsonl", ".ndjson", ".manifest")  # of JSON
_KINDS = {".json": _JSON, ".xml": _XML, ".csv": _CSV, ".txt": _TXT, **dict.fromkeys(_LINES, _JSON)}


def of_json(start: str) -> ForeignFormat | None:
    """The foreign format of a JSON file that begins with `start`, None if it is not a known one."""
    return _of(start, _JSON)


def sign(files: DataFolder) -> str | None:
    """A sentence on the first file of a folder in a foreign format, with what to export instead."""
    for suffix, known in _KINDS.items():
        for path in files.with_suffix(suffix)[:_SNIFFED_FILES]:
            found = _of(data_folder.text_start(files.path, path, _SNIFFED_BYTES), known)
            if found is not None:
                return f"{files.at(path)} is in the format of {found.name}, which odtk does not read. {found.advice}."
    return None


def _of(start: str, known: tuple[ForeignFormat, ...]) -> ForeignFormat | None:
    return next((each for each in known if all(re.search(pattern, start) for pattern in each.patterns)), None)
