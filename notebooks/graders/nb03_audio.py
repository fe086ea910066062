"""Exercises of 03_audio."""

import numpy as np

from .mechanism import case, exercise


def _heard(f, rate):
    rest = f % rate
    return min(rest, rate - rest)


def _some_tone(rng):
    rate = rng.choice([8_000, 16_000, 11_025, 7_351])
    return rng.choice([0, rate // 2, rng.randint(1, rate // 2)]), rate, rng.randint(0, 60_000)


@exercise(
    "03.1",
    cases=[
        case("itself and the first mirror", 3_000, 8_000, 5_000),
        case("one more", 3_000, 8_000, 11_000),
        case("many", 1_000, 8_000, 40_000),
        case("just not the last one", 1_000, 8_000, 39_000 - 1),
        case("the mirror of a low tone", 100, 16_000, 16_100),
        case("half the rate: two of them are one", 4_000, 8_000, 30_000),
        case("no tone at all sounds like the rate", 0, 8_000, 20_000),
        case("nothing up to there", 3_000, 8_000, 2_999),
        case("a rate that is odd", 5_000, 11_025, 60_000),
    ],
    draw=_some_tone,
    hints=(
        "The samples cannot tell f from f plus or minus the rate, nor from -f. Write these down for rate = 8000.",
        "k * rate + f and k * rate - f for k = 0, 1, 2 ...; keep those from 0 to highest, each once, sorted.",
    ),
    mistakes={
        "k * rate - f sounds like f as well: it is mirrored": lambda f, rate, highest: list(
            range(f, highest + 1, rate)
        ),
        "it goes on: the rate's multiples, too": lambda f, rate, highest: sorted(
            each for each in {f, rate - f} if each <= highest
        ),
        "each once: at 0 and at half the rate two of them are one": lambda f, rate, highest: sorted(
            each
            for k in range(highest // rate + 2)
            for each in (k * rate - f, k * rate + f)
            if 0 <= each <= highest and (k or each == f)
        ),
        "`highest` itself counts": lambda f, rate, highest: [
            each for each in sound_alike.reference(f, rate, highest) if each < highest
        ],
        "the tone at f itself counts": lambda f, rate, highest: [
            each for each in sound_alike.reference(f, rate, highest) if each != f
        ],
        "from the lowest to the highest": lambda f, rate, highest: sound_alike.reference(f, rate, highest)[::-1],
    },
)
def sound_alike(f, rate, highest):
    return [each for each in range(highest + 1) if _heard(each, rate) == f]


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


def _some_values(rng):
    noise = np.random.default_rng(rng.getrandbits(32))
    values = noise.uniform(-0.4, 1, (noise.integers(1, 4), noise.integers(1, 4)))
    return values.round(3), rng.choice([0.01, 0.1, 0.25, 0.5, 1.5, 2, 3, 10, 100])


@exercise(
    "03.3",
    cases=[
        case("nothing changes", np.array([[0.5, -0.25]]), 1),
        case("ten times", np.array([[0.5, -0.25]]), 10),
        case("a tenth", np.array([[0.5, -0.25]]), 0.1),
        case("twice", np.array([[1.0], [0.0], [-0.5]]), 2),
        case("the faintest lies 2 below the loudest, as before", np.array([[1.3, -0.7], [0.2, -0.7]]), 100),
        case("softer, and the faintest lies 2 below", np.array([[1.3, -0.7], [0.2, -0.7]]), 0.1),
    ],
    draw=_some_values,
    draws=30,
    atol=1e-5,
    hints=(
        "What does the gain do to a power? To its logarithm L? To the limit max L - 8? To (L + 4) / 4?",
        "Power times gain ** 2: so every L (the limit, too) grows by 2 * log10(gain), and y by a quarter of that.",
    ),
    mistakes={
        "a power is a square: it grows by gain ** 2": lambda values, gain: values + np.log10(gain) / 4,
        "y = (L + 4) / 4: L grows by 2 log10(gain), y by a quarter of it": lambda values, gain: (
            values + 2 * np.log10(gain)
        ),
        "a logarithm makes a sum of a product": lambda values, gain: values * gain,
        "the logarithm is to base 10": lambda values, gain: values + np.log(gain) / 2,
        "the 4 is added whatever the gain is": lambda values, gain: values + (2 * np.log10(gain) + 4) / 4,
        "the limit moves with the loudest": lambda values, gain: np.maximum(
            values + np.log10(gain) / 2, values.min()
        ),
        "that holds for decibels; Whisper's values are no decibels": lambda values, gain: (
            values + 20 * np.log10(gain)
        ),
    },
)
def louder(values, gain):
    return values + np.log10(gain) / 2


def _tokens(samples):
    frames = -(-min(samples, 480_000) // 160)
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


@exercise(
    "03.4",
    cases=[
        case("one second: 25 tokens", 25),
        case("one token", 1),
        case("two tokens", 2),
        case("ten seconds", 250),
        case("the last budget that cuts", 749),
        case("30 s", 750),
        case("more than any clip takes", 751),
        case("far more", 5_000),
    ],
    draw=lambda rng: (rng.randint(1, 900),),
    draws=15,
    hints=(
        "Try a few: how many frames still cost 25 tokens? How many 26? Then from frames to samples.",
        "Four frames make a token, and two more come free: 160 * (4 * budget + 2) samples, at most 480,000.",
    ),
    mistakes={
        "a little more fits than budget / 25 seconds: the halvings round down": lambda budget: min(
            480_000, budget * 640
        ),
        "behind 30 s nothing is heard: at most 480,000": lambda budget: 160 * (4 * budget + 2),
        "one frame more still fits": lambda budget: min(480_000, 160 * (4 * budget + 1)),
        "that is one frame too many": lambda budget: min(480_000, 160 * (4 * budget + 3)),
        "in samples, not in frames": lambda budget: min(3_000, 4 * budget + 2),
        "in samples, not in seconds": lambda budget: min(480_000, 160 * (4 * budget + 2)) / 16_000,
        "one sample more would cost one token more; this one costs too much already": lambda budget: min(
            480_000, 160 * (4 * budget + 2) + 1
        ),
    },
)
def samples_that_fit(budget):
    return max(samples for samples in range(160, 480_001, 160) if _tokens(samples) <= budget)
