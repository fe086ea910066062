"""Exercises of 03_audio."""

import numpy as np

from .mechanism import case, exercise


@exercise(
    "03.1",
    cases=[
        case("below half the rate", 3_000, 16_000),
        case("half the rate", 8_000, 16_000),
        case("just above it", 9_000, 16_000),
        case("the rate itself", 16_000, 16_000),
        case("above the rate", 17_000, 16_000),
        case("between the rate and its double", 30_000, 16_000),
        case("far above", 100_000, 44_100),
        case("no whole number", 9_000.25, 16_000),
        case("a rate that is none either", 5_000.5, 7_350.75),
        case("nothing moves", 0, 8_000),
    ],
    draw=lambda rng: (rng.randint(1, 800_000) / 4, rng.choice([8_000, 16_000, 44_100])),
    atol=1e-6,
    hints=(
        "The samples cannot tell f from f plus or minus the rate. How far is the nearest multiple of the rate?",
        "rest = f % rate is the way from the multiple below; rate - rest is the way to the one above.",
    ),
    mistakes={
        "a tone above the rate folds more than once": lambda f, rate: f if f <= rate / 2 else abs(rate - f),
        "above rate / 2 it is mirrored": lambda f, rate: f % rate,
        "without a filter it does not vanish; it is heard at another place": lambda f, rate: (
            f if f <= rate / 2 else 0
        ),
        "a frequency need not be a whole number": lambda f, rate: int(min(f % rate, rate - f % rate)),
    },
)
def heard_at(f, rate):
    rest = f % rate
    return min(rest, rate - rest)


def _some_pcm(rng):
    noise = np.random.default_rng(rng.getrandbits(32))
    return (noise.integers(-32_768, 32_768, (noise.integers(1, 6), noise.integers(1, 4))).astype(np.int16),)


def _mean_of(pcm, full_scale):
    return pcm.astype(np.float64).mean(axis=1) / full_scale


@exercise(
    "03.2",
    cases=[
        case("one channel", np.array([[16_384], [-32_768]], np.int16)),
        case("two channels", np.array([[8_192, 0], [0, -8_192]], np.int16)),
        case("a sum that int16 cannot hold", np.array([[20_000, 20_000]], np.int16)),
        case("a negative sum that it cannot hold", np.array([[-30_000, -30_000]], np.int16)),
        case("an odd sum", np.array([[1, 2]], np.int16)),
        case("opposite channels", np.array([[700, -700], [-5, 5]], np.int16)),
        case("more channels than samples", np.array([[1_000, 2_000, 3_000]], np.int16)),
        case("loud on one side only", np.array([[32_767, 0], [0, 32_767]], np.int16)),
        case("as many channels as samples", np.array([[4_096, 8_192], [16_384, 0]], np.int16)),
    ],
    draw=_some_pcm,
    draws=30,
    atol=1e-6,
    hints=(
        "One value for each moment: make floats first, then take the mean over the channels.",
        "pcm.astype(np.float64).mean(axis=1) / 32768: then -32768 becomes exactly -1.",
    ),
    mistakes={
        "full scale is 32768: then -32768 becomes exactly -1": lambda pcm: _mean_of(pcm, 32767),
        "the mean, not the sum": lambda pcm: pcm.astype(np.float64).sum(axis=1) / 32768,
        "int16 overflows: make floats before you add": (
            lambda pcm: pcm.sum(axis=1, dtype=np.int16) / pcm.shape[1] / 32768
        ),
        "divide by 32768, so that full scale is 1": lambda pcm: _mean_of(pcm, 1),
        "that is one channel; the mean of all is asked": lambda pcm: pcm[:, 0] / 32768,
        "axis 1 holds the channels": lambda pcm: pcm.astype(np.float64).mean(axis=0) / 32768,
    },
)
def to_mono(pcm):
    return _mean_of(pcm, 32768)


def _some_power(rng):
    noise = np.random.default_rng(rng.getrandbits(32))
    return (10.0 ** noise.uniform(-14, 4, (noise.integers(1, 4), noise.integers(1, 4))),)


def _log(power, floor=1e-10):
    return np.log10(np.maximum(power, floor))


@exercise(
    "03.3",
    cases=[
        case("silence", np.zeros((2, 3))),
        case("one loud value", np.array([[1.0, 1e-12], [1e-3, 1e-9]])),
        case("nothing loud", np.array([[1e-7, 1e-8, 0.0]])),
        case("very loud", np.array([[1e6, 1.0], [1e-4, 0.0]])),
        case("quiet frames beside a loud one", np.array([[1e2, 1e-9], [1e1, 1e-7]])),
        case("just at the floor", np.array([[1e-10, 3e-10, 1e-3]])),
    ],
    draw=_some_power,
    draws=30,
    atol=1e-5,
    hints=(
        "Four steps: floor, logarithm to base 10, a limit below the largest value of all, scale.",
        "log = np.log10(np.maximum(power, 1e-10)); then np.maximum(log, log.max() - 8); then (log + 4) / 4.",
    ),
    mistakes={
        "the logarithm is to base 10": lambda power: (
            (np.maximum(log := _log(power) * np.log(10), log.max() - 8) + 4) / 4
        ),
        "nothing lies more than 8 below the loudest": lambda power: (_log(power) + 4) / 4,
        "the loudest of all, not of each frame": lambda power: (
            (np.maximum(log := _log(power), log.max(axis=0) - 8) + 4) / 4
        ),
        "the floor replaces small values; it is not added": lambda power: (
            (np.maximum(log := np.log10(power + 1e-10), log.max() - 8) + 4) / 4
        ),
        "the scale comes last: (L + 4) / 4": lambda power: np.maximum(log := _log(power), log.max() - 8),
    },
)
def whisper_scale(power):
    log = _log(power)
    return (np.maximum(log, log.max() - 8) + 4) / 4


def _tokens_of_frames(frames):
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


def _some_recording(rng):
    while True:
        samples, rate = rng.randint(2_000, 3_000_000), rng.choice([8_000, 16_000, 22_050, 44_100, 48_000])
        if samples * 16_000 % rate * 2 != rate:  # the text does not say where an exact half goes
            return samples, rate


@exercise(
    "03.4",
    cases=[
        case("one second", 16_000, 16_000),
        case("one second of music", 44_100, 44_100),
        case("the last sample that is free", 16_320, 16_000),
        case("one sample more", 16_321, 16_000),
        case("a telephone", 12_345, 8_000),
        case("rounded up to the nearest sample", 2_648, 44_100),
        case("rounded down to the nearest sample", 44_983, 44_100),
        case("exactly 30 s", 480_000, 16_000),
        case("one sample over 30 s", 480_001, 16_000),
        case("an hour", 3_600 * 48_000, 48_000),
        case("a tenth of a second", 1_600, 16_000),
    ],
    draw=_some_recording,
    hints=(
        "Four steps: samples at 16,000 Hz; at most 30 s; a frame for each 160, begun ones too; two halvings.",
        "frames = -(-min(round(samples * 16000 / rate), 480000) // 160); then (frames - 1) // 2 + 1, "
        "and (that - 2) // 2 + 1.",
    ),
    mistakes={
        "it is 25 tokens a second only nearly: follow the formula of section 9": (
            lambda samples, rate: int(25 * min(samples / rate, 30))
        ),
        "resample first: the rate has not been used": lambda samples, rate: _tokens_of_frames(
            -(-min(samples, 480_000) // 160)
        ),
        "what lies behind 30 s is cut off": lambda samples, rate: _tokens_of_frames(
            -(-round(samples * 16_000 / rate) // 160)
        ),
        "a begun frame counts": lambda samples, rate: _tokens_of_frames(
            min(round(samples * 16_000 / rate), 480_000) // 160
        ),
        "samples at 16,000 Hz are rounded to the nearest, not down": lambda samples, rate: _tokens_of_frames(
            -(-min(samples * 16_000 // rate, 480_000) // 160)
        ),
    },
)
def price(samples, rate):
    at_16k = round(samples * 16_000 / rate)
    return _tokens_of_frames(-(-min(at_16k, 480_000) // 160))
