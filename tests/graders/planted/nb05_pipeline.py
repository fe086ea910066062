"""Planted answers to the exercises of 05_pipeline."""

import contextlib

import numpy as np

from . import wrong


@wrong("safe_map")
def leaves_errors_out(function, inputs):
    results = []
    for each in inputs:
        with contextlib.suppress(Exception):
            results.append(function(each))
    return results


@wrong("safe_map")
def puts_none_in_their_place(function, inputs):
    results = []
    for each in inputs:
        try:
            results.append(function(each))
        except Exception:
            results.append(None)
    return results


@wrong("safe_map")
def catches_one_kind(function, inputs):
    results = []
    for each in inputs:
        try:
            results.append(function(each))
        except ZeroDivisionError as error:
            results.append(error)
    return results


@wrong("room_left")
def lets_a_full_row_pass(context, text, pictures):
    left = context - text - sum(max(1, round(h / 28)) * max(1, round(w / 28)) for h, w in pictures)
    if left < 0:
        raise ValueError
    return left


@wrong("room_left")
def truncates_in_silence(context, text, pictures):
    return max(0, context - text - sum(round(h / 28) * round(w / 28) for h, w in pictures))


@wrong("room_left")
def counts_whole_tiles_only(context, text, pictures):
    left = context - text - sum((h // 28) * (w // 28) for h, w in pictures)
    if left < 1:
        raise ValueError
    return left


@wrong("pooled_mask")
def looks_at_the_first_frame_only(mask, step):
    return mask[:, ::step]


@wrong("pooled_mask")
def wants_all_frames_real(mask, step):
    whole = np.pad(mask, ((0, 0), (0, -mask.shape[1] % step)))
    return whole.reshape(len(mask), -1, step).all(axis=2)


@wrong("pooled_mask")
def drops_the_last_place(mask, step):
    width = mask.shape[1] // step * step
    return mask[:, :width].reshape(len(mask), -1, step).any(axis=2)


@wrong("down_mix")
def asks_for_exact_silence(channels):
    mean = channels.mean(axis=1)
    return mean, not mean.any()


@wrong("down_mix")
def takes_silence_for_cancelling(channels):
    mean = channels.mean(axis=1)
    return mean, bool(np.mean(mean**2) <= np.mean(channels**2) / 100)


@wrong("down_mix")
def takes_the_first_channel(channels):
    return channels[:, 0], False
