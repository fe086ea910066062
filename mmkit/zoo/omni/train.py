"""Train tiny-omni: `python -m mmkit.zoo.omni.train`, about half an hour on one core.

    tiny-qwen2-vl, tiny-qwen2-audio -> assemble -> lessons -> losses -> Muon and AdamW -> running mean -> folder

Two losses. The first is the cross-entropy of the answers' tokens, each answer weighed by 1 / sqrt(its length). The
second fades out and teaches the ear the decoder's own language: a CTC loss (Graves et al. 2006) whose score for a
word is the dot product of what is heard with that word's embedding, so that a spoken "red" comes to lie where the
decoder keeps "red". Begins with hearing alone, since the eye and the decoder know each other already.
Leaves out everything that needs more than one thread.

The shipped weights took two sittings: eleven minutes, then, once a shortcut in the questions was found and closed,
28 minutes from there (--start, --rate 0.8, --seed 1). From nothing in one go this recipe has not been run.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkit import shipped
from mmkit.zoo.audio import train as train_speech
from mmkit.zoo.audio.train import log
from mmkit.zoo.omni import model as omni
from mmkit.zoo.omni.batches import Batch, Lessons, OmniForward, Sounds, reserved_clips, training_clips
from mmkit.zoo.vision.forward import exact
from mmkit.zoo.vision.train import answer_weights
from mmkit.zoo.worlds import joint

MODELS = shipped.models_folder()


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training run."""

    minutes: float = 32.0  # of wall time
    seed: int = 0
    muon_rate: float = 0.012
    adam_rate: float = 1.2e-3
    weight_decay: float = 0.05
    warm_up: int = 60  # steps
    ctc: float = 0.4  # weight of the CTC loss; it falls to a tenth
    hearing_first: float = 0.08  # share of the time in which three batches of four are clips alone
    mean_decay: float = 0.998  # of the running mean of the weights
    pictures: int = 20  # in a batch
    shares: tuple[tuple[str, float], ...] = (("image", 0.27), ("audio", 0.27), ("joint", 0.42), ("pair", 0.04))


class Trainer:
    """Model, optimisers and running mean."""

    def __init__(self, recipe: Recipe, eye: Path, ear: Path):
        self.recipe = recipe
        self.model, self.processor = omni.assemble(eye, ear)
        self.forward = OmniForward(self.model)
        encode = self.processor.tokenizer.convert_tokens_to_ids
        self.words = torch.tensor([[encode(word), encode(f"Ġ{word}")] for word in joint.WORDS])  # words 2
        self.blank = nn.Linear(self.model.config.text_config.hidden_size, 1)
        whole = nn.ModuleDict({"model": self.model, "blank": self.blank})
        numbers = train_speech.Recipe(
            steps=0, muon_rate=recipe.muon_rate, adam_rate=recipe.adam_rate, weight_decay=recipe.weight_decay
        )
        self.optimizers = train_speech.optimizers(whole, numbers)
        self.parameters = list(whole.parameters())
        self.mean = [p.detach().clone() for p in self.model.parameters()]

    def ctc(self, heard: Tensor, batch: Batch) -> Tensor:
        """CTC loss of heard (M, T, hidden), scored by the embeddings of the words."""
        rows = self.model.get_input_embeddings().weight.detach()[self.words].mean(1)  # words hidden
        scores = torch.cat((self.blank(heard), 2 * heard @ rows.T), -1)  # M T 1+words
        said = [[1 + joint.WORDS.index(word) for word in truth.words] for truth in batch.spoken]
        return F.ctc_loss(
            scores.log_softmax(-1).transpose(0, 1),
            torch.tensor([word for words in said for word in words], dtype=torch.long),
            torch.tensor(batch.frames) // 4,
            torch.tensor([len(words) for words in said]),
            zero_infinity=True,
        )

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        """The two losses' sum, and each as a number."""
        seen, heard = self.forward.encode(batch)
        logits = self.forward(seen, heard, batch)
        each = F.cross_entropy(logits, batch.packed.targets, reduction="none")
        weight = answer_weights(batch.packed.owner)
        loss = (each * weight).sum() / weight.sum()
        shown = {"answer": loss.item()}
        if heard is not None:
            ctc = self.ctc(heard, batch)
            shown["ctc"] = ctc.item()
            loss = loss + self.recipe.ctc * max(0.1, 1 - 1.5 * progress) * ctc
        return loss, shown

    def step(self, batch: Batch, progress: float, number: int) -> dict[str, float]:
        """One step of both optimisers, and of the running mean."""
        warm = min(1.0, (number + 1) / self.recipe.warm_up)
        share = warm * (0.02 + 0.49 * (1 + math.cos(math.pi * progress)))
        for optimizer, highest in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = highest * share
        loss, shown = self.loss(batch, progress)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for optimizer, _ in self.optimizers:
            optimizer.step()
        keep = min(self.recipe.mean_decay, number / (number + 10))
        with torch.no_grad():
            torch._foreach_lerp_(self.mean, list(self.model.parameters()), 1 - keep)
        return shown

    def use_mean(self) -> None:
        """Swap the weights with their running mean (and back)."""
        with torch.no_grad():
            for p, mean in zip(self.model.parameters(), self.mean, strict=True):
                p.data, mean.data = mean.data, p.data

    @torch.no_grad()
    def report(self, sounds: Sounds, batches: int = 4) -> str:
        """Share of exact answers by kind, on scenes and voices that training never draws."""
        self.use_mean()
        lessons = Lessons(
            self.processor.tokenizer, sounds, random.Random("held out"), np.random.default_rng(987_654)
        )
        right: dict[str, list[bool]] = {}
        for kind in ("image", "audio", "joint", "pair"):
            for _ in range(batches):
                batch = lessons.make(kind)
                logits = self.forward(*self.forward.encode(batch), batch)
                for (row, branch, _), good in exact(logits, batch.packed).items():
                    right.setdefault(batch.questions[row][branch].kind, []).append(good)
        self.use_mean()
        return " ".join(f"{kind} {np.mean(good):.3f}" for kind, good in sorted(right.items()))

    def save(self, folder: Path) -> None:
        self.use_mean()
        omni.save(self.model, self.processor, folder)
        self.use_mean()


def train(recipe: Recipe, eye: Path, ear: Path, out: Path, start: Path | None = None) -> None:
    """Train for recipe.minutes and write a model folder, and one on the way every few minutes."""
    torch.manual_seed(recipe.seed)
    trainer = Trainer(recipe, eye, ear)
    if start:
        trainer.model.load_state_dict(type(trainer.model).from_pretrained(start, dtype=torch.float32).state_dict())
        trainer.mean = [p.detach().clone() for p in trainer.model.parameters()]
    sounds = Sounds(*training_clips(), np.random.default_rng(recipe.seed))
    lessons = Lessons(
        trainer.processor.tokenizer, sounds, random.Random(recipe.seed), np.random.default_rng(recipe.seed),
        recipe.pictures,
    )  # fmt: skip
    reserved = reserved_clips()
    rng = random.Random(recipe.seed)
    began = saved = told = time.time()
    number, levels = 0, {}
    while (progress := (time.time() - began) / (60 * recipe.minutes)) < 1:
        kind = rng.choices(*zip(*recipe.shares, strict=True))[0]
        if progress < recipe.hearing_first and rng.random() < 0.75:
            kind = "audio"
        lessons.variety = 0.1 + 0.75 * min(1.0, progress / 0.4)
        shown = trainer.step(lessons.make(kind), progress, number)
        number += 1
        for name, value in shown.items():
            levels[f"{kind} {name}"] = 0.95 * levels.get(f"{kind} {name}", value) + 0.05 * value
        if time.time() - told > 120:
            told = time.time()
            losses = "  ".join(f"{name} {level:.3f}" for name, level in sorted(levels.items()))
            log(f"{told - began:.0f} s  step {number}  {losses}")
            log("    " + trainer.report(Sounds(*reserved, np.random.default_rng(1), clean=True)))
        if time.time() - saved > 480:
            saved = time.time()
            trainer.save(out)
    trainer.save(out)
    log("final   " + trainer.report(Sounds(*reserved, np.random.default_rng(1), clean=True), 20))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mmkit.zoo.omni.train", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=MODELS / "tiny-omni")
    parser.add_argument("--eye", type=Path, default=MODELS / "tiny-qwen2-vl", help="a trained tiny-qwen2-vl")
    parser.add_argument("--ear", type=Path, default=MODELS / "tiny-qwen2-audio", help="a trained tiny-qwen2-audio")
    parser.add_argument("--start", type=Path, help="folder of a tiny-omni to go on from")
    parser.add_argument("--minutes", type=float, default=Recipe.minutes, help="wall time")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--rate", type=float, default=1.0, help="factor on the highest learning rates")
    given = parser.parse_args()
    torch.set_num_threads(1)
    recipe = Recipe(minutes=given.minutes, seed=given.seed)
    recipe = replace(recipe, muon_rate=given.rate * recipe.muon_rate, adam_rate=given.rate * recipe.adam_rate)
    train(recipe, given.eye, given.ear, given.out, given.start)


if __name__ == "__main__":
    main()
