"""What it costs to decode in a worker process (mmkit/isolation.py), against decoding here.

    python tests/benchmarks/bench_isolation.py

CPU time of both processes together, one item at a time, mean of 60; the worker's start is not counted.
"""

from __future__ import annotations

import io
import os
import resource
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from mmkit.audio import load_audio
from mmkit.image import load_image
from mmkit.isolation import Isolation
from mmkit.video import load_video
from tests.media_factory import movie, sound, track

ROUNDS = 60


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


def milliseconds(work: Callable[[], Any], children: list[int]) -> float:
    work()
    began = cpu(children)
    for _ in range(ROUNDS):
        work()
    return 1000 * (cpu(children) - began) / ROUNDS


def main() -> None:
    cases: dict[str, tuple[Callable[..., Any], bytes]] = {
        "JPEG 640 x 480": (load_image, photo(640, 480)),
        "JPEG 1280 x 960": (load_image, photo(1280, 960)),
        "WAV 5 s": (load_audio, sound("WAV", None, 1, 80_000)),
        "M4A 0.5 s": (load_audio, track("m4a", "aac")),
        "MP4 120 frames of 128 x 96": (load_video, movie("mp4", "libx264", 120)),
    }
    isolation = Isolation()
    isolation.run(load_image, photo(64, 64))
    children = [pid for worker in isolation._all for pid in worker._processes]
    for name, (load, data) in cases.items():
        here = milliseconds(lambda load=load, data=data: load(data), children)
        there = milliseconds(lambda load=load, data=data: isolation.run(load, data), children)
        print(f"{name:28} here {here:6.2f} ms, isolated {there:6.2f} ms: {there / here:.2f}x")
    isolation.__exit__()


if __name__ == "__main__":
    main()
