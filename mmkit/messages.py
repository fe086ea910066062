"""Messages: a sample's text in the model's own way, user text neutralized.

    sample -> chat_messages -> the model's chat template -> prompt with one placeholder an item (render)
                            -> messages of an OpenAI-compatible server (with content parts of modalities.py)

Follows the style of the model's family (families.py): chat template, plain text, the start tokens of a speech
decoder, or text and picture apart. Whatever a user typed is text: control tokens in it are broken up, with a note.
"""

from __future__ import annotations

from typing import Any

from mmkit.errors import BadEncoding, ContextOverflow, LimitExceeded
from mmkit.families import MODALITIES, Family
from mmkit.prompts import check_placeholders, neutralize
from mmkit.samples import MultiModalSample
from mmkit.text import clean_text

SPEECH_START = ("<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>")


def render(sample: MultiModalSample, family: Family, processor: Any) -> tuple[str, tuple[str, ...]]:
    """The prompt of a sample, and a note for each repair of its text.

    Raises BadEncoding, ContextOverflow, LimitExceeded; PlaceholderMismatch for a finished prompt that does not fit
    its items.
    """
    numbers = {m: len(sample.items(m)) for m in MODALITIES}
    if sample.prompt is not None:
        check_placeholders(clean_valid(sample.prompt, family), numbers, family.placeholders)
        return sample.prompt, ()
    if not isinstance(sample.text, str):
        raise BadEncoding(f"text is a {type(sample.text).__name__}, not a str", modality="text")
    if not sample.text.strip() and not any(numbers.values()):
        raise BadEncoding("the question is empty and there is no item; ask something", modality="text")
    notes: list[str] = []
    if family.style == "chat":
        parts = [{"type": m} for m in MODALITIES for _ in range(numbers[m])]
        messages, notes = chat_messages(sample, parts, family)
        text = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    elif family.style == "encoder_decoder":
        if sample.text.strip():
            plain(sample.text, family, [])
            notes = ["this model takes no question, it transcribes; the text was left out"]
        text = "".join(token for token in SPEECH_START if token in family.reserved)
    elif family.style == "dual_encoder" and numbers["image"]:
        if sample.text.strip():
            raise LimitExceeded(f"{family.name} takes a text or a picture, not both; send two samples")
        text = ""
    else:
        around = [family.placeholders[m] for m in MODALITIES for _ in range(numbers[m])]
        text = "\n".join([*around, plain(sample.text, family, notes)])
    check_placeholders(text, numbers, family.placeholders)
    return text, tuple(notes)


def chat_messages(
    sample: MultiModalSample, parts: list[dict[str, Any]], family: Family
) -> tuple[list[dict[str, Any]], list[str]]:
    """Chat messages and notes: the items' parts with the first question, then the turns."""
    notes: list[str] = []

    def content(text: str) -> list[dict[str, Any]]:
        return [{"type": "text", "text": plain(text, family, notes)}]

    messages: list[dict[str, Any]] = []
    if sample.system is not None:
        messages.append({"role": "system", "content": content(sample.system)})
    for question, answer in [*sample.history, (sample.text, None)]:
        messages.append({"role": "user", "content": [*parts, *content(question)]})
        parts = []
        if answer is not None:
            messages.append({"role": "assistant", "content": content(answer)})
    return messages, notes


def plain(text: Any, family: Family, notes: list[str]) -> str:
    """User text as the tokenizer can take it: valid, not longer than any context, control tokens broken up.

    Adds a note for each repair to `notes`.
    """
    clean = clean_valid(text, family, notes)
    kept, found = neutralize(clean, family.reserved)
    notes.extend(found)
    return kept


def clean_valid(text: Any, family: Family, notes: list[str] | None = None) -> str:
    """Valid text that may fit the context.  Raises BadEncoding, ContextOverflow."""
    if not isinstance(text, str):
        raise BadEncoding(f"text is a {type(text).__name__}, not a str", modality="text")
    if len(text) > family.context * family.longest_token:
        raise ContextOverflow(
            f"{len(text):,} characters cannot fit a context of {family.context:,} tokens; shorten the text",
            modality="text",
        )
    clean = clean_text(text, max_characters=len(text))
    if notes is not None:
        notes.extend(f"text: {note}" for note in clean.notes)
    return clean.text
