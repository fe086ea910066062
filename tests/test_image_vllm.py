"""Images against vLLM: byte patches and expanded prompts.

Oracle: vLLM's own Qwen2-VL processor, made from a model directory without weights or engine.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from mmkit.image import Picture, features
from mmkit.modalities import at_model_size
from mmkit.recipes import recipe_for
from mmkit.sizes import SmartResize
from mmkit.tokens import image_tokens

pytestmark = pytest.mark.vllm

PROMPT = "<|vision_start|><|image_pad|><|vision_end|>what?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A Qwen2-VL directory with the class's own pixel limits: config, tokenizer, processor; no weights."""
    from transformers import Qwen2VLImageProcessor

    from mmkit.zoo.vision.model import build_model, build_processor, train_tokenizer

    folder = tmp_path_factory.mktemp("qwen2-vl")
    processor = build_processor(train_tokenizer())
    processor.image_processor = Qwen2VLImageProcessor()
    processor.save_pretrained(folder)
    config = build_model(processor.tokenizer).config
    config.architectures = ["Qwen2VLForConditionalGeneration"]
    config.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def vllm(folder):
    from vllm.config import ModelConfig
    from vllm.multimodal import MULTIMODAL_REGISTRY

    config = ModelConfig(model=str(folder), dtype="float32", max_model_len=2048, limit_mm_per_prompt={"image": 2})
    return MULTIMODAL_REGISTRY.create_processor(config)


def random_sizes(count, longest, seed):
    rng = np.random.default_rng(seed)
    drawn = np.exp(rng.uniform(np.log(6), np.log(longest), (2 * count, 2))).astype(int)
    return drawn[drawn.max(axis=1) / drawn.min(axis=1) < 200][:count].tolist()


def test_byte_features_and_expanded_prompts_equal_vllm_on_300_sizes(vllm, folder):
    recipe = recipe_for(folder)
    pad = vllm.info.get_tokenizer().convert_tokens_to_ids("<|image_pad|>")
    for number, (height, width) in enumerate(random_sizes(300, 500, seed=1)):
        pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
        items = vllm.info.parse_mm_data({"image": [Image.fromarray(pixels)]})
        out = vllm(PROMPT, mm_items=items)
        theirs = {name: field.data for name, field in out["mm_kwargs"]["image"][0].items()}
        ours = features(pixels, recipe, "uint8")
        assert theirs["pixel_values"].dtype == torch.uint8
        assert torch.equal(ours["pixel_values"], theirs["pixel_values"]), (height, width)
        assert ours["image_grid_thw"][0].tolist() == theirs["image_grid_thw"].tolist()
        assert out["prompt_token_ids"].count(pad) == image_tokens(height, width, recipe), (height, width)


def test_a_picture_at_the_models_own_size_gives_the_same_prompt_and_bits(vllm, folder):
    """What MultiModalPreprocessor(resize_images=True) hands over: vLLM's own resize changes nothing."""
    recipe = recipe_for(folder)
    for number, size in enumerate([(2, 300), (31, 44), (1500, 2000), (28, 56), *random_sizes(20, 1500, seed=4)]):
        pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
        picture = Picture(pixels, (), "")
        whole, sized = (
            vllm(PROMPT, mm_items=vllm.info.parse_mm_data({"image": [Image.fromarray(p.pixels)]}))
            for p in (picture, at_model_size(picture, recipe))
        )
        assert whole["prompt_token_ids"] == sized["prompt_token_ids"]
        theirs, ours = (out["mm_kwargs"]["image"][0]["pixel_values"].data for out in (whole, sized))
        assert torch.equal(theirs, ours), size


@pytest.mark.parametrize("limits", [None, (3136, 12_845_056), (50_000, 60_000), (784, 784)])
def test_tokens_equal_vllms_own_count_on_2000_sizes(vllm, folder, limits):
    recipe, options = recipe_for(folder), {}
    if limits:
        recipe = replace(recipe, resize=SmartResize(*limits))
        options = {"size": {"shortest_edge": limits[0], "longest_edge": limits[1]}}
    info, processor = vllm.info, vllm.info.get_image_processor()
    for height, width in random_sizes(2000, 5000, seed=2):
        theirs = info.get_num_image_tokens(
            image_width=width, image_height=height, image_processor=processor,
            mm_kwargs={"images_kwargs": options} if options else {},
        )  # fmt: skip
        assert image_tokens(height, width, recipe) == theirs, (height, width)


def test_custom_limits_reach_the_expanded_prompt(vllm, folder):
    recipe = replace(recipe_for(folder), resize=SmartResize(50_000, 60_000))
    size = {"shortest_edge": 50_000, "longest_edge": 60_000}
    pad = vllm.info.get_tokenizer().convert_tokens_to_ids("<|image_pad|>")
    for height, width in random_sizes(40, 500, seed=3):
        items = vllm.info.parse_mm_data({"image": [Image.new("RGB", (width, height))]})
        out = vllm(PROMPT, mm_items=items, hf_processor_mm_kwargs={"images_kwargs": {"size": size}})
        assert out["prompt_token_ids"].count(pad) == image_tokens(height, width, recipe), (height, width)
