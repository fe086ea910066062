"""Samples: what a caller hands over, and what it becomes.

    MultiModalSample (text and its items, as they are) -> Item (loaded, checked, counted) -> Prompt (for vLLM)

Leaves out how: items are loaded in modalities.py, text is rendered in messages.py, preprocessor.py does it all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mmkit.errors import InvalidArgument, LimitExceeded, PlaceholderMismatch
from mmkit.families import MODALITIES, Family
from mmkit.tokens import Cost, ItemCost


@dataclass(frozen=True, eq=False)
class Embedding:
    """An item whose encoder has run already.

    values: (n, hidden) floats, numpy or torch, as the language model takes them.  grid: (t, h, w) in patches for
    families that count patches (Qwen-VL: n = t * h * w / merge^2), else None.
    """

    values: Any
    grid: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class MultiModalSample:
    """Text and its items, as a caller has them: paths, bytes, data URLs, pictures, arrays, embeddings.

    history: earlier (question, answer) turns; the items then belong to the first of them.
    prompt: a finished prompt with its placeholders, used as it is in place of text, system and history. Only hand
    over what you wrote yourself: nothing in it is neutralized.
    """

    text: str = ""
    images: tuple = ()
    audios: tuple = ()
    videos: tuple = ()
    system: str | None = None
    history: tuple[tuple[str, str], ...] = ()
    prompt: str | None = None

    def __post_init__(self) -> None:
        for name in ("images", "audios", "videos", "history"):
            given = getattr(self, name)
            if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
                raise InvalidArgument(f"{name} is a {type(given).__name__}, not a list; write [{name[:-1]}]")
            object.__setattr__(self, name, tuple(given))  # a generator can be read only once

    def items(self, modality: str) -> tuple:
        """The items of one modality.

        >>> MultiModalSample("?", images=("a.png",)).items("image")
        ('a.png',)
        """
        return {"image": self.images, "audio": self.audios, "video": self.videos}[modality]


@dataclass(frozen=True, eq=False)
class Item:
    """A loaded item: `value` as vLLM takes it, `clean` as mmkit has it, and its key (hash of the clean value).

    nbytes: of the clean value in memory.
    """

    modality: str
    clean: Any
    value: Any
    key: str
    cost: ItemCost
    nbytes: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prompt:
    """What `LLM.generate` takes, with a note for each repair.

    text: the prompt with one placeholder an item.  items: modality -> loaded values, as vLLM takes them.
    uuids: modality -> content hashes, so that vLLM's caches know a picture again wherever it came from.
    kwargs: for the model's processor, where a caller set any.  nbytes: of the items in memory.
    """

    text: str
    items: dict[str, Any]
    cost: Cost
    notes: tuple[str, ...] = ()
    uuids: dict[str, list[str]] = field(default_factory=dict)
    kwargs: dict[str, Any] = field(default_factory=dict)
    nbytes: int = 0

    def for_vllm(self) -> dict[str, Any]:
        """The prompt dictionary of vLLM."""
        prompt: dict[str, Any] = {"prompt": self.text}
        if self.items:
            prompt["multi_modal_data"] = self.items
        if self.uuids:
            prompt["multi_modal_uuids"] = self.uuids
        if self.kwargs:
            prompt["mm_processor_kwargs"] = self.kwargs
        return prompt


def check_items(sample: MultiModalSample, family: Family, max_items: Mapping[str, int]) -> None:
    """Does the model take such items, and so many?

    max_items: modality -> how many a sample may hold.  Raises LimitExceeded for a modality that the model does not
    take or for too many items, PlaceholderMismatch for a missing clip or a mixture of embeddings and others.
    """
    numbers = {m: len(sample.items(m)) for m in MODALITIES}
    for modality, number in numbers.items():
        allowed = max_items.get(modality)
        if number and modality not in family.modalities:
            able = ", ".join(family.modalities) or "text only"
            raise LimitExceeded(f"{family.name} takes no {modality} (it takes: {able})")
        if allowed is not None and number > allowed:
            table = ", ".join(f"{n} {m} of {max_items.get(m, n)}" for m, n in numbers.items() if n)
            raise LimitExceeded(
                f"{number} {modality} items, at most {allowed} allowed ({table}); send fewer, or raise the limit"
            )
    if family.style == "encoder_decoder" and not numbers["audio"]:
        raise PlaceholderMismatch(
            f"{family.name} transcribes, and there is no clip: hand one over, audios=[...] "
            "(vLLM 0.32 would answer from uninitialized memory)"
        )
    for modality in MODALITIES:
        kinds = {isinstance(source, Embedding) for source in sample.items(modality)}
        if len(kinds) > 1:
            raise PlaceholderMismatch(
                f"{modality} items are either all embeddings or none: vLLM takes no mixture in one prompt"
            )
