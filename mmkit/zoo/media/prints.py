"""Print of the course: a label, a price tag and a receipt, set by hand in typefaces that matplotlib brings.

`python -m mmkit.zoo.media.prints data` draws them. Training draws none of these texts: each is held out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from mmkit.zoo.worlds.fonts import Face
from mmkit.zoo.worlds.pages import Line, Page, draw_page, text_width
from mmkit.zoo.worlds.shapes import Background

CREAM = Background((250, 244, 228), (240, 232, 212), angle=0.8)
WALL = Background((92, 108, 120), (70, 84, 98), angle=0.4, grain=6)
PAPER = Background((252, 252, 250), (244, 244, 242), angle=1.3)
INK = (34, 30, 40)
ROWS = (("Date", "12.05.2026"), ("Bread", "4.50"), ("Cake", "3.20"), ("Juice", "3.20"), ("Total", "10.90"))


def face(name: str) -> Face:
    """A font file of matplotlib's, by name."""
    return Face(name, "regular", str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"), 0)


def receipt() -> Page:
    """Six lines: the shop, then labels on the left and values on the right."""
    mono, bold, size, pitch, left, right = face("DejaVuSansMono"), face("DejaVuSansMono-Bold"), 20.0, 34, 24, 296
    lines = [Line("Corner cafe", 160 - text_width("Corner cafe", bold) * size / 2, 38, size, bold)]
    for row, (label, value) in enumerate(ROWS, 1):
        base = 38 + pitch * row
        lines.append(Line(label, left, base, size, mono, row))
        lines.append(Line(value, right - text_width(value, mono) * size, base, size, mono, row))
    above = 38 + pitch * 5 - 25
    return Page(320, 232, tuple(lines), INK, PAPER, rules=((left, above, right, above),))


PAGES = {
    "label.png": Page(280, 80, (Line("Honey cake", 30, 52, 36, face("DejaVuSerif")),), (120, 50, 20), CREAM),
    "price_tag.jpg": Page(
        240, 120, (Line("$18.60", 52, 74, 38, face("DejaVuSans-Bold")),), INK, WALL,
        angle=4.0, scale=2.0, card=((250, 220, 90), (34, 30, 206, 90)), frame=2.0,
    ),
    "receipt.png": receipt(),
}  # fmt: skip


def main(folder: Path) -> None:
    """Draw every page into `folder`."""
    for name, page in PAGES.items():
        picture = Image.fromarray(draw_page(page, np.random.default_rng(len(name))))
        if name.endswith(".jpg"):
            picture.save(folder / name, quality=85)
        else:
            picture.save(folder / name, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "data"))
