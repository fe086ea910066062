"""Exercises of 01_text."""

from mmkit import text

from .mechanism import case, exercise

LEARNED = [(1, 2, 10), (10, 3, 11), (2, 3, 12), (11, 11, 13)]


def _some_chunks(rng):
    return ([[rng.randrange(4) for _ in range(rng.randrange(6))] for _ in range(rng.randrange(1, 5))],)


def _counts_anywhere(chunks):
    return text.count_pairs([[each for ids in chunks for each in ids]])


@exercise(
    "01.1",
    cases=[
        case("one pair", [[1, 2]]),
        case("a clear winner", [[1, 2, 3, 1, 2]]),
        case("a tie", [[7, 1, 3, 9]]),
        case("a tie in the first id", [[4, 9, 8, 4, 2]]),
        case("the more frequent pair has larger ids", [[9, 8, 1, 9, 8]]),
        case("no pair over the border of two chunks", [[1, 2], [3, 1], [2, 3], [3, 1]]),
        case("overlaps count", [[5, 5, 5, 5], [6, 7, 6, 7]]),
        case("a chunk of one", [[1], [3, 2], [1]]),
        case("numbers, not their digits: 9 is less than 10", [[10, 1], [9, 1]]),
        case("and 5 less than 40", [[3, 40], [3, 5]]),
        case("ids beyond 255", [[1, 300], [2, 10]]),
        case("ids of a large vocabulary", [[1, 151_642], [2, 3]]),
        case("nothing at all", []),
        case("no pair", [[], [4]]),
    ],
    draw=_some_chunks,
    draws=120,
    shrink=True,
    hints=(
        "Count the pairs of neighbors in each chunk by itself, then choose: most frequent first, smaller ids next.",
        "min(counts, key=lambda pair: (-counts[pair], pair), default=()) does both in one line.",
    ),
    mistakes={
        "of equally frequent pairs the one with the smaller ids wins": (
            lambda chunks: max(c := text.count_pairs(chunks), key=c.__getitem__, default=())
        ),
        "of equally frequent pairs the smaller ids win, not the larger": (
            lambda chunks: max(c := text.count_pairs(chunks), key=lambda pair: (c[pair], pair), default=())
        ),
        "the last id of a chunk and the first of the next are no neighbors": (
            lambda chunks: min(c := _counts_anywhere(chunks), key=lambda pair: (-c[pair], pair), default=())
        ),
        "ids are compared as numbers; as text, 10 stands before 9": (
            lambda chunks: min(c := text.count_pairs(chunks), key=lambda pair: (-c[pair], str(pair)), default=())
        ),
    },
)
def merge_rule(chunks):
    counts = text.count_pairs(chunks)
    return text.best_pair(counts) if counts else ()


def _learned_merges(rng):
    rest = [[rng.randrange(3) for _ in range(rng.randrange(2, 12))] for _ in range(4)]
    merges = []
    for new in range(10, 10 + rng.randrange(6)):
        if counts := text.count_pairs(rest):
            merges.append((*text.best_pair(counts), new))
            rest = [text.merge_pair(ids, merges[-1][:2], new) for ids in rest]
    return [rng.randrange(3) for _ in range(rng.randrange(1, 12))], merges


@exercise(
    "01.2",
    cases=[
        case("no merge fits", [7, 8], LEARNED),
        case("one merge", [1, 2], LEARNED),
        case("a merge of a merge", [1, 2, 3], LEARNED),
        case("the oldest merge first, not the first place", [2, 3, 1, 2, 3], [(1, 2, 10), (3, 10, 11), (2, 3, 12)]),
        case("three in a row", [5, 5, 5], [(5, 5, 9)]),
        case("four in a row", [5, 5, 5, 5], [(5, 5, 9)]),
        case("twice the same", [1, 2, 3, 1, 2, 3], LEARNED),
        case("one and the same pair was learned once", [1, 2], [(1, 2, 7), (7, 3, 8)]),
        case("no ids", [], LEARNED),
        case("no merges", [1, 2], []),
    ],
    draw=_learned_merges,
    draws=100,
    hints=(
        "Go through `merges` in their order; for each, walk through the ids once from left to right.",
        "Build a new list: where two ids are (a, b), append `new` and go on by two; else append the id, by one.",
    ),
)
def replay_merges(ids, merges):
    for a, b, new in merges:
        ids = text.merge_pair(ids, (a, b), new)
    return list(ids)


def _some_rows(rng):
    rows = [[rng.randrange(4) for _ in range(rng.randrange(6))] for _ in range(rng.randrange(1, 5))]
    return rows, rng.randrange(3), rng.choice(["left", "right"])


def _lists(rows, pad_id, side):
    padded = text.pad(rows, pad_id=pad_id, side=side)
    return padded.ids.tolist(), padded.mask.tolist()


def _mask_from_ids(rows, pad_id, side):
    ids, _ = _lists(rows, pad_id, side)
    return ids, [[int(each != pad_id) for each in row] for row in ids]


@exercise(
    "01.3",
    cases=[
        case("left", [[5, 6, 7], [8]], 0, "left"),
        case("right", [[5, 6, 7], [8]], 0, "right"),
        case("one row", [[3, 4]], 0, "left"),
        case("equal lengths", [[3], [4]], 0, "right"),
        case("a real token with the padding's id", [[0, 0], [5, 0, 6]], 0, "left"),
        case("another padding id", [[1], [2, 3]], 9, "right"),
        case("the longest row stands last", [[1], [2, 3], [4, 5, 6]], 0, "left"),
        case("an empty row", [[], [2, 3]], 1, "left"),
        case("empty rows alone", [[], []], 1, "right"),
        case("no rows", [], 0, "left"),
    ],
    draw=_some_rows,
    draws=100,
    hints=(
        "Find the longest length first (0 for no rows). The mask follows from the lengths, never from the ids.",
        "[pad_id] * (width - len(row)) is the padding; side says whether it stands before or behind the row.",
    ),
    mistakes={
        "a real token can have the padding's id: make the mask from the lengths": _mask_from_ids,
        "`side` says where the padding stands": lambda rows, pad_id, side: _lists(rows, pad_id, "right"),
    },
)
def padding(rows, pad_id, side):
    return _lists(rows, pad_id, side)


@exercise(
    "01.4",
    cases=[
        case("English", "hello", 3),
        case("it fits", "hello", 9),
        case("exactly", "hello", 5),
        case("Chinese", "中文", 4),
        case("whole Chinese characters", "中文", 6),
        case("one byte is missing", "中文", 5),
        case("an accent", "café!", 4),
        case("four bytes", "a🚀b", 4),
        case("a space at the end belongs to it", "ab cd", 3),
        case("spaces at the beginning, too", "  ab", 3),
        case("the character that the bytes spell otherwise", "\ufffdab", 2),
        case("its own last character is that sign", "a\ufffd", 4),
        case("and something follows", "a\ufffd中", 6),
        case("nothing", "", 3),
        case("no room", "abc", 0),
        case("no room for the first", "中", 2),
    ],
    draw=lambda rng: (
        "".join(rng.choices("ab é中文🚀\u0301\n\ufffd", k=rng.randrange(1, 8))),
        rng.randrange(16),
    ),
    draws=200,
    shrink=True,
    hints=(
        "Cut the bytes first; then only the last character can be broken.",
        's.encode("utf-8")[:limit].decode("utf-8", errors="ignore") leaves a broken character out.',
    ),
    mistakes={
        "that counts characters; the limit counts bytes": lambda s, limit: s[:limit],
        'errors="replace" puts the sign \ufffd there; errors="ignore" leaves the rest out': (
            lambda s, limit: s.encode()[:limit].decode(errors="replace")
        ),
        "the sign \ufffd can be the text's own": (
            lambda s, limit: s.encode()[:limit].decode(errors="replace").rstrip("\ufffd")
        ),
    },
)
def cut_to_bytes(s, limit):
    kept = ""
    for character in s:
        if len((kept + character).encode()) > limit:
            break
        kept += character
    return kept
