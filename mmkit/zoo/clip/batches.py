"""Batches for training tiny-clip: pictures, their captions, and captions that are nearly right.

    sample_scene -> draw_scene -> picture 112 x 112
                 -> caption, worded         -> the positive
                 -> near_miss -> caption    -> a negative that differs in one thing

A model that is only shown random captions learns which words occur and not what belongs to what ("bag of words",
Yuksekgonul et al., 2023: NegCLIP). So each picture also comes with one wrong caption made of nearly the same words.
Leaves out the losses (train.py).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from mmkit.zoo.worlds import shapes
from mmkit.zoo.worlds.shapes import COLORS, SHAPES, Scene

# The first is the canonical wording; half of all captions have it.
WORDINGS = (
    "{}",
    "a picture of {}",
    "a photo of {}",
    "an image of {}",
    "{}.",
    "a picture with {}",
    "a drawing of {}",
)
SLOTS = 3  # shapes in a scene, at most


@dataclass(frozen=True)
class Batch:
    """pictures: (N, 112, 112, 3) uint8; captions, misses: N each; scenes: what the pictures show."""

    pictures: np.ndarray
    captions: list[str]
    misses: list[str]
    scenes: list[Scene]


def near_miss(rng: random.Random, scene: Scene) -> Scene:
    """The scene with one thing wrong: another colour, another kind, one shape less, or two that swap something.

    >>> scene = shapes.sample_scene(random.Random(0), count=2)
    >>> shapes.caption(scene), shapes.caption(near_miss(random.Random(2), scene))
    ('a purple star and a blue cross', 'a blue star and a blue cross')
    """
    while True:
        wrong = list(scene.shapes)
        i, j = (rng.sample(range(len(wrong)), 2)) if len(wrong) > 1 else (0, 0)
        change = rng.choice(("color", "kind", "less", "swap colors", "swap kinds", "swap both"))
        if not wrong:
            wrong = list(shapes.sample_scene(rng, count=1).shapes)
        elif change == "less":
            del wrong[i]
        elif change == "color":
            wrong[i] = replace(wrong[i], color=rng.choice(tuple(COLORS)))
        elif change == "kind":
            wrong[i] = replace(wrong[i], kind=rng.choice(SHAPES))
        elif change == "swap both":
            wrong[i], wrong[j] = wrong[j], wrong[i]
        else:
            key = "color" if change == "swap colors" else "kind"
            first, second = getattr(wrong[i], key), getattr(wrong[j], key)
            wrong[i], wrong[j] = replace(wrong[i], **{key: second}), replace(wrong[j], **{key: first})
        missed = replace(scene, shapes=tuple(wrong))
        if shapes.caption(missed) != shapes.caption(scene):
            return missed


def word(rng: random.Random, scene: Scene) -> str:
    """The caption of a scene, in half of the cases put another way.

    >>> word(random.Random(1), shapes.sample_scene(random.Random(3), count=1))
    'a drawing of a purple cross'
    """
    return (rng.choice(WORDINGS) if rng.random() < 0.5 else "{}").format(shapes.caption(scene))


def sample_side(rng: random.Random) -> int:
    """Side of the drawing in pixels, before it is made 112: 112, 224, or anything between 84 and 224."""
    return rng.choice((112, 112, 224, rng.randint(84, 224)))


def make_batch(rng: random.Random, noise: np.random.Generator, size: int, side: int = 112) -> Batch:
    """`size` scenes, mostly with two or three shapes, drawn at many sizes and made `side` pixels wide."""
    scenes = []
    for _ in range(size):
        drawn = sample_side(rng)
        scenes.append(shapes.sample_scene(rng, drawn, drawn, rng.choices((0, 1, 2, 3), (1, 6, 8, 8))[0]))
    pictures = np.stack([shrink(shapes.draw_scene(scene, noise), side) for scene in scenes])
    captions = [word(rng, scene) for scene in scenes]
    misses = [word(rng, near_miss(rng, scene)) for scene in scenes]
    return Batch(pictures, captions, misses, scenes)


def shrink(picture: np.ndarray, side: int) -> np.ndarray:
    """A square picture (H, H, 3) uint8 at (side, side, 3), bicubic, as CLIP's processor does it."""
    if picture.shape[0] == side:
        return picture
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))
