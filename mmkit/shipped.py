"""Shipped models: from a model's name to the folder or hub name that holds it.

    "tiny-qwen2-vl" -> data/models/tiny-qwen2-vl of the clone (or MMKIT_MODELS)
    "./my-model"    -> that folder
    "Qwen/..."      -> the name itself: transformers and vLLM find it in their cache, or fetch it

Leaves out fetching anything: mmkit opens no socket.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from mmkit.errors import ModelNotFound

DEFAULT_MODEL = "tiny-qwen2-vl"
SHIPPED = {
    "tiny-qwen2-vl": "shapes, charts and printed numbers: caption, colour, shape, count, where, compare; video",
    "tiny-qwen2-audio": "spoken digits, command words, simple sounds: transcribe, count, which word, caption",
    "tiny-whisper": "spoken digits and command words: transcribe",
    "tiny-clip": "shapes: the right caption of a picture among many, and the right picture of a caption",
    "tiny-reader": "short printed text: labels, prices, dates, names; a receipt of up to six lines, asked by field",
    "tiny-omni": "shapes and spoken words in one prompt: about a picture, about a clip, about both",
}


@dataclass(frozen=True)
class Card:
    """What is known of a shipped model: name, where it is, what it knows, its size and its measured scores."""

    name: str
    path: Path
    knows: str
    megabytes: float
    architecture: str
    scores: dict  # scores.json as its command wrote it; empty when not measured


def models_folder() -> Path:
    """The folder of the shipped models: MMKIT_MODELS if set, else data/models of the clone."""
    named = os.environ.get("MMKIT_MODELS")
    return Path(named) if named else Path(__file__).parents[1] / "data" / "models"


def resolve(name: str | os.PathLike) -> str:
    """Find a model by its shipped name, its folder, or its hub name.

    Returns a folder as a string, or a hub name ("owner/name") unchanged.
    Raises ModelNotFound, with what would have worked.

    >>> resolve("tiny-qwen3")
    Traceback (most recent call last):
    ...
    mmkit.errors.ModelNotFound: no model 'tiny-qwen3'; shipped are ...
    """
    text = os.fspath(name)
    shown = ascii(text if len(text) <= 60 else text[:57] + "...")
    if text in SHIPPED:
        folder = models_folder() / text
        if (folder / "config.json").is_file():
            return str(folder)
        raise ModelNotFound(
            f"{shown} ships with the clone, in data/models, and is not there; "
            "run in a clone of the repository, or set MMKIT_MODELS to its data/models folder"
        )
    if os.path.isdir(text):
        if (Path(text) / "config.json").is_file():
            return text
        raise ModelNotFound(f"the folder {Path(text).name!a} holds no config.json, so it is no model")
    owner, slash, repository = text.partition("/")
    if slash and owner and repository and "/" not in repository and not text.startswith((".", "~")):
        return text
    raise ModelNotFound(
        f"no model {shown}; shipped are {', '.join(SHIPPED)}; "
        "else give a folder that holds config.json, or a hub name such as Qwen/Qwen2-VL-2B-Instruct"
    )


def cards() -> list[Card]:
    """The shipped models that are present, in the order of the course."""
    found = []
    for name, knows in SHIPPED.items():
        folder = models_folder() / name
        if (folder / "config.json").is_file():
            config = json.loads((folder / "config.json").read_text("utf-8"))
            scores = folder / "scores.json"
            found.append(
                Card(
                    name=name,
                    path=folder,
                    knows=knows,
                    megabytes=sum(f.stat().st_size for f in folder.iterdir() if f.is_file()) / 1e6,
                    architecture=config["architectures"][0],
                    scores=json.loads(scores.read_text("utf-8")) if scores.is_file() else {},
                )
            )
    return found
