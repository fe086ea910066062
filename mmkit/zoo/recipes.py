"""What `mmkit train RECIPE OUT` can train: the shipped models by name, or a task of your own in a file.

    name or FILE.py -> task class -> its configuration, scaled to the minutes that are wished for -> task

A file of your own defines `TASK`, a subclass of mmkit.zoo.training.Task; notebook 15 writes one.
"""

from __future__ import annotations

import importlib
import runpy
from dataclasses import replace
from pathlib import Path

from mmkit.errors import ModelError
from mmkit.zoo.training import Task

RECIPES = {
    "tiny-qwen2-vl": ("mmkit.zoo.vision.train", "VisionTask"),
    "tiny-reader": ("mmkit.zoo.reader.train", "ReaderTask"),
    "more-qwen2-vl": ("mmkit.zoo.vision.train", "MoreTask"),  # the shipped one, and answers in JSON
    "tiny-speech": ("mmkit.zoo.audio.train", "SpeechPairTask"),  # tiny-qwen2-audio and tiny-whisper
    "tiny-qwen2-audio": ("mmkit.zoo.audio.train", "Qwen2AudioTask"),
    "tiny-whisper": ("mmkit.zoo.audio.train", "WhisperTask"),
    "tiny-clip": ("mmkit.zoo.clip.train", "ClipTask"),
    "tiny-omni": ("mmkit.zoo.omni.train", "OmniTask"),
}


def find_task(recipe: str) -> type[Task]:
    """The task class of a name in RECIPES, or of a Python file, which is run.

    Raises ModelError where there is none.
    """
    if recipe in RECIPES:
        module, name = RECIPES[recipe]
        return getattr(importlib.import_module(module), name)
    if not (recipe.endswith(".py") and Path(recipe).is_file()):
        raise ModelError(f"no recipe {recipe!r}; known: {', '.join(RECIPES)}, or a Python file that defines TASK")
    task = runpy.run_path(recipe).get("TASK")
    if not (isinstance(task, type) and issubclass(task, Task)):
        raise ModelError(f"{Path(recipe).name} defines no TASK, a subclass of mmkit.zoo.training.Task")
    return task


def build_task(recipe: str, *, minutes: float | None = None, seed: int = 0, rate: float = 1.0) -> Task:
    """A task with random weights.

    minutes: turned into steps by the recipe's steps_per_minute, so that the result does not depend on how fast the
    machine is today; None for the recipe's own number of steps.  rate: factor on the peak learning rates.
    """
    kind = find_task(recipe)
    config = kind.recipe
    steps = config.steps if minutes is None else max(1, round(minutes * config.steps_per_minute))
    return kind(
        replace(
            config,
            steps=steps,
            seed=seed,
            muon_rate=rate * config.muon_rate,
            adam_rate=rate * config.adam_rate,
        )
    )
