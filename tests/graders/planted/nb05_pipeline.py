"""Planted answers to the exercises of 05_pipeline."""

import contextlib
import math

import numpy as np
import torch

from . import equivalent, right, wrong


@wrong("safe_map")
def leaves_errors_out(function, inputs):
    results = []
    for each in inputs:
        with contextlib.suppress(Exception):
            results.append(function(each))
    return results


@wrong("safe_map")
def puts_none_in_their_place(function, inputs):
    return [_tried(function, each, lambda error: None) for each in inputs]


@wrong("safe_map")
def puts_text_in_their_place(function, inputs):
    return [_tried(function, each, repr) for each in inputs]


@wrong("safe_map")
def puts_the_class_in_their_place(function, inputs):
    return [_tried(function, each, type) for each in inputs]


@wrong("safe_map")
def puts_one_kind_in_their_place(function, inputs):
    return [_tried(function, each, lambda error: ValueError(str(error))) for each in inputs]


@wrong("safe_map")
def catches_three_kinds(function, inputs):
    results = []
    for each in inputs:
        try:
            results.append(function(each))
        except (ZeroDivisionError, TypeError, ValueError) as error:
            results.append(error)
    return results


@wrong("safe_map")
def stops_at_the_first(function, inputs):
    results = []
    try:
        for each in inputs:
            results.append(function(each))
    except Exception as error:
        results.append(error)
    return results


@wrong("safe_map")
def remembers_by_input(function, inputs):
    return list({each: _tried(function, each, lambda error: error) for each in inputs}.values())


@wrong("safe_map")
def drops_none(function, inputs):
    results = [_tried(function, each, lambda error: error) for each in inputs]
    return [each for each in results if each is not None]


@wrong("safe_map")
def sorts_errors_last(function, inputs):
    results = [_tried(function, each, lambda error: error) for each in inputs]
    return sorted(results, key=lambda each: isinstance(each, Exception))


def _tried(function, each, otherwise):
    try:
        return function(each)
    except Exception as error:
        return otherwise(error)


@right("safe_map")
def with_a_helper(function, inputs):
    return [_tried(function, each, lambda error: error) for each in inputs]


@right("safe_map")
def as_a_tuple(function, inputs):
    return tuple(with_a_helper(function, inputs))


@right("safe_map")
def filled_in(function, inputs):
    results = [None] * len(inputs)
    for at in range(len(inputs)):
        try:
            results[at] = function(inputs[at])
        except BaseException as error:
            results[at] = error
    return results


@wrong("room_left")
def lets_a_full_row_pass(context, text, pictures):
    left = context - text - sum(max(1, round(h / 28)) * max(1, round(w / 28)) for h, w in pictures)
    if left < 0:
        raise ValueError
    return left


@wrong("room_left")
def truncates_in_silence(context, text, pictures):
    return max(0, context - text - _cost(pictures))


@wrong("room_left")
def counts_whole_tiles_only(context, text, pictures):
    return _checked(context - text - sum((h // 28) * (w // 28) for h, w in pictures))


@wrong("room_left")
def has_no_least_side(context, text, pictures):
    return _checked(context - text - sum(round(h / 28) * round(w / 28) for h, w in pictures))


@wrong("room_left")
def has_limits_on_the_area(context, text, pictures):
    from mmkit.recipes import QWEN2_VL
    from mmkit.tokens import image_tokens

    return _checked(context - text - sum(image_tokens(h, w, QWEN2_VL) for h, w in pictures))


@wrong("room_left")
def clamps_the_product(context, text, pictures):
    return _checked(context - text - sum(max(1, round(h / 28) * round(w / 28)) for h, w in pictures))


@wrong("room_left")
def rounds_up(context, text, pictures):
    return _checked(context - text - sum(math.ceil(h / 28) * math.ceil(w / 28) for h, w in pictures))


@wrong("room_left")
def raises_something_else(context, text, pictures):
    left = context - text - _cost(pictures)
    assert left >= 1
    return left


@wrong("room_left")
def returns_the_error(context, text, pictures):
    left = context - text - _cost(pictures)
    return left if left > 0 else ValueError("no room")


@wrong("room_left")
def wants_two_tokens(context, text, pictures):
    left = context - text - _cost(pictures)
    if left <= 1:
        raise ValueError
    return left


def _cost(pictures):
    return sum(max(1, round(h / 28)) * max(1, round(w / 28)) for h, w in pictures)


def _checked(left):
    if left < 1:
        raise ValueError(left)
    return left


@right("room_left")
def one_after_the_other(context, text, pictures):
    left = context - text
    for height, width in pictures:
        left -= max(28, round(height / 28) * 28) * max(28, round(width / 28) * 28) // 784
    if left <= 0:
        raise ValueError("full")
    return left


@right("room_left")
def with_numpy(context, text, pictures):
    tiles = np.maximum(np.round(np.array(pictures).reshape(-1, 2) / 28), 1).prod(axis=1).sum()
    left = context - text - tiles
    if not left > 0:
        raise ValueError
    return left


@right("room_left")
def with_an_error_of_its_own(context, text, pictures):
    class TooLong(ValueError):
        pass

    if context - text - _cost(pictures) < 1:
        raise TooLong
    return context - text - _cost(pictures)


@wrong("pooled_mask")
def looks_at_the_first_frame_only(mask, step):
    return mask[:, ::step]


@wrong("pooled_mask")
def looks_at_the_last_frame_only(mask, step):
    return np.pad(mask, ((0, 0), (0, -mask.shape[1] % step)))[:, step - 1 :: step]


@wrong("pooled_mask")
def wants_all_frames_real(mask, step):
    return _groups(mask, step).all(axis=2)


@wrong("pooled_mask")
def wants_half_of_them(mask, step):
    return _groups(mask, step).mean(axis=2) >= 0.5


@wrong("pooled_mask")
def drops_the_last_place(mask, step):
    width = mask.shape[1] // step * step
    return mask[:, :width].reshape(len(mask), -1, step).any(axis=2)


@wrong("pooled_mask")
def counts_from_the_left(mask, step):
    places = -(-mask.shape[1] // step)
    return np.arange(places) < np.ceil(mask.sum(axis=1, keepdims=True) / step)


@wrong("pooled_mask")
def pads_on_the_left(mask, step):
    return np.pad(mask, ((0, 0), (-mask.shape[1] % step, 0))).reshape(len(mask), -1, step).any(axis=2)


@wrong("pooled_mask")
def fills_up_with_true(mask, step):
    whole = np.pad(mask, ((0, 0), (0, -mask.shape[1] % step)), constant_values=True)
    return whole.reshape(len(mask), -1, step).any(axis=2)


@wrong("pooled_mask")
def joins_over_samples(mask, step):
    return np.resize(mask, (len(mask) * -(-mask.shape[1] // step), step)).any(axis=1).reshape(len(mask), -1)


def _groups(mask, step):
    whole = np.pad(mask, ((0, 0), (0, -mask.shape[1] % step)))
    return whole.reshape(len(mask), -1, step)


@right("pooled_mask")
def slice_by_slice(mask, step):
    return np.stack([mask[:, at : at + step].any(axis=1) for at in range(0, mask.shape[1], step)], axis=1)


@right("pooled_mask")
def with_reduceat(mask, step):
    return np.logical_or.reduceat(mask, np.arange(0, mask.shape[1], step), axis=1)


@right("pooled_mask")
def with_torch(mask, step):
    frames = torch.from_numpy(mask).float()[:, None]
    return (
        torch.nn.functional.max_pool1d(frames, step, step, ceil_mode=True)[:, 0].bool()
        if mask.shape[1] >= step
        else torch.from_numpy(mask).any(1, keepdim=True)
    )


@right("pooled_mask")
def as_lists(mask, step):
    return [[any(row[at : at + step]) for at in range(0, len(row), step)] for row in mask.tolist()]


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


@wrong("down_mix")
def before_is_the_sum_of_powers(channels):
    return _cancels(channels, (channels**2).mean(axis=0).sum())


@wrong("down_mix")
def before_is_the_first_channel(channels):
    return _cancels(channels, np.mean(channels[:, 0] ** 2))


@wrong("down_mix")
def before_is_the_loudest_channel(channels):
    return _cancels(channels, (channels**2).mean(axis=0).max())


@wrong("down_mix")
def before_is_the_quietest_channel(channels):
    return _cancels(channels, (channels**2).mean(axis=0).min())


@wrong("down_mix")
def by_the_peak(channels):
    mean = channels.mean(axis=1)
    return mean, bool((mean**2).max() < (channels**2).max() / 100)


@wrong("down_mix")
def by_the_mean_of_the_size(channels):
    mean = channels.mean(axis=1)
    return mean, bool(abs(mean).mean() < abs(channels).mean() / 100)


@wrong("down_mix")
def by_the_root(channels):
    mean = channels.mean(axis=1)
    return mean, bool(np.sqrt(np.mean(mean**2)) < np.sqrt(np.mean(channels**2)) / 100)


@wrong("down_mix")
def by_the_variance(channels):
    mean = channels.mean(axis=1)
    return mean, bool(mean.var() < channels.var() / 100)


@wrong("down_mix")
def by_a_tenth(channels):
    mean = channels.mean(axis=1)
    return mean, bool(np.mean(mean**2) < np.mean(channels**2) / 10)


@wrong("down_mix")
def by_a_fixed_level(channels):
    mean = channels.mean(axis=1)
    return mean, bool(channels.any() and np.mean(mean**2) < 1e-4)


@wrong("down_mix")
def by_the_opposite(channels):
    return channels.mean(axis=1), bool(channels.any() and np.allclose(channels[:, 0], -channels[:, -1]))


@wrong("down_mix")
def over_time(channels):
    return channels.mean(axis=0), _cancels(channels, np.mean(channels**2))[1]


def _cancels(channels, before):
    mean = channels.mean(axis=1)
    return mean, bool(np.mean(mean**2) < before / 100)


@right("down_mix")
def in_decibels(channels):
    mean = channels.mean(axis=1)
    before, after = (channels**2).mean(), (mean**2).mean()
    return mean, before > 0 and 10 * np.log10(max(after, 1e-300) / before) < -20


@right("down_mix")
def with_torch(channels):
    wave = torch.from_numpy(channels)
    mean = wave.mean(1)
    return mean, (mean.square().mean() * 100 < wave.square().mean())


@right("down_mix")
def by_sums(channels):
    mean = channels.sum(axis=1) / channels.shape[1]
    return [mean, bool((mean**2).sum() * channels.shape[1] < (channels**2).sum() / 100)]


POOLED = "return whole.reshape(len(mask), {}, step).any(axis=2)"
equivalent(
    "pooled_mask", f"{POOLED.format(-1)}  ->  {POOLED.format(-2)}", "numpy takes any negative number for the rest"
)
MIX = "return (mean, bool(before > 0 and after < before / 100))"
for mutant, why in {
    "return (mean, bool(after < before / 100))": "0 is not less than 0",
    "return (mean, bool(before >= 0 and after < before / 100))": "0 is not less than 0",
    "return (mean, bool(before > -1 and after < before / 100))": "0 is not less than 0",
    "return (mean, bool(before > 0 and after <= before / 100))": "two floats that are just equal",
}.items():
    equivalent("down_mix", f"{MIX}  ->  {mutant}", why)
