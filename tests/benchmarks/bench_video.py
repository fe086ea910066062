"""How fast 16 of 300 frames come out of a file, against a plain decode with PyAV and with OpenCV.

    python tests/benchmarks/bench_video.py            writes results/video.json
    python tests/benchmarks/bench_video.py --quick    fewer rounds, writes nothing

CPU time of one thread, functions interleaved in rotating order, median of the ratios of each round. The films
are 640 x 360 pixels of moving texture with noise, H.264 with B-frames (x264's defaults), a key frame every 250
or every 30 frames. All frames are checked: mmkit's are bit-equal to PyAV's, and bear their index.
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np

from mmkit.video import load_video
from mmkit.zoo.media.videos import encode, paint_index, read_index

RESULTS = Path(__file__).parent / "results" / "video.json"
COMMAND = "python tests/benchmarks/bench_video.py"
FRAMES, COUNT, HEIGHT, WIDTH = 300, 16, 360, 640
WANTED = np.linspace(0, FRAMES - 1, COUNT, dtype=int).tolist()


def film(key_frames: int) -> bytes:
    """Texture that moves at different speeds, with noise: neither still nor chaos."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (HEIGHT // 8 + 1, WIDTH // 8 + 1, 3), dtype=np.uint8)
    texture = np.kron(coarse, np.ones((8, 8, 1), np.uint8))[:HEIGHT, :WIDTH].astype(np.int16)
    frames = np.empty((FRAMES, HEIGHT, WIDTH, 3), dtype=np.uint8)
    for index, frame in enumerate(frames):
        moved = np.roll(texture, (index, 3 * index), axis=(0, 1))
        moved[HEIGHT // 2 :] = np.roll(texture, -2 * index, axis=1)[HEIGHT // 2 :]
        noisy = moved + rng.integers(-10, 11, moved.shape, dtype=np.int16)
        frame[...] = np.clip(noisy, 0, 255)
        paint_index(frame, index)
    return encode(frames, fps=25, options={"g": str(key_frames), "crf": "23"})


def by_pyav(data: bytes) -> np.ndarray:
    wanted, kept = set(WANTED), []
    with av.open(io.BytesIO(data)) as container:
        container.streams.video[0].thread_type = "NONE"
        for index, frame in enumerate(container.decode(video=0)):
            if index in wanted:
                kept.append(frame.to_ndarray(format="rgb24"))
            if index == WANTED[-1]:
                break
    return np.stack(kept)


def by_opencv(data: bytes) -> np.ndarray:
    wanted, kept = set(WANTED), []
    capture = cv2.VideoCapture(io.BytesIO(data), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    for index in range(WANTED[-1] + 1):
        capture.grab()
        if index in wanted:
            kept.append(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB))
    return np.stack(kept)


def by_mmkit(data: bytes) -> np.ndarray:
    return load_video(data, count=COUNT).frames


WAYS: dict[str, Callable[[bytes], np.ndarray]] = {"mmkit": by_mmkit, "pyav": by_pyav, "opencv": by_opencv}


def measure(data: bytes, rounds: int) -> dict:
    """Median milliseconds of each way, and the median over rounds of (peer / mmkit)."""
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    names = list(WAYS)
    for turn in range(rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            started = time.process_time()
            WAYS[name](data)
            seconds[name].append(time.process_time() - started)
    kept = {name: values[1:] for name, values in seconds.items()}  # the first round warms up
    ratios = {
        f"times_faster_than_{name}": round(
            statistics.median(peer / own for peer, own in zip(kept[name], kept["mmkit"], strict=True)), 2
        )
        for name in names[1:]
    }
    return {"ms": {name: round(1000 * statistics.median(v), 1) for name, v in kept.items()}, **ratios}


def main() -> None:
    cv2.setNumThreads(1)
    quick = "--quick" in sys.argv
    report = {"command": COMMAND, "task": f"{COUNT} of {FRAMES} frames, {WIDTH} x {HEIGHT}, H.264 with B-frames"}
    for key_frames in (250, 30):
        data = film(key_frames)
        assert np.array_equal(by_mmkit(data), by_pyav(data)), "not bit-equal"
        assert [read_index(frame) for frame in by_mmkit(data)] == WANTED
        report[f"key frame every {key_frames}"] = {"bytes": len(data), **measure(data, 3 if quick else 15)}
    print(json.dumps(report, indent=2))
    if not quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
