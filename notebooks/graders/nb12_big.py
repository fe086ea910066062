"""Exercises of 12_fast_and_big."""

from .mechanism import case, exercise


def _some_requests(rng):
    count = rng.randint(0, 5)
    return [(rng.randint(1, 40), rng.randint(1, 40)) for _ in range(count)], rng.choice([1, 2, 3, 8, 16])


@exercise(
    "12.1",
    cases=[
        case("one request, with room to spare", [(10, 3)], 16),
        case("its last token does not fit any more, but is never read again", [(10, 7)], 16),
        case("now another block is needed", [(10, 8)], 16),
        case("a prompt that fills its blocks, and one word", [(32, 1)], 16),
        case("a prompt that fills its blocks, and two words", [(32, 2)], 16),
        case("two that would fit into one block together", [(4, 4), (4, 4)], 16),
        case("three of different lengths", [(1, 1), (31, 3), (100, 29)], 32),
        case("blocks of one token", [(3, 4), (1, 1)], 1),
        case("nobody", [], 16),
    ],
    draw=_some_requests,
    hints=(
        "A request has computed prompt + answer - 1 tokens when it ends: the last one is said and never read.",
        "Round up for each request by itself, -(-tokens // size), then add.",
    ),
    mistakes={
        "the last token of an answer is never computed": lambda requests, size: sum(
            -(-(prompt + answer) // size) for prompt, answer in requests
        ),
        "two requests never share a block that is not full": lambda requests, size: (
            -(-sum(prompt + answer - 1 for prompt, answer in requests) // size)
        ),
        "a block that is begun is held, too": lambda requests, size: sum(
            (prompt + answer - 1) // size for prompt, answer in requests
        ),
        "the prompt lies in blocks, too": lambda requests, size: sum(
            -(-(answer - 1) // size) for _, answer in requests
        ),
    },
)
def blocks_held(requests, size):
    return sum(-(-(prompt + answer - 1) // size) for prompt, answer in requests)


def _some_prompts(rng):
    size = rng.choice([1, 2, 3, 4])
    base = [rng.randint(0, 2) for _ in range(12)]

    def like_it():
        cut = rng.randint(0, 12)
        return base[:cut] + [rng.randint(0, 2) for _ in range(rng.randint(0, 4))]

    return like_it(), [like_it() for _ in range(rng.randint(0, 3))], size


@exercise(
    "12.2",
    cases=[
        case("begun alike for two blocks", [1, 2, 3, 4, 5, 6, 7], [[1, 2, 3, 4, 5, 6, 9, 9]], 2),
        case("the difference lies within a block", [1, 2, 3, 4, 5, 6, 7], [[1, 2, 3, 9, 5, 6, 7]], 2),
        case("nothing was asked before", [1, 2, 3, 4], [], 2),
        case("the very same, and it ends within a block", [1, 2, 3, 4, 5], [[1, 2, 3, 4, 5]], 2),
        case("the very same, and it ends with a block", [1, 2, 3, 4], [[1, 2, 3, 4]], 2),
        case("the other goes on", [1, 2, 3, 4], [[1, 2, 3, 4, 5, 6]], 2),
        case("the other is shorter, and ends within a block", [1, 2, 3, 4, 5, 6], [[1, 2, 3]], 2),
        case("the best of several", [1, 2, 3, 4, 5, 6, 7], [[1, 2, 9], [1, 2, 3, 4, 5, 9], [8]], 2),
        case("a difference at the beginning", [9, 2, 3, 4, 5, 6], [[1, 2, 3, 4, 5, 6]], 2),
        case("the same block in another place", [7, 7, 1, 2, 5], [[1, 2, 7, 7, 5]], 2),
        case("blocks of one token", [1, 2, 3], [[1, 2, 4]], 1),
        case("a block longer than the prompt", [1, 2, 3], [[1, 2, 3]], 4),
        case("an empty prompt", [], [[1, 2]], 2),
    ],
    draw=_some_prompts,
    hints=(
        "How many tokens do prompt and earlier prompt have in common from the beginning? Then whole blocks only.",
        "At most (len(prompt) - 1) // size blocks: the last token must be computed.",
    ),
    mistakes={
        "only whole blocks are found": lambda prompt, earlier, size: min(
            max((_common(prompt, other) for other in earlier), default=0), max(len(prompt) - 1, 0)
        ),
        "the last token of a prompt must be computed": lambda prompt, earlier, size: (
            max((_common(prompt, other) for other in earlier), default=0) // size * size
        ),
        "a block counts only if all before it are the same": lambda prompt, earlier, size: (
            size
            * sum(
                any(prompt[at : at + size] == other[at : at + size] for other in earlier)
                for at in range(0, len(prompt) - size, size)
            )
        ),
        "not only the prompt just before": lambda prompt, earlier, size: tokens_found.reference(
            prompt, earlier[-1:], size
        ),
    },
)
def tokens_found(prompt, earlier, size):
    most = max((_common(prompt, other) for other in earlier), default=0)
    return min(most // size, max(len(prompt) - 1, 0) // size) * size


def _common(prompt, other):
    """Tokens that two prompts have in common from the beginning."""
    count = 0
    while count < min(len(prompt), len(other)) and prompt[count] == other[count]:
        count += 1
    return count


def _some_answers(rng):
    return [rng.randint(1, 12) for _ in range(rng.randint(0, 9))], rng.randint(1, 4)


@exercise(
    "12.3",
    cases=[
        case("four answers, four seats", [3, 1, 2, 5], 4),
        case("the fifth takes the seat of the first who leaves", [3, 1, 2, 5, 4], 4),
        case("one seat", [3, 1, 2], 1),
        case("the long one comes last", [1, 1, 1, 1, 1, 1, 9], 3),
        case("the long one comes first", [9, 1, 1, 1, 1, 1, 1], 3),
        case("two leave at once", [2, 2, 3, 4, 1, 6], 2),
        case("more seats than requests", [4, 2], 8),
        case("who is served in turn would wait", [5, 1, 1, 1, 1], 2),
        case("nobody", [], 2),
    ],
    draw=_some_answers,
    hints=(
        "For each seat keep the step at which it becomes free; the next request takes the seat that is free first.",
        "free = [0] * seats; for each length: i = free.index(min(free)), free[i] += length. At the end: max(free).",
    ),
    mistakes={
        "nobody waits for the longest of a batch": lambda lengths, seats: sum(
            max(lengths[at : at + seats]) for at in range(0, len(lengths), seats)
        ),
        "seats stay empty at the end: the sum shared out is only a bound": lambda lengths, seats: max(
            -(-sum(lengths) // seats), max(lengths, default=0)
        ),
        "requests come in their order; nobody sorts them": lambda lengths, seats: steps_needed.reference(
            sorted(lengths, reverse=True), seats
        ),
        "the next takes whichever seat is free first, not the next in turn": lambda lengths, seats: max(
            (sum(lengths[seat::seats]) for seat in range(seats)), default=0
        ),
    },
)
def steps_needed(lengths, seats):
    free = [0] * seats  # the step at which each seat becomes free
    for length in lengths:
        seat = free.index(min(free))
        free[seat] += length
    return max(free)
