"""Planted answers to the exercises of 01_text."""

from . import wrong


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


@wrong("padding")
def always_right(rows, pad_id, side):
    width = max(map(len, rows), default=0)
    ids = [row + [pad_id] * (width - len(row)) for row in rows]
    return ids, [[1] * len(row) + [0] * (width - len(row)) for row in rows]


@wrong("padding")
def mask_from_the_ids(rows, pad_id, side):
    width = max(map(len, rows), default=0)
    ids = [[pad_id] * (width - len(r)) + r if side == "left" else r + [pad_id] * (width - len(r)) for r in rows]
    return ids, [[int(each != pad_id) for each in row] for row in ids]


@wrong("cut_to_bytes")
def cuts_characters_not_bytes(s, limit):
    return s[:limit]


@wrong("cut_to_bytes")
def half_characters_become_signs(s, limit):
    return s.encode()[:limit].decode(errors="replace")


@wrong("cut_to_bytes")
def one_character_too_few(s, limit):
    kept = s.encode()[:limit].decode(errors="ignore")
    return kept if len(kept) == len(s) else kept[:-1]
