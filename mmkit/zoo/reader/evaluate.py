"""How often tiny-reader answers exactly, on typefaces and texts that training never draws.

    batches of held-out labels and receipts -> fast forward -> share of exact answers by kind

An answer counts when greedy decoding says it to the letter, capitals, marks and spaces included. Sizes, colors,
turns, blur and compression vary as in training. Equal to asking transformers or vLLM one by one
(tests hold the forward to both).
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmkit.zoo.packing import exact
from mmkit.zoo.reader.batches import Batch, BatchGenerator
from mmkit.zoo.vision.conversation import Writer
from mmkit.zoo.vision.forward import QwenForward
from mmkit.zoo.worlds import wording

PER_KIND = 400
GROUPS = {
    "one to three words": ("words",),
    "prices": ("price",),
    "dates and names": ("date", "name"),
    "four words": ("four words",),
    "a field of a receipt": ("receipt field",),
}


def answer(forward: QwenForward, batch: Batch) -> list[tuple[str, bool]]:
    """For each question of a batch: its kind, and whether the model answers it exactly."""
    packed: Any = batch.packed
    with torch.no_grad():
        logits = forward(list(forward.vision(batch.patches, batch.grid)), packed)
    return [
        (batch.questions[row][branch][turn // 2].kind, good)  # turns alternate: question, answer
        for (row, branch, turn), good in exact(logits, packed).items()
    ]


def score(
    forward: QwenForward, writer: Writer, per_kind: int, seed: str, *, held_out: bool = True, small: float = 0.0
) -> dict[str, float]:
    """Share of exact answers by kind of question, of `per_kind` each.  small: of labels in small letters."""
    rng, noise = random.Random(seed), np.random.default_rng(len(seed))
    generator = BatchGenerator(writer, rng, noise, tokens=800, held_out=held_out, small=small)
    shares = {}
    for source in (*wording.KINDS, "receipt"):
        right: list[bool] = []
        while len(right) < per_kind:
            right += [good for _, good in answer(forward, generator.make(source))]
        shares["receipt field" if source == "receipt" else source] = round(float(np.mean(right[:per_kind])), 4)
    return shares


def summary(scores: dict[str, float]) -> dict[str, float]:
    """Means over the kinds of each group."""
    return {name: round(float(np.mean([scores[kind] for kind in kinds])), 4) for name, kinds in GROUPS.items()}


def measure(folder: Path, per_kind: int = PER_KIND) -> dict:
    """Load the model in `folder` with transformers and score it: {"questions_per_kind", "summary", "scores"}."""
    from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

    model = Qwen2VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    writer = Writer(AutoProcessor.from_pretrained(folder).tokenizer)
    scores = score(QwenForward(model), writer, per_kind, "scores")
    return {
        "about": "share of exact answers by kind of text, in typefaces and with texts that training never drew",
        "questions_per_kind": per_kind,
        "summary": summary(scores),
        "scores": scores,
    }
