"""Pictures of the course: a few scenes of the shapes world, written out by hand.

`python -m mmkit.zoo.media.pictures data` draws them. They are in no training set: training draws scenes at random.
"""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from mmkit.zoo.worlds.shapes import Background, Scene, Shape, draw_scene

WHITE = Background((255, 255, 255), (255, 255, 255))
DUSK = Background((30, 34, 60), (52, 40, 70), angle=1.2)
SAND = Background((236, 226, 205), (224, 210, 190), angle=0.6, grain=4)

SCENES = {
    "circle_and_square": Scene(
        112,
        112,
        WHITE,
        (
            Shape("circle", "red", 34, 40, 19, 0.0, (215, 40, 40)),
            Shape("square", "blue", 78, 74, 20, 0.1, (45, 75, 215)),
        ),
    ),
    "three_shapes": Scene(
        168,
        126,
        SAND,
        (
            Shape("star", "green", 34, 44, 20, 0.1, (40, 165, 60)),
            Shape("triangle", "purple", 86, 88, 22, -0.1, (145, 55, 175)),
            Shape("cross", "orange", 136, 40, 20, 0.0, (245, 135, 25)),
        ),
    ),
    "night": Scene(
        140,
        112,
        DUSK,
        (
            Shape("star", "yellow", 40, 34, 17, 0.05, (240, 215, 40)),
            Shape("star", "yellow", 104, 72, 21, -0.1, (255, 225, 60)),
        ),
    ),
}


def main(folder: Path) -> None:
    """Draw every scene into `folder`."""
    for name, scene in SCENES.items():
        Image.fromarray(draw_scene(scene, np.random.default_rng(zlib.crc32(name.encode())))).save(
            folder / f"{name}.png", optimize=True
        )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "data"))
