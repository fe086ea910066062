"""Education: a chart, the numbers behind it, the text beside it and a spoken answer, tied together.

    numbers -> questions_from -> question and right answer        Figure -> claims_of -> claims.check
    spoken question, the name of a bar -> about              spoken answer + right answer -> a claim about the clip

The numbers decide what is right, never the model: it only tells where picture, text or voice do not go with them.
Full size: Qwen/Qwen2.5-VL-7B-Instruct for charts, openai/whisper-large-v3 for pupils.
Leaves out axis labels (tiny models read none) and explaining a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmkit.applications.claims import Claim
from mmkit.zoo.worlds.shapes import NUMBER_WORDS

TALLEST, COUNT = "Which bar is tallest?", "How many bars are there?"


@dataclass(frozen=True, eq=False)
class Figure:
    """A chart in a textbook: the numbers behind it, its picture, the sentence beside it."""

    numbers: Mapping[str, float]  # name of the bar -> value
    picture: Any
    text: str


def questions_from(numbers: Mapping[str, float]) -> dict[str, str]:
    """Questions about a chart, each with the answer that its numbers give.

    >>> questions_from({"red": 3.0, "blue": 5.5})
    {'Which bar is tallest?': 'blue', 'How many bars are there?': 'two'}
    """
    return {TALLEST: max(numbers, key=lambda name: numbers[name]), COUNT: NUMBER_WORDS[len(numbers)]}


def read_text(text: str) -> dict[str, str]:
    """What the sentence beside a chart states, by question.

    >>> read_text("The chart has two bars; the blue bar is the tallest.")
    {'Which bar is tallest?': 'blue', 'How many bars are there?': 'two'}
    """
    patterns = {TALLEST: r"the (\w+) bar is the tallest", COUNT: r"has (\w+) bars"}
    found = {question: re.search(pattern, text) for question, pattern in patterns.items()}
    return {question: match[1] for question, match in found.items() if match}


def claims_of(figure: Figure) -> list[Claim]:
    """What numbers and text state about the picture."""
    stated = [("numbers", questions_from(figure.numbers)), ("text", read_text(figure.text))]
    return [
        Claim(answer, question, (figure.picture,), where=source)
        for source, answers in stated
        for question, answer in answers.items()
    ]


def about(bar: str, numbers: Mapping[str, float]) -> str:
    """The answer to a spoken question, which is the name of a bar: from the numbers.

    >>> about("red", {"red": 3.0, "blue": 5.5})
    'The red bar is 3.0, number 2 of 2; the tallest is blue.'
    """
    order = sorted(numbers, key=lambda name: -numbers[name])
    place = f"number {order.index(bar) + 1} of {len(order)}"
    return f"The {bar} bar is {numbers[bar]:.1f}, {place}; the tallest is {order[0]}."


def spoken_answer(clip: Any, right: str) -> list[Claim]:
    """That a pupil says the right word."""
    return [Claim(right, "Which word is said?", audios=(clip,), where="spoken answer")]
