"""The shipped tiny-reader in vLLM and in transformers: token for token the same; the course's own print is read.

Oracle: transformers, as in test_zoo_parity.py. Typefaces are those of test_zoo_reader.py, so the share of right
answers is not the stored score: that is measured on held-out families by `python -m mmkit.zoo.scores tiny-reader`.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmkit import MultiModalPreprocessor, MultiModalSample, shipped
from mmkit.engine import Engine
from mmkit.zoo.media import prints
from mmkit.zoo.reader import batches
from mmkit.zoo.reader.model import QUESTIONS, SIDE
from mmkit.zoo.worlds import labels, receipts
from mmkit.zoo.worlds.pages import draw_page
from tests.test_zoo_reader import FACES

DATA = Path(__file__).parents[1] / "data"
COUNT = 40


@pytest.fixture(scope="module")
def folder():
    return Path(shipped.resolve("tiny-reader"))


def draw_questions(seed: int = 3) -> list[tuple[str, Image.Image, str]]:
    """(question, picture, right answer) on held-out texts; every third about a receipt."""
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    asked = []
    for number in range(COUNT):
        gh, gw = batches.receipt_grid(rng) if number % 3 == 2 else batches.label_grid(rng)
        if number % 3 == 2:
            receipt = receipts.sample_receipt(rng, gw * SIDE, gh * SIDE, held_out=True)
            question = receipts.ask(rng, rng.choice(receipt.fields))
            asked.append((question.text, Image.fromarray(draw_page(receipt.page, noise)), question.answer))
        else:
            label = labels.sample_label(rng, gw * SIDE, gh * SIDE, held_out=True)
            asked.append((rng.choice(QUESTIONS), Image.fromarray(draw_page(label.page, noise)), label.text))
    return asked


@pytest.mark.vllm
def test_vllm_and_transformers_say_the_same_tokens(folder, monkeypatch):
    from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

    monkeypatch.setattr(labels, "faces", lambda held_out: FACES)
    asked = draw_questions()
    prompts = [
        f"<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n"
        for question, _, _ in asked
    ]
    inputs = [
        {"prompt": prompt, "multi_modal_data": {"image": picture}}
        for prompt, (_, picture, _) in zip(prompts, asked, strict=True)
    ]
    with Engine(folder) as engine:
        from vllm import SamplingParams

        said = engine.llm.generate(inputs, SamplingParams(temperature=0, max_tokens=40), use_tqdm=False)
        shown = {
            (name, question): engine.ask(question, images=[DATA / name]).text
            for name, question in (
                ("label.png", "What does the text say?"),
                ("price_tag.jpg", "What does the text say?"),
                *(("receipt.png", f"What is the {label.lower()}?") for label in ("Date", "Total")),
                *(("receipt.png", f"What does the {label.lower()} cost?") for label in ("Bread", "Cake", "Juice")),
            )
        }
    assert shown["label.png", "What does the text say?"] == "Honey cake"
    assert shown["price_tag.jpg", "What does the text say?"] == "$18.60"
    read = [value in {shown[name, q] for name, q in shown if label.lower() in q} for label, value in prints.ROWS]
    assert all(read)  # bread, cake, juice, date and total of a receipt

    model = Qwen2VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    processor, ours = AutoProcessor.from_pretrained(folder), MultiModalPreprocessor(folder)
    right = 0
    for prompt, (question, picture, answer), output in zip(prompts, asked, said, strict=True):
        tokens = torch.tensor(output.outputs[0].token_ids)
        inputs = processor(text=[prompt], images=[picture], return_tensors="pt")
        assert inputs["input_ids"][0].tolist() == list(output.prompt_token_ids)
        assert ours.cost(MultiModalSample(question, images=[picture])).total == len(output.prompt_token_ids)
        length = inputs["input_ids"].shape[1]
        inputs["input_ids"] = torch.cat((inputs["input_ids"], tokens[None]), 1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        kinds = inputs["mm_token_type_ids"]
        inputs["mm_token_type_ids"] = torch.cat((kinds, torch.zeros(1, len(tokens), dtype=kinds.dtype)), 1)
        with torch.no_grad():
            logits = model(**inputs).logits[0, length - 1 : -1]
        assert logits.argmax(-1).tolist() == tokens.tolist(), answer
        right += output.outputs[0].text == answer
    assert right >= 0.6 * COUNT
