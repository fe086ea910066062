"""The shapes world: little pictures whose every question has one right answer.

    sample_scene -> Scene -> draw_scene -> picture (H, W, 3) uint8
                          -> ask, ask_pair -> Question(kind, text, answer)
    sample_clip  -> Clip  -> draw_clip  -> frames (T, H, W, 3) uint8
                          -> ask_clip      -> Question

The scene comes first and picture and answer are both read off it, so answers are right by construction.
A colour name is a region of hue, saturation and value (HSV), not one RGB value; a shape is visible when its
colour is far enough from the background in CIE L*a*b*.
Leaves out overlap, texture and perspective. Numbers and bar charts are in charts.py; the same scenes drawn
by another hand, to test with, are in second_renderer.py.
"""

from __future__ import annotations

import colorsys
import math
import random
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

RGB = tuple[int, int, int]

# name: (lowest hue, highest hue) in degrees, (lowest, highest) saturation, (lowest, highest) value
COLORS: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "red": ((-13, 11), (0.68, 1.0), (0.55, 1.0)),
    "green": ((88, 164), (0.50, 1.0), (0.38, 1.0)),
    "blue": ((200, 246), (0.55, 1.0), (0.45, 1.0)),
    "yellow": ((48.5, 64), (0.60, 1.0), (0.80, 1.0)),
    "purple": ((268, 304), (0.50, 1.0), (0.42, 1.0)),
    "orange": ((21, 41), (0.75, 1.0), (0.85, 1.0)),
}
# What people type first: the pure colours of a screen and the names of CSS.
PURE: dict[str, tuple[RGB, ...]] = {
    "red": ((255, 0, 0), (215, 40, 40)),
    "green": ((0, 255, 0), (0, 128, 0), (40, 165, 60)),
    "blue": ((0, 0, 255), (45, 75, 215)),
    "yellow": ((255, 255, 0), (240, 215, 40)),
    "purple": ((128, 0, 128), (145, 55, 175)),
    "orange": ((255, 165, 0), (255, 128, 0), (245, 135, 25)),
}
SHAPES = ("circle", "square", "triangle", "star", "cross")
NUMBER_WORDS = ("zero", "one", "two", "three", "four")
DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}

SINGLE_KINDS = ("caption", "color", "shape", "count", "count_color", "count_shape", "where", "is_there")
PAIR_KINDS = ("which_has", "which_more")
CLIP_KINDS = ("direction", "mover")

# The first of each is the canonical phrasing, the others are paraphrases.
PHRASINGS: dict[str, tuple[str, ...]] = {
    "caption": (
        "Describe the image.",
        "What is in the image?",
        "Write a caption.",
        "Describe this image.",
        "What do you see?",
        "What can you see in the image?",
        "What does the image show?",
        "Write a caption for the image.",
        "Give a short description of the image.",
        "Tell me what is in the image.",
        "Caption the image.",
        "What is shown here?",
        "What is this?",
        "Which shapes are in the image?",
        "What shapes do you see?",
        "Describe what you see.",
        "List the shapes in the image.",
    ),
    "color": (
        "What color is the {shape}?",
        "What colour is the {shape}?",
        "What is the color of the {shape}?",
        "What is the colour of the {shape}?",
        "Which color does the {shape} have?",
        "Which color is the {shape}?",
        "Tell me the color of the {shape}.",
        "The {shape} is which color?",
        "Name the color of the {shape}.",
        "In the image, what color is the {shape}?",
    ),
    "shape": (
        "What shape is {color}?",
        "What is the {color} shape?",
        "Which shape is {color}?",
        "What is {color}?",
        "What shape is the {color} one?",
        "Name the {color} shape.",
        "Tell me which shape is {color}.",
        "What is the shape of the {color} object?",
        "What kind of shape is the {color} one?",
        "The {color} object is what shape?",
    ),
    "count": (
        "How many shapes are there?",
        "How many shapes are in the image?",
        "How many shapes do you see?",
        "Count the shapes.",
        "What is the number of shapes?",
        "How many objects are there?",
        "How many objects are in the image?",
        "How many shapes can you see?",
        "Tell me how many shapes there are.",
    ),
    "count_color": (
        "How many {color} shapes are there?",
        "How many shapes are {color}?",
        "How many {color} shapes do you see?",
        "Count the {color} shapes.",
        "How many {color} shapes are in the image?",
        "How many {color} objects are there?",
        "What is the number of {color} shapes?",
    ),
    "count_shape": (
        "How many {shapes} are there?",
        "How many {shapes} are in the image?",
        "How many {shapes} do you see?",
        "Count the {shapes}.",
        "What is the number of {shapes}?",
        "How many {shapes} can you see?",
        "Tell me how many {shapes} there are.",
    ),
    "where": (
        "Where is the {color} {shape}?",
        "Where do you see the {color} {shape}?",
        "Where is the {color} {shape} in the image?",
        "On which side is the {color} {shape}?",
        "What is the position of the {color} {shape}?",
        "Which side of the image is the {color} {shape} on?",
        "Where can I find the {color} {shape}?",
        "Tell me where the {color} {shape} is.",
    ),
    "is_there": (
        "Is there {a} {color} {shape}?",
        "Is there {a} {color} {shape} in the image?",
        "Do you see {a} {color} {shape}?",
        "Can you see {a} {color} {shape}?",
        "Does the image have {a} {color} {shape}?",
        "Does the image show {a} {color} {shape}?",
        "Does the image contain {a} {color} {shape}?",
        "Are there any {color} {shapes}?",
        "Is {a} {color} {shape} in the image?",
    ),
    "which_has": (
        "Which image has {a} {color} {shape}?",
        "Which image shows {a} {color} {shape}?",
        "Which image contains {a} {color} {shape}?",
        "In which image is there {a} {color} {shape}?",
        "Where do you see {a} {color} {shape}, in the first or the second image?",
        "Which one has {a} {color} {shape}?",
        "Which of the two images has {a} {color} {shape}?",
        "Does the first or the second image have {a} {color} {shape}?",
    ),
    "which_more": (
        "Which image has more shapes?",
        "Which image shows more shapes?",
        "Which image contains more shapes?",
        "Which one has more shapes?",
        "Which of the two images has more shapes?",
        "In which image are there more shapes?",
        "Does the first or the second image have more shapes?",
        "Where are more shapes, in the first or the second image?",
    ),
    "direction": (
        "Which way does the {shape} move?",
        "Which way does the shape move?",
        "In which direction does the {shape} move?",
        "In which direction does the shape move?",
        "Where does the {shape} move?",
        "Which way is the {shape} moving?",
        "Which way does it move?",
        "What is the direction of the {shape}?",
        "Where does the {shape} go?",
    ),
    "mover": (
        "What shape moves?",
        "Which shape moves?",
        "What shape is moving?",
        "Which shape is moving?",
        "What moves?",
        "What is moving in the video?",
        "What is the moving shape?",
        "What shape is in the video?",
        "Name the shape that moves.",
    ),
}


@dataclass(frozen=True)
class Shape:
    """One flat shape. x, y: centre, r: size, in pixels (y points down); angle: turn in radians."""

    kind: str
    color: str
    x: float
    y: float
    r: float
    angle: float
    rgb: RGB
    outline: RGB | None = None

    @property
    def name(self) -> str:
        return f"{self.color} {self.kind}"


@dataclass(frozen=True)
class Background:
    """A ground that runs from `start` to `end` along the direction `angle`; `grain` is the noise on top."""

    start: RGB
    end: RGB
    angle: float = 0.0
    grain: int = 0


@dataclass(frozen=True)
class Scene:
    """What a picture shows: none to three shapes, sorted from left to right. width, height in pixels."""

    width: int
    height: int
    background: Background
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Clip:
    """A scene with one shape that moves: its centre in each frame. direction: left, right, up or down."""

    scene: Scene
    path: tuple[tuple[float, float], ...]
    direction: str


@dataclass(frozen=True)
class Question:
    """A question with its one right answer; kind is one of the *_KINDS.

    pieces: the answer in parts (text, is it the model's own?), where a form forces some of it: of {"color":"red"}
    only red and what ends it. Empty: all of it is the model's own.
    """

    kind: str
    text: str
    answer: str
    pieces: tuple[tuple[str, bool], ...] = ()


# ---------------------------------------------------------------- colour


def lab(rgb: RGB) -> tuple[float, float, float]:
    """sRGB bytes to CIE L*a*b* (D65), where distance is about what the eye sees.

    >>> [round(v) for v in lab((255, 0, 0))]
    [53, 80, 67]
    """
    linear = [(v / 255 / 12.92) if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in rgb]
    r, g, b = linear
    xyz = (
        (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047,
        0.2126729 * r + 0.7151522 * g + 0.0721750 * b,
        (0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883,
    )
    x, y, z = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def visible(rgb: RGB, background: Background, distance: float = 30.0) -> bool:
    """Does a colour stand out from both ends of the background by at least `distance` in L*a*b*?

    >>> visible((255, 0, 0), Background((128, 128, 128), (128, 128, 128)))
    True
    """
    seen = lab(rgb)
    return all(math.dist(seen, lab(end)) >= distance for end in (background.start, background.end))


def sample_rgb(rng: random.Random, color: str) -> RGB:
    """A shade that goes by the name `color`: every third one pure, the others from its region of HSV."""
    if rng.random() < 0.33:
        return rng.choice(PURE[color])
    hue, saturation, value = (rng.uniform(*span) for span in COLORS[color])
    red, green, blue = colorsys.hsv_to_rgb(hue / 360 % 1, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def any_rgb(rng: random.Random, low: int = 0, high: int = 255) -> RGB:
    """Three numbers from low to high, each on its own."""
    return rng.randint(low, high), rng.randint(low, high), rng.randint(low, high)


def sample_background(rng: random.Random) -> Background:
    """Black, white, any grey, pale, dark or any colour; a quarter of them run into another shade."""
    kind = rng.random()
    if kind < 0.12:
        rgb = (255, 255, 255)
    elif kind < 0.18:
        rgb = (0, 0, 0)
    elif kind < 0.45:
        grey = rng.randint(0, 255)
        rgb = grey, grey, grey
    elif kind < 0.60:
        rgb = any_rgb(rng, 190, 255)
    elif kind < 0.72:
        rgb = any_rgb(rng, 0, 60)
    else:
        rgb = any_rgb(rng)
    end = rgb
    if rng.random() < 0.25:
        red, green, blue = (min(255, max(0, v + rng.randint(-50, 50))) for v in rgb)
        end = red, green, blue
    grain = rng.choice((0, 0, 0, 4, 10, 20))
    return Background(rgb, end, rng.uniform(0, 2 * math.pi), grain)


# ---------------------------------------------------------------- scenes


def _paint(rng: random.Random, background: Background, color: str) -> RGB | None:
    """A visible shade of the colour, or None where the background leaves none."""
    for _ in range(6):
        rgb = sample_rgb(rng, color)
        if visible(rgb, background):
            return rgb
    return None


def _sample_shape(
    rng: random.Random, background: Background, x: float, y: float, r: float, color: str | None = None
) -> Shape:
    rgb = None
    while rgb is None:
        name = color or rng.choice(tuple(COLORS))
        rgb = _paint(rng, background, name)
        color = None
    outline = None
    if rng.random() < 0.12:
        outline = rng.choice(((0, 0, 0), (255, 255, 255), (rgb[0] // 2, rgb[1] // 2, rgb[2] // 2)))
    return Shape(rng.choice(SHAPES), name, x, y, r, rng.uniform(-0.2, 0.2), rgb, outline)


def sample_scene(rng: random.Random, width: int = 112, height: int = 112, count: int | None = None) -> Scene:
    """None to three shapes that do not touch, in random places. width, height: pixels.

    Sizes are fractions of the side of a square of the same area, so that a scene looks alike at every size;
    centres keep a distance along x, so that "from left to right" has one answer.

    >>> scene = sample_scene(random.Random(0), count=2)
    >>> [shape.x for shape in scene.shapes] == sorted(shape.x for shape in scene.shapes)
    True
    """
    if count is None:
        count = rng.choices((0, 1, 2, 3), (1, 4, 5, 5))[0]
    unit = math.sqrt(width * height)
    background = sample_background(rng)
    largest = (0, 0.30, 0.22, 0.20)[count]
    places: list[tuple[float, float, float]] = []
    while len(places) < count:
        for _ in range(40):
            r = rng.uniform(0.09, largest) * unit
            if count == 1 and rng.random() < 0.15:
                r = rng.uniform(0.30, 0.42) * min(width, height)
            x, y = rng.uniform(r + 1, width - r - 1), rng.uniform(r + 1, height - r - 1)
            if all(
                math.hypot(x - ox, y - oy) > 1.12 * (r + q) and abs(x - ox) > 0.065 * unit for ox, oy, q in places
            ):
                places.append((x, y, r))
                break
        else:
            places.clear()
    shapes = [_sample_shape(rng, background, *place) for place in places]
    # Twins are rare by chance, and counting needs them: sometimes a shape takes its neighbour's kind or paint.
    for i in range(1, count):
        if rng.random() < 0.2:
            shapes[i] = replace(shapes[i], kind=shapes[i - 1].kind)
        if rng.random() < 0.2:
            shapes[i] = replace(shapes[i], color=shapes[i - 1].color, rgb=shapes[i - 1].rgb)
    return Scene(width, height, background, tuple(sorted(shapes, key=lambda shape: shape.x)))


def sample_clip(rng: random.Random, width: int = 112, height: int = 112, frames: int = 8) -> Clip:
    """One shape that moves along a nearly straight path, left, right, up or down."""
    unit = math.sqrt(width * height)
    background = sample_background(rng)
    r = rng.uniform(0.10, 0.20) * unit
    shape = _sample_shape(rng, background, 0, 0, r)
    direction = rng.choice(tuple(DIRECTIONS))
    ux, uy = DIRECTIONS[direction]
    extent = (width if ux else height) - 2 * r - 2
    travel = rng.uniform(min(0.3 * unit, extent), extent)
    drift = rng.uniform(-0.2, 0.2) * travel
    dx, dy = ux * travel + (drift if uy else 0), uy * travel + (drift if ux else 0)
    across = (height if ux else width) - 2 * r - 2
    if abs(drift) > across:
        dx, dy = ux * travel, uy * travel
    x = rng.uniform(r + 1 - min(0, dx), width - r - 1 - max(0, dx))
    y = rng.uniform(r + 1 - min(0, dy), height - r - 1 - max(0, dy))
    steps = [i / max(1, frames - 1) for i in range(frames)]
    path = tuple((x + s * dx, y + s * dy) for s in steps)
    return Clip(Scene(width, height, background, (replace(shape, x=x, y=y),)), path, direction)


# ---------------------------------------------------------------- drawing


def outline_points(shape: Shape, star_inner: float = 0.42, cross_arm: float = 0.30) -> list[tuple[float, float]]:
    """Corners (x, y) of a square, triangle, star or cross, in pixels.

    star_inner: inner radius of a star by its outer one; cross_arm: half the width of a cross's arm by r.

    >>> len(outline_points(Shape("star", "red", 0, 0, 10, 0, (255, 0, 0))))
    10
    """
    if shape.kind == "cross":
        t = cross_arm
        corners = [(-t, -1), (t, -1), (t, -t), (1, -t), (1, t), (t, t)]
        corners += [(-x, -y) for x, y in corners]
    else:
        turns, reach = {"square": (4, 1.0), "triangle": (3, 1.1), "star": (10, 1.15)}[shape.kind]
        first = math.pi / 4 if shape.kind == "square" else -math.pi / 2
        corners = []
        for k in range(turns):
            length = reach * (star_inner if shape.kind == "star" and k % 2 else 1.0)
            turn = first + 2 * math.pi * k / turns
            corners.append((length * math.cos(turn), length * math.sin(turn)))
    c, s = math.cos(shape.angle), math.sin(shape.angle)
    return [(shape.x + shape.r * (x * c - y * s), shape.y + shape.r * (x * s + y * c)) for x, y in corners]


def draw_background(background: Background, width: int, height: int) -> Image.Image:
    """The ground without its grain, as a PIL image."""
    if background.start == background.end:
        return Image.new("RGB", (width, height), background.start)
    c, s = math.cos(background.angle), math.sin(background.angle)
    ramp = c * np.linspace(-0.5, 0.5, width)[None, :] + s * np.linspace(-0.5, 0.5, height)[:, None]
    ramp = np.clip(ramp / (abs(c) + abs(s)) + 0.5, 0, 1)[:, :, None]  # H W 1
    start, end = np.array(background.start), np.array(background.end)
    return Image.fromarray((start + ramp * (end - start)).astype(np.uint8))


def add_grain(picture: np.ndarray, amplitude: int, noise: np.random.Generator) -> np.ndarray:
    """Uniform noise of +-amplitude on each value, clipped to 0..255. picture: (H, W, 3) uint8, kept as it is."""
    if amplitude == 0:
        return picture
    grain = noise.integers(-amplitude, amplitude, size=picture.shape, dtype=np.int16, endpoint=True)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def draw_shape(canvas: ImageDraw.ImageDraw, shape: Shape, star_inner: float, cross_arm: float) -> None:
    """Fill one shape on a PIL canvas."""
    if shape.kind == "circle":
        box = (shape.x - shape.r, shape.y - shape.r, shape.x + shape.r, shape.y + shape.r)
        canvas.ellipse(box, fill=shape.rgb, outline=shape.outline)
    else:
        canvas.polygon(outline_points(shape, star_inner, cross_arm), fill=shape.rgb, outline=shape.outline)


def draw_scene(scene: Scene, noise: np.random.Generator) -> np.ndarray:
    """Picture (H, W, 3) uint8 of a scene, with hard edges; noise gives grain and the build of stars, crosses."""
    image = draw_background(scene.background, scene.width, scene.height)
    canvas = ImageDraw.Draw(image)
    for shape in scene.shapes:
        star_inner, cross_arm = noise.uniform(0.38, 0.50), noise.uniform(0.26, 0.36)
        draw_shape(canvas, shape, star_inner, cross_arm)
    return add_grain(np.array(image), scene.background.grain, noise)


def draw_clip(clip: Clip, noise: np.random.Generator) -> np.ndarray:
    """Frames (T, H, W, 3) uint8 of a clip; the grain differs from frame to frame."""
    ground = draw_background(clip.scene.background, clip.scene.width, clip.scene.height)
    star_inner, cross_arm = noise.uniform(0.38, 0.50), noise.uniform(0.26, 0.36)
    frames = []
    for x, y in clip.path:
        frame = ground.copy()
        draw_shape(ImageDraw.Draw(frame), replace(clip.scene.shapes[0], x=x, y=y), star_inner, cross_arm)
        frames.append(add_grain(np.array(frame), clip.scene.background.grain, noise))
    return np.stack(frames)


# ---------------------------------------------------------------- answers


def with_article(words: str) -> str:
    """
    >>> with_article("orange star"), with_article("red circle")
    ('an orange star', 'a red circle')
    """
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def plural(kind: str) -> str:
    return kind + ("es" if kind == "cross" else "s")


def caption(scene: Scene) -> str:
    """The shapes from left to right, as English: "a red circle, a blue square and a green star".

    >>> caption(Scene(112, 112, Background((0, 0, 0), (0, 0, 0)), ()))
    'no shapes'
    """
    names = [with_article(shape.name) for shape in scene.shapes]
    if not names:
        return "no shapes"
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def place(shape: Shape, scene: Scene) -> str | None:
    """left, right, top or bottom: the larger offset from the centre; None where it is too close to call."""
    unit = math.sqrt(scene.width * scene.height)
    dx, dy = shape.x - scene.width / 2, shape.y - scene.height / 2
    if max(abs(dx), abs(dy)) < 0.11 * unit or abs(abs(dx) - abs(dy)) < 0.08 * unit:
        return None
    if abs(dx) > abs(dy):
        return "left" if dx < 0 else "right"
    return "top" if dy < 0 else "bottom"


def unique(shapes: tuple[Shape, ...], key: str) -> list[Shape]:
    """The shapes whose value of `key` no other shape has."""
    values = [getattr(shape, key) for shape in shapes]
    return [shape for shape, value in zip(shapes, values, strict=True) if values.count(value) == 1]


def _question(rng: random.Random, kind: str, answer: str, phrasing: int | None, **slots: str) -> Question:
    phrasings = PHRASINGS[kind]
    text = phrasings[phrasing] if phrasing is not None else rng.choice(phrasings)
    if "color" in slots:
        slots["a"] = with_article(slots["color"]).split()[0]
    if "shape" in slots:
        slots["shapes"] = plural(slots["shape"])
    return Question(kind, text.format(**slots), answer)


def ask(rng: random.Random, scene: Scene, kind: str, phrasing: int | None = None) -> Question | None:
    """A question of SINGLE_KINDS on one scene, or None where the scene has no answer to that kind.

    phrasing: which of PHRASINGS[kind] (0 is the canonical one); None draws one.

    >>> scene = sample_scene(random.Random(3), count=1)
    >>> question = ask(random.Random(0), scene, "count", 0)
    >>> question.text, question.answer
    ('How many shapes are there?', 'one')
    """
    shapes = scene.shapes
    if kind == "caption":
        return _question(rng, kind, caption(scene), phrasing)
    if kind == "count":
        return _question(rng, kind, NUMBER_WORDS[len(shapes)], phrasing)
    if kind == "color":
        known = unique(shapes, "kind")
        if not known:
            return None
        shape = rng.choice(known)
        return _question(rng, kind, shape.color, phrasing, shape=shape.kind)
    if kind == "shape":
        known = unique(shapes, "color")
        if not known:
            return None
        shape = rng.choice(known)
        return _question(rng, kind, shape.kind, phrasing, color=shape.color)
    if kind == "where":
        known = [shape for shape in unique(shapes, "name") if place(shape, scene)]
        if not known:
            return None
        shape = rng.choice(known)
        answer = place(shape, scene) or ""
        return _question(rng, kind, answer, phrasing, color=shape.color, shape=shape.kind)
    if kind == "count_color":
        present = rng.random() < 0.75 and shapes
        color = rng.choice(shapes).color if present else rng.choice(tuple(COLORS))
        answer = NUMBER_WORDS[sum(shape.color == color for shape in shapes)]
        return _question(rng, kind, answer, phrasing, color=color)
    if kind == "count_shape":
        present = rng.random() < 0.75 and shapes
        name = rng.choice(shapes).kind if present else rng.choice(SHAPES)
        answer = NUMBER_WORDS[sum(shape.kind == name for shape in shapes)]
        return _question(rng, kind, answer, phrasing, shape=name)
    if kind == "is_there":
        color, name = rng.choice(tuple(COLORS)), rng.choice(SHAPES)
        if shapes:
            draw = rng.random()
            if draw < 0.75:  # right, or right in the colour only
                color = rng.choice(shapes).color
            if draw < 0.5:
                name = rng.choice([shape.kind for shape in shapes if shape.color == color])
            elif draw >= 0.75:
                name = rng.choice(shapes).kind
        answer = "yes" if any((shape.color, shape.kind) == (color, name) for shape in shapes) else "no"
        return _question(rng, kind, answer, phrasing, color=color, shape=name)
    raise ValueError(f"unknown kind of question {kind!r}; known: {', '.join(SINGLE_KINDS)}")


def ask_pair(
    rng: random.Random, first: Scene, second: Scene, kind: str, phrasing: int | None = None
) -> Question | None:
    """A question of PAIR_KINDS on two scenes (answer: first or second), or None where it has no answer."""
    if kind == "which_more":
        if len(first.shapes) == len(second.shapes):
            return None
        answer = "first" if len(first.shapes) > len(second.shapes) else "second"
        return _question(rng, kind, answer, phrasing)
    if kind != "which_has":
        raise ValueError(f"unknown kind of question {kind!r}; known: {', '.join(PAIR_KINDS)}")
    ours, theirs = ({(s.color, s.kind) for s in scene.shapes} for scene in (first, second))
    sides = [("first", sorted(ours - theirs)), ("second", sorted(theirs - ours))]
    rng.shuffle(sides)
    for answer, names in sides:
        if names:
            color, name = rng.choice(names)
            return _question(rng, kind, answer, phrasing, color=color, shape=name)
    return None


def ask_clip(rng: random.Random, clip: Clip, kind: str, phrasing: int | None = None) -> Question:
    """A question of CLIP_KINDS on a clip: which way it moves, or what moves."""
    answer = {"direction": clip.direction, "mover": clip.scene.shapes[0].kind}[kind]
    return _question(rng, kind, answer, phrasing, shape=clip.scene.shapes[0].kind)
