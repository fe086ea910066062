"""How soon real vLLM answers.  (What its batches and caches save: bench_caches.py.)

    python tests/benchmarks/bench_engine.py        writes results/engine.json

Wall seconds for what a person waits for: the import, the start, the first answer.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results" / "engine.json"
COMMAND = "python tests/benchmarks/bench_engine.py"


def seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    started = clock()
    work()
    return clock() - started


def main() -> None:
    from mmkit.engine import ENVIRONMENT, Engine

    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)

    def import_vllm() -> None:
        from vllm import LLM  # noqa: F401

    rng = np.random.default_rng(0)

    def picture(side: int) -> np.ndarray:
        return rng.integers(0, 256, (side, side, 3), dtype=np.uint8)

    question = "How many shapes are there?"
    waited = {"import of vLLM": seconds(import_vllm, time.perf_counter)}
    with Engine() as engine:
        first, other = picture(112), picture(112)
        waited["start to first answer"] = seconds(lambda: engine.ask(question, images=[first]), time.perf_counter)
        waited["an answer after that"] = seconds(lambda: engine.ask(question, images=[other]), time.perf_counter)
        engine.close()
    with Engine() as engine:
        waited["second start in the same process"] = seconds(
            lambda: engine.ask(question, images=[first]), time.perf_counter
        )
    result = {
        "command": COMMAND,
        "cores": os.cpu_count(),
        "seconds": {name: round(value, 1) for name, value in waited.items()},
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
