"""When training is interrupted by an evaluation."""


class EvaluationSchedule:
    """Evaluations at multiples of `every` steps, and after the last step."""

    def __init__(self, every: int, num_steps: int):
        """`every` 0: never."""
        self._every, self._num_steps = every, num_steps

    @property
    def marks(self) -> list[int]:
        """Loops must end at multiples of these."""
        return [self._every] if self._every else []

    def is_due(self, step: int) -> bool:
        """Whether to evaluate after `step`, the end of a loop."""
        return bool(self._every) and (step % self._every == 0 or step >= self._num_steps)
