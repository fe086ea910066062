"""Exercises of 02_image."""

import math

import numpy as np

from mmkit import image

from .mechanism import case, exercise


def _limited(height, width, new_height, new_width):
    """Apply the limits to a size that somebody has rounded."""
    if new_height * new_width > 1_003_520:
        beta = math.sqrt(height * width / 1_003_520)
        return tuple(max(28, math.floor(side / beta / 28) * 28) for side in (height, width))
    if new_height * new_width < 3136:
        beta = math.sqrt(3136 / (height * width))
        return tuple(math.ceil(side * beta / 28) * 28 for side in (height, width))
    return new_height, new_width


@exercise(
    "02.1",
    cases=[
        case("a photo", 480, 640),
        case("a half: 70 / 28 = 2.5", 168, 70),
        case("another half: 42 / 28 = 1.5", 168, 42),
        case("too large", 4000, 6000),
        case("too small", 20, 30),
        case("one pixel", 1, 1),
        case("a banner", 40, 2000),
        case("too large before rounding, just right after it", 900, 1125),
        case("just right before rounding, too large after it", 1000, 1000),
        case("too small before rounding, just right after it", 50, 60),
        case("large enough before rounding, too small after it", 41, 80),
        case("a line that rounds to nothing", 13, 300),
        case("a side of 28 stays when the other one is too long", 28, 5600),
    ],
    draw=lambda rng: (rng.randint(14, 3000), rng.randint(300, 3000)),
    draws=60,
    hints=(
        "Round both sides to the grid first; only then compare the new area with the limits.",
        "Out of the limits: beta = sqrt(old area / limit), and floor(side / beta) to the grid when too large, "
        "at least 28; ceil(side * beta) when too small.",
    ),
    mistakes={
        "a half goes to the even neighbor: use Python's own round": (
            lambda h, w: _limited(h, w, int(h / 28 + 0.5) * 28, int(w / 28 + 0.5) * 28)
        ),
        "there are two limits on the area": lambda h, w: (round(h / 28) * 28, round(w / 28) * 28),
        "the limits are compared with the rounded area": lambda h, w: (
            _limited(h, w, h, w) if not 3136 <= h * w <= 1_003_520 else (round(h / 28) * 28, round(w / 28) * 28)
        ),
    },
)
def smart_size(height, width):
    return image.smart_resize(height, width)


def _rgba(*pixel):
    return np.array([[pixel]], np.uint8)


def _some_rgba(rng):
    noise = np.random.default_rng(rng.getrandbits(32))
    return noise.integers(0, 256, (2, 3, 4), dtype=np.uint8), tuple(noise.integers(0, 256, 3).tolist())


def _bytes_within_one(got, want):
    """One gray level for other ways of rounding."""
    right_kind = isinstance(got, np.ndarray) and got.shape == want.shape and got.dtype == np.uint8
    return right_kind and int(np.abs(got.astype(int) - want.astype(int)).max()) <= 1


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
    same=_bytes_within_one,
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
    },
)
def lay_on(rgba, colour):
    share = rgba[..., 3:] / 255
    mixed = share * rgba[..., :3] + (1 - share) * np.asarray(colour)
    return np.rint(mixed).astype(np.uint8)


def _pixel(rng):
    columns = rng.randrange(1, 40)
    return rng.randrange(600), rng.randrange(28 * columns), 28 * columns


@exercise(
    "02.3",
    cases=[
        case("the first pixel", 0, 0, 56),
        case("the second token", 0, 28, 56),
        case("the second row of tokens", 28, 0, 56),
        case("the last pixel of a token", 27, 27, 56),
        case("one column of tokens", 90, 5, 28),
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
