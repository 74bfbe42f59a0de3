"""Dataclasses of numbers and arrays as JSON data."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

_DIGITS = 6


def as_json(value: Any) -> Any:
    """Dataclasses, mappings, sequences, arrays and numbers as JSON data: six decimals, None for NaN and infinity."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: as_json(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_json(each) for key, each in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return as_json(value.tolist())
    if isinstance(value, float):
        return round(value, _DIGITS) if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return [as_json(each) for each in value]
