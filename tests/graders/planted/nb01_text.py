"""Planted answers to the exercises of 01_text."""

import codecs

import numpy as np
import torch

from . import equivalent, right, wrong


@wrong("stream_text")
def decodes_each_alone(pieces):
    return [piece.decode(errors="replace") for piece in pieces]


@wrong("stream_text")
def drops_what_is_begun(pieces):
    return [piece.decode(errors="ignore") for piece in pieces]


@wrong("stream_text")
def shows_all_at_the_end(pieces):
    return ["" for _ in pieces[:-1]] + [b"".join(pieces).decode(errors="ignore")]


@wrong("stream_text")
def waits_for_a_whole_token(pieces):
    shown, waiting = [], b""
    for piece in pieces:
        waiting += piece
        try:
            shown.append(waiting.decode())
            waiting = b""
        except UnicodeDecodeError:
            shown.append("")
    return shown


@wrong("stream_text")
def takes_the_sign_for_a_part(pieces):
    shown, waiting = [], b""
    for piece in pieces:
        text = (waiting + piece).decode(errors="replace")
        if text.endswith("\ufffd"):
            waiting += piece
            shown.append("")
        else:
            waiting = b""
            shown.append(text)
    return shown


@wrong("stream_text")
def shows_the_rest_as_a_sign(pieces):
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    return [decoder.decode(piece, final=number == len(pieces) - 1) for number, piece in enumerate(pieces)]


@wrong("stream_text")
def strips_each(pieces):
    decoder = codecs.getincrementaldecoder("utf-8")()
    return [decoder.decode(piece).strip() for piece in pieces]


@wrong("stream_text")
def joins_them(pieces):
    return b"".join(pieces).decode(errors="ignore")


@right("stream_text")
def by_what_the_text_gained(pieces):
    shown, before = [], ""
    for number in range(len(pieces)):
        now = b"".join(pieces[: number + 1]).decode("utf-8", errors="ignore")
        shown.append(now[len(before) :])
        before = now
    return shown


@right("stream_text")
def by_the_first_bits(pieces):
    shown, waiting = [], []
    for piece in pieces:
        text = ""
        for byte in piece:
            waiting.append(byte)
            size = 1 if waiting[0] < 0x80 else 2 if waiting[0] < 0xE0 else 3 if waiting[0] < 0xF0 else 4
            if len(waiting) == size:
                text += bytes(waiting).decode()
                waiting = []
        shown.append(text)
    return tuple(shown)


@right("stream_text")
def by_the_error(pieces):
    shown, waiting = [], b""
    for piece in pieces:
        waiting += piece
        try:
            end = len(waiting)
            waiting.decode()
        except UnicodeDecodeError as error:
            end = error.start
        shown.append(waiting[:end].decode())
        waiting = waiting[end:]
    return shown


@wrong("replay_merges")
def leftmost_instead_of_oldest(ids, merges):
    known = {(a, b): new for a, b, new in merges}
    ids, at = list(ids), 0
    while at < len(ids) - 1:
        if (ids[at], ids[at + 1]) in known:
            ids[at : at + 2] = [known[ids[at], ids[at + 1]]]
            at = 0
        else:
            at += 1
    return ids


@wrong("replay_merges")
def only_the_first_place(ids, merges):
    ids = list(ids)
    for a, b, new in merges:
        for at in range(len(ids) - 1):
            if ids[at : at + 2] == [a, b]:
                ids[at : at + 2] = [new]
                break
    return ids


@wrong("replay_merges")
def works_on_the_callers_list(ids, merges):
    for a, b, new in merges:
        at = 0
        while at < len(ids) - 1:
            if ids[at : at + 2] == [a, b]:
                ids[at : at + 2] = [new]
            at += 1
    return ids


@wrong("replay_merges")
def from_right_to_left(ids, merges):
    ids = list(ids)
    for a, b, new in merges:
        for at in range(len(ids) - 2, -1, -1):
            if ids[at : at + 2] == [a, b]:
                ids[at : at + 2] = [new]
    return ids


@wrong("replay_merges")
def newest_first(ids, merges):
    ids = list(ids)
    for a, b, new in merges[::-1]:
        ids = _merged(ids, a, b, new)
    return ids


@wrong("replay_merges")
def keeps_the_second_id(ids, merges):
    for a, b, new in merges:
        merged = []
        for at, each in enumerate(ids):
            merged.append(new if ids[at : at + 2] == [a, b] else each)
        ids = merged
    return list(ids)


@wrong("replay_merges")
def in_either_order(ids, merges):
    ids = list(ids)
    for a, b, new in merges:
        ids = _merged(ids, a, b, new)
        if a != b:
            ids = _merged(ids, b, a, new)
    return ids


@wrong("replay_merges")
def loses_the_last(ids, merges):
    for a, b, new in merges:
        merged, at = [], 0
        while at < len(ids) - 1:
            here = ids[at : at + 2] == [a, b]
            merged.append(new if here else ids[at])
            at += 2 if here else 1
        ids = merged
    return list(ids)


def _merged(ids, a, b, new):
    merged, at = [], 0
    while at < len(ids):
        here = list(ids[at : at + 2]) == [a, b]
        merged.append(new if here else ids[at])
        at += 2 if here else 1
    return merged


@right("replay_merges")
def by_rank(ids, merges):
    rank = {(a, b): (at, new) for at, (a, b, new) in reversed(list(enumerate(merges)))}
    ids = list(ids)
    while True:
        known = [rank[pair] for pair in zip(ids, ids[1:], strict=False) if pair in rank]
        if not known:
            return ids
        at, new = min(known)
        ids = _merged(ids, *merges[at][:2], new)


@right("replay_merges")
def as_a_tuple(ids, merges):
    ids = tuple(ids)
    for a, b, new in merges:
        ids = tuple(_merged(ids, a, b, new))
    return ids


@right("replay_merges")
def as_an_array(ids, merges):
    for a, b, new in merges:
        ids = _merged(ids, a, b, new)
    return np.array(ids, dtype=int)


@right("replay_merges")
def in_place_on_a_copy(ids, merges):
    ids = ids[:]
    for a, b, new in merges:
        at = 0
        while at < len(ids) - 1:
            if ids[at] == a and ids[at + 1] == b:
                ids[at : at + 2] = [new]
            at += 1
    return ids


@wrong("padding")
def always_right(rows, pad_id, side):
    width = max(map(len, rows), default=0)
    ids = [row + [pad_id] * (width - len(row)) for row in rows]
    return ids, [[1] * len(row) + [0] * (width - len(row)) for row in rows]


@wrong("padding")
def mask_stays_on_the_left(rows, pad_id, side):
    width = max(map(len, rows), default=0)
    ids = [[pad_id] * (width - len(r)) + r if side == "left" else r + [pad_id] * (width - len(r)) for r in rows]
    return ids, [[1] * len(row) + [0] * (width - len(row)) for row in rows]


@wrong("padding")
def pads_with_zero(rows, pad_id, side):
    return _padded(rows, 0, side)


@wrong("padding")
def turns_the_mask(rows, pad_id, side):
    ids, mask = _padded(rows, pad_id, side)
    return ids, [[1 - each for each in row] for row in mask]


@wrong("padding")
def exchanges_the_sides(rows, pad_id, side):
    return _padded(rows, pad_id, "right" if side == "left" else "left")


@wrong("padding")
def cuts_to_the_shortest(rows, pad_id, side):
    width = min(map(len, rows), default=0)
    return [row[:width] for row in rows], [[1] * width for _ in rows]


@wrong("padding")
def mask_first(rows, pad_id, side):
    ids, mask = _padded(rows, pad_id, side)
    return mask, ids


@wrong("padding")
def changes_the_rows(rows, pad_id, side):
    ids, mask = _padded(rows, pad_id, side)
    for row in rows:
        row += [pad_id] * (max(map(len, rows)) - len(row))
    return ids, mask


@wrong("padding")
def fails_without_rows(rows, pad_id, side):
    max(map(len, rows))
    return _padded(rows, pad_id, side)


def _padded(rows, pad_id, side):
    width = max(map(len, rows), default=0)
    ids, mask = [], []
    for row in rows:
        missing = width - len(row)
        at = missing if side == "left" else 0
        ids.append([pad_id] * at + row + [pad_id] * (missing - at))
        mask.append([0] * at + [1] * len(row) + [0] * (missing - at))
    return ids, mask


@right("padding")
def as_lists(rows, pad_id, side):
    return list(_padded(rows, pad_id, side))


@right("padding")
def as_arrays(rows, pad_id, side):
    ids, mask = _padded(rows, pad_id, side)
    return (np.array(ids), np.array(mask)) if rows else ([], [])


@right("padding")
def as_tensors(rows, pad_id, side):
    ids, mask = _padded(rows, pad_id, side)
    return (torch.tensor(ids), torch.tensor(mask)) if rows else ([], [])


@right("padding")
def in_numpy_from_the_start(rows, pad_id, side):
    width = max([len(row) for row in rows] + [0])
    ids = np.full((len(rows), width), pad_id)
    mask = np.zeros_like(ids)
    for at, row in enumerate(rows):
        place = slice(width - len(row), width) if side == "left" else slice(0, len(row))
        ids[at, place], mask[at, place] = row, 1
    return ids.tolist(), mask.tolist()


@wrong("cut_to_bytes")
def cuts_characters_not_bytes(s, limit):
    return s[:limit]


@wrong("cut_to_bytes")
def half_characters_become_signs(s, limit):
    return s.encode()[:limit].decode(errors="replace")


@wrong("cut_to_bytes")
def strips_the_signs(s, limit):
    return s.encode()[:limit].decode(errors="replace").strip("\ufffd")


@wrong("cut_to_bytes")
def replaces_the_signs(s, limit):
    return s.encode()[:limit].decode(errors="replace").replace("\ufffd", "")


@wrong("cut_to_bytes")
def strips_spaces(s, limit):
    return s.encode()[:limit].decode(errors="ignore").strip()


@wrong("cut_to_bytes")
def one_character_too_few(s, limit):
    kept = s.encode()[:limit].decode(errors="ignore")
    return kept if len(kept) == len(s) else kept[:-1]


@wrong("cut_to_bytes")
def fewer_than_the_limit(s, limit):
    while len(s.encode()) >= limit and s:
        s = s[:-1]
    return s


@wrong("cut_to_bytes")
def by_utf_16(s, limit):
    return s.encode("utf-16-le")[:limit].decode("utf-16-le", errors="ignore")


@wrong("cut_to_bytes")
def skips_what_does_not_fit(s, limit):
    kept = ""
    for character in s:
        if len((kept + character).encode()) <= limit:
            kept += character
    return kept


@wrong("cut_to_bytes")
def returns_bytes(s, limit):
    return s.encode()[:limit]


@right("cut_to_bytes")
def shortens_until_it_fits(s, limit):
    while len(s.encode("utf-8")) > limit:
        s = s[:-1]
    return s


@right("cut_to_bytes")
def adds_up(s, limit):
    used = end = 0
    while end < len(s) and used + len(s[end].encode()) <= limit:
        used += len(s[end].encode())
        end += 1
    return s[:end]


@right("cut_to_bytes")
def looks_for_a_head(s, limit):
    kept = s.encode()
    if len(kept) <= limit:
        return s
    while limit and kept[limit] & 0b11000000 == 0b10000000:
        limit -= 1
    return kept[:limit].decode()


equivalent("replay_merges", "ids = list(ids)  ->  pass", "each merge makes a new list")
for default in (1, -1):
    equivalent(
        "padding",
        f"width = max(map(len, rows), default=0)  ->  width = max(map(len, rows), default={default})",
        "without rows nobody is padded",
    )
for line in (
    "ids.append(fill + row if side {} 'left' else row + fill)",
    "mask.append(none + real if side {} 'left' else real + none)",
):
    equivalent("padding", f"{line.format('==')}  ->  {line.format('<=')}", "'right' comes after 'left'")
