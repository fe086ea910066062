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


# --- 04_video ------------------------------------------------------------------------------------------------


def on_screen(function: Callable) -> Verdict:
    """Exercise 1: the frame that is on the screen at a moment, at a variable frame rate."""
    from mmkit import video

    rng = seeded("on screen")
    cases = [
        case("between two frames", [0.0, 1.0, 2.0], 1.5),
        case("exactly when a frame begins", [0.0, 1.0, 2.0], 1.0),
        case("the nearest frame has not begun yet", [0.0, 1.0, 5.0], 4.9),
        case("after the last", [0.0, 0.04, 9.0], 20.0),
        case("before the first", [0.5, 1.0], 0.1),
        case("a single frame", [0.0], 3.0),
        case("a clock that does not start at 0", [10.0, 10.5, 12.0], 11.0),
    ]
    for _ in range(100):
        times = sorted(rng.sample(range(200), rng.randrange(1, 9)))
        cases.append(case(None, [tick / 8 for tick in times], rng.randrange(-8, 220) / 8))
    return grade(function, lambda times, at: video.frame_at(np.array(times), at), cases, shrink=False)


def true_times(function: Callable) -> Verdict:
    """Exercise 2: times of every step-th frame: index of the source over the rate of the source."""
    rng = seeded("true times")

    def reference(count: int, step: int, source_fps: float) -> list[float]:
        return [i * step / source_fps for i in range(count)]

    def plain(got: Any, want: Any) -> bool:
        return equal([float(each) for each in got] if isinstance(got, np.ndarray) else got, want, atol=1e-9)

    def hint(args: tuple, got: Any, want: Any) -> str | None:
        count, step, fps = args
        for about, values in (
            ("the position in the kept list is not the index in the source", [i / fps for i in range(count)]),
            ("divide by the rate of the source, not by the rate of sampling",
             [i * step / (fps / step) for i in range(count)]),
        ):  # fmt: skip
            if plain(got, values):
                return about
        return None

    cases = [
        case("every frame", 3, 1, 10),
        case("every second frame", 3, 2, 10),
        case("one frame a second", 4, 25, 25),
        case("the first frame alone", 1, 12, 24),
        case("a rate that is no whole number", 3, 30, 30000 / 1001),
        case("one frame a minute", 3, 1, 1 / 60),
    ]
    cases += [
        case(None, rng.randrange(1, 6), rng.randrange(1, 40), rng.choice([5, 24, 29.97, 60])) for _ in range(60)
    ]
    return grade(function, reference, cases, same=plain, hint=hint, shrink=False)


def clip_tokens(function: Callable) -> Verdict:
    """Exercise 3: tokens of a clip whose sides are multiples of 28."""
    from dataclasses import replace

    from mmkit.recipes import QWEN2_VL_VIDEO
    from mmkit.tokens import video_tokens

    rng = seeded("clip tokens")
    free = replace(QWEN2_VL_VIDEO, min_pixels=1, max_pixels=10**9)  # no resizing
    cases = [
        case("two frames of one token", 2, 28, 28),
        case("two temporal patches", 4, 28, 28),
        case("an odd clip", 3, 28, 28),
        case("one frame", 1, 56, 28),
        case("higher than wide", 2, 112, 56),
        case("a film", 24, 280, 504),
    ]
    cases += [
        case(None, rng.randrange(1, 60), 28 * rng.randrange(1, 20), 28 * rng.randrange(1, 20)) for _ in range(80)
    ]
    return grade(function, lambda *shape: video_tokens(*shape, free), cases, shrink=False)


def stretched(function: Callable) -> Verdict:
    """Exercise 4: M-RoPE positions of a clip whose time is stretched."""
    from mmkit import fusion

    rng = seeded("stretched")

    def reference(start: int, gt: int, gh: int, gw: int, interval: float) -> np.ndarray:
        return fusion.grid_positions(start, (gt, gh, gw), merge=1, interval=interval)

    def draw(args: tuple, got: Any, want: np.ndarray) -> None:
        from mmkit import plots

        if want.shape[1] <= 24 and np.asarray(got).shape == want.shape:
            plots.position_table(np.asarray(got), [2] * want.shape[1], "Yours")
            plots.position_table(want, [2] * want.shape[1], "Expected")

    def hint(args: tuple, got: Any, want: np.ndarray) -> str | None:
        try:
            rows = np.asarray(got)
            if rows.shape != want.shape:
                return f"the shape must be {want.shape}"
            if np.array_equal(rows[1:], want[1:]):
                return "rows and columns are right; look at the time: multiply, cut off, then add the start"
            if np.array_equal(rows[[0, 2, 1]], want):
                return "row and column are exchanged"
        except Exception:
            return None
        return "the column changes fastest, then the row, then the time"

    cases = [
        case("one token", 0, 1, 1, 1, 1.0),
        case("one picture of two rows", 0, 1, 2, 1, 1.0),
        case("two patches of time", 0, 2, 1, 1, 1.0),
        case("a start", 5, 2, 1, 2, 1.0),
        case("a stretch", 0, 3, 1, 1, 2.0),
        case("a stretch that is no whole number", 3, 4, 1, 1, 1.5),
        case("less than one", 7, 5, 1, 1, 0.25),
        case("all together", 4, 3, 2, 3, 2.5),
    ]
    for _ in range(60):
        sizes = [rng.randrange(1, 4) for _ in range(3)]
        cases.append(case(None, rng.randrange(40), *sizes, rng.choice([0.25, 0.5, 1.0, 1.5, 2.0, 4.0])))
    return grade(function, reference, cases, draw=draw, hint=hint, shrink=False)


# --- 03_audio --------------------------------------------------------------------------------------------


def heard_at(learner: Callable) -> Verdict:
    """03, exercise 1: the frequency at which a tone is heard after sampling without a filter."""
    rng = seeded("heard_at")
    cases = [
        case("below half the rate", 3_000, 16_000),
        case("half the rate", 8_000, 16_000),
        case("just above it", 9_000, 16_000),
        case("the rate itself", 16_000, 16_000),
        case("above the rate", 17_000, 16_000),
        case("far above", 100_000, 44_100),
        case("nothing moves", 0, 8_000),
        *(case(None, rng.randint(1, 200_000), rng.choice([8_000, 16_000, 44_100])) for _ in range(40)),
    ]

    def reference(f: float, rate: float) -> float:
        rest = f % rate
        return min(rest, rate - rest)

    return grade(
        learner, reference, cases, atol=1e-6, hint="the tone and all multiples of the rate: how far is the nearest?"
    )


def to_mono(learner: Callable) -> Verdict:
    """03, exercise 2: int16 (time, channels) to the mean of the channels, full scale 1."""
    rng = np.random.default_rng(3)
    cases = [
        case("one channel", np.array([[16_384], [-32_768]], np.int16)),
        case("two channels", np.array([[8_192, 0], [0, -8_192]], np.int16)),
        case("a sum that int16 cannot hold", np.array([[20_000, 20_000]], np.int16)),
        case("opposite channels", np.array([[700, -700], [-5, 5]], np.int16)),
        case("more channels than samples", np.array([[1_000, 2_000, 3_000]], np.int16)),
        *(
            case(None, rng.integers(-32_768, 32_768, (rng.integers(1, 6), rng.integers(1, 4))).astype(np.int16))
            for _ in range(30)
        ),
    ]

    def reference(pcm: np.ndarray) -> np.ndarray:
        from mmkit import audio

        return audio.to_mono(audio.full_scale(pcm)[0])[0].astype(np.float64)

    def hint(args: tuple, got: Any, want: Any) -> str | None:
        if isinstance(got, np.ndarray) and got.shape == want.shape and np.allclose(got * 32767, want * 32768):
            return "full scale is 32768: then -32768 becomes exactly -1"
        return "one value for each time; make floats before you add"

    return grade(learner, reference, cases, atol=1e-6, hint=hint)


def whisper_scale(learner: Callable) -> Verdict:
    """03, exercise 3: mel powers to Whisper's values."""
    rng = np.random.default_rng(4)
    cases = [
        case("silence", np.zeros((2, 3))),
        case("one loud value", np.array([[1.0, 1e-12], [1e-3, 1e-9]])),
        case("nothing loud", np.array([[1e-7, 1e-8, 0.0]])),
        case("very loud", np.array([[1e6, 1.0], [1e-4, 0.0]])),
        *(case(None, 10.0 ** rng.uniform(-14, 4, (rng.integers(1, 4), rng.integers(1, 4)))) for _ in range(30)),
    ]

    def reference(power: np.ndarray) -> np.ndarray:
        import torch

        from mmkit import audio, recipes

        return audio.compress(torch.from_numpy(power), recipes.WHISPER).numpy()

    return grade(
        learner, reference, cases, atol=1e-5, hint="floor, log10, then the limit below the largest value of all"
    )


def price(learner: Callable) -> Verdict:
    """03, exercise 4: what Qwen2-Audio takes for a recording at any rate."""
    rng = seeded("price")
    cases = [
        case("one second", 16_000, 16_000),
        case("one second of music", 44_100, 44_100),
        case("the last sample that is free", 16_320, 16_000),
        case("one sample more", 16_321, 16_000),
        case("a telephone", 12_345, 8_000),
        case("exactly 30 s", 480_000, 16_000),
        case("an hour", 3_600 * 48_000, 48_000),
        *(
            case(None, rng.randint(2_000, 3_000_000), rng.choice([8_000, 16_000, 44_100, 48_000]))
            for _ in range(40)
        ),
    ]

    def reference(samples: int, rate: int) -> int:
        from mmkit import recipes, tokens

        return tokens.audio_tokens(tokens.resampled_length(samples, rate, 16_000), recipes.QWEN2_AUDIO)

    return grade(
        learner, reference, cases, hint="frames are rounded up; the two halvings are rounded by the formula"
    )


# --- 02_image ------------------------------------------------------------------------------------------------


def smart_size(learner: Callable) -> Verdict:
    """02, exercise 1: the size that Qwen2-VL resizes to."""
    rng = seeded("smart_size")
    cases = [
        case("a photo", 480, 640),
        case("a half: 70 / 28 = 2.5", 168, 70),
        case("another half: 42 / 28 = 1.5", 168, 42),
        case("too large", 4000, 6000),
        case("too small", 20, 30),
        case("one pixel", 1, 1),
        case("a banner", 40, 2000),
        *(case(None, rng.randint(14, 3000), rng.randint(300, 3000)) for _ in range(60)),
    ]

    def reference(height: int, width: int) -> tuple[int, int]:
        from mmkit import image

        return image.smart_resize(height, width)

    def hint(args: tuple, got: Any, want: Any) -> str | None:
        if 14 in (args[0] % 28, args[1] % 28):
            return "a half goes to the even neighbour: use Python's own round"
        return "round first; only when the area is out of limits floor (too large) or ceil (too small)"

    return grade(learner, reference, cases, hint=hint)


def lay_on(learner: Callable) -> Verdict:
    """02, exercise 2: a picture with transparency on a colour."""
    rng = np.random.default_rng(2)

    def rgba(*pixel: int) -> np.ndarray:
        return np.array([[pixel]], np.uint8)

    cases = [
        case("opaque red on white", rgba(255, 0, 0, 255), (255, 255, 255)),
        case("hidden red on white", rgba(255, 0, 0, 0), (255, 255, 255)),
        case("half red on white", rgba(255, 0, 0, 128), (255, 255, 255)),
        case("half red on green", rgba(255, 0, 0, 128), (0, 200, 0)),
        *(
            case(None, rng.integers(0, 256, (2, 3, 4), dtype=np.uint8), tuple(rng.integers(0, 256, 3).tolist()))
            for _ in range(30)
        ),
    ]

    def reference(pixels: np.ndarray, colour: tuple) -> np.ndarray:
        share = pixels[..., 3:] / 255
        mixed = share * pixels[..., :3] + (1 - share) * np.asarray(colour)
        return np.rint(mixed).astype(np.uint8)

    def same(got: Any, want: Any) -> bool:  # one grey level for other ways of rounding
        right_kind = isinstance(got, np.ndarray) and got.shape == want.shape and got.dtype == np.uint8
        return right_kind and int(np.abs(got.astype(int) - want.astype(int)).max()) <= 1

    hint = "make floats of the bytes first, mix, round, then make bytes (uint8) again"
    return grade(learner, reference, cases, same=same, hint=hint)


def token_of_pixel(learner: Callable) -> Verdict:
    """02, exercise 3: which token of the sequence sees a pixel."""
    rng = seeded("token_of_pixel")
    cases = [
        case("the first pixel", 0, 0, 56),
        case("the second token", 0, 28, 56),
        case("the second row of tokens", 28, 0, 56),
        case("the last pixel of a token", 27, 27, 56),
        *(case(None, rng.randrange(600), rng.randrange(28 * w), 28 * w) for w in range(1, 40)),
    ]

    def reference(y: int, x: int, width: int) -> int:
        return (y // 28) * (width // 28) + x // 28

    return grade(learner, reference, cases, hint="tokens go row by row; a token is 28 pixels high and wide")


def place_in_sequence(learner: Callable) -> Verdict:
    """02, exercise 4: merge order, the place of a patch."""
    rng = seeded("place_in_sequence")
    cases = [
        case("the first patch", 0, 0, 4),
        case("its right neighbour", 0, 1, 4),
        case("the patch below", 1, 0, 4),
        case("the third in the first row", 0, 2, 4),
        case("the third row", 2, 0, 4),
        *(
            case(None, rng.randrange(12), rng.randrange(2 * half), 2 * half)
            for half in range(1, 12)
            for _ in range(3)
        ),
    ]

    def reference(row: int, column: int, columns: int) -> int:
        from mmkit import image

        board = np.arange((row + row % 2 + 2) * columns).reshape(-1, columns, 1)
        order, _ = image.patchify(board, patch=1, merge=2, temporal_patch=1)
        return int(np.flatnonzero(order[:, 0] == row * columns + column)[0])

    hint = "first count whole blocks of 2 x 2 (four patches each), then the place within the block"
    return grade(learner, reference, cases, hint=hint)


# --- 10_ask_about_sound ----------------------------------------------------------------------------------


def word_error_rate(function: Callable) -> Verdict:
    """10, exercise 1: fewest changed, removed and added words, over the words said; torchaudio counts them."""
    from torchaudio.functional import edit_distance

    rng = seeded("word_error_rate")
    words = ["one", "two", "three", "go"]

    def reference(said: str, written: str) -> float:
        return edit_distance(said.split(), written.split()) / max(1, len(said.split()))

    def line(most: int) -> str:
        return " ".join(rng.choice(words) for _ in range(rng.randrange(most + 1)))

    cases = [
        case("all right", "three one four", "three one four"),
        case("one word changed", "three one four", "three nine four"),
        case("one word missing", "five five", "five"),
        case("one word too many", "five", "five five"),
        case("nothing written", "stop", ""),
        case("words invented on silence", "", "thank you for watching"),
        case("silence, and nothing written", "", ""),
        case("the first word missing", "one two three", "two three"),
        case("more errors than words", "go", "one two three"),
        *(case(None, line(5), line(5)) for _ in range(60)),
    ]
    hint = "it counts words, not letters, and takes the fewest steps; more than 1 is possible"
    return grade(function, reference, cases, atol=1e-9, hint=hint, shrink=False)


def windows(function: Callable) -> Verdict:
    """10, exercise 2: overlapping windows that cover a recording."""
    rng = seeded("windows")

    def reference(seconds: float, window: float, overlap: float) -> list[tuple[float, float]]:
        count = max(1, -(-(seconds - overlap) // (window - overlap)))
        starts = [i * (window - overlap) for i in range(int(count))]
        return [(start, min(start + window, seconds)) for start in starts]

    cases = [
        case("shorter than a window", 3, 5, 1),
        case("just one window", 5, 5, 1),
        case("a little more", 6, 5, 1),
        case("two windows, to the end", 9, 5, 1),
        case("no overlap", 15, 5, 0),
        case("no overlap and a rest", 12, 5, 0),
    ]
    for _ in range(50):
        window = rng.randrange(2, 31)
        cases.append(case(None, rng.randrange(1, 100), window, rng.randrange(window)))

    def same(got: Any, want: Any) -> bool:
        return isinstance(got, (list, tuple)) and equal([tuple(pair) for pair in got], want, atol=1e-9)

    return grade(
        function,
        reference,
        cases,
        same=same,
        hint="the first window that reaches the end is the last",
        shrink=False,
    )


def worth_asking(function: Callable) -> Verdict:
    """10, exercise 3: at least five moments of 20 ms above -45 dB."""
    rng = np.random.default_rng(9)

    def reference(wave: np.ndarray, rate: int) -> bool:
        step = rate // 50
        loud = 0
        for i in range(len(wave) // step):
            power = np.mean(np.square(wave[i * step : (i + 1) * step], dtype=np.float64))
            loud += bool(10 * np.log10(max(power, 1e-20)) > -45)
        return loud >= 5

    def burst(moments: int, amplitude: float, rate: int, rest: int = 0) -> np.ndarray:
        step = rate // 50
        wave = np.zeros(30 * step + rest, np.float32)
        wave[4 * step : (4 + moments) * step] = amplitude
        wave[::2] *= -1
        return wave

    cases = [
        case("silence", np.zeros(1_600, np.float32), 8_000),
        case("five loud moments", burst(5, 0.1, 8_000), 8_000),
        case("four loud moments: a click", burst(4, 0.9, 8_000), 8_000),
        case("a long faint hiss", burst(25, 0.004, 8_000), 8_000),
        case("just loud enough", burst(25, 0.006, 8_000), 8_000),
        case("another rate", burst(5, 0.1, 16_000), 16_000),
        case("a rest that is no whole moment", burst(5, 0.1, 8_000, rest=37), 8_000),
        case("shorter than one moment", np.full(100, 0.5, np.float32), 8_000),
        *(
            case(
                None,
                burst(int(rng.integers(0, 12)), 10 ** rng.uniform(-3, 0), 8_000, int(rng.integers(160))),
                8_000,
            )
            for _ in range(30)
        ),
    ]

    def same(got: Any, want: Any) -> bool:
        return isinstance(got, (bool, np.bool_)) and bool(got) == want

    hint = "-45 dB is a root mean square of 0.0056; count loud moments, not samples, nor the clip as a whole"
    return grade(function, reference, cases, same=same, hint=hint, shrink=False)


def whisper_prompt(function: Callable) -> Verdict:
    """10, exercise 4: Whisper's decoder prompt."""

    def reference(language: str, task: str, timestamps: bool) -> str:
        names = ["startoftranscript", language, task] + ([] if timestamps else ["notimestamps"])
        return "".join(f"<|{name}|>" for name in names)

    cases = [
        case(None, language, task, timestamps)
        for language in ("en", "zh", "de")
        for task in ("transcribe", "translate")
        for timestamps in (False, True)
    ]
    hint = "no spaces; <|notimestamps|> only without time stamps"
    return grade(function, reference, cases, hint=hint, shrink=False)


# --- 09_ask_about_pictures -----------------------------------------------------------------------------------


def answered_and_right(learner: Callable) -> Verdict:
    """09, exercise 1: answer only where sure enough: the share answered, and the share of those that are right."""
    rng = seeded("answered_and_right")
    cases = [
        case("all are sure", [0.9, 0.8], [True, False], 0.5),
        case("one is sure", [0.9, 0.3], [True, False], 0.5),
        case("exactly at the threshold", [0.5], [True], 0.5),
        case("nobody is sure", [0.2, 0.3], [True, False], 0.9),
        case("no question at all", [], [], 0.5),
        case("not sorted", [0.1, 0.9, 0.2, 0.8], [True, False, False, True], 0.75),
    ]
    for _ in range(30):
        number = rng.randint(1, 9)
        sure = [round(rng.random(), 1) for _ in range(number)]
        cases.append(case(None, sure, [rng.random() < 0.7 for _ in sure], rng.choice([0.0, 0.3, 0.5, 0.9, 1.0])))

    def reference(confidences: list[float], right: list[bool], threshold: float) -> tuple[float, float]:
        kept = [good for sure, good in zip(confidences, right, strict=True) if sure >= threshold]
        share = len(kept) / len(confidences) if confidences else 0.0
        return share, sum(kept) / len(kept) if kept else 1.0

    return grade(
        learner,
        reference,
        cases,
        rtol=1e-9,
        shrink=False,  # the two lists belong together
        hint="two numbers; the second one counts only the answers that are given",
    )


def phi_prompt(learner: Callable) -> Verdict:
    """09, exercise 2: the prompt of Phi-3.5-vision, whose placeholders are numbered from 1."""
    rng = seeded("phi_prompt")
    texts = [
        "What is this?",
        "",
        "Compare them:\nwhich is older?",
        "{question} and {i}?",
        "为什么？",
        "a <|image_1|> b",
    ]
    cases = [
        case("one picture", "What is this?", 1),
        case("two pictures", "Which is older?", 2),
        case("no picture", "Hello.", 0),
        case("curly brackets", "What does {question} mean?", 1),
        case("more than nine", "Count.", 11),
        *(case(None, rng.choice(texts), rng.randint(0, 5)) for _ in range(20)),
    ]

    def reference(question: str, images: int) -> str:
        marks = "".join(f"<|image_{i}|>\n" for i in range(1, images + 1))
        return "<|user|>\n" + marks + question + "<|end|>\n<|assistant|>\n"

    return grade(learner, reference, cases, hint="count from 1; a line break after each picture; mind the last one")


def embeddings_fit(learner: Callable) -> Verdict:
    """09, exercise 3: does a tensor of embeddings fit its grids?"""
    rng = seeded("embeddings_fit")
    cases = [
        case("one picture", (16, 128), [(1, 8, 8)], 128, 2),
        case("a row lost", (15, 128), [(1, 8, 8)], 128, 2),
        case("too narrow", (16, 127), [(1, 8, 8)], 128, 2),
        case("two pictures", (22, 128), [(1, 8, 8), (1, 4, 6)], 128, 2),
        case("a video of four time steps", (64, 128), [(4, 8, 8)], 128, 2),
        case("patches instead of embeddings", (64, 128), [(1, 8, 8)], 128, 2),
        case("a batch axis", (1, 16, 128), [(1, 8, 8)], 128, 2),
        case("flat", (2048,), [(1, 8, 8)], 128, 2),
        case("a side that cannot be merged", (6, 128), [(1, 3, 8)], 128, 2),
        case("both sides odd, the product fits", (9, 128), [(4, 3, 3)], 128, 2),
        case("an empty grid", (0, 128), [(1, 0, 8)], 128, 2),
        case("no grid", (0, 128), [], 128, 2),
        case("no merging", (15, 64), [(1, 3, 5)], 64, 1),
    ]
    for _ in range(30):
        merge = rng.choice([1, 2, 2, 3])
        grids = [
            (rng.randint(1, 3), merge * rng.randint(1, 4), merge * rng.randint(1, 4))
            for _ in range(rng.randint(1, 3))
        ]
        rows = sum(t * h * w for t, h, w in grids) // merge**2
        cases.append(case(None, (rows + rng.choice([0, 0, 1, -1]), 32), grids, 32, merge))

    def reference(shape: tuple, grids: list[tuple], hidden: int, merge: int) -> bool:
        if len(shape) != 2 or shape[1] != hidden or not grids:
            return False
        if any(min(grid) < 1 or grid[1] % merge or grid[2] % merge for grid in grids):
            return False
        return shape[0] == sum(t * h * w // merge**2 for t, h, w in grids)

    return grade(
        learner,
        reference,
        cases,
        shrink=False,
        hint="(rows, width): the rows of all pictures together; each side must be a multiple of merge",
    )


# --- 05_pipeline --------------------------------------------------------------------------------------------


def safe_map(learner: Callable) -> Verdict:
    """05, exercise 1: one result for each input, in order, a value or the exception."""

    def minutes(value: Any) -> Any:
        return None if value is None else 60 // value

    def reference(inputs: list) -> list:
        return [_outcome(minutes, (each,)) for each in inputs]

    def same(got: Any, want: Any) -> bool:
        if not isinstance(got, list) or len(got) != len(want):
            return False
        pairs = zip(got, want, strict=True)
        return all(type(a) is type(b.error) if isinstance(b, Raised) else equal(a, b) for a, b in pairs)

    def yours(inputs: list) -> Any:
        return learner(minutes, inputs)

    yours.__name__ = getattr(learner, "__name__", "your function")
    rng = seeded("safe_map")
    cases = [
        case("all are good", [1, 2, 3]),
        case("one fails in the middle", [1, 0, 3]),
        case("the first fails", [0, 3]),
        case("all fail, in two ways", [0, "x"]),
        case("None is a result, too", [None, 5]),
        case("nothing to do", []),
        case("the same input twice", [4, 4]),
        *(case(None, [rng.choice([0, 1, 2, 7, None, "x"]) for _ in range(rng.randint(1, 9))]) for _ in range(30)),
    ]
    hint = "the function under test gives 60 // input; put the caught exception itself where its result would be"
    return grade(yours if callable(learner) else learner, reference, cases, same=same, hint=hint)


def room_left(learner: Callable) -> Verdict:
    """05, exercise 2: tokens that are left for the answer, or an error."""
    from mmkit.recipes import QWEN2_VL
    from mmkit.tokens import image_tokens

    def reference(context: int, words: int, pictures: list[tuple[int, int]]) -> int:
        left = context - words - sum(image_tokens(height, width, QWEN2_VL) for height, width in pictures)
        if left < 1:
            raise ValueError(f"no room in {context}")
        return left

    def same(got: Any, want: Any) -> bool:
        if isinstance(want, Raised):
            return isinstance(got, Raised) and isinstance(got.error, ValueError)
        return equal(got, want)

    rng = seeded("room_left")
    cases = [
        case("text alone", 100, 30, []),
        case("one picture", 100, 30, [(112, 112)]),
        case("sides between multiples", 200, 30, [(100, 150)]),
        case("two pictures", 100, 30, [(112, 112), (112, 140)]),
        case("one token left", 47, 30, [(112, 112)]),
        case("exactly full: nothing is left", 46, 30, [(112, 112)]),
        case("too long", 40, 30, [(112, 112)]),
    ]
    for _ in range(40):
        pictures = [(rng.randint(84, 600), rng.randint(84, 600)) for _ in range(rng.randint(0, 4))]
        cases.append(case(None, rng.randint(300, 1200), rng.randint(5, 60), pictures))
    hint = "context - text - tiles of all pictures; an answer needs at least one token"
    return grade(learner, reference, cases, same=same, hint=hint, shrink=False)


def pooled_mask(learner: Callable) -> Verdict:
    """05, exercise 3: the mask after every `step` frames became one place."""

    def reference(mask: np.ndarray, step: int) -> np.ndarray:
        places = [mask[:, start : start + step].any(axis=1) for start in range(0, mask.shape[1], step)]
        return np.stack(places, axis=1)

    def rows(*lengths: int, width: int, left: bool = False) -> np.ndarray:
        mask = np.arange(width) < np.array(lengths)[:, None]
        return np.ascontiguousarray(mask[:, ::-1]) if left else mask

    rng = seeded("pooled_mask")
    cases = [
        case("a row without padding", rows(8, width=8), 4),
        case("one frame in the second place", rows(5, width=8), 4),
        case("padding on the left", rows(5, width=8, left=True), 4),
        case("a last place of one frame", rows(5, 2, width=5), 4),
        case("nothing is joined", rows(2, 3, width=3), 1),
        case("an empty row", rows(0, 4, width=6), 2),
        case("a step longer than the row", rows(1, 3, width=3), 5),
    ]
    for _ in range(30):
        width = rng.randint(1, 12)
        lengths = [rng.randint(0, width) for _ in range(rng.randint(1, 4))]
        cases.append(case(None, rows(*lengths, width=width, left=rng.random() < 0.5), rng.randint(1, 5)))
    return grade(learner, reference, cases, hint="no real frame may be lost, and no place invented", shrink=False)


def down_mix(learner: Callable) -> Verdict:
    """05, exercise 4: the mean of the channels, and whether they cancel."""
    from mmkit.audio import to_mono

    def reference(channels: np.ndarray) -> tuple[np.ndarray, bool]:
        wave, notes = to_mono(channels.astype(np.float32))
        return wave, any("cancel" in note for note in notes)

    def same(got: Any, want: Any) -> bool:
        if isinstance(got, (tuple, list)) and len(got) == 2:
            return equal(got[0], want[0], atol=1e-6) and isinstance(got[1], (bool, np.bool_)) and got[1] == want[1]
        return False

    tone = np.sin(np.arange(8) * 0.9)
    cases = [
        case("one channel", tone[:, None]),
        case("two alike", np.stack([tone, tone], axis=1)),
        case("opposite", np.stack([tone, -tone], axis=1)),
        case("nearly opposite", np.stack([tone, -0.9 * tone], axis=1)),
        case("opposite, and one is half as loud", np.stack([tone, -0.5 * tone], axis=1)),
        case("one is silent", np.stack([tone, 0 * tone], axis=1)),
        case("silence", np.zeros((4, 2))),
        case("three channels that cancel", np.stack([tone, tone, -2 * tone], axis=1)),
        case("a quiet clip", 1e-3 * np.stack([tone, tone], axis=1)),
    ]
    noise = np.random.default_rng(4)
    for _ in range(20):
        cases.append(case(None, noise.normal(size=(int(noise.integers(3, 9)), int(noise.integers(1, 4))))))
    hint = "two results: the mean over axis 1, and True or False"
    return grade(learner, reference, cases, same=same, hint=hint, shrink=False)


# --- 08_register_a_model -------------------------------------------------------------------------------------


def expand_text(learner: Callable) -> Verdict:
    """08, exercise 1: each placeholder as often as its item has rows."""
    from mmkit.models.omni.processing import expand

    def same(got: Any, want: Any) -> bool:
        if isinstance(want, Raised):
            return isinstance(got, Raised) and isinstance(got.error, ValueError)
        return equal(got, want)

    def hint(args: tuple, got: Any, want: Any) -> str | None:
        if isinstance(want, Raised):
            return "placeholders and items differ in number: raise a ValueError"
        return "the second item's count belongs to the second placeholder of the prompt as it came in"

    a, b = "<|image|>", "<|audio|>"
    rng = seeded("expand_text")
    cases = [
        case("text alone", "What?", {a: [], b: []}),
        case("one item", f"{a}What?", {a: [3]}),
        case("two of one kind", f"{a}and{a}", {a: [2, 3]}),
        case("two neighbours", f"{a}{a}?", {a: [1, 2]}),
        case("both kinds in turn", f"{a}{b}{a}?{b}", {a: [1, 2], b: [3, 1]}),
        case("one item of one row", b, {b: [1]}),
        case("one placeholder too many", f"{a}{a}?", {a: [2]}),
        case("one item too many", f"{a}?", {a: [2, 2]}),
        case("a placeholder without any item", f"{b}?", {a: [], b: []}),
    ]
    for _ in range(40):
        kinds = [rng.choice((a, b)) for _ in range(rng.randint(0, 5))]
        text = "".join(kind + rng.choice(("", "?", " and ")) for kind in kinds)
        cases.append(case(None, text, {t: [rng.randint(1, 4) for k in kinds if k == t] for t in (a, b)}))
    return grade(learner, expand, cases, same=same, hint=hint, shrink=False)


def wrapped_clip(learner: Callable) -> Verdict:
    """08, exercise 2: a clip's tokens with marks around, and which of them receive rows."""

    def reference(frames: int, begin: int, placeholder: int, end: int) -> tuple[list[int], list[bool]]:
        rows = -(-frames // 4)
        return [begin, *[placeholder] * rows, end], [False, *[True] * rows, False]

    def same(got: Any, want: Any) -> bool:
        if not isinstance(got, (tuple, list)) or len(got) != 2:
            return False
        lists = all(isinstance(part, (list, np.ndarray)) for part in got)
        return lists and [list(part) for part in got] == list(want)

    rng = seeded("wrapped_clip")
    cases = [
        case("one row", 4, 7, 8, 9),
        case("three rows", 12, 7, 8, 9),
        case("a row that is only begun", 5, 7, 8, 9),
        case("one frame", 1, 7, 8, 9),
    ]
    for _ in range(20):
        cases.append(case(None, rng.randint(1, 60), *rng.sample(range(100), 3)))
    hint = "(tokens, receives): two lists of one length; the marks receive no row; a begun row counts"
    return grade(learner, reference, cases, same=same, hint=hint, shrink=False)


def embed_clips(learner: Callable) -> Verdict:
    """08, exercise 3: rows of clips of unequal length, without their filling."""
    import torch

    @dataclass(frozen=True)
    class Tower:
        """(1, n_mels, frames) -> (1, frames / 4, n_mels): each row has heard all frames, as in attention."""

        def __call__(self, mels: Any) -> Any:
            rows = mels.unflatten(2, (-1, 4)).mean(3).mT
            return rows + rows.mean(1, keepdim=True)

        def __repr__(self) -> str:
            return "a tower"

    def reference(tower: Callable, mels: Any, lengths: Any) -> list:
        return [tower(mel[None, :, : int(frames)])[0] for mel, frames in zip(mels, lengths, strict=True)]

    def same(got: Any, want: Any) -> bool:
        if not isinstance(got, (list, tuple)) or len(got) != len(want):
            return False
        right = (isinstance(g, torch.Tensor) and g.shape == w.shape for g, w in zip(got, want, strict=True))
        return all(right) and all(torch.allclose(g, w, atol=1e-5) for g, w in zip(got, want, strict=True))

    def hint(args: tuple, got: Any, want: Any) -> str | None:
        if not isinstance(got, (list, tuple)) or not all(isinstance(rows, torch.Tensor) for rows in got):
            return "a list with one tensor (rows, width) a clip"
        shapes = [tuple(rows.shape) for rows in got]
        if shapes == [tuple(rows.shape) for rows in want]:
            return "the shapes are right, the numbers are not: the tower has heard the filling"
        return f"your shapes are {shapes}, wanted are {[tuple(rows.shape) for rows in want]}"

    def filled(noise: Any, *lengths: int) -> tuple:
        mels = torch.zeros(len(lengths), 2, max(lengths))
        for mel, frames in zip(mels, lengths, strict=True):
            mel[:, :frames] = torch.from_numpy(noise.normal(size=(2, frames)).round(1)).float()
        return Tower(), mels, torch.tensor(lengths)

    noise = np.random.default_rng(7)
    cases = [
        case("one clip", *filled(noise, 4)),
        case("two of one length", *filled(noise, 8, 8)),
        case("a short one beside a long one", *filled(noise, 4, 12)),
        case("the short one last", *filled(noise, 12, 4)),
    ]
    for _ in range(12):
        cases.append(case(None, *filled(noise, *(4 * noise.integers(1, 6, int(noise.integers(1, 4)))).tolist())))
    return grade(learner, reference, cases, same=same, hint=hint, shrink=False)
