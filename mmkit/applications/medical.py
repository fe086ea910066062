"""Medical: do a scan, its report and a spoken note agree; names burned into a picture; no diagnosis.

    Study -> seen_claims, heard_claims -> claims.check (one engine sees, one hears)
    picture -> find_text -> must_go -> hide
    question -> may_answer: only what can be seen is answered

Full size: google/medgemma-4b-it for pictures, openai/whisper-large-v3 for notes; neither is a medical device.
Leaves out DICOM, whose header names the patient as well, and everything that makes a tool fit for patients.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmkit.answers import Answer
from mmkit.applications.claims import READ, Claim
from mmkit.errors import MmkitError
from mmkit.samples import MultiModalSample

COUNT = "How many shapes are there?"
ALLOWED = r"how many|where|is there|what (colou?r|shape)|describe"  # what can be seen; all else is refused
MARKS = "L", "R", "AP", "PA", "LAT"  # side and direction of the view: print that has to stay
SCALE = 3  # strips are enlarged so: small print is read badly
REFUSAL = "I can say what is seen in the picture. What it means is for a physician."


@dataclass(frozen=True, eq=False)
class Study:
    """A picture with findings, the report's sentence about their number, and a note that says it."""

    picture: Any
    report: str
    note: Any


def count_in(report: str) -> str | None:
    """The number of findings that a report states, as a word.

    >>> count_in("Chest, frontal: two findings.")
    'two'
    """
    found = re.search(r"\b(zero|no|one|two|three|four) findings?\b", report)
    return {"no": "zero"}.get(found[1], found[1]) if found else None


def seen_claims(study: Study) -> list[Claim]:
    """That the picture shows as many findings as the report states."""
    return [Claim(count_in(study.report) or "", COUNT, (study.picture,))]


def heard_claims(study: Study) -> list[Claim]:
    """That the note says the number that the report states."""
    return [Claim(count_in(study.report) or "", "Which word is said?", audios=(study.note,), where="spoken note")]


def may_answer(question: str) -> bool:
    """Only questions about what can be seen: a list of what is allowed, never of what is forbidden.

    >>> may_answer("How many findings are there?"), may_answer("Is it malignant?")
    (True, False)
    """
    return re.match(ALLOWED, question.strip().casefold()) is not None


# ----------------------------------------------------------------------------------------- burned-in names


def strips(picture: np.ndarray, height: int = 24) -> list[tuple[slice, slice]]:
    """Where scanners print: the left and right half of the first and the last `height` rows.

    picture: (H, W, 3) uint8.  Returns (rows, columns) slices.
    """
    half, rows = picture.shape[1] // 2, picture.shape[0]
    bands = slice(0, height), slice(rows - height, rows)
    return [(band, side) for band in bands for side in (slice(0, half), slice(half, None))]


def find_text(pictures: Sequence[np.ndarray], engine: Any, question: str = READ) -> list[list[Answer | MmkitError]]:
    """What a model reads in each strip of each picture."""
    cut = [picture[place].repeat(SCALE, 0).repeat(SCALE, 1) for picture in pictures for place in strips(picture)]
    answers = engine.answer([MultiModalSample(question, (strip,)) for strip in cut])
    return [answers[n : n + 4] for n in range(0, len(answers), 4)]


def must_go(answer: Answer | MmkitError) -> float:
    """Score of a strip, 0 to 1: high where print is read that must go, low for MARKS and where nothing is read.

    A full stop behind a mark changes nothing: "L." is a side as well.
    Not a probability: find its threshold on cases whose truth is known. Certainty is that of a token, the n-th root
    of the answer's probability: that of a long name is a product of many. 1 for a strip that could not be read:
    what is not known to be clean is hidden.

    >>> name, nothing = Answer("Anna", (1, 2, 3, 4), 0.4096, 0), Answer("0", (5, 6), 0.0625, 0)
    >>> [round(must_go(answer), 2) for answer in (name, nothing, Answer("R.", (7, 6), 0.81, 0))]
    [0.8, 0.25, 0.1]
    """
    if isinstance(answer, MmkitError):
        return 1.0
    certainty = answer.confidence ** (1 / max(1, len(answer.token_ids)))
    return 1 - certainty if answer.text.rstrip(".") in MARKS else certainty


def hide(picture: np.ndarray, read: Sequence[Answer | MmkitError], least: float) -> np.ndarray:
    """The picture without the strips whose score (must_go) is at least this."""
    clean = picture.copy()
    for place, answer in zip(strips(picture), read, strict=True):
        if must_go(answer) >= least:
            clean[place] = 0
    return clean
