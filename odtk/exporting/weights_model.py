"""A model that is built from the config inside a file of weights."""

from __future__ import annotations

from collections.abc import Mapping

from odtk import files
from odtk.detectors.detector import Detector
from odtk.exporting.model import naming
from odtk.exporting.trained_model import TrainedModel
from odtk.protos import pipeline_pb2


class WeightsModel(TrainedModel):
    """A trained model whose classes are named by a label map, or else by the file itself."""

    def __init__(
        self,
        detector: Detector,
        config: pipeline_pb2.TrainEvalPipelineConfig,
        path: str,
        step: int | None,
        names: Mapping[int, str],
        label_map: str | None,
        device: str | None,
    ):
        """`names`: the file's own; `label_map`: the path of one that is to be used instead."""
        name_of = naming(label_map) if label_map else lambda number: names.get(number, f"class {number}")
        super().__init__(detector, config, path, step, name_of, device)
        self.label_map = None if label_map is None else files.as_path(label_map)
        self._names = names
        at_step = "" if step is None else f" (step {step})"
        self.description = f"{path}{at_step}, built from the config in it"

    @property
    def names(self) -> dict[int, str]:
        """Those of the label map that was given, else the file's own."""
        return super().names if self.label_map else dict(self._names)
