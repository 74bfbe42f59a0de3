"""The error tree: every error a user can fix is an OdtkError, whose text says what was found, expected and to do."""


class OdtkError(Exception):
    """An error that a user can fix; its text is the whole message, one paragraph, and the exit code is 1.

    `argument` names the keyword argument of the tool that is at fault or would change the outcome ("overwrite"), where
    there is one. The text does not speak of options: the command line appends the option of that name.
    """

    def __init__(self, *args: object, argument: str | None = None):
        super().__init__(*args)
        self.argument = argument


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
