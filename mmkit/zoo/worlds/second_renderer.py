"""The same worlds drawn by another hand, which training never sees: what the scores are measured on.

    Scene, Clip, PrintedNumber, BarChart (shapes.py, charts.py) -> picture or frames, uint8

Drawn four times as large and scaled down (smooth edges), with slimmer stars and wider or narrower crosses than
in training, other shades of each colour that fall away over the shape, a letter face of its own, bars with
edges and grid lines, then blurred a little and stored as JPEG once.
Leaves out the questions: a scene's answers do not depend on who draws it.
"""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from mmkit.zoo.worlds.charts import BarChart, PrintedNumber, digit_advance
from mmkit.zoo.worlds.shapes import RGB, Background, Clip, Scene, Shape, draw_background, outline_points, visible

SCALE = 4
# Shades by their CSS names; none of them is among shapes.PURE.
SHADES: dict[str, tuple[RGB, ...]] = {
    "red": ((220, 20, 60), (178, 34, 34), (200, 0, 0), (237, 41, 57)),  # crimson, firebrick, ...
    "green": ((34, 139, 34), (50, 205, 50), (0, 100, 0), (46, 139, 87), (44, 160, 44)),
    "blue": ((65, 105, 225), (30, 144, 255), (0, 0, 205), (31, 119, 180)),
    "yellow": ((255, 215, 0), (250, 218, 94), (255, 239, 0), (240, 228, 66)),
    "purple": ((153, 50, 204), (138, 43, 226), (148, 0, 211), (102, 51, 153)),
    "orange": ((255, 140, 0), (237, 135, 45), (255, 117, 24), (255, 153, 51)),
}


def shade(noise: np.random.Generator, color: str, background: Background, otherwise: RGB) -> RGB:
    """One of this renderer's own shades that shows on the background, else the one that the scene names."""
    shades = SHADES[color]
    for i in noise.permutation(len(shades)):
        if visible(shades[i], background):
            return shades[i]
    return otherwise


def _large(size: float) -> int:
    return round(size * SCALE)


def _fill(image: Image.Image, shape: Shape, star_inner: float, cross_arm: float) -> None:
    """One shape on a canvas of SCALE times the size, its shade falling by 12 % from top to bottom."""
    grown = replace(shape, x=shape.x * SCALE, y=shape.y * SCALE, r=shape.r * SCALE)
    stencil = Image.new("L", image.size, 0)
    canvas = ImageDraw.Draw(stencil)
    if grown.kind == "circle":
        canvas.ellipse((grown.x - grown.r, grown.y - grown.r, grown.x + grown.r, grown.y + grown.r), fill=255)
    else:
        canvas.polygon(outline_points(grown, star_inner, cross_arm), fill=255)
    top, bottom = max(0, _large(shape.y - 1.2 * shape.r)), _large(shape.y + 1.2 * shape.r)
    paint = Image.new("RGB", (1, image.height), shape.rgb)
    for y in range(top, min(image.height, bottom)):
        light = 1 - 0.12 * (y - top) / (bottom - top)
        paint.putpixel((0, y), tuple(round(v * light) for v in shape.rgb))
    image.paste(paint.resize(image.size), (0, 0), stencil)


def finish(image: Image.Image, width: int, height: int, noise: np.random.Generator) -> np.ndarray:
    """Scale down, blur by up to 0.7 pixels, store as JPEG of quality 75 to 95: (height, width, 3) uint8."""
    image = image.resize((width, height), Image.Resampling.LANCZOS)
    image = image.filter(ImageFilter.GaussianBlur(noise.uniform(0.0, 0.7)))
    stored = io.BytesIO()
    image.save(stored, "JPEG", quality=int(noise.integers(75, 96)))
    return np.array(Image.open(stored).convert("RGB"))


def _build(noise: np.random.Generator) -> tuple[float, float]:
    """Proportions of stars and crosses outside those of training (0.38-0.50 and 0.26-0.36)."""
    return noise.uniform(0.34, 0.38), noise.choice((noise.uniform(0.22, 0.26), noise.uniform(0.36, 0.40)))


def draw_scene(scene: Scene, noise: np.random.Generator) -> np.ndarray:
    """Picture (H, W, 3) uint8 of a scene."""
    image = draw_background(scene.background, scene.width * SCALE, scene.height * SCALE)
    shades: dict[str, RGB] = {}
    for shape in scene.shapes:
        rgb = shades.setdefault(shape.color, shade(noise, shape.color, scene.background, shape.rgb))
        _fill(image, replace(shape, rgb=rgb), *_build(noise))
    return finish(image, scene.width, scene.height, noise)


def draw_clip(clip: Clip, noise: np.random.Generator) -> np.ndarray:
    """Frames (T, H, W, 3) uint8 of a clip."""
    scene, shape = clip.scene, clip.scene.shapes[0]
    rgb, build = shade(noise, shape.color, scene.background, shape.rgb), _build(noise)
    ground = draw_background(scene.background, scene.width * SCALE, scene.height * SCALE)
    frames = []
    for x, y in clip.path:
        image = ground.copy()
        _fill(image, replace(shape, x=x, y=y, rgb=rgb), *build)
        frames.append(finish(image, scene.width, scene.height, noise))
    return np.stack(frames)


def draw_number(number: PrintedNumber, noise: np.random.Generator) -> np.ndarray:
    """Picture (H, W, 3) uint8 of a number, in Pillow's own face (Aileron), as wide as the scene says."""
    image = draw_background(number.background, number.width * SCALE, number.height * SCALE)
    per_pixel = ImageFont.load_default(100).getlength("0") / 100
    size = SCALE * min(digit_advance(number) / per_pixel, number.height)
    position = (_large(number.x), _large(number.y))
    ImageDraw.Draw(image).text(
        position, number.digits, fill=number.rgb, font=ImageFont.load_default(size), anchor="mm"
    )
    return finish(image, number.width, number.height, noise)


def draw_chart(chart: BarChart, noise: np.random.Generator) -> np.ndarray:
    """Picture (H, W, 3) uint8 of a bar chart with grid lines behind the bars and dark edges around them."""
    image = draw_background(chart.background, chart.width * SCALE, chart.height * SCALE)
    canvas = ImageDraw.Draw(image)
    light = sum(chart.background.start) > 380
    ink, grid = ((40, 40, 40), 0.85) if light else ((215, 215, 215), 1.25)
    line = tuple(min(255, round(v * grid) + (0 if light else 15)) for v in chart.background.start)
    for k in range(1, 5):
        y = _large(chart.base * (1 - k / 5))
        canvas.line((0, y, image.width, y), fill=line, width=SCALE // 2)
    for bar in chart.bars:
        rgb = shade(noise, bar.color, chart.background, bar.rgb)
        box = tuple(_large(v) for v in (bar.x0, bar.y, bar.x1, chart.base))
        canvas.rectangle(box, fill=rgb, outline=ink, width=SCALE // 2)
    canvas.line((0, _large(chart.base), image.width, _large(chart.base)), fill=ink, width=SCALE)
    return finish(image, chart.width, chart.height, noise)
