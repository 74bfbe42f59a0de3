"""Which steps are logged, and in which parts of a loop they end."""

MOST_ROWS = 100
"""Of the log, from one loop."""

NEVER = 10**9
"""For a trainer of whose steps none is logged."""


def is_logged(step: int, every: int) -> bool:
    """Whether a step is logged: the first, and multiples of `every`.

    Not the first one of a resumed run, whose logs would then differ from those of one that was not interrupted.
    """
    return step == 1 or step % every == 0


def parts_of_loop(step: int, num_steps: int, every: int) -> list[int]:
    """The numbers of steps, which sum up to `num_steps`, between the multiples of `every` in a loop after `step`.

    The last part may end anywhere.
    """
    end = step + num_steps
    ends = [*range(step + every - step % every, end, every), end]
    return [after - before for before, after in zip([step, *ends], ends, strict=False)]
