"""Prompts: where the placeholders stand, and why a user cannot forge one.

    user text -> neutralize -> chat template -> prompt with one placeholder an item -> check_placeholders

A placeholder ("<|image_pad|>") is a control token that vLLM swaps for the embeddings of an item. The same
characters typed by a user would be read as that token: the answer is then about the wrong picture, or the engine
crashes (vLLM issue 57740, CVE-2026-44222). So user text is neutralized first, and the finished prompt is counted.

Leaves out the tokens each item takes (tokens.py) and the swap itself, which vLLM does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmkit.errors import PlaceholderMismatch

# Invisible, of no width, forbids a line break: inside a reserved string it changes nothing that a reader sees,
# and no tokenizer takes the result for the control token any more.
WORD_JOINER = "\u2060"


def placeholders_of(processor: Any) -> dict[str, str]:
    """The placeholder string of each modality, as the model's own processor names them.

    >>> from types import SimpleNamespace
    >>> placeholders_of(SimpleNamespace(image_token="<|image_pad|>", tokenizer=None))
    {'image': '<|image_pad|>'}
    """
    found = {}
    for modality in ("image", "audio", "video"):
        token = getattr(processor, f"{modality}_token", None)
        if token is not None:
            found[modality] = str(token)
    return found


def reserved_strings(processor: Any) -> tuple[str, ...]:
    """Every string that the model's tokenizer reads as a control token, longest first.

    processor: a transformers processor or tokenizer.
    """
    tokenizer = getattr(processor, "tokenizer", processor)
    strings = set(tokenizer.get_added_vocab()) | set(placeholders_of(processor).values())
    return tuple(sorted((s for s in strings if len(s) > 1), key=lambda s: (-len(s), s)))


def find_reserved(text: str, reserved: Iterable[str]) -> list[tuple[int, str]]:
    """Where user text spells a control token: (position, string), left to right.

    >>> find_reserved("a <|image_pad|> b", ["<|image_pad|>"])
    [(2, '<|image_pad|>')]
    """
    pattern = "|".join(map(re.escape, reserved))
    return [(m.start(), m.group()) for m in re.finditer(pattern, text)] if pattern else []


def neutralize(text: str, reserved: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Make user text plain text: break up every reserved string by an invisible word joiner.

    Returns the text and a note for each string found; text without any comes back unchanged.

    >>> neutralize("is <|image_pad|> a cat?", ["<|image_pad|>"])[1]
    ('reserved string <|image_pad|> at character 3 made plain text',)
    """
    found = find_reserved(text, reserved)
    notes = tuple(f"reserved string {s} at character {at} made plain text" for at, s in found)
    while found:  # breaking one up can leave a shorter one that overlapped it
        for at, _ in reversed(found):
            text = text[: at + 1] + WORD_JOINER + text[at + 1 :]
        found = find_reserved(text, reserved)
    return text, notes


def placeholders_in(prompt: str, placeholders: Mapping[str, str]) -> list[str]:
    """The modalities of a prompt's placeholders, in the order in which they stand.

    >>> placeholders_in("<img> <snd> <img>?", {"image": "<img>", "audio": "<snd>"})
    ['image', 'audio', 'image']
    """
    modality_of = {string: modality for modality, string in placeholders.items()}
    return [modality_of[string] for _, string in find_reserved(prompt, modality_of)]


def check_placeholders(prompt: str, items: Mapping[str, int], placeholders: Mapping[str, str]) -> None:
    """Refuse a prompt whose placeholders do not fit its items: vLLM 0.32 lets too many pass in silence.

    items: how many of each modality are handed over.  Raises PlaceholderMismatch.

    >>> check_placeholders("<img>?", {"image": 2}, {"image": "<img>"})
    Traceback (most recent call last):
    ...
    mmkit.errors.PlaceholderMismatch: 2 image items but 1 placeholder (<img>) in the prompt; one an item is needed
    """
    standing = placeholders_in(prompt, placeholders)
    for modality, string in placeholders.items():
        given, found = items.get(modality, 0), standing.count(modality)
        if given != found:
            raise PlaceholderMismatch(
                f"{given} {modality} item{'s' * (given != 1)} but {found} placeholder{'s' * (found != 1)} "
                f"({string}) in the prompt; one an item is needed",
            )
