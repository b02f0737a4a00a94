"""Numbers as people say them: durations, sizes, counts, ratios and lists."""

import math
from collections.abc import Sequence

from experiments.variants import VARIANTS

NARROW = "\u00a0"
"""No line is broken between a number and its unit."""


def title(variant: str, pause_s: float = 0.0) -> str:
    """`Short polling, 1 s`, `SSE` or `Socket.IO, polling`."""
    return VARIANTS[variant].title + (f", {pause_s:g}{NARROW}s" if pause_s else "")


def row_title(variant: str, pause_s: float = 0.0) -> str:
    """The same in a list of all variants, where Socket.IO's are next to each other."""
    return VARIANTS[variant].row_title + (f", {pause_s:g}{NARROW}s" if pause_s else "")


def seconds(ms: float) -> str:
    """A duration, in the unit that suits it."""
    if ms >= 999.5:
        return f"{ms / 1000:.2g}{NARROW}s" if ms < 9950 else f"{ms / 1000:.0f}{NARROW}s"
    return f"{ms:.0f}{NARROW}ms" if ms >= 9.95 else f"{ms:.1f}{NARROW}ms"


def cpu(ms: float) -> str:
    """CPU time, of which there is little: two digits that mean something."""
    return f"{ms:.2g}{NARROW}ms"


def times(ratio: float) -> str:
    """How many times as much, with as many digits as mean something."""
    return f"{ratio:.0f}" if ratio >= 9.5 else f"{ratio:.1f}"


def twice(ratio: float) -> str:
    """`twice`, or `2.5 times`."""
    return "twice" if ratio == 2 else f"{ratio:g} times"


def rate(per_second: float) -> str:
    """Messages per second, with two digits that mean something."""
    return f"{float(f'{per_second:.2g}'):g}/s"


def size(count: float) -> str:
    """A number of bytes, in the unit that suits it."""
    for unit, scale in (("MB", 1e6), ("kB", 1e3)):
        if count >= 0.9995 * scale:
            return f"{count / scale:.3g}{NARROW}{unit}"
    return f"{count:.0f}{NARROW}B"


def kilobytes(count: float) -> str:
    """The same for a number of kilobytes."""
    return size(1000 * count)


def interval(value: float, half: float, unit: str) -> str:
    """`0.0031 ± 0.0008 ms`: with as many digits as mean something beside the interval; `not measured` if it was not."""
    if value != value or half != half:
        return "not measured"
    digits = min(4, max(0, 1 - math.floor(math.log10(half)))) if half > 0 else 3
    return f"{value:.{digits}f} ± {half:.{digits}f}{NARROW}{unit}"


def count(number: float, of: str) -> str:
    """`no request`, `1 request`, `9.5 requests`."""
    rounded = f"{number:.1f}".removesuffix(".0") if number < 10 else f"{number:.0f}"
    return f"no {of}" if not number else f"{rounded} {of}{'' if rounded == '1' else 's'}"


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def client(name: str) -> str:
    """Whose readers they are, before the word "readers"."""
    return {"raw": "raw", "library": "client-library"}[name]


def network(upgrades: str) -> str:
    """What is to be said of a network that does not let WebSocket through."""
    return {"pass": "", "refuse": ", upgrade refused", "cut": ", upgrade cut"}[upgrades]


def ends(sessions: int) -> str:
    """What the bars in a chart show, by the number of sessions."""
    return "Bars: 95 % interval for another session." if sessions > 1 else "Bars: range over runs."


def slope_ends(sessions: int) -> str:
    """The same for a slope over all runs."""
    return ends(sessions) if sessions > 1 else "Bars: 95\u00a0% interval of the slope."
