"""How tiny-clip learns: `mmkit train tiny-clip OUT`, about forty minutes on one core.

    batch -> two towers -> similarity matrix -> InfoNCE, both ways

Pictures and captions pull together where they belong together and apart everywhere else; beside the captions of
the batch, each picture has one that is nearly right (batches.py). Equal captions are no negatives of each other.
Two more lessons make looking quick to learn, and fade out: each patch says which shape has its middle there; the
picture's vector says what stands first, second, third from the left.
Leaves out the loop (training.py).

The shipped weights are the running mean after 3,221 of 4,500 steps, 28 minutes of CPU time, in one sitting from
nothing, with a loop that went by the clock; in steps, and to its end, this recipe has not been run.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkit.zoo.clip.batches import SLOTS, Batch, make_batch
from mmkit.zoo.clip.evaluate import captions_to_ids, pixels, recall_of
from mmkit.zoo.clip.model import PATCH, SIDE, build_model, build_processor, save, train_tokenizer
from mmkit.zoo.training import Task, TrainingConfig
from mmkit.zoo.worlds import shapes
from mmkit.zoo.worlds.shapes import COLORS, SHAPES, Scene

COLOR_CLASS = {name: 1 + i for i, name in enumerate(COLORS)}  # 0 is "none"
SHAPE_CLASS = {name: 1 + i for i, name in enumerate(SHAPES)}


@dataclass(frozen=True)
class ClipConfig(TrainingConfig):
    """The numbers of a training run."""

    steps: int = 4500
    warm_up: int = 80
    steps_per_minute: int = 112
    pictures: int = 96  # in a batch
    lessons: float = 1.0  # weight of the two lessons; it falls to a twentieth
    level: float = 0.2  # share of the steps at the peak rate; from there it falls straight to a fiftieth


class LookingLessons(nn.Module):
    """What a patch and what a picture's vector should know; linear heads that training throws away."""

    def __init__(self, hidden: int):
        super().__init__()
        self.patch = nn.ModuleList([nn.Linear(hidden, 1 + len(COLORS)), nn.Linear(hidden, 1 + len(SHAPES))])
        self.slots = nn.ModuleList(
            [nn.Linear(hidden, SLOTS * (1 + len(COLORS))), nn.Linear(hidden, SLOTS * (1 + len(SHAPES)))]
        )

    def forward(self, patches: Tensor, pooled: Tensor, scenes: list[Scene]) -> tuple[Tensor, Tensor]:
        """Losses of both lessons. patches: (N, gh * gw, hidden); pooled: (N, hidden)."""
        N, side = len(scenes), SIDE // PATCH
        cells = torch.zeros(2, N, side * side, dtype=torch.long)  # colour, shape
        slots = torch.zeros(2, N, SLOTS, dtype=torch.long)
        weight = torch.ones(N, side * side)
        for n, scene in enumerate(scenes):
            for k, shape in enumerate(scene.shapes):
                cell = int(shape.y / scene.height * side) * side + int(shape.x / scene.width * side)
                classes = torch.tensor([COLOR_CLASS[shape.color], SHAPE_CLASS[shape.kind]])
                cells[:, n, cell], slots[:, n, k] = classes, classes
                weight[n, cell] = 8.0
        where = what = torch.zeros(())
        for head, target in zip(self.patch, cells, strict=True):
            each = F.cross_entropy(head(patches).flatten(0, 1), target.flatten(), reduction="none")
            where = where + (each * weight.flatten()).sum() / weight.sum()
        for head, target in zip(self.slots, slots, strict=True):
            what = what + F.cross_entropy(head(pooled).view(N * SLOTS, -1), target.flatten())
        return where, what


def info_nce(similarity: Tensor, batch: Batch) -> Tensor:
    """Symmetric InfoNCE; equal captions of two pictures are left out of each other's sums.

    similarity: (N, 2N) of the pictures with the captions, then with the near misses.
    """
    N = len(batch.captions)
    said = [shapes.caption(scene) for scene in batch.scenes]
    same = torch.tensor([[a == b for b in said] for a in said]) & ~torch.eye(N, dtype=torch.bool)
    square = similarity[:, :N].masked_fill(same, -torch.inf)
    target = torch.arange(N)
    to_text = F.cross_entropy(torch.cat([square, similarity[:, N:].diagonal()[:, None]], 1), target)
    return (to_text + F.cross_entropy(square.T, target)) / 2


class ClipTask(Task):
    """tiny-clip and its world, as the loop sees them."""

    recipe = ClipConfig()
    config: ClipConfig
    model: Any  # a CLIPModel

    def __init__(self, config: ClipConfig = recipe):
        super().__init__(config)
        self.processor = build_processor(train_tokenizer())
        self.model = build_model(self.processor.tokenizer, config.seed)
        self.heads = LookingLessons(self.model.config.vision_config.hidden_size)

    def batch(self, step: int) -> Batch:
        seed = self.config.seed
        return make_batch(
            random.Random(f"{seed} {step}"), np.random.default_rng([seed, step]), self.config.pictures
        )

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        """The contrastive loss and the fading lessons."""
        seen = self.model.vision_model(pixel_values=pixels(batch.pictures))
        image = F.normalize(self.model.visual_projection(seen.pooler_output), dim=-1)  # N D
        ids = captions_to_ids(self.processor.tokenizer, batch.captions + batch.misses)
        read = self.model.text_model(input_ids=ids)
        text = F.normalize(self.model.text_projection(read.pooler_output), dim=-1)  # 2N D
        contrastive = info_nce(self.model.logit_scale.exp() * image @ text.T, batch)
        patches = self.model.vision_model.post_layernorm(seen.last_hidden_state[:, 1:])
        where, what = self.heads(patches, seen.pooler_output, batch.scenes)
        share = self.config.lessons * max(0.05, 1 - 1.4 * progress)
        shown = {"contrastive": contrastive.item(), "where": where.item(), "what": what.item()}
        return contrastive + share * (where + what), shown

    def before(self, step: int) -> None:
        """Keep the temperature in bounds, as CLIP does."""
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=math.log(100.0))

    def rate(self, progress: float) -> float:
        return 0.02 + 0.98 * min(1.0, (1 - progress) / (1 - self.config.level))

    def evaluate(self) -> dict[str, float]:
        """Recall@1 on scenes that training never draws, by training's renderer."""
        return recall_of(self.model, self.processor, shapes.draw_scene, random.Random("held out"), sets=4)

    def save(self, folder: Path) -> None:
        save(self.model, self.processor, folder)
