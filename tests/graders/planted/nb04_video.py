"""Planted answers to the exercises of 04_video."""

import numpy as np

from . import wrong


@wrong("on_screen")
def takes_the_nearest_frame(times, seconds):
    return int(np.argmin(np.abs(np.array(times) - seconds)))


@wrong("on_screen")
def assumes_a_constant_rate(times, seconds):
    rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 1.0
    return int(min(max(seconds * rate, 0), len(times) - 1))


@wrong("on_screen")
def begins_too_late(times, seconds):
    return max(0, sum(time < seconds for time in times) - 1)


@wrong("on_screen")
def counts_from_the_end_before_the_start(times, seconds):
    return int(np.searchsorted(times, seconds, side="right")) - 1


@wrong("true_times")
def divides_by_the_sampling_rate(count, step, source_fps):
    return [i * step / (source_fps / step) for i in range(count)]


@wrong("true_times")
def forgets_what_was_left_out(count, step, source_fps):
    return [i / source_fps for i in range(count)]


@wrong("true_times")
def believes_in_24_frames_a_second(count, step, source_fps):
    return [i * step / 24 for i in range(count)]


@wrong("clip_tokens")
def drops_the_odd_frame(frames, height, width):
    return frames // 2 * (height // 28) * (width // 28)


@wrong("clip_tokens")
def counts_patches_not_tokens(frames, height, width):
    return (frames + 1) // 2 * (height // 14) * (width // 14)


@wrong("clip_tokens")
def pays_for_each_frame(frames, height, width):
    return frames * (height // 28) * (width // 28)


@wrong("stretched")
def stretches_the_start_too(start, gt, gh, gw, interval):
    time, row, column = np.indices((gt, gh, gw)).reshape(3, -1)
    return np.stack([((time + start) * interval).astype(int), row + start, column + start])


@wrong("stretched")
def rounds_up(start, gt, gh, gw, interval):
    time, row, column = np.indices((gt, gh, gw)).reshape(3, -1)
    return np.stack([np.ceil(time * interval).astype(int), row, column]) + start


@wrong("stretched")
def exchanges_row_and_column(start, gt, gh, gw, interval):
    time, row, column = np.indices((gt, gh, gw)).reshape(3, -1)
    return np.stack([(time * interval).astype(int), column, row]) + start


@wrong("stretched")
def forgets_the_stretch(start, gt, gh, gw, interval):
    return np.indices((gt, gh, gw)).reshape(3, -1) + start
