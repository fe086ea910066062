"""A task so small that tests can train it many times; `mmkit train tests/line_task.py OUT` trains it slowly."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from mmkit.zoo.training import Task, TrainingConfig


@dataclass(frozen=True)
class LineConfig(TrainingConfig):
    steps: int = 40
    warm_up: int = 4
    save_every: int = 8
    points: int = 16


class LineTask(Task):
    """Learns y = x W: small enough for many runs."""

    recipe = LineConfig()
    config: LineConfig
    pause = 0.0  # seconds a step

    def __init__(self, config: LineConfig = recipe):
        super().__init__(config)
        torch.manual_seed(config.seed)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 4))
        self.heads = nn.ModuleDict({"side": nn.Linear(8, 2)})
        self.befores = []

    def before(self, step):
        self.befores.append(step)
        time.sleep(self.pause)

    def batch(self, step):
        rng = np.random.default_rng([self.config.seed, step])
        x = torch.from_numpy(rng.standard_normal((self.config.points, 4))).float()
        return x, x.flip(1)

    def loss(self, batch, progress):
        x, y = batch
        inner = self.model[1](self.model[0](x))
        loss = (self.model[2](inner) - y).square().mean() + 0.01 * self.heads["side"](inner).square().mean()
        return loss, {"answer": loss.item()}

    def evaluate(self):
        x, y = self.batch(10**6)
        return {"line": float((self.model(x) - y).abs().mean())}

    def save(self, folder):
        folder.mkdir()
        torch.save(self.model.state_dict(), folder / "model.pt")


class TASK(LineTask):
    """Slow enough to be killed in the middle."""

    pause = 0.03
