"""Detects ids that are shifted by one from the list they refer to."""

from collections.abc import Iterable


def shifted(listed: Iterable, used: Iterable) -> str | None:
    """Evidence that the ids in use are one lower or higher than those in a list, as 0 for 1; None if there is none.

    More of them are in the list if all are shifted by one; unshifted, most would refer to their neighbour.
    """
    listed, used = ({number for number in numbers if isinstance(number, int)} for numbers in (listed, used))
    for step, word in ((1, "lower"), (-1, "higher")):
        moved = {number + step for number in used}
        if len(moved & listed) > len(used & listed) and (unused := listed - used):
            unknown = min(number for number in used - listed if number + step in listed)
            example = f"{unknown} is used and not listed, {max(unused)} is listed and not used"
            return f"one {word} than its list does ({example})"
    return None
