"""Train tiny-qwen2-vl from nothing, on one CPU core: `python -m mmkit.zoo.vision.train`.

    batch of scenes -> pictures -> patches -> vision tower -> decoder -> loss -> Muon and AdamW

First the vision tower alone learns to say, for each of its 16 to 25 tokens, which shape, digit or bar has its
middle there (a dense lesson, for which a picture is worth 25 answers); then the whole model learns to answer,
and the dense lesson fades. Matrices are trained with Muon (Jordan, 2024), the rest with AdamW.
Wording comes by and by: first the canonical questions, from which looking is learnt quickly, then all others.
The budget is CPU time, so that a busy machine trains as long as a quiet one. A complete model directory is
written every few minutes, from a running mean of the weights, and training can go on from where it stopped.
Leaves out everything that needs more than one thread.

The shipped weights took 105 minutes of CPU time in several sittings, in which this recipe was found (what held
them up, and is mended here, were a rotary base of 30 and words that did not resemble what the tower sees). The
last thirty, with more reading and more typefaces, were a second end of the schedule (--resume --spent 2700
--minutes 75). As it stands it has not yet been run from nothing in one go.
"""

from __future__ import annotations

import argparse
import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkit.zoo.vision.batches import COLOR_CLASS, MOTION_CLASS, THING_CLASS, Batch, Lessons, Mark
from mmkit.zoo.vision.conversation import Writer
from mmkit.zoo.vision.forward import MERGE, QwenForward, exact
from mmkit.zoo.vision.model import build_model, build_processor, save, train_tokenizer
from mmkit.zoo.worlds import shapes


@dataclass(frozen=True)
class Settings:
    """The recipe. Shares of steps are by kind; rates are peak values."""

    minutes: float = 70.0  # CPU time
    seed: int = 0
    tower_first: float = 0.12  # share of the budget for the vision tower alone
    answers_rate: float = 0.8  # learning rate by its peak where answers begin; from there it falls to a fiftieth
    variety_from: float = 0.30  # share of the budget at which other wordings, pairs and dressing come in ...
    variety_by: float = 0.55  # ... and at which most questions have them
    muon_rate: float = 0.02
    adam_rate: float = 2e-3
    weight_decay: float = 0.05
    warm_up: int = 80  # steps
    mean_decay: float = 0.998  # of the running mean of the weights
    images: int = 24  # in a step of scenes
    questions: int = 6  # about each
    report_every: float = 120.0  # CPU seconds
    save_every: float = 420.0
    first_shares: tuple[tuple[str, float], ...] = (("scene", 0.70), ("read", 0.24), ("clip", 0.06))
    shares: tuple[tuple[str, float], ...] = (
        ("scene", 0.34), ("text_first", 0.17), ("pair", 0.11), ("clip", 0.04), ("read", 0.34),
    )  # fmt: skip


def answer_weights(owner: list[tuple[int, int, int]]) -> Tensor:
    """Weight of each token to predict: 1 / sqrt(tokens of its answer), so that captions do not drown words."""
    length = Counter(owner)
    return torch.tensor([length[answer] ** -0.5 for answer in owner])


class DenseLesson(nn.Module):
    """What a vision token should know: colour, thing and motion whose middle it covers, and where that is.

    Four linear heads on the tower's features; they are thrown away after training.
    """

    def __init__(self, hidden: int):
        super().__init__()
        self.color = nn.Linear(hidden, 1 + len(COLOR_CLASS))
        self.thing = nn.Linear(hidden, 1 + len(THING_CLASS))
        self.place = nn.Linear(hidden, 2)
        self.motion = nn.Linear(hidden, 1 + len(MOTION_CLASS))

    def forward(self, features: Tensor, grid: tuple[int, int], marks: list[list[Mark]]) -> Tensor:
        """Loss, a scalar. features: (N, gh * gw, hidden); grid: (gh, gw) in merged tokens."""
        gh, gw = grid
        N = len(marks)
        rows, columns = np.divmod(np.arange(gh * gw), gw)
        middle = np.stack(((columns + 0.5) / gw, (rows + 0.5) / gh), -1).astype(np.float32)
        place = np.tile(middle, (N, 1, 1))  # N gh*gw 2
        color, thing, motion, seen = (np.zeros((N, gh * gw), np.int64) for _ in range(4))
        for i, image in enumerate(marks):
            for x, y, *classes in image:
                cell = min(gh - 1, int(y * gh)) * gw + min(gw - 1, int(x * gw))
                color[i, cell], thing[i, cell], motion[i, cell] = classes
                place[i, cell] = x, y
                seen[i, cell] += 1
        weight = torch.from_numpy(np.choose(np.minimum(seen, 2), (1.0, 4.0, 0.0)).astype(np.float32)).flatten()
        features = features.reshape(N * gh * gw, -1)

        def classify(head: nn.Linear, classes: np.ndarray) -> Tensor:
            target = torch.from_numpy(classes).flatten()
            return (F.cross_entropy(head(features), target, reduction="none") * weight).mean()

        away = (self.place(features) - torch.from_numpy(place).view(-1, 2)).abs().mean(-1)
        loss = classify(self.color, color) + classify(self.thing, thing) + 4 * (away * weight).mean()
        return loss + classify(self.motion, motion)


class Trainer:
    """Model, optimisers, running mean and clock."""

    def __init__(self, settings: Settings, out: Path):
        self.settings, self.out = settings, out
        tokenizer = train_tokenizer()
        self.processor = build_processor(tokenizer)
        self.model = build_model(tokenizer, settings.seed)
        self.forward = QwenForward(self.model)
        self.lesson = DenseLesson(self.model.config.text_config.hidden_size)
        self.writer = Writer(tokenizer)
        matrices = [p for n, p in self.model.named_parameters() if p.ndim == 2 and "embed_tokens" not in n]
        known = {id(p) for p in matrices}
        others = [p for p in (*self.model.parameters(), *self.lesson.parameters()) if id(p) not in known]
        self.parameters = matrices + others
        decay = settings.weight_decay
        self.optimizers = [
            (torch.optim.Muon(matrices, settings.muon_rate, decay, adjust_lr_fn="original"), settings.muon_rate),
            (torch.optim.AdamW(others, settings.adam_rate, (0.9, 0.98), weight_decay=decay, fused=True),
             settings.adam_rate),
        ]  # fmt: skip
        self.mean = [p.detach().clone() for p in self.model.parameters()]
        self.step, self.spent = 0, 0.0

    @torch.no_grad()
    def words_from_lesson(self) -> None:
        """Start the embedding of each colour's, shape's and digit's word on the direction in which the tower says
        it, so that a word in a question already resembles what it asks for."""
        encode = self.processor.tokenizer.convert_tokens_to_ids
        rows = self.model.model.language_model.embed_tokens.weight
        for head, classes in ((self.lesson.color, COLOR_CLASS), (self.lesson.thing, THING_CLASS)):
            for word, number in classes.items():
                direction = 0.8 * F.normalize(head.weight[number], dim=0)
                for token in (word, f"Ġ{word}", f"Ġ{shapes.plural(word)}"):
                    if encode(token) is not None:
                        rows[encode(token)] = direction + 0.3 * rows[encode(token)]

    def rate(self, progress: float) -> float:
        """Learning rate by its peak: up, level for the tower, then lower and straight down."""
        first = self.settings.tower_first
        if progress < first:
            return min(1.0, (self.step + 1) / self.settings.warm_up)
        return 0.02 + (self.settings.answers_rate - 0.02) * max(0.0, 1 - progress) / (1 - first)

    def variety(self, progress: float) -> float:
        """Share of varied conversations: 0.1 at first, so that looking is learnt before wording, 0.85 later."""
        start, end = self.settings.variety_from, self.settings.variety_by
        return 0.1 + 0.75 * min(1.0, max(0.0, progress - start) / (end - start))

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, float, float]:
        """Sum of the answers' cross entropy and the fading dense lesson; and both as numbers."""
        features = [self.forward.vision(patches, grid) for patches, grid in batch.groups]
        dense, at = torch.zeros(()), 0
        for tokens, (_, grid) in zip(features, batch.groups, strict=True):
            marks = batch.marks[at : at + len(tokens)]
            at += len(tokens)
            dense = dense + self.lesson(tokens, (grid[0] // MERGE, grid[1] // MERGE), marks)
        dense = dense / len(batch.groups)
        if batch.packed is None:
            return dense, 0.0, dense.item()
        logits = self.forward(batch.blocks(features), batch.packed)
        each = F.cross_entropy(logits, batch.packed.targets, reduction="none")
        weight = answer_weights(batch.packed.owner)
        answers = (each * weight).sum() / weight.sum()
        return answers + max(0.1, 1 - 1.5 * progress) * dense, answers.item(), dense.item()

    def train(self) -> None:
        settings = self.settings
        budget = settings.minutes * 60
        clock, last_report, last_save = time.process_time(), self.spent, self.spent
        begun = self.spent
        rng = random.Random(f"{settings.seed} {self.step}")
        noise = np.random.default_rng([settings.seed, self.step])
        lessons = Lessons(self.writer, rng, noise, settings.images, settings.questions)
        levels: dict[str, float] = {}
        was_tower = self.spent < settings.tower_first * budget
        while self.spent < budget:
            progress = self.spent / budget
            tower_only = progress < settings.tower_first
            if was_tower and not tower_only:
                self.words_from_lesson()
            was_tower = tower_only
            shares = settings.first_shares if progress < settings.variety_from else settings.shares
            kind = rng.choices(*zip(*shares, strict=True))[0]
            if tower_only:
                kind = rng.choices(("scene", "read", "clip"), (0.6, 0.3, 0.1))[0]
            lessons.variety = self.variety(progress)
            batch = lessons.make(kind, answers=not tower_only)
            for optimizer, peak in self.optimizers:
                optimizer.zero_grad(set_to_none=True)
                for group in optimizer.param_groups:
                    group["lr"] = peak * self.rate(progress)
            loss, answers, dense = self.loss(batch, progress)
            loss.backward()
            nn.utils.clip_grad_norm_(self.parameters, 1.0)
            for optimizer, _ in self.optimizers:
                optimizer.step()
            self.step += 1
            keep = min(settings.mean_decay, self.step / (self.step + 10))
            with torch.no_grad():
                torch._foreach_lerp_(self.mean, list(self.model.parameters()), 1 - keep)
            for name, value in ((kind, answers), (f"{kind}-dense", dense)):
                levels[name] = 0.95 * levels.get(name, value) + 0.05 * value
            self.spent = begun + time.process_time() - clock
            if self.spent - last_report > settings.report_every:
                last_report = self.spent
                shown = " ".join(f"{name} {level:.3f}" for name, level in sorted(levels.items()) if level)
                print(f"{self.spent:6.0f} s  step {self.step}  {shown}", flush=True)
                if not tower_only:
                    print("        " + self.report(), flush=True)
            if self.spent - last_save > settings.save_every or self.spent >= budget:
                last_save = self.spent
                self.save()
        self.save()

    def use_mean(self) -> None:
        """Swap the weights with their running mean (and back)."""
        with torch.no_grad():
            for p, mean in zip(self.model.parameters(), self.mean, strict=True):
                p.data, mean.data = mean.data, p.data

    def report(self, steps: int = 3) -> str:
        """Share of exact answers by kind, on fresh pictures of a seed that training never draws."""
        self.use_mean()
        right: dict[str, list[bool]] = {}
        lessons = Lessons(self.writer, random.Random("held out"), np.random.default_rng(987_654))
        with torch.no_grad():
            for kind in ("scene", "text_first", "pair", "clip", "clip", "read", "read"):
                for _ in range(steps):
                    batch = lessons.make(kind)
                    features = [self.forward.vision(*group) for group in batch.groups]
                    logits = self.forward(batch.blocks(features), batch.packed)
                    for (row, branch, turn), good in exact(logits, batch.packed).items():
                        right.setdefault(batch.questions[row][branch][turn // 2].kind, []).append(good)
        self.use_mean()
        return " ".join(f"{kind} {np.mean(good):.3f}" for kind, good in sorted(right.items()))

    def save(self) -> None:
        """Write a complete model directory and the state to go on from, each whole or not at all."""
        fresh, old = self.out.with_name(self.out.name + ".new"), self.out.with_name(self.out.name + ".old")
        for directory in (fresh, old):
            shutil.rmtree(directory, ignore_errors=True)
        self.use_mean()
        save(self.model, self.processor, fresh)
        self.use_mean()
        if self.out.exists():
            self.out.rename(old)
        fresh.rename(self.out)
        shutil.rmtree(old, ignore_errors=True)
        state = {
            "model": self.model.state_dict(),
            "lesson": self.lesson.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer, _ in self.optimizers],
            "mean": self.mean,
            "step": self.step,
            "spent": self.spent,
        }
        state_file = self.out.with_name(self.out.name + ".state.pt")
        torch.save(state, state_file.with_suffix(".new"))
        state_file.with_suffix(".new").rename(state_file)

    def resume(self, state_file: Path, spent: float | None = None) -> None:
        """Go on from a saved state, or, with `spent`, from its running mean as if so many CPU seconds were used."""
        state = torch.load(state_file, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.lesson.load_state_dict(state["lesson"])
        for (optimizer, _), saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        for mean, saved in zip(self.mean, state["mean"], strict=True):
            mean.copy_(saved)
        if spent is not None:
            with torch.no_grad():
                for p, mean in zip(self.model.parameters(), self.mean, strict=True):
                    p.copy_(mean)
        self.step = state["step"]
        self.spent = state["spent"] if spent is None else spent


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mmkit.zoo.vision.train", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("data/models/tiny-qwen2-vl"))
    parser.add_argument("--minutes", type=float, default=Settings.minutes, help="budget of CPU time")
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument("--resume", type=Path, help="a .state.pt file, written beside the model")
    parser.add_argument("--spent", type=float, help="with --resume: start a new schedule here, in CPU seconds")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(Settings(minutes=options.minutes, seed=options.seed), options.out)
    size = sum(p.numel() for p in trainer.model.parameters())
    print(f"{size} parameters, {trainer.settings}", flush=True)
    if options.resume:
        trainer.resume(options.resume, options.spent)
    trainer.train()
    print("final   " + trainer.report(20), flush=True)


if __name__ == "__main__":
    main()
