"""How far losses are from others; apart from what measures them, which needs TensorFlow."""


def largest_difference(losses: dict[str, list[float]], others: dict[str, list[float]]) -> float:
    """Between the losses of all steps, by name, each relative to the other."""
    return max(abs(a - b) / abs(b) for name in others for a, b in zip(losses[name], others[name], strict=True) if b)
