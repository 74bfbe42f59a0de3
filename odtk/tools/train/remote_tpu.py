"""What a TPU that is reached over the network asks of a run: its hosts read the records and write the checkpoints."""

import os

from odtk.device_words import LOCAL_TPU
from odtk.errors import ConfigError, OdtkError
from odtk.tools.check_config import fixing_command
from odtk.tools.train.options import TrainingOptions

_STORE = "gs://"


def is_remote(tpu: str | None) -> bool:
    """Whether `tpu` is one that is reached over the network."""
    return tpu not in (None, LOCAL_TPU)


def require_fit(
    options: TrainingOptions, config, pipeline_config: str | os.PathLike, model_dir: str | os.PathLike
) -> None:
    """Raises OdtkError for what such a TPU's hosts cannot read or write, or cannot be asked for."""
    if not is_remote(options.tpu):
        return
    hosts = f"the hosts of the TPU '{options.tpu}'"
    if options.profile is not None:
        raise OdtkError(
            f"The profile is that of this process, and {hosts} compute the steps. Train without it.", argument="profile"
        )
    if not os.fspath(model_dir).startswith(_STORE):
        raise OdtkError(
            f"Checkpoints would be in {os.fspath(model_dir)}, but {hosts} write them, and have no access to this "
            f"machine's disk. Give a MODEL_DIR of Google Cloud Storage, {_STORE}BUCKET/FOLDER.",
            argument="tpu",
        )
    wrong = [
        path for path in config.train_input_reader.tf_record_input_reader.input_path if not path.startswith(_STORE)
    ]
    if wrong:
        fix = fixing_command(config, pipeline_config, "--train-records", f"{_STORE}BUCKET/FOLDER")
        raise ConfigError(
            f"train_input_reader.tf_record_input_reader.input_path is {wrong[0]}, but {hosts} read the records, and "
            f"have no access to this machine's disk. Copy them to Google Cloud Storage, and set: {fix}",
            argument="tpu",
        )
