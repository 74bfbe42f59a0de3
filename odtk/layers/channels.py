"""Numbers of channels of networks that come in several widths."""


def divisible_by_8(filters: float) -> int:
    """The multiple of 8 nearest to this number of channels, but at least 8 and no more than a tenth below it.

    That of the authors of MobileNet and EfficientNet, who call it make_divisible and round_filters.
    """
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * filters else rounded + 8
