"""How every exercise is graded: the learner's function beside the reference, and one small difference told.

    Exercise (reference, cases, hints, mistakes)
        -> judge: each case in turn, in a worker with a time limit, what it prints kept apart -> Attempt
        -> the smallest telling difference, its element marked -> Verdict, printed
        -> progress, remembered beside the notebooks

Follows the way of hypothesis: easy and nasty cases by hand, seeded random ones, the failing one cut down.
Leaves out points, and defense against who wants to cheat: only honest mistakes are looked for.
"""

from __future__ import annotations

import builtins
import contextlib
import copy
import ctypes
import functools
import inspect
import io
import json
import linecache
import multiprocessing
import multiprocessing.dummy
import numbers
import random
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

SECONDS = 5.0  # for one case: the slowest right answer takes a hundredth of it
MEMORY = 2**32  # bytes that the learner's function may take beside what the notebook holds (torch maps 3 GB)
WIDTH = 320  # characters of one value that are shown
PROGRESS = Path(__file__).parents[1] / ".progress.json"

# A process of its own can be ended whatever it does. Forking is safe on Linux only; elsewhere a thread must do.
WORKERS: Any = multiprocessing.get_context("fork") if sys.platform == "linux" else multiprocessing.dummy


# --- what an exercise is ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One input: what it is in words (None for a random one), and the arguments."""

    about: str | None
    args: tuple


def case(about: str | None, *args: Any) -> Case:
    """Write a case in one line: `case("a tie", "abab", 2)`."""
    return Case(about, args)


@dataclass(frozen=True)
class Verdict:
    """What a grader returns: true or false, with the text that it has printed."""

    passed: bool
    text: str

    def __bool__(self) -> bool:
        return self.passed

    def _ipython_display_(self) -> None:
        """Show nothing more: the text is printed already."""


@dataclass(frozen=True)
class Exercise:
    """A reference with its cases; called with the learner's function, it prints a verdict and returns it.

    cases: by hand, from easy to nasty, or a function that makes them (where they need torch).
    hints: a small one and a bigger one, for who asks.
    draw: one random input (the arguments) from a random.Random, made `draws` times.
    same(got, want): when two results count as equal; left out, `difference` decides, numbers within rtol and atol.
    mistakes: {remark: wrong function}; the remark is shown to whose answers are wrong in the same way.
    shrink: cut strings and lists of a failing input down while it still fails; the reference must take any of them.
    plot(args, got, want): draws the failing case.
    A reference that raises expects an error of the same class.
    """

    reference: Callable
    place: str  # "03.2": notebook and number
    cases: Sequence[Case] | Callable[[], Sequence[Case]]
    hints: tuple[str, str]
    draw: Callable[[random.Random], tuple] | None = None
    draws: int = 40
    same: Callable[[Any, Any], bool] | None = None
    rtol: float = 0.0
    atol: float = 0.0
    mistakes: Mapping[str, Callable] = field(default_factory=dict)
    shrink: bool = False
    plot: Callable[[tuple, Any, Any], None] | None = None

    @property
    def name(self) -> str:
        return self.reference.__name__

    @functools.cached_property
    def expected(self) -> list[tuple[Case, Any]]:
        """Every case with the reference's outcome; made once."""
        by_hand = self.cases() if callable(self.cases) else self.cases
        rng = random.Random(f"mmkit {self.name}")  # the same numbers for everybody
        drawn = [Case(None, self.draw(rng)) for _ in range(self.draws)] if self.draw else []
        return [(each, outcome(self.reference, each.args)) for each in [*by_hand, *drawn]]

    def agree(self, got: Any, want: Any) -> bool:
        try:
            if self.same and not isinstance(got, Raised) and not isinstance(want, Raised):
                return bool(self.same(got, want))
        except Exception:
            return False
        return equal(got, want, rtol=self.rtol, atol=self.atol)

    def __call__(self, function: Any = None, hint: int = 0) -> Verdict:
        """Grade `function`; hint=1 and hint=2 add a hint to a verdict that is not yet "Right"."""
        if not callable(function):
            return _say(False, f"Not done yet: hand over the function itself, not {shown(function)}.")
        verdict = grade(self, function, hint)
        if verdict and not name_of(function).endswith("_solution"):  # the folded one is not the learner's
            remember(self)
        return verdict

    def __repr__(self) -> str:
        return f"<exercise {self.place}: {self.name}>"


def exercise(place: str, cases: Sequence[Case] | Callable[[], Sequence[Case]], **options: Any) -> Callable:
    """Turn the reference below it into a grader: `@exercise("03.2", cases=[...], hints=("...", "..."))`."""
    return lambda reference: Exercise(reference, place, cases, **options)


# --- running a function ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Raised:
    """An outcome: the function raised instead of returning."""

    error: BaseException

    def __repr__(self) -> str:
        try:
            return f"{type(self.error).__name__}: {self.error}"
        except Exception:
            return type(self.error).__name__


@dataclass(frozen=True)
class Attempt:
    """What the learner's function did with one case."""

    case: Case
    want: Any
    got: Any
    printed: str
    changed: bool  # it has changed its input
    right: bool

    @property
    def empty(self) -> bool:
        """Whether it answered nothing, as a stub does."""
        stub = isinstance(self.got, Raised) and isinstance(self.got.error, NotImplementedError)
        return self.got is None or self.got is Ellipsis or stub


def outcome(function: Callable, args: tuple) -> Any:
    """What the function returns for a copy of `args`, or what it `Raised`."""
    return _outcome(function, copy.deepcopy(args))


def _outcome(function: Callable, args: tuple) -> Any:
    try:
        return function(*args)
    except BaseException as error:  # sys.exit() as well: it must not end the grader
        return Raised(error)


def attempt(exercise: Exercise, function: Callable, each: Case, want: Any) -> Attempt:
    """Try the function on a copy of one case; what it prints is kept apart."""
    printed = _Printed()
    mine = copy.deepcopy(each.args)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        got = _outcome(function, mine)
        changed = not equal(mine, each.args)
        right = not changed and exercise.agree(got, want)
    return Attempt(each, want, got, printed.getvalue(), changed, right)


class _Printed(io.StringIO):
    """What a function prints; it cannot be closed."""

    def close(self) -> None:
        pass


def _no_input(*_: Any) -> str:
    raise RuntimeError("input() waits for somebody to type; take the values from the arguments")


# --- judging ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """What the worker found: lines to print, and the failing case for `plot` (None when all is right)."""

    passed: bool
    text: str
    failing: tuple[tuple, Any, Any] | None = None


def judge(exercise: Exercise, function: Callable, send: Callable[[Any], None]) -> None:
    """Run in the worker: send each case's number before it begins, a Report, perhaps one of a smaller case."""
    _limit_worker()
    try:
        with mock.patch("builtins.input", _no_input), contextlib.redirect_stderr(io.StringIO()):
            _judge(exercise, function, send)
    except Exception as error:  # an answer can be an object that breaks whatever looks at it
        send(Report(False, f"Not yet: {name_of(function)} gives what cannot be compared ({Raised(error)})."))
    send(None)


def _judge(exercise: Exercise, function: Callable, send: Callable[[Any], None]) -> None:
    done = []
    for number, (each, want) in enumerate(exercise.expected):
        send(number)
        done.append(attempt(exercise, function, each, want))
        if isinstance(done[-1].got, Raised) and isinstance(done[-1].got.error, MemoryError):
            break
    failing = [each for each in done if not each.right]
    if not failing:
        send(Report(True, f"Right: {name_of(function)} does what was asked in every case."))
    elif all(each.empty and not each.printed for each in done):
        send(Report(False, _not_done(function)))
    else:
        first = min(failing, key=lambda each: (degenerate(each.case.args), size(each.case.args)))
        send(_report(exercise, function, done, first))
        if exercise.shrink and not first.empty and not isinstance(first.want, Raised):
            smaller = _smaller(exercise, function, first)
            send(_report(exercise, function, done, smaller))


def grade(exercise: Exercise, function: Callable, hint: int = 0) -> Verdict:
    """Judge in a worker, print what it found, and return it; never raises, never waits for ever."""
    cases = exercise.expected
    started, report, ending = None, None, "came to an end without a result"
    for message in limited(functools.partial(judge, exercise, function), SECONDS):
        if isinstance(message, Report):
            report = message
        elif isinstance(message, str):
            ending = message
        else:
            started = message
    if report is None:
        lines = [f"Not yet: {name_of(function)} {ending}."]
        lines += _input_lines(exercise, cases[started or 0][0])
        report = Report(False, "\n".join(lines))
    text = report.text
    if not report.passed:
        text += "\n" + _hint(exercise, function, hint)
    verdict = _say(report.passed, text)
    if report.failing and exercise.plot:
        try:
            exercise.plot(*report.failing)
        except Exception:  # a wrong answer can have any shape: then the printed case must do
            print("  (your result cannot be drawn)")
    return verdict


def _not_done(function: Callable) -> str:
    return f"{name_of(function)} is not done yet: it returns nothing so far. Write its body and run this again."


def _hint(exercise: Exercise, function: Callable, hint: int) -> str:
    if hint:
        return "\n".join(f"  hint {n}    {text}" for n, text in enumerate(exercise.hints[:hint], 1))
    return f"  stuck?    graders.{exercise.name}({name_of(function)}, hint=1) gives a hint, hint=2 a bigger one"


def _report(exercise: Exercise, function: Callable, done: list[Attempt], first: Attempt) -> Report:
    failing = sum(not each.right for each in done)
    lines = [f"Not yet: {name_of(function)} differs in {failing} of {len(done)} cases. The smallest:"]
    lines += _input_lines(exercise, first.case)
    lines += _result_lines(exercise, function, first)
    if remark := _remark(exercise, done):
        lines.append(f"  look      {remark}")
    got = plain(first.got)
    drawable = isinstance(got, np.ndarray) and exercise.plot and not first.changed
    return Report(False, "\n".join(lines), (first.case.args, got, first.want) if drawable else None)


def _input_lines(exercise: Exercise, each: Case) -> list[str]:
    names = list(inspect.signature(exercise.reference).parameters)
    inputs = ", ".join(f"{name}={shown(value)}" for name, value in zip(names, each.args, strict=True))
    return ([f"  case      {each.about}"] if each.about else []) + [f"  input     {inputs}"]


def _result_lines(exercise: Exercise, function: Callable, first: Attempt) -> list[str]:
    if first.changed:
        lines = ["  problem   your function changes its input; work on a copy"]
    elif isinstance(first.got, Raised):
        lines = [f"  yours     raised {shown(first.got)}", *_own_line(first.got.error, function)]
    else:
        lines = [f"  yours     {shown(first.got)}"]
    if isinstance(first.want, Raised):
        lines.append(f"  expected  an error: {type(first.want.error).__name__}")
    else:
        lines.append(f"  expected  {shown(first.want)}")
    if first.got is None and first.printed:
        lines.append("  problem   print is not return: it shows the answer and hands nothing back; end with return")
    elif first.got is None:
        lines.append("  problem   nothing was returned: does every way through your function end with return?")
    elif not first.changed and not isinstance(first.got, Raised) and not isinstance(first.want, Raised):
        try:
            where = difference(first.got, first.want, rtol=exercise.rtol, atol=exercise.atol)
        except Exception:
            where = None
        where = where or f"{_kind(first.got)}, expected {_kind(first.want)}"
        said = f"{shown(first.got)}, expected {shown(first.want)}"
        lines += [f"  differs   {where}"] if where != said else []
    if first.printed:
        rows = first.printed.rstrip("\n").split("\n")
        lines += [f"  printed   {row[:88]}" for row in rows[:3]]
        lines += [f"            ... {len(rows) - 3} more lines"] if len(rows) > 3 else []
    return lines


def _own_line(error: BaseException, function: Callable) -> list[str]:
    """The last line of the learner's own cell that the error came through."""
    own = getattr(getattr(function, "__code__", None), "co_filename", None)
    found, trace = None, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == own:
            found = trace.tb_lineno
        trace = trace.tb_next
    if found is None or own is None:
        return []
    return [f"  line {found:<4} {linecache.getline(own, found).strip()}".rstrip()]


def _remark(exercise: Exercise, done: list[Attempt]) -> str | None:
    """The remark on a known mistake, if it gives the same answers to all cases, right and wrong."""
    if any(each.changed or each.empty for each in done):
        return None
    for remark, mistaken in exercise.mistakes.items():
        pairs = ((each.got, outcome(mistaken, each.case.args)) for each in done)
        if all(equal(got, theirs, rtol=exercise.rtol, atol=exercise.atol) for got, theirs in pairs):
            return remark
    return None


def _say(passed: bool, text: str) -> Verdict:
    print(text)
    return Verdict(passed, text)


def name_of(function: Any) -> str:
    return str(getattr(function, "__name__", "your function"))


# --- a worker that can be stopped ------------------------------------------------------------------------


def limited(task: Callable[[Callable[[Any], None]], None], seconds: float) -> Iterator[Any]:
    """What task(send) sends from a worker, up to None; a sentence (str) instead, if the worker is late or dies."""
    receiver, sender = WORKERS.Pipe(duplex=False)
    stopped = threading.Event()
    mine = sys.stdout, sys.stderr, builtins.input  # a thread that hangs has not given them back

    def send(message: Any) -> None:
        if stopped.is_set():
            raise SystemExit  # a thread that was given up ends at its next message
        sender.send(message)

    worker = WORKERS.Process(target=task, args=(send,))
    worker.daemon = True
    worker.start()
    if not isinstance(worker, threading.Thread):
        sender.close()  # in this process; so a dead worker is noticed
    try:
        while True:
            if not receiver.poll(seconds):
                yield f"did not come back within {seconds:.0f} seconds; a loop may never end"
                return
            try:
                message = receiver.recv()
            except EOFError:
                yield "ended the whole process"
                return
            if message is None:
                return
            yield message
    finally:
        stopped.set()
        _stop(worker)
        sys.stdout, sys.stderr, builtins.input = mine


def _stop(worker: Any) -> None:
    if isinstance(worker, threading.Thread):
        if worker.is_alive() and worker.ident:
            ident, error = ctypes.c_ulong(worker.ident), ctypes.py_object(SystemExit)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, error)
            worker.join(1)
    else:
        worker.kill()
        worker.join()


def _limit_worker() -> None:
    """In a process of its own: one thread for torch (others did not survive the fork), and a limit on memory."""
    if multiprocessing.parent_process() is None:
        return
    import resource

    if "torch" in sys.modules:  # below torch.set_num_threads, which vLLM makes do nothing
        sys.modules["torch"]._C.set_num_threads(1)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, hard))


# --- comparing -------------------------------------------------------------------------------------------


def equal(got: Any, want: Any, *, rtol: float = 0.0, atol: float = 0.0) -> bool:
    """Whether two results agree, see `difference`; False where they cannot be compared."""
    try:
        return difference(got, want, rtol=rtol, atol=atol) is None
    except Exception:  # a wrong answer can be any object, whose own methods may be broken
        return False


def difference(got: Any, want: Any, *, rtol: float = 0.0, atol: float = 0.0, at: str = "") -> str | None:
    """Where and how `got` differs first from `want`; None where they agree.

    Numbers of Python, numpy and torch count alike, within rtol and atol, and so do lists, tuples and arrays.
    True is not 1 where True or False is wanted; whole numbers are wanted where an integer array is.

    >>> difference([1, 2.5], (1, 2.0))
    'at [1]: 2.5, expected 2'
    """
    got, want = plain(got), plain(want)
    place = f"at {at}: " if at else ""

    def unlike(expected: str) -> str:
        return f"{place}{_kind(got)}, expected {expected}"

    if isinstance(want, Raised) or isinstance(got, Raised):
        both = isinstance(want, Raised) and isinstance(got, Raised)
        return None if both and isinstance(got.error, type(want.error)) else unlike(_kind(want))
    if isinstance(want, BaseException):
        return None if type(got) is type(want) else unlike(_kind(want))
    if isinstance(want, np.ndarray):
        return _array_difference(got, want, rtol, atol, place, at)
    if isinstance(want, (list, tuple)):
        got = got.tolist() if isinstance(got, np.ndarray) else got
        if not isinstance(got, (list, tuple)):
            return unlike(_kind(want))
        if len(got) != len(want):
            return f"{place}length {len(got)}, expected {len(want)}"
        pairs = zip(got, want, strict=True)
        inner = (difference(a, b, rtol=rtol, atol=atol, at=f"{at}[{i}]") for i, (a, b) in enumerate(pairs))
        return next((found for found in inner if found), None)
    if isinstance(want, dict):
        if not isinstance(got, dict) or got.keys() != want.keys():
            return unlike(f"the keys {shown(list(want))}")
        inner = (difference(got[key], want[key], rtol=rtol, atol=atol, at=f"{at}[{key!r}]") for key in want)
        return next((found for found in inner if found), None)
    if isinstance(want, bool):
        if not isinstance(got, bool):
            return unlike("True or False")
        return None if got == want else f"{place}{got}, expected {want}"
    if isinstance(want, (int, float)):
        if not isinstance(got, numbers.Real):
            return unlike("a number")
        if got == want or abs(got - want) <= atol + rtol * abs(want) or (got != got and want != want):
            return None
        return "{}{}, expected {}".format(place, *apart(got, want))
    if isinstance(want, (str, bytes)):
        if type(got) is not type(want):
            return unlike(_kind(want))
        return None if got == want else place + _text_difference(got, want)
    return None if type(got) is type(want) and got == want else unlike(shown(want))


def _array_difference(got: Any, want: np.ndarray, rtol: float, atol: float, place: str, at: str) -> str | None:
    try:
        mine = np.asarray(got)
    except Exception:
        return f"{place}{_kind(got)}, expected an array of shape {want.shape}"
    if mine.shape != want.shape:
        return f"{place}shape {mine.shape}, expected {want.shape}"
    wanted_kinds = {"f": "fiu", "i": "iu", "u": "iu"}.get(want.dtype.kind, want.dtype.kind)
    if mine.size and mine.dtype.kind not in wanted_kinds:
        return f"{place}an array of {mine.dtype}, expected {want.dtype}"
    wrong = ~np.isclose(mine, want, rtol=rtol, atol=atol, equal_nan=True)
    if not wrong.any():
        return None
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    mark = f"{at}[{', '.join(map(str, first))}]"
    more = f" ({wrong.sum()} of {wrong.size} elements differ)" if wrong.size > 1 else ""
    return "at {}: {}, expected {}{}".format(mark, *apart(mine[first].item(), want[first].item()), more)


def _text_difference(got: Any, want: Any) -> str:
    at = next((i for i, (a, b) in enumerate(zip(got, want, strict=False)) if a != b), min(len(got), len(want)))
    if at == len(got):
        return f"it ends after {at} characters, expected {want[at : at + 24]!r} to follow"
    if at == len(want):
        return f"it goes on with {got[at : at + 24]!r}, expected to end after {at} characters"
    return f"at character {at}: {got[at : at + 24]!r}, expected {want[at : at + 24]!r}"


def plain(value: Any) -> Any:
    """Tensors as arrays, scalars of numpy and torch as Python's numbers; anything else as it is."""
    if "torch" in sys.modules and isinstance(value, sys.modules["torch"].Tensor):
        value = value.detach().cpu()
        value = (value.float() if value.dtype.itemsize == 2 and value.is_floating_point() else value).numpy()
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    return value


def apart(a: float, b: float) -> tuple[str, str]:
    """Two numbers with as many digits as tell them apart.

    >>> apart(0.333333, 0.3333337)
    ('0.333333', '0.333334')
    """
    a, b = (value if isinstance(value, int) else float(value) for value in (a, b))
    for digits in range(4, 18):
        mine, theirs = f"{a:.{digits}g}", f"{b:.{digits}g}"
        if mine != theirs and float(mine) != float(theirs):
            break
    exact = all(isinstance(value, int) or (value.is_integer() and abs(value) < 1e15) for value in (a, b))
    return (f"{a}", f"{b}") if exact else (mine, theirs)


def _kind(value: Any) -> str:
    """A value in a few words: its type, with what helps to change it."""
    if isinstance(value, Raised):
        return f"an error ({type(value.error).__name__})"
    if inspect.isgenerator(value) or isinstance(value, (map, zip, filter, range)):
        return f"a {type(value).__name__} (wrap it in list(...))"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    article = "an" if type(value).__name__[0] in "aeiouAEIOU" else "a"
    return f"{article} {type(value).__name__}"


# --- showing ---------------------------------------------------------------------------------------------


def shown(value: Any) -> str:
    """A value as a short line or two: arrays with shape and type, long texts cut in the middle; never raises."""
    try:
        if hasattr(value, "shape") and hasattr(value, "dtype") and getattr(value, "ndim", 0):
            array = plain(value)
            body = np.array2string(array, precision=4, threshold=60, edgeitems=2, max_line_width=84)
            lead = "\n" + " " * 12 if "\n" in body else " "
            return f"{value.dtype} array of shape {array.shape}:{lead}" + body.replace("\n", "\n" + " " * 12)
        if inspect.isfunction(value):
            return value.__name__
        text = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
    except Exception:
        return f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= WIDTH else f"{text[: WIDTH // 2]} ... {text[-WIDTH // 2 :]}"


def size(args: Any) -> int:
    """How large an input is, to find the smallest: characters, elements, digits."""
    value = plain(args)
    if isinstance(value, np.ndarray):
        return int(value.size)
    if isinstance(value, (str, bytes)):
        return len(value)
    if isinstance(value, dict):
        return sum(1 + size(each) for each in value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return sum(1 + size(each) for each in value)
    return len(repr(value)) if isinstance(value, (int, float)) else 1


def degenerate(args: tuple) -> bool:
    """Whether an input says little because a text, list or array in it is empty."""
    sized = [value for value in args if isinstance(value, (str, bytes, list, np.ndarray))]
    return any(len(value) == 0 or (isinstance(value, list) and degenerate(tuple(value))) for value in sized)


def _smaller(exercise: Exercise, function: Callable, first: Attempt) -> Attempt:
    def again(args: tuple) -> Attempt:
        return attempt(exercise, function, Case(None, args), outcome(exercise.reference, args))

    def fails(args: tuple) -> bool:
        if degenerate(args) and not degenerate(first.case.args):
            return False
        tried = again(args)
        return not tried.right and not tried.empty and not isinstance(tried.want, Raised)

    args = shrunk(first.case.args, fails)
    return first if args is first.case.args else again(args)


def shrunk(args: tuple, fails: Callable[[tuple], bool], *, tries: int = 400) -> tuple:
    """`args` with pieces of its strings, bytes and lists taken out as long as `fails` still holds."""
    smaller = True
    while smaller and tries > 0:
        smaller = False
        for place, value in enumerate(args):
            if not isinstance(value, (str, bytes, list)):
                continue
            for start, stop in _cuts(len(value)):
                tries -= 1
                candidate = (*args[:place], value[:start] + value[stop:], *args[place + 1 :])
                if tries > 0 and fails(candidate):
                    args, smaller = candidate, True
                    break
            if smaller:
                break
    return args


def _cuts(length: int) -> Iterable[tuple[int, int]]:
    piece = length // 2
    while piece:
        for start in range(0, length, piece):
            yield start, min(start + piece, length)
        piece //= 2


# --- progress --------------------------------------------------------------------------------------------


def solved() -> set[str]:
    """Names of the exercises that were solved here."""
    try:
        return set(json.loads(PROGRESS.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return set()


def remember(exercise: Exercise) -> None:
    """Add a solved exercise to the file beside the notebooks; a folder that cannot be written is no error."""
    with contextlib.suppress(OSError):
        PROGRESS.write_text(json.dumps(sorted(solved() | {exercise.name})) + "\n", "utf-8")


def print_progress(exercises: Iterable[Exercise]) -> None:
    """Print a line for each notebook: its number, a mark for each exercise (● is solved), its name."""
    done, marks = solved(), {}
    for each in sorted(exercises, key=lambda each: each.place):
        title = each.reference.__module__.rpartition(".nb")[2].replace("_", " ")
        marks[title] = marks.get(title, "") + ("●" if each.name in done else "○")
    for title, row in marks.items():
        number, _, name = title.partition(" ")
        print(f"{number} {row:<6} {name}")
