"""What a TPU that is reached over the network asks of a run: its hosts read the records and write the checkpoints."""

import os

from odtk.device_words import LOCAL_TPU
from odtk.errors import ConfigError, OdtkError
from odtk.tools.check_config import fixing_command
from odtk.tools.train.options import TrainingOptions

_STORE = "gs://"


def require_options(options: TrainingOptions, is_in_scope: bool = False) -> None:
    """Raises OdtkError for options that ask for what such a TPU's hosts cannot do.

    `is_in_scope`: whether it is the TPU of the caller's own strategy; else it is the options', if they name one.
    """
    hosts = _hosts(options.tpu, is_in_scope)
    if hosts is not None and options.cache is not None:
        raise OdtkError(
            f"The decoded images are in this process, and {hosts}, which read the records, cannot ask it for them. "
            "Train without keeping them.",
            argument="cache",
        )
    if hosts is not None and options.profile is not None:
        raise OdtkError(
            f"The profile is that of this process, and {hosts} compute the steps. Train without it.", argument="profile"
        )


def require_fit(
    options: TrainingOptions,
    config,
    pipeline_config: str | os.PathLike,
    model_dir: str | os.PathLike,
    is_in_scope: bool = False,
) -> None:
    """Raises OdtkError for files that such a TPU's hosts cannot read or write, and like `require_options`."""
    require_options(options, is_in_scope)
    hosts, argument = _hosts(options.tpu, is_in_scope), "tpu" if options.tpu else None
    if hosts is None:
        return
    if not os.fspath(model_dir).startswith(_STORE):
        raise OdtkError(
            f"Checkpoints would be in {os.fspath(model_dir)}, but {hosts} write them, and have no access to this "
            f"machine's disk. Give a MODEL_DIR of Google Cloud Storage, {_STORE}BUCKET/FOLDER.",
            argument=argument,
        )
    wrong = [
        path for path in config.train_input_reader.tf_record_input_reader.input_path if not path.startswith(_STORE)
    ]
    if wrong:
        fix = fixing_command(config, pipeline_config, "--train-records", f"{_STORE}BUCKET/FOLDER")
        raise ConfigError(
            f"train_input_reader.tf_record_input_reader.input_path is {wrong[0]}, but {hosts} read the records, and "
            f"have no access to this machine's disk. Copy them to Google Cloud Storage, and set: {fix}",
            argument=argument,
        )


def _hosts(tpu: str | None, is_in_scope: bool) -> str | None:
    """What reads and writes; None if it is this machine."""
    if tpu not in (None, LOCAL_TPU):
        return f"the hosts of the TPU '{tpu}'"
    return "the hosts of the TPU whose strategy is in scope" if is_in_scope else None
