"""Planted answers to the exercises of 09_ask_about_pictures."""

import numpy as np
import torch

from . import equivalent, right, wrong


@wrong("answered_and_right")
def divides_by_all(confidences, right, threshold):
    kept = _kept(confidences, right, threshold)
    total = max(1, len(confidences))
    return len(kept) / total, sum(kept) / total if kept else 1.0


@wrong("answered_and_right")
def must_be_above(confidences, right, threshold):
    kept = [good for sure, good in zip(confidences, right, strict=True) if sure > threshold]
    return len(kept) / max(1, len(confidences)), sum(kept) / len(kept) if kept else 1.0


@wrong("answered_and_right")
def divides_by_nothing(confidences, right, threshold):
    kept = _kept(confidences, right, threshold)
    return len(kept) / len(confidences), sum(kept) / len(kept)


@wrong("answered_and_right")
def counts_not_shares(confidences, right, threshold):
    kept = _kept(confidences, right, threshold)
    return len(kept), sum(kept)


@wrong("answered_and_right")
def right_of_all(confidences, right, threshold):
    kept = _kept(confidences, right, threshold)
    return len(kept) / max(1, len(confidences)), sum(right) / len(right) if right else 1.0


@wrong("answered_and_right")
def nothing_is_zero(confidences, right, threshold):
    kept = _kept(confidences, right, threshold)
    return len(kept) / max(1, len(confidences)), sum(kept) / max(1, len(kept))


@wrong("answered_and_right")
def stops_at_the_first_unsure(confidences, right, threshold):
    kept = []
    for sure, good in zip(confidences, right, strict=True):
        if sure < threshold:
            break
        kept.append(good)
    return len(kept) / max(1, len(confidences)), sum(kept) / len(kept) if kept else 1.0


@wrong("answered_and_right")
def shares_that_are_wrong(confidences, right, threshold):
    kept = _kept(confidences, right, threshold)
    return len(kept) / max(1, len(confidences)), 1 - sum(kept) / len(kept) if kept else 1.0


@wrong("answered_and_right")
def rounds_them(confidences, right, threshold):
    kept = _kept(confidences, right, threshold)
    return round(len(kept) / max(1, len(confidences)), 2), round(sum(kept) / len(kept), 2) if kept else 1.0


@wrong("answered_and_right")
def no_question_is_all_answered(confidences, right, threshold):
    kept = _kept(confidences, right, threshold)
    return len(kept) / len(confidences) if confidences else 1.0, sum(kept) / len(kept) if kept else 1.0


def _kept(confidences, right, threshold):
    return [good for sure, good in zip(confidences, right, strict=True) if sure >= threshold]


@right("answered_and_right")
def in_a_loop(confidences, right, threshold):
    answered = good = 0
    for number in range(len(confidences)):
        if not confidences[number] < threshold:
            answered += 1
            good += right[number]
    return [answered / len(confidences) if confidences else 0.0, good / answered if answered else 1.0]


@right("answered_and_right")
def with_numpy(confidences, right, threshold):
    kept = np.array(right, bool)[np.array(confidences) >= threshold] if confidences else np.array([])
    return np.array([kept.size / max(1, len(confidences)), kept.mean() if kept.size else 1.0])


@right("answered_and_right")
def with_torch(confidences, right, threshold):
    sure = torch.tensor(confidences, dtype=torch.float64) >= threshold
    kept = torch.tensor(right, dtype=torch.float64)[sure]
    return len(kept) / (len(sure) or 1), kept.mean() if len(kept) else 1.0


@right("answered_and_right")
def with_whole_numbers(confidences, right, threshold):
    kept = _kept(confidences, right, threshold)
    if not kept:
        return 0, 1
    return len(kept) / len(right), kept.count(True) / len(kept)


@wrong("phi_prompt")
def counts_from_zero(question, images):
    return _phi("".join(f"<|image_{i}|>\n" for i in range(images)), question)


@wrong("phi_prompt")
def formats_what_the_user_typed(question, images):
    return _phi(_marks(images), question).format(question=question, images=_marks(images), i=1)


@wrong("phi_prompt")
def formats_by_percent(question, images):
    return ("<|user|>\n%s" + question + "<|end|>\n<|assistant|>\n") % _marks(images)


@wrong("phi_prompt")
def strips(question, images):
    return _phi(_marks(images), question.strip())


@wrong("phi_prompt")
def replaces_in_the_other_order(question, images):
    turn = "<|user|>\n{images}{question}<|end|>\n<|assistant|>\n"
    return turn.replace("{question}", question).replace("{images}", _marks(images))


@wrong("phi_prompt")
def as_an_old_article_writes_it(question, images):
    return _phi("".join(f"<image_{i}>\n" for i in range(1, images + 1)), question)


@wrong("phi_prompt")
def always_the_first(question, images):
    return _phi("<|image_1|>\n" * images, question)


@wrong("phi_prompt")
def one_digit_only(question, images):
    return _phi("".join(f"<|image_{i % 10}|>\n" for i in range(1, images + 1)), question)


@wrong("phi_prompt")
def one_break_after_all(question, images):
    return _phi("".join(f"<|image_{i}|>" for i in range(1, images + 1)) + "\n" * bool(images), question)


@wrong("phi_prompt")
def pictures_last(question, images):
    return _phi(question, _marks(images))


@wrong("phi_prompt")
def no_break_before_the_assistant(question, images):
    return f"<|user|>\n{_marks(images)}{question}<|end|><|assistant|>\n"


@wrong("phi_prompt")
def makes_it_harmless(question, images):
    return _phi(_marks(images), question.replace("<|", "< |"))


def _marks(images):
    return "".join(f"<|image_{i}|>\n" for i in range(1, images + 1))


def _phi(marks, question):
    return f"<|user|>\n{marks}{question}<|end|>\n<|assistant|>\n"


@right("phi_prompt")
def line_by_line(question, images):
    lines = ["<|user|>", *(f"<|image_{i + 1}|>" for i in range(images)), question + "<|end|>", "<|assistant|>", ""]
    return "\n".join(lines)


@right("phi_prompt")
def formats_the_template_alone(question, images):
    turn = "<|user|>\n{images}{question}<|end|>\n<|assistant|>\n"
    return turn.format(images=_marks(images), question=question)


@right("phi_prompt")
def replaces_in_the_right_order(question, images):
    turn = "<|user|>\n{images}{question}<|end|>\n<|assistant|>\n"
    return turn.replace("{images}", _marks(images)).replace("{question}", question, 1)


@right("phi_prompt")
def adds_up(question, images):
    prompt, i = "<|user|>\n", 1
    while i <= images:
        prompt += "<|image_" + str(i) + "|>\n"
        i += 1
    return prompt + question + "<|end|>\n<|assistant|>\n"


@wrong("embeddings_fit")
def only_the_sum(shape, grids, hidden, merge):
    return shape[-1] == hidden and shape[0] == sum(t * h * w for t, h, w in grids) / merge**2


@wrong("embeddings_fit")
def forgets_to_merge(shape, grids, hidden, merge):
    return len(shape) == 2 and shape[1] == hidden and shape[0] == sum(t * h * w for t, h, w in grids)


@wrong("embeddings_fit")
def only_the_first_picture(shape, grids, hidden, merge):
    t, h, w = grids[0]
    return tuple(shape) == (t * h * w // merge**2, hidden) and h % merge == 0 and w % merge == 0


@wrong("embeddings_fit")
def checks_only_the_product(shape, grids, hidden, merge):
    whole = all(t * h * w % merge**2 == 0 for t, h, w in grids)
    return whole and tuple(shape) == (sum(t * h * w // merge**2 for t, h, w in grids), hidden)


@wrong("embeddings_fit")
def checks_only_the_heights(shape, grids, hidden, merge):
    return all(h % merge == 0 for _, h, _ in grids) and _fits(shape, grids, hidden, merge)


@wrong("embeddings_fit")
def checks_only_the_widths(shape, grids, hidden, merge):
    return all(w % merge == 0 for _, _, w in grids) and _fits(shape, grids, hidden, merge)


@wrong("embeddings_fit")
def checks_the_time_as_well(shape, grids, hidden, merge):
    whole = all(side % merge == 0 for grid in grids for side in grid)
    return whole and _fits(shape, grids, hidden, merge)


@wrong("embeddings_fit")
def checks_for_even_sides(shape, grids, hidden, merge):
    whole = all(h % 2 == 0 and w % 2 == 0 for _, h, w in grids)
    return whole and _fits(shape, grids, hidden, merge)


@wrong("embeddings_fit")
def merges_once(shape, grids, hidden, merge):
    whole = all(h % merge == 0 and w % merge == 0 for _, h, w in grids)
    return whole and tuple(shape) == (sum(t * h * w // merge for t, h, w in grids), hidden)


@wrong("embeddings_fit")
def at_least_as_many_rows(shape, grids, hidden, merge):
    whole = all(h % merge == 0 and w % merge == 0 for _, h, w in grids)
    rows = sum(t * h * w // merge**2 for t, h, w in grids)
    return whole and len(shape) == 2 and shape[1] == hidden and shape[0] >= rows


@wrong("embeddings_fit")
def counts_the_numbers(shape, grids, hidden, merge):
    whole = all(h % merge == 0 and w % merge == 0 for _, h, w in grids)
    return whole and np.prod(shape) == hidden * sum(t * h * w // merge**2 for t, h, w in grids)


@wrong("embeddings_fit")
def only_its_first_and_last_axis(shape, grids, hidden, merge):
    whole = all(h % merge == 0 and w % merge == 0 for _, h, w in grids)
    return whole and _fits((shape[0], shape[-1]), grids, hidden, merge)


def _fits(shape, grids, hidden, merge):
    return tuple(shape) == (sum(t * h * w // merge**2 for t, h, w in grids), hidden)


@right("embeddings_fit")
def step_by_step(shape, grids, hidden, merge):
    if len(shape) != 2:
        return False
    rows, width = shape
    if width != hidden:
        return False
    for t, h, w in grids:
        if h % merge != 0 or w % merge != 0:
            return False
        rows -= t * (h // merge) * (w // merge)
    return rows == 0


@right("embeddings_fit")
def with_numpy(shape, grids, hidden, merge):
    sizes = np.array(grids)
    if (sizes[:, 1:] % merge).any():
        return False
    return list(shape) == [sizes.prod(axis=1).sum() // merge**2, hidden]


@right("embeddings_fit")
def with_torch(shape, grids, hidden, merge):
    sizes = torch.tensor(grids)
    whole = (sizes[:, 1:] % merge == 0).all()
    return whole & torch.tensor(tuple(shape) == (int(sizes.prod(1).sum()) // merge**2, hidden))


@right("embeddings_fit")
def by_an_error(shape, grids, hidden, merge):
    try:
        rows, width = shape
        assert width == hidden
        assert all(side % merge == 0 for grid in grids for side in grid[1:])
    except (ValueError, AssertionError):
        return False
    return rows * merge**2 == sum(t * h * w for t, h, w in grids)


ROWS = "return shape[0] == sum((t * h * w {} merge ** 2 for t, h, w in grids))"
equivalent(
    "embeddings_fit", f"{ROWS.format('//')}  ->  {ROWS.format('/')}", "a multiple: the same number, as a float"
)
