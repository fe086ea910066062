"""Fine-tuning a saved tiny Qwen2-VL: in full, or as a LoRA adapter that vLLM puts on at run time; with replay.

    saved model + world of what is new -> FineTuneTask -> Trainer -> model folder, or adapter folder

A model that only sees what is new forgets what is old. Replay mixes examples of the old world into every batch.
LoRA (Hu et al. 2021) leaves the old weights alone and learns (alpha / r) B A beside each, two thin matrices.
Follows peft in the names of an adapter's files and weights, which is what vLLM reads (LoRARequest).
Leaves out adapters of the vision tower, dropout and merging.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmkit.zoo.packing import answer_loss
from mmkit.zoo.training import Task, TrainingConfig, cosine
from mmkit.zoo.vision.batches import Batch, ask_all
from mmkit.zoo.vision.conversation import Writer
from mmkit.zoo.vision.forward import QwenForward
from mmkit.zoo.vision.model import save
from mmkit.zoo.vision.own import Example, World, batch_of, draw, judge, shares
from mmkit.zoo.worlds import shapes

ADAPTED = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def shapes_world(rng: random.Random) -> Example:
    """The shipped model's own world: a scene of none to three shapes, and six questions on it."""
    scene = shapes.sample_scene(rng)
    noise = np.random.default_rng(rng.getrandbits(32))
    return Example(shapes.draw_scene(scene, noise), ask_all(rng, scene, 6, plain=True))


@dataclass(frozen=True)
class FineTuneConfig(TrainingConfig):
    """The numbers of a fine-tuning: lower rates than from nothing, since much is right already.

    A new word needs the tables of embeddings to move: at an adam_rate of 2e-4 hearts were seen and never named.
    LoRA wants adam_rate 5e-3 and no weight_decay.
    """

    steps: int = 150
    muon_rate: float = 4e-3
    adam_rate: float = 1e-3
    warm_up: int = 10
    mean_decay: float = 0.95
    steps_per_minute: int = 250
    pictures: int = 24  # in a batch
    replay: float = 0.5  # share of them from the old world
    rank: int = 0  # of the LoRA matrices; 0 trains all weights
    alpha: float = 16.0
    held_out: int = 128  # pictures


class LoRALinear(nn.Module):
    """y = base(x) + (alpha / r) B A x, the base frozen.

    lora_A: (r, in) random, lora_B: (out, r) zeros, so that it begins as base.
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.lora_A = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features**0.5)
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank))
        self.scale = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.scale * (x @ self.lora_A.T) @ self.lora_B.T


def add_lora(decoder: nn.Module, rank: int, alpha: float) -> None:
    """Put a LoRALinear in place of every linear layer of ADAPTED in a decoder."""
    for _, parent in list(decoder.named_modules()):
        for name, child in list(parent.named_children()):
            if name in ADAPTED and isinstance(child, nn.Linear):
                setattr(parent, name, LoRALinear(child, rank, alpha))


def adapters(decoder: nn.Module) -> Iterator[tuple[str, LoRALinear]]:
    """The LoRA layers of a decoder by their places, such as "layers.0.self_attn.q_proj"."""
    return ((name, layer) for name, layer in decoder.named_modules() if isinstance(layer, LoRALinear))


def save_adapter(decoder: nn.Module, base: str, rank: int, alpha: float, folder: Path) -> None:
    """Write an adapter as peft does: what vLLM's LoRARequest and peft's from_pretrained read.

    base: name of the model under it, for who finds the folder later.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {}
    for place, layer in adapters(decoder):
        name = f"base_model.model.model.language_model.{place}"
        weights[f"{name}.lora_A.weight"] = layer.lora_A.detach().clone()
        weights[f"{name}.lora_B.weight"] = layer.lora_B.detach().clone()
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": list(ADAPTED),
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    for file in folder.iterdir():
        file.chmod(0o644)


class FineTuneTask(Task):
    """A saved model, a world of what is new, and the world that it must not forget.

    base: folder of a saved Qwen2-VL.  Scores: the kinds of the new world's questions, and "old" for the old one's.
    """

    recipe = FineTuneConfig()
    config: FineTuneConfig

    def __init__(self, base: str | Path, new: World, config: FineTuneConfig = recipe, old: World = shapes_world):
        from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

        super().__init__(config)
        self.base, self.new, self.old = Path(base), new, old
        self.processor = AutoProcessor.from_pretrained(base)
        self.writer = Writer(self.processor.tokenizer)
        self.model: Any = Qwen2VLForConditionalGeneration.from_pretrained(base, dtype=torch.float32).eval()
        self.forward, self.heads = QwenForward(self.model), nn.ModuleDict()
        if config.rank:
            torch.manual_seed(config.seed)
            self.model.requires_grad_(False)
            add_lora(self.model.model.language_model, config.rank, config.alpha)
        self.held_out = draw(new, "held out", config.held_out)
        self.held_out_old = draw(old, "held out", config.held_out)

    def batch(self, step: int) -> Batch:
        config = self.config
        replayed = round(config.replay * config.pictures)
        seed = f"train {config.seed} {step}"
        examples = draw(self.new, seed, config.pictures - replayed) + draw(self.old, f"old {seed}", replayed)
        return batch_of([Example(e.picture, e.questions) for e in examples], self.writer, {})

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        assert batch.packed is not None
        features = [self.forward.vision(*group) for group in batch.groups]
        loss = answer_loss(self.forward(batch.items(features), batch.packed), batch.packed)
        return loss, {"answer": loss.item()}

    def rate(self, progress: float) -> float:
        return cosine(progress)

    def evaluate(self) -> dict[str, float]:
        new, old = (judge(self.forward, self.writer, held_out) for held_out in (self.held_out, self.held_out_old))
        return shares(new | {"old": [good for hits in old.values() for good in hits]})

    def save(self, folder: Path) -> None:
        if self.config.rank:
            decoder = self.model.model.language_model
            save_adapter(decoder, self.base.name, self.config.rank, self.config.alpha, folder)
        else:
            save(self.model, self.processor, folder)
