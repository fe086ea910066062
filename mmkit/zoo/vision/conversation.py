"""From questions to conversations, in the words and tokens of tiny-qwen2-vl's chat template.

    Writer.prefix (system prompt, earlier talk, images) + Writer.turns (questions, answers) -> Row

What varies is what readers vary: a system prompt or none, small talk before, the question behind the image or
before it, a line break between them, several turns, capitals and full stops.
Leaves out what the model is not trained for: tools, several images in one turn beyond two.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mmkit.zoo.packing import Placeholder, Row, Turn
from mmkit.zoo.vision.model import SYSTEM_PROMPTS
from mmkit.zoo.worlds.shapes import Question

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Said = str | Sequence[tuple[str, bool]]  # an answer, or in parts: (text, is it the model's own?)
SEPARATORS = ("", "", "", "\n", "\n", " ")
SMALL_TALK = (
    ("Hello.", "Hello."),
    ("Hi!", "Hi!"),
    ("Can you help me?", "Yes."),
    ("I will show you a picture.", "Good."),
    ("Are you ready?", "Yes."),
    ("Thank you.", "You are welcome."),
)


def reword(rng: random.Random, text: str, share: float = 0.5) -> str:
    """The same question as another hand types it: "picture" for "image", no capital, no full stop, a "please".

    share: how many are changed at all.

    >>> reword(random.Random(4), "Describe the image.")
    'describe the drawing'
    """
    if rng.random() > share:
        return text
    if rng.random() < 0.4:
        text = text.replace("image", rng.choice(("picture", "picture", "photo", "drawing")))
    if rng.random() < 0.1:
        text = rng.choice(("Please tell me: ", "Question: ", "Now, ", "Look at the image. ")) + text
    if rng.random() < 0.25:
        text = text[0].lower() + text[1:]
    if rng.random() < 0.2:
        text = text.rstrip("?.")
    if rng.random() < 0.12:
        text += rng.choice((" Answer briefly.", " Answer in one word.", " Please answer.", " Be short."))
    return text


def sample_system(rng: random.Random, share: float = 0.4) -> str | None:
    """A system prompt or none; half of them nonsense words, so that no wording is special."""
    if rng.random() > share:
        return None
    if rng.random() < 0.5:
        return rng.choice(SYSTEM_PROMPTS)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(rng.choices(letters, k=rng.randint(1, 6))) for _ in range(rng.randint(2, 5))]
    return " ".join(words).capitalize() + "."


class Writer:
    """Writes conversations as token ids."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        self._tokenizer = tokenizer
        self._known: dict[str, list[int]] = {}
        self.image_token: Any = tokenizer.convert_tokens_to_ids("<|image_pad|>")
        self.video_token: Any = tokenizer.convert_tokens_to_ids("<|video_pad|>")

    def encode(self, text: str) -> list[int]:
        ids = self._known.get(text)
        if ids is None:
            ids = self._tokenizer(text, add_special_tokens=False)["input_ids"]
            if len(self._known) < 50_000:
                self._known[text] = ids
        return ids

    def said(self, user: str, assistant: str) -> str:
        """One finished turn."""
        return f"<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n{assistant}<|im_end|>\n"

    def prefix(
        self,
        placeholders: list[Placeholder],
        system: str | None = None,
        talk: tuple[tuple[str, str], ...] = (),
        before: str = "",
        between: tuple[str, ...] = ("",),
    ) -> list[int | Placeholder]:
        """Everything up to the end of the images of the last user turn.

        talk: finished turns without images; before: text in front of the first image; between: text in front
        of each further image.
        """
        text = f"<|im_start|>system\n{system}<|im_end|>\n" if system is not None else ""
        text += "".join(self.said(*turn) for turn in talk) + "<|im_start|>user\n" + before
        pieces: list[int | Placeholder] = []
        for number, placeholder in enumerate(placeholders):
            if number:
                text += between[(number - 1) % len(between)]
            pieces += self.encode(text + "<|vision_start|>")
            pieces.append(placeholder)
            text = "<|vision_end|>"
        return pieces + self.encode(text)

    def turns(self, asked: Sequence[tuple[str, Said]]) -> list[Turn]:
        """Questions with answers as one branch: (ids, learn) pieces; later turns follow earlier ones."""
        pieces: list[Turn] = []
        for number, (question, answer) in enumerate(asked):
            opening = "\n<|im_start|>user\n" if number else ""
            closing = "<|im_end|>\n<|im_start|>assistant\n"
            # Encoded in parts that the tokenizer never joins: special tokens and line breaks stand between, and in
            # an answer in parts words from signs.
            pieces.append((self.encode(opening) + self.encode(question) + self.encode(closing), False))
            ids: list[int] = []
            own: list[bool] = []
            parts = [(answer, True)] if isinstance(answer, str) else answer
            for text, learn in (*parts, ("<|im_end|>", True)):
                ids += self.encode(text)
                own += [learn] * (len(ids) - len(own))
            pieces.append((ids, own))
        return pieces


def rows_about(
    rng: random.Random,
    writer: Writer,
    questions: list[Question],
    placeholders: list[Placeholder],
    items: list[int],
    *,
    text_first: bool = False,
    plain: bool = False,
    system_share: float = 0.4,
    reworded: float = 0.5,
) -> tuple[list[Row], list[list[list[Question]]]]:
    """Conversations about one image, pair or clip: rows, and their questions as [row][branch][turn].

    text_first: the question stands before the image, which costs one row a question.
    plain: the canonical form only (no system prompt, no talk, no rewording).
    system_share: how often there is a system prompt.  reworded: share of questions worded by another hand.
    """
    say = (lambda text: text) if plain else (lambda text: reword(rng, text, reworded))
    system = None if plain else sample_system(rng, system_share)
    talk = (rng.choice(SMALL_TALK),) if system is not None and rng.random() < 0.25 else ()
    between = ("",) if plain else (rng.choice(SEPARATORS),)
    separator = "" if plain else rng.choice(SEPARATORS)
    if text_first:
        rows = []
        for question in questions:
            before = say(question.text) + separator
            prefix = writer.prefix(placeholders, system, talk, before, between)
            rows.append(Row(prefix, [writer.turns([("", question.pieces or question.answer)])], list(items)))
        return rows, [[[question]] for question in questions]
    before = ""
    if len(placeholders) == 2 and not plain and rng.random() < 0.15:
        before, between = "Image 1: ", (rng.choice(("Image 2: ", " Image 2: ", "\nImage 2: ")),)
    length = 1 if plain or rng.random() > 0.3 else rng.choice((2, 3))
    branches = [questions[i : i + length] for i in range(0, len(questions), length)]
    prefix, written = writer.prefix(placeholders, system, talk, before, between), []
    for branch in branches:
        asked = [(say(q.text), q.pieces or q.answer) for q in branch]
        asked[0] = (separator + asked[0][0], asked[0][1])
        written.append(writer.turns(asked))
    return [Row(prefix, written, list(items))], [branches]
