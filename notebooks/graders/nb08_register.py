"""Exercises of 08_register_a_model."""

from dataclasses import dataclass

import numpy as np

from .mechanism import case, exercise

A, B, C = "<|image|>", "<|audio|>", "<|video|>"


def _some_prompt(rng):
    kinds = [rng.choice((A, B)) for _ in range(rng.randint(0, 5))]
    prompt = "".join(kind + rng.choice(("", "?", " and ")) for kind in kinds) or "?"
    return prompt, {t: [rng.randint(1, 4) for kind in kinds if kind == t] for t in (A, B)}


def _in_turn(prompt, lengths, counts):
    """Expand each placeholder by the next of its counts, whatever the numbers are."""
    for token in lengths:
        pieces = prompt.split(token)
        rows = [*counts[token], *[1] * len(pieces)]
        prompt = pieces[0] + "".join(token * n + piece for n, piece in zip(rows, pieces[1:], strict=False))
    return prompt


def _expanded_twice(prompt, lengths):
    expand_text.reference(prompt, lengths)
    for token, rows in lengths.items():
        for count in rows:
            prompt = prompt.replace(token, token * count, 1)
    return prompt


@exercise(
    "08.1",
    cases=[
        case("text alone", "What?", {A: [], B: []}),
        case("one item", f"{A}What?", {A: [3]}),
        case("two of one kind", f"{A}and{A}", {A: [2, 3]}),
        case("two neighbors", f"{A}{A}?", {A: [1, 2]}),
        case("two neighbors, the longer one first", f"{A}{A}?", {A: [3, 1]}),
        case("only a space between", f"{A} {B} {A} ?", {A: [1, 2], B: [2]}),
        case("both kinds in turn", f"{A}{B}{A}?{B}", {A: [1, 2], B: [3, 1]}),
        case("one item of one row", B, {B: [1]}),
        case("the names of the text", "<a>?<b><a>", {"<a>": [2, 3], "<b>": [1]}),
        case("a third kind", f"{A}{B}{C}?", {A: [1], B: [2], C: [3]}),
        case("one placeholder too many", f"{A}{A}?", {A: [2]}),
        case("one item too many", f"{A}?", {A: [2, 2]}),
        case("a placeholder without any item", f"{B}?", {A: [], B: []}),
        case("an item without any placeholder", "What?", {A: [2], B: []}),
        case("one too many here, one too few there", f"{A}{A}{B}?", {A: [1], B: [1, 1]}),
        case("the same of a third kind", f"{A}{C}?", {A: [1, 1], C: []}),
    ],
    draw=_some_prompt,
    hints=(
        "Check each kind's number first. The second item's length belongs to the second placeholder of the prompt "
        "as it came in: what you have put in must not be counted again.",
        "pieces = prompt.split(token) gives one piece more than there are placeholders; put token * count between.",
    ),
    mistakes={
        "where placeholders and items differ in number, raise a ValueError": lambda prompt, lengths: _in_turn(
            prompt, lengths, lengths
        ),
        "the second length belongs to the second placeholder of the prompt as it came in": _expanded_twice,
        "each item has a length of its own": lambda prompt, lengths: (
            expand_text.reference(prompt, lengths)
            and _in_turn(prompt, lengths, {token: [*rows[:1]] * len(rows) for token, rows in lengths.items()})
        ),
    },
)
def expand_text(prompt, lengths):
    for token, rows in lengths.items():
        if prompt.count(token) != len(rows):
            raise ValueError(f"{prompt.count(token)} {token} for {len(rows)} items")
    return _in_turn(prompt, lengths, lengths)


@exercise(
    "08.2",
    cases=[
        case("one row", 4, 7, 8, 9),
        case("three rows", 12, 7, 8, 9),
        case("a row that is only begun", 5, 7, 8, 9),
        case("a row that is nearly whole", 7, 7, 8, 9),
        case("one frame", 1, 7, 8, 9),
        case("a begin and an end that are one token", 8, 7, 8, 7),
        case("a begin and a placeholder of the same number", 8, 8, 8, 9),
    ],
    draw=lambda rng: (rng.randint(1, 60), *rng.sample(range(100), 3)),
    draws=20,
    hints=(
        "Two lists of one length; the marks stand in both, but receive no row.",
        "rows = -(-frames // 4) rounds up; [begin] + [placeholder] * rows + [end], and False, True * rows, False.",
    ),
    mistakes={
        "a begun row counts": lambda frames, begin, placeholder, end: (
            [begin, *[placeholder] * (frames // 4), end],
            [False, *[True] * (frames // 4), False],
        ),
        "the marks receive no row": lambda frames, begin, placeholder, end: (
            tokens := [begin, *[placeholder] * -(-frames // 4), end],
            [True] * len(tokens),
        ),
        "the marks stand around it": lambda frames, begin, placeholder, end: (
            [placeholder] * -(-frames // 4),
            [True] * -(-frames // 4),
        ),
        "four frames make one row": lambda frames, begin, placeholder, end: (
            [begin, *[placeholder] * frames, end],
            [False, *[True] * frames, False],
        ),
        "ask for the place, not for the number: a mark can have any": lambda frames, begin, placeholder, end: (
            tokens := [begin, *[placeholder] * -(-frames // 4), end],
            [token == placeholder for token in tokens],
        ),
    },
)
def wrapped_clip(frames, begin, placeholder, end):
    rows = -(-frames // 4)
    return [begin, *[placeholder] * rows, end], [False, *[True] * rows, False]


@dataclass(frozen=True)
class Tower:
    """(1, n_mels, frames) -> (1, frames / 4, n_mels): each row has heard all frames, as in attention."""

    def __call__(self, mels):
        rows = mels.unflatten(2, (-1, 4)).mean(3).mT  # (1, rows, n_mels)
        return rows + rows.mean(1, keepdim=True)

    def __repr__(self) -> str:
        return "a tower"


def _clips(noise, *lengths):
    import torch

    mels = torch.zeros(len(lengths), 2, max(lengths))  # (clips, n_mels, longest)
    for mel, frames in zip(mels, lengths, strict=True):
        mel[:, :frames] = torch.from_numpy(noise.normal(size=(2, frames)).round(1)).float()
    return Tower(), mels, torch.tensor(lengths)


def _clip_cases():
    noise = np.random.default_rng(7)
    return [
        case("one clip", *_clips(noise, 4)),
        case("two of one length", *_clips(noise, 8, 8)),
        case("a short one beside a long one", *_clips(noise, 4, 12)),
        case("the short one last", *_clips(noise, 12, 4)),
        case("none as long as the longest", *_clips(noise, 8, 16, 4)),
    ]


def _some_clips(rng):
    lengths = [4 * rng.randint(1, 5) for _ in range(rng.randint(1, 3))]
    return _clips(np.random.default_rng(rng.getrandbits(32)), *lengths)


@exercise(
    "08.3",
    cases=_clip_cases,
    draw=_some_clips,
    draws=12,
    atol=1e-5,
    hints=(
        "Each row of the tower has heard everything that you gave it: cut the padding off before, not after.",
        "For each clip: tower(mel[None, :, :int(frames)])[0].",
    ),
    mistakes={
        "the tower has heard the padding: cut before it, not after it": lambda tower, mels, lengths: [
            rows[: int(frames) // 4] for rows, frames in zip(tower(mels), lengths, strict=True)
        ],
        "nothing is cut: the tower has heard the padding, and so has the language model": (
            lambda tower, mels, lengths: list(tower(mels))
        ),
        "each clip has a length of its own": lambda tower, mels, lengths: list(
            tower(mels[:, :, : int(min(lengths))])
        ),
        "one tensor (rows, width) a clip, without the batch axis": lambda tower, mels, lengths: [
            rows[None] for rows in embed_clips.reference(tower, mels, lengths)
        ],
    },
)
def embed_clips(tower, mels, lengths):
    return [tower(mel[None, :, : int(frames)])[0] for mel, frames in zip(mels, lengths, strict=True)]
