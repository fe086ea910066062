"""Answers in JSON: the facts of a scene, a printed number or a chart, under the names that programs ask for.

    Scene         -> ask_fields, ask_list -> Question, its answer in `pieces`
    PrintedNumber -> ask_number           -> Question
    BarChart      -> ask_chart            -> Question

Two ways to want JSON. The question says so and names the fields: then all of the answer is the model's own. Or the
question is a plain one and the form comes from structured output: then a grammar forces brackets, names and commas,
and only what it leaves open is learned, so that a plain question without a form still gets a plain answer.
The text is compact, {"color":"red","count":2}: what vLLM's structured output gives where white space is off. Its
pieces are split where the tokenizer splits, so that they are the tokens that the whole text has.
Leaves out nesting deeper than one list, booleans and null.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence

from mmkit.zoo.worlds import charts
from mmkit.zoo.worlds.shapes import (
    NUMBER_WORDS,
    PHRASINGS,
    Question,
    Scene,
    Shape,
    place,
    unique,
)

FORM_KINDS = ("json_fields", "json_list", "json_read")
# What a program may call each fact; the usual names more often.
NAMES: dict[str, tuple[str, ...]] = {
    "color": ("color", "color", "color", "colour"),
    "shape": ("shape", "shape", "shape", "kind", "object", "type", "name"),
    "position": ("position", "place", "where", "side", "location"),
    "size": ("size",),
    "count": ("count", "count", "number", "number_of_shapes", "shapes", "objects", "how_many", "total"),
    "list": ("shapes", "shapes", "objects", "items"),
    "digits": ("number", "value", "digits", "text"),
    "bars": ("bars", "count", "number_of_bars"),
    "tallest": ("tallest", "color", "tallest_bar"),
}
# The question says so.  {fields}: "color and shape"; {it}: "the image", "the red shape".
WANTED = (
    "Answer in JSON with the fields {fields}.",
    "Describe {it} in JSON with the fields {fields}.",
    "Describe {it} as JSON with {fields}.",
    "Give the {fields} of {it} as JSON.",
    "Return JSON with the keys {fields} for {it}.",
    "What is the {fields} of {it}? Answer in JSON.",
    "Reply in JSON: {fields} of {it}.",
)
LISTED = (
    "List the shapes in JSON.",
    "Describe the image in JSON.",
    "List all shapes as JSON with color and shape.",
    "Which shapes are in the image? Answer in JSON.",
    "Return JSON with a list of the shapes.",
)
Value = str | int
Facts = dict[str, Value]
Pieces = list[tuple[str, bool]]  # (text, is it the model's own?)


def size_word(shape: Shape, scene: Scene) -> str | None:
    """small or large, by a fraction of the picture's side; None between the two."""
    r = shape.r / math.sqrt(scene.width * scene.height)
    return "small" if r < 0.135 else "large" if r > 0.185 else None


def facts_of(shape: Shape, scene: Scene) -> Facts:
    """What can be said about one shape, by kind of fact."""
    told = {"color": shape.color, "shape": shape.kind, "position": place(shape, scene),
            "size": size_word(shape, scene)}  # fmt: skip
    return {fact: value for fact, value in told.items() if value}


def written(entries: Sequence[tuple[str, Value | list[Facts]]], form: bool) -> Pieces:
    """An object as compact JSON in pieces; form: are brackets, names and commas the model's own, too?

    >>> "".join(text for text, _ in written([("color", "red"), ("count", 2)], True))
    '{"color":"red","count":2}'
    >>> [text for text, own in written([("color", "red"), ("count", 2)], False) if own]
    ['red', '"', '2', '}']
    """
    pieces: Pieces = []
    for number, (name, value) in enumerate(entries):
        pieces += [(',"' if number else '{"', form), (name, form), ('":', form)]
        if isinstance(value, list):
            pieces.append(("[", form))
            for i, inner in enumerate(value):
                pieces += [(",", True)] if i else []
                pieces += written(list(inner.items()), form)
            pieces.append(("]", True))
        elif isinstance(value, int):
            pieces.append((str(value), True))
        else:
            # Whether a number comes as a word is the form's choice; that a word ends is the model's.
            pieces += [('"', form and value not in NUMBER_WORDS), (value, True), ('"', True)]
    return [*pieces, ("}", True)]


def _question(kind: str, text: str, entries: Sequence[tuple[str, Value | list[Facts]]], form: bool) -> Question:
    pieces = written(entries, form)
    answer = "".join(piece for piece, _ in pieces)
    assert json.loads(answer) == dict(entries)
    return Question(kind, text, answer, tuple(pieces))


def _listing(rng: random.Random, names: Sequence[str]) -> str:
    """The names of fields in a sentence: color, "shape" and count."""
    names = [name if rng.random() < 0.8 else f'"{name}"' for name in names]
    if len(names) == 1:
        return names[0]
    if rng.random() < 0.3:
        return ", ".join(names)
    return ", ".join(names[:-1]) + " and " + names[-1]


def _named(rng: random.Random, facts: Sequence[str]) -> list[tuple[str, str]]:
    """(fact, name) of some facts in random order; no name twice."""
    chosen: dict[str, str] = {}
    for fact in rng.sample(list(facts), len(facts)):
        chosen.setdefault(rng.choice(NAMES[fact]), fact)
    return [(fact, name) for name, fact in chosen.items()]


def _count(rng: random.Random, count: int) -> Value:
    """A number, or its word."""
    return count if rng.random() < 0.6 else NUMBER_WORDS[count]


def ask_fields(rng: random.Random, scene: Scene) -> Question:
    """One to four fields: of the only shape, of one that the question names, of the leftmost; or the count."""
    shapes, form = scene.shapes, rng.random() < 0.5
    known: Facts = {}
    subjects = ["the image", "the image", "the shape", "the object"]
    plain: tuple[str, ...] = PHRASINGS["caption"]
    if shapes:
        subject = rng.choice(shapes)
        names = []
        slots = {"color": subject.color, "shape": subject.kind}
        if subject in unique(shapes, "kind"):
            names.append((f"the {subject.kind}", PHRASINGS["color"]))
        if subject in unique(shapes, "color"):
            names.append((f"the {subject.color} shape", PHRASINGS["shape"]))
        if subject in unique(shapes, "name"):
            names.append((f"the {subject.name}", PHRASINGS["where"]))
        if names and rng.random() < (0.35 if len(shapes) == 1 else 0.75):
            name, questions = rng.choice(names)
            subjects = [name]
            plain = tuple(text.format(**slots) for text in questions) + (f"Describe {name}.",) * 4
        else:
            subject = shapes[0]
        known |= facts_of(subject, scene)
    known["count"] = _count(rng, len(shapes))
    few = rng.sample(list(known), min(len(known), rng.choices((1, 2, 3, 4), (3, 4, 2, 1))[0]))
    if not shapes or few == ["count"]:
        plain = plain if rng.random() < 0.3 else PHRASINGS["count"]
    fields = _named(rng, few)
    text = rng.choice(plain)
    if form:
        text = rng.choice(WANTED).format(fields=_listing(rng, [n for _, n in fields]), it=rng.choice(subjects))
    return _question("json_fields", text, [(name, known[fact]) for fact, name in fields], form)


def ask_list(rng: random.Random, scene: Scene) -> Question:
    """The shapes from left to right, as a list of objects; with their number beside it in one of three."""
    form = rng.random() < 0.5
    color, kind = ("color", "shape") if form else (rng.choice(NAMES["color"]), rng.choice(NAMES["shape"]))
    swapped = not form and rng.random() < 0.3
    shapes: list[Facts] = [
        {kind: shape.kind, color: shape.color} if swapped else {color: shape.color, kind: shape.kind}
        for shape in scene.shapes
    ]
    entries: list[tuple[str, Value | list[Facts]]] = [("shapes" if form else rng.choice(NAMES["list"]), shapes)]
    if not form and rng.random() < 0.3:
        name, count = "count", _count(rng, len(shapes))
        entries.insert(rng.randint(0, 1), (name, count))
    return _question("json_list", rng.choice(LISTED if form else PHRASINGS["caption"]), entries, form)


def ask_number(rng: random.Random, number: charts.PrintedNumber) -> Question:
    """A printed number as an integer or as its digits."""
    form, name = rng.random() < 0.5, rng.choice(NAMES["digits"])
    text = f"Read the number. Answer in JSON with the field {name}." if form else rng.choice(
        charts.PHRASINGS["number"])  # fmt: skip
    as_text = not form and rng.random() < 0.4
    return _question("json_read", text, [(name, number.digits if as_text else int(number.digits))], form)


def ask_chart(rng: random.Random, chart: charts.BarChart) -> Question:
    """How many bars, and the color of the tallest."""
    form = rng.random() < 0.5
    tallest = min(chart.bars, key=lambda bar: bar.y).color
    known: Facts = {"tallest": tallest, "bars": _count(rng, len(chart.bars))}
    few = rng.sample(list(known), rng.choice((1, 2)))
    fields = _named(rng, few)
    plain = charts.PHRASINGS["tallest" if few[0] == "tallest" else "count_bars"]
    text = rng.choice(plain)
    if form:
        it = "the chart"
        text = rng.choice(WANTED).format(fields=_listing(rng, [n for _, n in fields]), it=it)
    return _question("json_read", text, [(name, known[fact]) for fact, name in fields], form)
