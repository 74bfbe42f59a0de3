"""Boxes of a video get ids: ByteTrack (Zhang et al. 2022, https://arxiv.org/abs/2110.06864), as supervision has it."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from odtk.detections import Detections
from odtk.errors import OdtkError
from odtk.streams.frame import Frame

_LEAST = 0.1  # boxes with lower scores are no evidence
_REMEMBERED_SECONDS = 1.0  # as in the paper, whose videos have 30 frames per second
_STEP = 0.1  # by which supervision raises the score of a high box to that with which a track begins


class Tracker:
    """Gives the boxes of each video and camera ids from 1; still pictures are left as they are.

    It wants to see the boxes with low scores, too, by which it follows what is hidden in part: give it all of a frame,
    and select afterwards.
    """

    def __init__(self, min_score: float):
        """`min_score`: with which a track begins, at least 0.2. Raises OdtkError if supervision is not installed."""
        self._activation = max(_LEAST, min_score - _STEP)
        self._sources: dict[str, _OfSource] = {}  # by name
        _byte_track()

    def track(self, frame: Frame, found: Detections) -> Detections:
        """The same detections with `track_ids`; frames of a source come in their order."""
        if frame.is_still:
            return found
        if frame.name not in self._sources:
            self._sources[frame.name] = _OfSource(_new(self._activation), frame.seconds or 0.0)
        height, width = frame.pixels.shape[:2]
        corners = found.boxes.reshape(-1, 4)[:, [1, 0, 3, 2]] * np.array([width, height, width, height], np.float32)
        tracked = self._sources[frame.name].update(
            _byte_track().Detections(
                xyxy=corners,
                confidence=found.scores,
                data={"index": np.arange(len(found))},
            ),
            frame.seconds or 0.0,
        )
        ids = np.zeros(len(found), np.int64)
        if len(tracked):
            ids[tracked.data["index"]] = tracked.tracker_id
        return replace(found, track_ids=ids)


class _OfSource:
    """The tracker of a source, which forgets what it has not seen for a second, whatever the rate of its frames is."""

    def __init__(self, tracker: Any, seconds: float):
        self._tracker, self._first, self._count = tracker, seconds, 0

    def update(self, found: Any, seconds: float) -> Any:
        """supervision's detections in the next frame to those that have a track."""
        if seconds > self._first:
            rate = self._count / (seconds - self._first)
            self._tracker.max_time_lost = max(1, round(rate * _REMEMBERED_SECONDS))
        self._count += 1
        return self._tracker.update_with_detections(found)


def _new(activation: float):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it moves to another package: pyproject.toml says why it is this one
        return _byte_track().ByteTrack(track_activation_threshold=activation)


def _byte_track():
    try:
        import supervision

        supervision.ByteTrack  # noqa: B018
    except (ImportError, AttributeError) as error:
        raise OdtkError(
            f"Tracking needs ByteTrack of supervision 0.30 ({error}). Install it with: pip install 'odtk[track]'",
            argument="track",
        ) from error
    return supervision
