"""Labels: one text of up to four words on one to three lines, in any typeface, color and size.

    sample_size -> width, height          sample_label(rng, width, height) -> Label (page, text, kind)

What can be read has a least size: letters are at least SMALLEST pixels wide, and a text that does not fit a picture
is not printed on it.
Leaves out several texts that do not belong together.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from mmkit.zoo.worlds.fonts import Face, faces
from mmkit.zoo.worlds.pages import CAP, DESCENT, Line, Page, sample_colors, text_width
from mmkit.zoo.worlds.shapes import any_rgb, lab
from mmkit.zoo.worlds.wording import sample_text

SMALLEST = 8.0  # mean width of a letter in pixels
SHARES = {"words": 0.42, "price": 0.17, "date": 0.13, "name": 0.13, "four words": 0.15}


@dataclass(frozen=True)
class Label:
    """A page, the text on it (lines joined by spaces) and which of wording.KINDS it is."""

    page: Page
    text: str
    kind: str


def sample_face(rng: random.Random, held_out: bool = False) -> Face:
    """Any family; its regular face in half of the cases."""
    family = rng.choice(tuple(faces(held_out).values()))
    return family[0] if rng.random() < 0.5 else rng.choice(family)


def sample_aspect(rng: random.Random) -> float:
    """Width by height of a picture that a text would be printed on: cut close around it, or of a usual shape."""
    if rng.random() < 0.35:
        return rng.choice((1.0, 1.0, 4 / 3, 1.5, 2.0, 3.0))
    text = sample_text(rng, rng.choices(tuple(SHARES), tuple(SHARES.values()))[0])
    beside, above = rng.uniform(0.2, 2.5), rng.uniform(0.1, 1.2)
    return min(14.0, max(0.8, (0.55 * len(text) + beside) / (0.96 + above)))


def split(words: list[str], lines: int) -> list[str]:
    """Words on so many lines, the longest line as short as can be.

    >>> split(["Fresh", "green", "tea"], 2)
    ['Fresh', 'green tea']
    """
    if lines == 1:
        return [" ".join(words)]
    splits = ([" ".join(words[:i]), *split(words[i:], lines - 1)] for i in range(1, len(words) - lines + 2))
    return min(splits, key=lambda parts: (max(map(len, parts)), parts))


def sample_label(
    rng: random.Random,
    width: int,
    height: int,
    kind: str | None = None,
    held_out: bool = False,
    easy: float = 0.0,
    small: float = 0.0,
) -> Label:
    """A label of some size in pixels; kind: one of wording.KINDS, any by default.

    held_out: in a typeface and with a text that training never draws.  easy: share of labels in large black letters
    on one line, as a beginner reads them.  small: share of the others in letters hardly larger than SMALLEST.
    """
    while True:
        kind_now = kind or rng.choices(tuple(SHARES), tuple(SHARES.values()))[0]
        text, face = sample_text(rng, kind_now, held_out), sample_face(rng, held_out)
        is_easy = rng.random() < easy
        is_small = small > 0 and rng.random() < small and not is_easy
        page = fit_label(rng, text, face, width, height, easy=is_easy, small=is_small)
        if page:
            return Label(page, text, kind_now)


def fit_label(
    rng: random.Random,
    text: str,
    face: Face,
    width: int,
    height: int,
    easy: bool = False,
    small: bool = False,
) -> Page | None:
    """A page with this text, or None where its letters would be too small to read."""
    words = text.split(" ")
    choices = []
    pitch = rng.uniform(1.0, 1.5)
    for count in range(1, 2 if easy else min(3, len(words)) + 1):
        parts = split(words, count)
        widths = [text_width(part, face) for part in parts]
        tall = CAP + DESCENT + pitch * (count - 1)
        largest = min(0.95 * width / max(widths), 0.92 * height / tall)
        if largest * sum(widths) / max(1, sum(map(len, parts))) >= SMALLEST and largest > 11:
            choices.append((parts, widths, tall, largest))
    if not choices:
        return None
    weights = [3.0 if len(parts) == 1 else 1.0 for parts, *_ in choices]
    parts, widths, tall, largest = rng.choices(choices, weights)[0]
    least = SMALLEST * sum(map(len, parts)) / sum(widths)
    smallest = max(least, 0.0 if small else (0.7 if easy else 0.35) * largest, 11.0)
    size = rng.uniform(smallest, min(largest, 1.3 * smallest) if small else largest)
    block_width, block_height = max(widths) * size, tall * size
    angle = _sample_angle(rng, block_width, block_height, width, height) if rng.random() < 0.5 and not easy else 0.0
    c, s = math.cos(math.radians(angle)), abs(math.sin(math.radians(angle)))
    free_x = max(0.0, width - (c * block_width + s * block_height)) / 2
    free_y = max(0.0, height - (c * block_height + s * block_width)) / 2
    centered = rng.random() < 0.5
    x = (width - block_width) / 2 + (0 if centered else rng.uniform(-free_x, free_x))
    y = (height - block_height) / 2 + (0 if centered else rng.uniform(-free_y, free_y))
    align = rng.choice((0.0, 0.5, 0.5, 1.0))
    lines = tuple(
        Line(part, x + align * (block_width - w * size), y + (CAP + pitch * i) * size, size, face, i)
        for i, (part, w) in enumerate(zip(parts, widths, strict=True))
    )
    box = x - 0.3 * size, y - 0.2 * size, x + block_width + 0.3 * size, y + block_height + 0.2 * size
    return wear(rng, width, height, lines, box, angle, easy=easy)


def _sample_angle(rng: random.Random, w: float, h: float, width: int, height: int) -> float:
    """A slight turn, in degrees, after which a block of w x h still lies within the picture."""
    for _ in range(4):
        angle = rng.uniform(-8, 8)
        c, s = math.cos(math.radians(angle)), abs(math.sin(math.radians(angle)))
        if c * w + s * h <= 0.99 * width and c * h + s * w <= 0.99 * height:
            return angle
    return 0.0


def wear(
    rng: random.Random,
    width: int,
    height: int,
    lines: tuple[Line, ...],
    box: tuple[float, float, float, float],
    angle: float = 0.0,
    rules: tuple[tuple[float, float, float, float], ...] = (),
    easy: bool = False,
) -> Page:
    """A page with random colors, blur, JPEG and so on.  box: around all that is printed, x0 y0 x1 y1."""
    ink, background = sample_colors(rng)
    if easy:
        return Page(width, height, lines, ink, background)
    card = None
    if rng.random() < 0.15:
        rgb = any_rgb(rng)
        if abs(lab(rgb)[0] - lab(ink)[0]) > 35:
            card = rgb, box
    letter = min(line.size for line in lines)
    return Page(
        width, height, lines, ink, background, angle,
        scale=rng.choice((1.0, 1.0, rng.uniform(0.8, 1.0) if letter > 16 else 1.0, rng.uniform(1.0, 2.0))),
        blur=rng.uniform(0.2, 0.035 * letter + 0.2) if rng.random() < 0.3 else 0.0,
        quality=rng.randint(40, 95) if rng.random() < 0.4 else None,
        card=card,
        frame=rng.uniform(1, 3) if rng.random() < 0.15 else 0.0,
        rules=rules,
    )  # fmt: skip
