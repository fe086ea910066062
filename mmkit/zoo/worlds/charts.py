"""Things to read: a printed number of one to three digits, and bar charts of two to four coloured bars.

    sample_number -> PrintedNumber -> draw_number -> picture (H, W, 3) uint8 -> ask_number -> Question
    sample_chart  -> BarChart      -> draw_chart  -> picture (H, W, 3) uint8 -> ask_chart  -> Question

The same world as shapes.py (its colours, backgrounds and rule of visibility). Letters come from the font
files that matplotlib brings, so nothing has to be installed.
Leaves out axis labels, negative values and handwriting.
"""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ImageDraw, ImageFont

from mmkit.zoo.worlds.shapes import (
    COLORS,
    NUMBER_WORDS,
    RGB,
    Background,
    Question,
    add_grain,
    draw_background,
    sample_background,
    sample_rgb,
    visible,
)

NUMBER_KINDS = ("number",)
CHART_KINDS = ("tallest", "count_bars")
# cmss10 stands twice: with DejaVu's own it is the only plain sans serif, which is what most print is set in.
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSansMono-Bold",
         "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "STIXGeneral", "STIXGeneralBol",
         "STIXGeneralItalic", "cmss10", "cmss10", "cmr10", "cmb10", "cmtt10", "cmti10")  # fmt: skip

PHRASINGS: dict[str, tuple[str, ...]] = {
    "number": (
        "What number is written?",
        "What number is shown?",
        "Which number is written?",
        "Which number do you see?",
        "Read the number.",
        "What is the number?",
        "What number is in the image?",
        "Which number is in the image?",
        "What does the image say?",
    ),
    "tallest": (
        "Which bar is tallest?",
        "Which bar is the tallest?",
        "What color is the tallest bar?",
        "Which bar is highest?",
        "Which bar is the highest?",
        "Which bar has the largest value?",
        "What is the color of the tallest bar?",
        "Name the tallest bar.",
    ),
    "count_bars": (
        "How many bars are there?",
        "How many bars are in the image?",
        "How many bars do you see?",
        "Count the bars.",
        "What is the number of bars?",
        "How many bars does the chart have?",
        "How many bars are in the chart?",
    ),
}


@dataclass(frozen=True)
class PrintedNumber:
    """Digits in one line. x, y: their middle, size: the font's size, both in pixels; font: a name of FONTS."""

    width: int
    height: int
    background: Background
    digits: str
    rgb: RGB
    x: float
    y: float
    size: float
    font: str


@dataclass(frozen=True)
class Bar:
    """A bar from x0 to x1 with its top at y, in pixels."""

    color: str
    rgb: RGB
    x0: float
    x1: float
    y: float


@dataclass(frozen=True)
class BarChart:
    """Bars on a base line at y = base; the tallest stands out by a tenth of the picture's height."""

    width: int
    height: int
    background: Background
    bars: tuple[Bar, ...]
    base: float
    axis: RGB | None


@functools.cache
def load_font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """A font of matplotlib's by file name, size in pixels."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", size)


def sample_ink(rng: random.Random, background: Background) -> RGB:
    """A colour that can be read on the background: black or white, or any colour far from it."""
    for _ in range(8):
        kind = rng.random()
        if kind < 0.5:
            rgb = rng.choice(((0, 0, 0), (255, 255, 255)))
        elif kind < 0.75:
            rgb = sample_rgb(rng, rng.choice(tuple(COLORS)))
        else:
            rgb = (rng.randint(0, 255), rng.randint(0, 255), rng.randint(0, 255))
        if visible(rgb, background, 40.0):
            return rgb
    return max(((0, 0, 0), (255, 255, 255)), key=lambda ink: abs(sum(ink) - sum(background.start)))


def digit_advance(number: PrintedNumber) -> float:
    """Width of one digit in pixels (digits of one font are equally wide)."""
    return load_font(number.font, round(number.size)).getlength("0")


def sample_number(
    rng: random.Random, width: int = 112, height: int = 112, fonts: tuple[str, ...] = FONTS
) -> PrintedNumber:
    """One to three digits (no leading zero) in a random font, size and place.

    >>> sample_number(random.Random(1)).digits
    '9'
    """
    length = rng.randint(1, 3)
    digits = str(rng.randint(0 if length == 1 else 10 ** (length - 1), 10**length - 1))
    background = sample_background(rng)
    font = rng.choice(fonts)
    per_pixel = load_font(font, 100).getlength("0") / 100  # width of a digit at size 1
    unit = math.sqrt(width * height)
    widest = min(0.34 * unit, 0.92 * width / length, 0.85 * height * per_pixel)
    advance = rng.uniform(min(0.17 * unit, widest), widest)
    size = advance / per_pixel
    half_w, half_h = advance * length / 2 + 1, 0.42 * size
    x = rng.uniform(half_w, width - half_w) if width > 2 * half_w else width / 2
    y = rng.uniform(half_h, height - half_h) if height > 2 * half_h else height / 2
    return PrintedNumber(width, height, background, digits, sample_ink(rng, background), x, y, size, font)


def sample_chart(rng: random.Random, width: int = 112, height: int = 112) -> BarChart:
    """Two to four bars of different colours, the tallest clearly so."""
    while True:
        background = sample_background(rng)
        count = rng.randint(2, 4)
        names = rng.sample(tuple(COLORS), count)
        inks = [sample_rgb(rng, name) for name in names]
        if all(visible(ink, background) for ink in inks):
            break
    left, right = rng.uniform(0.03, 0.15) * width, rng.uniform(0.85, 0.97) * width
    top, base = rng.uniform(0.04, 0.2) * height, rng.uniform(0.85, 0.97) * height
    pitch = (right - left) / count
    fill = rng.uniform(0.5, 0.9)
    tops = [rng.uniform(0.15, 1.0) for _ in names]
    best = rng.randrange(count)
    tops[best] = rng.uniform(0.5, 1.0)
    margin = 0.1 * height / (base - top)
    tops = [
        t if i == best else min(t, tops[best] - margin) if t > tops[best] - margin and rng.random() < 0.5
        else rng.uniform(0.12, tops[best] - margin) if t > tops[best] - margin else t
        for i, t in enumerate(tops)
    ]  # fmt: skip
    bars = tuple(
        Bar(name, ink, left + (i + 0.5 - fill / 2) * pitch, left + (i + 0.5 + fill / 2) * pitch,
            base - t * (base - top))
        for i, (name, ink, t) in enumerate(zip(names, inks, tops, strict=True))
    )  # fmt: skip
    axis = sample_ink(rng, background) if rng.random() < 0.7 else None
    return BarChart(width, height, background, bars, base, axis)


def draw_number(number: PrintedNumber, noise: np.random.Generator) -> np.ndarray:
    """Picture (H, W, 3) uint8 of a printed number."""
    image = draw_background(number.background, number.width, number.height)
    font = load_font(number.font, round(number.size))
    ImageDraw.Draw(image).text((number.x, number.y), number.digits, fill=number.rgb, font=font, anchor="mm")
    return add_grain(np.array(image), number.background.grain, noise)


def draw_chart(chart: BarChart, noise: np.random.Generator) -> np.ndarray:
    """Picture (H, W, 3) uint8 of a bar chart."""
    image = draw_background(chart.background, chart.width, chart.height)
    canvas = ImageDraw.Draw(image)
    for bar in chart.bars:
        canvas.rectangle((bar.x0, bar.y, bar.x1, chart.base), fill=bar.rgb)
    if chart.axis:
        canvas.line((0, chart.base, chart.width, chart.base), fill=chart.axis)
    return add_grain(np.array(image), chart.background.grain, noise)


def ask_number(rng: random.Random, number: PrintedNumber, phrasing: int | None = None) -> Question:
    """ "What number is written?"; the answer is its digits."""
    phrasings = PHRASINGS["number"]
    text = rng.choice(phrasings) if phrasing is None else phrasings[phrasing]
    return Question("number", text, number.digits)


def ask_chart(rng: random.Random, chart: BarChart, kind: str, phrasing: int | None = None) -> Question:
    """A question of CHART_KINDS: the colour of the tallest bar, or how many bars there are."""
    tallest = min(chart.bars, key=lambda bar: bar.y)
    answer = {"tallest": tallest.color, "count_bars": NUMBER_WORDS[len(chart.bars)]}[kind]
    text = rng.choice(PHRASINGS[kind]) if phrasing is None else PHRASINGS[kind][phrasing]
    return Question(kind, text, answer)
