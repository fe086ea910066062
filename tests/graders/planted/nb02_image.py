"""Planted answers to the exercises of 02_image."""

import numpy as np

from . import wrong


@wrong("lay_on")
def drops_the_alpha(pixels, colour):
    return pixels[..., :3].copy()


@wrong("lay_on")
def overflows_bytes(pixels, colour):
    alpha = pixels[..., 3:]
    with np.errstate(all="ignore"):
        return (pixels[..., :3] * alpha // 255 + (255 - alpha) * np.uint8(colour) // 255).astype(np.uint8)


@wrong("lay_on")
def always_on_white(pixels, colour):
    share = pixels[..., 3:] / 255
    return np.rint(share * pixels[..., :3] + (1 - share) * 255).astype(np.uint8)


@wrong("token_of_pixel")
def counts_patches_for_tokens(y, x, width):
    return (y // 14) * (width // 14) + x // 14


@wrong("token_of_pixel")
def counts_columns_first(y, x, width):
    return (x // 28) * (width // 28) + y // 28


@wrong("place_in_sequence")
def reads_row_by_row(row, column, columns):
    return row * columns + column


@wrong("place_in_sequence")
def turns_the_block(row, column, columns):
    return ((row // 2) * (columns // 2) + column // 2) * 4 + (column % 2) * 2 + row % 2
