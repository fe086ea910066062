"""Messages: a sample's text in the model's own way, user text neutralized.

    sample -> chat_messages -> the model's chat template -> prompt with one placeholder an item (render)
                            -> messages of an OpenAI-compatible server (with content parts of modalities.py)
    messages of OpenAI's or Qwen's form -> from_messages -> sample

Follows the style of the model's family (families.py): chat template, plain text, the start tokens of a speech
decoder, or text and picture apart. Whatever a user typed is text: control tokens in it are broken up, with a note.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def from_messages(messages: Sequence[Mapping[str, Any]]) -> MultiModalSample:
    """A sample of chat messages in OpenAI's form (image_url, input_audio ...) or Qwen's (image, audio, video).

    A system message may come first; then questions and answers take turns, and a question is last. Items stand in
    the first question; wherever they stand in it, a sample has them before its text, pictures first. Several texts
    of a turn are joined by line breaks.  Raises BadEncoding for anything else.

    >>> content = [{"type": "image", "image": "a.png"}, {"type": "text", "text": "?"}]
    >>> sample = from_messages([{"role": "user", "content": content}])
    >>> sample.images, sample.text
    (('a.png',), '?')
    """
    turns = [_turn(message) for message in messages]
    system = turns.pop(0)[1] if turns and turns[0][0] == "system" else None
    wanted = ["user" if n % 2 == 0 else "assistant" for n in range(len(turns))]
    if not turns or wanted != [role for role, _, _ in turns] or wanted[-1] != "user":
        raise BadEncoding("messages are one of a system at most, then user and assistant in turn, a user last")
    if any(items for _, _, items in turns[1:]):
        raise BadEncoding("an item stands in a later turn; a sample has its items in the first question")
    texts = [text for _, text, _ in turns]
    items = {m: tuple(source for kind, source in turns[0][2] if kind == m) for m in MODALITIES}
    return MultiModalSample(
        text=texts[-1],
        images=items["image"],
        audios=items["audio"],
        videos=items["video"],
        system=system,
        history=tuple(zip(texts[:-1:2], texts[1::2], strict=True)),
    )


def _turn(message: Mapping[str, Any]) -> tuple[str, str, list[tuple[str, Any]]]:
    """The role, the text and the (modality, source) pairs of a message."""
    if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
        raise BadEncoding('a message is an object of "role" and "content"')
    content = message.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, Sequence) or not all(isinstance(part, Mapping) for part in parts):
        raise BadEncoding("a message's content is a text or a list of parts")
    texts, items = [], []
    for part in parts:
        kind = str(part.get("type"))
        value = part.get(kind, part.get("text") if kind == "input_text" else None)
        modality = kind.removeprefix("input_").removesuffix("_url")
        if modality == "text" and isinstance(value, str):
            texts.append(value)
        elif modality in MODALITIES and value is not None:
            items.append((modality, _source(value)))
        else:
            raise BadEncoding(f"a part of type {kind[:40]!a} that is no text, image, audio or video")
    return message["role"], "\n".join(texts), items


def _source(value: Any) -> Any:
    """What a part holds, as loaders take it: file://, {"url": ...} and {"data": base64} taken apart."""
    if isinstance(value, Mapping):
        if isinstance(value.get("data"), str):
            return f"data:audio/{value.get('format', 'wav')};base64,{value['data']}"
        value = value.get("url")
    return value.removeprefix("file://") if isinstance(value, str) else value
