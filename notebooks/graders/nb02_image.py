"""Exercises of 02_image."""

import math

import numpy as np

from mmkit import image

from .mechanism import case, exercise


def _cells(side, letter, wanted, rounded=math.ceil):
    return rounded(side * wanted / letter / 28)


def _some_page(rng):
    while True:
        height, width, letter, wanted = (rng.randint(*ends) for ends in ((50, 4000), (50, 4000), (5, 90), (5, 20)))
        if height * wanted % (letter * 28) and width * wanted % (letter * 28):  # no float may fall on a border
            return height, width, letter, wanted


@exercise(
    "02.1",
    cases=[
        case("letters of the wanted height", 56, 84, 10, 10),
        case("the same, a line of pixels more", 57, 84, 10, 10),
        case("letters twice as high as wanted", 112, 168, 16, 8),
        case("four times", 448, 224, 32, 8),
        case("half a pixel more than a cell", 57, 84, 20, 10),
        case("a full page", 3508, 2480, 40, 11),
        case("a wide strip", 30, 2000, 20, 9),
        case("letters a little too small", 560, 560, 9, 10),
        case("tiny letters", 560, 560, 3, 12),
        case("one cell", 20, 20, 16, 8),
    ],
    draw=_some_page,
    hints=(
        "By which factor does the page shrink? How many cells of 28 pixels does each side then touch?",
        "math.ceil(height * wanted / letter / 28) rows, columns likewise; 0 if letter < wanted.",
    ),
    mistakes={
        "up to the next multiple, not to the nearest": lambda height, width, letter, wanted: (
            0 if letter < wanted else _cells(height, letter, wanted, round) * _cells(width, letter, wanted, round)
        ),
        "up to the next multiple, not down": lambda height, width, letter, wanted: (
            0 if letter < wanted else _cells(height, letter, wanted, int) * _cells(width, letter, wanted, int)
        ),
        "round each side by itself, then multiply": lambda height, width, letter, wanted: (
            0 if letter < wanted else math.ceil(height * width * (wanted / letter) ** 2 / 784)
        ),
        "enlarging makes nothing readable: then 0": lambda height, width, letter, wanted: (
            _cells(height, letter, wanted) * _cells(width, letter, wanted)
        ),
        "the page shrinks: the factor is wanted / letter": lambda height, width, letter, wanted: (
            0 if letter < wanted else _cells(height, wanted, letter) * _cells(width, wanted, letter)
        ),
        "a token covers 28 x 28 pixels, four patches": lambda height, width, letter, wanted: (
            4 * small_print.reference(height, width, letter, wanted)
        ),
        "both sides shrink": lambda height, width, letter, wanted: (
            0 if letter < wanted else _cells(height, letter, wanted) * math.ceil(width / 28)
        ),
        "letters of just the wanted height can be read": lambda height, width, letter, wanted: (
            0 if letter <= wanted else small_print.reference(height, width, letter, wanted)
        ),
    },
)
def small_print(height, width, letter, wanted):
    if letter < wanted:
        return 0
    return _cells(height, letter, wanted) * _cells(width, letter, wanted)


def _rgba(*pixel):
    return np.array([[pixel]], np.uint8)


def _some_rgba(rng):
    noise = np.random.default_rng(rng.getrandbits(32))
    return noise.integers(0, 256, (2, 3, 4), dtype=np.uint8), tuple(noise.integers(0, 256, 3).tolist())


def _mixed(rgba, colour, opaque=255):
    share = rgba[..., 3:] / opaque
    return share * rgba[..., :3] + (1 - share) * np.asarray(colour)


def _same_bytes(got, want):
    return isinstance(got, np.ndarray) and got.dtype == np.uint8 and np.array_equal(got, want)


@exercise(
    "02.2",
    cases=[
        case("opaque red on white", _rgba(255, 0, 0, 255), (255, 255, 255)),
        case("hidden red on white", _rgba(255, 0, 0, 0), (255, 255, 255)),
        case("half red on white", _rgba(255, 0, 0, 128), (255, 255, 255)),
        case("half red on green", _rgba(255, 0, 0, 128), (0, 200, 0)),
        case("nearly opaque", _rgba(10, 200, 30, 250), (0, 0, 0)),
        case("higher than wide", np.full((3, 1, 4), 90, np.uint8), (5, 50, 250)),
    ],
    draw=_some_rgba,
    draws=30,
    same=_same_bytes,
    hints=(
        "alpha / 255 is the share of the picture; the rest is the color's. Do it in floats.",
        "share = rgba[..., 3:] / 255; share * rgba[..., :3] + (1 - share) * np.asarray(colour); np.rint; uint8.",
    ),
    mistakes={
        "a hidden color must not come through: mix by alpha": lambda rgba, colour: rgba[..., :3].copy(),
        "the color is the second argument, not always white": (
            lambda rgba, colour: lay_on.reference(rgba, (255, 255, 255))
        ),
        "return bytes again: .astype(np.uint8)": (
            lambda rgba, colour: lay_on.reference(rgba, colour).astype(float)
        ),
        "to the nearest whole number, not down": lambda rgba, colour: _mixed(rgba, colour).astype(np.uint8),
        "255 is opaque: divide by 255": lambda rgba, colour: np.rint(_mixed(rgba, colour, 256)).astype(np.uint8),
        "alpha is the picture's share, not the color's": lambda rgba, colour: lay_on.reference(
            np.dstack([rgba[..., :3], 255 - rgba[..., 3:]]), colour
        ),
    },
)
def lay_on(rgba, colour):
    return np.rint(_mixed(rgba, colour)).astype(np.uint8)


def _pixel(rng):
    columns = rng.randrange(1, 90)
    return rng.randrange(2000), rng.randrange(28 * columns), 28 * columns


@exercise(
    "02.3",
    cases=[
        case("the first pixel", 0, 0, 56),
        case("the second token", 0, 28, 56),
        case("the second row of tokens", 28, 0, 56),
        case("the last pixel of a token", 27, 27, 56),
        case("one column of tokens", 90, 5, 28),
        case("a large picture", 1200, 900, 1960),
    ],
    draw=_pixel,
    hints=(
        "Tokens go row by row; a token is 28 pixels high and 28 wide.",
        "y // 28 is the row of tokens, width // 28 the number of tokens in a row.",
    ),
    mistakes={
        "that counts patches of 14; a token is a block of 2 x 2 patches": (
            lambda y, x, width: (y // 14) * (width // 14) + x // 14
        ),
        "y says the row, x the column": lambda y, x, width: (x // 28) * (width // 28) + y // 28,
    },
)
def token_of_pixel(y, x, width):
    return (y // 28) * (width // 28) + x // 28


def _patch(rng):
    columns = 2 * rng.randrange(1, 12)
    return rng.randrange(12), rng.randrange(columns), columns


@exercise(
    "02.4",
    cases=[
        case("the first patch", 0, 0, 4),
        case("its right neighbor", 0, 1, 4),
        case("the patch below", 1, 0, 4),
        case("the third in the first row", 0, 2, 4),
        case("the third row", 2, 0, 4),
    ],
    draw=_patch,
    hints=(
        "Count the whole blocks of 2 x 2 that come before, four patches each; then the place within the block.",
        "The block is (row // 2) * (columns // 2) + column // 2; inside, row % 2 counts two, column % 2 one.",
    ),
    mistakes={
        "that is row by row; the four patches of a block stand together": lambda row, column, columns: (
            row * columns + column
        ),
        "inside a block, too, it goes row by row": lambda row, column, columns: (
            4 * ((row // 2) * (columns // 2) + column // 2) + 2 * (column % 2) + row % 2
        ),
    },
)
def place_in_sequence(row, column, columns):
    board = np.arange((row + row % 2 + 2) * columns).reshape(-1, columns, 1)
    order, _ = image.patchify(board, patch=1, merge=2, temporal_patch=1)
    return int(np.flatnonzero(order[:, 0] == row * columns + column)[0])
