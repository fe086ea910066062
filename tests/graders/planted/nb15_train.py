"""Planted answers to the exercises of 15_train_a_tiny_model."""

import hashlib

import numpy as np

from . import right, wrong


@wrong("answer_labels")
def learns_everything(pieces):
    return [token for ids, _ in pieces for token in ids]


@wrong("answer_labels")
def only_the_last_answer(pieces):
    last = max((i for i, (_, learn) in enumerate(pieces) if learn), default=-1)
    return [token if i == last else -100 for i, (ids, _) in enumerate(pieces) for token in ids]


@wrong("answer_labels")
def a_label_a_piece(pieces):
    return [ids if learn else [-100] * len(ids) for ids, learn in pieces]


@right("answer_labels")
def labels_in_a_loop(pieces):
    labels = []
    for ids, learn in pieces:
        labels += list(ids) if learn else [-100] * len(ids)
    return labels


@right("answer_labels")
def labels_as_array(pieces):
    ids = np.array([token for ids, _ in pieces for token in ids], int)
    learn = np.array([learn for ids, learn in pieces for _ in ids], bool)
    return np.where(learn, ids, -100)


@right("answer_labels")
def labels_by_blanking(pieces):
    labels = [token for ids, _ in pieces for token in ids]
    at = 0
    for ids, learn in pieces:
        if not learn:
            labels[at : at + len(ids)] = [-100] * len(ids)
        at += len(ids)
    return labels


@wrong("pairs")
def as_it_was(ids, learn):
    return list(enumerate(ids))


@wrong("pairs")
def shifts_the_token(ids, learn):
    return [(t, ids[t + 1]) for t in range(len(ids) - 1) if learn[t]]


@wrong("pairs")
def token_first(ids, learn):
    return [(ids[t], t - 1) for t in range(1, len(ids)) if learn[t]]


@right("pairs")
def pairs_by_zip(ids, learn):
    return [(place, token) for place, (token, wanted) in enumerate(zip(ids[1:], learn[1:], strict=True)) if wanted]


@right("pairs")
def pairs_in_a_loop(ids, learn):
    found = []
    for t, token in enumerate(ids):
        if t and learn[t]:
            found.append((t - 1, token))
    return found


@right("pairs")
def pairs_by_places(ids, learn):
    return [(t - 1, ids[t]) for t in np.flatnonzero(learn).tolist() if t > 0]


@wrong("leaks")
def pictures_not_places(train, held_out):
    return [p for p in held_out if any(np.array_equal(p, q) for q in train)]


@wrong("leaks")
def each_only_once(train, held_out):
    known = {(p.shape, p.tobytes()) for p in train}
    found = []
    for i, p in enumerate(held_out):
        if (p.shape, p.tobytes()) in known:
            known.discard((p.shape, p.tobytes()))
            found.append(i)
    return found


@wrong("leaks")
def the_same_sum(train, held_out):
    return [
        i
        for i, p in enumerate(held_out)
        if any(p.shape == q.shape and abs(int(p.sum()) - int(q.sum())) < 2 for q in train)
    ]


@right("leaks")
def by_comparing_all(train, held_out):
    return [i for i, p in enumerate(held_out) if any(np.array_equal(p, q) for q in train)]


@right("leaks")
def by_hash(train, held_out):
    def key(picture):
        return str(picture.shape), hashlib.sha256(picture.tobytes()).digest()

    known = set(map(key, train))
    return [i for i, p in enumerate(held_out) if key(p) in known]


@right("leaks")
def by_nested_loops(train, held_out):
    found = []
    for i, p in enumerate(held_out):
        for q in train:
            if p.shape == q.shape and (p == q).all():
                found.append(i)
                break
    return found
