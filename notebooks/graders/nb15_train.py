"""Exercises of 15_train_a_tiny_model."""

import numpy as np

from .mechanism import case, exercise


def _some_pieces(rng):
    return ([([rng.randint(0, 300) for _ in range(rng.randint(0, 4))], rng.random() < 0.5) for _ in range(4)],)


@exercise(
    "15.1",
    cases=[
        case("a question and an answer", [([5, 6], False), ([7, 8], True)]),
        case("two turns", [([5], False), ([7], True), ([6, 5], False), ([8, 2], True)]),
        case("nothing to learn", [([1, 2, 3], False)]),
        case("all is learned", [([1, 2, 3], True)]),
        case("an empty piece", [([], True), ([4], False), ([], False), ([9], True)]),
        case("token 0 is a token, too", [([0], False), ([0, 1], True)]),
        case("no conversation", []),
    ],
    draw=_some_pieces,
    hints=(
        "One label for each token, in order, whatever piece it stands in.",
        "[token if learn else -100 for ids, learn in pieces for token in ids]",
    ),
    mistakes={
        "transformers shifts the labels itself: do not shift them here": lambda pieces: (
            (labels := answer_labels.reference(pieces))[1:] + [-100] * bool(labels)
        ),
        "the other way round: the answer is what is learned": lambda pieces: [
            -100 if learn else token for ids, learn in pieces for token in ids
        ],
        "every token keeps a place, also where nothing is learned: -100": lambda pieces: [
            token for ids, learn in pieces if learn for token in ids
        ],
        "0 is a token; -100 says ignore": lambda pieces: [
            token if learn else 0 for ids, learn in pieces for token in ids
        ],
    },
)
def answer_labels(pieces):
    return [token if learn else -100 for ids, learn in pieces for token in ids]


def _some_conversation(rng):
    length = rng.randint(0, 8)
    return [rng.randint(0, 300) for _ in range(length)], [rng.random() < 0.5 for _ in range(length)]


@exercise(
    "15.2",
    cases=[
        case("an answer at the end", [5, 6, 7, 8], [False, False, True, True]),
        case("an answer between two questions", [5, 7, 6, 4], [False, True, False, False]),
        case("nothing to learn", [5, 6], [False, False]),
        case("everything, from the first token on", [5, 6, 7], [True, True, True]),
        case("only the very first token", [5], [True]),
        case("the same token again and again", [5, 5, 5, 5], [False, True, False, True]),
        case("an empty conversation", [], []),
    ],
    draw=_some_conversation,
    hints=(
        "Two bugs: which tokens are learned, and where the guess for a token stands.",
        "The guess for token t stands at t - 1: go through t from 1 and keep those with learn[t].",
    ),
    mistakes={
        "the guess for a token stands one place earlier": lambda ids, learn: [
            (t, ids[t]) for t in range(1, len(ids)) if learn[t]
        ],
        "the question is not learned": lambda ids, learn: [(t - 1, ids[t]) for t in range(1, len(ids))],
        "nothing predicts the first token; place -1 is the last": lambda ids, learn: [
            (t - 1, ids[t]) for t in range(len(ids)) if learn[t]
        ],
        "it is the token that must be learned, not the place": lambda ids, learn: [
            (t - 1, ids[t]) for t in range(1, len(ids)) if learn[t - 1]
        ],
    },
)
def pairs(ids, learn):
    return [(t - 1, ids[t]) for t in range(1, len(ids)) if learn[t]]


def _picture(seed, height=2, width=3):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _two_lists(rng):
    train = [_picture(rng.randint(0, 5)) for _ in range(rng.randint(0, 4))]
    return train, [_picture(rng.randint(0, 7)) for _ in range(rng.randint(0, 5))]


def _nearly(seed):
    picture = _picture(seed)
    picture[-1, -1, -1] ^= 1
    return picture


@exercise(
    "15.3",
    cases=lambda: [
        case("one of two was seen", [_picture(0), _picture(1)], [_picture(2), _picture(1)]),
        case("none was seen", [_picture(0)], [_picture(1)]),
        case("all were seen", [_picture(0), _picture(1)], [_picture(1), _picture(0)]),
        case("a copy of the same pixels", [_picture(0)], [_picture(0).copy()]),
        case("the same picture held out twice", [_picture(0)], [_picture(0), _picture(3), _picture(0)]),
        case("other by one value", [_picture(0)], [_nearly(0)]),
        case("the same pixels in another size", [_picture(0, 2, 3)], [_picture(0, 2, 3).reshape(3, 2, 3)]),
        case("the same pixels, the sides exchanged in memory", [_picture(0)], [np.asfortranarray(_picture(0))]),
        case("another size", [_picture(0)], [_picture(0, 4, 4)]),
        case("no training", [], [_picture(0)]),
        case("nothing held out", [_picture(0)], []),
    ],
    draw=_two_lists,
    hints=(
        "Two pictures are the same when their shapes are and all their values are.",
        "A set of (picture.shape, picture.tobytes()) of the training, and a loop over the held-out ones.",
    ),
    mistakes={
        "a copy is another object with the same pixels": lambda train, held_out: [
            i for i, p in enumerate(held_out) if any(p is q for q in train)
        ],
        "another size is another picture": lambda train, held_out: [
            i for i, p in enumerate(held_out) if p.tobytes() in {q.tobytes() for q in train}
        ],
        "places in the second list": lambda train, held_out: [
            i for i, p in enumerate(train) if any(np.array_equal(p, q) for q in held_out)
        ],
        "all of the same mean are not the same": lambda train, held_out: [
            i for i, p in enumerate(held_out) if p.shape in {q.shape for q in train}
        ],
    },
)
def leaks(train, held_out):
    known = {(picture.shape, picture.tobytes()) for picture in train}
    return [i for i, picture in enumerate(held_out) if (picture.shape, picture.tobytes()) in known]
