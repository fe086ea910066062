"""Planted answers to the exercises of 08_register_a_model."""

import math
import re

import numpy as np
import torch

from . import equivalent, right, wrong


@wrong("expand_text")
def expands_what_is_expanded_already(prompt, lengths):
    _check(prompt, lengths)
    for token, rows in lengths.items():
        for count in rows:
            prompt = prompt.replace(token, token * count, 1)
    return prompt


@wrong("expand_text")
def leaves_missing_items_alone(prompt, lengths):
    return _expanded(prompt, {t: (rows + [1] * 9)[: prompt.count(t)] for t, rows in lengths.items()})


@wrong("expand_text")
def gives_all_items_the_first_size(prompt, lengths):
    _check(prompt, lengths)
    for token, rows in lengths.items():
        prompt = prompt.replace(token, token * (rows or [1])[0])
    return prompt


@wrong("expand_text")
def checks_only_the_total(prompt, lengths):
    if sum(prompt.count(token) for token in lengths) != sum(map(len, lengths.values())):
        raise ValueError
    return leaves_missing_items_alone(prompt, lengths)


@wrong("expand_text")
def knows_only_two_names(prompt, lengths):
    known = {token: rows for token, rows in lengths.items() if token in ("<|image|>", "<|audio|>")}
    _check(prompt, known)
    return _expanded(prompt, known)


@wrong("expand_text")
def checks_only_for_too_few(prompt, lengths):
    for token, rows in lengths.items():
        if prompt.count(token) > len(rows):
            raise ValueError
    return _expanded(prompt, lengths)


@wrong("expand_text")
def counts_in_order_of_the_kinds(prompt, lengths):
    _check(prompt, lengths)
    counts = iter([count for rows in lengths.values() for count in rows])
    pattern = "|".join(map(re.escape, lengths)) or "$^"
    return re.sub(pattern, lambda hit: hit.group() * next(counts), prompt)


@wrong("expand_text")
def takes_names_for_patterns(prompt, lengths):
    _check(prompt, lengths)
    for token, rows in lengths.items():
        counts = iter(rows)
        prompt = re.sub(token, lambda hit, counts=counts: hit.group() * next(counts), prompt)
    return prompt


@wrong("expand_text")
def from_the_end(prompt, lengths):
    return _expanded(prompt, {token: rows[::-1] for token, rows in lengths.items()}, lengths)


@wrong("expand_text")
def adds_as_many(prompt, lengths):
    return _expanded(prompt, {token: [n + 1 for n in rows] for token, rows in lengths.items()}, lengths)


@wrong("expand_text")
def raises_a_key_error(prompt, lengths):
    for token, rows in lengths.items():
        if prompt.count(token) != len(rows):
            raise KeyError(token)
    return _expanded(prompt, lengths)


@wrong("expand_text")
def returns_the_prompt_if_it_does_not_fit(prompt, lengths):
    try:
        return _expanded(prompt, lengths, lengths)
    except ValueError:
        return prompt


def _check(prompt, lengths):
    for token, rows in lengths.items():
        if prompt.count(token) != len(rows):
            raise ValueError


def _expanded(prompt, lengths, checked=None):
    if checked:
        _check(prompt, checked)
    for token, rows in lengths.items():
        pieces = prompt.split(token)
        prompt = pieces[0]
        for count, piece in zip(rows, pieces[1:], strict=False):
            prompt += token * count + piece
    return prompt


@right("expand_text")
def by_a_pattern(prompt, lengths):
    _check(prompt, lengths)
    counts = {token: iter(rows) for token, rows in lengths.items()}
    pattern = "|".join(map(re.escape, lengths))
    return re.sub(pattern, lambda hit: hit.group() * next(counts[hit.group()]), prompt) if lengths else prompt


@right("expand_text")
def from_left_to_right(prompt, lengths):
    left, out, at = {token: list(rows) for token, rows in lengths.items()}, "", 0
    while at < len(prompt):
        token = next((token for token in left if prompt.startswith(token, at)), None)
        if token is None:
            out += prompt[at]
            at += 1
            continue
        if not left[token]:
            raise ValueError("no item")
        out += token * left[token].pop(0)
        at += len(token)
    if any(left.values()):
        raise ValueError("no placeholder")
    return out


@right("expand_text")
def by_unused_signs(prompt, lengths):
    _check(prompt, lengths)
    for number, (token, rows) in enumerate(lengths.items()):
        for count in rows:
            prompt = prompt.replace(token, chr(0xE000 + number) * count, 1)
    for number, token in enumerate(lengths):
        prompt = prompt.replace(chr(0xE000 + number), token)
    return prompt


@wrong("wrapped_clip")
def drops_a_begun_row(frames, begin, placeholder, end):
    return _wrapped(frames // 4, begin, placeholder, end)


@wrong("wrapped_clip")
def rounds_to_the_nearest(frames, begin, placeholder, end):
    return _wrapped(max(1, round(frames / 4)), begin, placeholder, end)


@wrong("wrapped_clip")
def one_more_row(frames, begin, placeholder, end):
    return _wrapped(frames // 4 + 1, begin, placeholder, end)


@wrong("wrapped_clip")
def fills_the_marks_as_well(frames, begin, placeholder, end):
    tokens = [begin] + [placeholder] * -(-frames // 4) + [end]
    return tokens, [True] * len(tokens)


@wrong("wrapped_clip")
def leaves_the_marks_out(frames, begin, placeholder, end):
    rows = -(-frames // 4)
    return [placeholder] * rows, [True] * rows


@wrong("wrapped_clip")
def compares_the_numbers(frames, begin, placeholder, end):
    tokens, _ = _wrapped(-(-frames // 4), begin, placeholder, end)
    return tokens, [token not in (begin, end) for token in tokens]


@wrong("wrapped_clip")
def marks_each_row(frames, begin, placeholder, end):
    rows = -(-frames // 4)
    return [begin, placeholder, end] * rows, [False, True, False] * rows


@wrong("wrapped_clip")
def turns_the_answer(frames, begin, placeholder, end):
    tokens, receives = _wrapped(-(-frames // 4), begin, placeholder, end)
    return tokens, [not each for each in receives]


@wrong("wrapped_clip")
def a_mask_without_marks(frames, begin, placeholder, end):
    rows = -(-frames // 4)
    return [begin] + [placeholder] * rows + [end], [True] * rows


@wrong("wrapped_clip")
def exchanges_the_marks(frames, begin, placeholder, end):
    return _wrapped(-(-frames // 4), end, placeholder, begin)


def _wrapped(rows, begin, placeholder, end):
    return [begin] + [placeholder] * rows + [end], [False] + [True] * rows + [False]


@right("wrapped_clip")
def with_ceil(frames, begin, placeholder, end):
    return list(_wrapped(math.ceil(frames / 4), begin, placeholder, end))


@right("wrapped_clip")
def with_numpy(frames, begin, placeholder, end):
    tokens = np.full((frames + 3) // 4 + 2, placeholder)
    tokens[0], tokens[-1] = begin, end
    receives = np.ones(len(tokens), bool)
    receives[[0, -1]] = False
    return tokens, receives


@right("wrapped_clip")
def in_a_loop(frames, begin, placeholder, end):
    tokens, receives = [begin], [False]
    while frames > 0:
        tokens.append(placeholder)
        receives.append(True)
        frames -= 4
    return (*[tokens + [end]], receives + [False])


@right("wrapped_clip")
def with_torch(frames, begin, placeholder, end):
    tokens, receives = _wrapped(-(-frames // 4), begin, placeholder, end)
    return torch.tensor(tokens), torch.tensor(receives)


@wrong("embed_clips")
def cuts_nothing(tower, mels, lengths):
    return list(tower(mels))


@wrong("embed_clips")
def cuts_the_rows_afterwards(tower, mels, lengths):
    return [rows[: int(frames) // 4] for rows, frames in zip(tower(mels), lengths, strict=True)]


@wrong("embed_clips")
def cuts_all_to_the_shortest(tower, mels, lengths):
    return list(tower(mels[:, :, : int(min(lengths))]))


@wrong("embed_clips")
def keeps_the_batch_axis(tower, mels, lengths):
    return [tower(mel[None, :, : int(frames)]) for mel, frames in zip(mels, lengths, strict=True)]


@wrong("embed_clips")
def one_long_tensor(tower, mels, lengths):
    return torch.cat(right_clip_by_clip(tower, mels, lengths))


@wrong("embed_clips")
def pads_again(tower, mels, lengths):
    return torch.nn.utils.rnn.pad_sequence(right_clip_by_clip(tower, mels, lengths), batch_first=True)


@wrong("embed_clips")
def cuts_the_bands(tower, mels, lengths):
    return [tower(mel[None, : int(frames)])[0] for mel, frames in zip(mels, lengths, strict=True)]


@wrong("embed_clips")
def in_the_order_of_lengths(tower, mels, lengths):
    return sorted(right_clip_by_clip(tower, mels, lengths), key=len)


@wrong("embed_clips")
def as_double(tower, mels, lengths):
    return [rows.double() + 1e-3 for rows in right_clip_by_clip(tower, mels, lengths)]


@wrong("embed_clips")
def one_frame_too_few(tower, mels, lengths):
    return [tower(mel[None, :, 4 : int(frames)])[0] for mel, frames in zip(mels, lengths, strict=True)]


@right("embed_clips")
def right_clip_by_clip(tower, mels, lengths):
    rows = []
    for number in range(len(mels)):
        rows.append(tower(mels[number : number + 1, :, : lengths[number]]).squeeze(0))
    return rows


@right("embed_clips")
def as_a_tuple(tower, mels, lengths):
    return tuple(right_clip_by_clip(tower, mels, lengths))


@right("embed_clips")
def in_double(tower, mels, lengths):
    return [tower(mel.double()[None, :, :frames])[0] for mel, frames in zip(mels, lengths.tolist(), strict=True)]


@right("embed_clips")
def together_by_length(tower, mels, lengths):
    rows = [None] * len(mels)
    for frames in set(lengths.tolist()):
        places = [at for at, each in enumerate(lengths.tolist()) if each == frames]
        for at, found in zip(places, tower(mels[places, :, :frames]), strict=True):
            rows[at] = found
    return rows


EMBED = "return [tower(mel[None, :, :int(frames)])[{}] for mel, frames in zip(mels, lengths)]"
equivalent("embed_clips", f"{EMBED.format(0)}  ->  {EMBED.format(-1)}", "a batch of one: the first is the last")
