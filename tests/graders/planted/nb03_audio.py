"""Planted answers to the exercises of 03_audio."""

import numpy as np

from . import wrong


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
