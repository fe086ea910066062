"""The world of both senses: a scene and a spoken word, and what is asked about the two together.

    sample_scene -> Scene + spoken_word -> ask_joint -> Question        Truth of a clip -> ask_clip -> Question

Pictures are those of shapes.py with its wordings; clips say one word (a digit, a command, a color or a shape) or
two or three digits, or are a simple sound.
Leaves out longer digit strings and voices' captions: speech.py's own models know those.
"""

from __future__ import annotations

import random

from mmkit.zoo.worlds import shapes, speech
from mmkit.zoo.worlds.shapes import NUMBER_WORDS, Question, Scene

COLORS, SHAPES = tuple(shapes.COLORS), shapes.SHAPES
WORDS = (*speech.DIGITS, *speech.COMMANDS, *COLORS, *SHAPES)  # what a clip can say
MOST_DIGITS = 3
AUDIO_KINDS = ("transcribe", "word", "count", "first", "last", "speech", "caption")
JOINT_KINDS = ("color_match", "number_match", "spoken_there", "spoken_shape", "spoken_color", "spoken_count")
JOINT_PHRASINGS = {
    "color_match": (
        "Is the spoken word the color of the {shape}?",
        "Is the {shape} of the spoken color?",
        "Does the spoken word name the color of the {shape}?",
        "Is the word you hear the color of the {shape}?",
        "Does the speaker say the color of the {shape}?",
    ),
    "number_match": (
        "Does the number spoken match the number of shapes?",
        "Does the spoken number match the number of shapes?",
        "Is the spoken number the number of shapes?",
        "Are there as many shapes as the speaker says?",
        "Is the number you hear the number of shapes in the image?",
    ),
    "spoken_there": (
        "Is there a shape of the spoken color?",
        "Does the image have a shape of the spoken color?",
        "Do you see a shape of the color you hear?",
        "Is the spoken color in the image?",
    ),
    "spoken_shape": (
        "What shape has the spoken color?",
        "Which shape has the spoken color?",
        "Which shape has the color you hear?",
        "What is the shape of the spoken color?",
    ),
    "spoken_color": (
        "What color is the spoken shape?",
        "Which color has the spoken shape?",
        "What is the color of the spoken shape?",
        "What color is the shape you hear?",
    ),
    "spoken_count": (
        "How many shapes have the spoken color?",
        "How many shapes are of the spoken color?",
        "How many shapes have the color you hear?",
        "Count the shapes of the spoken color.",
    ),
}


def spoken_word(rng: random.Random, scene: Scene, kind: str) -> str:
    """A word to say for a question of JOINT_KINDS on a scene: about every second one fits the picture."""
    if kind == "number_match":
        if rng.random() < 0.5:
            return NUMBER_WORDS[len(scene.shapes)]
        return rng.choice(NUMBER_WORDS)
    names = SHAPES if kind == "spoken_color" else COLORS
    if scene.shapes and rng.random() < 0.6:
        shape = rng.choice(scene.shapes)
        return shape.kind if kind == "spoken_color" else shape.color
    return rng.choice(names)


def ask_joint(
    rng: random.Random, scene: Scene, word: str, kind: str, phrasing: int | None = None
) -> Question | None:
    """A question of JOINT_KINDS on a scene and a spoken word; None where the two have no answer to that kind.

    >>> scene = shapes.sample_scene(random.Random(3), count=1)
    >>> ask_joint(random.Random(0), scene, "one", "number_match", 0).answer
    'yes'
    """
    colors = [shape.color for shape in scene.shapes]
    kinds = [shape.kind for shape in scene.shapes]
    slots = {}
    if kind == "number_match" and word in NUMBER_WORDS:
        answer = "yes" if NUMBER_WORDS[len(kinds)] == word else "no"
    elif kind == "color_match" and word in COLORS and any(kinds.count(k) == 1 for k in kinds):
        fits = [s for s in scene.shapes if kinds.count(s.kind) == 1]
        named = [s for s in fits if s.color == word]
        # Not always the shape of that colour: else it would do to see whether the colour is there at all.
        shape = rng.choice(named if named and rng.random() < 0.5 else fits)
        slots["shape"] = shape.kind
        answer = "yes" if shape.color == word else "no"
    elif kind == "spoken_there" and word in COLORS:
        answer = "yes" if word in colors else "no"
    elif kind == "spoken_shape" and colors.count(word) == 1:
        answer = kinds[colors.index(word)]
    elif kind == "spoken_color" and kinds.count(word) == 1:
        answer = colors[kinds.index(word)]
    elif kind == "spoken_count" and word in COLORS:
        answer = NUMBER_WORDS[colors.count(word)]
    else:
        return None
    wordings = JOINT_PHRASINGS[kind]
    text = wordings[phrasing] if phrasing is not None else rng.choice(wordings)
    return Question(kind, text.format(**slots), answer)


def ask_clip(rng: random.Random, truth: speech.Truth, kind: str, phrasing: int | None = None) -> Question | None:
    """A question of AUDIO_KINDS on a clip, or None where the clip has no answer to that kind."""
    right = speech.answers(truth)
    if truth.words and kind == "caption":
        return None  # of simple sounds only
    if truth.words and not set(truth.words) <= set(speech.DIGITS):
        right |= {"count": "zero"}
    if kind not in right:
        return None
    wordings = speech.QUESTIONS[kind]
    return Question(kind, wordings[phrasing] if phrasing is not None else rng.choice(wordings), right[kind])
