"""The mechanism itself, on small functions: what is caught, what is told, and that nothing raises or hangs."""

from __future__ import annotations

import doctest
import json
import multiprocessing.dummy
import os
import re
import sys
import time

import numpy as np
import pytest
import torch
from graders import case, equal, exercise, mechanism

HINTS = ("a small hint", "a bigger hint")


def grader(reference, *cases, **options):
    """An exercise of `reference`, whose cases are tuples of arguments."""
    made = [case(f"case {n}", *args) for n, args in enumerate(cases)]
    return exercise("99.1", cases=made, hints=HINTS, **options)(reference)


def upper(s):
    return s.upper()


def backwards(s):
    return s[::-1]


def total(values):
    return sum(values)


def test_doctests_of_the_mechanism():
    assert doctest.testmod(mechanism).failed == 0


def test_smallest_failing_case_is_cut_down_and_told():
    verdict = grader(backwards, ("qwxertz",), ("ab",), shrink=True)(lambda s: s if "x" in s else s[::-1])
    assert not verdict
    assert "differs in 1 of 2" in verdict.text
    assert re.search(r"input     s='(.x|x.)'\n", verdict.text), verdict.text


def test_a_case_that_says_nothing_is_not_the_smallest():
    verdict = grader(backwards, ("",), ("abc",), shrink=True)(lambda s: s + "!")
    assert re.search(r"input     s='\w+'\n", verdict.text), verdict.text


def test_the_learners_error_comes_with_its_line():
    def broken(s):
        letters = list(s)  # noqa: F841
        return lettres  # noqa: F821

    text = grader(upper, ("a",))(broken).text
    assert "raised NameError: name 'lettres' is not defined" in text
    assert re.search(r"line \d+ +return lettres", text), text


@pytest.mark.parametrize("what", [3, None, "upper", upper("a")])
def test_something_else_than_a_function(what):
    assert "function itself" in grader(upper, ("a",))(what).text


def test_changing_the_input_is_a_failure():
    def pops(values):
        result = sum(values)
        values.clear()
        return result

    assert "changes its input" in grader(total, ([1, 2],))(pops).text


def test_an_expected_error_is_one_of_its_class():
    def number(s):
        return int(s)

    numbers = grader(number, ("3",), ("x",))
    assert numbers(lambda s: int(s))
    assert "an error: ValueError" in numbers(lambda s: int(s) if s.isdigit() else -1).text
    assert not numbers(lambda s: int(s) if s.isdigit() else {}[s])


@pytest.mark.parametrize(
    "stub", [lambda s: None, lambda s: ..., lambda s: (_ for _ in ()).throw(NotImplementedError)]
)
def test_stub_in_any_form(stub):
    assert "not done yet" in grader(upper, ("a",))(stub).text


def test_print_is_not_return(capsys):
    def prints(s):
        print(s.upper())

    text = grader(upper, ("a",), ("b",))(prints).text
    assert "print is not return" in text
    assert "printed   A" in text
    assert capsys.readouterr().out == text + "\n"  # nothing else on the screen


def test_a_way_without_return():
    assert "every way" in grader(upper, ("a",), ("b",))(lambda s: s.upper() if s == "a" else None).text


def test_hints_on_request_only():
    graded = grader(upper, ("a",))
    assert "a small hint" not in graded(backwards).text
    assert "hint=1" in graded(backwards).text
    assert "a small hint" in graded(backwards, hint=1).text
    assert "a bigger hint" not in graded(backwards, hint=1).text
    assert "a bigger hint" in graded(backwards, hint=2).text
    assert "hint" not in graded(upper, hint=2).text


def test_a_known_mistake_is_named():
    graded = grader(upper, ("ab",), mistakes={"do not reverse": lambda s: s[::-1].upper()})
    assert "look      do not reverse" in graded(lambda s: "".join(reversed(s)).upper()).text
    assert "look" not in graded(lambda s: s).text


@pytest.fixture(params=["process", "thread"])
def both_workers(request, monkeypatch):
    if request.param == "thread":
        monkeypatch.setattr(mechanism, "WORKERS", multiprocessing.dummy)
    monkeypatch.setattr(mechanism, "SECONDS", 0.5)


def endless(s):
    while True:
        pass


def grows(s):
    found = []
    while True:
        found.append(s)


def sleeps(s):
    time.sleep(60)


@pytest.mark.parametrize("function", [endless, grows])
def test_an_endless_loop_ends(function, both_workers, capsys):
    started = time.monotonic()
    verdict = grader(upper, ("a",), ("b",))(function)
    assert time.monotonic() - started < 10
    assert "did not come back" in verdict.text
    assert "s='a'" in verdict.text
    assert verdict.text in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="a thread cannot be ended in these")
@pytest.mark.parametrize(
    "function", [sleeps, lambda s: sum(range(10**14)), lambda s: os._exit(3), lambda s: _never_gives_up()]
)
def test_a_process_can_be_ended_in_anything(function, monkeypatch):
    monkeypatch.setattr(mechanism, "SECONDS", 0.5)
    started = time.monotonic()
    assert "Not yet" in grader(upper, ("a",))(function).text
    assert time.monotonic() - started < 10


def _never_gives_up():
    while True:
        try:
            time.sleep(1)
        except BaseException:
            continue


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
def test_too_much_memory_is_an_error_of_the_learner(monkeypatch):
    monkeypatch.setattr(mechanism, "MEMORY", 2**26)
    assert "raised MemoryError" in grader(upper, ("a",))(lambda s: bytes(2**30)).text


class Untold(Exception):
    def __str__(self):
        raise ValueError("no")

    __repr__ = __str__


def closes_the_output(s):
    sys.stdout.close()
    return s


class Unshowable:
    def __repr__(self):
        raise ValueError("no")

    __eq__ = __hash__ = __len__ = __repr__


@pytest.mark.parametrize(
    "function",
    [
        lambda s: sys.exit(),
        lambda s: sys.exit("bye"),
        lambda s: exit(1),
        lambda s: (_ for _ in ()).throw(KeyboardInterrupt),
        lambda s: Unshowable(),
        lambda s: [Unshowable()],
        lambda s: input("? "),
        lambda s: (yield s),
        lambda s: float("nan"),
        lambda s: np.array([Unshowable()], dtype=object),
        lambda s: torch.zeros(2, requires_grad=True),
        lambda s: torch.zeros(2, dtype=torch.bfloat16),
        lambda s: torch.zeros(2, device="meta"),
        lambda s: (_ for _ in ()).throw(Untold),
        closes_the_output,
        Untold,
        lambda s: 10**5000,
        lambda: 1,
        lambda s, t: 1,
        type,
        Unshowable,
    ],
)
def test_nothing_raises(function, both_workers):
    for graded in (
        grader(upper, ("a",), mistakes={"a remark": lambda s: 1.0}),
        grader(lambda s: [1.0, 2.0], ("a",)),
        grader(lambda s: np.ones(2), ("a",)),
    ):
        verdict = graded(function)
        assert "Not yet" in verdict.text
        assert " at 0x" not in verdict.text


@pytest.mark.parametrize(
    ("got", "want", "expected"),
    [
        (np.float32(1), 1.0, True),
        (np.float64(3), 3, True),
        (np.array(3), 3, True),
        (torch.tensor(3), 3, True),
        (torch.tensor(2.5), 2.5, True),
        (1.0001, 1.0, False),
        (1, True, False),
        (np.bool_(True), True, True),
        (torch.tensor(True), True, True),
        ([1, 2], (1, 2), True),
        (np.array([1, 2]), [1, 2], True),
        (torch.tensor([[1, 2]]), [[1, 2]], True),
        ([1, 2], {1, 2}, False),
        (np.ones((2, 3)), np.ones((3, 2)), False),
        (np.ones(2), np.ones(2, int), False),
        (np.ones(2, np.float32), np.ones(2), True),
        (torch.ones(2), np.ones(2), True),
        (np.array([np.nan]), np.array([np.nan]), True),
        ("1", 1, False),
        (b"a", "a", False),
        ({"a": [1.0]}, {"a": [1.0]}, True),
        ({"a": 1}, {"b": 1}, False),
        (None, "", False),
        ([ValueError("a")], [ValueError("a")], True),
        ([ValueError], [ValueError("a")], False),
        ([KeyError("a")], [ValueError("a")], False),
    ],
)
def test_equal_by_hand(got, want, expected):
    assert equal(got, want) is expected


@pytest.mark.parametrize(
    ("got", "want", "told"),
    [
        (np.array([0.5, 1 / 3]), np.array([0.5, 0.33333]), "at [1]: 0.333333, expected 0.33333"),
        ([[1, 2], [3, 5]], [[1, 2], [3, 4]], "at [1][1]: 5, expected 4"),
        ([1], [1, 2], "length 1, expected 2"),
        (np.zeros((2, 1)), np.zeros(2), "shape (2, 1), expected (2,)"),
        ("ab\nd", "abcd", "at character 2: '\\nd', expected 'cd'"),
        ("ab", "abc", "it ends after 2 characters, expected 'c' to follow"),
        (map(str, "a"), ["a"], "a map (wrap it in list(...)), expected a list"),
        (1, True, "an int, expected True or False"),
    ],
)
def test_the_differing_element_is_marked(got, want, told):
    assert mechanism.difference(got, want).startswith(told)


def test_random_numbers_are_the_same_for_everybody():
    drawn = grader(upper, draw=lambda rng: (str(rng.randrange(10**6)),), draws=2).expected
    assert [each.args for each, _ in drawn] == [("821313",), ("653887",)]


def test_a_notebook_shows_a_verdict_once():
    verdict = grader(upper, ("a",))(upper)
    assert bool(verdict) is True
    assert verdict._ipython_display_() is None


def test_progress_is_remembered_but_not_of_the_folded_solution(capsys):
    def upper_solution(s):
        return s.upper()

    graded = grader(upper, ("a",))
    assert graded(upper_solution)
    assert mechanism.solved() == set()
    assert graded(lambda s: s.upper())
    assert not graded(backwards)  # what was solved once stays solved
    assert json.loads(mechanism.PROGRESS.read_text()) == ["upper"]
    capsys.readouterr()
    mechanism.print_progress([graded, grader(backwards)])
    assert "●○" in capsys.readouterr().out


@pytest.mark.parametrize("spoiled", ["", "{", "3", "[[1]]", '"a"'])
def test_a_spoiled_progress_file_is_an_empty_one(spoiled):
    mechanism.PROGRESS.write_text(spoiled)
    assert "upper" not in mechanism.solved()
    assert grader(upper, ("a",))(lambda s: s.upper())
    assert "upper" in mechanism.solved()


def test_torch_works_in_a_worker_behind_vllm(monkeypatch):
    """vLLM makes torch.set_num_threads do nothing: a forked child would wait for threads that it does not have."""
    import graders

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.nn.functional.max_pool1d(torch.ones(64, 4096)[:, None], 4)  # the parent's threads have begun
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)

    def pooled(mask, step):
        frames = torch.from_numpy(mask).float()[:, None]
        return torch.nn.functional.max_pool1d(frames, min(step, mask.shape[1]), step, ceil_mode=True)[:, 0].bool()

    try:
        assert graders.pooled_mask(pooled).passed
    finally:
        torch._C.set_num_threads(threads)
