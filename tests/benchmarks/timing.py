"""How the benchmarks time: CPU milliseconds of this process, sides in rotating order, medians.

A row says how many times as fast as a peer mmkit is: the median, over rounds, of the peer's time by mmkit's in the
same round. A round is short, so a busy machine slows both. Beside it stands the largest difference between what the
two made: 0 means the same bits.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"
QUICK = "--quick" in sys.argv
Sides = dict[str, Callable[[], Any]]


def spent(sides: Sides, rounds: int) -> dict[str, list[float]]:
    """CPU milliseconds of each side in each round."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for work in sides.values():  # caches, plans and pages are not what is measured
        work()
        work()
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            started = time.process_time()
            sides[name]()
            found[name].append(1000 * (time.process_time() - started))
    return found


def interleaved(sides: Sides, rounds: int) -> dict[str, float]:
    """Median CPU milliseconds of each side."""
    return {name: statistics.median(values) for name, values in spent(sides, rounds).items()}


def rows(what: dict[str, str], peers: Sides, ours: Sides, rounds: int, floors: Sides | None = None) -> list[dict]:
    """A row for each of our ways, all measured in one run.

    what: our way -> what the row is called.  floors: work that no way can leave out.
    """
    floors = floors or {}
    times = spent(ours | peers | floors, rounds)
    median = {name: round(statistics.median(values), 3) for name, values in times.items()}
    made = {name: work() for name, work in peers.items()}
    found = []
    for way, called in what.items():
        result = ours[way]()
        versus = {
            peer: {
                "ms": median[peer],
                "times": round(statistics.median(t / o for t, o in zip(times[peer], times[way], strict=True)), 2),
                "difference": difference(result, made[peer]),
            }
            for peer in peers
        }
        row = {"what": called, "ms": median[way], "peers": versus, "floors": {n: median[n] for n in floors}}
        found.append(row)
        said = ", ".join(f"{v['times']} x {p} (difference {v['difference']})" for p, v in versus.items())
        print(f"{called}: {median[way]} ms; {said}", flush=True)
    return found


def difference(ours: Any, theirs: Any) -> float | str:
    """The largest absolute difference between two arrays, tensors or lists; 0 means the same."""
    a, b = np.asarray(ours), np.asarray(theirs)
    if a.shape != b.shape:
        return "another shape"
    return float(f"{np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0):.1e}")


def installed(*names: str) -> bool:
    """Are all of these packages there?  Some peers are, only after `make bench` (dependency group bench)."""
    return all(find_spec(name) is not None for name in names)


def store(name: str, about: str, found: Sequence[dict], **more: Any) -> None:
    """Write results/NAME.json, unless this was a quick run."""
    if QUICK:
        return
    RESULTS.mkdir(exist_ok=True)
    kept = {"command": f"python tests/benchmarks/bench_{name}.py", "about": about, "cores": os.cpu_count(), **more}
    (RESULTS / f"{name}.json").write_text(json.dumps(kept | {"rows": list(found)}, indent=1) + "\n", "utf-8")
