"""The shipped tiny-qwen2-vl in vLLM and in transformers: token for token the same, batched and alone.

Oracle: transformers. Greedy decoding there gives vLLM's tokens exactly if, fed with prompt and answer, each
token of the answer has the highest logit at its place: one forward a question instead of one a token.
"""

import json
import random

import numpy as np
import pytest
import torch
from PIL import Image

from mmkit import shipped
from mmkit.engine import Engine
from mmkit.zoo.scores import weights_hash
from mmkit.zoo.vision.batches import sample_size
from mmkit.zoo.vision.conversation import reword
from mmkit.zoo.vision.model import MAX_FRAMES
from mmkit.zoo.worlds import charts, second_renderer, shapes

QUESTIONS = 400
IMAGE, VIDEO = "<|vision_start|><|image_pad|><|vision_end|>", "<|vision_start|><|video_pad|><|vision_end|>"


@pytest.fixture(scope="module")
def folder():
    from pathlib import Path

    return Path(shipped.resolve("tiny-qwen2-vl"))


def draw_questions(count, seed=11):
    """(user's words, images, clip, right answer) of every kind, drawn by both renderers."""
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    asked = []
    while len(asked) < count:
        hand = (shapes, second_renderer)[len(asked) % 2]
        reader = (charts, second_renderer)[len(asked) % 2]
        kind = rng.choice(("one", "one", "one", "two", "clip", "number", "chart"))
        if kind == "one":
            scene = shapes.sample_scene(rng, *sample_size(rng))
            picture = hand.draw_scene(scene, noise)
            for name in rng.sample(shapes.SINGLE_KINDS, 3):
                question = shapes.ask(rng, scene, name)
                if question:
                    asked.append((IMAGE, question, [picture], None))
        elif kind == "two":
            pair = [shapes.sample_scene(rng, *sample_size(rng)) for _ in range(2)]
            question = shapes.ask_pair(rng, *pair, rng.choice(shapes.PAIR_KINDS))
            if question:
                asked.append((IMAGE * 2, question, [hand.draw_scene(s, noise) for s in pair], None))
        elif kind == "clip":
            clip = shapes.sample_clip(rng, *sample_size(rng), rng.choice((4, 6, MAX_FRAMES)))
            question = shapes.ask_clip(rng, clip, rng.choice(shapes.CLIP_KINDS))
            asked.append((VIDEO, question, None, hand.draw_clip(clip, noise)))
        elif kind == "number":
            number = charts.sample_number(rng, *sample_size(rng))
            question = charts.ask_number(rng, number)
            asked.append((IMAGE, question, [reader.draw_number(number, noise)], None))
        else:
            chart = charts.sample_chart(rng, *sample_size(rng))
            question = charts.ask_chart(rng, chart, rng.choice(charts.CHART_KINDS))
            asked.append((IMAGE, question, [reader.draw_chart(chart, noise)], None))
    prompts = []
    for marks, question, images, clip in asked[:count]:
        system = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n" if rng.random() < 0.3 else ""
        words = f"{marks}{reword(rng, question.text)}"
        prompt = f"{system}<|im_start|>user\n{words}<|im_end|>\n<|im_start|>assistant\n"
        prompts.append((prompt, question, [Image.fromarray(p) for p in images] if images else None, clip))
    return prompts


def for_vllm(prompt, images, clip):
    media = {"image": images} if images else {"video": clip}
    return {"prompt": prompt, "multi_modal_data": media}


@pytest.mark.vllm
def test_vllm_and_transformers_say_the_same_tokens(folder):
    from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

    asked = draw_questions(QUESTIONS)
    inputs = [for_vllm(prompt, images, clip) for prompt, _, images, clip in asked]
    with Engine(folder) as engine:
        from vllm import SamplingParams

        greedy = SamplingParams(temperature=0, max_tokens=40)
        batched = engine.llm.generate(inputs, greedy, use_tqdm=False)
        alone = [engine.llm.generate(one, greedy, use_tqdm=False)[0] for one in inputs]
    assert [o.outputs[0].token_ids for o in batched] == [o.outputs[0].token_ids for o in alone]

    model = Qwen2VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(folder)
    right = 0
    for (prompt, question, images, clip), said in zip(asked, batched, strict=True):
        tokens = torch.tensor(said.outputs[0].token_ids)
        inputs = processor(
            text=[prompt], images=images, videos=None if clip is None else [clip], return_tensors="pt"
        )
        assert inputs["input_ids"][0].tolist() == list(said.prompt_token_ids)
        length = inputs["input_ids"].shape[1]
        inputs["input_ids"] = torch.cat((inputs["input_ids"], tokens[None]), 1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        kinds = inputs["mm_token_type_ids"]
        inputs["mm_token_type_ids"] = torch.cat((kinds, torch.zeros(1, len(tokens), dtype=kinds.dtype)), 1)
        with torch.no_grad():
            logits = model(**inputs).logits[0, length - 1 : -1]
        assert logits.argmax(-1).tolist() == tokens.tolist(), prompt
        right += said.outputs[0].text == question.answer
    assert right >= 0.95 * QUESTIONS  # of all kinds, half of them by the second renderer


def test_the_stored_scores_are_of_these_weights_and_reach_their_goals(folder):
    scores = json.loads((folder / "scores.json").read_text())
    assert scores["weights"] == weights_hash(folder)
    assert scores["questions_per_kind_and_renderer"] >= 400
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 6_000_000
    goals = {
        "one image": 0.98,
        "one image, second renderer alone": 0.97,
        "two images": 0.97,
        "video": 0.95,
        "printed numbers": 0.95,
        "bar charts": 0.95,
        "answers in JSON": 0.95,
    }
    for what, goal in goals.items():
        assert scores["summary"][what] >= goal, what
    for kind in shapes.SINGLE_KINDS:
        assert min(by_kind[kind] for by_kind in scores["by_renderer"].values()) >= 0.95, kind
