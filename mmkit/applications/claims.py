"""Claims: what somebody states about a picture, a clip or a frame, looked up by a model, one audit row a case.

    cases (lists of Claim) -> check(engine) -> rows {case, decision, doubt, stated, seen, where, ...} -> appeal

A doubt is the probability that the model gives to something else than what is stated. A case is as doubtful as its
most doubtful claim, and a case that cannot be read goes to a person: nothing is dropped.
Leaves out where the rows are kept and who may read them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmkit.answers import Answer
from mmkit.applications.decisions import EVEN, Thresholds
from mmkit.errors import MmkitError
from mmkit.samples import MultiModalSample

READ = "What does the text say?"  # asked of a model that reads print


@dataclass(frozen=True, eq=False)
class Claim:
    """One thing that is stated, and how to look it up: ask `question` about the items, and `stated` should come.

    where: what the items are, for the audit row, such as "picture" or "1.5 s".
    """

    stated: str
    question: str
    images: tuple = ()
    audios: tuple = ()
    where: str = "picture"

    @property
    def sample(self) -> MultiModalSample:
        return MultiModalSample(self.question, self.images, self.audios)


def doubt(answer: Answer, stated: str) -> float:
    """The probability that it is not as stated: at least that of another answer, at most all but that of this one.

    >>> doubt(Answer("yes", (), 0.9, 0), "no"), round(doubt(Answer("no", (), 0.9, 0), "no"), 2)
    (0.9, 0.1)
    """
    return 1 - answer.confidence if answer.text == stated else answer.confidence


def check(
    cases: Sequence[Sequence[Claim]],
    engine: Any,
    thresholds: Thresholds = EVEN,
    *,
    policy: str = "",
    **sampling: Any,
) -> list[dict[str, Any]]:
    """One audit row for each case, in order.

    policy: its name and version, for the rows.  sampling: as of Engine.answer, such as choice=("yes", "no").
    A case without claims is allowed; one whose claim cannot be looked up goes to a person, with the error.
    """
    asked = [(number, claim) for number, claims in enumerate(cases) for claim in claims]
    answers = engine.answer([claim.sample for _, claim in asked], **sampling)
    rows = [row_of(number, 0.0, thresholds, policy=policy) for number in range(len(cases))]
    for (number, claim), answer in zip(asked, answers, strict=True):
        about = {"stated": claim.stated, "where": claim.where, "question": claim.question, "policy": policy,
                 "model": Path(engine.model).name}  # fmt: skip
        if isinstance(answer, MmkitError):
            row = row_of(number, 1.0, thresholds, error=answer.as_row(), **about)
        else:
            row = row_of(number, doubt(answer, claim.stated), thresholds, seen=answer.text, **about)
        rows[number] = worse(rows[number], row)
    return rows


def row_of(case: int, doubt: float, thresholds: Thresholds, **about: Any) -> dict[str, Any]:
    """An audit row; a row with an error is for a person, whatever its doubt."""
    decision = "review" if "error" in about else thresholds.decide(doubt)
    return {"case": case, "decision": decision, "doubt": round(doubt, 4), **about}


def worse(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Of two rows about one case the more doubtful one; an error outweighs what was only allowed.

    >>> worse({"decision": "allow", "doubt": 0.1}, {"decision": "act", "doubt": 0.9})["decision"]
    'act'
    """
    rank = {"allow": 0, "review": 1, "act": 2}
    return max((first, second), key=lambda row: (rank[row["decision"]], row["doubt"]))


def appeal(row: dict[str, Any], reason: str) -> dict[str, Any]:
    """A new row for a person to decide, bound to the old one by its hash; the old one stays as it was.

    >>> row = {"case": 3, "decision": "act", "doubt": 0.9}
    >>> again = appeal(row, "this is a flag")
    >>> again["decision"], again["appeal_of"] == fingerprint(row), row["decision"]
    ('review', True, 'act')
    """
    return {**row, "decision": "review", "appeal_of": fingerprint(row), "reason": reason}


def fingerprint(row: dict[str, Any]) -> str:
    """A hash of a row, so that a later change of it shows."""
    return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[:16]
