"""How often tiny-qwen2-vl answers exactly: 400 questions a kind, drawn by two renderers.

    batches of seeds that training never draws -> fast forward -> share of exact answers by kind

An answer counts when greedy decoding says it to the letter, the end of turn included. Sizes, backgrounds,
system prompts, earlier turns and wordings vary as in training; the second renderer's drawing style does not
occur in training at all. Equal to asking transformers or vLLM one by one (tests hold the forward to both).
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmkit.zoo.packing import exact
from mmkit.zoo.vision.batches import TRAINING, Batch, BatchGenerator, Renderer
from mmkit.zoo.vision.conversation import Writer
from mmkit.zoo.vision.forward import QwenForward
from mmkit.zoo.worlds import charts, forms, second_renderer, shapes

PER_KIND = 400
SEED = "scores"
SECOND = Renderer(
    second_renderer.draw_scene,
    second_renderer.draw_clip,
    second_renderer.draw_number,
    second_renderer.draw_chart,
)
RENDERERS = {"training": TRAINING, "second": SECOND}
# which batches to draw until each of these kinds of question has come often enough
SOURCES = (
    (("scene", "scene", "scene", "text_first"), shapes.SINGLE_KINDS),
    (("pair",), shapes.PAIR_KINDS),
    (("clip",), shapes.CLIP_KINDS),
    (("read",), charts.NUMBER_KINDS + charts.CHART_KINDS),
    (("json", "json", "json_read"), forms.FORM_KINDS),
)
GROUPS = {
    "one image": shapes.SINGLE_KINDS,
    "two images": shapes.PAIR_KINDS,
    "video": shapes.CLIP_KINDS,
    "printed numbers": charts.NUMBER_KINDS,
    "bar charts": charts.CHART_KINDS,
    "answers in JSON": forms.FORM_KINDS,
}


def answer(forward: QwenForward, batch: Batch) -> list[tuple[str, bool]]:
    """For each question of a batch: its kind, and whether the model answers it exactly."""
    if batch.packed is None:
        return []
    with torch.no_grad():
        features = [forward.vision(patches, grid) for patches, grid in batch.groups]
        packed: Any = batch.packed  # there, since questions were asked
        logits = forward(batch.items(features), packed)
    return [
        (batch.questions[row][branch][turn // 2].kind, good)  # turns alternate: question, answer
        for (row, branch, turn), good in exact(logits, packed).items()
    ]


def score(forward: QwenForward, writer: Writer, renderer: Renderer, name: str, per_kind: int) -> dict[str, float]:
    """Share of exact answers by kind of question, of `per_kind` each."""
    rng, noise = random.Random(f"{SEED} {name}"), np.random.default_rng([len(name), 20_261_121])
    generator = BatchGenerator(writer, rng, noise, images=24, questions=8, renderer=renderer)
    right: dict[str, list[bool]] = {}
    for batches, kinds in SOURCES:
        step = 0
        while any(len(right.get(kind, ())) < per_kind for kind in kinds):
            for kind, good in answer(forward, generator.make(batches[step % len(batches)])):
                right.setdefault(kind, []).append(good)
            step += 1
    return {kind: round(float(np.mean(right[kind][:per_kind])), 4) for _, kinds in SOURCES for kind in kinds}


def summary(scores: dict[str, dict[str, float]]) -> dict[str, float]:
    """Means over kinds: both renderers together, then the second alone (equally many questions a kind)."""
    both = {kind: (scores["training"][kind] + share) / 2 for kind, share in scores["second"].items()}
    shown = {name: np.mean([both[kind] for kind in kinds]) for name, kinds in GROUPS.items()}
    for name, kinds in GROUPS.items():
        shown[f"{name}, second renderer alone"] = np.mean([scores["second"][kind] for kind in kinds])
    return {name: round(float(share), 4) for name, share in shown.items()}


def measure(folder: Path, per_kind: int = PER_KIND) -> dict:
    """Load the model in `folder` with transformers and score it: {"questions_per_kind", "scores", "summary"}."""
    from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

    model = Qwen2VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    writer = Writer(AutoProcessor.from_pretrained(folder).tokenizer)
    forward = QwenForward(model)
    scores = {name: score(forward, writer, renderer, name, per_kind) for name, renderer in RENDERERS.items()}
    return {
        "about": "share of exact answers by kind of question; each kind asked by each renderer",
        "questions_per_kind_and_renderer": per_kind,
        "summary": summary(scores),
        "by_renderer": scores,
    }
