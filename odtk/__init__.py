"""odtk: object detection with TFOD's files and numbers, on today's TensorFlow.

The commands are functions here, whose keyword arguments are named after the commands' options, and whose results are
dataclasses: `report = odtk.train("pets.config", "model", num_steps=1000, log=print)`. `odtk.load("exported")` is a
trained detector. Importing odtk loads nothing heavy: what stands here is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from odtk.errors import OdtkError

if TYPE_CHECKING:
    from odtk.detections import Detections
    from odtk.exporting.model import Model
    from odtk.exporting.open_model import load
    from odtk.exporting.runtime import ExportedDetector
    from odtk.queue import Job, Queue
    from odtk.tools.benchmark import benchmark
    from odtk.tools.benchmark.report import BenchmarkReport
    from odtk.tools.configure import ConfigureReport, configure
    from odtk.tools.correct import correct
    from odtk.tools.doctor import DoctorReport, doctor
    from odtk.tools.download import DownloadReport, download
    from odtk.tools.evaluate import EvaluationReport, evaluate
    from odtk.tools.explain import ExplainReport, explain
    from odtk.tools.export import ExportReport, export
    from odtk.tools.init_project import InitReport, init_project
    from odtk.tools.inspect import inspect
    from odtk.tools.inspect.inspection import Inspection
    from odtk.tools.make_tfrecords import ConversionReport, make_tfrecords
    from odtk.tools.migrate import MigrationReport, migrate
    from odtk.tools.predict import PredictReport, predict
    from odtk.tools.push import PushReport, push
    from odtk.tools.run import RunReport, run
    from odtk.tools.summary import SummaryReport, summary
    from odtk.tools.train import TrainingReport, train
    from odtk.tools.view import ViewReport, view
    from odtk.training.own_loop import (
        TrainingBatches,
        build_detector,
        build_evaluation,
        build_optimizer,
        read_config,
        restore_fine_tune_checkpoint,
        step_randomness,
    )
    from odtk.web.notebook import studio

__version__ = "0.1.0"

__all__ = [
    "BenchmarkReport",
    "ConfigureReport",
    "ConversionReport",
    "Detections",
    "DoctorReport",
    "DownloadReport",
    "EvaluationReport",
    "ExplainReport",
    "ExportReport",
    "ExportedDetector",
    "InitReport",
    "Inspection",
    "Job",
    "MigrationReport",
    "Model",
    "OdtkError",
    "PredictReport",
    "PushReport",
    "Queue",
    "RunReport",
    "SummaryReport",
    "TrainingBatches",
    "TrainingReport",
    "ViewReport",
    "__version__",
    "benchmark",
    "build_detector",
    "build_evaluation",
    "build_optimizer",
    "configure",
    "correct",
    "doctor",
    "download",
    "evaluate",
    "explain",
    "export",
    "init_project",
    "inspect",
    "load",
    "make_tfrecords",
    "migrate",
    "predict",
    "push",
    "read_config",
    "restore_fine_tune_checkpoint",
    "run",
    "step_randomness",
    "studio",
    "summary",
    "train",
    "view",
]

# Name to the module that has it. The same as above, for Python, as that is for editors and type checkers.
_MODULES = {
    "BenchmarkReport": "odtk.tools.benchmark.report",
    "ConfigureReport": "odtk.tools.configure",
    "ConversionReport": "odtk.tools.make_tfrecords",
    "Detections": "odtk.detections",
    "DoctorReport": "odtk.tools.doctor",
    "DownloadReport": "odtk.tools.download",
    "EvaluationReport": "odtk.tools.evaluate",
    "ExplainReport": "odtk.tools.explain",
    "ExportReport": "odtk.tools.export",
    "ExportedDetector": "odtk.exporting.runtime",
    "InitReport": "odtk.tools.init_project",
    "Inspection": "odtk.tools.inspect.inspection",
    "Job": "odtk.queue",
    "MigrationReport": "odtk.tools.migrate",
    "Model": "odtk.exporting.model",
    "PredictReport": "odtk.tools.predict",
    "PushReport": "odtk.tools.push",
    "Queue": "odtk.queue",
    "RunReport": "odtk.tools.run",
    "SummaryReport": "odtk.tools.summary",
    "TrainingBatches": "odtk.training.own_loop",
    "TrainingReport": "odtk.tools.train",
    "ViewReport": "odtk.tools.view",
    "benchmark": "odtk.tools.benchmark",
    "build_detector": "odtk.training.own_loop",
    "build_evaluation": "odtk.training.own_loop",
    "build_optimizer": "odtk.training.own_loop",
    "configure": "odtk.tools.configure",
    "correct": "odtk.tools.correct",
    "doctor": "odtk.tools.doctor",
    "download": "odtk.tools.download",
    "evaluate": "odtk.tools.evaluate",
    "explain": "odtk.tools.explain",
    "export": "odtk.tools.export",
    "init_project": "odtk.tools.init_project",
    "inspect": "odtk.tools.inspect",
    "load": "odtk.exporting.open_model",
    "make_tfrecords": "odtk.tools.make_tfrecords",
    "migrate": "odtk.tools.migrate",
    "predict": "odtk.tools.predict",
    "push": "odtk.tools.push",
    "read_config": "odtk.training.own_loop",
    "restore_fine_tune_checkpoint": "odtk.training.own_loop",
    "run": "odtk.tools.run",
    "step_randomness": "odtk.training.own_loop",
    "studio": "odtk.web.notebook",
    "summary": "odtk.tools.summary",
    "train": "odtk.tools.train",
    "view": "odtk.tools.view",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'odtk' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
