"""The accelerated processors. Oracle: transformers' own, and vLLM without the plug-in."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, CLIPImageProcessor, Qwen2VLImageProcessor, WhisperFeatureExtractor

from mmkit import shipped
from mmkit.models.fast import accelerate


def picture(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


PICTURES = [
    [picture(1, 1)],
    [picture(640, 480)],
    [picture(64, 48, "L")],  # not what the fast path knows: the parent's way
    [picture(64, 48, "RGBA")],
    [picture(100, 60), picture(60, 100), picture(100, 60, seed=1)],
    [np.asarray(picture(70, 50))],  # HWC
    [torch.from_numpy(np.asarray(picture(70, 50)).copy()).permute(2, 0, 1)],  # CHW
]
OPTIONS = [
    {},
    {"do_normalize": False, "do_rescale": False},  # what vLLM asks for
    {"do_normalize": False},
    {"do_resize": False},
    {"rescale_factor": 1 / 127.5},
    {"patch_size": 16, "image_mean": [0.5] * 3, "image_std": [0.5] * 3},  # Qwen3-VL's numbers
    {"size": {"shortest_edge": 28 * 28, "longest_edge": 28 * 28 * 16}},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_pictures_have_the_same_bits(options):
    plain = Qwen2VLImageProcessor()
    fast = accelerate(plain)
    assert type(plain) is Qwen2VLImageProcessor
    for images in PICTURES:
        if options.get("do_resize") is False:
            images = [picture(112, 56)]
        theirs, ours = plain(images, return_tensors="pt", **options), fast(images, return_tensors="pt", **options)
        assert ours.keys() == theirs.keys()
        for name in ours:
            assert ours[name].dtype == theirs[name].dtype
            assert torch.equal(ours[name], theirs[name]), (name, images)


@pytest.mark.parametrize("options", [{}, {"padding": False}, {"padding": "longest"}], ids=str)
@pytest.mark.parametrize("bands", [80, 128])
def test_sound_is_equal_to_1e_5(bands, options):
    plain = WhisperFeatureExtractor(feature_size=bands)
    fast = accelerate(plain)
    rng = np.random.default_rng(0)
    waves = [rng.standard_normal(n).astype(np.float32) * 0.1 for n in (399, 16_001, 500_000)]
    silent, spoiled = np.zeros(8_000, np.float32), np.array([0.1, np.nan] * 400, np.float32)
    batches = [[wave] for wave in (*waves, silent, spoiled)] + (
        [waves[:2]] if options != {"padding": False} else []
    )
    for batch in batches:
        theirs, ours = (f(batch, sampling_rate=16_000, return_tensors="pt", **options) for f in (plain, fast))
        torch.testing.assert_close(
            ours["input_features"], theirs["input_features"], rtol=0, atol=1e-5, equal_nan=True
        )


def test_a_whole_processor_and_one_without_a_twin():
    processor = AutoProcessor.from_pretrained(shipped.resolve("tiny-qwen2-vl"))
    fast = accelerate(processor)
    assert type(processor.image_processor) is Qwen2VLImageProcessor  # the one handed over did not change
    arguments = {
        "text": [f"<|vision_start|>{processor.image_token}<|vision_end|>?"],
        "images": [picture(90, 70)],
        "return_tensors": "pt",
    }
    theirs, ours = processor(**arguments), fast(**arguments)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    clip = CLIPImageProcessor()
    assert type(accelerate(clip)) is CLIPImageProcessor


SCRIPT = """
import json, random, sys
from mmkit import Engine, MultiModalSample
from mmkit.models.fast import plugin
plugin.register()  # as vLLM does in each of its processes, by the entry point
import numpy as np
from PIL import Image
rng = np.random.default_rng(0)
said = {}
with Engine("tiny-qwen2-vl") as engine:
    names = ["circle_and_square", "three_shapes"]
    samples = [MultiModalSample(q, (f"data/{n}.png",)) for n in names for q in ("How many shapes?", "Describe.")]
    said["picture"] = [a.token_ids for a in engine.answer(samples)]
    info = engine.llm.llm_engine.model_config
    from vllm.multimodal import MULTIMODAL_REGISTRY
    processor = MULTIMODAL_REGISTRY.create_processor(info).info.get_hf_processor()
    said["class"] = type(processor.image_processor).__name__
with Engine("tiny-whisper") as engine:
    said["clip"] = engine.ask("", audios=["data/three_one_four.wav"]).token_ids
    processor = MULTIMODAL_REGISTRY.create_processor(engine.llm.llm_engine.model_config).info.get_hf_processor()
    said["extractor"] = type(processor.feature_extractor).__name__
print(json.dumps(said))
"""


@pytest.mark.vllm
def test_vllm_answers_the_same_with_the_plug_in():
    def run(fast: str) -> dict:
        env = os.environ | {"MMKIT_FAST": fast}
        out = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, check=True, timeout=500
        )
        return json.loads(out.stdout.splitlines()[-1])

    plain, fast = run("0"), run("1")
    assert (plain.pop("class"), fast.pop("class")) == ("Qwen2VLImageProcessor", "FastQwen2VLImageProcessor")
    assert (plain.pop("extractor"), fast.pop("extractor")) == (
        "WhisperFeatureExtractor",
        "FastWhisperFeatureExtractor",
    )
    assert plain == fast
