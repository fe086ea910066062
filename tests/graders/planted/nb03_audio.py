"""Planted answers to the exercises of 03_audio."""

import numpy as np
import torch

from . import right, wrong


@wrong("sound_alike")
def only_upward(f, rate, highest):
    return list(range(f, highest + 1, rate))


@wrong("sound_alike")
def counts_some_twice(f, rate, highest):
    found = [k * rate + sign * f for k in range(highest // rate + 2) for sign in (-1, 1)]
    return sorted(each for each in found if 0 <= each <= highest)


@wrong("sound_alike")
def as_they_come(f, rate, highest):
    found = [f]
    for k in range(1, highest // rate + 2):
        found += [k * rate + f, k * rate - f]
    return list(dict.fromkeys(each for each in found if each <= highest))


@wrong("sound_alike")
def one_multiple_too_few(f, rate, highest):
    found = {k * rate + sign * f for k in range(highest // rate + 1) for sign in (-1, 1)}
    return sorted(each for each in found if 0 <= each <= highest)


@wrong("sound_alike")
def negative_ones_too(f, rate, highest):
    found = {k * rate + sign * f for k in range(highest // rate + 2) for sign in (-1, 1)}
    return sorted(each for each in found if each <= highest)


@wrong("sound_alike")
def multiples_of_half_the_rate(f, rate, highest):
    found = {k * rate // 2 + f for k in range(2 * highest // rate + 2)}
    return sorted(each for each in found if each <= highest)


@wrong("sound_alike")
def harmonics(f, rate, highest):
    return list(range(f, highest + 1, f)) if f else [0]


@wrong("sound_alike")
def how_many(f, rate, highest):
    return len([g for g in range(highest + 1) if abs(g - rate * round(g / rate)) == f])


@right("sound_alike")
def by_trying_all(f, rate, highest):
    return [g for g in range(highest + 1) if abs(g - rate * round(g / rate)) == f]


@right("sound_alike")
def by_numpy(f, rate, highest):
    g = np.arange(highest + 1)
    return g[np.minimum(g % rate, -g % rate) == f]


@right("sound_alike")
def step_by_step(f, rate, highest):
    found, g, mirror = [], f, 2 * f % rate != 0
    while g <= highest:
        found.append(g)
        if mirror and g + rate - 2 * f <= highest:
            found.append(g + rate - 2 * f)
        g += rate
    return tuple(found)


@right("sound_alike")
def by_two_sequences(f, rate, highest):
    return sorted(set(range(f, highest + 1, rate)) | set(range(rate - f, highest + 1, rate)))


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
def divides_by_two(pcm):
    return pcm.astype(np.float64).sum(axis=1) / 2 / 32768


@wrong("to_mono")
def drops_halves(pcm):
    return pcm.mean(axis=1).astype(np.int16) / 32768


@wrong("to_mono")
def keeps_an_axis(pcm):
    return pcm.mean(axis=1, keepdims=True) / 32768


@wrong("to_mono")
def divides_by_the_peak(pcm):
    mean = pcm.mean(axis=1)
    return mean / max(1, abs(mean).max())


@wrong("to_mono")
def takes_the_louder_channel(pcm):
    return pcm.max(axis=1) / 32768


@wrong("to_mono")
def divides_by_65536(pcm):
    return pcm.mean(axis=1) / 65536


@right("to_mono")
def numpy_means_are_floats(pcm):
    return pcm.mean(axis=1) / 2**15


@right("to_mono")
def scales_first(pcm):
    return (pcm.astype(np.float32) / 32768).mean(-1)


@right("to_mono")
def with_torch(pcm):
    return torch.from_numpy(pcm).double().mean(1) / 32768


@right("to_mono")
def as_a_list(pcm):
    return [sum(int(value) for value in row) / len(row) / 32768 for row in pcm]


@wrong("louder")
def adds_the_gain(values, gain):
    return values + gain


@wrong("louder")
def in_decibels(values, gain):
    return values + 10 * np.log10(gain)


@wrong("louder")
def forgets_the_square(values, gain):
    return (np.log10(gain) + 4 * values) / 4


@wrong("louder")
def does_nothing(values, gain):
    return values.copy()


@wrong("louder")
def keeps_the_old_limit(values, gain):
    power = 10 ** (4 * values - 4) * gain**2
    log = np.log10(power)
    return (np.maximum(log, (4 * values - 4).max() - 8) + 4) / 4


@wrong("louder")
def limits_at_one(values, gain):
    return np.minimum(values + np.log10(gain) / 2, 1.0)


@wrong("louder")
def in_the_callers_array(values, gain):
    values += np.log10(gain) / 2
    return values


@wrong("louder")
def only_upward_gains(values, gain):
    return values + abs(np.log10(gain)) / 2


@right("louder")
def through_the_power(values, gain):
    power = 10 ** (4 * values - 4) * gain**2
    log = np.log10(np.maximum(power, 1e-10))
    return (np.maximum(log, log.max() - 8) + 4) / 4


@right("louder")
def by_the_square(values, gain):
    return values + np.log10(gain**2) / 4


@right("louder")
def with_torch(values, gain):
    return torch.from_numpy(values) + 0.5 * torch.log10(torch.tensor(float(gain)))


@wrong("samples_that_fit")
def twenty_five_a_second(budget):
    return min(480_000, budget * 16_000 // 25)


@wrong("samples_that_fit")
def without_a_limit(budget):
    return 160 * (4 * budget + 2)


@wrong("samples_that_fit")
def two_more_frames(budget):
    return min(480_000, 160 * (4 * budget + 4))


@wrong("samples_that_fit")
def the_fewest_samples(budget):
    return next((n for n in range(0, 480_001, 160) if _tokens(n) >= budget), 480_000)


@wrong("samples_that_fit")
def the_last_whole_second(budget):
    return min(480_000, 160 * (4 * budget + 2)) // 16_000 * 16_000


@wrong("samples_that_fit")
def the_limit_in_tokens(budget):
    return 160 * (4 * min(budget, 750) + 2)


@wrong("samples_that_fit")
def the_last_frame_begun(budget):
    return min(480_000, 160 * (4 * budget + 1) + 1)


def _tokens(samples):
    frames = -(-min(samples, 480_000) // 160)
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


@right("samples_that_fit")
def by_halving(budget):
    low, high = 0, 480_000
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _tokens(middle) <= budget else (low, middle - 1)
    return low


@right("samples_that_fit")
def by_the_frame(budget):
    frames = 1
    while frames < 3000 and _tokens(160 * (frames + 1)) <= budget:
        frames += 1
    return frames * 160


@right("samples_that_fit")
def by_the_free_sample(budget):
    return 480_000 if budget >= 750 else 640 * budget + 320


@right("samples_that_fit")
def by_numpy(budget):
    samples = np.arange(480_001)
    frames = -(-samples // 160)
    return samples[((frames - 1) // 2 + 1 - 2) // 2 + 1 <= budget].max()
