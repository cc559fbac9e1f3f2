"""Which way a metric is better: "lower", "higher", a number such as "0.5" (the nearer to it the better), or "none"."""

import math


def target(direction: object) -> float | None:
    """The value that is best, where a direction names one. None for the other directions and for what is none."""
    if not isinstance(direction, str | int | float) or isinstance(direction, bool):
        return None
    try:
        value = float(direction)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def is_ranked(direction: object) -> bool:
    """Whether one value is better than another by this direction."""
    return direction in ("lower", "higher") or target(direction) is not None


def distance(direction: object, value: float) -> float:
    """The value, or how far it is from the best one, where the direction names that: what tests compare."""
    best = target(direction)
    return value if best is None else abs(value - best)


def loss(direction: object, value: float) -> float:
    """What is lower the better the value is. Where neither is better, high values go first."""
    return distance(direction, value) if direction == "lower" or target(direction) is not None else -value
