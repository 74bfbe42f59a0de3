"""The range of steps of `odtk train --profile FIRST:LAST`."""

import re

from odtk.errors import OdtkError


def profiled_steps(text: str) -> tuple[int, int]:
    """The first and the last step of "10:20". Raises OdtkError for anything else than 1 <= FIRST <= LAST."""
    match = re.fullmatch(r"\s*(\d{1,15})\s*:\s*(\d{1,15})\s*", str(text))
    first, last = map(int, match.groups()) if match else (0, 0)
    if not 1 <= first <= last:
        raise OdtkError(
            f"The steps to profile are {text!r}; they are FIRST:LAST, both counted from 1, such as 10:20.",
            argument="profile",
        )
    return first, last


def require_within(steps: tuple[int, int], num_steps: int) -> None:
    """Raises OdtkError unless a run of so many steps has them."""
    first, last = steps
    if last > num_steps:
        raise OdtkError(
            f"The steps {first} to {last} are to be profiled, but the run ends at step {num_steps}. Choose steps "
            "before its end, best behind the first ones, which compile.",
            argument="profile",
        )
