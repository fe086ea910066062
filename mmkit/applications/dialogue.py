"""Dialogue: what a talk keeps of its earlier turns.

    Turn (text, picture, clip, answer) -> remember(turns, keep) -> MultiModalSample -> Engine -> Answer

A model remembers nothing between two calls: what a follow-up needs has to be sent again. Full size:
Qwen/Qwen2.5-Omni-7B. Leaves out summing up a long talk, and cutting it to a budget of tokens.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmkit.answers import Answer
from mmkit.samples import MultiModalSample


@dataclass(frozen=True, eq=False)
class Turn:
    """What a user sends in one turn, and what was answered, once it was."""

    text: str
    image: Any = None
    audio: Any = None
    answer: str | None = None


def remember(turns: Sequence[Turn], keep: Collection[str]) -> MultiModalSample:
    """The last turn as a sample, with what is kept: the latest "image", the latest "audio", the "talk"."""
    now = turns[-1]
    items = {}
    for kind in ("image", "audio"):
        sent = [getattr(turn, kind) for turn in (turns if kind in keep else [now])]
        items[kind] = tuple(item for item in sent if item is not None)[-1:]
    talk = turns[:-1] if "talk" in keep else ()
    history = tuple((turn.text, turn.answer or "") for turn in talk)
    return MultiModalSample(now.text, items["image"], items["audio"], history=history)


class Conversation:
    """A talk with one engine.  keep: see `remember`."""

    def __init__(self, engine: Any, keep: Collection[str] = ("image",)):
        self.engine, self.keep = engine, keep
        self.turns: list[Turn] = []

    def say(self, text: str, image: Any = None, audio: Any = None) -> Answer:
        """The answer to one more turn.  A turn whose item cannot be used raises its error and is forgotten."""
        turn = Turn(text, image, audio)
        sample = remember([*self.turns, turn], self.keep)
        answer = self.engine.ask(sample.text, images=sample.images, audios=sample.audios, history=sample.history)
        self.turns.append(replace(turn, answer=answer.text))
        return answer
