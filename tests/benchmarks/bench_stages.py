"""What each step of a picture's way costs: where the time of one core goes before the engine.

    python tests/benchmarks/bench_stages.py            writes results/stages.json
    python tests/benchmarks/bench_stages.py --quick    fewer rounds, writes nothing

JPEGs of three sizes, at Qwen2-VL's budget of pixels: decoding, resizing, and cutting into patches (into memory that
is used again), as bytes, which the engine takes, and normalized to float32.
CPU time of one thread, stages in rotating order, medians.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import io
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from timing import interleaved

from mmkit import kernels
from mmkit.image import load_image, resize_to_recipe
from mmkit.recipes import QWEN2_VL
from mmkit.zoo.media.photos import harbour

RESULTS = Path(__file__).parent / "results" / "stages.json"
COMMAND = "python tests/benchmarks/bench_stages.py"


def stages(rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each stage, by the size of the JPEG."""
    found = {}
    for name, size in {"640x480": (640, 480), "1280x960": (1280, 960), "4000x3000": (4000, 3000)}.items():
        packed = io.BytesIO()
        harbour(1280, 960).resize(size, Image.Resampling.BICUBIC).save(packed, "JPEG", quality=90)
        data = packed.getvalue()
        pixels = load_image(data).pixels
        resized = resize_to_recipe(pixels, QWEN2_VL)
        statistics = (QWEN2_VL.mean, QWEN2_VL.std)
        floats, _ = kernels.pack_patches(resized, statistics=statistics)
        whole, _ = kernels.pack_patches(resized)
        sides: dict[str, Callable[[], object]] = {
            "decode": partial(load_image, data),
            "resize": partial(resize_to_recipe, pixels, QWEN2_VL),
            "cut, bytes": partial(kernels.pack_patches, resized, out=whole),
            "normalize and cut, float32": partial(kernels.pack_patches, resized, statistics=statistics, out=floats),
        }
        found[name] = {stage: round(value, 2) for stage, value in interleaved(sides, rounds).items()}
        print(name, found[name], flush=True)
    return found


def main() -> None:
    torch.set_num_threads(1)
    rounds = 3 if "--quick" in sys.argv else 15
    found = {"command": COMMAND, "rounds": rounds, "image: ms": stages(rounds)}
    if "--quick" not in sys.argv:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
