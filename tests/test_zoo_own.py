"""A world of one's own: examples, batches, fine-tuning, adapters.

Oracles: transformers' forward and generate on the same conversations; peft's file format as vLLM reads it.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmkit import shipped
from mmkit.zoo.training import Trainer
from mmkit.zoo.vision import finetune, own
from mmkit.zoo.worlds.shapes import Question

BASE = shipped.models_folder() / "tiny-qwen2-vl"


def squares(rng: random.Random) -> own.Example:
    """A grey picture with one square, black or white."""
    picture = np.full((112, 112, 3), 128, np.uint8)
    x, y = rng.randint(0, 80), rng.randint(0, 80)
    name, value = rng.choice((("black", 0), ("white", 255)))
    picture[y : y + 32, x : x + 32] = value
    asked = [
        Question("color", "What color is it?", name),
        Question("is there", "Is it black?", "yes" if not value else "no"),
    ]
    return own.Example(picture, asked, [((x + 16) / 112, (y + 16) / 112, name)])


SMALL = own.OwnConfig(steps=6, pictures=4, warm_up=2, held_out=4, save_every=10**6)


def test_examples_of_a_seed_are_the_same_every_time():
    a, b = own.draw(squares, "held out", 3), own.draw(squares, "held out", 3)
    assert all(
        np.array_equal(p.picture, q.picture) and p.questions == q.questions for p, q in zip(a, b, strict=True)
    )
    assert not np.array_equal(own.draw(squares, "train 0 0", 1)[0].picture, a[0].picture)


def test_no_training_picture_is_held_out(tmp_path):
    """By content: what the first batches draw, and what is scored."""
    config = replace(SMALL, pictures=8, held_out=64)
    task = own.OwnTask(config, squares)
    drawn = [e for step in range(10) for e in own.draw(squares, f"train {config.seed} {step}", config.pictures)]
    places = {tuple(e.marks[0]) for e in drawn}
    assert sum(tuple(e.marks[0]) in places for e in task.held_out) <= 3  # by chance: the world has 13,122 pictures


def test_a_batch_says_what_transformers_says(tmp_path):
    """Teacher-forced answers of packed rows against transformers' own loss on each conversation alone."""
    task = own.OwnTask(SMALL, squares)
    examples = own.draw(squares, "some", 3)
    batch = own.batch_of(examples, task.writer, task.classes)
    with torch.no_grad():
        logits = task.forward(batch.items([task.forward.vision(*g) for g in batch.groups]), batch.packed)
    each = F.cross_entropy(logits, batch.packed.targets, reduction="none")
    for row, example in enumerate(examples):
        for branch, question in enumerate(example.questions):
            prompt = (
                "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>"
                f"{question.text}<|im_end|>\n<|im_start|>assistant\n"
            )
            inputs = task.processor(
                text=[f"{prompt}{question.answer}<|im_end|>"], images=[example.picture], return_tensors="pt"
            )
            labels = inputs["input_ids"].clone()
            answer = len(task.processor.tokenizer(f"{question.answer}<|im_end|>")["input_ids"])
            labels[:, :-answer] = -100
            with torch.no_grad():
                theirs = task.model(**inputs, labels=labels).loss
            mine = [i for i, owner in enumerate(batch.packed.owner) if owner[:2] == (row, branch)]
            torch.testing.assert_close(each[mine].mean(), theirs, rtol=0, atol=1e-4)  # float32, two orders


def test_judge_agrees_with_what_is_said():
    task = finetune.FineTuneTask(BASE, finetune.shapes_world, finetune.FineTuneConfig(held_out=6))
    for example in task.held_out:
        alone = own.Example(example.picture, example.questions[:2])
        said = [own.say(task.model, task.processor, alone.picture, q.text) == q.answer for q in alone.questions]
        judged = own.judge(task.forward, task.writer, [alone])
        assert sum(map(sum, judged.values())) == sum(said)


def test_marks_name_their_classes():
    task = own.OwnTask(SMALL, squares)
    assert task.classes == {"label 0": {"black": 1, "white": 2}}
    batch = task.batch(0)
    assert batch.packed is None, "the eye learns alone at first"
    assert task.batch(5).packed is not None
    x, y, number = batch.marks[0][0]
    assert 0 < x < 1
    assert 0 < y < 1
    assert number in (1, 2)


def test_a_world_without_marks_has_no_lesson_for_the_eye():
    def plain(rng):
        return replace(squares(rng), marks=())

    task = own.OwnTask(replace(SMALL, tower_first=0.0), plain)
    assert task.classes == {}
    loss, shown = task.loss(task.batch(0), 0.0)
    assert torch.isfinite(loss)
    assert shown["answer"] > 1


def test_a_task_is_given_its_world_or_has_one():
    class Mine(own.OwnTask):
        world = staticmethod(squares)

    assert Mine(SMALL).classes == own.OwnTask(SMALL, squares).classes
    with pytest.raises(NotImplementedError):
        own.OwnTask(SMALL)


# Fine-tuning


def test_lora_begins_as_the_base_and_trains_nothing_else(tmp_path):
    config = finetune.FineTuneConfig(steps=2, pictures=4, rank=4, held_out=2, warm_up=1, save_every=10**6)
    plain = finetune.FineTuneTask(BASE, squares, replace(config, rank=0))
    task = finetune.FineTuneTask(BASE, squares, config)
    batch = task.batch(0)
    with torch.no_grad():
        assert torch.equal(task.loss(batch, 0.0)[0], plain.loss(batch, 0.0)[0])
    before = {name: p.detach().clone() for name, p in task.model.named_parameters()}
    trainer = Trainer(task, tmp_path / "adapter")
    for _ in trainer.run():
        pass
    moved = [name for name, p in task.model.named_parameters() if not torch.equal(p, before[name])]
    assert moved
    assert all("lora_" in name for name in moved)


def test_an_adapter_merged_by_hand_is_the_tuned_model(tmp_path):
    """W + (alpha / r) B A from the saved files, put into a fresh base, says the same."""
    from safetensors.torch import load_file
    from transformers import Qwen2VLForConditionalGeneration

    config = finetune.FineTuneConfig(
        steps=3, pictures=4, rank=4, held_out=2, warm_up=1, adam_rate=5e-3, mean_decay=0.0, save_every=10**6
    )
    task = finetune.FineTuneTask(BASE, squares, config)
    for _ in Trainer(task, tmp_path / "adapter").run():
        pass
    about = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text("utf-8"))
    assert (about["peft_type"], about["r"], about["base_model_name_or_path"]) == ("LORA", 4, "tiny-qwen2-vl")
    weights = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    fresh = Qwen2VLForConditionalGeneration.from_pretrained(BASE, dtype=torch.float32).eval()
    state = fresh.state_dict()
    for name in {key.rsplit(".lora_", 1)[0] for key in weights}:
        place = name.removeprefix("base_model.model.")
        difference = weights[f"{name}.lora_B.weight"] @ weights[f"{name}.lora_A.weight"]
        state[f"{place}.weight"] += about["lora_alpha"] / about["r"] * difference
    fresh.load_state_dict(state)
    batch = task.batch(7)
    with torch.no_grad():
        tuned = task.loss(batch, 0.0)[0]
        task.forward.model = fresh
        torch.testing.assert_close(task.loss(batch, 0.0)[0], tuned, rtol=0, atol=1e-4)


def test_replay_mixes_the_old_world_in():
    seen = []

    def old(rng):
        seen.append(rng)
        return squares(rng)

    task = finetune.FineTuneTask(BASE, squares, finetune.FineTuneConfig(pictures=8, replay=0.25, held_out=2), old)
    seen.clear()
    assert len(task.batch(0).questions) == 8
    assert len(seen) == 2


def test_a_tuned_model_is_saved_whole(tmp_path):
    from transformers import Qwen2VLForConditionalGeneration

    config = finetune.FineTuneConfig(steps=1, pictures=4, held_out=2, warm_up=1, save_every=10**6)
    trainer = Trainer(finetune.FineTuneTask(BASE, squares, config), tmp_path / "m")
    for _ in trainer.run():
        pass
    again = Qwen2VLForConditionalGeneration.from_pretrained(tmp_path / "m")
    with trainer.averaged():
        for ours, theirs in zip(trainer.task.model.parameters(), again.parameters(), strict=True):
            assert torch.equal(ours, theirs)
