"""Answers that somebody might write: wrong ones, which a grader must catch, and right ones in another style.

@wrong("NAME") and @right("NAME") plant the function below for graders.NAME; equivalent("NAME", mutant, why) says
that a mutant of the notebook's solution is right as well. A module for each notebook.
"""

from collections.abc import Callable

WRONG: dict[str, list[Callable]] = {}
RIGHT: dict[str, list[Callable]] = {}
EQUIVALENT: dict[str, dict[str, str]] = {}


def wrong(grader: str) -> Callable[[Callable], Callable]:
    """Plant this function as a wrong answer to graders.<grader>."""
    return _planted(WRONG, grader)


def right(grader: str) -> Callable[[Callable], Callable]:
    """Plant this function as a right answer to graders.<grader>."""
    return _planted(RIGHT, grader)


def _planted(where: dict[str, list[Callable]], grader: str) -> Callable[[Callable], Callable]:
    def plant(function: Callable) -> Callable:
        where.setdefault(grader, []).append(function)
        return function

    return plant


def equivalent(grader: str, mutant: str, why: str) -> None:
    """Note that no input of the exercise can tell this mutant ("old line  ->  new line") from the solution."""
    EQUIVALENT.setdefault(grader, {})[mutant] = why
