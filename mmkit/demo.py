"""The demo: real vLLM answers questions about the shipped pictures and clips, and is checked.

python -m mmkit.demo        what `make demo` runs; exits 1 if an answer is wrong, 2 if it could not run
"""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path

from mmkit.engine import Engine, leave
from mmkit.errors import MmkitError
from mmkit.sources import sample_of

ROWS = Path(__file__).parents[1] / "data" / "demo.jsonl"


def main() -> int:
    """Ask every row of data/demo.jsonl; each row names its model and the answer that is right."""
    rows = [json.loads(line) for line in ROWS.read_text("utf-8").splitlines()]
    wrong = 0
    for model, group in groupby(rows, key=lambda row: row["model"]):
        asked = list(group)
        print(f"Starting vLLM with {model} ...", file=sys.stderr, flush=True)
        with Engine(model, quiet=True) as engine:
            answers = engine.answer(sample_of(row, ROWS.parent) for row in asked)
        for row, answer in zip(asked, answers, strict=True):
            if isinstance(answer, MmkitError):
                raise answer
            items = " + ".join(name for kind in ("images", "audios", "videos") for name in row.get(kind, ()))
            right = answer.text == row["expected"]
            wrong += not right
            remark = "" if right else f"   (wrong: {row['expected']})"
            print(f"{items}\n  Q: {row['text']}\n  A: {answer}{remark}")
    print(f"{len(rows) - wrong} of {len(rows)} right, by vLLM on this machine.")
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        leave(main())
    except MmkitError as error:
        print(f"mmkit: {error.code}: {error}", file=sys.stderr)
        leave(2)
