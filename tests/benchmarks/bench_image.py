"""How fast bytes become features, against transformers, vLLM, qwen-vl-utils and torchvision.

    python tests/benchmarks/bench_image.py            all; writes results/image.json
    python tests/benchmarks/bench_image.py --quick    fewer rounds, writes nothing

Bytes in, tensor out, one picture at a time, one thread. Peers open the file with Pillow, as they do for everybody;
"decoded by torchvision" is the quickest way that transformers leaves open. vLLM's processor also makes the prompt.
Floors: the JPEG decoded and nothing more; a constant written into memory of the result's size.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from PIL import Image
from timing import QUICK, installed, rows, store
from transformers import (
    CLIPImageProcessor,
    CLIPImageProcessorPil,
    Qwen2VLImageProcessor,
    Qwen2VLImageProcessorPil,
)

from mmkit import kernels
from mmkit.image import load_image
from mmkit.recipes import CLIP, QWEN2_VL, QWEN2_VL_2B_INSTRUCT, ImageRecipe
from mmkit.zoo.media.photos import harbour

ROUNDS = 5 if QUICK else 31
SIZES = {"1280x960 JPEG": (1280, 960, "JPEG"), "640x480 JPEG": (640, 480, "JPEG"), "640x480 PNG": (640, 480, "PNG")}
LARGE = {"4000x3000 JPEG": (4000, 3000, "JPEG")}
BYTES = {"do_normalize": False, "do_rescale": False}


def encoded(width: int, height: int, form: str) -> bytes:
    buffer = io.BytesIO()
    harbour(1280, 960).resize((width, height), Image.Resampling.BICUBIC).save(
        buffer, form, **({"quality": 90} if form == "JPEG" else {})
    )
    return buffer.getvalue()


def ours(data: bytes, recipe: ImageRecipe, dtype: Any = "float32") -> dict[str, Callable[[], Any]]:
    """Our two ways: into new memory, and into an array that the caller keeps."""
    first = kernels.image_features(load_image(data).pixels, recipe, dtype)["pixel_values"]
    kept = np.empty(first.shape, dtype)
    return {
        "new": lambda: kernels.image_features(load_image(data).pixels, recipe, dtype)["pixel_values"],
        "reused": lambda: kernels.image_features(load_image(data).pixels, recipe, dtype, kept)["pixel_values"],
    }


def floors(data: bytes, result: Any) -> dict[str, Callable[[], Any]]:
    memory = np.empty(result.shape, str(result.dtype).removeprefix("torch."))
    return {"decode alone": lambda: load_image(data), "memory write alone": lambda: memory.fill(1)}


def by_pillow(processor: Callable, data: bytes, **options: object) -> Callable[[], Any]:
    return lambda: processor(Image.open(io.BytesIO(data)), return_tensors="pt", **options)["pixel_values"]


def by_torchvision(processor: Callable, data: bytes) -> Callable[[], Any]:
    read = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    mode = torchvision.io.ImageReadMode.RGB
    return lambda: processor(torchvision.io.decode_image(read, mode), return_tensors="pt")["pixel_values"]


def by_qwen_vl_utils(processor: Callable, data: bytes) -> Callable[[], Any]:
    from qwen_vl_utils import process_vision_info

    limits = {"min_pixels": QWEN2_VL.resize.min_pixels, "max_pixels": QWEN2_VL.resize.max_pixels}

    def work() -> Any:
        content = [{"type": "image", "image": Image.open(io.BytesIO(data)), **limits}]
        images, _ = process_vision_info([{"role": "user", "content": content}])
        return processor(images, return_tensors="pt")["pixel_values"]

    return work


def by_torchvision_v2(data: bytes) -> Callable[[], Any]:
    """CLIP's preprocessing written with torchvision.transforms.v2, as open_clip and many training scripts do."""
    from torchvision.transforms import v2

    steps = v2.Compose(
        [
            v2.Resize(224, v2.InterpolationMode.BICUBIC, antialias=True),
            v2.CenterCrop(224),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(CLIP.mean, CLIP.std),
        ]
    )
    read = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    return lambda: steps(torchvision.io.decode_image(read, torchvision.io.ImageReadMode.RGB))[None]


def vllm_processor(folder: Path) -> Callable[[bytes], Any]:
    """vLLM's own processor of a Qwen2-VL directory, without weights or engine."""
    from vllm.config import ModelConfig
    from vllm.multimodal import MULTIMODAL_REGISTRY

    from mmkit.zoo.vision.model import build_model, build_processor, train_tokenizer

    processor = build_processor(train_tokenizer())
    processor.image_processor = Qwen2VLImageProcessor()
    processor.save_pretrained(folder)
    config = build_model(processor.tokenizer).config
    config.architectures = ["Qwen2VLForConditionalGeneration"]
    config.save_pretrained(folder)
    vllm = MULTIMODAL_REGISTRY.create_processor(
        ModelConfig(model=str(folder), dtype="float32", max_model_len=2048, limit_mm_per_prompt={"image": 1})
    )

    def work(data: bytes) -> Any:
        items = vllm.info.parse_mm_data({"image": [Image.open(io.BytesIO(data))]})
        made = vllm("<|vision_start|><|image_pad|><|vision_end|>?", mm_items=items)
        return made["mm_kwargs"]["image"][0]["pixel_values"].data

    return work


def main() -> None:
    torch.set_num_threads(1)
    qwen, qwen_pil = Qwen2VLImageProcessor(), Qwen2VLImageProcessorPil()
    clip, clip_pil = CLIPImageProcessor(), CLIPImageProcessorPil()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        vllm = vllm_processor(Path(folder))
        for name, size in SIZES.items():
            data = encoded(*size)
            mine = ours(data, QWEN2_VL)
            peers = {"transformers": by_pillow(qwen, data), "transformers, Pillow": by_pillow(qwen_pil, data)}
            if size[2] == "JPEG":
                peers["transformers, decoded by torchvision"] = by_torchvision(qwen, data)
            if installed("qwen_vl_utils"):
                peers["qwen-vl-utils"] = by_qwen_vl_utils(qwen, data)
            what = {
                "new": f"Qwen2-VL float32, {name}, new memory",
                "reused": f"Qwen2-VL float32, {name}, output reused",
            }
            found += rows(what, peers, mine, ROUNDS, floors(data, mine["new"]()))
            mine = ours(data, QWEN2_VL, "uint8")
            peers = {"vLLM": lambda data=data: vllm(data), "transformers": by_pillow(qwen, data, **BYTES)}
            what = {
                "new": f"Qwen2-VL uint8, {name}, new memory",
                "reused": f"Qwen2-VL uint8, {name}, output reused",
            }
            found += rows(what, peers, mine, ROUNDS, floors(data, mine["new"]()))
            mine = ours(data, CLIP)
            peers = {"transformers": by_pillow(clip, data), "transformers, Pillow": by_pillow(clip_pil, data)}
            if size[2] == "JPEG":
                peers["torchvision v2, decoded by torchvision"] = by_torchvision_v2(data)
            found += rows({"new": f"CLIP 224, {name}"}, peers, mine, ROUNDS, floors(data, mine["new"]()))
    limits = QWEN2_VL_2B_INSTRUCT.resize
    hub = Qwen2VLImageProcessor(
        size={"shortest_edge": limits.min_pixels, "longest_edge": limits.max_pixels},
    )
    for name, size in LARGE.items():
        data = encoded(*size)
        mine = ours(data, QWEN2_VL_2B_INSTRUCT)
        what = {
            "new": f"Qwen2-VL-2B-Instruct float32, {name}, new memory",
            "reused": f"Qwen2-VL-2B-Instruct float32, {name}, output reused",
        }
        peers = {"transformers": by_pillow(hub, data)}
        found += rows(what, peers, mine, max(3, ROUNDS // 4), floors(data, mine["new"]()))
    store("image", __doc__.splitlines()[0], found, rounds=ROUNDS)


if __name__ == "__main__":
    main()
