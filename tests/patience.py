"""How long tests wait for what should come at once.

No test is timed: on a machine that has much to do, or whose disk has, a moment may become half a minute.
"""

import time
from collections.abc import Callable
from typing import TypeVar

SECONDS = 120.0
MILLISECONDS = 1000 * SECONDS  # as browsers count

_T = TypeVar("_T")


def until(condition: Callable[[], _T], seconds: float = SECONDS, pause: float = 0.01) -> _T:
    """What `condition` answers once that counts as true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {seconds:.0f} seconds"
        time.sleep(pause)
    return found
