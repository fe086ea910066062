"""How the cost of making inputs ready grows with their size: the exponent of a power law.

    python tests/benchmarks/bench_growth.py            writes results/growth.json
    python tests/benchmarks/bench_growth.py --quick    fewer rounds, writes nothing

Bytes in, a model's tensors out, by mmkit: JPEGs over their pixels (with a budget that shrinks none, into memory
that is used again), WAVs over their seconds (log-mel without padding), videos over theirs (H.264, 2 frames a second
taken), rows over their number (a 640 x 480 JPEG and a question each, two threads).

CPU time of one thread, sizes in rotating order, medians. The exponent is the slope of the logarithm of the time
over that of the size: 1 is linear.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import io
import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import torch
from PIL import Image
from timing import interleaved

from mmkit import audio, kernels, video
from mmkit.batch import map_ordered
from mmkit.image import load_image
from mmkit.preprocessor import MultiModalPreprocessor
from mmkit.recipes import QWEN2_VL, QWEN2_VL_VIDEO, WHISPER
from mmkit.samples import MultiModalSample
from mmkit.sizes import SmartResize
from mmkit.zoo.media.photos import harbour
from mmkit.zoo.media.videos import encode

RESULTS = Path(__file__).parent / "results" / "growth.json"
COMMAND = "python tests/benchmarks/bench_growth.py"
UNSHRUNK = replace(QWEN2_VL, resize=SmartResize(56 * 56, 64_000_000))
UNPADDED = replace(WHISPER, seconds=math.inf, pad=False)


def jpeg(height: int) -> bytes:
    packed = io.BytesIO()
    harbour(1280, 960).resize((height * 4 // 3, height), Image.Resampling.BICUBIC).save(packed, "JPEG", quality=90)
    return packed.getvalue()


def wav(seconds: int) -> bytes:
    packed = io.BytesIO()
    noise = np.random.default_rng(seconds).normal(0, 0.1, 16_000 * seconds)
    soundfile.write(packed, noise, 16_000, format="WAV")
    return packed.getvalue()


def film(seconds: int) -> bytes:
    """Texture that moves, 320 x 240 at 25 frames a second."""
    coarse = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    texture = np.kron(coarse, np.ones((8, 8, 1), np.uint8))
    frames = np.stack([np.roll(texture, (k, 2 * k), axis=(0, 1)) for k in range(25 * seconds)])
    return encode(frames, fps=25)


def picture_ready(data: bytes, out: np.ndarray) -> None:
    kernels.image_features(load_image(data).pixels, UNSHRUNK, out=out)


def memory(data: bytes) -> np.ndarray:
    """Where the features of a picture go."""
    return kernels.image_features(load_image(data).pixels, UNSHRUNK)["pixel_values"].numpy()


def sound_ready(data: bytes) -> None:
    kernels.log_mel(audio.load_audio(data).wave, UNPADDED)


def film_ready(data: bytes) -> None:
    video.features(video.load_video(data, rate=2), QWEN2_VL_VIDEO)


def rows_ready(preprocessor: MultiModalPreprocessor, data: bytes, count: int) -> None:
    samples = (MultiModalSample("What is it?", (data,)) for _ in range(count))
    for _ in map_ordered(preprocessor.to_prompt, samples):
        pass


def exponent(sizes: list[float], milliseconds: list[float]) -> float:
    """Slope of the straight line through the logarithms, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(milliseconds), 1)[0])


def main() -> None:
    torch.set_num_threads(1)
    rounds = 3 if "--quick" in sys.argv else 9
    jpegs = {side * side * 4 // 3: jpeg(side) for side in (480, 720, 960, 1440, 1920, 2880)}
    sounds = {seconds: wav(seconds) for seconds in (5, 10, 30, 60, 120, 300)}
    films = {seconds: film(seconds) for seconds in (2, 4, 8, 16, 32)}
    preprocessor, small = MultiModalPreprocessor(), jpeg(480)
    cases: dict[str, tuple[str, dict[float, Callable[[], None]]]] = {
        "image": ("pixels", {size: partial(picture_ready, data, memory(data)) for size, data in jpegs.items()}),
        "audio": ("seconds", {size: partial(sound_ready, data) for size, data in sounds.items()}),
        "video": ("seconds", {size: partial(film_ready, data) for size, data in films.items()}),
        "rows": ("rows", {n: partial(rows_ready, preprocessor, small, n) for n in (8, 16, 32, 64, 128, 256)}),
    }
    found: dict = {"command": COMMAND, "rounds": rounds}
    for what, (unit, sides) in cases.items():
        ms = list(interleaved({str(size): side for size, side in sides.items()}, rounds).values())
        found[what] = {
            "over": unit,
            "sizes": list(sides),
            "ms": [round(value, 2) for value in ms],
            "exponent": round(exponent(list(sides), ms), 2),
        }
        print(what, found[what], flush=True)
    if "--quick" not in sys.argv:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
