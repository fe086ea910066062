"""Train tiny-qwen2-vl from nothing, on one CPU core: `python -m mmkit.zoo.train_vision`.

    batch of scenes -> pictures -> patches -> vision tower -> decoder -> loss -> Muon and AdamW

First the vision tower alone learns to say, for each of its 16 to 25 tokens, which shape, digit or bar has its
middle there (a dense lesson, for which a picture is worth 25 answers); then the whole model learns to answer,
and the dense lesson fades. Matrices are trained with Muon (Jordan, 2024), the rest with AdamW.
The budget is CPU time, so that a busy machine trains as long as a quiet one. A complete model directory is
written every few minutes, from a running mean of the weights, and training can go on from where it stopped.
Leaves out everything that needs more than one thread.
"""

from __future__ import annotations

import argparse
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkit.zoo import charts, shapes
from mmkit.zoo.conversation import Writer, rows_about
from mmkit.zoo.qwen2_vl import MAX_FRAMES, build_model, build_processor, save, train_tokenizer
from mmkit.zoo.qwen2_vl_forward import MERGE, Packed, QwenForward, Vision, exact, pack, patchify

Mark = tuple[float, float, int, int]  # x, y (0..1), colour class, thing class: what a vision token should know
COLOR_CLASS = {name: 1 + i for i, name in enumerate(shapes.COLORS)}
THING_CLASS = {name: 1 + i for i, name in enumerate((*shapes.SHAPES, *"0123456789", "bar"))}


@dataclass(frozen=True)
class Settings:
    """The recipe. Shares of steps are by kind; rates are peak values."""

    minutes: float = 70.0  # CPU time
    seed: int = 0
    tower_first: float = 0.12  # share of the budget for the vision tower alone
    decay_from: float = 0.4  # share of the budget after which the learning rate falls
    muon_rate: float = 0.02
    adam_rate: float = 2e-3
    weight_decay: float = 0.05
    warm_up: int = 80  # steps
    mean_decay: float = 0.998  # of the running mean of the weights
    images: int = 36  # in a step of scenes
    questions: int = 6  # about each
    report_every: float = 120.0  # CPU seconds
    save_every: float = 420.0
    shares: tuple[tuple[str, float], ...] = (
        ("scene", 0.50), ("text_first", 0.08), ("pair", 0.17), ("clip", 0.09), ("read", 0.16),
    )  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """Patches by grid, what their tokens should know, and the packed conversations about them."""

    groups: list[tuple[Tensor, tuple[int, int]]]  # (patches, grid of patches)
    marks: list[list[Mark]]  # one list an image, in the order of the groups; empty list of lists: no lesson
    packed: Packed | None
    questions: list[list[list[shapes.Question]]]  # [row][branch][turn]


def sample_size(rng: random.Random) -> tuple[int, int]:
    """Width and height from 84 to 224 pixels, no side more than twice the other; a third are 112 x 112."""
    kind = rng.random()
    if kind < 0.35:
        return 112, 112
    if kind < 0.50:
        return 224, 224
    if kind < 0.65:
        return (rng.randint(84, 224),) * 2
    while True:
        width, height = rng.randint(84, 224), rng.randint(84, 224)
        if 0.5 <= width / height <= 2:
            return width, height


def scene_marks(scene: shapes.Scene) -> list[Mark]:
    return [
        (s.x / scene.width, s.y / scene.height, COLOR_CLASS[s.color], THING_CLASS[s.kind]) for s in scene.shapes
    ]


def number_marks(number: charts.PrintedNumber) -> list[Mark]:
    advance = charts.digit_advance(number)
    first = number.x - advance * (len(number.digits) - 1) / 2
    return [
        ((first + i * advance) / number.width, number.y / number.height, 0, THING_CLASS[digit])
        for i, digit in enumerate(number.digits)
    ]


def chart_marks(chart: charts.BarChart) -> list[Mark]:
    """The middle of a bar's top edge, a little inside the bar."""
    return [
        ((bar.x0 + bar.x1) / 2 / chart.width, min(0.99, bar.y / chart.height + 0.02), COLOR_CLASS[bar.color],
         THING_CLASS["bar"])
        for bar in chart.bars
    ]  # fmt: skip


def ask_all(rng: random.Random, scene: shapes.Scene, limit: int) -> list[shapes.Question]:
    """A caption and up to `limit` - 1 other questions on a scene, in random order."""
    kinds = list(shapes.SINGLE_KINDS[1:])
    rng.shuffle(kinds)
    asked = [shapes.ask(rng, scene, kind, sample_phrasing(rng)) for kind in ["caption", *kinds]]
    asked = [question for question in asked if question][:limit]
    rng.shuffle(asked)
    return asked


def sample_phrasing(rng: random.Random) -> int | None:
    """The canonical phrasing in two cases of five, else any."""
    return 0 if rng.random() < 0.4 else None


def make_batch(
    kind: str, rng: random.Random, noise: np.random.Generator, writer: Writer, settings: Settings,
    answers: bool = True,
) -> Batch:  # fmt: skip
    """One step's worth of pictures and conversations; kind as in Settings.shares."""
    width, height = sample_size(rng)
    rows, questions, marks, groups, grid = [], [], [], [], (0, 0)
    visions: list[Vision] = []
    system_share = 0.9 if rng.random() < 0.4 else 0.0  # by batch: rows of one length pad least

    def see(pictures: list[np.ndarray], temporal: int = 1) -> None:
        nonlocal grid
        patches, grid = patchify(np.stack(pictures), temporal)
        groups.append((patches, grid))
        token = writer.image_token
        visions.extend([Vision((1, grid[0] // MERGE, grid[1] // MERGE), token)] * len(patches))

    def tell(asked: list[shapes.Question], blocks: list[int], text_first: bool = False) -> None:
        if asked and answers:
            new_rows, new_questions = rows_about(
                rng,
                writer,
                asked,
                [visions[b] for b in blocks],
                blocks,
                text_first=text_first,
                system_share=system_share,
            )
            rows.extend(new_rows)
            questions.extend(new_questions)

    if kind in ("scene", "text_first"):
        count = settings.images if kind == "scene" else settings.images * 2 // 3
        scenes = [shapes.sample_scene(rng, width, height) for _ in range(count)]
        see([shapes.draw_scene(scene, noise) for scene in scenes])
        marks = [scene_marks(scene) for scene in scenes]
        for block, scene in enumerate(scenes):
            if kind == "scene":
                tell(ask_all(rng, scene, settings.questions), [block])
            else:
                tell(ask_all(rng, scene, 3), [block], text_first=True)
    elif kind == "pair":
        sizes = [(width, height), (width, height) if rng.random() < 0.6 else sample_size(rng)]
        half = settings.images // 2
        firsts, seconds = ([shapes.sample_scene(rng, *size) for _ in range(half)] for size in sizes)
        for i in range(half):  # every third pair shares most of its shapes, so that looking at one is not enough
            if rng.random() < 0.3 and sizes[0] == sizes[1] and firsts[i].shapes:
                seconds[i] = shapes.sample_scene(rng, *sizes[1], count=len(firsts[i].shapes))
        for scenes in (firsts, seconds):
            see([shapes.draw_scene(scene, noise) for scene in scenes])
            marks += [scene_marks(scene) for scene in scenes]
        for i, (first, second) in enumerate(zip(firsts, seconds, strict=True)):
            asked = {}
            for name in ("which_has", "which_has", "which_has", "which_has", "which_more"):
                question = shapes.ask_pair(rng, first, second, name, sample_phrasing(rng))
                if question:
                    asked[question.text] = question
            tell(list(asked.values()), [i, half + i], text_first=rng.random() < 0.1)
    elif kind == "clip":
        count = settings.images // 3
        frames = rng.choice((4, 6, 6) + (MAX_FRAMES,) * 4)
        clips = [shapes.sample_clip(rng, width, height, frames) for _ in range(count)]
        see([frame for clip in clips for frame in shapes.draw_clip(clip, noise)], temporal=2)
        steps = frames // 2
        visions[:] = [Vision((steps, grid[0] // MERGE, grid[1] // MERGE), writer.video_token)] * count
        for block, clip in enumerate(clips):
            asked = [shapes.ask_clip(rng, clip, name, sample_phrasing(rng)) for name in shapes.CLIP_KINDS]
            tell(asked, [block], text_first=rng.random() < 0.1)
    elif kind == "read":
        things = []
        for i in range(settings.images * 4 // 3):
            if i % 2:
                things.append(charts.sample_number(rng, width, height))
            else:
                things.append(charts.sample_chart(rng, width, height))
        see([charts.draw_number(t, noise) if isinstance(t, charts.PrintedNumber)
             else charts.draw_chart(t, noise) for t in things])  # fmt: skip
        for block, thing in enumerate(things):
            if isinstance(thing, charts.PrintedNumber):
                marks.append(number_marks(thing))
                asked = [charts.ask_number(rng, thing, sample_phrasing(rng))]
            else:
                marks.append(chart_marks(thing))
                asked = [charts.ask_chart(rng, thing, k, sample_phrasing(rng)) for k in charts.CHART_KINDS]
            tell(asked, [block], text_first=rng.random() < 0.1)
    return Batch(groups, marks, pack(rows) if answers else None, questions)


class DenseLesson(nn.Module):
    """What a vision token should know: the colour and the thing whose middle it covers, and where that is.

    Three linear heads on the tower's features; they are thrown away after training.
    """

    def __init__(self, hidden: int):
        super().__init__()
        self.color = nn.Linear(hidden, 1 + len(COLOR_CLASS))
        self.thing = nn.Linear(hidden, 1 + len(THING_CLASS))
        self.place = nn.Linear(hidden, 2)

    def forward(self, features: Tensor, grid: tuple[int, int], marks: list[list[Mark]]) -> Tensor:
        """Loss, a scalar. features: (N, gh * gw, hidden); grid: (gh, gw) in merged tokens."""
        gh, gw = grid
        N = len(marks)
        rows, columns = np.divmod(np.arange(gh * gw), gw)
        middle = np.stack(((columns + 0.5) / gw, (rows + 0.5) / gh), -1).astype(np.float32)
        place = np.tile(middle, (N, 1, 1))  # N gh*gw 2
        color, thing, seen = (np.zeros((N, gh * gw), np.int64) for _ in range(3))
        for i, image in enumerate(marks):
            for x, y, color_class, thing_class in image:
                cell = min(gh - 1, int(y * gh)) * gw + min(gw - 1, int(x * gw))
                color[i, cell], thing[i, cell], place[i, cell] = color_class, thing_class, (x, y)
                seen[i, cell] += 1
        weight = torch.from_numpy(np.choose(np.minimum(seen, 2), (1.0, 4.0, 0.0)).astype(np.float32)).flatten()
        features = features.reshape(N * gh * gw, -1)

        def classify(head: nn.Linear, classes: np.ndarray) -> Tensor:
            target = torch.from_numpy(classes).flatten()
            return (F.cross_entropy(head(features), target, reduction="none") * weight).mean()

        away = (self.place(features) - torch.from_numpy(place).view(-1, 2)).abs().mean(-1)
        return classify(self.color, color) + classify(self.thing, thing) + 4 * (away * weight).mean()


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

    def rate(self, progress: float) -> float:
        """Learning rate by its peak: up, level, then straight down to a fiftieth."""
        start = self.settings.decay_from
        fall = 1 - 0.98 * max(0.0, progress - start) / (1 - start)
        return min(1.0, (self.step + 1) / self.settings.warm_up) * max(0.02, fall)

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, float, float]:
        """Sum of the answers' cross entropy and the fading dense lesson; and both as numbers."""
        features = [self.forward.vision(patches, grid) for patches, grid in batch.groups]
        dense, at = torch.zeros(()), 0
        for tokens, (_, grid) in zip(features, batch.groups, strict=True):
            marks = batch.marks[at : at + len(tokens)]
            at += len(tokens)
            if marks:
                dense = dense + self.lesson(tokens, (grid[0] // MERGE, grid[1] // MERGE), marks)
        dense = dense / len(batch.groups)
        if batch.packed is None:
            return dense, 0.0, dense.item()
        logits = self.forward(self.blocks(features, batch), batch.packed)
        answers = F.cross_entropy(logits, batch.packed.targets)
        return answers + max(0.1, 1 - 1.5 * progress) * dense, answers.item(), dense.item()

    @staticmethod
    def blocks(features: list[Tensor], batch: Batch) -> list[Tensor]:
        """Features of each image or clip (a clip's temporal patches one after the other)."""
        size = batch.packed.sources[0][1] if batch.packed else 0
        if len(features) == 1 and size > features[0].shape[1]:
            return list(features[0].reshape(-1, size, features[0].shape[-1]))
        return [block for group in features for block in group]

    def train(self) -> None:
        settings = self.settings
        budget = settings.minutes * 60
        kinds, shares = zip(*settings.shares, strict=True)
        clock, last_report, last_save = time.process_time(), self.spent, self.spent
        begun = self.spent
        rng = random.Random(f"{settings.seed} {self.step}")
        noise = np.random.default_rng([settings.seed, self.step])
        levels: dict[str, float] = {}
        while self.spent < budget:
            progress = self.spent / budget
            tower_only = progress < settings.tower_first
            kind = rng.choices(kinds, shares)[0]
            if tower_only:
                kind = "read" if rng.random() < 0.3 else "scene"
            batch = make_batch(kind, rng, noise, self.writer, settings, answers=not tower_only)
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
        rng, noise = random.Random("held out"), np.random.default_rng(987_654)
        with torch.no_grad():
            for kind in ("scene", "text_first", "pair", "clip", "clip", "read", "read"):
                for _ in range(steps):
                    batch = make_batch(kind, rng, noise, self.writer, self.settings)
                    features = [self.forward.vision(*group) for group in batch.groups]
                    logits = self.forward(self.blocks(features, batch), batch.packed)
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
        """Go on from a saved state; spent: pretend that this much of the budget (CPU seconds) is used."""
        state = torch.load(state_file, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.lesson.load_state_dict(state["lesson"])
        for (optimizer, _), saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        for mean, saved in zip(self.mean, state["mean"], strict=True):
            mean.copy_(saved)
        self.step = state["step"]
        self.spent = state["spent"] if spent is None else spent


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mmkit.zoo.train_vision", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("data/models/tiny-qwen2-vl"))
    parser.add_argument("--minutes", type=float, default=Settings.minutes, help="budget of CPU time")
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument("--resume", type=Path, help="a .state.pt file, written beside the model")
    parser.add_argument("--spent", type=float, help="with --resume: CPU seconds of the budget taken as used")
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
