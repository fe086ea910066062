"""Exercises of 00_start_here."""

from .mechanism import case, exercise

MARK = "<|vision_start|><|image_pad|><|vision_end|>"
PAD = "<|image_pad|>"


@exercise(
    "00.1",
    cases=[
        case("multiples of 28", 112, 112),
        case("a wide picture", 56, 280),
        case("sides between multiples", 100, 150),
        case("half-way: Python rounds 2.5 to 2", 70, 28),
        case("half-way: and 3.5 to 4", 28, 98),
        case("one pixel", 1, 1),
        case("a thin line", 10, 280),
        case("a thin line that stands", 560, 3),
        case("a very long one", 3, 2800),
    ],
    draw=lambda rng: (rng.randint(1, 900), rng.randint(1, 900)),
    hints=(
        "How many tiles fit into the height, to the nearest? How many into the width? Multiply last.",
        "rows = max(1, round(height / 28)), columns in the same way; a thin picture still has one row of tiles.",
    ),
    mistakes={
        "// rounds down; the text says to the nearest": lambda h, w: max(1, h // 28) * max(1, w // 28),
        "round each side by itself, then multiply": lambda h, w: max(1, round(h * w / 784)),
        "no side is less than 28, so no side has 0 tiles": lambda h, w: round(h / 28) * round(w / 28),
        "the least is one tile for each side, not one in all": lambda h, w: max(1, round(h / 28) * round(w / 28)),
        "a half goes to the even neighbor: use Python's round": (
            lambda h, w: max(1, int(h / 28 + 0.5)) * max(1, int(w / 28 + 0.5))
        ),
    },
)
def tokens_of_any_picture(height, width):
    return max(1, round(height / 28)) * max(1, round(width / 28))


@exercise(
    "00.2",
    cases=[
        case("one picture", "What is it?", 1),
        case("two pictures", "Which is red?", 2),
        case("no picture", "Hello", 0),
        case("a question of two lines", "What is it?\nSay it in one word.", 3),
        case("other letters", "图中有什么？", 1),
        case("spaces and line breaks at both ends belong to the question", "\n  What is it? \n", 1),
        case("curly brackets", "What does {question} or {0} print?", 1),
        case("percent signs", "Is 100 %s or %d right?", 1),
        case("a word of the template", "What is a user or an assistant?", 1),
    ],
    hints=(
        "Put four pieces together: the opening, the marks, the question as it is, the closing.",
        'An f-string does it; "<|vision_start|><|image_pad|><|vision_end|>" * pictures makes the marks '
        "(`pictures` is a number).",
    ),
    mistakes={
        "the assistant's turn must be opened": (
            lambda question, pictures: f"<|im_start|>user\n{MARK * pictures}{question}<|im_end|>\n"
        ),
        "`pictures` is a number: as many marks": (
            lambda question, pictures: f"<|im_start|>user\n{MARK}{question}<|im_end|>\n<|im_start|>assistant\n"
        ),
        "one line break is missing at the end": (
            lambda question, pictures: (
                f"<|im_start|>user\n{MARK * pictures}{question}<|im_end|>\n<|im_start|>assistant"
            )
        ),
        "the pictures stand before the question": (
            lambda question, pictures: (
                f"<|im_start|>user\n{question}{MARK * pictures}<|im_end|>\n<|im_start|>assistant\n"
            )
        ),
        "the question stays as it was typed, spaces at its ends too": (
            lambda question, pictures: (
                f"<|im_start|>user\n{MARK * pictures}{question.strip()}<|im_end|>\n<|im_start|>assistant\n"
            )
        ),
    },
)
def chat_prompt(question, pictures):
    return f"<|im_start|>user\n{MARK * pictures}{question}<|im_end|>\n<|im_start|>assistant\n"


@exercise(
    "00.3",
    cases=[
        case("one for one", f"{PAD}?", 1),
        case("none for one", "?", 1),
        case("one too many", f"{PAD}{PAD}?", 1),
        case("one for none", f"{PAD}?", 0),
        case("none for none", "hello", 0),
        case("three for one", f"{PAD}{PAD}{PAD}?", 1),
        case("two for three", f"{PAD}{PAD}?", 3),
        case("apart from each other", f"{PAD} or {PAD}?", 2),
        case("with its marks", f"{MARK}{MARK}?", 2),
        case("a video's placeholder is another one", "<|video_pad|>?", 1),
        case("the name alone is no placeholder", f"{PAD} What is image_pad?", 1),
        case("without the closing", f"{PAD}<|image_pad|", 1),
        case("without the opening", f"{PAD}|image_pad|>image_pad|>", 1),
        case("without the bars", f"{PAD}<image_pad>", 1),
        case("large letters", f"{PAD}<|IMAGE_PAD|>", 1),
        case("the other marks alone", "<|vision_start|><|vision_end|>?", 1),
        case("spaces inside", f"{PAD}<| image_pad |>", 1),
    ],
    hints=(
        "Count the placeholders, and compare the number with `pictures`.",
        'prompt.count("<|image_pad|>") counts the whole placeholder; both too few and too many are wrong.',
    ),
    mistakes={
        "too many are wrong as well": lambda prompt, pictures: prompt.count(PAD) >= pictures,
        "too few are wrong as well": lambda prompt, pictures: prompt.count(PAD) <= pictures,
        "count the whole placeholder, signs and all": (
            lambda prompt, pictures: prompt.count("image_pad") == pictures
        ),
        "it says whether there is one, not how many": lambda prompt, pictures: (PAD in prompt) == (pictures > 0),
    },
)
def fits(prompt, pictures):
    return prompt.count(PAD) == pictures
