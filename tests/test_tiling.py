"""Tiling: grids and token counts of three families.

Oracles: transformers' image processors (their own counts, and the tiles that they really cut) and LLaVA-NeXT's
processor, on several hundred sizes from 1 x 1 to 5,000 pixels a side; examples by hand.
"""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmkit.errors import EmptyMedia
from mmkit.tiling import AnyRes, DynamicTiles, ImageSplitting

SIZES = np.exp(np.random.default_rng(3).uniform(0, np.log(5000), (600, 2))).astype(int).tolist()
SIZES += [[n, m] for n in (336, 364, 448, 512, 672, 1008, 1456) for m in (336, 363, 364, 448, 672, 1344)]
SIZES += [[55, 176], [88, 99]]  # where float64 is one unit short, and LLaVA-NeXT rounds at the seventh digit
SMALL = [[h, w] for h, w in SIZES if h * w < 250_000][:60]  # those are really cut


@pytest.mark.parametrize(
    ("low", "high", "tile"), [(1, 12, 448), (1, 6, 384), (4, 9, 100), (1, 1, 448), (2, 40, 28)]
)
def test_dynamic_tiles_equal_transformers(low, high, tile):
    from transformers import GotOcr2ImageProcessor

    size = {"height": tile, "width": tile}
    theirs = GotOcr2ImageProcessor(crop_to_patches=True, min_patches=low, max_patches=high, size=size)
    ours = DynamicTiles(tile, low, high)
    for height, width in SIZES:
        assert ours.tokens(height, width, 1) == theirs.get_number_of_image_patches(height, width), (height, width)


def test_dynamic_tiles_are_the_tiles_that_are_cut():
    from transformers import GotOcr2ImageProcessor

    theirs = GotOcr2ImageProcessor(crop_to_patches=True, max_patches=6, size={"height": 56, "width": 56})
    for height, width in SMALL:
        cut = theirs(torch.zeros(3, height, width, dtype=torch.uint8), return_tensors="pt")["pixel_values"]
        assert len(cut) == DynamicTiles(56, 1, 6).tokens(height, width, 1)


@pytest.mark.parametrize("patch", [14, 16])
def test_any_res_equals_transformers(patch):
    from transformers import LlavaNextImageProcessor, LlavaNextProcessor

    ours = AnyRes()
    image_processor = LlavaNextImageProcessor(image_grid_pinpoints=[list(canvas) for canvas in ours.canvases])
    stand_in = SimpleNamespace(image_processor=image_processor, patch_size=patch, num_additional_image_tokens=0)
    stand_in._get_unpadded_features = LlavaNextProcessor._get_unpadded_features.__get__(stand_in)
    for height, width in SIZES:
        theirs = LlavaNextProcessor._get_number_of_features(stand_in, height, width, 336, 336)
        assert ours.tokens(height, width, 336 // patch) == theirs, (height, width)


def test_any_res_cuts_as_many_tiles_as_its_grid_says():
    from transformers import LlavaNextImageProcessor

    ours, theirs = AnyRes(), LlavaNextImageProcessor(size={"shortest_edge": 336}, crop_size=336)
    for height, width in SMALL[:12]:
        if min(height, width) < 4:
            continue
        cut = theirs(torch.zeros(3, height, width, dtype=torch.uint8), return_tensors="pt")["pixel_values"]
        assert cut.shape[1] == 1 + math.prod(ours.grid(height, width))


@pytest.mark.parametrize(
    ("tile", "longest"), [(364, 1456), (512, 2048), (512, 512), (364, 364), (100, 5000), (512, 1000)]
)
@pytest.mark.parametrize("family", ["Idefics3", "SmolVLM"])
def test_image_splitting_equals_transformers(tile, longest, family):
    import transformers

    size = {"size": {"longest_edge": longest}, "max_image_size": {"longest_edge": tile}}
    theirs = getattr(transformers, f"{family}ImageProcessor")(do_image_splitting=True, **size)
    ours = ImageSplitting(tile, longest)
    for height, width in SIZES:
        _, rows, columns = theirs.get_number_of_image_patches(height, width)
        assert ours.grid(height, width) == (max(rows, 1), max(columns, 1)), (height, width)


def test_image_splitting_is_what_is_cut():
    from transformers import Idefics3ImageProcessor

    size = {"size": {"longest_edge": 80}, "max_image_size": {"longest_edge": 20}}
    theirs = Idefics3ImageProcessor(do_image_splitting=True, return_row_col_info=True, **size)
    for height, width in SMALL:
        made = theirs(torch.zeros(3, height, width, dtype=torch.uint8), return_tensors="pt")
        assert ImageSplitting(20, 80).grid(height, width) == (made["rows"][0][0], made["cols"][0][0])


def test_no_pixels_is_an_error():
    for tiling in (DynamicTiles(), AnyRes(), ImageSplitting()):
        with pytest.raises(EmptyMedia):
            tiling.tokens(0, 10, 16)
