"""Notebook 14: each message of its table is one that the installed versions give, where the table says.

Oracle: the stored outputs, which nbval compares with a new run.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

CELLS = nbformat.read(Path(__file__).parents[1] / "notebooks" / "14_troubleshooting.ipynb", as_version=4).cells
ROW = re.compile(r"^\| (`+)\s?(.+?)\s?\1 \| ([\d.]+) \| (.+) \|$", re.M)
TABLE = [
    match.groups()[1:] for cell in CELLS if "## Search here" in cell.source for match in ROW.finditer(cell.source)
]


def section(number: str) -> tuple[str, str]:
    """The text of a section's heading and below, and what its cells print."""
    texts: list[str] = []
    printed: list[str] = []
    inside = False
    for cell in CELLS:
        if cell.cell_type == "markdown":
            here = re.search(rf"^##+ {re.escape(number)}\b(?!\.)", cell.source, re.M)
            inside = bool(here) or (inside and not re.search(r"^##+ ", cell.source, re.M))
            texts += [cell.source[here.start() :]] if here else []
        elif inside:
            printed += [o.get("text", "") + o.get("data", {}).get("text/markdown", "") for o in cell.outputs]
    return " ".join(texts), " ".join(" ".join(printed).split())


def test_the_table_is_long_enough():
    assert len(TABLE) >= 20
    assert len({message for message, _, _ in TABLE}) == len(TABLE)


@pytest.mark.parametrize(("message", "number", "earlier"), TABLE, ids=lambda value: str(value)[:40])
def test_the_message_is_what_the_section_prints(message, number, earlier):
    said, printed = section(number)
    assert said, f"no section {number}"
    pieces = [" ".join(piece.split()) for piece in message.split("...")]
    assert all(piece in printed for piece in pieces), (pieces, printed)
    assert earlier


@pytest.mark.parametrize("number", [number for _, number, _ in TABLE if number != "7"])
def test_each_section_says_why_how_and_what_comes_earlier(number):
    said, _ = section(number)
    for word in ("**Why**", "**Fix**"):
        assert word in said, word


@pytest.mark.parametrize("number", ["9.1", "9.2", "9.3", "9.4", "9.5", "9.6", "9.7"])
def test_the_silent_ones_change_something(number):
    """With the mistake and without: another answer each time, or the lesson has lost its point."""
    _, printed = section(number)
    pairs = re.findall(r"with the mistake: (.*?) without: (.*?)(?= [A-Z3][^:]*[.?:]? with the mistake|$)", printed)
    assert pairs
    assert any(wrong.strip() != right.strip() for wrong, right in pairs)
