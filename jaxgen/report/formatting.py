"""Numbers as people read them: to their uncertainty, times, counts."""

import math


def decimals(error: float) -> int:
    """Decimals that show an uncertainty to two digits, or to one from 0.3 on (of 1, 10, ...): 0.152 -> 2, 0.71 -> 1."""
    exponent = math.floor(math.log10(error))
    leading = error / 10**exponent
    return -exponent + (1 if leading < 2.95 else 0)


def rounded(value: float | None, error: float | None = None) -> str:
    """A value to the digits that its uncertainty leaves it. To four digits where none is known."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if error is not None and error > 0 and math.isfinite(error):
        places = decimals(error)
        if value and abs(value) < 1e-4 and places > 6:
            return _signed(f"{value:.2g}")
        places = min(places, 12)
        return _signed(f"{round(value, places) + 0.0:,.{max(places, 0)}f}")
    return significant(value)


def significant(value: float | None, digits: int = 4) -> str:
    """A value to so many digits, without an exponent between 1e-4 and 1e6."""
    if value is None or not math.isfinite(value):
        return rounded(value)
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if -5 < exponent < 6:
        if float(value).is_integer():
            return _signed(f"{value:,.0f}")
        text = f"{value:,.{max(digits - 1 - exponent, 0)}f}"
        return _signed(text.rstrip("0").rstrip(".") if "." in text else text)
    return _signed(f"{value:.{digits - 1}e}")


def interval(low: float | None, high: float | None, error: float | None) -> str:
    """`[low, high]` to the digits of the mean's."""
    return "" if low is None else f"[{rounded(low, error)}, {rounded(high, error)}]"


def probability(p: float | None) -> str:
    """A p-value."""
    if p is None:
        return "–"
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}" if p < 0.995 else "p = 1"


def duration(seconds: float | None) -> str:
    """Seconds as hours, minutes and seconds, two of them."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def large(value: float | None, unit: str = "") -> str:
    """A count with k, M, G, T: 347072 -> 347 k."""
    if value is None or not math.isfinite(value):
        return "–"
    for power, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= power:
            return f"{significant(value / power, 3)} {prefix}{unit}"
    return f"{significant(value, 3)} {unit}".rstrip()


def percent(share: float) -> str:
    """A share as percent, to two digits below ten."""
    return f"{100 * share:.0f}%" if abs(share) >= 0.1 else f"{100 * share:.2g}%"


def _signed(text: str) -> str:
    return text.replace("-", "−")


def finite(value: object) -> float | None:
    """A value of a file, if it is a finite number."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None
