"""A world of your own: a function that draws one example is all that a new model needs.

    world(rng) -> Example (picture, questions with answers, marks) -> batch_of -> OwnTask -> Trainer -> folder

Everything else follows from the examples: the words of the tokenizer, the classes of the dense lesson, the batches.
Pictures that training draws and pictures that scores are counted on come from different seeds.
Leaves out other wordings and other sizes of pictures: how tiny-qwen2-vl learns those stands in train.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from mmkit.zoo.packing import Placeholder, Row, pack
from mmkit.zoo.training import Task, TrainingConfig
from mmkit.zoo.vision.batches import Batch
from mmkit.zoo.vision.conversation import Writer
from mmkit.zoo.vision.evaluate import answer
from mmkit.zoo.vision.forward import MERGE, QwenForward, patchify
from mmkit.zoo.vision.model import build_model, build_processor, save, train_tokenizer
from mmkit.zoo.vision.train import DenseHeads, vision_loss
from mmkit.zoo.worlds.shapes import Question


@dataclass(frozen=True)
class Example:
    """One picture (H, W, 3) uint8, what is asked about it, and where its things are.

    marks: (x, y, label, ...) of each thing's middle, x and y from 0 to 1, as many labels as there are kinds of
    them: (0.3, 0.7, "red", "house").
    """

    picture: np.ndarray
    questions: Sequence[Question]
    marks: Sequence[tuple] = ()


World = Callable[[random.Random], Example]
Classes = Mapping[str, Mapping[str, int]]  # kind of label -> name -> number


def draw(world: World, seed: str, count: int) -> list[Example]:
    """Examples of a seed: the same every time.

    Training draws from "train ...", held-out examples from "held out".
    """
    rng = random.Random(seed)
    return [world(rng) for _ in range(count)]


def classes_of(examples: Sequence[Example]) -> Classes:
    """The names of each kind of label, numbered from 1.

    >>> classes_of([Example(np.zeros(0), (), [(0.5, 0.5, "red", "house"), (0.1, 0.5, "blue", "house")])])
    {'label 0': {'blue': 1, 'red': 2}, 'label 1': {'house': 1}}
    """
    columns = zip(*(labels for example in examples for _, _, *labels in example.marks), strict=True)
    return {
        f"label {i}": {name: 1 + k for k, name in enumerate(sorted(set(column)))}
        for i, column in enumerate(columns)
    }


def batch_of(examples: Sequence[Example], writer: Writer, classes: Classes) -> Batch:
    """Examples with pictures of one size as a batch: each question is a branch of its picture's row."""
    patches, grid = patchify(np.stack([example.picture for example in examples]))
    token: Any = writer.image_token
    placeholder = Placeholder((1, grid[0] // MERGE, grid[1] // MERGE), token)
    prefix = writer.prefix([placeholder])
    rows = [
        Row(prefix, [writer.turns([(q.text, q.answer)]) for q in example.questions], [i])
        for i, example in enumerate(examples)
    ]
    marks = [
        [
            (x, y, *(names[label] for names, label in zip(classes.values(), labels, strict=True)))
            for x, y, *labels in example.marks
        ]
        for example in examples
    ]
    questions = [[[question] for question in example.questions] for example in examples]
    return Batch([(patches, grid)], marks, pack(rows), questions)


def judge(forward: QwenForward, writer: Writer, examples: Sequence[Example]) -> dict[str, list[bool]]:
    """For each kind of question: would greedy decoding answer exactly, question by question?"""
    found: dict[str, list[bool]] = {}
    for i in range(0, len(examples), 32):
        batch = batch_of([Example(e.picture, e.questions) for e in examples[i : i + 32]], writer, {})
        for kind, good in answer(forward, batch):
            found.setdefault(kind, []).append(good)
    return found


def say(model: Any, processor: Any, picture: np.ndarray, question: str, max_new_tokens: int = 24) -> str:
    """What the model answers to a question about one picture, by transformers' greedy decoding."""
    item = "<|vision_start|><|image_pad|><|vision_end|>"
    prompt = f"<|im_start|>user\n{item}{question}<|im_end|>\n<|im_start|>assistant\n"
    inputs = processor(text=[prompt], images=[Image.fromarray(picture)], return_tensors="pt")
    ids = model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
    return processor.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def shares(found: Mapping[str, Sequence[bool]]) -> dict[str, float]:
    """Share of right answers by kind.

    >>> shares({"color": [True, False], "count": [True]})
    {'color': 0.5, 'count': 1.0}
    """
    return {kind: float(np.mean(hits)) for kind, hits in sorted(found.items())}


@dataclass(frozen=True)
class OwnConfig(TrainingConfig):
    """The numbers of a training from nothing."""

    steps: int = 2000
    warm_up: int = 20
    mean_decay: float = 0.99
    steps_per_minute: int = 300
    pictures: int = 24  # in a batch
    tower_first: float = 0.3  # share of the steps for the vision tower alone
    held_out: int = 128  # pictures


class OwnTask(Task):
    """A tiny Qwen2-VL that learns a world from nothing.

    world: the function that draws an example; a subclass may have it as a static method instead.
    """

    recipe = OwnConfig()
    config: OwnConfig

    def __init__(self, config: OwnConfig = recipe, world: World | None = None):
        super().__init__(config)
        if world is not None:
            self.world = world  # pyright: ignore[reportAttributeAccessIssue]
        known = draw(self.world, "words", 500)  # for the vocabulary and the classes alone
        lines = [line for e in known for q in e.questions for line in (q.text, q.answer)]
        tokenizer = train_tokenizer([*lines, "user", "assistant", "system"])
        self.processor, self.writer = build_processor(tokenizer), Writer(tokenizer)
        self.model: Any = build_model(tokenizer, config.seed)
        self.forward = QwenForward(self.model)
        self.classes = classes_of(known)
        self.heads = DenseHeads(self.model.config.text_config.hidden_size, self.classes)
        self.held_out = draw(self.world, "held out", config.held_out)

    def world(self, rng: random.Random) -> Example:
        """One example; for a subclass to say, where no world is given."""
        raise NotImplementedError

    def is_tower_only(self, step: int) -> bool:
        """Does the vision tower learn alone at this step?"""
        return step / self.config.steps < self.config.tower_first

    def before(self, step: int) -> None:
        """Where answers begin, words start from what the tower says."""
        if step and self.is_tower_only(step - 1) and not self.is_tower_only(step):
            rows = self.model.get_input_embeddings().weight
            self.heads.copy_to_words(tuple(self.classes), self.processor.tokenizer, rows)

    def batch(self, step: int) -> Batch:
        examples = draw(self.world, f"train {self.config.seed} {step}", self.config.pictures)
        batch = batch_of(examples, self.writer, self.classes)
        return Batch(batch.groups, batch.marks, None, []) if self.is_tower_only(step) else batch

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        return vision_loss(self.forward, self.heads, batch, max(0.1, 1 - 1.5 * progress))

    def evaluate(self) -> dict[str, float]:
        return shares(judge(self.forward, self.writer, self.held_out))

    def save(self, folder: Path) -> None:
        save(self.model, self.processor, folder)
