"""How fast bytes become features, against transformers' processors.

    python tests/benchmarks/bench_image.py            all; writes results/image.json
    python tests/benchmarks/bench_image.py --quick    fewer rounds, writes nothing

Bytes in, tensor out. transformers: Pillow opens and decodes, the torchvision-backed processor does the rest.
CPU time of one thread. In each round every side takes the same picture, in an order that rotates; the ratio is
that of the medians, above 1 where mmkit is faster. `equal`: the two results have the same bits.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from timing import interleaved
from transformers import CLIPImageProcessor, Qwen2VLImageProcessor

from mmkit import kernels
from mmkit.image import load_image
from mmkit.recipes import CLIP, QWEN2_VL, QWEN2_VL_2B_INSTRUCT
from mmkit.zoo.media.photos import harbour

RESULTS = Path(__file__).parent / "results" / "image.json"
COMMAND = "python tests/benchmarks/bench_image.py"
SIZES = {"1280x960 jpg": (1280, 960, "JPEG"), "640x480 jpg": (640, 480, "JPEG"), "640x480 png": (640, 480, "PNG")}
LARGE = {"4000x3000 jpg": (4000, 3000, "JPEG")}


def encoded(width: int, height: int, form: str) -> bytes:
    buffer = io.BytesIO()
    harbour(1280, 960).resize((width, height), Image.Resampling.BICUBIC).save(
        buffer, form, **({"quality": 90} if form == "JPEG" else {})
    )
    return buffer.getvalue()


def row(what: str, data: bytes, recipe, dtype: str, theirs: Callable[[bytes], dict], rounds: int) -> dict:
    def ours(data: bytes) -> dict:
        return kernels.image_features(load_image(data).pixels, recipe, dtype)

    a, b = ours(data), theirs(data)
    milliseconds = interleaved({"mmkit": lambda: ours(data), "transformers": lambda: theirs(data)}, rounds)
    found = {
        "what": what,
        "ms": {name: round(value, 2) for name, value in milliseconds.items()},
        "ratio": round(milliseconds["transformers"] / milliseconds["mmkit"], 2),
        "equal": torch.equal(a["pixel_values"], b["pixel_values"]),
    }
    print(found, flush=True)
    return found


def main() -> None:
    torch.set_num_threads(1)
    quick = "--quick" in sys.argv
    rounds = 5 if quick else 25
    qwen, clip = Qwen2VLImageProcessor(), CLIPImageProcessor()
    edges = {
        "shortest_edge": QWEN2_VL_2B_INSTRUCT.resize.min_pixels,
        "longest_edge": QWEN2_VL_2B_INSTRUCT.resize.max_pixels,
    }
    hub = Qwen2VLImageProcessor(size=edges)

    def with_pillow(processor: Callable, **options: object) -> Callable[[bytes], dict]:
        return lambda data: processor(Image.open(io.BytesIO(data)), return_tensors="pt", **options)

    rows = []
    for name, size in SIZES.items():
        data = encoded(*size)
        rows.append(row(f"qwen2-vl float32, {name}", data, QWEN2_VL, "float32", with_pillow(qwen), rounds))
        raw = with_pillow(qwen, do_normalize=False, do_rescale=False)
        rows.append(row(f"qwen2-vl uint8, {name}", data, QWEN2_VL, "uint8", raw, rounds))
        rows.append(row(f"clip, {name}", data, CLIP, "float32", with_pillow(clip), rounds))
    for name, size in LARGE.items():
        what = f"qwen2-vl-2b-instruct float32, {name}"
        rows.append(
            row(what, encoded(*size), QWEN2_VL_2B_INSTRUCT, "float32", with_pillow(hub), max(3, rounds // 5))
        )
    if not quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps({"command": COMMAND, "rounds": rounds, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
