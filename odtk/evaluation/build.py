"""Builds the evaluation that a pipeline.config describes, for `odtk evaluate` and for training alike."""

from collections.abc import Callable

from odtk.detectors.detector import Detector
from odtk.evaluation.collecting import ResultsCollector
from odtk.evaluation.evaluator import Evaluator
from odtk.evaluation.metrics_sets import build_categories, build_evaluators
from odtk.evaluation.run import nothing_measured, run_evaluation
from odtk.evaluation.scoring import Evaluation
from odtk.evaluation.sharing import ALONE, Sharing, part_of
from odtk.evaluation.step import EvaluationStep, evaluation_step
from odtk.hardware import on_this_machine
from odtk.inputs.bad_boxes import BadBoxes
from odtk.inputs.bad_records import BadRecordFilter
from odtk.inputs.build import build_eval_dataset, build_fault_finder, count_images, record_files
from odtk.inputs.record_errors import naming_the_record
from odtk.inputs.skipped_records import BadRecord
from odtk.protos import pipeline_pb2
from odtk.records.box_errors import ImageWithBadBoxes

DEFAULT_MAX_BAD_RECORDS = 100


class ConfiguredEvaluation:
    """Evaluates a detector, any number of times, by a config's eval_config and on its first eval_input_reader.

    The dataset and the step, whose tracing takes seconds, are made once; in a strategy's scope they use its replicas.
    Records are read by this process, also for a TPU over the network; those that cannot be used are skipped, up to a
    limit, and logged when they are first met.
    """

    def __init__(
        self,
        config: pipeline_pb2.TrainEvalPipelineConfig,
        detector: Detector,
        *,
        max_images: int | None = None,
        max_bad_records: int = DEFAULT_MAX_BAD_RECORDS,
        log: Callable[[str], None] = lambda line: None,
        sharing: Sharing = ALONE,
        step: EvaluationStep | None = None,
    ):
        """`max_images`: see build_eval_dataset. With `max_bad_records` 0 the first bad record raises.

        `step` is what is asked for detections, None for the detector itself (see outside_models for others).
        Of several processes (see Sharing) each has its own limit, for the records that it prepares.
        """
        self._config, self._detector, self._reader = config, detector, config.eval_input_reader[0]
        self._bad_boxes = BadBoxes(log)
        self._categories = build_categories(config, detector.num_classes)
        self._with_loss = not config.eval_config.use_dummy_loss_in_eval
        with on_this_machine():  # they call Python to skip and count bad records
            self._filter = BadRecordFilter(max_bad_records, log) if max_bad_records else None
            self._dataset = build_eval_dataset(
                config,
                detector.resize,
                detector.num_classes,
                record_filter=self._filter,
                bad_boxes=self._bad_boxes,
                max_images=max_images,
                part=part_of(sharing),
            )
        self._step = step or evaluation_step(detector, self._dataset, self._with_loss)
        self._sharing = sharing
        self.num_images = count_images(self._reader, max_images)
        """Including records that cannot be used; None if they are in an object store."""

    @property
    def bad_records(self) -> list[BadRecord]:
        """Those that were skipped."""
        return self._filter.bad_records if self._filter else []

    @property
    def bad_boxes(self) -> list[ImageWithBadBoxes]:
        """Images that were evaluated without some of their boxes."""
        return self._bad_boxes.images

    def run(
        self,
        advance: Callable[[int], None] = lambda num_images: None,
        on_batch: Callable | None = None,
        collect: bool = False,
    ) -> Evaluation:
        """Evaluates the present weights; `advance` and `on_batch` are called for each batch, see run_evaluation.

        With `collect` the evaluation has its `results`: what was found on each image, and where its pixels are.
        Raises DataError for too many records that cannot be used.
        """

        def checked_advance(num_images: int) -> None:
            advance(num_images)
            if self._filter:
                self._filter.check()

        collector = ResultsCollector(self._categories, record_files(self._reader)) if collect else None
        with naming_the_record(build_fault_finder(self._reader, self._detector.num_classes)):
            answer = run_evaluation(
                self._detector,
                self._dataset,
                self.new_evaluators(),
                checked_advance,
                step=self._step,
                on_batch=on_batch,
                sharing=self._sharing,
                collector=collector,
            )
        if self._filter:
            self._filter.finish()
        return answer

    def nothing_measured(self) -> Evaluation:
        """An evaluation on no images, which has the names of everything that is measured."""
        return nothing_measured(self._detector, self.new_evaluators(), self._with_loss)

    def new_evaluators(self) -> list[Evaluator]:
        """One of each of the config's metrics sets, to measure something else as these do."""
        return list(build_evaluators(self._config.eval_config, self._categories))
