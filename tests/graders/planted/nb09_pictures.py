"""Planted answers to the exercises of 09_ask_about_pictures."""

from . import wrong


@wrong("answered_and_right")
def divides_by_all(confidences, right, threshold):
    kept = [good for sure, good in zip(confidences, right, strict=True) if sure >= threshold]
    total = max(1, len(confidences))
    return len(kept) / total, sum(kept) / total if kept else 1.0


@wrong("answered_and_right")
def must_be_above(confidences, right, threshold):
    kept = [good for sure, good in zip(confidences, right, strict=True) if sure > threshold]
    return len(kept) / max(1, len(confidences)), sum(kept) / len(kept) if kept else 1.0


@wrong("answered_and_right")
def divides_by_nothing(confidences, right, threshold):
    kept = [good for sure, good in zip(confidences, right, strict=True) if sure >= threshold]
    return len(kept) / len(confidences), sum(kept) / len(kept)


@wrong("phi_prompt")
def counts_from_zero(question, images):
    marks = "".join(f"<|image_{i}|>\n" for i in range(images))
    return f"<|user|>\n{marks}{question}<|end|>\n<|assistant|>\n"


@wrong("phi_prompt")
def formats_what_the_user_typed(question, images):
    marks = "".join(f"<|image_{i}|>\n" for i in range(1, images + 1))
    return ("<|user|>\n" + marks + question + "<|end|>\n<|assistant|>\n").format(question=question, i=1)


@wrong("phi_prompt")
def as_an_old_article_writes_it(question, images):
    marks = "".join(f"<image_{i}>\n" for i in range(1, images + 1))
    return f"<|user|>\n{marks}{question}<|end|>\n<|assistant|>\n"


@wrong("embeddings_fit")
def only_the_sum(shape, grids, hidden, merge):
    return shape[-1] == hidden and shape[0] == sum(t * h * w for t, h, w in grids) / merge**2


@wrong("embeddings_fit")
def forgets_to_merge(shape, grids, hidden, merge):
    return len(shape) == 2 and shape[1] == hidden and shape[0] == sum(t * h * w for t, h, w in grids)


@wrong("embeddings_fit")
def only_the_first_picture(shape, grids, hidden, merge):
    t, h, w = grids[0]
    return len(shape) == 2 and shape == (t * h * w // merge**2, hidden) and h % merge == 0 and w % merge == 0
