"""How often tiny-omni answers exactly: 300 questions a kind and renderer, on voices and scenes it never met.

    batches of a seed that training never draws, voices of TEST_VOICES -> fast forward -> share of exact answers

An answer counts when greedy decoding says it to the letter, the end of turn included. Wordings, system prompts,
sizes and the order of the items vary as in training; clips are clean, then with the noise and the equalisers of
training. Equal to asking transformers or vLLM one by one (tests hold the forward to both).
Needs espeak-ng the first time, to speak the reserved clips.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch

from mmkit.zoo.omni.batches import Batch, BatchGenerator, OmniForward, Sounds, reserved_clips
from mmkit.zoo.packing import exact
from mmkit.zoo.worlds import joint, second_renderer, shapes

PER_KIND = 300
# which batches to draw until each of these kinds of question has come often enough
GROUPS = {
    "image": shapes.SINGLE_KINDS,
    "audio": joint.AUDIO_KINDS,
    "joint": joint.JOINT_KINDS,
    "pair": shapes.PAIR_KINDS,
}
TITLES = {
    "image": "questions about a picture",
    "audio": "questions about a clip",
    "joint": "questions about both",
    "pair": "questions about two pictures",
}
RENDERERS = {"training": shapes.draw_scene, "second": second_renderer.draw_scene}
CONDITIONS = {"clean": tuple(GROUPS), "noisy": ("audio", "joint")}  # noise changes nothing for pictures


@torch.no_grad()
def answer(forward: OmniForward, batch: Batch) -> list[tuple[str, bool]]:
    """For each question of a batch: its kind, and whether the model answers it exactly."""
    logits = forward(*forward.encode(batch), batch)
    found = exact(logits, batch.packed).items()
    return [(batch.questions[row][branch].kind, good) for (row, branch, _), good in found]


def score(
    forward: OmniForward, generator: BatchGenerator, groups: tuple[str, ...], per_kind: int
) -> dict[str, dict[str, float]]:
    """Share of exact answers: group -> kind of question -> share, of `per_kind` each."""
    shown = {}
    for group in groups:
        kinds = GROUPS[group]
        right: dict[str, list[bool]] = {kind: [] for kind in kinds}
        while any(len(hits) < per_kind for hits in right.values()):
            for kind, good in answer(forward, generator.make(group)):
                if kind in right:
                    right[kind].append(good)
        shown[group] = {kind: round(float(np.mean(hits[:per_kind])), 4) for kind, hits in right.items()}
    return shown


def summary(scores: dict[str, dict[str, dict[str, float]]]) -> dict[str, float]:
    """Means over kinds, over both renderers; then the second renderer alone, and noisy clips."""

    def mean(name: str, group: str) -> float:
        return float(np.mean(list(scores[name][group].values())))

    shown = {TITLES[g]: (mean("training, clean", g) + mean("second, clean", g)) / 2 for g in GROUPS}
    shown["questions about both, second renderer alone"] = mean("second, clean", "joint")
    shown["questions about a clip, noisy"] = mean("training, noisy", "audio")
    return {name: round(share, 4) for name, share in shown.items()}


def load(folder: Path) -> tuple[OmniForward, object]:
    """A saved model as its fast forward, and its tokenizer."""
    from transformers import AutoProcessor

    from mmkit.models.omni.modeling import OmniForConditionalGeneration
    from mmkit.models.omni.plugin import register_transformers

    register_transformers()
    model = OmniForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    return OmniForward(model), AutoProcessor.from_pretrained(folder).tokenizer


def measure(folder: Path, per_kind: int = PER_KIND) -> dict:
    """All scores of one model folder."""
    torch.set_num_threads(1)
    forward, tokenizer = load(folder)
    clips, scores = reserved_clips(), {}
    for renderer, draw in RENDERERS.items():
        for condition, groups in CONDITIONS.items():
            rng, noise = random.Random(f"scores {renderer}"), np.random.default_rng(20_261_122)
            sounds = Sounds(*clips, np.random.default_rng(20_261_122), clean=condition == "clean")
            generator = BatchGenerator(tokenizer, sounds, rng, noise, variety=0.8, draw=draw)
            scores[f"{renderer}, {condition}"] = score(forward, generator, groups, per_kind)
    return {
        "about": "share of exact answers by kind of question; voices, seeds and second renderer held out",
        "questions_per_kind": per_kind,
        "summary": summary(scores),
        "scores": scores,
    }
