"""Into how many equal micro-batches a batch can be cut."""


def divisors(number: int) -> list[int]:
    """All of them, in order."""
    return [each for each in range(1, number + 1) if number % each == 0]


def finer(per_replica: int, micro_batches: int) -> int | None:
    """Twice as many micro-batches of a replica's images, or the next number that divides them; None if each has one."""
    more = [each for each in divisors(per_replica) if each > micro_batches]
    return next((each for each in more if each >= 2 * micro_batches), more[-1] if more else None)
