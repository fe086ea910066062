"""Exercises of 01_text."""

import codecs

from mmkit import text

from .mechanism import case, exercise

BORDERS = "\x7f\x80\u07ff\u0800\uffff\U00010000\U0010ffff"  # the first and last of 1, 2, 3 and 4 bytes
LEARNED = [(1, 2, 10), (10, 3, 11), (2, 3, 12), (11, 11, 13)]


def _decoded(pieces, errors):
    return [piece.decode("utf-8", errors=errors) for piece in pieces]


def _held_back_for_good(pieces):
    """Show nothing before everything is complete."""
    whole = b"".join(pieces)
    try:
        return [""] * (len(pieces) - 1) + [whole.decode()] if pieces else []
    except UnicodeDecodeError:
        return [""] * len(pieces)


def _some_pieces(rng):
    whole = "".join(rng.choices("ab é中文🚀\u0301\n\ufffd", k=rng.randrange(1, 7))).encode()
    cuts = sorted(rng.choices(range(len(whole) + 1), k=rng.randrange(1, 6)))
    return ([whole[start:stop] for start, stop in zip([0, *cuts], cuts, strict=False)],)


@exercise(
    "01.1",
    cases=[
        case("letters", [b"He", b"llo"]),
        case("a character in two tokens", [b"caf", b"\xc3", b"\xa9!"]),
        case("a character in three tokens", [b"\xe4", b"\xb8", b"\xad"]),
        case("a token that ends one character and begins the next", [b"\xe4\xb8", b"\xad\xe6", b"\x96\x87"]),
        case("text before the part of a character", [b"a \xf0\x9f", b"\x9a\x80 b"]),
        case("the last character is never completed", [b"Hi ", b"\xf0\x9f\x9a"]),
        case("the sign \ufffd can be the text's own", [b"a\xef\xbf\xbd", b"b"]),
        case("spaces and line breaks", [b"  ", b"\n", b" a "]),
        case("the first and last characters of each length", [bytes([byte]) for byte in BORDERS.encode()]),
        case("a token without any byte", [b"a", b"", b"b"]),
        case("no tokens", []),
    ],
    draw=_some_pieces,
    draws=100,
    hints=(
        "Keep the bytes that are not shown yet, add the token's, and show what is complete by now.",
        'bytes.decode("utf-8", errors="ignore") leaves the begun character out; what it gave, encoded again, '
        "tells how many bytes are done. (codecs.getincrementaldecoder does all of it.)",
    ),
    mistakes={
        "a token can hold part of a character: it has to wait for the rest": lambda pieces: _decoded(
            pieces, "replace"
        ),
        "the begun character is lost: keep its bytes for the next token": lambda pieces: _decoded(pieces, "ignore"),
        "show each character as soon as it is complete": _held_back_for_good,
        "only what is new: the text so far was shown already": lambda pieces: [
            b"".join(pieces[: n + 1]).decode("utf-8", errors="ignore") for n in range(len(pieces))
        ],
        "one string for each token, an empty one where nothing is complete": lambda pieces: [
            shown for shown in stream_text.reference(pieces) if shown
        ],
    },
)
def stream_text(pieces):
    decoder = codecs.getincrementaldecoder("utf-8")()
    return [decoder.decode(piece) for piece in pieces]


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
        case("a long row", [list(range(1, 40)), [7]], 0, "left"),
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
        case("the first and last characters of each length", BORDERS, 14),
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
