"""README: its figures are the stored ones, its commands exist, its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

from mmkit.cli import app
from tests.make_readme import course, filled, number

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def test_generated_parts_are_up_to_date():
    assert filled(README) == README, "run python -m tests.make_readme"


def test_the_course_table_lists_exactly_the_notebooks():
    stems = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert [number(title) for title, _, _ in course()] == [number(stem) for stem in stems]


def test_minutes_agree_with_each_notebook():
    minutes = {number(title): told for title, _, told in course()}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        top = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells[:2])
        found = re.search(r"(\d+)\s+minutes", top)
        assert found, f"{path.name} does not say how long it takes"
        told = minutes[number(path.stem)]
        assert found[1] == told, f"{path.name}: {found[1]} minutes, in 00 {told}"


def test_links_and_files_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target


def test_named_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in set(re.findall(r"\bmake ([a-z]+)\b", README)):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_named_verbs_exist():
    verbs = {command.name or command.callback.__name__ for command in app.registered_commands}
    for verb in set(re.findall(r"`mmkit ([a-z-]+)", README)):
        assert verb in verbs, verb
