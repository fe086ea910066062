"""Exercises of 14_troubleshooting."""

import math

from .mechanism import case, exercise

MARK = "<|image_pad|>"
RUNGS = ["decode", "resize", "features", "tokens"]


def _some_prompt(rng):
    marks = ["<image>", "<|image_pad|>", "<|AUDIO|>"]
    words = ["What", "is", "this?", "<image", "image>", "<|image_pad|"]
    prompt = "".join(rng.choice([*marks, *words]) for _ in range(rng.randrange(8)))
    return prompt, {mark: rng.randrange(3) for mark in rng.sample(marks, rng.randrange(1, 4))}


@exercise(
    "14.1",
    cases=[
        case("one of one", f"{MARK}What?", {MARK: 1}),
        case("a picture and no place for it", "What?", {MARK: 1}),
        case("a place and no picture: vLLM says nothing", f"{MARK}What?", {MARK: 0}),
        case("two places for one picture: vLLM says nothing", f"{MARK}{MARK}What?", {MARK: 1}),
        case("expanded already", MARK * 16, {MARK: 1}),
        case("two kinds, one of them wrong", "<a><a><b>", {"<a>": 2, "<b>": 2}),
        case("two kinds, exchanged", "<a><b><b>", {"<a>": 2, "<b>": 1}),
        case("half a placeholder is text", "<|image_pad", {MARK: 0}),
        case("another model's placeholder is text", "<image>What?", {MARK: 1}),
        case("nothing at all", "", {}),
    ],
    draw=_some_prompt,
    hints=("str.count counts what does not overlap.", "Keep a pair (found, items) where the two differ."),
    mistakes={
        "too many places count, too: vLLM is silent about them": lambda prompt, items: {
            mark: (prompt.count(mark), number) for mark, number in items.items() if prompt.count(mark) < number
        },
        "first what was found, then how many items there are": lambda prompt, items: {
            mark: (number, prompt.count(mark)) for mark, number in items.items() if prompt.count(mark) != number
        },
        "a kind that fits is left out": lambda prompt, items: {
            mark: (prompt.count(mark), number) for mark, number in items.items()
        },
    },
)
def wrong_places(prompt, items):
    found = {mark: (prompt.count(mark), number) for mark, number in items.items()}
    return {mark: pair for mark, pair in found.items() if pair[0] != pair[1]}


def _two_traces(rng):
    one = {rung: [rng.randrange(3) for _ in range(rng.randrange(1, 4))] for rung in rng.sample(RUNGS, 3)}
    other = {rung: list(values) for rung, values in one.items() if rng.random() < 0.8}
    other |= {rung: [rng.randrange(3)] for rung in RUNGS if rung not in one and rng.random() < 0.5}
    for rung in other:
        if rng.random() < 0.3:
            other[rung] = [value + rng.choice([0.0, 0.4, 0.6]) for value in other[rung]]
    return one, other, rng.choice([0.0, 0.5])


@exercise(
    "14.2",
    cases=[
        case("equal", {"decode": [1, 2], "tokens": [7]}, {"decode": [1, 2], "tokens": [7]}, 0),
        case("the last rung", {"decode": [1], "tokens": [7]}, {"decode": [1], "tokens": [8]}, 0),
        case("two rungs: the lower one is news", {"decode": [1], "resize": [2]}, {"decode": [9], "resize": [9]}, 0),
        case("written in another order", {"tokens": [1], "decode": [2]}, {"tokens": [9], "decode": [9]}, 0),
        case("within the tolerance", {"features": [1.0]}, {"features": [1.25]}, 0.5),
        case("just at the tolerance", {"features": [1.0]}, {"features": [1.5]}, 0.5),
        case("beyond it, downwards", {"features": [1.0]}, {"features": [0.25]}, 0.5),
        case("another length", {"tokens": [1, 2]}, {"tokens": [1, 2, 3]}, 0),
        case("a rung that only one has", {"decode": [1], "tokens": [7]}, {"tokens": [7]}, 0),
        case("a rung that only the other has", {"tokens": [7]}, {"decode": [1], "tokens": [7]}, 0),
        case("nothing", {}, {}, 0),
    ],
    draw=_two_traces,
    draws=80,
    hints=(
        "Go through the rungs from below; leave out what one of the two lacks.",
        "A rung differs where the lengths do, or where any abs(a - b) > tolerance.",
    ),
    mistakes={
        "from below means the order of the ladder, not that of the dictionary": lambda one, other, tolerance: next(
            (r for r in one if r in other and _differ(one[r], other[r], tolerance)), "nothing"
        ),
        "a longer list differs": lambda one, other, tolerance: next(
            (
                r
                for r in RUNGS
                if r in one
                and r in other
                and any(abs(a - b) > tolerance for a, b in zip(one[r], other[r], strict=False))
            ),
            "nothing",
        ),
        "mind the sign: take the absolute difference": lambda one, other, tolerance: next(
            (
                r
                for r in RUNGS
                if r in one
                and r in other
                and (
                    len(one[r]) != len(other[r])
                    or any(b - a > tolerance for a, b in zip(one[r], other[r], strict=True))
                )
            ),
            "nothing",
        ),
        "exactly at the tolerance is still equal": lambda one, other, tolerance: next(
            (
                r
                for r in RUNGS
                if r in one
                and r in other
                and (
                    len(one[r]) != len(other[r])
                    or any(a != b and abs(a - b) >= tolerance for a, b in zip(one[r], other[r], strict=True))
                )
            ),
            "nothing",
        ),
        "a rung that one of them lacks tells nothing": lambda one, other, tolerance: next(
            (r for r in RUNGS if (r in one or r in other) and _differ(one.get(r, []), other.get(r, []), tolerance)),
            "nothing",
        ),
    },
)
def first_difference(one, other, tolerance):
    return next((r for r in RUNGS if r in one and r in other and _differ(one[r], other[r], tolerance)), "nothing")


def _differ(one, other, tolerance):
    return len(one) != len(other) or any(abs(a - b) > tolerance for a, b in zip(one, other, strict=True))


def _some_model(rng):
    heads = rng.choice([1, 2, 4, 8])
    return (
        rng.randrange(1, 1 << 34),
        rng.randrange(1, 40),
        heads,
        rng.choice([16, 64, 128]),
        rng.choice([2, 4]),
        128,
    )


@exercise(
    "14.3",
    cases=[
        case("one block exactly", 2 * 1 * 1 * 16 * 4 * 128, 1, 1, 16, 4, 128),
        case("a byte less than one block", 2 * 1 * 1 * 16 * 4 * 128 - 1, 1, 1, 16, 4, 128),
        case("half precision holds twice as much", 1 << 20, 4, 2, 16, 2, 128),
        case("the published Qwen2-VL-2B in 4 GiB", 4 << 30, 28, 2, 128, 2, 16),
        case("no memory", 0, 4, 2, 16, 4, 128),
    ],
    draw=_some_model,
    hints=(
        "A token takes 2 (keys and values) x layers x key heads x head width x bytes a number.",
        "Memory comes in whole blocks: floor(memory / bytes of a block) blocks, block_size tokens each.",
    ),
    mistakes={
        "keys and values: twice": lambda memory, layers, heads, width, number, block: (
            memory // (layers * heads * width * number * block) * block
        ),
        "whole blocks only": lambda memory, layers, heads, width, number, block: (
            memory // (2 * layers * heads * width * number)
        ),
        "tokens, not blocks": lambda memory, layers, heads, width, number, block: (
            memory // (2 * layers * heads * width * number * block)
        ),
        "a block that does not fit whole is not there": lambda memory, layers, heads, width, number, block: (
            math.ceil(memory / (2 * layers * heads * width * number * block)) * block
        ),
    },
)
def tokens_in_cache(memory, layers, heads, width, number, block):
    return memory // (2 * layers * heads * width * number * block) * block
