"""Sizes: what a picture's size becomes before a vision encoder sees it.

    height, width -> SmartResize | ShortestEdge | Stretch -> target_size

Each way of resizing is a frozen class with its own numbers; families that cut large pictures into tiles have theirs
in tiling.py. Pure arithmetic: pixels are resized in image.py.
Follows transformers' Qwen2-VL, CLIP and SigLIP processors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from mmkit.errors import EmptyMedia, LimitExceeded

MAX_ASPECT = 200  # longer side over shorter side, the limit of transformers' smart_resize


def smart_resize(
    height: int, width: int, factor: int = 28, min_pixels: int = 56 * 56, max_pixels: int = 1280 * 28 * 28
) -> tuple[int, int]:
    """Nearest size whose sides are multiples of `factor` and whose area is within limits.

    height, width: pixels.  factor: patch x merge.  Returns (height, width).
    `round` is Python's: halves go to the even neighbour, so 70 / 28 = 2.5 -> 2 -> 56, not 84.
    Source: the function of that name in transformers and qwen-vl-utils.  LimitExceeded beyond 200:1.

    >>> smart_resize(1080, 1920), smart_resize(70, 70), smart_resize(126, 70)
    ((728, 1316), (56, 56), (112, 56))
    """
    check_pixels(height, width)
    if max(height, width) / min(height, width) > MAX_ASPECT:
        raise LimitExceeded(
            f"{width} x {height} pixels is more than {MAX_ASPECT} times as long as wide; crop or split it"
        )
    new_height = round(height / factor) * factor
    new_width = round(width / factor) * factor
    if new_height * new_width > max_pixels:
        shrink = math.sqrt(height * width / max_pixels)
        new_height = max(factor, math.floor(height / shrink / factor) * factor)
        new_width = max(factor, math.floor(width / shrink / factor) * factor)
    elif new_height * new_width < min_pixels:
        grow = math.sqrt(min_pixels / (height * width))
        new_height = math.ceil(height * grow / factor) * factor
        new_width = math.ceil(width * grow / factor) * factor
    return new_height, new_width


@dataclass(frozen=True)
class SmartResize:
    """Qwen-VL: both sides to multiples of `factor`, the area between min_pixels and max_pixels.

    factor: pixels a side of one token: patch * merge.
    """

    min_pixels: int
    max_pixels: int
    factor: int = 28

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) after resizing.  Raises LimitExceeded beyond 200:1.

        >>> SmartResize(56 * 56, 1280 * 28 * 28).target_size(480, 640)
        (476, 644)
        """
        return smart_resize(height, width, self.factor, self.min_pixels, self.max_pixels)


@dataclass(frozen=True)
class ShortestEdge:
    """CLIP: the shorter side to `size`, aspect kept; then the middle `crop` x `crop`, where there is a crop."""

    size: int
    crop: int | None = None

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) after resizing, before the crop.

        >>> ShortestEdge(224, crop=224).target_size(480, 640)
        (224, 298)
        """
        check_pixels(height, width)
        longer = int(self.size * max(height, width) / min(height, width))
        return (longer, self.size) if width <= height else (self.size, longer)


@dataclass(frozen=True)
class Stretch:
    """SigLIP: to `size` x `size`, whatever the aspect was."""

    size: int

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) after resizing.

        >>> Stretch(224).target_size(480, 640)
        (224, 224)
        """
        check_pixels(height, width)
        return self.size, self.size


def check_pixels(height: int, width: int) -> None:
    """Raise EmptyMedia for a picture without pixels."""
    if min(height, width) < 1:
        raise EmptyMedia(f"{width} x {height} pixels; there is nothing to see")
