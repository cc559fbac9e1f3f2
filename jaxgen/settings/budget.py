"""When a budget of seconds is spent: the rule by which training ends, and by which others see that it has."""

import math

# Files tell seconds in milliseconds.
_ROUNDING = 1e-3


def is_spent(budget: float, seconds: float, step: int, steps_per_dispatch: int, under_way: int = 0) -> bool:
    """Whether a run ends here: half of one more dispatch would go beyond the budget.

    Args:
      budget: seconds of training steps, 0 for none.
      seconds: spent so far.
      step: how many steps there are.
      steps_per_dispatch: how many go on at once.
      under_way: of them those that `seconds` does not know yet; they are taken to be like those before.
    """
    if not budget or not step:
        return False
    done = step - under_way
    expected = (seconds + _ROUNDING) * (step + steps_per_dispatch / 2) / done if done else math.inf
    return expected >= budget
