"""The error tree: every error a user can fix is an OdtkError, whose text says what was found, expected and to do."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """An option of a command that would help, for who offers it as a button; the text says it in words."""

    command: str
    """"make-tfrecords"; empty for the command that failed."""
    option: str
    """"--boxes"."""
    value: str | None = None
    """None for a flag."""


class OdtkError(Exception):
    """An error that a user can fix; its text is the whole message, one paragraph, and the exit code is 1.

    `argument` names the keyword argument of the tool that is at fault or would change the outcome ("overwrite"), where
    there is one. The text does not speak of options: the command line appends the option of that name. `options` are
    those that would help, with their values, where these are known.
    """

    def __init__(self, *args: object, argument: str | None = None, options: Sequence[Option] = ()):
        super().__init__(*args)
        self.argument, self.options = argument, tuple(options)


class ConfigError(OdtkError):
    """A pipeline.config that cannot be read, edited or built."""


class LabelMapError(OdtkError):
    """A label map that cannot be read or has an id or a class without a name."""


class DataError(OdtkError):
    """Annotations, images or records that cannot be used."""


class CheckpointError(OdtkError):
    """A checkpoint that is absent, unreadable or does not fit the model."""


class DamagedCheckpointError(CheckpointError):
    """A checkpoint of which a file is missing or cannot be read to its end."""


class ExportError(OdtkError):
    """An exported model that does not answer as the checkpoint that it was made from."""


class OutputError(OdtkError):
    """A result that cannot be written where it was asked for."""


class ProjectError(OdtkError):
    """A project file that cannot be read, or does not say what a stage needs."""


class DownloadError(OdtkError):
    """Something that cannot be downloaded, or whose bytes are not what was expected."""
