"""Defaults of a config's input readers that depend on other parts of the config."""

DEFAULT_MAX_NUMBER_OF_BOXES = 100


def max_number_of_boxes(reader, train_config=None) -> int:
    """The number of boxes per image that are used; others are cut off, as in TFOD. Evaluation has no `train_config`."""
    # TFOD 2 moved the field from train_config to the reader; the reader's own value takes precedence.
    for message in (reader, train_config):
        if message is not None and message.HasField("max_number_of_boxes"):
            return message.max_number_of_boxes
    return DEFAULT_MAX_NUMBER_OF_BOXES
