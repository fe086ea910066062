"""Planted answers to the exercises of 04_video."""

import bisect
import math
from fractions import Fraction

import numpy as np
import torch

from . import equivalent, right, wrong


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


@wrong("on_screen")
def the_next_frame(times, seconds):
    return min(len(times) - 1, sum(time <= seconds for time in times))


@wrong("on_screen")
def as_a_float(times, seconds):
    return float(max(0, bisect.bisect_right(times, seconds) - 1))


@wrong("on_screen")
def none_before_the_start(times, seconds):
    return max((i for i, time in enumerate(times) if time <= seconds), default=None)


@wrong("on_screen")
def stops_at_whole_seconds(times, seconds):
    return max(0, bisect.bisect_right(times, int(seconds)) - 1)


@wrong("on_screen")
def misses_the_last(times, seconds):
    for i in range(len(times) - 1):
        if times[i] <= seconds < times[i + 1]:
            return i
    return 0


@right("on_screen")
def by_bisect(times, seconds):
    return max(0, bisect.bisect_right(times, seconds) - 1)


@right("on_screen")
def by_numpy(times, seconds):
    return np.maximum(np.searchsorted(np.array(times), seconds, side="right") - 1, 0)


@right("on_screen")
def by_an_early_exit(times, seconds):
    for i, time in enumerate(times):
        if time > seconds:
            return max(i - 1, 0)
    return len(times) - 1


@right("on_screen")
def by_the_last_of_a_list(times, seconds):
    begun = [i for i in range(len(times)) if times[i] <= seconds]
    return begun[-1] if begun else 0


@wrong("true_times")
def divides_by_the_sampling_rate(count, step, source_fps):
    return [i * step / (source_fps / step) for i in range(count)]


@wrong("true_times")
def forgets_what_was_left_out(count, step, source_fps):
    return [i / source_fps for i in range(count)]


@wrong("true_times")
def believes_in_24_frames_a_second(count, step, source_fps):
    return [i * step / 24 for i in range(count)]


@wrong("true_times")
def rounds_the_rate(count, step, source_fps):
    return [i * step / max(1, round(source_fps)) for i in range(count)]


@wrong("true_times")
def rounds_the_times(count, step, source_fps):
    return [round(i * step / source_fps, 3) for i in range(count)]


@wrong("true_times")
def spreads_them_evenly(count, step, source_fps):
    return np.linspace(0, count * step / source_fps, count).tolist()


@wrong("true_times")
def gives_indices(count, step, source_fps):
    return [i * step for i in range(count)]


@wrong("true_times")
def one_too_many(count, step, source_fps):
    return [i * step / source_fps for i in range(count + 1)]


@wrong("true_times")
def counts_up_to_count(count, step, source_fps):
    return [i / source_fps for i in range(0, count, step)]


@right("true_times")
def by_range(count, step, source_fps):
    return [frame / source_fps for frame in range(0, count * step, step)]


@right("true_times")
def by_numpy(count, step, source_fps):
    return np.arange(count) * (step / source_fps)


@right("true_times")
def by_adding(count, step, source_fps):
    times, now = [], 0.0
    for _ in range(count):
        times.append(now)
        now += step / source_fps
    return times


@right("true_times")
def as_tensors(count, step, source_fps):
    return list(torch.arange(count, dtype=torch.float64) * step / source_fps)


@wrong("clip_tokens")
def drops_the_odd_frame(frames, height, width):
    return frames // 2 * (height // 28) * (width // 28)


@wrong("clip_tokens")
def counts_patches_not_tokens(frames, height, width):
    return (frames + 1) // 2 * (height // 14) * (width // 14)


@wrong("clip_tokens")
def pays_for_each_frame(frames, height, width):
    return frames * (height // 28) * (width // 28)


@wrong("clip_tokens")
def rounds_half_to_even(frames, height, width):
    return round(frames / 2) * (height // 28) * (width // 28)


@wrong("clip_tokens")
def merges_one_side(frames, height, width):
    return (frames + 1) // 2 * (height // 28) * (width // 14)


@wrong("clip_tokens")
def rounds_the_product(frames, height, width):
    return math.floor(frames / 2 * (height // 28) * (width // 28))


@wrong("clip_tokens")
def one_step_more(frames, height, width):
    return (frames // 2 + 1) * (height // 28) * (width // 28)


@wrong("clip_tokens")
def merges_time_as_well(frames, height, width):
    return (frames + 3) // 4 * (height // 28) * (width // 28)


@right("clip_tokens")
def with_ceil(frames, height, width):
    return math.ceil(frames / 2) * height * width // 784


@right("clip_tokens")
def with_numpy(frames, height, width):
    return np.ceil(frames / 2) * (height / 28) * (width / 28)


@right("clip_tokens")
def by_patches(frames, height, width):
    frames += frames % 2
    return (frames // 2) * (height // 14) * (width // 14) // 4


@wrong("stretched")
def stretches_the_start_too(start, gt, gh, gw, interval):
    time, row, column = np.indices((gt, gh, gw)).reshape(3, -1)
    return np.stack([((time + start) * interval).astype(int), row + start, column + start])


@wrong("stretched")
def rounds_up(start, gt, gh, gw, interval):
    time, row, column = np.indices((gt, gh, gw)).reshape(3, -1)
    return np.stack([np.ceil(time * interval).astype(int), row, column]) + start


@wrong("stretched")
def rounds_to_the_nearest(start, gt, gh, gw, interval):
    time, row, column = np.indices((gt, gh, gw)).reshape(3, -1)
    return np.stack([np.rint(time * interval).astype(int), row, column]) + start


@wrong("stretched")
def cuts_the_interval(start, gt, gh, gw, interval):
    time, row, column = np.indices((gt, gh, gw)).reshape(3, -1)
    return np.stack([time * int(interval), row, column]) + start


@wrong("stretched")
def exchanges_row_and_column(start, gt, gh, gw, interval):
    time, row, column = np.indices((gt, gh, gw)).reshape(3, -1)
    return np.stack([(time * interval).astype(int), column, row]) + start


@wrong("stretched")
def forgets_the_stretch(start, gt, gh, gw, interval):
    return np.indices((gt, gh, gw)).reshape(3, -1) + start


@wrong("stretched")
def stretches_all(start, gt, gh, gw, interval):
    return (np.indices((gt, gh, gw)).reshape(3, -1) * interval).astype(int) + start


@wrong("stretched")
def time_changes_fastest(start, gt, gh, gw, interval):
    row, column, time = np.indices((gh, gw, gt)).reshape(3, -1)
    return np.stack([(time * interval).astype(int), row, column]) + start


@wrong("stretched")
def leaves_floats(start, gt, gh, gw, interval):
    time, row, column = np.indices((gt, gh, gw)).reshape(3, -1)
    return np.stack([np.floor(time * interval), row, column]) + start


@wrong("stretched")
def one_row_a_token(start, gt, gh, gw, interval):
    time, row, column = np.indices((gt, gh, gw)).reshape(3, -1)
    return (np.stack([(time * interval).astype(int), row, column]) + start).T


@right("stretched")
def in_loops(start, gt, gh, gw, interval):
    places = [
        (start + int(t * interval), start + r, start + c) for t in range(gt) for r in range(gh) for c in range(gw)
    ]
    return np.array(places).T


@right("stretched")
def with_repeat_and_tile(start, gt, gh, gw, interval):
    time = np.repeat(np.floor(np.arange(gt) * interval).astype(np.int64), gh * gw)
    row = np.tile(np.repeat(np.arange(gh), gw), gt)
    return np.stack([time, row, np.tile(np.arange(gw), gt * gh)]) + start


@right("stretched")
def with_torch(start, gt, gh, gw, interval):
    grid = torch.cartesian_prod(torch.arange(gt), torch.arange(gh), torch.arange(gw)).reshape(-1, 3).T.clone()
    grid[0] = (grid[0] * interval).long()
    return grid + start


@right("stretched")
def as_lists(start, gt, gh, gw, interval):
    return in_loops(start, gt, gh, gw, interval).tolist()


@right("true_times")
def with_fractions(count, step, source_fps):
    return [float(Fraction(i * step) / Fraction(source_fps)) for i in range(count)]


TOKENS = "return (frames + 1) // 2 * (height // 28) * (width // 28)"
for side in ("height", "width"):
    mutant = TOKENS.replace(f"({side} // 28)", f"({side} / 28)")
    equivalent("clip_tokens", f"{TOKENS}  ->  {mutant}", "a multiple: the same number, as a float")
GRID = "time, row, column = np.indices((gt, gh, gw)).reshape(3, {})"
equivalent("stretched", f"{GRID.format(-1)}  ->  {GRID.format(-2)}", "numpy takes any negative number for the rest")
