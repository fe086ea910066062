"""The shipped tiny-reader: its stored scores are of these weights, and the course's print is none of training's."""

from __future__ import annotations

import json
from pathlib import Path

from mmkit import shipped
from mmkit.zoo.media import prints
from mmkit.zoo.scores import weights_hash
from mmkit.zoo.worlds import wording


def test_the_course_reads_print_that_training_never_drew():
    for name in ("label.png", "price_tag.jpg"):
        assert all(wording.is_held_out(line.text) for line in prints.PAGES[name].lines)
    assert all(wording.is_held_out(f"{label} {value}") for label, value in prints.ROWS)


def test_the_stored_scores_are_of_these_weights_and_reach_their_goals():
    folder = Path(shipped.resolve("tiny-reader"))
    scores = json.loads((folder / "scores.json").read_text())
    assert scores["weights"] == weights_hash(folder)
    assert scores["questions_per_kind"] >= 400
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 6_000_000
    goals = {
        "one to three words": 0.92,
        "prices": 0.97,
        "dates and names": 0.96,
        "four words": 0.80,
        "a field of a receipt": 0.88,
    }
    for what, goal in goals.items():
        assert scores["summary"][what] >= goal, what
