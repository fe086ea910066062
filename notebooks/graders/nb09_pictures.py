"""Exercises of 09_ask_about_pictures."""

from .mechanism import case, exercise


def _some_answers(rng):
    sure = [round(rng.random(), 1) for _ in range(rng.randint(1, 9))]
    return sure, [rng.random() < 0.7 for _ in sure], rng.choice([0.0, 0.3, 0.5, 0.9, 1.0])


def _shares(kept, total, of=None):
    number = len(kept) if of is None else of
    return len(kept) / max(1, total), sum(kept) / number if kept else 1.0


@exercise(
    "09.1",
    cases=[
        case("all are sure", [0.9, 0.8], [True, False], 0.5),
        case("one is sure", [0.9, 0.3], [True, False], 0.5),
        case("exactly at the threshold", [0.5], [True], 0.5),
        case("sure, and all are wrong", [0.9, 0.8, 0.1], [False, False, True], 0.5),
        case("nobody is sure", [0.2, 0.3], [True, False], 0.9),
        case("no question at all", [], [], 0.5),
        case("not sorted", [0.1, 0.9, 0.2, 0.8], [True, False, False, True], 0.75),
    ],
    draw=_some_answers,
    draws=60,
    rtol=1e-9,
    hints=(
        "Keep the answers whose confidence reaches the threshold; the second number looks at those alone.",
        "len(kept) / len(confidences) and sum(kept) / len(kept); mind the two places where you could divide by 0.",
    ),
    mistakes={
        "the second number counts only the answers that are given": lambda confidences, right, threshold: _shares(
            [r for c, r in zip(confidences, right, strict=True) if c >= threshold],
            len(confidences),
            of=max(1, len(confidences)),
        ),
        "`at least` the threshold: equal is enough": lambda confidences, right, threshold: _shares(
            [r for c, r in zip(confidences, right, strict=True) if c > threshold], len(confidences)
        ),
        "first the share answered, then the share right": lambda *args: answered_and_right.reference(*args)[::-1],
        "where nothing is answered, nothing is wrong: 1.0": lambda confidences, right, threshold: (
            (shares := answered_and_right.reference(confidences, right, threshold))[0],
            shares[1] if shares[0] else 0.0,
        ),
    },
)
def answered_and_right(confidences, right, threshold):
    kept = [good for sure, good in zip(confidences, right, strict=True) if sure >= threshold]
    return _shares(kept, len(confidences))


def _phi(question, numbers, after="\n"):
    return "<|user|>\n" + "".join(f"<|image_{i}|>{after}" for i in numbers) + question + "<|end|>\n<|assistant|>\n"


TYPED = [
    "What is this?",
    "Which is\nolder?",
    "{question} and {i}?",
    "{images}?",
    "为什么？",
    "<|image_1|>",
]


@exercise(
    "09.2",
    cases=[
        case("one picture", "What is this?", 1),
        case("two pictures", "Which is older?", 2),
        case("no picture", "Hello.", 0),
        case("curly brackets", "What does {question} mean?", 1),
        case("other brackets of the table", "What do {images} and {i} mean?", 2),
        case("percent signs", "Is it 100 %s or %d?", 1),
        case("a typed placeholder", "What is <|image_1|>\n there?", 1),
        case("spaces and line breaks at both ends", "\n What? \n", 1),
        case("more than nine", "Count.", 11),
    ],
    draw=lambda rng: (rng.choice(TYPED), rng.randint(0, 5)),
    draws=20,
    hints=(
        "Count from 1, a line break after each picture; the question is not a template: never .format it.",
        'marks = "".join(f"<|image_{i}|>\\n" for i in range(1, images + 1)); f-strings leave values alone.',
    ),
    mistakes={
        "count from 1": lambda question, images: _phi(question, range(images)),
        "a line break stands after each picture": lambda question, images: _phi(question, range(1, images + 1), ""),
        "the marks are <|image_1|>, with bars": lambda question, images: (
            phi_prompt.reference("", images).replace("<|image_", "<image_").replace("|>\n<", ">\n<")
        ),
        "the question stays as it was typed": lambda question, images: phi_prompt.reference(
            question.strip(), images
        ),
        "the assistant's turn ends with a line break": lambda question, images: phi_prompt.reference(
            question, images
        )[:-1],
    },
)
def phi_prompt(question, images):
    return _phi(question, range(1, images + 1))


def _rows_of(grids, merge):
    return sum(t * h * w // merge**2 for t, h, w in grids)


def _some_grids(rng):
    merge = rng.choice([1, 2, 2, 3])
    grids = [
        (rng.randint(1, 3), merge * rng.randint(1, 4), merge * rng.randint(1, 4)) for _ in range(rng.randint(1, 3))
    ]
    return (_rows_of(grids, merge) + rng.choice([0, 0, 1, -1]), 32), grids, 32, merge


@exercise(
    "09.3",
    cases=[
        case("one picture", (16, 128), [(1, 8, 8)], 128, 2),
        case("a row lost", (15, 128), [(1, 8, 8)], 128, 2),
        case("a row too many", (17, 128), [(1, 8, 8)], 128, 2),
        case("too narrow", (16, 127), [(1, 8, 8)], 128, 2),
        case("too wide", (16, 129), [(1, 8, 8)], 128, 2),
        case("two pictures", (22, 128), [(1, 8, 8), (1, 4, 6)], 128, 2),
        case("the second picture's rows are lost", (16, 128), [(1, 8, 8), (1, 4, 6)], 128, 2),
        case("a video of four time steps", (64, 128), [(4, 8, 8)], 128, 2),
        case("patches instead of embeddings", (64, 128), [(1, 8, 8)], 128, 2),
        case("a batch axis", (1, 16, 128), [(1, 8, 8)], 128, 2),
        case("an axis between", (16, 1, 128), [(1, 8, 8)], 128, 2),
        case("an axis behind", (16, 128, 1), [(1, 8, 8)], 128, 2),
        case("one axis that is both", (16,), [(1, 8, 8)], 16, 2),
        case("two pictures of one size", (32, 128), [(1, 8, 8), (1, 8, 8)], 128, 2),
        case("flat", (2048,), [(1, 8, 8)], 128, 2),
        case("turned", (128, 16), [(1, 8, 8)], 128, 2),
        case("a height that cannot be merged", (6, 128), [(1, 3, 8)], 128, 2),
        case("a width that cannot be merged", (6, 128), [(1, 8, 3)], 128, 2),
        case("the same, rounded down", (4, 128), [(1, 3, 8)], 128, 2),
        case("the same, rounded up", (8, 128), [(1, 3, 8)], 128, 2),
        case("the width rounded down", (4, 128), [(1, 8, 3)], 128, 2),
        case("the width rounded up", (8, 128), [(1, 8, 3)], 128, 2),
        case("both rounded down", (2, 128), [(1, 3, 5)], 128, 2),
        case("both sides odd, the product fits", (9, 128), [(4, 3, 3)], 128, 2),
        case("the second cannot be merged", (22, 128), [(1, 8, 8), (2, 3, 4)], 128, 2),
        case("two that cannot, together a whole number", (3, 128), [(1, 2, 3), (1, 2, 3)], 128, 2),
        case("no merging", (15, 64), [(1, 3, 5)], 64, 1),
        case("blocks of three", (4, 64), [(1, 6, 6)], 64, 3),
        case("even sides, but blocks of three", (4, 64), [(9, 2, 2)], 64, 3),
        case("an odd number of time steps is no fault", (48, 128), [(3, 8, 8)], 128, 2),
    ],
    draw=_some_grids,
    draws=40,
    hints=(
        "Ask four things: two axes, the right width, sides that can be merged, the right number of rows in all.",
        "h % merge == 0 and w % merge == 0 for each grid; the rows are the sum of t * h * w // merge**2.",
    ),
    mistakes={
        "both sides of each grid must be multiples of merge": lambda shape, grids, hidden, merge: (
            len(shape) == 2 and tuple(shape) == (_rows_of(grids, merge), hidden)
        ),
        "merge * merge patches become one row": lambda shape, grids, hidden, merge: (
            len(shape) == 2 and tuple(shape) == (_rows_of(grids, 1), hidden)
        ),
        "the rows of all pictures together": lambda shape, grids, hidden, merge: embeddings_fit.reference(
            shape, grids[:1], hidden, merge
        ),
        "the width counts, too": lambda shape, grids, hidden, merge: embeddings_fit.reference(
            (*shape[:1], hidden, *shape[2:]), grids, hidden, merge
        ),
        "a tensor of two axes: (rows, width)": lambda shape, grids, hidden, merge: embeddings_fit.reference(
            shape[-2:], grids, hidden, merge
        ),
    },
)
def embeddings_fit(shape, grids, hidden, merge):
    mergeable = all(h % merge == 0 and w % merge == 0 for _, h, w in grids)
    return len(shape) == 2 and mergeable and tuple(shape) == (_rows_of(grids, merge), hidden)
