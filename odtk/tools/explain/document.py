"""What was explained, as one JSON document."""

from collections.abc import Sequence

from odtk.exporting.model import Model
from odtk.tools.explain.explained import ExplainedDetection, ExplainedPicture, Features


def document(pictures: Sequence[ExplainedPicture], skipped: Sequence[tuple[str, str]], model: Model) -> dict:
    """Numbers and files, relative to the output folder; boxes are yxyx, normalized to the picture."""
    return {
        "model": model.description,
        "pictures": [_picture(picture, model) for picture in pictures],
        "skipped": [{"file": file, "reason": reason} for file, reason in skipped],
    }


def _picture(picture: ExplainedPicture, model: Model) -> dict:
    return {
        "file": picture.source,
        "size": list(picture.size),
        "notes": list(picture.notes),
        "detections": [_detection(each) for each in picture.detections],
        "scores": {
            name: {each.level: {"best": each.best, "picture": each.picture.path} for each in maps}
            for name, maps in picture.scores.items()
        },
        "anchors": {
            "called": picture.called,
            "fired": picture.num_fired,
            "levels": [
                {
                    "level": each.level.name, "rows": each.level.rows, "columns": each.level.columns,
                    "anchors": each.level.size, "fired": each.fired, "best_score": each.best_score,
                    "matched": each.matched,
                }
                for each in picture.levels
            ],
            "groundtruth": [
                {
                    "class": model.name_of(each.class_id), "box": [float(side) for side in each.box],
                    "matched": len(each.anchors), "levels": list(each.levels), "best_iou": each.best_iou,
                    "best_score": each.best_score, "fired": each.is_found,
                }
                for each in picture.boxes
            ],
        },
        "features": [_features(each) for each in picture.features],
    }  # fmt: skip


def _detection(found: ExplainedDetection) -> dict:
    return {
        "class": found.class_name, "score": found.score, "box": list(found.box), "level": found.level,
        "heat": {"picture": found.heat.path, "from": found.heat_source, "share_inside": found.heat_inside},
    }  # fmt: skip


def _features(found: Features) -> dict:
    return {
        "layer": found.layer, "shape": list(found.shape), "sheet": found.sheet.path,
        "channels": {
            str(each.number): {"picture": each.picture.path, "low": each.low, "high": each.high}
            for each in found.channels
        },
    }  # fmt: skip
