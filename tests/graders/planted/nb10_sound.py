"""Planted answers to the exercises of 10_ask_about_sound."""

import numpy as np

from . import wrong


@wrong("word_error_rate")
def wer_of_letters(said, written):
    from torchaudio.functional import edit_distance

    return edit_distance(said, written) / max(1, len(said))


@wrong("word_error_rate")
def wer_by_position(said, written):
    a, b = said.split(), written.split()
    wrong = sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))
    return wrong / max(1, len(a))


@wrong("word_error_rate")
def wer_without_silence(said, written):
    from torchaudio.functional import edit_distance

    if not said:
        return 0.0
    return edit_distance(said.split(), written.split()) / len(said.split())


@wrong("windows")
def windows_with_a_last_one_too_many(seconds, window, overlap):
    starts = range(0, seconds, window - overlap)
    return [(start, min(start + window, seconds)) for start in starts]


@wrong("windows")
def windows_that_run_over(seconds, window, overlap):
    found, start = [(0, window)], 0
    while found[-1][1] < seconds:
        start += window - overlap
        found.append((start, start + window))
    return found


@wrong("worth_asking")
def worth_by_peak(wave, rate):
    return bool((abs(wave) > 10 ** (-45 / 20)).sum() >= 5)


@wrong("worth_asking")
def worth_by_mean_level(wave, rate):
    return bool(np.sqrt(np.mean(np.square(wave))) > 10 ** (-45 / 20))


@wrong("worth_asking")
def worth_with_the_power_scale(wave, rate):
    step = rate // 50
    moments = wave[: len(wave) // step * step].reshape(-1, step).astype(float)
    return bool((np.sqrt((moments**2).mean(axis=1)) > 10 ** (-45 / 10)).sum() >= 5)


@wrong("whisper_prompt")
def prompt_with_spaces(language, task, timestamps):
    return f"<|startoftranscript|> <|{language}|> <|{task}|>" + ("" if timestamps else " <|notimestamps|>")


@wrong("whisper_prompt")
def prompt_with_the_flag_turned(language, task, timestamps):
    return f"<|startoftranscript|><|{language}|><|{task}|>" + ("<|notimestamps|>" if timestamps else "")
