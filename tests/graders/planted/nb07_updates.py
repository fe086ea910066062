"""Planted answers to the exercises of 07_prompt_updates."""

from . import equivalent, right, wrong


@wrong("tiled_content")
def breaks_before_each_row(rows, columns, size, tile, line_break):
    row = [line_break] + [tile] * (columns * size)
    return row * rows, ([False] + [True] * (columns * size)) * rows


@wrong("tiled_content")
def forgets_the_size(rows, columns, size, tile, line_break):
    return ([tile] * columns + [line_break]) * rows, ([True] * columns + [False]) * rows


@wrong("tiled_content")
def gives_the_mask_of_one_row(rows, columns, size, tile, line_break):
    row = [tile] * (columns * size) + [line_break]
    return row * rows, [True] * (columns * size) + [False]


@right("tiled_content")
def builds_pair_by_pair(rows, columns, size, tile, line_break):
    pairs = [pair for _ in range(rows) for pair in [(tile, True)] * (columns * size) + [(line_break, False)]]
    tokens, mask = zip(*pairs, strict=True)
    return tokens, mask


@right("tiled_content")
def marks_every_last(rows, columns, size, tile, line_break):
    wide = columns * size + 1
    mask = [at % wide != wide - 1 for at in range(rows * wide)]
    return [tile if real else line_break for real in mask], mask


@wrong("find_items")
def asks_for_the_first_token_only(prompt, contents):
    offsets, at = [], 0
    for content in contents:
        if content[0] not in prompt[at:]:
            return offsets
        at = prompt.index(content[0], at)
        offsets.append(at)
        at += len(content)
    return offsets


@wrong("find_items")
def goes_on_behind_a_false_start(prompt, contents):
    offsets, at = [], 0
    for content in contents:
        while at + len(content) <= len(prompt):
            if prompt[at : at + len(content)] == content:
                offsets.append(at)
                at += len(content)
                break
            at += len(content)
        else:
            return offsets
    return offsets


@wrong("find_items")
def never_finds_the_last(prompt, contents):
    offsets, at = [], 0
    for content in contents:
        while at + len(content) < len(prompt):
            if prompt[at : at + len(content)] == content:
                offsets.append(at)
                at += len(content)
                break
            at += 1
        else:
            return offsets
    return offsets


@right("find_items")
def by_recursion(prompt, contents, behind=0):
    if not contents:
        return []
    first, *others = contents
    for at in range(len(prompt) - len(first) + 1):
        if prompt[at : at + len(first)] == first:
            end = at + len(first)
            return [behind + at, *by_recursion(prompt[end:], others, behind + end)]
    return []


@right("find_items")
def with_an_iterator(prompt, contents):
    left, offsets, at = iter(contents), [], 0
    content = next(left, None)
    while content is not None and at < len(prompt):
        if prompt[at : at + len(content)] == content:
            offsets.append(at)
            at, content = at + len(content), next(left, None)
        else:
            at += 1
    return offsets


@wrong("state_of_prompt")
def counts_only(prompt, placeholder, sizes):
    count = prompt.count(placeholder)
    return "ready" if count == len(sizes) else "expanded" if count == sum(sizes) else "wrong"


@wrong("state_of_prompt")
def never_says_wrong(prompt, placeholder, sizes):
    return "ready" if prompt.count(placeholder) == len(sizes) else "expanded"


@wrong("state_of_prompt")
def looks_at_the_longest_run(prompt, placeholder, sizes):
    longest = run = 0
    for token in prompt:
        run = run + 1 if token == placeholder else 0
        longest = max(longest, run)
    if longest == max(sizes, default=0) and longest > 1:
        return "expanded"
    return "ready" if longest <= 1 and prompt.count(placeholder) == len(sizes) else "wrong"


@right("state_of_prompt")
def by_groups(prompt, placeholder, sizes):
    from itertools import groupby

    runs = [len(list(run)) for is_one, run in groupby(prompt, lambda token: token == placeholder) if is_one]
    states = {tuple(sizes): "expanded"} | {(1,) * len(sizes): "ready"}
    return states.get(tuple(runs), "wrong")


@right("state_of_prompt")
def by_text(prompt, placeholder, sizes):
    runs = "".join("x" if token == placeholder else " " for token in prompt).split()
    if runs == ["x"] * len(sizes):
        return "ready"
    return "expanded" if runs == ["x" * size for size in sizes] else "wrong"


@right("tiled_content")
def appends_row_by_row(rows, columns, size, tile, line_break):
    tokens, mask = [], []
    for _ in range(rows):
        for _ in range(columns):
            tokens.extend([tile] * size)
            mask.extend([True] * size)
        tokens.append(line_break)
        mask.append(False)
    return tokens, mask


@right("find_items")
def with_a_helper(prompt, contents):
    def search(content, at):
        for here in range(at, len(prompt)):
            if all(here + k < len(prompt) and prompt[here + k] == token for k, token in enumerate(content)):
                return here
        return None

    offsets, at = [], 0
    for content in contents:
        here = search(content, at)
        if here is None:
            return offsets
        offsets.append(here)
        at = here + len(content)
    return offsets


@right("state_of_prompt")
def with_a_counter(prompt, placeholder, sizes):
    runs, run = [], 0
    for token in [*prompt, None]:
        if token == placeholder:
            run += 1
        elif run:
            runs.append(run)
            run = 0
    if len(runs) != len(sizes):
        return "wrong"
    if all(run == 1 for run in runs):
        return "ready"
    return "expanded" if all(run == size for run, size in zip(runs, sizes, strict=True)) else "wrong"


equivalent(
    "find_items",
    "here = [i for i in range(at, len(prompt)) if prompt[i:i + size] == content]  ->  "
    "here = [i for i in range(at, len(prompt) + 1) if prompt[i:i + size] == content]",
    "behind the last token stands nothing, which no content equals",
)
equivalent(
    "find_items",
    "offsets, at = ([], 0)  ->  offsets, at = ([], -1)",
    "prompt[-1:size - 1] is always shorter than the content",
)
