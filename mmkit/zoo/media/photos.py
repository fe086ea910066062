"""Photographs of the course: rendered, not taken, so that anybody may use them and every pixel is reproducible.

    python -m mmkit.zoo.media.photos data        writes harbour.jpg, lighthouse.jpg, badge.png, scan16.png,
                                           print_cmyk.jpg and blink.gif

Each is also a trap of decoding: the lighthouse lies on its side with an EXIF turn, the badge hides red behind
full transparency, the scan has 16 bits, the print has four inks, the GIF has several pictures.
Leaves out shapes-world scenes (pictures.py) and sounds.
"""

from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

EXIF_ORIENTATION = 0x0112
LIES_ON_ITS_LEFT = 6  # the camera was turned; the viewer shall turn the picture by 90 degrees clockwise


def ridge(columns: np.ndarray, seed: int, height: float, rough: float = 1.0) -> np.ndarray:
    """A mountain line: sines of rising frequency and falling strength, random phases. Same shape as columns."""
    rng = np.random.default_rng(seed)
    line = np.zeros_like(columns)
    for octave in range(1, 7):
        line += np.sin(columns * 2.1 * 1.9**octave + rng.uniform(0, 7)) * rough / 1.75**octave
    return height + 0.06 * line


def grain(shape: tuple[int, int], seed: int, size: int) -> np.ndarray:
    """Smooth random texture between -1 and 1: noise on a coarse grid, enlarged."""
    rows, columns = shape[0] // size + 2, shape[1] // size + 2
    coarse = np.random.default_rng(seed).uniform(-1, 1, (rows, columns)).astype(np.float32)
    picture = Image.fromarray(coarse, "F").resize((columns * size, rows * size), Image.Resampling.BICUBIC)
    return np.asarray(picture)[: shape[0], : shape[1]]


def blend(picture: np.ndarray, colour: tuple[float, float, float], share: np.ndarray) -> np.ndarray:
    """Lay a colour over (H, W, 3) floats with an opacity of 0..1 at each pixel."""
    return picture + share[..., None] * (np.asarray(colour) - picture)


def landscape(width: int, height: int) -> Image.Image:
    """A bay in the evening: sky, sun, three ridges, water with a path of light; no figures yet."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    u, v = x / height, y / height  # one unit is the height
    sun_u, sun_v, shore = 0.62 * width / height, 0.40, 0.56
    sky = np.stack([0.93 - 0.48 * (1 - v / shore), 0.66 - 0.28 * (1 - v / shore), 0.50 + 0.10 * (1 - v / shore)], 2)
    distance = np.hypot(u - sun_u, v - sun_v)
    sky = blend(sky, (1.0, 0.86, 0.55), 0.75 * np.exp(-distance * 5.5))
    sky = blend(sky, (1.0, 0.97, 0.86), np.clip((0.062 - distance) * height / 2, 0, 1))
    clouds = grain((height, width), 3, max(8, height // 7)) + 0.5 * grain((height, width), 4, max(4, height // 16))
    sky = blend(sky, (1.0, 0.80, 0.72), 0.35 * np.clip(clouds, 0, 1) * np.clip((shore - v) * 4, 0, 1))
    for seed, base, tint in (
        (11, 0.47, (0.62, 0.45, 0.52)),
        (12, 0.51, (0.43, 0.33, 0.45)),
        (14, 0.545, (0.24, 0.22, 0.33)),
    ):
        below = np.clip((v - ridge(u, seed, base)) * height, 0, 1)
        sky = blend(sky, tint, below)
    mirrored = np.clip(2 * shore - v, 0, 1)
    rows = np.clip(mirrored * height, 0, height - 1).astype(int)
    sway = (np.sin(v * 210 + 3 * np.sin(u * 9)) * 3 * (v - shore) * 4 * height / 360).astype(int)
    columns = np.clip(x.astype(int) + sway, 0, width - 1)
    water = 0.62 * sky[rows, columns] + np.asarray((0.03, 0.06, 0.11))
    ripples = np.sin(v * (240 - 150 * v) + 4.0 * np.sin(u * 13 + v * 40))
    path = np.exp(-(((u - sun_u) / (0.05 + 0.5 * (v - shore))) ** 2))
    water = blend(water, (1.0, 0.84, 0.55), np.clip(ripples * 0.75 * path, 0, 1))
    water += 0.025 * ripples[..., None]
    scene = np.where((v > shore)[..., None], water, sky)
    scene += 0.012 * np.random.default_rng(5).normal(size=(height, width, 1))  # film grain
    return Image.fromarray((255 * np.clip(scene, 0, 1)).astype(np.uint8))


def draw_boat(draw: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    """A sailing boat whose hull ends at (x, y), `size` pixels high; stripes and a number on the sail."""

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x + size * a, y + size * b) for a, b in points]

    draw.polygon(at((-0.42, -0.16), (0.46, -0.16), (0.30, 0.0), (-0.30, 0.0)), fill=(96, 38, 40))
    draw.line(at((-0.42, -0.15), (0.46, -0.15)), fill=(240, 226, 208), width=max(1, int(size / 45)))
    draw.line(at((0.0, -0.15), (0.0, -1.0)), fill=(60, 42, 40), width=max(1, int(size / 40)))
    draw.polygon(at((0.03, -0.97), (0.03, -0.22), (0.45, -0.22)), fill=(250, 240, 222))
    draw.polygon(at((-0.03, -0.90), (-0.03, -0.22), (-0.36, -0.22)), fill=(222, 96, 60))
    for step in range(1, 6):
        top = -0.22 - step * 0.11
        draw.line(at((0.03, top), (0.03 + 0.42 * (0.97 + top) / 0.75, top)), fill=(214, 200, 184))
    draw.text(at((0.07, -0.42))[0], "28", font=ImageFont.load_default(size * 0.15), fill=(70, 60, 80))


def draw_lighthouse(draw: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    """A striped tower on a rock at (x, y), `size` pixels high, its lamp lit."""
    rock = [(-0.42, 0.06), (-0.28, -0.05), (-0.1, -0.09), (0.12, -0.08), (0.3, -0.03), (0.46, 0.06)]
    draw.polygon([(x + size * a, y + size * b) for a, b in rock], fill=(46, 40, 52))
    stripes = 7
    for step in range(stripes):
        low, high = 0.05 + 0.72 * step / stripes, 0.05 + 0.72 * (step + 1) / stripes
        wide = [0.105 - 0.045 * part for part in (low, high)]
        corners = [(-wide[0], -low), (wide[0], -low), (wide[1], -high), (-wide[1], -high)]
        colour = (196, 52, 48) if step % 2 else (246, 238, 226)
        draw.polygon([(x + size * a, y + size * b) for a, b in corners], fill=colour)
    draw.rectangle([x - 0.085 * size, y - 0.80 * size, x + 0.085 * size, y - 0.77 * size], fill=(50, 44, 54))
    draw.rectangle([x - 0.05 * size, y - 0.88 * size, x + 0.05 * size, y - 0.80 * size], fill=(255, 232, 150))
    draw.polygon(
        [(x - 0.07 * size, y - 0.88 * size), (x + 0.07 * size, y - 0.88 * size), (x, y - 0.96 * size)],
        fill=(150, 40, 40),
    )


def harbour(width: int = 640, height: int = 480) -> Image.Image:
    """The course's landscape photo: a bay, a lighthouse, two boats, a sign with fine print."""
    big = landscape(2 * width, 2 * height)
    draw = ImageDraw.Draw(big)
    unit = 2 * height
    draw_lighthouse(draw, 0.20 * unit, 0.60 * unit, 0.46 * unit)
    draw_boat(draw, 0.78 * unit, 0.66 * unit, 0.16 * unit)
    draw_boat(draw, 1.12 * unit, 0.80 * unit, 0.34 * unit)
    left, top = 0.06 * unit, 0.80 * unit
    draw.rectangle(
        [left, top, left + 0.40 * unit, top + 0.13 * unit], fill=(244, 236, 214), outline=(80, 58, 44), width=4
    )
    draw.text(
        (left + 0.02 * unit, top + 0.008 * unit),
        "HARBOUR 28",
        font=ImageFont.load_default(0.054 * unit),
        fill=(60, 44, 40),
    )
    small = ImageFont.load_default(0.026 * unit)
    draw.text(
        (left + 0.02 * unit, top + 0.080 * unit), "boats for hire  /  mind the tide", font=small, fill=(60, 44, 40)
    )
    return big.resize((width, height), Image.Resampling.BICUBIC)


def lighthouse(width: int = 360, height: int = 540) -> Image.Image:
    """A portrait photo of the lighthouse, as it should be seen."""
    big = landscape(2 * width, 2 * height)
    draw_lighthouse(ImageDraw.Draw(big), 0.80 * width, 1.30 * height, 1.05 * height)
    return big.resize((width, height), Image.Resampling.BICUBIC)


def badge(size: int = 240) -> Image.Image:
    """A round RGBA badge with soft edges; behind full transparency the file still holds bright red."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size - 0.5
    radius = np.hypot(x, y)
    colour = np.empty((size, size, 3))
    colour[:] = (255, 0, 0)
    colour[radius < 0.47] = (0, 114, 178)
    colour[radius < 0.38] = (240, 228, 66)
    alpha = np.clip((0.46 - radius) * size / 3, 0, 1)
    pixels = np.dstack([colour, 255 * alpha]).round().astype(np.uint8)
    picture = Image.fromarray(pixels)
    font = ImageFont.load_default(size * 0.40)
    ImageDraw.Draw(picture).text((size / 2, size / 2), "28", font=font, fill=(30, 30, 60, 255), anchor="mm")
    return picture


def scan(size: int = 160) -> np.ndarray:
    """A 16-bit scan, as of a hand lens or a detector: soft blobs between 900 and 60,000, most below 20,000."""
    y, x = np.mgrid[:size, :size] / size
    values = np.full((size, size), 900.0)
    rng = np.random.default_rng(8)
    for strength in np.linspace(3_000, 42_000, 14):
        cx, cy, r = rng.uniform(0.15, 0.85), rng.uniform(0.15, 0.85), rng.uniform(0.04, 0.12)
        values += strength * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * r * r))
    values += 1_500 * (1 + np.cos(60 * np.hypot(x - 0.5, y - 0.5)))
    return np.clip(values, 0, 60_000).astype(np.uint16)


def png_16(values: np.ndarray) -> bytes:
    """A 16-bit grey PNG of (H, W) uint16."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    packed = (struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def blink() -> list[Image.Image]:
    """Four pictures of a lamp: only the first is dark."""
    frames = []
    for glow in (0, 90, 255, 90):
        frame = Image.new("RGB", (96, 96), (24, 26, 44))
        ImageDraw.Draw(frame).ellipse([24, 24, 72, 72], fill=(60 + glow * 195 // 255, 50 + glow * 180 // 255, 60))
        frames.append(frame)
    return frames


def course_photos() -> dict[str, bytes]:
    """File name -> content of every photo of the course."""

    def encoded(picture: Image.Image, form: str, **options: object) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, form, **options)
        return buffer.getvalue()

    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = LIES_ON_ITS_LEFT
    sideways = lighthouse().transpose(Image.Transpose.ROTATE_90)
    frames = blink()
    return {
        "harbour.jpg": encoded(harbour(), "JPEG", quality=85),
        "lighthouse.jpg": encoded(sideways, "JPEG", quality=82, exif=exif),
        "badge.png": encoded(badge(), "PNG", optimize=True),
        "scan16.png": png_16(scan()),
        "print_cmyk.jpg": encoded(harbour(320, 240).convert("CMYK"), "JPEG", quality=85),
        "blink.gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=250, loop=0),
    }


def main(folder: Path) -> None:
    """Write every photo into `folder`."""
    for name, content in course_photos().items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "data"))
