"""How many requests a second vLLM answers where preprocessing is the load: large JPEGs, answers of one token.

    python tests/benchmarks/bench_requests.py            writes results/requests.json
    python tests/benchmarks/bench_requests.py --quick    fewer rounds, writes nothing

One engine of tiny-qwen2-vl, one thread, batches of 8, all caches emptied before each. "vLLM": Pillow's images, as
everybody hands them over, to vLLM's own processor. "the plug-in": the same, with the processor that MMKIT_FAST=1
gives. "mmkit": files through mmkit's preprocessor (its checks, its decoder) and the plug-in; the same with
resize_images. Difference: of the tokens answered. Floors: the files decoded; vLLM asked about pictures that have
the model's own size already.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}

import copy
import io
from dataclasses import replace
from typing import Any

from PIL import Image
from timing import QUICK, rows, store

from mmkit import Engine, MultiModalSample
from mmkit.image import load_image
from mmkit.zoo.media.photos import harbour

REQUESTS, ROUNDS = 8, 3 if QUICK else 15
QUESTION = "What color is the circle?"


def pictures(width: int, height: int) -> list[bytes]:
    """JPEGs, each a little different."""
    photo = harbour(1280, 960).resize((width, height), Image.Resampling.BICUBIC)
    found = []
    for number in range(REQUESTS):
        buffer = io.BytesIO()
        photo.rotate(0, translate=(16 * number, 0)).save(buffer, "JPEG", quality=90)
        found.append(buffer.getvalue())
    return found


def decode(files: list[bytes]) -> None:
    """Each picture let go before the next: held at once, large ones cost more in fresh memory than in decoding."""
    for data in files:
        load_image(data)


class Bench:
    """An engine whose processor can be changed while it runs."""

    def __init__(self, engine: Engine):
        from vllm import SamplingParams

        from mmkit.models.fast.vllm_models import FastQwen2VLInfo

        self.engine, self.llm = engine, engine.llm
        self.info = self.llm.llm_engine.renderer.get_mm_processor().info
        self.kinds = {False: type(self.info), True: FastQwen2VLInfo}
        self.one_token = SamplingParams(max_tokens=1, temperature=0)
        self.text = engine.preprocessor.to_prompt(MultiModalSample(QUESTION, (Image.new("RGB", (64, 64)),))).text
        self.sized = copy.copy(engine.preprocessor)
        self.sized.guard = replace(self.sized.guard, resize_images=True)

    def forget(self, fast: bool) -> None:
        """Empty every cache, and choose the processor."""
        self.info.__class__ = self.kinds[fast]
        self.llm.reset_mm_cache()
        self.llm.reset_prefix_cache()
        self.llm.llm_engine.reset_encoder_cache()

    def by_vllm(self, files: list[bytes], fast: bool) -> Any:
        self.forget(fast)
        return self.asked([Image.open(io.BytesIO(data)) for data in files])

    def asked(self, images: list[Image.Image]) -> list[int]:
        prompts = [{"prompt": self.text, "multi_modal_data": {"image": image}} for image in images]
        outputs = self.llm.generate(prompts, self.one_token, use_tqdm=False)
        return [output.outputs[0].token_ids[0] for output in outputs]

    def by_mmkit(self, files: list[bytes], sized: bool) -> Any:
        self.forget(True)
        ready = self.sized if sized else self.engine.preprocessor
        prompts = [ready.to_prompt(MultiModalSample(QUESTION, (data,))).for_vllm() for data in files]
        outputs = self.llm.generate(prompts, self.one_token, use_tqdm=False)
        return [output.outputs[0].token_ids[0] for output in outputs]

    def small(self, files: list[bytes]) -> list[Image.Image]:
        return [self.sized.to_prompt(MultiModalSample(QUESTION, (data,))).items["image"][0] for data in files]

    def answered(self, images: list[Image.Image]) -> None:
        self.forget(True)
        self.asked(images)


def main() -> None:
    found = []
    with Engine(quiet=True) as engine:
        bench = Bench(engine)
        for width, height in ((1280, 960), (4000, 3000)):
            files = pictures(width, height)
            small = bench.small(files)
            peers = {"vLLM": lambda files=files: bench.by_vllm(files, False)}
            ways = {
                "plug-in": lambda files=files: bench.by_vllm(files, True),
                "mmkit": lambda files=files: bench.by_mmkit(files, False),
                "sized": lambda files=files: bench.by_mmkit(files, True),
            }
            case = f"{REQUESTS} requests, {width}x{height} JPEG"
            what = {
                "plug-in": f"{case}, the plug-in",
                "mmkit": f"{case}, mmkit and the plug-in",
                "sized": f"{case}, mmkit, resize_images and the plug-in",
            }
            floors = {
                "decode alone": lambda files=files: decode(files),
                "vLLM alone": lambda small=small: bench.answered(small),
            }
            found += rows(what, peers, ways, ROUNDS, floors)
    store("requests", __doc__.splitlines()[0], found, rounds=ROUNDS)


if __name__ == "__main__":
    main()
