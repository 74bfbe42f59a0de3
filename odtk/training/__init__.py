"""Training: one task for every detector, on official.core and Orbit."""

import logging

from absl import logging as absl_logging


def _is_worth_logging(record: logging.LogRecord) -> bool:
    """False for one traceback: that tensorflow-metadata's generated code is newer than the installed protobuf."""
    error = record.exc_info[1] if record.exc_info else None
    return not (type(error).__name__ == "VersionError" and "tensorflow_metadata/" in str(error))


# official.core imports tensorflow-datasets, and that imports tensorflow-metadata, which fails with Colab's protobuf and
# all that TensorFlow 2.19 allows. tensorflow-datasets logs 60 lines of traceback and continues; odtk uses neither.
# Nothing outside this package imports official (`make lint` checks it), so the filter is always installed first.
absl_logging.get_absl_logger().addFilter(_is_worth_logging)
