"""How tiny-omni learns: `mmkit train tiny-omni OUT`, about half an hour on one core.

    tiny-qwen2-vl, tiny-qwen2-audio -> assemble -> batches -> answers' tokens (cross entropy), CTC by the words' own
    embeddings

The CTC loss (Graves et al. 2006) fades out and teaches the ear the decoder's own language: its score for a word is
the dot product of what is heard with that word's embedding, so that a spoken "red" comes to lie where the decoder
keeps "red". Begins with hearing alone, since the eye and the decoder know each other already.
Leaves out the loop (training.py).

The shipped weights took two sittings: eleven minutes, then, once a shortcut in the questions was found and closed,
28 minutes from there (--start, --rate 0.8, --seed 1). From nothing in one go this recipe has not been run.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mmkit import shipped
from mmkit.zoo.omni import model as omni
from mmkit.zoo.omni.batches import Batch, BatchGenerator, OmniForward, Sounds, reserved_clips, training_clips
from mmkit.zoo.omni.evaluate import answer
from mmkit.zoo.packing import answer_loss
from mmkit.zoo.training import Task, TrainingConfig, ctc_loss
from mmkit.zoo.worlds.joint import WORDS


@dataclass(frozen=True)
class OmniConfig(TrainingConfig):
    """The numbers of a training run."""

    steps: int = 6000
    muon_rate: float = 0.012
    adam_rate: float = 1.2e-3
    warm_up: int = 60
    steps_per_minute: int = 190
    ctc: float = 0.4  # weight of the CTC loss; it falls to a tenth
    hearing_first: float = 0.08  # share of the steps in which three batches of four are clips alone
    pictures: int = 20  # in a batch
    shares: tuple[tuple[str, float], ...] = (("image", 0.27), ("audio", 0.27), ("joint", 0.42), ("pair", 0.04))


class OmniTask(Task):
    """tiny-omni and its world, as the loop sees them.

    eye, ear: folders of a trained tiny-qwen2-vl and a trained tiny-qwen2-audio; the shipped ones by default.
    """

    recipe = OmniConfig()
    config: OmniConfig

    def __init__(self, config: OmniConfig = recipe, eye: Path | None = None, ear: Path | None = None):
        super().__init__(config)
        torch.manual_seed(config.seed)
        models = shipped.models_folder()
        eye, ear = eye or models / "tiny-qwen2-vl", ear or models / "tiny-qwen2-audio"
        self.model, self.processor = omni.assemble(eye, ear)
        self.tokenizer = self.processor.tokenizer
        self.forward = OmniForward(self.model)
        encode = self.tokenizer.convert_tokens_to_ids
        self.words = torch.tensor([[encode(word), encode(f"Ġ{word}")] for word in WORDS])  # words 2
        self.heads = nn.ModuleDict({"blank": nn.Linear(self.model.config.text_config.hidden_size, 1)})

    @cached_property
    def sounds(self) -> Sounds:
        return Sounds(*training_clips(), np.random.default_rng(self.config.seed))

    @cached_property
    def reserved(self) -> Sounds:
        """Clips of voices that training never hears."""
        return Sounds(*reserved_clips(), np.random.default_rng(1), clean=True)

    def batch(self, step: int) -> Batch:
        config, progress = self.config, step / self.config.steps
        rng = random.Random(f"{config.seed} {step}")
        self.sounds.rng = np.random.default_rng([config.seed, step, 1])
        kind = rng.choices(*zip(*config.shares, strict=True))[0]
        if progress < config.hearing_first and rng.random() < 0.75:
            kind = "audio"
        noise, variety = np.random.default_rng([config.seed, step]), 0.1 + 0.75 * min(1.0, progress / 0.4)
        return BatchGenerator(self.tokenizer, self.sounds, rng, noise, config.pictures, variety).make(kind)

    def ctc(self, heard: Tensor, batch: Batch) -> Tensor:
        """CTC loss of heard (M, T, hidden), scored by the embeddings of the words."""
        rows = self.model.get_input_embeddings().weight.detach()[self.words].mean(1)  # words hidden
        scores = torch.cat((self.heads["blank"](heard), 2 * heard @ rows.T), -1)  # M T 1+words
        said = [[1 + WORDS.index(word) for word in truth.words] for truth in batch.spoken]
        return ctc_loss(scores, torch.tensor(batch.frames) // 4, said)

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        seen, heard = self.forward.encode(batch)
        loss = answer_loss(self.forward(seen, heard, batch), batch.packed)
        shown = {"answer": loss.item()}
        if heard is not None:
            ctc = self.ctc(heard, batch)
            shown["ctc"] = ctc.item()
            loss = loss + self.config.ctc * max(0.1, 1 - 1.5 * progress) * ctc
        return loss, shown

    def evaluate(self, batches: int = 4) -> dict[str, float]:
        """Share of exact answers by kind, on scenes and voices that training never draws."""
        self.reserved.rng = np.random.default_rng(1)
        generator = BatchGenerator(
            self.tokenizer, self.reserved, random.Random("held out"), np.random.default_rng(987_654)
        )
        right: dict[str, list[bool]] = {}
        for group in ("image", "audio", "joint", "pair"):
            for _ in range(batches):
                for kind, good in answer(self.forward, generator.make(group)):
                    right.setdefault(kind, []).append(good)
        return {kind: float(np.mean(hits)) for kind, hits in sorted(right.items())}

    def save(self, folder: Path) -> None:
        omni.save(self.model, self.processor, folder)
