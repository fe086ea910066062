"""Batches for training and measuring tiny-qwen2-vl: pictures of one size, and conversations about them.

    BatchGenerator.make("scene" | "text_first" | "pair" | "clip" | "read" | "json" | "json_read")
        -> Batch (patches by grid, marks, packed conversations, their questions)

Every batch has pictures of one random size (a pair may have two), so that its tensors are dense; over many
batches all sizes come. Who draws is a Renderer: training's own, or the second one that only tests use.
Leaves out the losses (train.py) and the counting of right answers (evaluate.py).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from mmkit.zoo.packing import Packed, Placeholder, Row, pack
from mmkit.zoo.vision.conversation import Writer, rows_about
from mmkit.zoo.vision.forward import MERGE, patchify
from mmkit.zoo.vision.model import MAX_FRAMES
from mmkit.zoo.worlds import charts, forms, shapes
from mmkit.zoo.worlds.shapes import Question

KINDS = ("scene", "text_first", "pair", "clip", "read", "json", "json_read")
# What a vision token should know: x, y (0..1), class of color, of thing, of motion.  Class 0 is "none".
Mark = tuple[float, float, *tuple[int, ...]]
COLOR_CLASS = {name: 1 + i for i, name in enumerate(shapes.COLORS)}
THING_CLASS = {name: 1 + i for i, name in enumerate((*shapes.SHAPES, *"0123456789", "bar"))}
MOTION_CLASS = {name: 1 + i for i, name in enumerate(shapes.DIRECTIONS)}


@dataclass(frozen=True)
class Renderer:
    """Who draws: functions (what, noise) -> uint8 picture or frames."""

    scene: Callable[..., np.ndarray] = shapes.draw_scene
    clip: Callable[..., np.ndarray] = shapes.draw_clip
    number: Callable[..., np.ndarray] = charts.draw_number
    chart: Callable[..., np.ndarray] = charts.draw_chart


TRAINING = Renderer()


@dataclass(frozen=True)
class Batch:
    """Patches by grid, what their tokens should know, and the packed conversations about them."""

    groups: list[tuple[Tensor, tuple[int, int]]]  # (patches, grid of patches)
    marks: list[list[Mark]]  # one list an image or pair of frames, in the order of the groups
    packed: Packed | None
    questions: list[list[list[Question]]]  # [row][branch][turn]

    def items(self, features: list[Tensor]) -> list[Tensor]:
        """Vision features of the groups, (N, tokens, hidden) each, as one (tokens, hidden) an image or clip."""
        if self.packed is not None:
            length = self.packed.sources[0][1]
            if length > features[0].shape[1]:  # a clip's temporal patches, one after the other
                return list(features[0].reshape(-1, length, features[0].shape[-1]))
        return [item for group in features for item in group]


def sample_size(rng: random.Random) -> tuple[int, int]:
    """Width and height from 84 to 224 pixels, no side more than twice the other; a third are 112 x 112."""
    kind = rng.random()
    if kind < 0.35:
        return 112, 112
    if kind < 0.50:
        return 224, 224
    if kind < 0.65:
        side = rng.randint(84, 224)
        return side, side
    while True:
        width, height = rng.randint(84, 224), rng.randint(84, 224)
        if 0.5 <= width / height <= 2:
            return width, height


def sample_phrasing(rng: random.Random, plain: bool = False) -> int | None:
    """The canonical phrasing (0) in two cases of five, or always where plain; else any (None)."""
    return 0 if plain or rng.random() < 0.4 else None


def scene_marks(scene: shapes.Scene) -> list[Mark]:
    """The middle of each shape."""
    return [
        (s.x / scene.width, s.y / scene.height, COLOR_CLASS[s.color], THING_CLASS[s.kind], 0) for s in scene.shapes
    ]


def number_marks(number: charts.PrintedNumber) -> list[Mark]:
    """The middle of each digit."""
    advance = charts.digit_advance(number)
    first = number.x - advance * (len(number.digits) - 1) / 2
    return [
        ((first + i * advance) / number.width, number.y / number.height, 0, THING_CLASS[digit], 0)
        for i, digit in enumerate(number.digits)
    ]


def chart_marks(chart: charts.BarChart) -> list[Mark]:
    """The middle of each bar's top edge, a little inside the bar."""
    return [
        ((bar.x0 + bar.x1) / 2 / chart.width, min(0.99, bar.y / chart.height + 0.02),
         COLOR_CLASS[bar.color], THING_CLASS["bar"], 0)
        for bar in chart.bars
    ]  # fmt: skip


def clip_marks(clip: shapes.Clip) -> list[list[Mark]]:
    """For each pair of frames: the middle of the shape between them, and which way it moves."""
    scene, shape = clip.scene, clip.scene.shapes[0]
    classes = COLOR_CLASS[shape.color], THING_CLASS[shape.kind], MOTION_CLASS[clip.direction]
    pairs = zip(clip.path[::2], clip.path[1::2], strict=True)
    return [[((ax + bx) / 2 / scene.width, (ay + by) / 2 / scene.height, *classes)] for (ax, ay), (bx, by) in pairs]


# What is asked of a scene: each kind as often as it is hard to learn.
ASKED = (*shapes.SINGLE_KINDS, "caption", "color", "is_there", "count_color", "where")


def ask_all(rng: random.Random, scene: shapes.Scene, limit: int, plain: bool = False) -> list[Question]:
    """Up to `limit` different questions on a scene, in random order."""
    asked: dict[str, Question] = {}
    for kind in rng.sample(ASKED, len(ASKED)):
        question = shapes.ask(rng, scene, kind, sample_phrasing(rng, plain))
        if question and len(asked) < limit:
            asked[question.text] = question
    return list(asked.values())


def ask_both(rng: random.Random, first: shapes.Scene, second: shapes.Scene, plain: bool = False) -> list[Question]:
    """Up to four different "which has" and one "which has more" on two scenes."""
    asked = {}
    for kind in ("which_has",) * 4 + ("which_more",):
        question = shapes.ask_pair(rng, first, second, kind, sample_phrasing(rng, plain))
        if question:
            asked[question.text] = question
    return list(asked.values())


def ask_in_json(rng: random.Random, scene: shapes.Scene, limit: int, plain: bool = False) -> list[Question]:
    """A third of `limit` answers in JSON, some of them lists, and one plain question: a form stays a choice."""
    asked = [
        forms.ask_list(rng, scene) if rng.random() < 0.25 else forms.ask_fields(rng, scene)
        for _ in range(limit // 3)
    ]
    return asked + ask_all(rng, scene, 1, plain)


class BatchGenerator:
    """An endless source of batches.

    rng draws scenes and questions, noise draws grain; images: pictures in a batch of scenes (other kinds take
    what costs about as much); questions: about each scene; variety: share of batches that are worded and dressed
    in any way, the others being canonical questions and nothing else.
    """

    def __init__(
        self,
        writer: Writer,
        rng: random.Random,
        noise: np.random.Generator,
        images: int = 36,
        questions: int = 6,
        renderer: Renderer = TRAINING,
        variety: float = 1.0,
    ):
        self.writer, self.rng, self.noise = writer, rng, noise
        self.images, self.questions, self.renderer = images, questions, renderer
        self.variety = variety
        self._plain = False  # the batch being made

    def make(self, kind: str, answers: bool = True) -> Batch:
        """One batch; kind is one of KINDS.  answers: with conversations, or pictures and marks only."""
        rng = self.rng
        size = sample_size(rng)
        self._plain = rng.random() > self.variety
        groups, placeholders, marks, asked = getattr(self, f"_{kind}")(size)
        if not answers:
            return Batch(groups, marks, None, [])
        system_share = 0.9 if rng.random() < 0.4 else 0.0  # by batch: rows of one length are padded least
        rows: list[Row] = []
        questions: list[list[list[Question]]] = []
        for items, about in asked:
            if about:
                text_first = kind == "text_first" or (kind != "scene" and rng.random() < 0.1)
                new_rows, new_questions = rows_about(
                    rng, self.writer, about, [placeholders[item] for item in items], items,
                    text_first=text_first, plain=self._plain, system_share=system_share,
                )  # fmt: skip
                rows += new_rows
                questions += new_questions
        return Batch(groups, marks, pack(rows), questions)

    def _see(self, pictures: list[np.ndarray], steps: int = 0) -> tuple[tuple, list[Placeholder]]:
        """Patches with their grid, and the place that each image (or clip of `steps` frame pairs) takes."""
        patches, grid = patchify(np.stack(pictures), 2 if steps else 1)
        token: Any = self.writer.video_token if steps else self.writer.image_token
        placeholder = Placeholder((max(1, steps), grid[0] // MERGE, grid[1] // MERGE), token)
        return (patches, grid), [placeholder] * (len(patches) // max(1, steps))

    def _scene(
        self, size: tuple[int, int], count: int | None = None, questions: int | None = None, ask: Any = ask_all
    ) -> tuple:
        scenes = [shapes.sample_scene(self.rng, *size) for _ in range(count or self.images)]
        group, placeholders = self._see([self.renderer.scene(scene, self.noise) for scene in scenes])
        asked = [
            ([item], ask(self.rng, scene, questions or self.questions, self._plain))
            for item, scene in enumerate(scenes)
        ]
        return [group], placeholders, [scene_marks(scene) for scene in scenes], asked

    def _text_first(self, size: tuple[int, int]) -> tuple:
        return self._scene(size, self.images * 2 // 3, 3)

    def _pair(self, size: tuple[int, int]) -> tuple:
        rng = self.rng
        sizes = [size, size if rng.random() < 0.6 else sample_size(rng)]
        half = self.images // 2
        firsts = [shapes.sample_scene(rng, *sizes[0]) for _ in range(half)]
        # As many shapes in both, sometimes: then only their names tell the two apart.
        counts = [len(scene.shapes) if rng.random() < 0.2 else None for scene in firsts]
        seconds = [shapes.sample_scene(rng, *sizes[1], count=count) for count in counts]
        groups, placeholders = [], []
        for scenes in (firsts, seconds):
            group, places = self._see([self.renderer.scene(scene, self.noise) for scene in scenes])
            groups.append(group)
            placeholders += places
        asked = [
            ([i, half + i], ask_both(rng, *pair, self._plain))
            for i, pair in enumerate(zip(firsts, seconds, strict=True))
        ]
        return groups, placeholders, [scene_marks(scene) for scene in firsts + seconds], asked

    def _clip(self, size: tuple[int, int]) -> tuple:
        rng = self.rng
        frames = rng.choice((4, 6, 6, *(MAX_FRAMES,) * 4))
        clips = [shapes.sample_clip(rng, *size, frames) for _ in range(self.images // 3)]
        pictures = [frame for clip in clips for frame in self.renderer.clip(clip, self.noise)]
        group, placeholders = self._see(pictures, frames // 2)
        asked = [
            (
                [item],
                [shapes.ask_clip(rng, clip, kind, sample_phrasing(rng, self._plain)) for kind in shapes.CLIP_KINDS],
            )
            for item, clip in enumerate(clips)
        ]
        return [group], placeholders, [marks for clip in clips for marks in clip_marks(clip)], asked

    def _json(self, size: tuple[int, int]) -> tuple:
        return self._scene(size, self.images * 5 // 6, ask=ask_in_json)

    def _json_read(self, size: tuple[int, int]) -> tuple:
        return self._read(size, in_json=True)

    def _read(self, size: tuple[int, int], in_json: bool = False) -> tuple:
        rng = self.rng
        half = self.images * 2 // 3
        numbers = [charts.sample_number(rng, *size) for _ in range(half)]
        bars = [charts.sample_chart(rng, *size) for _ in range(half)]
        pictures = [self.renderer.number(number, self.noise) for number in numbers]
        pictures += [self.renderer.chart(chart, self.noise) for chart in bars]
        group, placeholders = self._see(pictures)
        marks = [*map(number_marks, numbers), *map(chart_marks, bars)]
        if in_json:
            asked = [([i], [forms.ask_number(rng, number)]) for i, number in enumerate(numbers)]
            asked += [([half + i], [forms.ask_chart(rng, c), forms.ask_chart(rng, c)]) for i, c in enumerate(bars)]
            return [group], placeholders, marks, asked
        asked = [
            ([i], [charts.ask_number(rng, n, sample_phrasing(rng, self._plain))]) for i, n in enumerate(numbers)
        ]
        asked += [
            (
                [half + i],
                [charts.ask_chart(rng, c, kind, sample_phrasing(rng, self._plain)) for kind in charts.CHART_KINDS],
            )
            for i, c in enumerate(bars)
        ]
        return [group], placeholders, marks, asked
