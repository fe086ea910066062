"""Answers: how a model may be asked to answer, and what comes back.

    Sampling(temperature=0.7, top_p=0.9)     how the next token is chosen
    Sampling(choice=("red", "green"))        which answers are possible at all: structured output
    Answer                                   what the model said, with its confidence

Follows vLLM's `SamplingParams` and `StructuredOutputsParams`: the same names and meanings; greedy by default. One
description for the offline engine, the async engine and a server's client, so that they answer alike.
Leaves out the rarer parameters of vLLM; `Engine.llm` takes them.
"""

from __future__ import annotations

import difflib
import json as json_module
import re
from dataclasses import dataclass, fields
from typing import Any

from mmkit.errors import InvalidArgument

STRUCTURES = ("choice", "regex", "json", "grammar")  # at most one of them
OLD_NAMES = {f"guided_{name}": name for name in STRUCTURES} | {"choices": "choice", "schema": "json"}


@dataclass(frozen=True)
class Sampling:
    """How an answer is made, by vLLM's own names.

    json: a JSON schema (dict) or a pydantic model's class; the answer is then one line of compact JSON, since mmkit
    starts vLLM so: where white space is free, as JSON has it, a small model may write nothing else to max_tokens.
    choice: the answers that are possible.  regex: the whole answer matches it.  grammar: EBNF as xgrammar reads it.
    Raises InvalidArgument for values that vLLM would refuse, or would ignore in silence.
    """

    max_tokens: int = 64
    temperature: float = 0.0  # 0: always the likeliest token
    top_p: float = 1.0  # choose among the likeliest tokens that hold this share of the probability
    top_k: int = 0  # choose among the k likeliest; 0: among all
    min_p: float = 0.0  # choose among tokens at least this likely, relative to the likeliest
    n: int = 1  # answers to each question
    seed: int | None = 0  # the same seed gives the same answer; None: another one each time
    stop: str | tuple[str, ...] = ()  # strings that end the answer
    min_tokens: int = 0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    choice: tuple[str, ...] = ()
    regex: str | None = None
    json: Any = None
    grammar: str | None = None

    def __post_init__(self) -> None:
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)
        object.__setattr__(self, "stop", stop)
        object.__setattr__(self, "choice", tuple(self.choice))
        object.__setattr__(self, "json", _schema(self.json))
        wanted = [name for name in STRUCTURES if getattr(self, name) not in ((), None)]
        if len(wanted) > 1:
            raise InvalidArgument(f"{' and '.join(wanted)} contradict each other; give one of them")
        if not all(isinstance(text, str) and text for text in (*self.choice, *stop)):
            raise InvalidArgument("choice and stop hold strings that are not empty")
        if self.regex is not None:
            try:
                re.compile(self.regex)
            except re.error as error:
                raise InvalidArgument(f"regex {self.regex!a} cannot be read: {error}", cause=error) from error
        if self.n > 1 and self.temperature == 0:
            raise InvalidArgument("n answers at temperature 0 are the same answer; raise the temperature")

    def arguments(self) -> dict[str, Any]:
        """The fields as vLLM's `SamplingParams`, and the JSON body of its server, name them.

        >>> Sampling(choice=("red", "blue"), max_tokens=4).arguments()
        {'max_tokens': 4, 'temperature': 0.0, 'seed': 0, 'structured_outputs': {'choice': ['red', 'blue']}}
        """
        always = ("max_tokens", "temperature", "seed")
        chosen: dict[str, Any] = {name: getattr(self, name) for name in always}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in (*always, *STRUCTURES) and value != field.default:
                chosen[field.name] = list(value) if isinstance(value, tuple) else value
        structure = self.structure()
        return {**chosen, "structured_outputs": structure} if structure else chosen

    def structure(self) -> dict[str, Any]:
        """The fields of vLLM's `StructuredOutputsParams`; empty where any text will do."""
        if self.choice:
            return {"choice": list(self.choice)}
        return {n: getattr(self, n) for n in ("regex", "json", "grammar") if getattr(self, n) is not None}


def sampling_of(options: dict[str, Any]) -> Sampling:
    """A Sampling of keyword arguments.  Raises InvalidArgument for a name that it does not have, with the near one.

    >>> sampling_of({"guided_choice": ["red"]})
    Traceback (most recent call last):
    ...
    mmkit.errors.InvalidArgument: no sampling parameter 'guided_choice'; did you mean choice?
    """
    known = [field.name for field in fields(Sampling)]
    for name in options:
        if name not in known:
            near = [OLD_NAMES[name]] if name in OLD_NAMES else difflib.get_close_matches(name, known, 1)
            remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise InvalidArgument(f"no sampling parameter {name!a}; {remedy}")
    try:
        return Sampling(**options)
    except TypeError as error:
        raise InvalidArgument(f"a sampling parameter has a wrong type: {error}", cause=error) from error


def _schema(wanted: Any) -> dict[str, Any] | None:
    """A JSON schema: given as one, as its text, or as a pydantic model's class."""
    if isinstance(wanted, type) and hasattr(wanted, "model_json_schema"):
        return wanted.model_json_schema()
    if isinstance(wanted, str):
        try:
            wanted = json_module.loads(wanted)
        except ValueError as error:
            raise InvalidArgument("json is a text that is no JSON schema", cause=error) from error
    if wanted is not None and not isinstance(wanted, dict):
        raise InvalidArgument(f"json is a {type(wanted).__name__}, not a schema (dict) or a pydantic model's class")
    return wanted


@dataclass(frozen=True)
class Answer:
    """What the model said.

    text: the answer.  token_ids: its tokens.  confidence: the probability the model gave to this answer, 0 to 1
    (with structured output: among what the form allows).  prompt_tokens: how long the expanded prompt was.
    notes: every repair made on the way in.  others: the second to the n-th answer, where n were asked for.
    """

    text: str
    token_ids: tuple[int, ...]
    confidence: float
    prompt_tokens: int
    notes: tuple[str, ...] = ()
    others: tuple[Answer, ...] = ()

    def __str__(self) -> str:
        return self.text
