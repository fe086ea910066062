"""Prompts: where the placeholders stand, what they grow into, and why a user cannot forge one.

    user text -> neutralize -> chat template -> prompt with one placeholder an item -> check_placeholders
    token ids, PromptUpdates -> resolve_updates -> expand -> Expansion: token ids and the range of each item

A placeholder ("<|image_pad|>") is a control token that vLLM swaps for the embeddings of an item. The same
characters typed by a user would be read as that token: the answer is then about the wrong picture, or the engine
crashes (vLLM issue 57740, CVE-2026-44222). So user text is neutralized first, and the finished prompt is counted.

`apply_updates` and `find_placeholders` follow vLLM 0.32's `apply_token_matches` and `find_mm_placeholders`, token
for token; `expand` refuses what those let pass: an item without a place, a place without an item, an expanded
prompt, updates that get in each other's way.
Leaves out how many tokens an item takes (tokens.py) and targets that are searched for as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

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

    processor: a transformers processor or tokenizer.  Added tokens of white space (Gemma's blank lines) are no
    control tokens.
    """
    tokenizer = getattr(processor, "tokenizer", processor)
    strings = set(tokenizer.get_added_vocab()) | set(placeholders_of(processor).values())
    return tuple(sorted((s for s in strings if len(s) > 1 and not s.isspace()), key=lambda s: (-len(s), s)))


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


# ---------------------------------------------------------------- placeholders become embeddings' places


@dataclass(frozen=True)
class Place:
    """A target that is a place in the prompt, not a sequence of tokens: vLLM's PromptIndexTargets."""

    where: Literal["start", "end", "after prefix"]
    prefix: tuple[int, ...] = ()


START, END = Place("start"), Place("end")
Target = Sequence[int] | Place


def after_prefix(tokens: Sequence[int]) -> Place:
    """The place right behind these tokens, in a prompt that begins with them."""
    return Place("after prefix", tuple(tokens))


@dataclass(frozen=True)
class Content:
    """What an item becomes in the prompt: vLLM's PromptUpdateDetails.

    tokens: token ids.  embeds: which of them receive an embedding of the encoder's; None stands for all.
    """

    tokens: tuple[int, ...]
    embeds: tuple[bool, ...] | None = None

    @classmethod
    def select(cls, tokens: Sequence[int], *embed_tokens: int) -> Content:
        """Only the tokens named receive embeddings; the others (begin, end, line breaks) are read as text.

        >>> Content.select([1, 9, 9, 2], 9)
        Content(tokens=(1, 9, 9, 2), embeds=(False, True, True, False))
        """
        return cls(tuple(tokens), tuple(token in embed_tokens for token in tokens))


@dataclass(frozen=True)
class PromptUpdate:
    """A rule: at `target`, insert or replace by `content`, once for each item of `modality`.

    target, content: a value, or a function of the item's number that gives one; content may be bare token ids.
    """

    modality: str
    mode: Literal["insert", "replace"]
    target: Target | Callable[[int], Target]
    content: Content | Sequence[int] | Callable[[int], Content | Sequence[int]]

    def resolve(self, item: int) -> ResolvedUpdate:
        """The rule as it stands for one item."""
        target = self.target(item) if callable(self.target) else self.target
        content = self.content(item) if callable(self.content) else self.content
        if not isinstance(content, Content):
            content = Content(tuple(content))
        if not isinstance(target, Place):
            target = tuple(target)
        return ResolvedUpdate(self.modality, self.mode, target, content, item)


@dataclass(frozen=True)
class ResolvedUpdate:
    """A rule as it stands for one item: vLLM's ResolvedPromptUpdate."""

    modality: str
    mode: Literal["insert", "replace"]
    target: tuple[int, ...] | Place
    content: Content
    item: int


# modality -> for each item, its resolved updates: alternatives, of which the first that finds its target counts
Updates = Mapping[str, Sequence[Sequence[ResolvedUpdate]]]


def resolve_updates(
    rules: Iterable[PromptUpdate], counts: Mapping[str, int]
) -> dict[str, list[list[ResolvedUpdate]]]:
    """Group rules by modality, and resolve each of them for every item.

    counts: how many items of each modality.

    >>> rules = [PromptUpdate("image", "replace", [7], lambda i: [9] * (i + 2))]
    >>> [update.content.tokens for [update] in resolve_updates(rules, {"image": 2})["image"]]
    [(9, 9), (9, 9, 9)]
    """
    grouped: dict[str, list[PromptUpdate]] = {}
    for rule in rules:
        grouped.setdefault(rule.modality, []).append(rule)
    return {
        modality: [[rule.resolve(item) for rule in alternatives] for item in range(counts.get(modality, 0))]
        for modality, alternatives in grouped.items()
    }


def find_target(prompt: Sequence[int], target: Target, start: int = 0) -> tuple[int, int] | None:
    """The first place of a target at or behind `start`: (start, end), of no width for a Place; None without one.

    An empty sequence matches nowhere.  As in vLLM, START and END match whatever `start` is.

    >>> find_target([5, 7, 8, 7, 8], [7, 8], start=2), find_target([5, 7], END), find_target([5, 7], [8])
    ((3, 5), (2, 2), None)
    """
    if isinstance(target, Place):
        here = {"start": 0, "end": len(prompt), "after prefix": len(target.prefix)}[target.where]
        fits = target.where != "after prefix" or (start == 0 and tuple(prompt[:here]) == target.prefix)
        return (here, here) if fits else None
    length = len(target)
    for here in range(start, len(prompt) - length + 1) if length else ():
        if tuple(prompt[here : here + length]) == tuple(target):
            return here, here + length
    return None


@dataclass(frozen=True)
class Edit:
    """An update and the target that it found: prompt[start:end]."""

    start: int
    end: int
    update: ResolvedUpdate

    @property
    def at(self) -> int:
        """Where the content goes: before a target that it replaces, behind a target that it follows."""
        return self.start if self.update.mode == "replace" else self.end


def plan_updates(prompt: Sequence[int], updates: Updates) -> list[Edit]:
    """Decide which update is applied where, before anything moves.

    In rounds, each of which searches behind the round before. The first waiting item that finds a target says
    whether the round inserts or replaces. All insertions of a round are made together; of the replacements only
    the leftmost, so that no two items take the same placeholder. Ties go to the item that comes first.
    """
    waiting = [alternatives for items in updates.values() for alternatives in items]
    edits: list[Edit] = []
    reached = 0
    while True:
        tried = {i: _first_edit(prompt, item, reached) for i, item in enumerate(waiting)}
        found = {i: edit for i, edit in tried.items() if edit}
        if not found:
            return edits
        mode = next(iter(found.values())).update.mode
        tried = {i: _first_edit(prompt, waiting[i], reached, mode) for i in found}
        round_edits = {i: edit for i, edit in tried.items() if edit}
        swaps = [i for i, edit in round_edits.items() if mode == "replace" and edit.start != edit.end]
        leftmost = min(swaps, key=lambda i: (round_edits[i].start, round_edits[i].end), default=None)
        taken = {i: edit for i, edit in round_edits.items() if i == leftmost or i not in swaps}
        new = sorted(taken.values(), key=lambda edit: (edit.start, edit.end))
        edits += new
        reached = new[-1].end
        waiting = [item for i, item in enumerate(waiting) if i not in taken]


def _first_edit(
    prompt: Sequence[int], alternatives: Sequence[ResolvedUpdate], start: int, mode: str | None = None
) -> Edit | None:
    """The first alternative (of one mode, if given) that finds its target."""
    for update in alternatives:
        if mode in (None, update.mode) and (found := find_target(prompt, update.target, start)):
            return Edit(found[0], found[1], update)
    return None


@dataclass(frozen=True)
class Placeholder:
    """Where an item stands in the expanded prompt: vLLM's PlaceholderFeaturesInfo and PlaceholderRange."""

    modality: str
    item: int
    start: int
    content: Content

    @property
    def end(self) -> int:
        return self.start + len(self.content.tokens)

    @property
    def embeds(self) -> tuple[bool, ...]:
        """For each token of it: does it receive an embedding?"""
        return (True,) * len(self.content.tokens) if self.content.embeds is None else self.content.embeds


@dataclass(frozen=True)
class Expansion:
    """An expanded prompt: its tokens, where each item stands, and which edit of the prompt made it so."""

    tokens: list[int]
    placeholders: list[Placeholder]
    edits: list[Edit]

    def strip(self, say: Callable[[int], str]) -> list[tuple[str, str, bool]]:
        """Each token as plots.prompt_strip draws it: its text, its item's modality or "text", and does it receive
        an embedding?

        say: token id -> text, as tokenizer.decode.

        >>> rules = [PromptUpdate("image", "replace", [7], Content.select([1, 9, 2], 9))]
        >>> expand([5, 7], resolve_updates(rules, {"image": 1})).strip(str)
        [('5', 'text', False), ('1', 'image', False), ('9', 'image', True), ('2', 'image', False)]
        """
        drawn = [(say(token), "text", False) for token in self.tokens]
        for item in self.placeholders:
            for at, receives in enumerate(item.embeds, item.start):
                drawn[at] = (drawn[at][0], item.modality, receives)
        return drawn


def apply_updates(prompt: Sequence[int], updates: Updates) -> Expansion:
    """Apply the updates that find a target, as vLLM's apply_token_matches does: the others are left out in silence.

    >>> rules = [PromptUpdate("image", "replace", [7], [9, 9, 9]), PromptUpdate("audio", "insert", END, [8])]
    >>> apply_updates([5, 7, 6], resolve_updates(rules, {"image": 1, "audio": 1})).tokens
    [5, 9, 9, 9, 6, 8]
    """
    edits = plan_updates(prompt, updates)
    tokens: list[int] = []
    placeholders, reached = [], 0
    for edit in edits:
        tokens += prompt[reached : edit.at]
        content = edit.update.content
        if content.tokens:
            placeholders.append(Placeholder(edit.update.modality, edit.update.item, len(tokens), content))
        tokens += content.tokens
        reached = edit.end
    return Expansion(tokens + list(prompt[reached:]), placeholders, edits)


def find_placeholders(prompt: Sequence[int], updates: Updates) -> list[Placeholder]:
    """Find the items of a prompt that is expanded already, as vLLM's find_mm_placeholders does.

    From left to right; each modality's items in their order; where two modalities share a content, the one that
    comes first in `updates` takes it.
    """
    found: list[Placeholder] = []
    items = {modality: iter(alternatives) for modality, alternatives in updates.items()}
    next_of = {modality: next(left, ()) for modality, left in items.items()}
    at = 0
    while at < len(prompt):
        for update in [update for alternatives in next_of.values() for update in alternatives]:
            tokens = update.content.tokens
            if tokens and tuple(prompt[at : at + len(tokens)]) == tokens:
                found.append(Placeholder(update.modality, update.item, at, update.content))
                next_of[update.modality] = next(items[update.modality], ())
                at += len(tokens)
                break
        else:
            at += 1
    return found


def expand(prompt: Sequence[int], updates: Updates) -> Expansion:
    """Expand a prompt, or say why it cannot be right.

    Raises PlaceholderMismatch where an item finds no target, where a target that is to be replaced is left over,
    where the prompt is expanded already, and where updates get in each other's way, so that vLLM would repeat a
    part of the prompt. vLLM's own functions raise in none of these cases.

    >>> rules = [PromptUpdate("image", "replace", [7], [7, 7])]
    >>> expand([5, 7, 7], resolve_updates(rules, {"image": 1}))
    Traceback (most recent call last):
    ...
    mmkit.errors.PlaceholderMismatch: the prompt is expanded already: image 0 stands at token 1
    """
    items = [alternatives for found in updates.values() for alternatives in found]
    already = find_placeholders(prompt, updates)
    grown = [item for item in already if len(item.content.tokens) > 1]
    if grown and len(already) == len(items):
        raise PlaceholderMismatch(
            f"the prompt is expanded already: {grown[0].modality} {grown[0].item} stands at token {grown[0].start}"
        )
    expansion = apply_updates(prompt, updates)
    done = {(edit.update.modality, edit.update.item) for edit in expansion.edits}
    for update in (alternatives[0] for alternatives in items if alternatives):
        if (update.modality, update.item) not in done:
            raise PlaceholderMismatch(f"no target for {update.modality} {update.item}: {_said(update.target)}")
    reached, left = 0, list[int]()
    for edit in expansion.edits:
        if edit.at < reached:
            raise PlaceholderMismatch(
                f"the update of {edit.update.modality} {edit.update.item} belongs at token {edit.at}, but an "
                f"earlier one reaches to token {reached}; order the rules by their place in the prompt"
            )
        left += [*prompt[reached : edit.start], -1]  # no target reaches over an edit
        reached = edit.end
    left += prompt[reached:]
    for target in {u.target for a in items for u in a if u.mode == "replace" and not isinstance(u.target, Place)}:
        if find_target(left, target):
            raise PlaceholderMismatch(f"more placeholders than items: {_said(target)} is left over")
    return expansion


def _said(target: Target) -> str:
    if isinstance(target, Place):
        return "the prompt's " + target.where if target.where != "after prefix" else f"prefix {list(target.prefix)}"
    return f"token{'s' * (len(target) != 1)} {', '.join(map(str, target))}"
