"""Exercises of 05_pipeline."""

import json

import numpy as np

from .mechanism import case, exercise


class Unreadable(Exception):
    """An error class that no list of known errors holds."""


def minutes(value):
    return None if value is None else 60 // value


def read(name):
    if name.startswith("broken"):
        raise Unreadable(name)
    return name.upper()


def first_letter(word):
    return next(iter(word))  # of an empty word: StopIteration


def _some_inputs(rng):
    return minutes, [rng.choice([0, 1, 2, 7, None, "x"]) for _ in range(rng.randint(1, 9))]


def _caught(function, inputs, kinds):
    """A map that catches some kinds of errors only."""
    results = []
    for each in inputs:
        try:
            results.append(function(each))
        except kinds as error:
            results.append(error)
    return results


@exercise(
    "05.1",
    cases=[
        case("all are good", minutes, [1, 2, 3]),
        case("one fails in the middle", minutes, [1, 0, 3]),
        case("the first fails", minutes, [0, 3]),
        case("all fail, in two ways", minutes, [0, "x"]),
        case("None is a result, too", minutes, [None, 5]),
        case("nothing to do", minutes, []),
        case("the same input twice", minutes, [4, 4]),
        case("a wrong number", int, ["1", "one", "3"]),
        case("a missing key", {"a": 1}.__getitem__, ["a", "b"]),
        case("a missing place", [5, 6].__getitem__, [1, 2]),
        case("a broken row", json.loads, ["1", "{"]),
        case("an error of the function's own", read, ["a.png", "broken.png", "b.png"]),
        case("the error that ends a loop", first_letter, ["ab", "", "c"]),
    ],
    draw=_some_inputs,
    draws=30,
    hints=(
        "A loop with try and except inside, so that one error costs one result.",
        "except Exception as error: results.append(error) puts the error itself where its result would be.",
    ),
    mistakes={
        "every error takes its place in the list, too": lambda function, inputs: [
            each for each in _caught(function, inputs, Exception) if not isinstance(each, Exception)
        ],
        "put the caught error itself there, not None": lambda function, inputs: [
            None if isinstance(each, Exception) else each for each in _caught(function, inputs, Exception)
        ],
        "put the caught error itself there, not its text": lambda function, inputs: [
            str(each) if isinstance(each, Exception) else each for each in _caught(function, inputs, Exception)
        ],
        "a function can raise any Exception: catch them all": lambda function, inputs: _caught(
            function, inputs, (ZeroDivisionError, TypeError)
        ),
    },
)
def safe_map(function, inputs):
    return _caught(function, inputs, Exception)


def _tiles(height, width):
    return max(1, round(height / 28)) * max(1, round(width / 28))


def _left(left, least=1):
    if left < least:
        raise ValueError(f"{left} tokens left")
    return left


def _some_request(rng):
    pictures = [(rng.randint(1, 600), rng.randint(84, 600)) for _ in range(rng.randint(0, 4))]
    return rng.randint(300, 1200), rng.randint(5, 60), pictures


@exercise(
    "05.2",
    cases=[
        case("text alone", 100, 30, []),
        case("one picture", 100, 30, [(112, 112)]),
        case("sides between multiples", 200, 30, [(100, 150)]),
        case("two pictures", 100, 30, [(112, 112), (112, 140)]),
        case("two of one size", 100, 30, [(112, 112), (112, 112)]),
        case("two that cost the same", 100, 30, [(56, 112), (112, 56)]),
        case("one token left", 47, 30, [(112, 112)]),
        case("exactly full: nothing is left", 46, 30, [(112, 112)]),
        case("too long", 40, 30, [(112, 112)]),
        case("the text alone fills it", 30, 30, []),
        case("one token for a tiny picture", 100, 30, [(28, 28)]),
        case("a thin line", 100, 30, [(5, 280)]),
        case("a thin line that stands", 100, 30, [(280, 5)]),
        case("a very long one", 200, 30, [(5, 2800)]),
        case("half-way: Python rounds 2.5 to 2", 100, 30, [(70, 42)]),
        case("no limit on the pixels here", 32_768, 30, [(3000, 4000)]),
    ],
    draw=_some_request,
    hints=(
        "From the limit take the text and the tiles of every picture; look at what is left before returning.",
        "max(1, round(h / 28)) * max(1, round(w / 28)) a picture; less than 1 left: raise ValueError.",
    ),
    mistakes={
        "an answer needs at least one token: 0 is no room": lambda context, text, pictures: _left(
            context - text - sum(_tiles(*each) for each in pictures), least=0
        ),
        "where nothing is left, raise ValueError": lambda context, text, pictures: max(
            0, context - text - sum(_tiles(*each) for each in pictures)
        ),
        "to the nearest multiple, not down": lambda context, text, pictures: _left(
            context - text - sum(max(1, h // 28) * max(1, w // 28) for h, w in pictures)
        ),
        "a side is at least 28: at least one tile": lambda context, text, pictures: _left(
            context - text - sum(round(h / 28) * round(w / 28) for h, w in pictures)
        ),
        "a tile of 28 x 28 pixels costs one token": lambda context, text, pictures: _left(
            context - text - sum(4 * _tiles(*each) for each in pictures)
        ),
        "every picture costs": lambda context, text, pictures: _left(
            context - text - sum(_tiles(*each) for each in pictures[:1])
        ),
    },
)
def room_left(context, text, pictures):
    return _left(context - text - sum(_tiles(*each) for each in pictures))


def _rows(*lengths, width, left=False):
    mask = np.arange(width) < np.array(lengths)[:, None]
    return np.ascontiguousarray(mask[:, ::-1]) if left else mask


def _some_mask(rng):
    width = rng.randint(1, 12)
    lengths = [rng.randint(0, width) for _ in range(rng.randint(1, 4))]
    return _rows(*lengths, width=width, left=rng.random() < 0.5), rng.randint(1, 5)


def _filled(mask, step):
    whole = np.pad(mask, ((0, 0), (0, -mask.shape[1] % step)))
    return whole.reshape(len(mask), -1, step)


@exercise(
    "05.3",
    cases=[
        case("a row without padding", _rows(8, width=8), 4),
        case("one frame in the second place", _rows(5, width=8), 4),
        case("padding on the left", _rows(5, width=8, left=True), 4),
        case("a last place of one frame", _rows(5, 2, width=5), 4),
        case("padding on the left, a last place of one frame", _rows(3, 5, width=5, left=True), 4),
        case("nothing is joined", _rows(2, 3, width=3), 1),
        case("an empty row", _rows(0, 4, width=6), 2),
        case("a step longer than the row", _rows(1, 3, width=3), 5),
    ],
    draw=_some_mask,
    draws=30,
    hints=(
        "Group the frames by `step`, the last group may be shorter; a group is real if any of its frames is.",
        "np.pad with False up to a multiple of step, reshape to (samples, places, step), then .any(axis=2).",
    ),
    mistakes={
        "any of its frames makes a place real, not only the first": lambda mask, step: mask[:, ::step],
        "one real frame is enough": lambda mask, step: _filled(mask, step).all(axis=2),
        "the last, shorter place counts as well": lambda mask, step: (
            mask[:, : mask.shape[1] // step * step].reshape(len(mask), -1, step).any(axis=2)
        ),
        "padding can stand on the left: counting the real frames is not enough": lambda mask, step: (
            np.arange(-(-mask.shape[1] // step)) < -(-mask.sum(1, keepdims=True) // step)
        ),
    },
)
def pooled_mask(mask, step):
    return _filled(mask, step).any(axis=2)


def _power(wave):
    return np.mean(wave**2)


TONE = np.sin(np.arange(8) * 0.9)
CLICK = np.array([0.0, 0, 0, 1.0, 0, 0, 0, 0])


def _channels(*waves):
    return np.stack(waves, axis=1)


def _nearly_opposite(rng):
    noise = np.random.default_rng(rng.getrandbits(32))
    if rng.random() < 0.3:
        return (noise.normal(size=(int(noise.integers(3, 9)), int(noise.integers(1, 4)))),)
    left = noise.normal(size=8)
    pair = [left, -rng.uniform(0.75, 0.9) * left]
    rng.shuffle(pair)
    return (_channels(*pair),)


@exercise(
    "05.4",
    cases=[
        case("one channel", TONE[:, None]),
        case("two alike", _channels(TONE, TONE)),
        case("opposite", _channels(TONE, -TONE)),
        case("nearly opposite", _channels(TONE, -0.9 * TONE)),
        case("a hair less than a hundredth", _channels(TONE, -0.8175 * TONE)),
        case("a hair more than a hundredth", _channels(TONE, -0.8171 * TONE)),
        case("just enough to cancel", _channels(TONE, -0.822 * TONE)),
        case("just not enough", _channels(TONE, -0.813 * TONE)),
        case("the quieter channel first, just enough", _channels(-0.822 * TONE, TONE)),
        case("the quieter channel first, just not enough", _channels(-0.813 * TONE, TONE)),
        case("opposite, and one is half as loud", _channels(TONE, -0.5 * TONE)),
        case("one is silent", _channels(TONE, 0 * TONE)),
        case("silence", np.zeros((4, 2))),
        case("three channels that cancel", _channels(TONE, TONE, -2 * TONE)),
        case("three channels, just not enough", _channels(TONE, TONE, -1.65 * TONE)),
        case("opposite, but both stand off zero", _channels(TONE + 0.5, 0.5 - TONE)),
        case("opposite, but for a click", _channels(TONE, CLICK - TONE)),
        case("opposite, but for a faint click", _channels(TONE, 0.3 * CLICK - TONE)),
        case("a quiet clip", 1e-3 * _channels(TONE, TONE)),
        case("a quiet clip that cancels", 1e-3 * _channels(TONE, -TONE)),
    ],
    draw=_nearly_opposite,
    atol=1e-6,
    hints=(
        "Two results: the mean over axis 1, and a comparison of two mean squares.",
        "before = np.mean(channels**2), after = np.mean(mean**2); cancels: before > 0 and after < before / 100.",
    ),
    mistakes={
        "silence does not cancel: there was nothing to lose": lambda channels: (
            channels.mean(axis=1),
            bool(_power(channels.mean(axis=1)) <= _power(channels) / 100),
        ),
        "a little may be left: compare the powers": lambda channels: (
            channels.mean(axis=1),
            bool(channels.any() and not channels.mean(axis=1).any()),
        ),
        "the mean square of all the channels together, not of the first": lambda channels: (
            channels.mean(axis=1),
            bool(channels.any() and _power(channels.mean(axis=1)) < _power(channels[:, 0]) / 100),
        ),
        "the channels' powers are averaged, not added": lambda channels: (
            channels.mean(axis=1),
            bool(channels.any() and _power(channels.mean(axis=1)) < channels.shape[1] * _power(channels) / 100),
        ),
        "power is the mean square; the variance leaves out what stands off zero": lambda channels: (
            channels.mean(axis=1),
            bool(channels.any() and channels.mean(axis=1).var() < channels.var() / 100),
        ),
        "the mean, not the sum": lambda channels: (channels.sum(axis=1), down_mix.reference(channels)[1]),
    },
)
def down_mix(channels):
    mean = channels.mean(axis=1)
    before, after = _power(channels), _power(mean)
    return mean, bool(before > 0 and after < before / 100)
