"""What of the schema odtk implements: every other option that a config sets is refused, never ignored.

A table goes by message type, so that an option has one entry wherever its message is used. `PIPELINE` is the table of
training, evaluation and their inputs; each detector family has its own for `model` (see odtk.detectors.family).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from google.protobuf.message import Message

from odtk.errors import ConfigError

NOT_IMPLEMENTED = "odtk does not implement it"

FINE_TUNE_TYPES = ("full", "detection", "classification")
"""The fine_tune_checkpoint_types of TFOD 2; a detector may have fewer."""


@dataclass(frozen=True)
class Fields:
    """How the fields of a message are treated if a config sets them: any field without an entry is refused.

    `implemented` has their names, between spaces. `without_effect` are those that change nothing in TFOD 2 either,
    with the reason. `refused` has the reason, if it is not NOT_IMPLEMENTED.
    """

    implemented: str = ""
    without_effect: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Of the fields that are implemented."""
        return self.implemented.split()


Options = Mapping[str, Fields]
"""Message type to its fields; tables are combined with `|`, where the right one's row for a message overrides."""

_TF1 = "it belongs to TFOD's TensorFlow 1 trainer"
_SPEED = "it changes how TFOD schedules the work, not what comes out"
_PICTURES = "it is about pictures that odtk does not write while it evaluates"
_PRECISION_AT_RECALL = "it is for precision_at_recall_detection_metrics, which odtk does not have"

PIPELINE: Options = {
    "TrainEvalPipelineConfig": Fields("model train_config train_input_reader eval_config eval_input_reader"),
    "TrainConfig": Fields(
        """batch_size data_augmentation_options optimizer gradient_clipping_by_norm fine_tune_checkpoint
        fine_tune_checkpoint_type fine_tune_checkpoint_version from_detection_checkpoint num_steps
        add_regularization_loss max_number_of_boxes use_bfloat16 freeze_variables""",
        without_effect={
            "sync_replicas": _TF1,
            "replicas_to_aggregate": _TF1,
            "startup_delay_steps": _TF1,
            "keep_checkpoint_every_n_hours": _TF1,
            "load_all_detection_checkpoint_vars": _TF1,
            "bias_grad_multiplier": _TF1,
            "batch_queue_capacity": _TF1,
            "num_batch_queue_threads": _TF1,
            "prefetch_queue_capacity": _TF1,
            "run_fine_tune_checkpoint_dummy_computation": "odtk builds the model before it restores, in every case",
            "unpad_groundtruth_tensors": "odtk's targets are the same with and without padding",
            "retain_original_images": "odtk keeps no second copy of the training images",
        },
    ),
    "Optimizer": Fields("momentum_optimizer rms_prop_optimizer adam_optimizer use_moving_average moving_average_decay"),
    "MomentumOptimizer": Fields("learning_rate momentum_optimizer_value"),
    "RMSPropOptimizer": Fields("learning_rate momentum_optimizer_value decay epsilon"),
    "AdamOptimizer": Fields("learning_rate epsilon"),
    "LearningRate": Fields("""constant_learning_rate exponential_decay_learning_rate manual_step_learning_rate
        cosine_decay_learning_rate"""),
    "ConstantLearningRate": Fields("learning_rate"),
    "ExponentialDecayLearningRate": Fields("""initial_learning_rate decay_steps decay_factor staircase
        burnin_learning_rate burnin_steps min_learning_rate"""),
    "ManualStepLearningRate": Fields("initial_learning_rate schedule warmup"),
    "LearningRateSchedule": Fields("step learning_rate"),
    "CosineDecayLearningRate": Fields(
        "learning_rate_base total_steps warmup_learning_rate warmup_steps hold_base_rate_steps"
    ),
    "InputReader": Fields(
        """label_map_path shuffle shuffle_buffer_size filenames_shuffle_buffer_size num_epochs
        sample_1_of_n_examples num_readers read_block_length tf_record_input_reader max_number_of_boxes
        drop_remainder sample_from_datasets_weights""",
        without_effect={
            "name": "it only names the reader",
            "num_parallel_batches": _SPEED,
            "num_prefetch_batches": _SPEED,
            "queue_capacity": _SPEED,
            "min_after_dequeue": _SPEED,
            "prefetch_size": _SPEED,
            "num_parallel_map_calls": _SPEED,
            "load_instance_masks": "this model predicts boxes; masks in the records are ignored",
            "mask_type": "this model predicts boxes; masks in the records are ignored",
            "include_source_id": "odtk always reads it",
            "use_display_name": "class names are looked up by name and by display_name in any case, as in TFOD",
        },
        refused={
            "num_keypoints": "it is about keypoints, and this model predicts boxes",
        },
    ),
    "TFRecordInputReader": Fields("input_path"),
    "EvalConfig": Fields(
        """batch_size metrics_set use_moving_averages include_metrics_per_category
        all_metrics_per_category super_categories use_dummy_loss_in_eval""",
        without_effect={
            "num_examples": "TFOD 2 ignores it: evaluation always covers the whole input",
            "max_evals": _TF1,
            "eval_interval_secs": "`odtk evaluate` evaluates once, when it is asked to",
            "eval_master": _TF1,
            "save_graph": _TF1,
            "export_path": _TF1,
            "num_visualizations": _PICTURES,
            "visualization_export_dir": _PICTURES,
            "min_score_threshold": _PICTURES,
            "max_num_boxes_to_visualize": _PICTURES,
            "skip_scores": _PICTURES,
            "skip_labels": _PICTURES,
            "visualize_groundtruth_boxes": _PICTURES,
            "groundtruth_box_visualization_color": _PICTURES,
            "keep_image_id_for_visualization_export": _PICTURES,
            "retain_original_images": _PICTURES,
        },
        refused={
            "parameterized_metric": "it is about keypoints, and this model predicts boxes",
            "keypoint_edge": "it is about keypoints, and this model predicts boxes",
            "eval_instance_masks": "it is about masks, and this model predicts boxes",
            "recall_lower_bound": _PRECISION_AT_RECALL,
            "recall_upper_bound": _PRECISION_AT_RECALL,
            "ignore_groundtruth": "there would be nothing to measure (`odtk predict` detects without groundtruth)",
        },
    ),
}

# Tables of their own have augmentation, beside its functions, and the model, which each family has for itself.
ELSEWHERE = ("data_augmentation_options", "model")


class Option(NamedTuple):
    """A field that is set: its dotted path, and why it is not supported or has no effect."""

    path: str
    reason: str


def unsupported(message: Message, path: str = "", options: Options = PIPELINE) -> list[Option]:
    """Fields that `message`, at `path` in its config, sets to something other than their default and that odtk lacks.

    `options` is the table that goes with it.
    """
    return _classify(message, path, options)[0]


def without_effect(message: Message, path: str = "", options: Options = PIPELINE) -> list[Option]:
    """Fields that `message` sets and that change nothing in TFOD 2 or here, with the reason."""
    return _classify(message, path, options)[1]


def refuse_unsupported(message: Message, path: str = "", options: Options = PIPELINE) -> None:
    """Raises ConfigError that names every unsupported field of a message, whose path in its config is `path`."""
    found = unsupported(message, path, options)
    if found:
        names = "; ".join(path + (f" ({why})" if why != NOT_IMPLEMENTED else "") for path, why in found)
        raise ConfigError(
            f"The config sets what odtk does not implement: {names}. Remove {'it' if len(found) == 1 else 'them'}, "
            "or train this model with TFOD; odtk never ignores an option that would change the numbers."
        )


def _classify(message: Message, path: str, options: Options) -> tuple[list[Option], list[Option]]:
    row = options.get(message.DESCRIPTOR.name, Fields())
    refused, idle = [], []
    for spec, value in message.ListFields():
        here = f"{path}.{spec.name}" if path else spec.name
        if spec.name in row.without_effect:
            if not _is_default(spec, value):
                idle.append(Option(here, row.without_effect[spec.name]))
        elif spec.name in row.names:
            for child_path, child in _children(spec, value, here):
                more_refused, more_idle = _classify(child, child_path, options)
                refused += more_refused
                idle += more_idle
        elif not _is_default(spec, value):
            refused.append(Option(here, row.refused.get(spec.name, NOT_IMPLEMENTED)))
    return refused, idle


def _children(spec, value, path: str):
    if not _is_message(spec) or _is_map(spec) or spec.name in ELSEWHERE:
        return []
    if _is_repeated(spec):
        return [(f"{path}[{index}]", child) for index, child in enumerate(value)]
    return [(path, value)]


def _is_default(spec, value) -> bool:
    return not _is_message(spec) and not _is_repeated(spec) and value == spec.default_value


def _is_message(spec) -> bool:
    return spec.message_type is not None


def _is_map(spec) -> bool:
    return _is_message(spec) and spec.message_type.GetOptions().map_entry


def _is_repeated(spec) -> bool:
    return spec.is_repeated if hasattr(spec, "is_repeated") else spec.label == spec.LABEL_REPEATED
