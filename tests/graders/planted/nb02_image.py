"""Planted answers to the exercises of 02_image."""

import math
from fractions import Fraction

import numpy as np
import torch
from PIL import Image

from . import equivalent, right, wrong


@wrong("small_print")
def scales_to_whole_pixels_down(height, width, letter, wanted):
    if letter < wanted:
        return 0
    return math.ceil(height * wanted // letter / 28) * math.ceil(width * wanted // letter / 28)


@wrong("small_print")
def shrinks_by_whole_factors(height, width, letter, wanted):
    if letter < wanted:
        return 0
    factor = letter // wanted
    return math.ceil(height / factor / 28) * math.ceil(width / factor / 28)


@wrong("small_print")
def adds_a_cell(height, width, letter, wanted):
    if letter < wanted:
        return 0
    return (height * wanted // letter // 28 + 1) * (width * wanted // letter // 28 + 1)


@wrong("small_print")
def counts_patches(height, width, letter, wanted):
    if letter < wanted:
        return 0
    return math.ceil(height * wanted / letter / 14) * math.ceil(width * wanted / letter / 14)


@wrong("small_print")
def keeps_the_page(height, width, letter, wanted):
    return math.ceil(height / 28) * math.ceil(width / 28) if letter >= wanted else 0


@wrong("small_print")
def rounds_up_first(height, width, letter, wanted):
    if letter < wanted:
        return 0
    return math.ceil(math.ceil(height / 28) * wanted / letter) * math.ceil(math.ceil(width / 28) * wanted / letter)


@right("small_print")
def with_whole_numbers(height, width, letter, wanted):
    if wanted > letter:
        return 0
    return -(-height * wanted // (28 * letter)) * -(-width * wanted // (28 * letter))


@right("small_print")
def with_fractions(height, width, letter, wanted):
    factor = Fraction(wanted, letter)
    return math.prod(math.ceil(side * factor / 28) for side in (height, width)) if factor <= 1 else 0


@right("small_print")
def with_numpy(height, width, letter, wanted):
    factor = wanted / letter
    return np.ceil(np.array([height, width]) * factor / 28).prod() * (factor <= 1)


@right("small_print")
def whole_pixels_up_first(height, width, letter, wanted):
    if letter < wanted:
        return 0
    new = [math.ceil(side * wanted / letter) for side in (height, width)]
    return math.ceil(new[0] / 28) * math.ceil(new[1] / 28)


@wrong("lay_on")
def drops_the_alpha(rgba, colour):
    return rgba[..., :3].copy()


@wrong("lay_on")
def overflows_bytes(rgba, colour):
    alpha = rgba[..., 3:]
    with np.errstate(all="ignore"):
        return (rgba[..., :3] * alpha // 255 + (255 - alpha) * np.uint8(colour) // 255).astype(np.uint8)


@wrong("lay_on")
def multiplies_only(rgba, colour):
    return np.rint(rgba[..., :3] * (rgba[..., 3:] / 255)).astype(np.uint8)


@wrong("lay_on")
def all_or_nothing(rgba, colour):
    return np.where(rgba[..., 3:] > 127, rgba[..., :3], np.uint8(colour)).astype(np.uint8)


@wrong("lay_on")
def mixes_with_the_first_alpha(rgba, colour):
    share = rgba[0, 0, 3] / 255
    return np.rint(share * rgba[..., :3] + (1 - share) * np.asarray(colour)).astype(np.uint8)


@wrong("lay_on")
def adds_the_color(rgba, colour):
    share = rgba[..., 3:] / 255
    return np.clip(np.rint(share * rgba[..., :3] + np.asarray(colour)), 0, 255).astype(np.uint8)


@wrong("lay_on")
def whole_numbers_down(rgba, colour):
    alpha = rgba[..., 3:].astype(int)
    return ((alpha * rgba[..., :3] + (255 - alpha) * np.array(colour)) // 255).astype(np.uint8)


@wrong("lay_on")
def in_the_picture(rgba, colour):
    share = rgba[..., 3:] / 255
    rgba[..., :3] = np.rint(share * rgba[..., :3] + (1 - share) * np.asarray(colour))
    return rgba[..., :3]


@right("lay_on")
def in_whole_numbers(rgba, colour):
    alpha = rgba[..., 3:].astype(int)
    return ((alpha * rgba[..., :3] + (255 - alpha) * np.array(colour) + 127) // 255).astype(np.uint8)


@right("lay_on")
def half_up(rgba, colour):
    a = rgba[..., 3:].astype(np.float32) / 255.0
    return (a * rgba[..., :3] + (1 - a) * np.array(colour, np.float32) + 0.5).astype("uint8")


@right("lay_on")
def with_pillow(rgba, colour):
    below = Image.new("RGBA", rgba.shape[1::-1], (*colour, 255))
    return np.array(Image.alpha_composite(below, Image.fromarray(rgba)).convert("RGB"))


@right("lay_on")
def pixel_by_pixel(rgba, colour):
    out = np.zeros((*rgba.shape[:2], 3), np.uint8)
    for y in range(rgba.shape[0]):
        for x in range(rgba.shape[1]):
            a = int(rgba[y, x, 3]) / 255
            for c in range(3):
                out[y, x, c] = round(a * int(rgba[y, x, c]) + (1 - a) * colour[c])
    return out


@wrong("token_of_pixel")
def counts_patches_for_tokens(y, x, width):
    return (y // 14) * (width // 14) + x // 14


@wrong("token_of_pixel")
def counts_columns_first(y, x, width):
    return (x // 28) * (width // 28) + y // 28


@wrong("token_of_pixel")
def counts_from_one(y, x, width):
    return (y // 28) * (width // 28) + x // 28 + 1


@wrong("token_of_pixel")
def by_the_pixel_number(y, x, width):
    return (y * width + x) // 784


@wrong("token_of_pixel")
def rounds_to_the_nearest(y, x, width):
    return round(y / 28) * (width // 28) + round(x / 28)


@wrong("token_of_pixel")
def a_row_of_pixels(y, x, width):
    return (y // 28) * width + x // 28


@wrong("token_of_pixel")
def one_column_too_many(y, x, width):
    return (y // 28) * (width // 28 + 1) + x // 28


@wrong("token_of_pixel")
def in_merge_order_of_patches(y, x, width):
    block = (y // 28) * (width // 28) + x // 28
    return 4 * block + 2 * (y // 14 % 2) + x // 14 % 2


@right("token_of_pixel")
def by_a_board(y, x, width):
    board = np.arange((y // 28 + 1) * (width // 28)).reshape(-1, width // 28)
    return board[y // 28, x // 28]


@right("token_of_pixel")
def by_divmod(y, x, width):
    row, column, columns = divmod(y, 28)[0], divmod(x, 28)[0], divmod(width, 28)[0]
    return column + columns * row


@right("token_of_pixel")
def by_patches(y, x, width):
    row, column = y // 14, x // 14
    return torch.tensor(row // 2 * (width // 14 // 2) + column // 2)


@wrong("place_in_sequence")
def reads_row_by_row(row, column, columns):
    return row * columns + column


@wrong("place_in_sequence")
def turns_the_block(row, column, columns):
    return ((row // 2) * (columns // 2) + column // 2) * 4 + (column % 2) * 2 + row % 2


@wrong("place_in_sequence")
def gives_the_block(row, column, columns):
    return (row // 2) * (columns // 2) + column // 2


@wrong("place_in_sequence")
def forgets_the_four(row, column, columns):
    return (row // 2) * (columns // 2) + column // 2 + 2 * (row % 2) + column % 2


@wrong("place_in_sequence")
def columns_of_patches(row, column, columns):
    return ((row // 2) * columns + column // 2) * 4 + 2 * (row % 2) + column % 2


@wrong("place_in_sequence")
def two_rows_zigzag(row, column, columns):
    return (row // 2) * 2 * columns + 2 * column + row % 2


@wrong("place_in_sequence")
def blocks_down_first(row, column, columns):
    return ((column // 2) * (columns // 2) + row // 2) * 4 + 2 * (row % 2) + column % 2


@right("place_in_sequence")
def by_rows_of_blocks(row, column, columns):
    return row // 2 * columns * 2 + column // 2 * 4 + row % 2 * 2 + column % 2


@right("place_in_sequence")
def by_counting(row, column, columns):
    place = 0
    for top in range(0, row + 1, 2):
        for left in range(0, columns, 2):
            for y, x in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
                if (y, x) == (row, column):
                    return place
                place += 1
    return None


@right("place_in_sequence")
def by_numpy(row, column, columns):
    rows = row + 2 - row % 2
    order = np.arange(rows * columns).reshape(rows // 2, 2, columns // 2, 2).swapaxes(1, 2).ravel()
    return np.where(order == row * columns + column)[0][0]


WHOLE = "a multiple: the same number, as a float"
equivalent(
    "token_of_pixel",
    "return y // 28 * (width // 28) + x // 28  ->  return y // 28 * (width / 28) + x // 28",
    WHOLE,
)
equivalent(
    "place_in_sequence",
    "block = row // 2 * (columns // 2) + column // 2  ->  block = row // 2 * (columns / 2) + column // 2",
    WHOLE,
)
