"""How often tiny-clip finds the right one of 64: captions for a picture, pictures for a caption.

    64 scenes, 64 different captions -> two towers -> similarity -> share of rows and columns won by the diagonal

Scenes come as the shapes world draws them (seeds that training never draws), by two renderers, of which training
knows only the first. Pictures go through transformers' own processor.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmkit.recipes import CLIP_MEAN, CLIP_STD
from mmkit.zoo.clip.batches import sample_side
from mmkit.zoo.worlds import second_renderer, shapes

CANDIDATES = 64
SETS = 32
RENDERERS = {"training": shapes.draw_scene, "second": second_renderer.draw_scene}


def pixels(pictures: np.ndarray) -> Tensor:
    """Pictures (N, H, W, 3) uint8 to CLIP's normalized (N, 3, H, W) float32."""
    mean, std = torch.tensor(CLIP_MEAN), torch.tensor(CLIP_STD)
    return ((torch.from_numpy(pictures) / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()


def captions_to_ids(tokenizer, captions: list[str]) -> Tensor:
    """Token ids (N, longest), padded by the end-of-text token, whose first stands for the caption."""
    return tokenizer(captions, padding=True, return_tensors="pt")["input_ids"]


def candidates(rng: random.Random, count: int = CANDIDATES) -> list[shapes.Scene]:
    """Scenes of the world, no two with the same caption."""
    found: dict[str, shapes.Scene] = {}
    while len(found) < count:
        side = sample_side(rng)
        scene = shapes.sample_scene(rng, side, side)
        found.setdefault(shapes.caption(scene), scene)
    return list(found.values())


@torch.no_grad()
def similarity(model, processor, pictures: list[np.ndarray], captions: list[str]) -> Tensor:
    """Cosine of each picture with each caption, (pictures, captions), by transformers."""
    pixel_values = processor.image_processor(pictures, return_tensors="pt")["pixel_values"]
    image = F.normalize(model.get_image_features(pixel_values=pixel_values).pooler_output, dim=-1)
    ids = captions_to_ids(processor.tokenizer, captions)
    text = F.normalize(model.get_text_features(input_ids=ids).pooler_output, dim=-1)
    return image @ text.T


def recall_at_1(similarity: Tensor) -> tuple[float, float]:
    """Share of rows, and of columns, whose largest entry lies on the diagonal.

    >>> recall_at_1(torch.tensor([[0.9, 0.1], [0.8, 0.7]]))
    (0.5, 1.0)
    """
    right = torch.arange(len(similarity))
    return (
        (similarity.argmax(1) == right).float().mean().item(),
        (similarity.argmax(0) == right).float().mean().item(),
    )


def recall_of(
    model, processor, draw: Callable[..., np.ndarray], rng: random.Random, sets: int = SETS
) -> dict[str, float]:
    """Mean recall@1 over `sets` sets of candidates: {"picture to caption", "caption to picture"}."""
    noise = np.random.default_rng(20_261_125)
    results = []
    for _ in range(sets):
        scenes = candidates(rng)
        pictures = [draw(scene, noise) for scene in scenes]
        results.append(recall_at_1(similarity(model, processor, pictures, [shapes.caption(s) for s in scenes])))
    to_caption, to_picture = np.mean(results, axis=0).round(4).tolist()
    return {"picture to caption": to_caption, "caption to picture": to_picture}


def measure(folder: Path, sets: int = SETS) -> dict:
    """Load the model in `folder` with transformers and score it: {"sets", "summary", "by_renderer"}."""
    from transformers import AutoProcessor, CLIPModel

    model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(folder)
    scores = {
        name: recall_of(model, processor, draw, random.Random(f"scores {name}"), sets)
        for name, draw in RENDERERS.items()
    }
    shown = {way: round(float(np.mean([scores[name][way] for name in scores])), 4) for way in scores["second"]}
    shown |= {f"{way}, second renderer alone": share for way, share in scores["second"].items()}
    return {
        "measure": f"right one of {CANDIDATES} found first",
        "about": f"recall@1 among {CANDIDATES} candidates with different captions, mean over sets",
        "sets_per_renderer": sets,
        "summary": shown,
        "by_renderer": scores,
    }
