"""Planted answers to the exercises of 03_audio."""

import numpy as np

from . import wrong


@wrong("heard_at")
def folds_only_once(f, rate):
    return f if f <= rate / 2 else abs(rate - f)


@wrong("heard_at")
def takes_the_remainder(f, rate):
    return f % rate


@wrong("heard_at")
def believes_that_it_vanishes(f, rate):
    return f if f <= rate / 2 else 0


@wrong("to_mono")
def adds_before_it_makes_floats(pcm):
    return (pcm.sum(axis=1, dtype=np.int16) / pcm.shape[1]) / 32768


@wrong("to_mono")
def divides_by_the_largest_integer(pcm):
    return pcm.astype(np.float64).mean(axis=1) / 32767


@wrong("to_mono")
def plays_the_channels_one_after_the_other(pcm):
    return pcm.astype(np.float64).ravel() / 32768


@wrong("to_mono")
def adds_the_channels(pcm):
    return pcm.astype(np.float64).sum(axis=1) / 32768


@wrong("whisper_scale")
def takes_the_natural_logarithm(power):
    log = np.log(np.maximum(power, 1e-10))
    return (np.maximum(log, log.max() - 8) + 4) / 4


@wrong("whisper_scale")
def forgets_the_limit(power):
    return (np.log10(np.maximum(power, 1e-10)) + 4) / 4


@wrong("whisper_scale")
def takes_the_loudest_of_each_frame(power):
    log = np.log10(np.maximum(power, 1e-10))
    return (np.maximum(log, log.max(axis=0) - 8) + 4) / 4


@wrong("whisper_scale")
def adds_instead_of_flooring(power):
    log = np.log10(power + 1e-10)
    return (np.maximum(log, log.max() - 8) + 4) / 4


@wrong("price")
def twenty_five_a_second(samples, rate):
    return int(25 * min(samples / rate, 30))


@wrong("price")
def forgets_to_resample(samples, rate):
    frames = -(-min(samples, 480_000) // 160)
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


@wrong("price")
def forgets_the_window(samples, rate):
    frames = -(-round(samples * 16_000 / rate) // 160)
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


@wrong("price")
def rounds_the_frames_down(samples, rate):
    frames = min(round(samples * 16_000 / rate), 480_000) // 160
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1
