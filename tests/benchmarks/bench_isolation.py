"""What it costs to decode in a worker process (mmkit/isolation.py), against decoding here.

    python tests/benchmarks/bench_isolation.py

CPU time of both processes together, one item at a time, both ways in turn: medians of the times and of their
ratios. The worker's start is not counted. What is decoded in the caller's own process is shown as if it were not.
"""

from __future__ import annotations

import functools
import io
import os
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from mmkit.audio import load_audio
from mmkit.image import load_image
from mmkit.isolation import Isolation
from mmkit.video import load_video
from tests.media_factory import movie, sound, track

ROUNDS, SECONDS = 9, 0.3


def photo(width: int, height: int) -> bytes:
    """A smooth JPEG."""
    coarse = np.random.default_rng(0).integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    packed = io.BytesIO()
    Image.fromarray(coarse).resize((width, height)).save(packed, "JPEG", quality=90)
    return packed.getvalue()


def cpu(children: list[int]) -> float:
    """Seconds of CPU of this process and of some children, which Linux counts in ticks."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    total = own.ru_utime + own.ru_stime
    for pid in children:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def milliseconds(work: Callable[[], Any], children: list[int], times: int) -> float:
    began = cpu(children)
    for _ in range(times):
        work()
    return 1000 * (cpu(children) - began) / times


def main() -> None:
    cases: dict[str, tuple[Callable[..., Any], bytes]] = {
        "JPEG 640 x 480": (load_image, photo(640, 480)),
        "JPEG 1280 x 960": (load_image, photo(1280, 960)),
        "WAV 5 s": (load_audio, sound("WAV", None, 1, 80_000)),
        "M4A 0.5 s": (load_audio, track("m4a", "aac")),
        "M4A 30 s": (load_audio, track("m4a", "aac", samples=48_000 * 30)),
        "MP4 120 frames of 128 x 96": (load_video, movie(frames=120)),
        "MP4 16 of 120 frames of 1280 x 720": (
            functools.partial(load_video, count=16),
            movie(frames=120, size=(720, 1280)),
        ),
    }
    isolation = Isolation()
    isolation.run(load_image, photo(64, 64))
    children = [worker.process.pid for worker in isolation._all]
    for name, (load, data) in cases.items():
        isolation.run(load, data)
        load(data)
        began = time.perf_counter()
        load(data)
        times = max(2, round(SECONDS / (time.perf_counter() - began)))
        here, there = [], []
        for _ in range(ROUNDS):
            here.append(milliseconds(lambda load=load, data=data: load(data), children, times))
            there.append(milliseconds(lambda load=load, data=data: isolation.run(load, data), children, times))
        ratio = statistics.median(b / a for a, b in zip(here, there, strict=True))
        times = f"here {statistics.median(here):6.2f} ms, isolated {statistics.median(there):6.2f} ms"
        print(f"{name:36} {times}: {ratio:.2f}x")
    isolation.__exit__()


if __name__ == "__main__":
    main()
