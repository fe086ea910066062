"""Exercises of 04_video."""

from dataclasses import replace

import numpy as np

from mmkit import fusion, video
from mmkit.recipes import QWEN2_VL_VIDEO
from mmkit.tokens import video_tokens

from .mechanism import case, equal, exercise, plain


def _some_times(rng):
    times = sorted(rng.sample(range(200), rng.randrange(1, 9)))
    return [tick / 8 for tick in times], rng.randrange(-8, 220) / 8


def _position(got, want):
    return isinstance(plain(got), int) and equal(got, want)


@exercise(
    "04.1",
    cases=[
        case("between two frames", [0.0, 1.0, 2.0], 1.5),
        case("exactly when a frame begins", [0.0, 1.0, 2.0], 1.0),
        case("the nearest frame has not begun yet", [0.0, 1.0, 5.0], 4.9),
        case("after the last", [0.0, 0.04, 9.0], 20.0),
        case("before the first", [0.5, 1.0], 0.1),
        case("a single frame", [0.0], 3.0),
        case("a clock that does not start at 0", [10.0, 10.5, 12.0], 11.0),
        case("just before a frame begins", [0.0, 1.0, 2.0], 1.999999),
    ],
    draw=_some_times,
    draws=100,
    same=_position,
    hints=(
        "A frame stays until the next one begins: look for the last time that is not later than `seconds`.",
        "sum(time <= seconds for time in times) - 1, and never less than 0.",
    ),
    mistakes={
        "the nearest frame may not have begun": lambda times, seconds: int(
            np.argmin(np.abs(np.array(times) - seconds))
        ),
        "a frame that begins at that very moment is on the screen": lambda times, seconds: max(
            0, sum(time < seconds for time in times) - 1
        ),
        "before the first frame return 0; -1 would be the last one": lambda times, seconds: (
            int(np.searchsorted(times, seconds, side="right")) - 1
        ),
        "that is the frame after it": lambda times, seconds: int(np.searchsorted(times, seconds, side="right")),
        "the position, not the time": lambda times, seconds: times[video.frame_at(np.array(times), seconds)],
        "a position is an int": lambda times, seconds: float(video.frame_at(np.array(times), seconds)),
    },
)
def on_screen(times, seconds):
    return video.frame_at(np.array(times), seconds)


@exercise(
    "04.2",
    cases=[
        case("every frame", 3, 1, 10),
        case("every second frame", 3, 2, 10),
        case("one frame a second", 4, 25, 25),
        case("the first frame alone", 1, 12, 24),
        case("a rate that is no whole number", 3, 30, 30000 / 1001),
        case("one frame a minute", 3, 1, 1 / 60),
    ],
    draw=lambda rng: (rng.randrange(1, 6), rng.randrange(1, 40), rng.choice([5, 24, 29.97, 60])),
    draws=60,
    atol=1e-9,
    hints=(
        "Which frame of the film is the i-th that was kept? When did that one begin?",
        "The i-th kept frame is number i * step of the source; divide by the rate of the source.",
    ),
    mistakes={
        "the position in the kept list is not the index in the source": lambda count, step, source_fps: [
            i / source_fps for i in range(count)
        ],
        "divide by the rate of the source, not by the rate of sampling": lambda count, step, source_fps: [
            i * step / (source_fps / step) for i in range(count)
        ],
        "it begins with frame 0": lambda count, step, source_fps: [
            i * step / source_fps for i in range(1, count + 1)
        ],
        "the film's own rate is given; 24 is a guess": lambda count, step, source_fps: [
            i * step / 24 for i in range(count)
        ],
    },
)
def true_times(count, step, source_fps):
    return [i * step / source_fps for i in range(count)]


FREE = replace(QWEN2_VL_VIDEO, min_pixels=1, max_pixels=10**9)  # no resizing


@exercise(
    "04.3",
    cases=[
        case("two frames of one token", 2, 28, 28),
        case("two temporal patches", 4, 28, 28),
        case("an odd clip", 3, 28, 28),
        case("one frame", 1, 56, 28),
        case("higher than wide", 2, 112, 56),
        case("a film", 24, 280, 504),
        case("a large film", 3, 1120, 1960),
    ],
    draw=lambda rng: (rng.randrange(1, 60), 28 * rng.randrange(1, 70), 28 * rng.randrange(1, 70)),
    draws=80,
    hints=(
        "How many temporal patches, how many tokens down, how many across?",
        "An odd clip repeats its last frame: (frames + 1) // 2 temporal patches; a token covers 28 x 28 pixels.",
    ),
    mistakes={
        "an odd clip repeats its last frame": lambda frames, h, w: frames // 2 * (h // 28) * (w // 28),
        "2 x 2 patches are merged into a token": lambda frames, h, w: (frames + 1) // 2 * (h // 14) * (w // 14),
        "two frames make one temporal patch": lambda frames, h, w: frames * (h // 28) * (w // 28),
    },
)
def clip_tokens(frames, height, width):
    return video_tokens(frames, height, width, FREE)


def _positions(start, gt, gh, gw, interval):
    return fusion.grid_positions(start, (gt, gh, gw), merge=1, interval=interval)


def _draw_positions(args, got, want):
    from mmkit import plots

    if want.shape[1] <= 24 and got.shape == want.shape:
        plots.position_table(got, [2] * want.shape[1], "Yours")
        plots.position_table(want, [2] * want.shape[1], "Expected")


@exercise(
    "04.4",
    cases=[
        case("one token", 0, 1, 1, 1, 1.0),
        case("one picture of two rows", 0, 1, 2, 1, 1.0),
        case("two patches of time", 0, 2, 1, 1, 1.0),
        case("a start", 5, 2, 1, 2, 1.0),
        case("a stretch", 0, 3, 1, 1, 2.0),
        case("a stretch that is no whole number", 3, 4, 1, 1, 1.5),
        case("less than one", 7, 5, 1, 1, 0.25),
        case("nearly the next whole number", 2, 4, 1, 1, 0.99),
        case("all together", 4, 3, 2, 3, 2.5),
    ],
    draw=lambda rng: (
        rng.randrange(40),
        *(rng.randrange(1, 4) for _ in range(3)),
        rng.choice([0.25, 0.5, 1.0, 1.5, 2.0, 4.0]),
    ),
    draws=60,
    plot=_draw_positions,
    hints=(
        "Rows and columns as for a picture, the column changes fastest; only the time is stretched.",
        "np.indices((gt, gh, gw)).reshape(3, -1); time = (time * interval).astype(int); the start comes last.",
    ),
    mistakes={
        "cut off first, then add the start": lambda start, gt, gh, gw, interval: np.concatenate(
            [
                (((_positions(0, gt, gh, gw, 1.0)[:1]) + start) * interval).astype(int),
                _positions(start, gt, gh, gw, 1.0)[1:],
            ]
        ),
        "row and column are exchanged": lambda *args: _positions(*args)[[0, 2, 1]],
        "the time is not stretched": lambda start, gt, gh, gw, interval: _positions(start, gt, gh, gw, 1.0),
        "the start is missing": lambda start, *rest: _positions(0, *rest),
        "the start is added to rows and columns as well": lambda start, *rest: np.concatenate(
            [_positions(start, *rest)[:1], _positions(0, *rest)[1:]]
        ),
        "cut off: 1.5 becomes 1": lambda start, gt, gh, gw, interval: np.concatenate(
            [
                np.ceil(_positions(0, gt, gh, gw, 1.0)[:1] * interval).astype(int) + start,
                _positions(start, gt, gh, gw, 1.0)[1:],
            ]
        ),
        "cut off, do not round": lambda start, gt, gh, gw, interval: np.concatenate(
            [
                np.rint(_positions(0, gt, gh, gw, 1.0)[:1] * interval).astype(int) + start,
                _positions(start, gt, gh, gw, 1.0)[1:],
            ]
        ),
    },
)
def stretched(start, gt, gh, gw, interval):
    return _positions(start, gt, gh, gw, interval)
