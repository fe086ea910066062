"""Tiling: how a vision encoder of one fixed size sees a large picture.

    height, width -> grid of tiles (rows, columns) -> each tile is one picture for the encoder
                     + the whole picture once more, small ("thumbnail", "base", "global image")

Three families, three rules:
    DynamicTiles      InternVL: of all grids of 1 to 12 tiles, the one whose shape is closest to the picture's
    AnyRes            LLaVA-NeXT: of five canvases, the one that keeps most of the picture; padding is dropped again
    ImageSplitting    Idefics3, SmolVLM: scaled up to the longest side, then cut
Each gives grid(height, width), target_size(height, width) and tokens(height, width, side), where `side` is the
number of tokens along one side of a tile: 448 pixels in cells of 28 are 16, so a tile of InternVL costs 256.

Follows transformers' GotOcr2ImageProcessor, LlavaNextProcessor and Idefics3Processor, whose numbers vLLM expands;
all are tested on several hundred sizes.
Leaves out cutting the pixels themselves: the model's own processor does it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from mmkit.sizes import check_pixels

Size = tuple[int, int]


@dataclass(frozen=True)
class DynamicTiles:
    """InternVL's dynamic resolution.

    tile: pixels a side.  min_tiles, max_tiles: how many a picture may be cut into, the thumbnail not counted.
    Source: dynamic_preprocess of InternVL 1.5; get_optimal_tiled_canvas in transformers.
    """

    tile: int = 448
    min_tiles: int = 1
    max_tiles: int = 12

    def grid(self, height: int, width: int) -> Size:
        """(rows, columns) of the grid whose columns / rows is closest to width / height.

        Of two equally close grids the larger one wins if the picture has more than half of its pixels.

        >>> DynamicTiles().grid(480, 640), DynamicTiles().grid(1080, 1920), DynamicTiles().grid(2000, 2000)
        ((3, 4), (2, 4), (3, 3))
        """
        check_pixels(height, width)
        best, distance = (1, 1), math.inf
        for rows, columns in self.grids():
            off = abs(width / height - columns / rows)
            large_enough = height * width > 0.5 * self.tile**2 * rows * columns
            if off < distance or (off == distance and large_enough):
                best, distance = (rows, columns), off
        return best

    def grids(self) -> list[Size]:
        """Every (rows, columns) that is allowed, the smallest number of tiles first.

        >>> DynamicTiles(max_tiles=3).grids()
        [(1, 1), (2, 1), (1, 2), (3, 1), (1, 3)]
        """
        sides = range(1, self.max_tiles + 1)
        allowed = [(r, c) for c in sides for r in sides if self.min_tiles <= r * c <= self.max_tiles]
        return sorted(allowed, key=lambda grid: grid[0] * grid[1])

    def target_size(self, height: int, width: int) -> Size:
        """(height, width) that the picture is stretched to before it is cut."""
        rows, columns = self.grid(height, width)
        return rows * self.tile, columns * self.tile

    def tokens(self, height: int, width: int, side: int) -> int:
        """side^2 for each tile, and for the thumbnail where there is more than one tile.

        >>> DynamicTiles().tokens(480, 640, side=16)   # (3 * 4 + 1) * 256
        3328
        """
        tiles = math.prod(self.grid(height, width))
        return (tiles + (tiles > 1)) * side**2


@dataclass(frozen=True)
class AnyRes:
    """LLaVA-NeXT's "any resolution".

    tile: pixels a side.  canvases: the (height, width) that a picture may be laid on.
    Source: select_best_resolution and LlavaNextProcessor in transformers.
    """

    tile: int = 336
    canvases: tuple[Size, ...] = ((336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008))

    def target_size(self, height: int, width: int) -> Size:
        """(height, width) of the canvas that keeps most pixels of the picture and, of those, has the least area.

        >>> AnyRes().target_size(480, 640), AnyRes().target_size(300, 1200)
        ((672, 672), (336, 1008))
        """
        check_pixels(height, width)

        def merit(canvas: Size) -> tuple[int, int]:
            scale = min(canvas[1] / width, canvas[0] / height)
            kept = min(int(width * scale) * int(height * scale), height * width)
            return kept, -canvas[0] * canvas[1]

        return max(self.canvases, key=merit)  # of equals the first

    def grid(self, height: int, width: int) -> Size:
        """(rows, columns) of tiles on the canvas."""
        tall, wide = self.target_size(height, width)
        return tall // self.tile, wide // self.tile

    def unpadded(self, height: int, width: int, side: int) -> Size:
        """(rows, columns) of tokens that are left on the canvas without its padding.

        The picture fills the canvas in one direction; in the other half of the rest is dropped on either side.

        >>> AnyRes().unpadded(480, 640, side=24)   # of 48 x 48: 640 fill the width, 36 rows are enough
        (36, 48)
        """
        rows, columns = (tiles * side for tiles in self.grid(height, width))
        if width / height > columns / rows:
            filled = int(round(height * (columns / width), 7))
            return rows - (rows - filled) // 2 * 2, columns
        filled = int(round(width * (rows / height), 7))
        return rows, columns - (columns - filled) // 2 * 2

    def tokens(self, height: int, width: int, side: int) -> int:
        """side^2 for the whole picture, then each row of what is left of the canvas, with a "newline" behind it.

        >>> AnyRes().tokens(480, 640, side=24)   # 24^2 + 36 * (48 + 1)
        2340
        """
        rows, columns = self.unpadded(height, width, side)
        return side**2 + rows * (columns + 1)


@dataclass(frozen=True)
class ImageSplitting:
    """Idefics3's and SmolVLM's image splitting.

    tile: pixels a side.  longest: pixels that the longer side of any picture is scaled to, up or down.
    blank_line: tokens that the model's tokenizer makes of "\\n\\n".
    Source: Idefics3ImageProcessor and Idefics3Processor in transformers.
    """

    tile: int = 364
    longest: int = 4 * 364
    blank_line: int = 1

    def target_size(self, height: int, width: int) -> Size:
        """(height, width) that the picture is stretched to before it is cut: whole tiles.

        >>> ImageSplitting().target_size(480, 640)
        (1092, 1456)
        """
        rows, columns = self.grid(height, width)
        return rows * self.tile, columns * self.tile

    def grid(self, height: int, width: int) -> Size:
        """(rows, columns) of tiles; (1, 1) is a picture that is not cut.

        >>> ImageSplitting().grid(480, 640), ImageSplitting().grid(100, 1000)
        ((3, 4), (1, 4))
        """
        tall, wide = self.scaled(height, width)
        return math.ceil(tall / self.tile), math.ceil(wide / self.tile)

    def scaled(self, height: int, width: int) -> Size:
        """(height, width) with the longer side at `longest` and at most 4,096, aspect kept, the other side even."""
        check_pixels(height, width)
        tall, wide = _with_longer_side(height, width, self.longest)
        tall, wide = (tall + tall % 2, wide) if width >= height else (tall, wide + wide % 2)
        return _with_longer_side(tall, wide, MOST) if max(tall, wide) > MOST else (tall, wide)

    def tokens(self, height: int, width: int, side: int) -> int:
        """What stands in the prompt: side^2 for each tile and its two marks, a line break behind each row, a blank
        line, and the whole picture with three marks.

        >>> ImageSplitting().tokens(480, 640, side=13)   # 3 * (4 * (169 + 2) + 1) + 169 + 3
        2227
        """
        rows, columns = self.grid(height, width)
        whole = side**2 + 3
        if rows * columns == 1:
            return whole
        return rows * (columns * (side**2 + 2) + 1) + self.blank_line - 1 + whole


MOST = 4096  # pixels of the longer side, whatever a config says (MAX_IMAGE_SIZE in transformers)


def _with_longer_side(height: int, width: int, longest: int) -> Size:
    aspect = width / height
    if width >= height:
        return max(int(longest / aspect), 1), longest
    return longest, max(int(longest * aspect), 1)
