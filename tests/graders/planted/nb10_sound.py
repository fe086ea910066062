"""Planted answers to the exercises of 10_ask_about_sound."""

import difflib
import functools

import numpy as np
import torch

from . import equivalent, right, wrong


def _steps(a, b):
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


@wrong("word_error_rate")
def wer_of_letters(said, written):
    return _steps(said, written) / max(1, len(said))


@wrong("word_error_rate")
def wer_by_position(said, written):
    a, b = said.split(), written.split()
    return (sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))) / max(1, len(a))


@wrong("word_error_rate")
def wer_without_silence(said, written):
    return _steps(said.split(), written.split()) / len(said.split()) if said else 0.0


@wrong("word_error_rate")
def wer_by_single_spaces(said, written):
    return _steps(said.split(" "), written.split(" ")) / len(said.split(" "))


@wrong("word_error_rate")
def wer_by_the_longer(said, written):
    a, b = said.split(), written.split()
    return _steps(a, b) / max(1, len(a), len(b))


@wrong("word_error_rate")
def wer_up_to_one(said, written):
    return min(1.0, _steps(said.split(), written.split()) / max(1, len(said.split())))


@wrong("word_error_rate")
def wer_of_sets(said, written):
    a, b = set(said.split()), set(written.split())
    return len(a ^ b) / max(1, len(said.split()))


@wrong("word_error_rate")
def wer_without_changes(said, written):
    a, b = said.split(), written.split()
    same = sum(block.size for block in difflib.SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks())
    return (len(a) + len(b) - 2 * same) / max(1, len(a))


@wrong("word_error_rate")
def wer_in_percent(said, written):
    return 100 * _steps(said.split(), written.split()) / max(1, len(said.split()))


@wrong("word_error_rate")
def wer_without_a_denominator(said, written):
    return _steps(said.split(), written.split())


@wrong("word_error_rate")
def wer_plus_one(said, written):
    return _steps(said.split(), written.split()) / (len(said.split()) + 1)


@right("word_error_rate")
def wer_by_recursion(said, written):
    a, b = said.split(), written.split()

    @functools.cache
    def steps(i, j):
        if i == 0 or j == 0:
            return i + j
        return min(steps(i - 1, j) + 1, steps(i, j - 1) + 1, steps(i - 1, j - 1) + (a[i - 1] != b[j - 1]))

    return steps(len(a), len(b)) / (len(a) or 1)


@right("word_error_rate")
def wer_by_a_table(said, written):
    a, b = said.split(), written.split()
    table = np.zeros((len(a) + 1, len(b) + 1))
    table[:, 0], table[0] = np.arange(len(a) + 1), np.arange(len(b) + 1)
    for i in range(len(a)):
        for j in range(len(b)):
            change = table[i, j] + (0 if a[i] == b[j] else 1)
            table[i + 1, j + 1] = min(change, table[i, j + 1] + 1, table[i + 1, j] + 1)
    return table[-1, -1] / max(len(a), 1)


@right("word_error_rate")
def wer_by_torchaudio(said, written):
    from torchaudio.functional import edit_distance

    return torch.tensor(edit_distance(said.split(), written.split())).double() / max(1, len(said.split()))


@wrong("windows")
def windows_with_a_last_one_too_many(seconds, window, overlap):
    return [(start, min(start + window, seconds)) for start in np.arange(0, seconds, window - overlap).tolist()]


@wrong("windows")
def windows_that_run_over(seconds, window, overlap):
    return [(start, start + window) for start, _ in _windows(seconds, window, overlap)]


@wrong("windows")
def windows_of_whole_seconds(seconds, window, overlap):
    return _windows(int(seconds), int(window) or 1, int(overlap))


@wrong("windows")
def windows_with_whole_ends(seconds, window, overlap):
    return [(start, int(end)) for start, end in _windows(seconds, window, overlap)]


@wrong("windows")
def windows_without_overlap(seconds, window, overlap):
    return _windows(seconds, window, 0)


@wrong("windows")
def windows_that_start_an_overlap_later(seconds, window, overlap):
    return _windows(seconds, window, window - (overlap or window))


@wrong("windows")
def windows_without_the_rest(seconds, window, overlap):
    found = [pair for pair in _windows(seconds, window, overlap) if pair[1] - pair[0] == window]
    return found or [(0, seconds)]


@wrong("windows")
def windows_that_move_the_last(seconds, window, overlap):
    found = _windows(seconds, window, overlap)
    return [*found[:-1], (max(0, seconds - window), seconds)]


@wrong("windows")
def windows_that_never_end(seconds, window, overlap):
    found, start = [], 0
    while start <= seconds:
        found.append((start, min(start + window, seconds)))
        start += window - overlap
    return found


@wrong("windows")
def windows_one_too_few(seconds, window, overlap):
    count = int((seconds - overlap) // (window - overlap)) or 1
    return [(i * (window - overlap), min(i * (window - overlap) + window, seconds)) for i in range(count)]


@wrong("windows")
def windows_as_starts(seconds, window, overlap):
    return [start for start, _ in _windows(seconds, window, overlap)]


def _windows(seconds, window, overlap):
    found, start = [], 0
    while True:
        found.append((start, min(start + window, seconds)))
        if start + window >= seconds or overlap >= window:
            return found
        start += window - overlap


@right("windows")
def windows_as_lists_of_floats(seconds, window, overlap):
    return [[float(start), float(end)] for start, end in _windows(seconds, window, overlap)]


@right("windows")
def windows_by_their_number(seconds, window, overlap):
    step, found, number = window - overlap, [], 0
    while not found or found[-1][1] < seconds:
        found.append((number * step, min(number * step + window, seconds)))
        number += 1
    return found


@right("windows")
def windows_as_an_array(seconds, window, overlap):
    count = max(1, int(np.ceil((seconds - overlap) / (window - overlap))))
    starts = np.arange(count) * (window - overlap)
    return np.stack([starts, np.minimum(starts + window, seconds)], axis=1)


@right("windows")
def windows_by_recursion(seconds, window, overlap, start=0):
    if start + window >= seconds:
        return [(start, seconds)]
    return [(start, start + window), *windows_by_recursion(seconds, window, overlap, start + window - overlap)]


LIMIT = 10 ** (-45 / 20)


def _moments(wave, rate):
    step = rate // 50
    return wave[: len(wave) // step * step].reshape(-1, step).astype(float)


def _five(loud):
    return bool(np.sum(loud) >= 5)


@wrong("worth_asking")
def worth_by_samples(wave, rate):
    return _five(abs(wave) > LIMIT)


@wrong("worth_asking")
def worth_by_the_whole(wave, rate):
    return bool(np.sqrt(np.mean(np.square(wave.astype(float)))) > LIMIT)


@wrong("worth_asking")
def worth_by_peak(wave, rate):
    return _five(abs(_moments(wave, rate)).max(axis=1, initial=0) > LIMIT)


@wrong("worth_asking")
def worth_by_mean_size(wave, rate):
    return _five(abs(_moments(wave, rate)).mean(axis=1) > LIMIT)


@wrong("worth_asking")
def worth_by_std(wave, rate):
    return _five(_moments(wave, rate).std(axis=1) > LIMIT)


@wrong("worth_asking")
def worth_by_the_first(wave, rate):
    moments = _moments(wave, rate)
    return len(moments) >= 5 and bool(np.sqrt((moments[0] ** 2).mean()) > LIMIT)


@wrong("worth_asking")
def worth_by_five_in_a_row(wave, rate):
    loud, run = np.sqrt((_moments(wave, rate) ** 2).mean(axis=1)) > LIMIT, 0
    for each in loud:
        run = run + 1 if each else 0
        if run == 5:
            return True
    return False


@wrong("worth_asking")
def worth_with_the_rest(wave, rate):
    step = rate // 50
    parts = [wave[at : at + step].astype(float) for at in range(0, len(wave), step)]
    return _five([np.sqrt(np.mean(part**2)) > LIMIT for part in parts])


@wrong("worth_asking")
def worth_at_any_rate(wave, rate):
    return _five(np.sqrt((_moments(wave, 8_000) ** 2).mean(axis=1)) > LIMIT)


@wrong("worth_asking")
def worth_at_16_khz(wave, rate):
    return _five(np.sqrt((_moments(wave, 16_000) ** 2).mean(axis=1)) > LIMIT)


@wrong("worth_asking")
def worth_by_power(wave, rate):
    return _five((_moments(wave, rate) ** 2).mean(axis=1) > LIMIT)


@wrong("worth_asking")
def worth_with_the_power_scale(wave, rate):
    return _five(np.sqrt((_moments(wave, rate) ** 2).mean(axis=1)) > 10 ** (-45 / 10))


@wrong("worth_asking")
def worth_below_the_loudest(wave, rate):
    level = np.sqrt((_moments(wave, rate) ** 2).mean(axis=1))
    return bool(len(level) and _five(level > LIMIT * max(level.max(), 1e-9)))


@wrong("worth_asking")
def worth_from_four(wave, rate):
    return bool((np.sqrt((_moments(wave, rate) ** 2).mean(axis=1)) > LIMIT).sum() > 3)


@wrong("worth_asking")
def worth_by_median(wave, rate):
    return _five(np.median(abs(_moments(wave, rate)), axis=1) > LIMIT)


@wrong("worth_asking")
def worth_as_a_number(wave, rate):
    return (np.sqrt((_moments(wave, rate) ** 2).mean(axis=1)) > LIMIT).sum()


@right("worth_asking")
def worth_in_decibels(wave, rate):
    power = (_moments(wave, rate) ** 2).mean(axis=1)
    return _five(10 * np.log10(np.maximum(power, 1e-30)) > -45)


@right("worth_asking")
def worth_in_a_loop(wave, rate):
    step, loud = rate // 50, 0
    for i in range(len(wave) // step):
        moment = wave[i * step : (i + 1) * step].astype(np.float64)
        if sum(moment * moment) / step > 10**-4.5:
            loud += 1
    return loud >= 5


@right("worth_asking")
def worth_with_torch(wave, rate):
    step = rate // 50
    moments = torch.from_numpy(wave).double().unfold(0, step, step) if len(wave) >= step else torch.zeros(1, 1)
    return (moments.square().mean(1).sqrt() > 10 ** (-45 / 20)).sum() >= 5


@wrong("whisper_prompt")
def prompt_with_spaces(language, task, timestamps):
    return f"<|startoftranscript|> <|{language}|> <|{task}|>" + ("" if timestamps else " <|notimestamps|>")


@wrong("whisper_prompt")
def prompt_with_the_flag_turned(language, task, timestamps):
    return f"<|startoftranscript|><|{language}|><|{task}|>" + ("<|notimestamps|>" if timestamps else "")


@wrong("whisper_prompt")
def prompt_with_timestamps_spelled(language, task, timestamps):
    return f"<|startoftranscript|><|{language}|><|{task}|>" + (
        "<|timestamps|>" if timestamps else "<|notimestamps|>"
    )


@wrong("whisper_prompt")
def prompt_without_a_start(language, task, timestamps):
    return f"<|{language}|><|{task}|>" + ("" if timestamps else "<|notimestamps|>")


@wrong("whisper_prompt")
def prompt_that_never_allows(language, task, timestamps):
    return f"<|startoftranscript|><|{language}|><|{task}|><|notimestamps|>"


@wrong("whisper_prompt")
def prompt_with_the_task_first(language, task, timestamps):
    return f"<|startoftranscript|><|{task}|><|{language}|>" + ("" if timestamps else "<|notimestamps|>")


@wrong("whisper_prompt")
def prompt_with_the_flag_second(language, task, timestamps):
    return "<|startoftranscript|>" + ("" if timestamps else "<|notimestamps|>") + f"<|{language}|><|{task}|>"


@wrong("whisper_prompt")
def prompt_without_bars(language, task, timestamps):
    return f"<startoftranscript><{language}><{task}>" + ("" if timestamps else "<notimestamps>")


@right("whisper_prompt")
def prompt_by_adding(language, task, timestamps):
    prompt = "<|startoftranscript|>"
    for name in (language, task):
        prompt += "<|" + name + "|>"
    if not timestamps:
        prompt += "<|notimestamps|>"
    return prompt


@right("whisper_prompt")
def prompt_by_multiplying(language, task, timestamps):
    return "<|startoftranscript|><|%s|><|%s|>%s" % (language, task, "<|notimestamps|>" * (not timestamps))  # noqa: UP031


@right("whisper_prompt")
def prompt_by_format(language, task, timestamps):
    ending = {True: "", False: "<|notimestamps|>"}[timestamps]
    return "<|startoftranscript|><|{}|><|{}|>{}".format(language, task, ending)  # noqa: UP032


MOMENTS = "moments = wave[:len(wave) // step * step].reshape({}, step)"
equivalent("worth_asking", f"{MOMENTS.format(-1)}  ->  {MOMENTS.format(-2)}", "numpy takes any negative number")
LOUD = "return bool((root_mean_square {} 10 ** (-45 / 20)).sum() >= 5)"
equivalent("worth_asking", f"{LOUD.format('>')}  ->  {LOUD.format('>=')}", "two floats that are just equal")
