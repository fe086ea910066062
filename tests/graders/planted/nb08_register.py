"""Planted answers to the exercises of 08_register_a_model."""

from . import wrong


@wrong("expand_text")
def expands_what_is_expanded_already(prompt, lengths):
    for token, rows in lengths.items():
        if prompt.count(token) != len(rows):
            raise ValueError
        for count in rows:
            prompt = prompt.replace(token, token * count, 1)
    return prompt


@wrong("expand_text")
def leaves_missing_items_alone(prompt, lengths):
    from mmkit.models.omni.processing import expand

    counts = {token: (rows + [1] * 9)[: prompt.count(token)] for token, rows in lengths.items()}
    return expand(prompt, counts)


@wrong("expand_text")
def gives_all_items_the_first_size(prompt, lengths):
    for token, rows in lengths.items():
        if prompt.count(token) != len(rows):
            raise ValueError
        prompt = prompt.replace(token, token * (rows or [1])[0])
    return prompt


@wrong("wrapped_clip")
def drops_a_begun_row(frames, begin, placeholder, end):
    rows = frames // 4
    return [begin] + [placeholder] * rows + [end], [False] + [True] * rows + [False]


@wrong("wrapped_clip")
def fills_the_marks_as_well(frames, begin, placeholder, end):
    tokens = [begin] + [placeholder] * -(-frames // 4) + [end]
    return tokens, [True] * len(tokens)


@wrong("wrapped_clip")
def leaves_the_marks_out(frames, begin, placeholder, end):
    rows = -(-frames // 4)
    return [placeholder] * rows, [True] * rows


@wrong("embed_clips")
def cuts_nothing(tower, mels, lengths):
    return list(tower(mels))


@wrong("embed_clips")
def cuts_the_rows_afterwards(tower, mels, lengths):
    return [rows[: int(frames) // 4] for rows, frames in zip(tower(mels), lengths, strict=True)]


@wrong("embed_clips")
def cuts_all_to_the_shortest(tower, mels, lengths):
    return list(tower(mels[:, :, : int(min(lengths))]))
