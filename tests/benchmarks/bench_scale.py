"""What is promised of many rows, measured; results/scale.json keeps it.

    python tests/benchmarks/bench_scale.py [memory] [nodes] [workers]      (all, where none is named)

memory   50,000 rows streamed through `answer_rows`, JSONL in and out, with its journal: resident memory and CPU
nodes    5,000 rows, 100 of them hostile, over two Ray nodes: the driver killed by -9, then a node lost
workers  pictures made ready by one worker over Ray, and by two: what mmkit.scale.plan says of the second from the
         first. Both workers, the driver and the nodes share the cores that are free (two busy loops say how many)

The engine behind `memory` and `nodes` is a stand-in (tests/stand_in.py): nothing of a model is measured here.
"""

from __future__ import annotations

import contextlib
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from mmkit import scale
from mmkit.rows import answer_rows
from tests.ray_cluster import two_nodes
from tests.scale_rows import write_rows
from tests.stand_in import StandIn

RESULTS = Path(__file__).parent / "results" / "scale.json"
EVERY = 5000
BATCH = 16


# ------------------------------------------------------------------------------------------------------- memory


def memory(rows: int = 50_000) -> dict[str, Any]:
    """In a process of its own, so that nothing else lives in it."""
    command = [sys.executable, __file__, "--memory", str(rows)]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    points = json.loads(made.stdout)
    numbers, resident, cpu = zip(*points, strict=True)
    exponent = np.polyfit(np.log(numbers), np.log(cpu), 1)[0]
    return {
        "rows": list(numbers),
        "resident MB": [round(value / 1e6, 1) for value in resident],
        "grown from the first to the last by": round(resident[-1] / resident[0] - 1, 4),
        "cpu seconds": [round(value, 2) for value in cpu],
        "exponent of cpu over rows": round(float(exponent), 3),
    }


def streamed(rows: int) -> None:
    """Answer so many rows and print (rows, resident bytes, CPU seconds) after each 5,000."""
    points, me = [], psutil.Process()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "rows"
        folder.mkdir()
        write_rows(folder, rows, rows // 50)

        class Watched(StandIn):
            def answers(self, samples: Iterable[Any], **asked: Any) -> Any:
                began = time.process_time()
                for number, result in enumerate(super().answers(samples, **asked), 1):
                    yield result
                    if number % EVERY == 0:
                        points.append((number, me.memory_info().rss, time.process_time() - began))

        answer_rows(folder / "in.jsonl", folder / "out.jsonl", Watched(folder))
    print(json.dumps(points))


# -------------------------------------------------------------------------------------------------------- nodes


def nodes() -> dict[str, Any]:
    from tests.test_scale import kill_and_lose

    with two_nodes() as cluster, tempfile.TemporaryDirectory() as place:
        return kill_and_lose(cluster, Path(place), rows=5000, hostile=100, seconds=0.004)


# ------------------------------------------------------------------------------------------------------ workers


def cpu_seconds() -> dict[str, float]:
    """CPU time so far: of the workers, and of all else that a run needs (this process, the nodes, the readers)."""
    spent = {"workers": 0.0, "others": 0.0}
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            whose = "workers" if "MapWorker" in " ".join(process.cmdline()) else "others"
            spent[whose] += sum(process.cpu_times()[:2])
    return spent


def cores_free(seconds: float = 1.5) -> float:
    """How many cores two busy loops get just now: 2 on a machine with nothing else to do."""
    code = f"import time; e = time.perf_counter() + {seconds}\nwhile time.perf_counter() < e: pass\n" + (
        "print(time.process_time())"
    )
    loops = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    return sum(float(loop.communicate()[0]) for loop in loops) / seconds


def measure(folder: Path, workers: int) -> dict[str, float]:
    """One run in its steady state, from the first block's arrival to the last's."""
    job = scale.Preparing("tiny-qwen2-vl", str(folder))
    arrivals, before, after = [], {}, {}
    for _ in scale.run(folder / "in.jsonl", job, workers=workers, batch=BATCH).iter_rows():
        arrivals.append(time.perf_counter())
        if len(arrivals) == BATCH + 1:
            before = cpu_seconds()
        if len(arrivals) % BATCH == 1:
            after = cpu_seconds()
    rows = len(arrivals) - 2 * BATCH  # from the second block's arrival to the last block's
    return {
        "rows per second": rows / (arrivals[-BATCH] - arrivals[BATCH]),
        "cpu of a worker": (after["workers"] - before["workers"]) / rows,
        "cpu of all else": (after["others"] - before["others"]) / rows,
    }


def workers(rows: int = 640, rounds: int = 2) -> dict[str, Any]:
    with two_nodes() as cluster, tempfile.TemporaryDirectory() as place, scale.cluster(cluster.address):
        folder = Path(place)
        noise = np.random.default_rng(0)
        for n in range(8):
            coarse = noise.integers(0, 256, (60, 80, 3), dtype=np.uint8)
            packed = io.BytesIO()
            Image.fromarray(coarse).resize((1280, 960), Image.Resampling.BICUBIC).save(packed, "JPEG", quality=90)
            (folder / f"{n}.jpg").write_bytes(packed.getvalue())
        lines = [json.dumps({"id": n, "text": "What?", "images": [f"{n % 8}.jpg"]}) for n in range(rows)]
        (folder / "in.jsonl").write_text("\n".join(lines) + "\n")
        made = [in_turn(folder) for _ in range(rounds)]
    off = [run["predicted"] / run["two workers"] - 1 for run in made]
    return {"rows": rows, "off by, median": round(statistics.median(off), 3), "runs": made}


def in_turn(folder: Path) -> dict[str, float]:
    """One worker, then two, and what the machine can give: rows a second, measured and predicted."""
    one = measure(folder, 1)
    before = cores_free()
    two = measure(folder, 2)
    cores = (before + cores_free()) / 2
    stages = [
        scale.Stage("prepare", 1 / one["rows per second"], workers=2, cpu=one["cpu of a worker"]),
        scale.Stage("all else", one["cpu of all else"], cpu=one["cpu of all else"]),
    ]
    predicted, _ = scale.throughput(stages, cores)
    found = {
        "one worker": one["rows per second"],
        "its cpu seconds a row": one["cpu of a worker"],
        "of all else": one["cpu of all else"],
        "cores free": cores,
        "predicted": predicted,
        "two workers": two["rows per second"],
    }
    print(found, file=sys.stderr)
    return {name: round(value, 5) for name, value in found.items()}


def main() -> None:
    if sys.argv[1:2] == ["--memory"]:
        streamed(int(sys.argv[2]))
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["command"] = "python tests/benchmarks/bench_scale.py"
    for part in (memory, nodes, workers):
        if part.__name__ in (sys.argv[1:] or ("memory", "nodes", "workers")):
            results[part.__name__] = part()
            print(json.dumps({part.__name__: results[part.__name__]}, indent=1))
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
