"""How soon real vLLM answers, and what batching and its caches save.

    python tests/benchmarks/bench_engine.py        writes results/engine.json

Wall seconds for what a person waits for (the import, the start, the first answer); for the rest CPU time, in rounds
whose sides alternate, and the ratio of their medians. Batches and repeats hold the same questions.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results" / "engine.json"
COMMAND = "python tests/benchmarks/bench_engine.py"
PROMPTS = 32
ROUNDS = 7


def seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    started = clock()
    work()
    return clock() - started


def ratio_of_medians(sides: dict[str, Callable[[], object]]) -> float:
    """First side by second, CPU time, alternating."""
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, work in sides.items():
            spent[name].append(seconds(work, time.process_time))
    slow, fast = (statistics.median(values) for values in spent.values())
    return round(slow / fast, 1)


def main() -> None:
    from mmkit.engine import ENVIRONMENT, Engine
    from mmkit.preprocessor import MultiModalSample

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
    seen = picture(640)
    with Engine() as engine:
        waited["second start in the same process"] = seconds(
            lambda: engine.ask(question, images=[first]), time.perf_counter
        )

        def samples() -> list[MultiModalSample]:
            return [MultiModalSample(question, (picture(112),)) for _ in range(PROMPTS)]

        ratios = {
            f"{PROMPTS} questions in one batch, against one at a time": ratio_of_medians(
                {
                    "alone": lambda: [engine.answer([sample]) for sample in samples()],
                    "batch": lambda: engine.answer(samples()),
                }
            ),
            "the same picture again, against a new one (640 x 640)": ratio_of_medians(
                {
                    "new": lambda: engine.ask(question, images=[picture(640)]),
                    "again": lambda: engine.ask(question, images=[seen]),
                }
            ),
        }
    result = {
        "command": COMMAND,
        "cores": os.cpu_count(),
        "seconds": {name: round(value, 1) for name, value in waited.items()},
        "ratios": ratios,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
