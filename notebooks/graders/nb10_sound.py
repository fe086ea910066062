"""Exercises of 10_ask_about_sound."""

import numpy as np

from .mechanism import case, exercise

WORDS = ["one", "two", "three", "go"]


def _some_lines(rng):
    lines = [" ".join(rng.choice(WORDS) for _ in range(rng.randrange(6))) for _ in range(2)]
    return lines[0], lines[1]


def _fewest_steps(said, written):
    from torchaudio.functional import edit_distance

    return edit_distance(said, written)


def _by_position(said, written):
    a, b = said.split(), written.split()
    return (sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))) / max(1, len(a))


@exercise(
    "10.1",
    cases=[
        case("all right", "three one four", "three one four"),
        case("one word changed", "three one four", "three nine four"),
        case("one word missing", "five five", "five"),
        case("one word too many", "five", "five five"),
        case("nothing written", "stop", ""),
        case("words invented on silence", "", "thank you for watching"),
        case("silence, and nothing written", "", ""),
        case("the first word missing", "one two three", "two three"),
        case("two words exchanged", "one two", "two one"),
        case("more errors than words", "go", "one two three"),
        case("words of one letter", "a b c", "a c"),
        case("more than one space between two words", "one  two", "one two"),
        case("spaces and a line break at the ends", "one two", " one two\n"),
    ],
    draw=_some_lines,
    draws=60,
    atol=1e-9,
    hints=(
        "Split into words. A table d[i][j]: the fewest steps from the first i words said to the first j written.",
        "d[i][j] = min(d[i-1][j] + 1, d[i][j-1] + 1, d[i-1][j-1] + (said[i-1] != written[j-1])); divide by "
        "the words said, or by 1.",
    ),
    mistakes={
        "count words, not letters": lambda said, written: _fewest_steps(said, written) / max(1, len(said)),
        "a missing word moves all that follow: take the fewest steps": _by_position,
        "if nothing was said, divide by 1": lambda said, written: (
            _fewest_steps(said.split(), written.split()) / len(said.split()) if said.split() else 0.0
        ),
        "divide by the words said, not by the words written": lambda said, written: (
            _fewest_steps(said.split(), written.split()) / max(1, len(written.split()))
        ),
        "more than 1 is possible": lambda said, written: min(1.0, word_error_rate.reference(said, written)),
        'split(" ") makes empty words of two spaces; split() does not': lambda said, written: (
            _fewest_steps(said.split(" "), written.split(" ")) / max(1, len(said.split(" ")))
        ),
    },
)
def word_error_rate(said, written):
    return _fewest_steps(said.split(), written.split()) / max(1, len(said.split()))


def _some_window(rng):
    window = rng.randrange(2, 31)
    seconds, window, overlap = rng.randrange(1, 100), window, rng.randrange(window)
    return (seconds / 4, window / 4, overlap / 4) if rng.random() < 0.5 else (seconds, window, overlap)


def _every_start(seconds, window, overlap):
    starts = np.arange(0, seconds, window - overlap).tolist()
    return [(start, min(start + window, seconds)) for start in starts]


@exercise(
    "10.2",
    cases=[
        case("shorter than a window", 3, 5, 1),
        case("just one window", 5, 5, 1),
        case("a little more", 6, 5, 1),
        case("two windows, to the end", 9, 5, 1),
        case("no overlap", 15, 5, 0),
        case("no overlap and a rest", 12, 5, 0),
        case("no whole seconds", 7.5, 3.0, 0.5),
        case("a window of less than a second", 1.75, 0.75, 0.25),
        case("a length of no whole seconds", 9.25, 5, 1),
        case("half a second over", 5.5, 5, 1),
    ],
    draw=_some_window,
    draws=60,
    atol=1e-9,
    hints=(
        "Go on from start to start until a window reaches the end; that one ends there, and is the last.",
        "while True: append (start, min(start + window, seconds)); stop if start + window >= seconds; "
        "start += window - overlap.",
    ),
    mistakes={
        "the first window that reaches the end is the last": _every_start,
        "the last window ends with the recording": lambda seconds, window, overlap: [
            (start, start + window) for start, _ in windows.reference(seconds, window, overlap)
        ],
        "each starts window - overlap after the one before": lambda seconds, window, overlap: windows.reference(
            seconds, window, 0
        ),
        "the end is asked for, not the length": lambda *args: [
            (start, end - start) for start, end in windows.reference(*args)
        ],
    },
)
def windows(seconds, window, overlap):
    found, start = [], 0
    while True:
        found.append((start, min(start + window, seconds)))
        if start + window >= seconds:
            return found
        start += window - overlap


LIMIT = 10 ** (-45 / 20)  # -45 dB as a root mean square


def _moments(wave, rate):
    step = rate // 50
    return wave[: len(wave) // step * step].reshape(-1, step).astype(np.float64)


def _levels(wave, rate):
    return np.sqrt((_moments(wave, rate) ** 2).mean(axis=1))


def _wave(levels, rate, rest=0, shape="square", offset=0.0):
    """Moments of given root mean squares, each of one shape, and a rest behind them."""
    step = rate // 50
    turns = {
        "square": np.where(np.arange(step) % 2, -1.0, 1.0),
        "tone": np.sqrt(2) * np.sin(np.arange(step) * 2 * np.pi * 8 / step),
        "click": np.sqrt(step) * (np.arange(step) == step // 2),
        "flat": np.ones(step),
    }[shape]
    moments = np.outer(levels, turns).ravel()
    return np.concatenate([moments, np.full(rest, offset)]).astype(np.float32)


def _some_wave(rng):
    rate = rng.choice([8_000, 16_000, 11_025, 44_100])
    levels = [LIMIT * rng.choice([0, 0.8, 0.9, 1.1, 1.3, 20]) for _ in range(rng.randint(3, 12))]
    return _wave(levels, rate, rng.randrange(220), rng.choice(["square", "tone", "click", "flat"]), 0.3), rate


LOUD, FAINT = 0.1, 0.004


@exercise(
    "10.3",
    cases=[
        case("silence", np.zeros(1_600, np.float32), 8_000),
        case("five loud moments", _wave([0] * 4 + [LOUD] * 5 + [0] * 9, 8_000), 8_000),
        case("four loud moments: a click", _wave([0] * 4 + [0.9] * 4 + [0] * 9, 8_000), 8_000),
        case("five loud moments, not in a row", _wave([LOUD, 0] * 5, 8_000), 8_000),
        case("a long faint hiss", _wave([FAINT] * 25, 8_000), 8_000),
        case("just loud enough", _wave([0.006] * 25, 8_000), 8_000),
        case("just not loud enough", _wave([0.0055] * 25, 8_000), 8_000),
        case("a faint tone with its peaks above the limit", _wave([0.0045] * 25, 8_000, shape="tone"), 8_000),
        case("a tone just loud enough", _wave([0.006] * 25, 8_000, shape="tone"), 8_000),
        case("clicks in silence: loud by their power", _wave([0.02] * 6, 8_000, shape="click"), 8_000),
        case("a current that stands off zero", _wave([0.05] * 6, 8_000, shape="flat"), 8_000),
        case("the first moment is silent", _wave([0] + [LOUD] * 6, 8_000), 8_000),
        case("the first moment alone is loud", _wave([LOUD] + [0] * 6, 8_000), 8_000),
        case("one very loud moment among many", _wave([0.9] + [0] * 24, 8_000), 8_000),
        case("another rate", _wave([LOUD] * 5 + [0] * 2, 16_000), 16_000),
        case("another rate: four moments are not five", _wave([0, LOUD, LOUD, LOUD, LOUD, 0], 44_100), 44_100),
        case("a rate whose fiftieth is no whole number", _wave([LOUD] * 5, 11_025), 11_025),
        case("a loud rest that is no whole moment", _wave([LOUD] * 4, 8_000, 150, offset=0.9), 8_000),
        case("a rest that lacks one sample", _wave([LOUD] * 4, 8_000, 159, offset=0.9), 8_000),
        case("shorter than one moment", np.full(100, 0.5, np.float32), 8_000),
    ],
    draw=_some_wave,
    draws=60,
    hints=(
        "For each moment the level, from the root mean square; then count the loud ones, wherever they stand.",
        "step = rate // 50; reshape to (-1, step) without the rest; -45 dB is the value 10 ** (-45 / 20).",
    ),
    mistakes={
        "count loud moments, not the clip as a whole": lambda wave, rate: bool(
            np.sqrt(np.mean(wave.astype(float) ** 2)) > LIMIT
        ),
        "count loud moments, not samples": lambda wave, rate: bool((abs(wave) > LIMIT).sum() >= 5),
        "the level is the root mean square, not the peak": lambda wave, rate: bool(
            (abs(_moments(wave, rate)).max(axis=1) > LIMIT).sum() >= 5
        ),
        "the level is the root mean square, not the mean of |x|": lambda wave, rate: bool(
            (abs(_moments(wave, rate)).mean(axis=1) > LIMIT).sum() >= 5
        ),
        "the level is the root mean square; the standard deviation leaves out what stands off zero": (
            lambda wave, rate: bool((_moments(wave, rate).std(axis=1) > LIMIT).sum() >= 5)
        ),
        "20 log10 of the root mean square, or 10 log10 of its square": lambda wave, rate: bool(
            (_levels(wave, rate) > 10 ** (-45 / 10)).sum() >= 5
        ),
        "five are enough": lambda wave, rate: bool((_levels(wave, rate) > LIMIT).sum() > 5),
    },
)
def worth_asking(wave, rate):
    return bool((_levels(wave, rate) > LIMIT).sum() >= 5)


@exercise(
    "10.4",
    cases=[
        case(None, language, task, timestamps)
        for language in ("en", "zh", "de")
        for task in ("transcribe", "translate")
        for timestamps in (False, True)
    ],
    hints=(
        "Four tokens in a row, the last one only without time stamps. Section 1 prints such a prompt.",
        '"<|startoftranscript|>", "<|zh|>", "<|transcribe|>", and "<|notimestamps|>" if timestamps is False.',
    ),
    mistakes={
        "<|notimestamps|> forbids them: leave it out where they are wanted": lambda language, task, timestamps: (
            whisper_prompt.reference(language, task, not timestamps)
        ),
        "no spaces between the tokens": lambda language, task, timestamps: whisper_prompt.reference(
            language, task, timestamps
        ).replace("><", "> <"),
        "first the language, then the task": lambda language, task, timestamps: whisper_prompt.reference(
            task, language, timestamps
        ),
        "the task is an argument": lambda language, task, timestamps: whisper_prompt.reference(
            language, "transcribe", timestamps
        ),
        "the language is an argument": lambda language, task, timestamps: whisper_prompt.reference(
            "en", task, timestamps
        ),
    },
)
def whisper_prompt(language, task, timestamps):
    names = ["startoftranscript", language, task] + ([] if timestamps else ["notimestamps"])
    return "".join(f"<|{name}|>" for name in names)
