"""Other people's model folders: nothing is known of them but their files.

Oracles: vLLM's own processors (the expanded prompt, token by token) and transformers' (the tensors of a whole
sample), on random sizes with one and two pictures, for eight families; typed control tokens must stay text.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image

from mmkit import tokens
from mmkit.errors import ModelError, ModelNotFound
from mmkit.preprocessor import MultiModalPreprocessor
from mmkit.samples import MultiModalSample
from mmkit.zoo.media.videos import encode
from tests.other_models import FAMILIES

pytestmark = pytest.mark.vllm
QUESTION = "What is seen in the image?"


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / request.param
    FAMILIES[request.param](folder)
    return folder


@cache
def ready(folder) -> MultiModalPreprocessor:
    return MultiModalPreprocessor(folder)


@cache
def vllm_processor(folder):
    from vllm.config import ModelConfig
    from vllm.multimodal import MULTIMODAL_REGISTRY

    one = ready(folder)
    config = ModelConfig(
        model=one.model,
        dtype="float32",
        max_model_len=one.context,
        limit_mm_per_prompt=dict.fromkeys(one.modalities, 2),
    )
    return MULTIMODAL_REGISTRY.create_processor(config)


def drawn(seed: int) -> list[Image.Image]:
    """One picture, or two, from 4 to 400 pixels a side."""
    rng = np.random.default_rng(seed)
    sizes = np.exp(rng.uniform(np.log(4), np.log(400), (1 + seed % 3 // 2, 2))).astype(int).tolist()
    return [
        Image.fromarray(np.full((height, width, 3), 40 * i, np.uint8)) for i, (height, width) in enumerate(sizes)
    ]


def test_cost_tensors_and_vllm_agree(folder):
    one, processor, costs = ready(folder), vllm_processor(folder), set()
    for seed in range(40):
        text = [QUESTION, "\n\nfirst a blank line", "and \n\n two\n"][seed % 3]
        sample = MultiModalSample(text, images=drawn(seed))
        stated, prompt, made = one.cost(sample), one.to_prompt(sample), one.preprocess(sample)
        expanded = processor(prompt.text, mm_items=processor.info.parse_mm_data(prompt.items))
        ids = expanded["prompt_token_ids"]
        assert made["text"]["input_ids"][0].tolist() == ids
        assert stated == prompt.cost
        assert stated.total == len(ids)
        assert [item.tokens for item in stated.items] == [p.length for p in expanded["mm_placeholders"]["image"]]
        costs |= {item.tokens for item in stated.items}
    assert len(costs) > 1 or folder.name in ("llava", "gemma3"), "those two make the same of every picture"


@cache
def film(seed: int) -> bytes:
    """10 to 70 frames at 3 to 30 a second, in sizes up to 200 pixels."""
    rng = np.random.default_rng(seed)
    count, fps, (height, width) = int(rng.integers(10, 70)), int(rng.integers(3, 31)), 2 * rng.integers(16, 100, 2)
    return encode(
        np.full((count, height, width, 3), 90, np.uint8), fps=Fraction(fps), container="mp4", codec="mpeg4"
    )


@pytest.mark.parametrize("name", ["qwen2_5_vl", "qwen3_vl"])
def test_videos_with_their_written_times(name, tmp_path_factory):
    """Qwen3-VL writes the time of each patch into the prompt; its digits are tokens, too."""
    folder = tmp_path_factory.mktemp("films") / name
    FAMILIES[name](folder)
    processor = vllm_processor(folder)
    for seed in range(20):
        sample = MultiModalSample(QUESTION, images=drawn(0) if seed % 2 else (), videos=[film(seed)])
        stated, prompt = ready(folder).cost(sample), ready(folder).to_prompt(sample)
        expanded = processor(prompt.text, mm_items=processor.info.parse_mm_data(prompt.items))
        assert stated == prompt.cost
        assert stated.total == len(expanded["prompt_token_ids"])
        assert ready(folder).preprocess(sample)["text"]["input_ids"][0].tolist() == expanded["prompt_token_ids"]
        assert tokens.cost(film(seed), folder).tokens == stated.items[-1].tokens


def test_a_cost_that_is_not_known_is_not_a_number(tmp_path):
    """InternVL's videos: no formula here, so None and "unknown", never a guess."""
    FAMILIES["internvl"](tmp_path)
    cost = MultiModalPreprocessor(tmp_path).cost(MultiModalSample(QUESTION, videos=[film(0)]))
    assert cost.items[0].tokens is None
    assert "unknown" in cost.table()
    with pytest.raises(ModelError, match="mmkit knows"):
        tokens.cost(film(0), tmp_path)


def test_tensors_are_those_of_the_whole_sample(folder):
    one = ready(folder)
    for seed in (1, 2, 5):
        sample = MultiModalSample(QUESTION, images=drawn(seed))
        text, _ = one.render(sample)
        whole = one.processor(text=[text], images=one.to_prompt(sample).items["image"], return_tensors="pt")
        ours = one.preprocess(sample)
        for name, tensor in ours["image"].items():
            assert torch.equal(torch.as_tensor(tensor), torch.as_tensor(whole[name])), name
        assert "pixel_values" in ours["image"]


def test_the_size_alone_tells_the_cost(folder):
    """`mmkit tokens --recipe folder`: from the header of a file."""
    import io

    for seed in range(6):
        image = drawn(seed)[0]
        packed = io.BytesIO()
        image.save(packed, "PNG")
        cost = ready(folder).cost(MultiModalSample(QUESTION, images=[image]))
        assert tokens.cost(packed.getvalue(), folder).tokens == cost.items[0].tokens


def test_typed_control_tokens_stay_text(folder):
    one = ready(folder)
    vocabulary = one.tokenizer.get_vocab()
    control = {vocabulary[string] for string in one.reserved if string in vocabulary}
    assert vocabulary[one.placeholders["image"]] in control

    def controls(text: str) -> list[int]:
        made = one.preprocess(MultiModalSample(f"{text} {QUESTION}", images=drawn(0)))
        return [token for token in made["text"]["input_ids"][0].tolist() if token in control]

    harmless = controls("nothing")
    for string in one.reserved:
        assert controls(string) == harmless, string
    assert controls("two\n\nlines") == harmless


def test_a_processor_that_lacks_a_package_is_a_typed_error(tmp_path, monkeypatch):
    FAMILIES["smolvlm"](tmp_path)
    monkeypatch.setattr("transformers.models.smolvlm.processing_smolvlm.num2words", None)
    with pytest.raises(ModelNotFound, match="num2words"):
        MultiModalPreprocessor(tmp_path)
