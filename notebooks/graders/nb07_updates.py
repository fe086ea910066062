"""Exercises of 07_prompt_updates."""

from .mechanism import case, exercise

T, L = 8, 9  # a tile, a line break


@exercise(
    "07.1",
    cases=[
        case("one tile of one token", 1, 1, 1, T, L),
        case("one row", 1, 3, 2, T, L),
        case("one column", 3, 1, 2, T, L),
        case("two rows of three tiles", 2, 3, 4, T, L),
        case("three rows of two tiles", 3, 2, 4, T, L),
        case("a line break of the same number as a tile", 2, 2, 1, T, T),
        case("ids beyond 255", 2, 1, 2, 151_655, 198),
    ],
    draw=lambda rng: (rng.randint(1, 4), rng.randint(1, 4), rng.randint(1, 5), *rng.sample(range(60_000), 2)),
    draws=20,
    hints=(
        "Make one row of tiles first, tokens and mask side by side; the line break stands in both.",
        "row = [tile] * (columns * size) + [line_break]; its mask is True for each tile token, then False.",
    ),
    mistakes={
        "the line break receives no embedding": lambda rows, columns, size, tile, line_break: (
            tokens := ([tile] * (columns * size) + [line_break]) * rows,
            [True] * len(tokens),
        ),
        "a line break stands after each row, not after each tile": lambda rows, columns, size, tile, line_break: (
            ([tile] * size + [line_break]) * (rows * columns),
            ([True] * size + [False]) * (rows * columns),
        ),
        "a line break stands after the last row, too": lambda rows, columns, size, tile, line_break: (
            (([tile] * (columns * size) + [line_break]) * rows)[:-1],
            (([True] * (columns * size) + [False]) * rows)[:-1],
        ),
        "rows and columns are not the same": lambda rows, columns, size, tile, line_break: (
            ([tile] * (rows * size) + [line_break]) * columns,
            ([True] * (rows * size) + [False]) * columns,
        ),
        "ask for the place, not for the number: a line break can have any": (
            lambda rows, columns, size, tile, line_break: (
                tokens := ([tile] * (columns * size) + [line_break]) * rows,
                [token == tile for token in tokens],
            )
        ),
        "each tile has several tokens": lambda rows, columns, size, tile, line_break: (
            ([tile] * columns + [line_break]) * rows,
            ([True] * columns + [False]) * rows,
        ),
    },
)
def tiled_content(rows, columns, size, tile, line_break):
    row = [tile] * (columns * size) + [line_break]
    mask = [True] * (columns * size) + [False]
    return row * rows, mask * rows


def _some_items(rng):
    prompt = [rng.randint(1, 3) for _ in range(rng.randint(0, 12))]
    return prompt, [[rng.randint(1, 3) for _ in range(rng.randint(1, 3))] for _ in range(rng.randint(0, 3))]


def _search(prompt, content, at):
    """The first place of a content at or behind `at`, None without one."""
    places = range(at, len(prompt) - len(content) + 1)
    return next((here for here in places if prompt[here : here + len(content)] == content), None)


def _each_from_the_start(prompt, contents):
    found = [_search(prompt, content, 0) for content in contents]
    return found[: found.index(None)] if None in found else found


def _overlapping(prompt, contents):
    offsets, at = [], 0
    for content in contents:
        here = _search(prompt, content, at)
        if here is None:
            break
        offsets.append(here)
        at = here + 1
    return offsets


def _skip_missing(prompt, contents):
    offsets, at = [], 0
    for content in contents:
        here = _search(prompt, content, at)
        if here is not None:
            offsets.append(here)
            at = here + len(content)
    return offsets


@exercise(
    "07.2",
    cases=[
        case("nothing to find", [5, 6], []),
        case("an empty prompt", [], [[7]]),
        case("one item", [5, 7, 7, 6], [[7, 7]]),
        case("an item at the very start", [7, 7, 6], [[7, 7]]),
        case("an item at the very end", [5, 7, 7], [[7, 7]]),
        case("two alike", [5, 7, 7, 6, 7, 7], [[7, 7], [7, 7]]),
        case("two neighbors", [7, 7, 7, 7], [[7, 7], [7, 7]]),
        case("three, of which two fit", [7, 7, 7, 7, 7], [[7, 7], [7, 7], [7, 7]]),
        case("a false start", [7, 7, 8, 5], [[7, 8]]),
        case("the second stands before the first", [8, 7], [[7], [8]]),
        case("the first is missing", [5, 8], [[7], [8]]),
        case("the second is missing, the third there", [7, 9], [[7], [8], [9]]),
        case("longer than the prompt", [7], [[7, 7]]),
        case("it would reach over the end", [5, 7], [[7, 7]]),
        case("one token at the very end", [5, 7], [[7]]),
        case("with marks", [1, 9, 9, 2, 5, 1, 9, 2], [[1, 9, 9, 2], [1, 9, 2]]),
    ],
    draw=_some_items,
    draws=60,
    hints=(
        "Keep one place in the prompt that only moves forward: by one where the item does not stand, by its length "
        "where it does.",
        "Compare prompt[at:at + len(content)] with content, and stop when at + len(content) is beyond the prompt.",
    ),
    mistakes={
        "item 1 is looked for behind the end of item 0": _each_from_the_start,
        "items do not overlap": _overlapping,
        "stop at the first item that is not there": _skip_missing,
        "only the first is found": lambda prompt, contents: find_items.reference(prompt, contents[:1]),
        "the offset is where an item begins": lambda prompt, contents: [
            offset + len(content)
            for offset, content in zip(find_items.reference(prompt, contents), contents, strict=False)
        ],
        "an item at the very end counts": lambda prompt, contents: find_items.reference(prompt[:-1], contents),
    },
)
def find_items(prompt, contents):
    offsets, at = [], 0
    for content in contents:
        here = _search(prompt, content, at)
        if here is None:
            break
        offsets.append(here)
        at = here + len(content)
    return offsets


def _runs(prompt, placeholder):
    """How many placeholders stand in a row, run after run."""
    runs, before = [], False
    for token in prompt:
        if token == placeholder:
            runs = [*runs[:-1], runs[-1] + 1] if before else [*runs, 1]
        before = token == placeholder
    return runs


def _some_state(rng):
    sizes = [rng.randint(1, 3) for _ in range(rng.randint(0, 3))]
    runs = rng.choice(([1] * len(sizes), sizes, sizes[::-1], sizes[1:], [*sizes, 1], [sum(sizes)] * bool(sizes)))
    prompt = [5]
    for run in runs:
        prompt += [P] * run + rng.choice(([5], [5, 6]))
    return prompt, P, sizes


P = 7


@exercise(
    "07.3",
    cases=[
        case("text alone, no item", [5, 6], P, []),
        case("one placeholder, one item", [5, P, 6], P, [4]),
        case("expanded", [5, P, P, P, P, 6], P, [4]),
        case("an empty prompt", [], P, [2]),
        case("no placeholder for an item", [5, 6], P, [2]),
        case("a placeholder without an item", [5, P], P, []),
        case("one too many", [P, 5, P], P, [3]),
        case("two items, ready", [P, 5, P], P, [3, 2]),
        case("two items, expanded", [P, P, P, 5, P, P], P, [3, 2]),
        case("two items, expanded in the wrong order", [P, P, 5, P, P, P], P, [3, 2]),
        case("as many placeholders as embeddings, in other portions", [P, P, 5, P, P], P, [3, 1]),
        case("one expanded, one ready", [P, P, P, 5, P], P, [3, 2]),
        case("ready, but side by side", [P, P], P, [3, 2]),
        case("all sizes are one: both fit", [P, 5, P], P, [1, 1]),
        case("sizes of one, side by side", [P, P], P, [1, 1]),
        case("one short of expanded", [P, P, P], P, [4]),
        case("another id as placeholder", [5, 5, 7], 5, [2]),
    ],
    draw=_some_state,
    draws=40,
    hints=(
        "Go through the prompt once and note how long each run of placeholders is.",
        "Ready: every run is 1, and there are as many as items. Expanded: the list of runs equals sizes.",
    ),
    mistakes={
        "portions count, not only the sum": lambda prompt, placeholder, sizes: (
            "ready"
            if prompt.count(placeholder) == len(sizes)
            else "expanded"
            if prompt.count(placeholder) == sum(sizes)
            else "wrong"
        ),
        "no two placeholders stand side by side when it is ready": lambda prompt, placeholder, sizes: (
            "ready"
            if prompt.count(placeholder) == len(sizes)
            else "expanded"
            if _runs(prompt, placeholder) == sizes
            else "wrong"
        ),
        "where both fit, say ready": lambda prompt, placeholder, sizes: (
            "expanded"
            if _runs(prompt, placeholder) == sizes
            else "ready"
            if _runs(prompt, placeholder) == [1] * len(sizes)
            else "wrong"
        ),
        "items come in their order": lambda prompt, placeholder, sizes: (
            "ready"
            if _runs(prompt, placeholder) == [1] * len(sizes)
            else "expanded"
            if sorted(_runs(prompt, placeholder)) == sorted(sizes)
            else "wrong"
        ),
        "as many runs as items are not enough": lambda prompt, placeholder, sizes: (
            "ready"
            if _runs(prompt, placeholder) == [1] * len(sizes)
            else "expanded"
            if len(_runs(prompt, placeholder)) == len(sizes)
            else "wrong"
        ),
        "neither is wrong": lambda prompt, placeholder, sizes: (
            "ready" if _runs(prompt, placeholder) == [1] * len(sizes) else "expanded"
        ),
    },
)
def state_of_prompt(prompt, placeholder, sizes):
    runs = _runs(prompt, placeholder)
    if runs == [1] * len(sizes):
        return "ready"
    return "expanded" if runs == list(sizes) else "wrong"
