"""Exercises of 06_align_and_fuse."""

import numpy as np

from .mechanism import case, exercise

T, IMAGE, AUDIO = "text", "image", "audio"


def _some_sequence(rng):
    kinds = [rng.choice((T, T, IMAGE, AUDIO)) for _ in range(rng.randint(0, 8))]
    words = [[float(at), 0.0] for at in range(len(kinds))]
    items = {kind: [[rng.random(), 1.0] for _ in range(kinds.count(kind))] for kind in (IMAGE, AUDIO)}
    return kinds, words, items


def _without_check(kinds, words, items):
    left = {modality: iter(vectors) for modality, vectors in items.items()}
    return [
        word if kind == T else next(left.get(kind, iter(())), word) for kind, word in zip(kinds, words, strict=True)
    ]


def _one_queue(kinds, words, items):
    merge_modalities.reference(kinds, words, items)
    queue = iter([vector for vectors in items.values() for vector in vectors])
    return [word if kind == T else next(queue) for kind, word in zip(kinds, words, strict=True)]


def _first_again(kinds, words, items):
    merge_modalities.reference(kinds, words, items)
    return [word if kind == T else items[kind][0] for kind, word in zip(kinds, words, strict=True)]


W = [[float(at), 0.0] for at in range(6)]
TWO = [[7.0, 1.0], [8.0, 1.0]]


@exercise(
    "06.1",
    cases=[
        case("text alone", [T, T], W[:2], {}),
        case("one picture of two vectors", [T, IMAGE, IMAGE, T], W[:4], {IMAGE: TWO}),
        case("nothing at all", [], [], {}),
        case(
            "two modalities in turn",
            [IMAGE, AUDIO, IMAGE, T],
            W[:4],
            {IMAGE: TWO, AUDIO: [[5.0, 1.0]]},
        ),
        case("the second modality first", [AUDIO, T, IMAGE], W[:3], {IMAGE: [[7.0, 1.0]], AUDIO: [[5.0, 1.0]]}),
        case("a modality without tokens and without vectors", [T, IMAGE], W[:2], {IMAGE: [[7.0, 1.0]], AUDIO: []}),
        case("one vector too many", [T, IMAGE], W[:2], {IMAGE: TWO}),
        case("one vector too few", [T, IMAGE, IMAGE], W[:3], {IMAGE: [[7.0, 1.0]]}),
        case("tokens of a modality that has no vectors", [T, AUDIO], W[:2], {}),
        case("vectors of a modality that has no tokens", [T, T], W[:2], {AUDIO: [[5.0, 1.0]]}),
        case("too many here, too few there", [IMAGE, AUDIO], W[:2], {IMAGE: TWO, AUDIO: []}),
        case("a third modality", [T, "video"], W[:2], {"video": [[3.0, 1.0]]}),
    ],
    draw=_some_sequence,
    draws=20,
    hints=(
        "Check each modality's number first, those that only occur in kinds, too. Then take the next vector of its "
        "own modality at each token that is not text.",
        "left = {modality: iter(vectors) for ...}; next(left[kind]) gives the next one of that modality.",
    ),
    mistakes={
        "where the numbers differ, raise a ValueError": _without_check,
        "each modality has a row of its own": _one_queue,
        "each token takes the next vector": _first_again,
        "text keeps its words": lambda kinds, words, items: (
            merge_modalities.reference(kinds, words, items)
            and [vector for vectors in items.values() for vector in vectors]
        ),
        "vectors come in their order": lambda kinds, words, items: merge_modalities.reference(
            kinds, words, {modality: vectors[::-1] for modality, vectors in items.items()}
        ),
        "a modality may have vectors and no token": lambda kinds, words, items: merge_modalities.reference(
            kinds, words, {modality: vectors for modality, vectors in items.items() if modality in kinds}
        ),
    },
)
def merge_modalities(kinds, words, items):
    for modality in {*kinds, *items} - {T}:
        if kinds.count(modality) != len(items.get(modality, [])):
            raise ValueError(
                f"{modality}: {kinds.count(modality)} tokens for {len(items.get(modality, []))} vectors"
            )
    left = {modality: iter(vectors) for modality, vectors in items.items()}
    return [word if kind == T else next(left[kind]) for kind, word in zip(kinds, words, strict=True)]


def _found(matrix, k, ties_lose=True):
    rows = np.asarray(matrix, float)
    own = rows.diagonal()[:, None]
    ahead = (rows >= own).sum(1) - 1 if ties_lose else (rows > own).sum(1)
    return ahead < k


def _some_matrix(rng):
    size = rng.randint(1, 6)
    return [[rng.randint(0, 4) / 4 for _ in range(size)] for _ in range(size)], rng.randint(1, size)


@exercise(
    "06.2",
    cases=[
        case("one row", [[0.3]], 1),
        case("all found", [[0.9, 0.1], [0.2, 0.8]], 1),
        case("one of two", [[0.9, 0.1], [0.8, 0.2]], 1),
        case("none", [[0.1, 0.9], [0.9, 0.1]], 1),
        case("the same, two allowed", [[0.1, 0.9], [0.9, 0.1]], 2),
        case("rows and columns differ", [[0.5, 0.6, 0.1], [0.2, 0.9, 0.3], [0.4, 0.95, 0.7]], 1),
        case("second of three", [[0.5, 0.6, 0.1], [0.2, 0.9, 0.3], [0.4, 0.95, 0.7]], 2),
        case("a tie is no find", [[0.5, 0.5], [0.1, 0.2]], 1),
        case("a tie further down", [[0.9, 0.1, 0.1], [0.9, 0.5, 0.5], [0.1, 0.2, 0.3]], 2),
        case("negative cosines", [[-0.5, -0.1], [-0.9, -0.2]], 1),
        case("all alike", [[0.5] * 3] * 3, 2),
        case("all alike, all allowed", [[0.5] * 3] * 3, 3),
    ],
    draw=_some_matrix,
    draws=40,
    rtol=1e-9,
    hints=(
        "For row i: how many values are as large as its own, itself included? Found when these are at most k.",
        "sum(value >= row[i] for value in row) <= k",
    ),
    mistakes={
        "a tie is no find": lambda similarity, k: float(_found(similarity, k, ties_lose=False).mean()),
        "rows ask, not columns": lambda similarity, k: float(_found(np.transpose(similarity), k).mean()),
        "the k largest, not the largest": lambda similarity, k: float(_found(similarity, 1).mean()),
        "a share, not a number": lambda similarity, k: float(_found(similarity, k).sum()),
        "k counts from one": lambda similarity, k: float(_found(similarity, k + 1).mean()),
        "the largest are wanted": lambda similarity, k: float(_found(-np.asarray(similarity), k).mean()),
    },
)
def recall_at_k(similarity, k):
    return float(_found(similarity, k).mean())


def _some_attention(rng):
    rows, columns = rng.randint(1, 5), rng.randint(1, 5)
    weights = [rng.randint(0, 8) / 8 for _ in range(rows * columns)]
    cell = rng.choice((14, 28, 32))
    xs, ys = (sorted(rng.sample(range(0, side * cell + 1), 2)) for side in (columns, rows))
    return weights, (rows, columns), cell, (xs[0], ys[0], xs[1], ys[1])


def _share(weights, grid, cell, box, *, middle=0.5, across=True, closed=False):
    left, top, right, bottom = box
    inside = total = 0.0
    for number, weight in enumerate(weights):
        row, column = divmod(number, grid[1] if across else grid[0])
        x, y = (column + middle) * cell, (row + middle) * cell
        total += weight
        if closed:
            inside += weight * (left <= x <= right and top <= y <= bottom)
        else:
            inside += weight * (left <= x < right and top <= y < bottom)
    return inside / total if total else 0.0


def _swapped(weights, grid, cell, box):
    return _share(weights, grid, cell, (box[1], box[0], box[3], box[2]))


def _not_divided(weights, grid, cell, box):
    return attention_in_box.reference(weights, grid, cell, box) * sum(weights)


FOUR = [0.1, 0.2, 0.3, 0.4]


@exercise(
    "06.3",
    cases=[
        case("the whole picture", FOUR, (2, 2), 28, (0, 0, 56, 56)),
        case("the upper left token", FOUR, (2, 2), 28, (0, 0, 28, 28)),
        case("the right column", FOUR, (2, 2), 28, (28, 0, 56, 56)),
        case("the lower row", FOUR, (2, 2), 28, (0, 28, 56, 56)),
        case("a wide picture", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], (2, 3), 28, (56, 0, 84, 28)),
        case("a tall picture", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], (3, 2), 28, (0, 56, 28, 84)),
        case("the middle on the left edge belongs to it", FOUR, (2, 2), 28, (14, 0, 56, 56)),
        case("the middle on the right edge does not", FOUR, (2, 2), 28, (0, 0, 42, 56)),
        case("the middle on the upper edge belongs to it", FOUR, (2, 2), 28, (0, 14, 56, 56)),
        case("the middle on the lower edge does not", FOUR, (2, 2), 28, (0, 0, 56, 42)),
        case("a box that holds no middle", FOUR, (2, 2), 28, (20, 20, 30, 30)),
        case("weights that do not sum to 1", [2.0, 6.0], (1, 2), 14, (0, 0, 14, 14)),
        case("all weights are 0", [0.0] * 4, (2, 2), 28, (0, 0, 56, 56)),
        case("an odd size of token", [0.25, 0.75], (1, 2), 7, (4, 0, 14, 7)),
    ],
    draw=_some_attention,
    draws=40,
    rtol=1e-9,
    hints=(
        "Token number n stands in row n // columns and column n % columns; its middle is half a cell further.",
        "x, y = (column + 0.5) * cell, (row + 0.5) * cell; count where left <= x < right and top <= y < bottom.",
    ),
    mistakes={
        "the middle counts, not the corner": lambda weights, grid, cell, box: _share(
            weights, grid, cell, box, middle=0.0
        ),
        "row by row: divide by the number of columns": lambda weights, grid, cell, box: _share(
            weights, grid, cell, box, across=False
        ),
        "right and bottom do not belong to it": lambda weights, grid, cell, box: _share(
            weights, grid, cell, box, closed=True
        ),
        "left comes before top": _swapped,
        "the share of all attention": _not_divided,
        "weights count, not tokens": lambda weights, grid, cell, box: _share([1.0] * len(weights), grid, cell, box),
    },
)
def attention_in_box(weights, grid, cell, box):
    return _share(weights, grid, cell, box)
