"""Training: one loop for every model of the zoo.

    task.batch(step) -> task.loss -> gradients, clipped -> Muon and AdamW -> running mean of the weights
    every so often: held-out scores, a checkpoint, the model's folder

    torchrun --nproc-per-node 2 --no-python -- mmkit train ...: two cores, a batch each, their gradients averaged

A task (vision, audio, omni, or the reader's own) says what a batch is and what its loss; all else is here.
Progress is counted in steps, never by a clock, and batch k is drawn from (seed, k) alone: one seed gives the same
bits on one machine, and a run that was killed and resumed ends with the weights of one that was not.
Follows Muon (Jordan et al. 2024) for the matrices inside the layers, AdamW (Loshchilov and Hutter 2019) for the
rest, and Polyak's averaging. Tried without gain: torch.compile (it compiles for longer than it saves), and bfloat16
at few patches a picture (the reader's have hundreds: it halves their time). AdamW alone is much slower to learn
which color belongs to which shape.
Leaves out GPUs: nothing here needs them.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F
from tqdm import tqdm

from mmkit.errors import ModelError

# Not for Muon although they are matrices: tables of embeddings, layers to classes, LoRA's thin factors.
NOT_INSIDE = ("embed", "lm_head", "proj_out", "lora_", "heads.")
WORKER_SEED = 1_000_003  # between the seeds of two workers, so that each draws batches of its own


@dataclass(frozen=True)
class TrainingConfig:
    """The numbers of a training run.  Rates are peak values; shares and times are counted in steps."""

    steps: int = 1000
    seed: int = 0
    muon_rate: float = 0.02
    adam_rate: float = 2e-3
    weight_decay: float = 0.05  # of matrices and tables; biases and norms have none
    warm_up: int = 100  # steps
    max_norm: float = 1.0  # of all gradients together
    mean_decay: float = 0.998  # of the running mean of the weights
    steps_per_minute: int = 200  # about, on one core: only to turn a wish in minutes into steps
    evaluate_every: int = 400  # steps
    save_every: int = 800  # steps


class Task:
    """What the loop must know of a model and its world.

    recipe: the configuration by default.  model: what is saved.  heads: auxiliary layers that teach the model and
    are thrown away.  A subclass makes both, and defines batch, loss, evaluate and save.
    """

    recipe: ClassVar[TrainingConfig] = TrainingConfig()
    model: Any
    heads: Any

    def __init__(self, config: TrainingConfig):
        self.config = config

    def batch(self, step: int) -> Any:
        """Batch number `step`, drawn from the seed and that number alone."""
        raise NotImplementedError

    def loss(self, batch: Any, progress: float) -> tuple[Tensor, dict[str, float]]:
        """The loss to descend, and its parts as numbers to show.  progress: share of the steps done, 0 to 1."""
        raise NotImplementedError

    def evaluate(self) -> dict[str, float]:
        """Share of exact answers to held-out questions, by kind."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """Write a folder that transformers and vLLM load."""
        raise NotImplementedError

    def start(self, folder: Path) -> None:
        """Begin with the weights of a saved model instead of random ones; before a Trainer is made."""
        saved = type(self.model).from_pretrained(folder, dtype=torch.float32)
        self.model.load_state_dict(saved.state_dict())

    def before(self, step: int) -> None:
        """What happens to the weights before a step, rarely anything."""

    def rate(self, progress: float) -> float:
        """Learning rate by its peak, apart from the warm-up."""
        return cosine(progress)


def cosine(progress: float, end: float = 0.02) -> float:
    """Half a cosine from 1 down to `end`: end + (1 - end) (1 + cos(pi progress)) / 2.

    >>> cosine(0.0), round(cosine(0.5), 2), round(cosine(1.0), 2)
    (1.0, 0.51, 0.02)
    """
    return end + (1 - end) / 2 * (1 + math.cos(math.pi * progress))


def optimizers(module: nn.Module, config: TrainingConfig) -> list[tuple[torch.optim.Optimizer, float]]:
    """Muon for the matrices inside the layers, AdamW for the rest, each with its peak rate."""
    matrices, others, plain = [], [], []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            inside = parameter.ndim == 2 and not any(part in name for part in NOT_INSIDE)
            (matrices if inside else others if parameter.ndim > 1 else plain).append(parameter)
    groups = [{"params": others, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=config.adam_rate, betas=(0.9, 0.98), fused=True)
    if not matrices:
        return [(adam, config.adam_rate)]
    muon = torch.optim.Muon(
        matrices, lr=config.muon_rate, weight_decay=config.weight_decay, adjust_lr_fn="original"
    )
    return [(muon, config.muon_rate), (adam, config.adam_rate)]


class Trainer:
    """A task with its optimizers, the running mean of its weights, and the number of steps done.

    out: the folder to write; the checkpoint lies beside it, as OUT.checkpoint.
    Where torch.distributed is up, this is one of several workers: each draws batches of its own, all step along the
    mean of their gradients, and the first alone writes.
    Raises ModelError where the folder is there but no checkpoint: it is not ours to replace.
    """

    def __init__(self, task: Task, out: Path):
        self.task, self.out, self.config = task, Path(out), task.config
        several = distributed.is_initialized()
        self.worker, self.workers = (distributed.get_rank(), distributed.get_world_size()) if several else (0, 1)
        if self.out.exists() and not self.checkpoint_file.exists():
            raise ModelError(f"{self.out.name} is there already, and not from a training here; name a new folder")
        self.module = nn.ModuleDict({"model": task.model, "heads": task.heads})
        self.parameters = list(self.module.parameters())
        self.optimizers = optimizers(self.module, task.config)
        self.step = 0
        task.config = replace(task.config, seed=task.config.seed + WORKER_SEED * self.worker)
        if several:  # a task may have drawn its first weights from no seed
            for parameter in self.parameters:
                distributed.broadcast(parameter.data, 0)
        self.mean = [p.detach().clone() for p in self.parameters]

    @property
    def checkpoint_file(self) -> Path:
        return self.out.with_name(self.out.name + ".checkpoint")

    def run(self) -> Iterator[dict[str, float]]:
        """Take the steps that are left, giving back each one's losses; saves on the way and at the end.

        Between two steps the caller may look at everything, evaluate or stop: nothing depends on it.
        """
        config = self.task.config
        while self.step < config.steps:
            losses = self.advance()
            if self.step % config.save_every == 0 or self.step == config.steps:
                self.save()
            yield losses

    def advance(self) -> dict[str, float]:
        """One step: forward, backward, both optimizers, the running mean."""
        task, config, step = self.task, self.task.config, self.step
        progress = step / config.steps
        with one_thread():
            task.before(step)
            share = min(1.0, (step + 1) / config.warm_up) * task.rate(progress)
            for optimizer, peak in self.optimizers:
                optimizer.zero_grad(set_to_none=True)
                for group in optimizer.param_groups:
                    group["lr"] = peak * share
            loss, shown = task.loss(task.batch(step), progress)
            loss.backward()
            self._average_gradients()
            nn.utils.clip_grad_norm_(self.parameters, config.max_norm)
            for optimizer, _ in self.optimizers:
                optimizer.step()
            self.step += 1
            keep = min(config.mean_decay, self.step / (self.step + 10))
            with torch.no_grad():
                torch._foreach_lerp_(self.mean, list(self.parameters), 1 - keep)  # pyright: ignore
        return shown

    def _average_gradients(self) -> None:
        """Over the workers: as one step on a batch of all their batches."""
        if self.workers > 1:
            gradients = [p.grad for p in self.parameters if p.grad is not None]
            together = torch.cat([gradient.flatten() for gradient in gradients])
            distributed.all_reduce(together)
            together /= self.workers
            parts = together.split([gradient.numel() for gradient in gradients])
            for gradient, part in zip(gradients, parts, strict=True):
                gradient.copy_(part.view_as(gradient))

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within it the module has the running mean for its weights: better than the last ones, and steadier."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for p, mean in zip(self.parameters, self.mean, strict=True):
            p.data, mean.data = mean.data, p.data

    def evaluate(self) -> dict[str, float]:
        """Held-out scores of the averaged weights."""
        with self.averaged(), one_thread(), torch.no_grad():
            return self.task.evaluate()

    def save(self) -> None:
        """Write the model's folder, and the checkpoint to go on from: each whole or not at all."""
        if self.worker:
            return
        fresh, old = (self.out.with_name(self.out.name + end) for end in (".new", ".old"))
        for folder in (fresh, old):
            shutil.rmtree(folder, ignore_errors=True)
        self.out.parent.mkdir(parents=True, exist_ok=True)
        with self.averaged():
            self.task.save(fresh)
        if self.out.exists():
            self.out.rename(old)
        fresh.rename(self.out)
        shutil.rmtree(old, ignore_errors=True)
        state = {
            "config": asdict(self.config) | {"workers": self.workers},
            "step": self.step,
            "module": self.module.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer, _ in self.optimizers],
            "mean": self.mean,
        }
        part = self.checkpoint_file.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, self.checkpoint_file)

    def resume(self) -> bool:
        """Go on from the checkpoint, if there is one.  ModelError where it is of another configuration."""
        if not self.checkpoint_file.exists():
            return False
        state = torch.load(self.checkpoint_file, weights_only=True)
        ours = asdict(self.config) | {"workers": self.workers}
        differs = [name for name, value in ours.items() if state["config"].get(name) != value]
        if differs:
            raise ModelError(
                f"{self.checkpoint_file.name} was written with another {', '.join(differs)}; "
                "train with the same numbers, or delete it to begin anew"
            )
        self.module.load_state_dict(state["module"])
        for (optimizer, _), saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        for mean, saved in zip(self.mean, state["mean"], strict=True):
            mean.copy_(saved)
        self.step = state["step"]
        return True


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it torch computes in one thread: sums in one order, the same bits every time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def workers() -> Iterator[None]:
    """Within it the processes that torchrun started average their gradients; alone, nothing."""
    if not distributed.is_torchelastic_launched():
        yield
        return
    distributed.init_process_group("gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def smoothed(before: dict[str, float], losses: dict[str, float], keep: float = 0.95) -> dict[str, float]:
    """Losses averaged over about 1 / (1 - keep) steps, since a single step's jump up and down.

    >>> smoothed({"answer": 1.0}, {"answer": 0.0, "ctc": 2.0})
    {'answer': 0.95, 'ctc': 2.0}
    """
    return before | {name: keep * before.get(name, new) + (1 - keep) * new for name, new in losses.items()}


def train(task: Task, out: Path, *, progress: bool = False) -> dict[str, float]:
    """Train a task to its end and return its held-out scores; resumes what an earlier call with the same OUT began.

    Started by torchrun, it trains with the other workers; all but the first return nothing.
    progress: a bar on stderr with the answers' loss and the mean held-out score, and each kind's score above it.
    """
    with workers():
        trainer = Trainer(task, out)
        trainer.resume()
        if not trainer.worker:
            return _train_and_show(trainer, progress)
        for _ in trainer.run():
            pass
        return {}


def _train_and_show(trainer: Trainer, progress: bool) -> dict[str, float]:
    levels: dict[str, float] = {}
    scores: dict[str, float] = {}
    steps = trainer.config.steps
    with tqdm(total=steps, initial=trainer.step, unit="step", disable=not progress) as bar:
        for losses in trainer.run():
            levels = smoothed(levels, losses)
            bar.update()
            if trainer.step % trainer.config.evaluate_every == 0 and trainer.step < steps:
                scores = trainer.evaluate()
                bar.write(f"step {trainer.step}, held out: {show(scores)}", file=sys.stderr)
            told = {"loss": f"{levels.get('answer', math.nan):.3f}"}
            if scores:
                told["held out"] = f"{sum(scores.values()) / len(scores):.1%}"
            bar.set_postfix(told, refresh=False)
    return trainer.evaluate()


def show(numbers: dict[str, float]) -> str:
    """
    >>> show({"count": 0.98, "caption": 0.5})
    'caption 0.500  count 0.980'
    """
    return "  ".join(f"{name} {value:.3f}" for name, value in sorted(numbers.items()))


def ctc_loss(scores: Tensor, lengths: Tensor, said: list[list[int]]) -> Tensor:
    """Connectionist temporal classification (Graves et al. 2006): teaches where the words are, told only which.

    scores: (B, T, classes), class 0 the blank.  lengths: (B,) of T valid.  said: each clip's classes, from 1.
    """
    return F.ctc_loss(
        scores.log_softmax(-1).transpose(0, 1),  # T B classes
        torch.tensor([word for words in said for word in words], dtype=torch.long),
        lengths,
        torch.tensor([len(words) for words in said]),
        zero_infinity=True,
    )
