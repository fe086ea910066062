"""Exercises: every solution passes, every stub is told kindly, every planted wrong answer is caught.

Oracle: the notebooks themselves. Stub and solution cells are read out of each .ipynb by their tags ("stub",
"solution") together with the cells' calls `graders.NAME(function)`. Who adds an exercise adds nothing here, but
plants answers in planted/nbNN_name.py.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import re
import signal
from pathlib import Path

import graders
import nbformat
import pytest
from graders import mechanism

from .conftest import NOTEBOOKS
from .mutants import mutants
from .planted import EQUIVALENT, RIGHT, WRONG

CALL = re.compile(r"\bgraders\.(\w+)\((\w+)\)")
EXERCISES = graders.exercises()

for path in sorted((Path(__file__).parent / "planted").glob("nb*.py")):
    importlib.import_module(f"tests.graders.planted.{path.stem}")


def code_cells(notebook: str) -> list[nbformat.NotebookNode]:
    cells = nbformat.read(NOTEBOOKS / notebook, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code"]


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def asked() -> list[tuple[str, str, str]]:
    """(notebook, grader, name of the learner's function) of every exercise in the notebooks."""
    found = {}
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        for cell in code_cells(path.name):
            for grader, function in CALL.findall(cell.source):
                if "solution" not in tags(cell):
                    found[path.name, grader, function] = None
    return list(found)


def tagged(notebook: str, tag: str, function: str) -> str:
    """The source of the one cell with this tag that defines this function."""
    sources = [
        cell.source
        for cell in code_cells(notebook)
        if tag in tags(cell) and re.search(rf"^def {function}\(", cell.source, re.M)
    ]
    assert len(sources) == 1, f"{notebook}: {len(sources)} cells tagged {tag!r} define {function}"
    return sources[0]


def lesson(notebook: str) -> dict:
    """A copy of the lesson's names."""
    return dict(_lesson(notebook))


@functools.cache
def _lesson(notebook: str) -> dict:
    """What the lesson has imported and defined before its exercises: imports, functions, CONSTANTS."""
    names: dict = {}
    for cell in code_cells(notebook):
        if {"stub", "solution", "raises-exception"} & set(tags(cell)):
            continue
        source = "\n".join("" if line.startswith(("%", "!")) else line for line in cell.source.splitlines())
        for node in ast.parse(source).body:
            constant = isinstance(node, ast.Assign) and all(
                isinstance(target, ast.Name) and target.id.isupper() for target in node.targets
            )
            if constant or isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)):
                with contextlib.suppress(Exception):  # a constant made from data: not needed by a solution
                    exec(compile(ast.Module([node], []), notebook, "exec"), names)
    return names


@pytest.mark.parametrize(("notebook", "grader", "function"), asked())
def test_solution_passes(notebook, grader, function, capsys):
    solution = f"{function}_solution"  # so that it never overwrites the learner's own
    source = tagged(notebook, "solution", solution)
    assert (grader, solution) in CALL.findall(source), "the solution cell must call its grader"
    assert not re.search(rf"^def {function}\(", source, re.M)
    names = lesson(notebook)
    exec(source, names)
    capsys.readouterr()
    verdict = getattr(graders, grader)(names[solution])
    assert verdict, verdict
    assert capsys.readouterr().out.startswith("Right: ")


@pytest.mark.parametrize(("notebook", "grader", "function"), asked())
def test_stub_is_told_kindly(notebook, grader, function, capsys):
    names = lesson(notebook)
    exec(tagged(notebook, "stub", function), names)
    verdict = getattr(graders, grader)(names[function])
    assert not verdict
    assert "not done yet" in capsys.readouterr().out


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_wrong_answers_are_caught(exercise, capsys):
    answers = [*exercise.mistakes.values(), *WRONG.get(exercise.name, [])]
    assert len(answers) >= 6, f"plant six or more wrong answers for graders.{exercise.name}"
    for answer in answers:
        verdict = exercise(answer)
        printed = capsys.readouterr().out
        assert not verdict, f"graders.{exercise.name} lets the planted wrong answer {answer} through"
        assert "Not yet" in printed, f"{answer} is wrong, not a stub: {printed}"


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_right_answers_in_other_styles_are_accepted(exercise):
    answers = RIGHT.get(exercise.name, [])
    assert len(answers) >= 3, f"plant three or more right answers for graders.{exercise.name}"
    for answer in answers:
        verdict = exercise(answer)
        assert verdict, f"{answer.__name__}: {verdict.text}"


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_a_known_mistake_is_told_by_its_remark(exercise):
    for remark, mistaken in exercise.mistakes.items():
        assert f"look      {remark}" in exercise(mistaken).text


@pytest.mark.parametrize(("notebook", "grader", "function"), asked())
def test_mutants_of_the_solution_are_caught(notebook, grader, function, alarm):
    """A mutant that no case catches names a case that is missing, unless it is known to be right as well."""
    exercise, solution = getattr(graders, grader), f"{function}_solution"
    source = tagged(notebook, "solution", solution).replace(f"graders.{grader}({solution})", "")
    survivors = {told for told, mutant in mutants(source) if survives(exercise, lesson(notebook), mutant, solution)}
    assert survivors == set(EQUIVALENT.get(grader, {}))


def survives(exercise, names, mutant, solution) -> bool:
    """Whether all cases call it right. In this process, for speed: an endless loop is ended by the alarm."""
    names = dict(names)
    try:
        exec(mutant, names)
        for each, want in exercise.expected:
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            if not mechanism.attempt(exercise, names[solution], each, want).right:
                return False
    except Exception:
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return True


@pytest.fixture
def alarm():
    def ring(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    yield
    signal.signal(signal.SIGALRM, before)


def test_every_exercise_is_asked_in_its_notebook():
    assert {grader for _, grader, _ in asked()} == {exercise.name for exercise in EXERCISES}
    for notebook, grader, _ in asked():
        assert getattr(graders, grader).place.startswith(f"{notebook[:2]}."), grader


def test_the_example_of_the_short_text_works():
    """README.md's blocks, run as they stand: the grader, the planted answers; the solution, under its name."""
    text = (NOTEBOOKS / "graders" / "README.md").read_text("utf-8")
    grader, stub, _, solution, planted = re.findall(r"```python\n(.*?)```", text, re.S)
    names = {"__name__": "graders.nb06_example", "__package__": "graders"}
    exec(grader, names)
    made = names["length_of_prompt"]
    wrong, right = [], []
    exec(planted.replace("from . import right, wrong", ""), {"wrong": _into(wrong), "right": _into(right)})
    for source in (stub, solution.split("\n\n\n")[0]):
        exec(source, names)
    assert [bool(made(answer)) for answer in wrong + right] == [False, True]
    assert "not done yet" in made(names["length_of_prompt"]).text
    assert made(names["length_of_prompt_solution"])


def _into(found):
    return lambda grader: found.append


def test_progress_is_shown_in_00_and_stored_without_anything_solved():
    cells = [cell for cell in code_cells("00_start_here.ipynb") if "graders.progress()" in cell.source]
    assert len(cells) == 1
    assert "○○○" in cells[0].outputs[0].text
    assert "●" not in cells[0].outputs[0].text


def test_every_planted_answer_belongs_to_an_exercise():
    assert set(WRONG) | set(RIGHT) | set(EQUIVALENT) <= {exercise.name for exercise in EXERCISES}


def test_places_are_unique():
    places = [exercise.place for exercise in EXERCISES]
    assert len(set(places)) == len(places)
