"""Receipts and forms: up to six rows of a label and its value, asked by the label.

    sample_rows -> Row (label, value)...  -> sample_receipt(rng, width, height) -> Receipt (page, fields)
    ask(rng, field) -> "What is the total?", "What does the green tea cost?" -> the value as it is printed

Leaves out several columns of numbers and rows that run over two lines.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from mmkit.zoo.worlds import wording
from mmkit.zoo.worlds.labels import sample_face, wear
from mmkit.zoo.worlds.pages import CAP, DESCENT, Line, Page, text_width
from mmkit.zoo.worlds.shapes import Question

SMALLEST = 7.0  # mean width of a letter in pixels
MOST_ROWS = 6
SUMS = ("Total", "Total", "Total", "Subtotal", "Tax", "Tip", "Cash", "Change", "Balance", "Discount")
PHRASINGS = {
    "item": ("What does the {label} cost?", "What does the {label} cost?", "What is the price of the {label}?",
             "How much is the {label}?"),
    "label": ("What is the {label}?",),
}  # fmt: skip


@dataclass(frozen=True)
class Field:
    """A row that can be asked for.  kind: a key of PHRASINGS; label without its colon."""

    kind: str
    label: str
    value: str


@dataclass(frozen=True)
class Receipt:
    """A page and the fields on it."""

    page: Page
    fields: tuple[Field, ...]


def _is_held_out(field: Field) -> bool:
    return wording.is_held_out(f"{field.label} {field.value}")


def sample_value(rng: random.Random, label: str) -> str:
    """What stands behind a label of a form."""
    if label == "Date":
        return wording.sample_date(rng)
    if label in ("Name", "Patient", "Doctor", "Customer"):
        return wording.sample_name(rng)
    kind = rng.random()
    if kind < 0.35:
        return wording.sample_code(rng)
    if kind < 0.55:
        return wording.sample_words(rng, 1)
    if kind < 0.75:
        return wording.sample_price(rng)
    return wording.sample_date(rng) if kind < 0.85 else str(rng.randint(1, 9999))


FORM_LABELS = ("Name", "Date", "Patient", "Doctor", "Customer", "Room", "Ward", "Order", "Code", "Price", "Size",
               "Age", "Phone", "Weight", "Height", "Time", "Number", "Seat", "Gate", "Table", "City", "Type",
               "Batch", "Model", "Color", "Dose", "Rate", "Score", "Value", "Item")  # fmt: skip


def sample_field(rng: random.Random, kind: str, held_out: bool) -> Field:
    """One field: "item" (a thing and its price), "sum" (total and the like), "form" or "date"."""
    while True:
        if kind == "item":
            words = [wording.sample_word(rng) for _ in range(rng.choice((1, 1, 1, 2)))]
            label = " ".join(words) if rng.random() < 0.3 else " ".join(words).capitalize()
            field = Field("item", label.title() if rng.random() < 0.15 else label, wording.sample_amount(rng, 2.2))
        elif kind == "sum":
            field = Field("label", rng.choice(SUMS), wording.sample_amount(rng, 2.6))
        elif kind == "date":
            field = Field("label", "Date", wording.sample_date(rng))
        else:
            label = rng.choice(FORM_LABELS) if rng.random() < 0.7 else wording.sample_word(rng).capitalize()
            field = Field("label", label, sample_value(rng, label))
        if len(field.label) <= 14 and len(field.value) <= 14 and _is_held_out(field) == held_out:
            return field


def sample_fields(rng: random.Random, held_out: bool) -> list[Field]:
    """The rows of a receipt or form, from the top, all labels different."""
    if rng.random() < 0.65:
        kinds = ["date"] * (rng.random() < 0.35) + ["item"] * rng.randint(1, 4)
        kinds += ["sum"] * rng.choice((0, 1, 1, 1, 2))
    else:
        kinds = ["form"] * rng.randint(2, 5)
    fields: list[Field] = []
    for kind in kinds[:MOST_ROWS]:
        for _ in range(10):
            field = sample_field(rng, kind, held_out)
            if all(field.label.lower() != other.label.lower() for other in fields):
                fields.append(field)
                break
    if rng.random() < 0.2:  # a sign before or behind every amount
        sign = rng.choice("$$€£")
        fields = [
            Field(f.kind, f.label, sign + f.value) if f.value.replace(".", "").replace(",", "").isdigit() else f
            for f in fields
        ]
    if rng.random() < 0.25:
        fields = [Field(f.kind, f.label.upper(), f.value) for f in fields]
    return fields


def sample_receipt(rng: random.Random, width: int, height: int, held_out: bool = False) -> Receipt:
    """A receipt or form of some size in pixels.

    held_out: in a typeface, and with pairs of label and value, that training never draws.
    """
    while True:
        fields, face = sample_fields(rng, held_out), sample_face(rng, held_out)
        header = wording.sample_words(rng, rng.choice((1, 2))) if rng.random() < 0.4 else ""
        count = len(fields) + bool(header)
        if count > MOST_ROWS or count < 2:
            continue
        colon = rng.choice(("", "", ":"))
        labels = [field.label + colon for field in fields]
        lefts, rights = [text_width(t, face) for t in labels], [text_width(f.value, face) for f in fields]
        pitch = rng.uniform(1.15, 2.0)
        gap, style = rng.uniform(0.6, 2.0), rng.choice(("right", "right", "right", "column", "behind"))
        if style == "right":
            block = max(a + gap + b for a, b in zip(lefts, rights, strict=True))
        elif style == "column":
            block = max(lefts) + gap + max(rights)
        else:
            gap = text_width(" ", face) if colon else max(gap, 0.6)
            block = max(a + gap + b for a, b in zip(lefts, rights, strict=True))
        block = max(block, text_width(header, face))
        tall = CAP + DESCENT + pitch * (count - 1)
        size = min(0.95 * width / block, 0.95 * height / tall, 40.0) * rng.uniform(0.8, 1.0)
        letters = sum(lefts + rights) / sum(len(t) for t in labels + [f.value for f in fields])
        if size * letters < SMALLEST or size < 11:
            continue
        stretch = max(block * size, 0.93 * width * rng.uniform(0.75, 1.0)) if style == "right" else block * size
        x = rng.uniform(0.02 * width, 0.98 * width - stretch) if 0.96 * width > stretch else (width - stretch) / 2
        free = height - tall * size
        pitch += rng.uniform(0, 0.6) * free / size / max(1, count - 1)
        tall = CAP + DESCENT + pitch * (count - 1)
        y = rng.uniform(0.3, 0.7) * (height - tall * size)
        lines, rules, row = [], [], 0
        if header:
            middle = (stretch - text_width(header, face) * size) / 2 if rng.random() < 0.6 else 0.0
            lines.append(Line(header, x + middle, y + CAP * size, size, face, 0))
            row = 1
        for field, label, left, right in zip(fields, labels, lefts, rights, strict=True):
            base = y + (CAP + pitch * row) * size
            if style == "right":
                at = x + stretch - right * size
            else:
                at = x + size * ((max(lefts) if style == "column" else left) + gap)
            lines += [Line(label, x, base, size, face, row), Line(field.value, at, base, size, face, row)]
            if field.label.lower() == "total" and rng.random() < 0.3:
                above = base - (CAP + (pitch - CAP - DESCENT) / 2) * size
                rules.append((x, above, x + stretch, above))
            row += 1
        box = x - 0.3 * size, y - 0.2 * size, x + stretch + 0.3 * size, y + tall * size + 0.2 * size
        angle = rng.uniform(-2, 2) if rng.random() < 0.3 else 0.0
        return Receipt(wear(rng, width, height, tuple(lines), box, angle, tuple(rules)), tuple(fields))


def ask(rng: random.Random, field: Field, phrasing: int | None = None) -> Question:
    """The question for a field: by its label in small letters, mostly, or as it is printed."""
    phrasings = PHRASINGS[field.kind]
    text = rng.choice(phrasings) if phrasing is None else phrasings[phrasing]
    label = field.label.lower() if phrasing is not None or rng.random() < 0.7 else field.label
    return Question("receipt field", text.format(label=label), field.value)
