"""What notebook 15's world and fine-tunings reach when they are given time; stored in results/training.json.

    python tests/benchmarks/bench_training.py [own] [fine-tuned]

The world and the hearts are those of the notebook: its cells tagged "world" and "hearts" are run. Every share is
of answers right to the letter, on examples that no training drew; each run is one thread, its CPU seconds are told.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import torch
from PIL import Image, ImageDraw

import mmkit.plots as plots
from mmkit import shipped
from mmkit.engine import Engine
from mmkit.samples import MultiModalSample
from mmkit.zoo.training import Trainer
from mmkit.zoo.vision import finetune, own
from mmkit.zoo.vision.train import vision_loss
from mmkit.zoo.worlds import shapes
from mmkit.zoo.worlds.shapes import Question

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).with_name("results") / "training.json"
HELD_OUT = 300  # pictures


class WithoutLesson(own.OwnTask):
    """The same model and world, but nobody asks the eye."""

    def loss(self, batch, progress):
        return vision_loss(self.forward, self.heads, batch, 0.0)


def lesson(tag: str) -> dict:
    """What the notebook's cells of this tag define."""
    notebook = nbformat.read(ROOT / "notebooks" / "15_train_a_tiny_model.ipynb", as_version=4)
    names = {
        "own": own, "finetune": finetune, "shapes": shapes, "Question": Question, "Image": Image, "plots": plots,
        "ImageDraw": ImageDraw, "np": np, "replace": replace, "random": random, "display": lambda _: None,
    }  # fmt: skip
    for cell in notebook.cells:
        if tag in cell.metadata.get("tags", []):
            exec(cell.source, names)
    return names


def share(task, examples) -> float:
    found = own.judge(task.forward, task.writer, examples)
    return round(float(np.mean([good for hits in found.values() for good in hits])), 4)


def own_world(folder: Path) -> dict:
    """The short run, the long one, and the long one without the eye's lesson."""
    world = lesson("world")["world"]
    short = own.OwnConfig(steps=240, pictures=16, save_every=10**6)
    long = replace(short, steps=1200)
    runs = {
        "half a minute": own.OwnTask(short, world),
        "half a minute, no lesson for the eye": WithoutLesson(replace(short, tower_first=0.0), world),
        "three minutes": own.OwnTask(long, world),
    }
    held_out, shown = own.draw(world, "held out", HELD_OUT), {}
    for name, task in runs.items():
        trainer, began = Trainer(task, folder / name.replace(",", "")), time.process_time()
        for _ in trainer.run():
            pass
        spent = round(time.process_time() - began)
        with trainer.averaged(), torch.no_grad():
            reached = share(task, held_out)
        shown[name] = {"steps": task.config.steps, "CPU seconds": spent, "held out": reached}
        print(name, shown[name], flush=True)
    asked = [(e.picture, q) for e in held_out[:100] for q in e.questions]
    with Engine(str(folder / "three minutes")) as engine:
        samples = [MultiModalSample(q.text, images=(Image.fromarray(picture),)) for picture, q in asked]
        answers = engine.answer(samples, max_tokens=16)
    right = [answer.text == q.answer for answer, (_, q) in zip(answers, asked, strict=True)]
    shown["three minutes"]["in vLLM"] = round(float(np.mean(right)), 4)
    return shown


def fine_tuned(folder: Path) -> dict:
    """Hearts and the old world, before and after."""
    hearts, shown = lesson("hearts")["hearts"], {}
    base = finetune.FineTuneConfig(save_every=10**6)
    lora = {"rank": 8, "adam_rate": 5e-3, "weight_decay": 0.0, "mean_decay": 0.9}
    recipes = {
        "untouched": replace(base, steps=0),
        "hearts alone": replace(base, replay=0.0),
        "with replay": base,
        "LoRA with replay": replace(base, **lora),
    }
    new, old = (own.draw(world, "measured", HELD_OUT) for world in (hearts, finetune.shapes_world))
    for name, recipe in recipes.items():
        task = finetune.FineTuneTask(shipped.resolve("tiny-qwen2-vl"), hearts, recipe)
        trainer, began = Trainer(task, folder / name), time.process_time()
        for _ in trainer.run():
            pass
        spent = round(time.process_time() - began)
        with trainer.averaged():
            scores = {"hearts": share(task, new), "old world": share(task, old)}
        shown[name] = {"steps": recipe.steps, "CPU seconds": spent, **scores}
        print(name, shown[name], flush=True)
    return shown


def main() -> None:
    parts = {"own": ("own world", own_world), "fine-tuned": ("fine-tuned", fine_tuned)}
    measured = {}
    with tempfile.TemporaryDirectory() as folder:
        for part in sys.argv[1:] or parts:
            name, measure = parts[part]
            measured[name] = measure(Path(folder))
    kept = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    about = {"command": "python tests/benchmarks/bench_training.py", "held-out pictures": HELD_OUT}
    RESULTS.write_text(json.dumps(kept | about | measured, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
