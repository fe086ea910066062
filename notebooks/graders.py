"""Graders: check an exercise where it stands, and say what is wrong in one small example.

    graders.NAME(your_function)   ->   prints one verdict, returns it (true when right), never raises

How each works: the learner's function and mmkit's own get the same inputs, from easy to nasty to seeded random.
Where they differ, the smallest differing input is shown with what came out and what was expected.

    cases = [case("one word", "hi"), case("nothing", ""), *random cases]
    return grade(function, reference, cases)

`grade` is the whole mechanism; each notebook has a section below it. Leaves out points and time limits.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmkit import text

WIDTH = 320  # characters of one value that are shown


@dataclass(frozen=True)
class Case:
    """One input: what it is in words (None for a random one), and the arguments."""

    about: str | None
    args: tuple


def case(about: str | None, *args: Any) -> Case:
    """A case in one line: `case("a tie", "abab", 2)`."""
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
class Raised:
    """An outcome: the function raised instead of returning."""

    error: Exception

    def __repr__(self) -> str:
        return f"{type(self.error).__name__}: {self.error}"


def grade(
    learner: Callable,
    reference: Callable,
    cases: Iterable[Case],
    *,
    same: Callable[[Any, Any], bool] | None = None,
    rtol: float = 0.0,
    atol: float = 0.0,
    draw: Callable[[tuple, Any, Any], None] | None = None,
    hint: str | Callable[[tuple, Any, Any], str | None] | None = None,
    shrink: bool = True,
) -> Verdict:
    """Compare `learner` with `reference` on all `cases`; print the verdict and return it.

    same(got, want): when two results count as equal; left out, values and types must agree (`equal`), numbers
    within rtol and atol.  draw(args, got, want): draws the failing case.  hint: one more line on failure, or a
    function (args, got, want) -> line or None.  shrink: cut strings and lists of a failing case down while it
    still fails.  A reference that raises expects the learner to raise as well: any error will do, unless the
    case says otherwise through `same`, which gets `Raised` values.
    """
    if not callable(learner):
        return _say(False, f"Not done yet: hand over the function itself, not {shown(learner)}.")
    name = getattr(learner, "__name__", "your function")
    cases = list(cases)
    agree = same or (lambda got, want: equal(got, want, rtol=rtol, atol=atol))
    failing, undone = [], 0
    for each in cases:
        want, got, changed = _outcomes(learner, reference, each.args)
        if _is_stub(got) and not _is_stub(want):
            undone += 1
            failing.append(each)
        elif changed or not agree(got, want):
            failing.append(each)
    if not failing:
        return _say(True, _praise(name, cases))
    if undone == len(failing) and _never_answers(learner, reference, cases):
        return _say(False, f"{name} is not done yet: it returns nothing so far. Write its body and run this again.")

    def fails(args: tuple) -> bool:
        want, got, changed = _outcomes(learner, reference, args)
        return not isinstance(want, Raised) and (changed or not agree(got, want))

    smallest = min(failing, key=lambda each: size(each.args))
    if shrink and fails(smallest.args):
        smaller = shrunk(smallest.args, fails)
        smallest = smallest if smaller is smallest.args else Case(None, smaller)
    want, got, changed = _outcomes(learner, reference, smallest.args)
    lines = [f"Not yet: {name} differs in {len(failing)} of {len(cases)} cases. The smallest:"]
    if smallest.about:
        lines.append(f"  case      {smallest.about}")
    lines.append(f"  input     {', '.join(shown(value) for value in smallest.args)}")
    if changed:
        lines.append("  problem   your function changes its input; work on a copy")
    else:
        lines.append(f"  yours     {'raised ' if isinstance(got, Raised) else ''}{shown(got)}")
        expected = f"an error such as {shown(want)}" if isinstance(want, Raised) else shown(want)
        lines.append(f"  expected  {expected}")
    advice = hint(smallest.args, got, want) if callable(hint) else hint
    if advice:
        lines.append(f"  hint      {advice}")
    verdict = _say(False, "\n".join(lines))
    if draw and not changed and not isinstance(got, Raised) and not isinstance(want, Raised):
        try:
            draw(smallest.args, got, want)
        except Exception:  # a wrong answer can have any shape: then the printed case must do
            print("  (your result cannot be drawn)")
    return verdict


def seeded(name: str) -> random.Random:
    """Random numbers that are the same for everybody: one stream for each exercise."""
    return random.Random(f"mmkit {name}")


def equal(got: Any, want: Any, *, rtol: float = 0.0, atol: float = 0.0) -> bool:
    """Whether two results agree: same kind, same shape, same values (numbers within rtol and atol)."""
    if isinstance(want, Raised) or isinstance(got, Raised):
        return isinstance(want, Raised) and isinstance(got, Raised)
    if _is_array(want) or _is_array(got):
        try:
            mine, theirs = np.asarray(got), np.asarray(want)
        except (TypeError, ValueError, RuntimeError):
            return False
        if mine.shape != theirs.shape or mine.dtype.kind != theirs.dtype.kind:
            return False
        return bool(np.allclose(mine, theirs, rtol=rtol, atol=atol, equal_nan=theirs.dtype.kind == "f"))
    if isinstance(want, dict):
        return (
            isinstance(got, dict)
            and got.keys() == want.keys()
            and all(equal(got[key], want[key], rtol=rtol, atol=atol) for key in want)
        )
    if isinstance(want, (list, tuple)):
        return (
            isinstance(got, (list, tuple))
            and len(got) == len(want)
            and all(equal(a, b, rtol=rtol, atol=atol) for a, b in zip(got, want, strict=True))
        )
    if isinstance(want, bool) or isinstance(got, (bool, np.bool_)):
        return isinstance(want, bool) and isinstance(got, (bool, np.bool_)) and bool(got) == want
    if isinstance(want, (int, float)):
        if not isinstance(got, (int, float, np.integer, np.floating)):
            return False
        return got == want or abs(got - want) <= atol + rtol * abs(want) or (got != got and want != want)
    try:
        return bool(type(got) is type(want) and got == want)
    except Exception:
        return False


def shown(value: Any) -> str:
    """A value as a short line or two: arrays with shape and type, long texts cut in the middle."""
    if _is_array(value):
        array = np.asarray(value)
        body = np.array2string(array, precision=4, threshold=60, edgeitems=2, max_line_width=84)
        lead = "\n" + " " * 12 if "\n" in body else " "
        body = body.replace("\n", "\n" + " " * 12)
        return f"{array.dtype} array of shape {array.shape}:{lead}{body}"
    text = repr(value)
    return text if len(text) <= WIDTH else f"{text[: WIDTH // 2]} ... {text[-WIDTH // 2 :]}"


def size(args: Any) -> int:
    """How large an input is, to find the smallest: characters, elements, digits."""
    if _is_array(args):
        return int(np.asarray(args).size)
    if isinstance(args, (str, bytes)):
        return len(args)
    if isinstance(args, dict):
        return sum(1 + size(value) for value in args.values())
    if isinstance(args, (list, tuple, set, frozenset)):
        return sum(1 + size(value) for value in args)
    return len(repr(args)) if isinstance(args, (int, float)) else 1


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


def _outcomes(learner: Callable, reference: Callable, args: tuple) -> tuple[Any, Any, bool]:
    """(expected, got, whether the learner changed its input); each function works on its own copy."""
    want = _outcome(reference, copy.deepcopy(args))
    mine = copy.deepcopy(args)
    got = _outcome(learner, mine)
    return want, got, not equal(mine, args)


def _outcome(function: Callable, args: tuple) -> Any:
    try:
        return function(*args)
    except Exception as error:
        return Raised(error)


def _is_stub(value: Any) -> bool:
    return (
        value is None
        or value is Ellipsis
        or (isinstance(value, Raised) and isinstance(value.error, NotImplementedError))
    )


def _never_answers(learner: Callable, reference: Callable, cases: list[Case]) -> bool:
    return all(_is_stub(_outcome(learner, copy.deepcopy(each.args))) for each in cases)


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _praise(name: str, cases: list[Case]) -> str:
    named = list(dict.fromkeys(each.about for each in cases if each.about))
    randoms = sum(1 for each in cases if not each.about)
    parts = named + ([f"{randoms} random"] if randoms else [])
    return f"Right: {name} agrees on all {len(cases)} cases ({', '.join(parts)})."


def _say(passed: bool, text: str) -> Verdict:
    print(text)
    return Verdict(passed, text)


# --- 00_start_here ---------------------------------------------------------------------------------------


def tokens_of_any_picture(learner: Callable) -> Verdict:
    """00, exercise 1: tokens from height and width, each side rounded to a multiple of 28, at least 28."""
    rng = seeded("tokens_of_any_picture")
    cases = [
        case("multiples of 28", 112, 112),
        case("a wide picture", 56, 280),
        case("sides between multiples", 100, 150),
        case("half-way: Python rounds 2.5 to 2", 70, 70),
        case("half-way: and 3.5 to 4", 98, 126),
        case("one pixel", 1, 1),
        *(case(None, rng.randint(1, 900), rng.randint(1, 900)) for _ in range(40)),
    ]

    def reference(height: int, width: int) -> int:
        return max(1, round(height / 28)) * max(1, round(width / 28))

    return grade(learner, reference, cases, hint="round each side by itself, then multiply; no side is 0 tiles")


def chat_prompt(learner: Callable) -> Verdict:
    """00, exercise 2: a Qwen2-VL prompt of a question and a number of pictures."""
    cases = [
        case("one picture", "What is it?", 1),
        case("two pictures", "Which is red?", 2),
        case("no picture", "Hello", 0),
        case("a question of two lines", "What is it?\nSay it in one word.", 3),
        case("other letters", "图中有什么？", 1),
    ]

    def reference(question: str, pictures: int) -> str:
        marks = "<|vision_start|><|image_pad|><|vision_end|>" * pictures
        return f"<|im_start|>user\n{marks}{question}<|im_end|>\n<|im_start|>assistant\n"

    return grade(learner, reference, cases, shrink=False)


def fits(learner: Callable) -> Verdict:
    """00, exercise 3: does a prompt hold one <|image_pad|> for each picture?"""
    pad = "<|image_pad|>"
    cases = [
        case("one for one", f"{pad}?", 1),
        case("none for one", "?", 1),
        case("one too many", f"{pad}{pad}?", 1),
        case("one for none", f"{pad}?", 0),
        case("none for none", "hello", 0),
        case("apart from each other", f"{pad} or {pad}?", 2),
        case("a video's placeholder is another one", "<|video_pad|>?", 1),
    ]
    return grade(learner, lambda prompt, pictures: prompt.count(pad) == pictures, cases, shrink=False)


# --- 01_text ---------------------------------------------------------------------------------------------


def merge_rule(function: Callable) -> Verdict:
    """Exercise 1: the most frequent pair of neighbours, ties by the smaller ids."""
    rng = seeded("merge rule")

    def reference(chunks: list[list[int]]) -> tuple:
        counts = text.count_pairs(chunks)
        return text.best_pair(counts) if counts else ()

    def hint(args: tuple, got: Any, want: Any) -> str | None:
        counts = text.count_pairs(args[0])
        if isinstance(got, (tuple, list)) and counts.get(tuple(got)) == counts.get(want) and want:
            return "both pairs are equally frequent; the one with the smaller ids wins"
        return None

    cases = [
        case("one pair", [[1, 2]]),
        case("a clear winner", [[1, 2, 3, 1, 2]]),
        case("a tie", [[7, 1, 3, 9]]),
        case("a tie in the first id", [[4, 9, 8, 4, 2]]),
        case("no pair over the border of two chunks", [[1, 2], [3, 1], [2, 3], [3, 1]]),
        case("overlaps count", [[5, 5, 5, 5], [6, 7, 6, 7]]),
        case("a chunk of one", [[1], [3, 2], [1]]),
        case("nothing at all", []),
        case("no pair", [[], [4]]),
    ]
    for _ in range(200):
        chunks = [[rng.randrange(4) for _ in range(rng.randrange(6))] for _ in range(rng.randrange(5))]
        cases.append(case(None, chunks))
    return grade(function, reference, cases, hint=hint)


def replay_merges(function: Callable) -> Verdict:
    """Exercise 2: encode one chunk by replaying learned merges in their order."""
    rng = seeded("replay merges")

    def reference(ids: list[int], merges: list[tuple[int, int, int]]) -> list[int]:
        for a, b, new in merges:
            ids = text.merge_pair(ids, (a, b), new)
        return list(ids)

    learned = [(1, 2, 10), (10, 3, 11), (2, 3, 12), (11, 11, 13)]
    cases = [
        case("no merge fits", [7, 8], learned),
        case("one merge", [1, 2], learned),
        case("a merge of a merge", [1, 2, 3], learned),
        case("the oldest merge first, not the first place", [2, 3, 1, 2, 3], [(1, 2, 10), (3, 10, 11), (2, 3, 12)]),
        case("three in a row", [5, 5, 5], [(5, 5, 9)]),
        case("twice the same", [1, 2, 3, 1, 2, 3], learned),
        case("no ids", [], learned),
        case("no merges", [1, 2], []),
    ]
    for _ in range(100):
        corpus = [[rng.randrange(3) for _ in range(rng.randrange(2, 12))] for _ in range(4)]
        merges, rest = [], corpus
        for new in range(10, 10 + rng.randrange(6)):
            if counts := text.count_pairs(rest):
                merges.append((*text.best_pair(counts), new))
                rest = [text.merge_pair(ids, merges[-1][:2], new) for ids in rest]
        cases.append(case(None, [rng.randrange(3) for _ in range(rng.randrange(12))], merges))
    return grade(function, reference, cases, shrink=False)


def padding(function: Callable) -> Verdict:
    """Exercise 3: pad rows to one length, with masks, on either side."""
    rng = seeded("padding")

    def reference(rows: list[list[int]], pad_id: int, side: str) -> tuple[list, list]:
        padded = text.pad(rows, pad_id=pad_id, side=side)
        return padded.ids.tolist(), padded.mask.tolist()

    def plain(got: Any, want: Any) -> bool:
        got = [each.tolist() if hasattr(each, "tolist") else each for each in got] if _is_pair(got) else got
        return equal(got, want)

    cases = [
        case("left", [[5, 6, 7], [8]], 0, "left"),
        case("right", [[5, 6, 7], [8]], 0, "right"),
        case("one row", [[3, 4]], 0, "left"),
        case("equal lengths", [[3], [4]], 0, "right"),
        case("a real token with the padding's id", [[0, 0], [5, 0, 6]], 0, "left"),
        case("another padding id", [[1], [2, 3]], 9, "right"),
        case("an empty row", [[], [2, 3]], 1, "left"),
        case("no rows", [], 0, "left"),
    ]
    for _ in range(100):
        rows = [[rng.randrange(4) for _ in range(rng.randrange(6))] for _ in range(rng.randrange(1, 5))]
        cases.append(case(None, rows, rng.randrange(3), rng.choice(["left", "right"])))
    return grade(function, reference, cases, same=plain)


def _is_pair(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2


def cut_to_bytes(function: Callable) -> Verdict:
    """Exercise 4: the longest beginning of a text that has at most so many bytes, in whole characters."""
    rng = seeded("cut to bytes")

    def reference(s: str, limit: int) -> str:
        kept = ""
        for character in s:
            if len((kept + character).encode()) > limit:
                break
            kept += character
        return kept

    cases = [
        case("English", "hello", 3),
        case("it fits", "hello", 9),
        case("exactly", "hello", 5),
        case("Chinese", "中文", 4),
        case("whole Chinese characters", "中文", 6),
        case("an accent", "café!", 4),
        case("four bytes", "a🚀b", 4),
        case("nothing", "", 3),
        case("no room", "abc", 0),
        case("the character that the bytes spell otherwise", "\ufffdab", 2),
    ]
    letters = "ab é中文🚀\u0301\n"
    for _ in range(200):
        s = "".join(rng.choice(letters) for _ in range(rng.randrange(8)))
        cases.append(case(None, s, rng.randrange(16)))
    return grade(function, reference, cases)
