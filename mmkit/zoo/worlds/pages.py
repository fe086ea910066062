"""Print on paper: lines of text in a typeface, colored, turned a little, blurred and stored as JPEG.

    Page (size, Lines, colors, wear) -> draw_page -> picture (H, W, 3) uint8
                                     -> glyph_map -> which letter covers each small cell of the picture

Pixels count from the upper left; a Line's y is its baseline. A page is turned about its middle.
Leaves out curved or tilted paper, shadows and handwriting.
"""

from __future__ import annotations

import io
import math
import random
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from mmkit.zoo.worlds.fonts import Face, load_face
from mmkit.zoo.worlds.shapes import RGB, Background, add_grain, any_rgb, draw_background, lab, sample_background

CAP, DESCENT = 0.74, 0.22  # of a line: how far letters reach above and below the baseline, in sizes
REFERENCE = 100.0  # size at which texts are measured


@dataclass(frozen=True)
class Line:
    """A piece of text on a baseline: x of its left end and y of the baseline, size of the letters, in pixels.

    row: which line of the page it is on (the right column of a table is on the row of its left).
    """

    text: str
    x: float
    y: float
    size: float
    face: Face
    row: int = 0

    @property
    def width(self) -> float:
        return text_width(self.text, self.face) * self.size


@dataclass(frozen=True)
class Page:
    """All that is needed to draw: what is printed, on what, and what happened to it since."""

    width: int
    height: int
    lines: tuple[Line, ...]
    ink: RGB
    background: Background
    angle: float = 0.0  # degrees, against the clock
    scale: float = 1.0  # the picture is drawn at this many times its size, then resized
    blur: float = 0.0  # radius of a Gaussian blur in pixels of the picture
    quality: int | None = None  # of JPEG; None for no compression
    card: tuple[RGB, tuple[float, float, float, float]] | None = None  # a colored card below the text: x0 y0 x1 y1
    frame: float = 0.0  # width of a line around the page or card, in the color of the ink
    rules: tuple[tuple[float, float, float, float], ...] = ()  # lines drawn in ink: x0 y0 x1 y1


def text_width(text: str, face: Face) -> float:
    """Width of a text at size 1."""
    return load_face(face, REFERENCE).getlength(text) / REFERENCE


def sample_colors(rng: random.Random) -> tuple[RGB, Background]:
    """Ink and paper: a quarter dark on white or light gray, else any two colors of clearly different lightness."""
    kind = rng.random()
    if kind < 0.25:
        shade = rng.choice((255, 255, 255, rng.randint(200, 255)))
        paper = shade, shade, shade
        background = Background(paper, paper, grain=rng.choice((0, 0, 0, 4, 8)))
        dark = rng.randint(0, 90)
        return rng.choice(((0, 0, 0), (dark, dark, dark), any_rgb(rng, 0, 110))), background
    for _ in range(20):
        background = sample_background(rng)
        background = replace(background, grain=min(background.grain, 10))
        ink = rng.choice(((0, 0, 0), (255, 255, 255), any_rgb(rng), any_rgb(rng)))
        lightness = lab(ink)[0]
        if all(abs(lightness - lab(end)[0]) > 40 for end in (background.start, background.end)):
            return ink, background
    return (0, 0, 0), Background((255, 255, 255), (255, 255, 255))


def draw_page(page: Page, noise: np.random.Generator) -> np.ndarray:
    """Picture (H, W, 3) uint8 of a page."""
    s = page.scale
    width, height = max(8, round(page.width * s)), max(8, round(page.height * s))
    image = draw_background(page.background, width, height)
    if page.card:
        rgb, box = page.card
        card = Image.new("L", (width, height))
        ImageDraw.Draw(card).rectangle([v * s for v in box], fill=255)
        image.paste(rgb, mask=_turned(card, page.angle))
    mask = Image.new("L", (width, height))
    canvas = ImageDraw.Draw(mask)
    if page.frame:
        box = page.card[1] if page.card else (1, 1, page.width - 2, page.height - 2)
        canvas.rectangle([v * s for v in box], outline=255, width=max(1, round(page.frame * s)))
    for rule in page.rules:
        canvas.line([v * s for v in rule], fill=255, width=max(1, round(s)))
    for line in page.lines:
        font = load_face(line.face, round(line.size * s * 2) / 2)
        canvas.text((line.x * s, line.y * s), line.text, fill=255, font=font, anchor="ls")
    image.paste(page.ink, mask=_turned(mask, page.angle))
    if page.blur:
        image = image.filter(ImageFilter.GaussianBlur(page.blur * s))
    if page.background.grain:
        image = Image.fromarray(add_grain(np.asarray(image), page.background.grain, noise))
    if page.quality:
        stored = io.BytesIO()
        image.save(stored, "JPEG", quality=page.quality)
        image = Image.open(stored).convert("RGB")
    if image.size != (page.width, page.height):
        image = image.resize((page.width, page.height), Image.Resampling.BICUBIC)
    return np.array(image)


def _turned(mask: Image.Image, angle: float) -> Image.Image:
    return mask.rotate(angle, Image.Resampling.BICUBIC) if angle else mask


def glyph_map(page: Page, cell_width: float, cell_height: float) -> tuple[np.ndarray, list[tuple[str, int, int]]]:
    """Which letter covers the middle of each cell.

    Returns numbers (rows, columns) int64 of cells, -1 for none, and the letters they count: (letter, its row on the
    page, its place in the row, spaces included).
    """
    rows, columns = round(page.height / cell_height), round(page.width / cell_width)
    x = (np.arange(columns) + 0.5)[None, :] * cell_width - page.width / 2
    y = (np.arange(rows) + 0.5)[:, None] * cell_height - page.height / 2
    c, s = math.cos(math.radians(page.angle)), math.sin(math.radians(page.angle))
    back_x, back_y = c * x - s * y + page.width / 2, s * x + c * y + page.height / 2  # where it was before the turn
    covered = np.full((rows, columns), -1, np.int64)
    letters: list[tuple[str, int, int]] = []
    reached: dict[int, int] = {}  # letters so far in a row
    for line in page.lines:
        font = load_face(line.face, REFERENCE)
        edges = line.x + line.size / REFERENCE * np.array(
            [font.getlength(line.text[:i]) for i in range(len(line.text) + 1)]
        )
        inside = (back_y > line.y - CAP * line.size) & (back_y < line.y + DESCENT * line.size)
        inside &= (back_x >= edges[0]) & (back_x < edges[-1])
        which = np.clip(np.searchsorted(edges, back_x, side="right") - 1, 0, len(line.text) - 1)
        covered = np.where(inside, which + len(letters), covered)
        before = reached.get(line.row, 0)
        letters += [(letter, line.row, before + i) for i, letter in enumerate(line.text)]
        reached[line.row] = before + len(line.text) + 1
    return covered, letters
