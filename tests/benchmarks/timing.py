"""How the benchmarks time: CPU milliseconds, sides in rotating order, medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def interleaved(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median CPU milliseconds of each side."""
    spent: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for work in sides.values():  # caches, plans and pages are not what is measured
        work()
        work()
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            started = time.process_time()
            sides[name]()
            spent[name].append(1000 * (time.process_time() - started))
    return {name: statistics.median(values) for name, values in spent.items()}
