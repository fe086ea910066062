"""Figures of text: strips of tokens, losses, masks, batches, attention."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from mmkit.plots.alt import sentences, shortened
from mmkit.plots.style import BLACK, BLUE, COLOURS, GREY, WRONG

_TINTS = ("#CFE3F2", "#FBE3B5", "#C7E9DC", "#F3DCE8")  # pale blue, orange, green and pink of the palette
_VISIBLE = str.maketrans({" ": "·", "\n": "↵", "\r": "␍", "\t": "→", "\u2060": "⁀"})


class Strip:
    """A drawing of tokens that notebooks show: SVG, so that the reader's own fonts draw every script."""

    def __init__(self, svg: str, title: str, alt: str):
        self.svg = svg
        self.title = title
        self.alt = alt

    def _repr_svg_(self) -> tuple[str, dict[str, str]]:
        return self.svg, {"alt": self.alt}

    def __repr__(self) -> str:
        return f"<strip: {self.title}>"


def token_strip(
    rows: Sequence[Sequence[str]],
    labels: Sequence[str] = (),
    *,
    title: str = "",
    control: Collection[str] = (),
    partial: Collection[str] = (),
    colors: Mapping[str, str] | None = None,
) -> Strip:
    """Draw rows of tokens as boxes, each as wide as its text; long rows go on in the next line.

    rows: tokens as strings; a space is drawn as a dot, a line end as an arrow.  labels: one for each row.
    control: tokens that are drawn dark, because they steer the model.  partial: tokens that are drawn grey, because
    they hold only part of a character.  colors: token -> color, where the same thing must be found again.

    >>> token_strip([["ab", " c"]], ["one"], title="two tokens")
    <strip: two tokens>
    """
    always = {**dict.fromkeys(partial, "#D0D0D0"), **dict.fromkeys(control, BLACK), **(colors or {})}
    drawn = [
        [(token, always.get(token, _TINTS[at % len(_TINTS)]), "none") for at, token in enumerate(tokens)]
        for tokens in rows
    ]
    spoken = [" | ".join(token.translate(_VISIBLE) for token in tokens) for tokens in rows]
    return _boxes(drawn, labels, title, spoken)


def prompt_strip(rows: dict[str, Sequence[tuple[str, str, bool]]], title: str) -> Strip:
    """Draw prompts as rows of tokens: filled in the color of its modality where a token receives an embedding,
    edged in it where it only belongs to an item, pale where it is text.

    rows: label -> (token, modality or "text", receives an embedding?), as prompts.Expansion.strip gives them.
    Four or more of the same in a row become one box: "<|image_pad|>×16".

    >>> prompt_strip({"after": [("what", "text", False), *[("<img>", "image", True)] * 4]}, "one picture")
    <strip: one picture>
    """
    drawn, spoken = [], []
    for tokens in rows.values():
        boxes, words = [], []
        for (token, modality, receives), run in groupby(tokens):
            count = len(list(run))
            color = "none" if modality == "text" else COLOURS[modality]
            fill = _TINTS[0] if modality == "text" else color if receives else "white"
            short = [f"{token}×{count}"] if count > 3 else [token] * count
            boxes += [(each, fill, color) for each in short]
            words += [each.translate(_VISIBLE) + f" ({modality})" * receives for each in short]
        drawn.append(boxes)
        spoken.append(" | ".join(words))
    return _boxes(drawn, list(rows), title, spoken)


def _boxes(
    rows: Sequence[Sequence[tuple[str, str, str]]], labels: Sequence[str], title: str, spoken: Sequence[str]
) -> Strip:
    """Rows of boxes (text, fill, edge), each as wide as its text; spoken: the rows in words."""
    unit, line, width = 8.0, 31, 700
    start = 12 + (max(map(_columns, labels)) * 7.0 + 10 if labels else 0)
    parts, y = [], 34 if title else 8
    for row, boxes in enumerate(rows):
        if labels:
            parts.append(_svg_text(10, y + 18, labels[row], size=12, fill="#444444"))
        x = start
        for token, fill, edge in boxes:
            shown = token.translate(_VISIBLE)
            wide = _columns(shown) * unit + 10
            if x + wide > width - 6 and x > start:
                x, y = start, y + line
            ink = "white" if fill == BLACK else BLACK
            border = "" if edge == "none" else f' stroke="{edge}" stroke-width="2"'
            parts.append(
                f'<rect x="{x:.0f}" y="{y}" width="{wide - 2:.0f}" height="25" rx="4" fill="{fill}"{border}/>'
                + _svg_text(x + wide / 2 - 1, y + 17, shown, size=13, fill=ink, anchor="middle", mono=True)
            )
            x += wide
        y += line
    head = _svg_text(10, 20, title, size=14, fill=BLACK) if title else ""
    named = [f"{label}: {row}" for label, row in zip(labels, spoken, strict=True)] if labels else list(spoken)
    alt = shortened(sentences([title, *named]))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{html.escape(alt)}" '
        f'width="{width}" height="{y + 4}" '
        f'viewBox="0 0 {width} {y + 4}"><rect width="100%" height="100%" fill="white"/>{head}{"".join(parts)}</svg>'
    )
    return Strip(svg, title, alt)


def _svg_text(
    x: float, y: float, text: str, *, size: int, fill: str, anchor: str = "start", mono: bool = False
) -> str:
    family = "DejaVu Sans Mono, Menlo, Consolas, monospace" if mono else "DejaVu Sans, Arial, sans-serif"
    escaped = html.escape(text, quote=False)
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" font-family="{family}" fill="{fill}" '
        f'text-anchor="{anchor}">{escaped}</text>'
    )


def _columns(text: str) -> int:
    """How many columns of a terminal a text fills: Chinese and emoji take two, combining marks none."""
    return max(1, sum(_column(character) for character in text))


def _column(character: str) -> int:
    if unicodedata.combining(character) or character in "\u200d\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def lost_characters(shares: dict[str, dict[str, float]], title: str) -> None:
    """Bars of how much of a text a cleaner destroyed: one group of bars for each kind of text.

    shares: kind of text -> cleaner -> share lost, 0 to 1.
    """
    _, axes = plt.subplots(figsize=(7, 2.8))
    cleaners = list(next(iter(shares.values())))
    thick = 0.8 / len(cleaners)
    for at, cleaner in enumerate(cleaners):
        places = [row + (at - (len(cleaners) - 1) / 2) * thick for row in range(len(shares))]
        values = [100 * each[cleaner] for each in shares.values()]
        bars = axes.barh(places, values, thick * 0.92, label=cleaner, color=(BLUE, WRONG, "#EDA57C")[at % 3])
        axes.bar_label(bars, fmt="%.0f", padding=3, fontsize=9)
    axes.set(xlabel="characters lost or changed, %", title=title, xlim=(0, 108))
    axes.set_yticks(range(len(shares)), list(shares))
    axes.invert_yaxis()
    axes.legend(loc="lower right")


def compression(panels: dict[str, dict[str, tuple[Sequence[int], Sequence[float]]]], title: str) -> None:
    """How many bytes one token holds, against the number of merges: a panel for each text that is read.

    panels: text -> tokenizer -> (merges, bytes a token).
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(7, 2.9), sharey=True, squeeze=False)
    for axis, (name, lines) in zip(axes[0], panels.items(), strict=True):
        for label, (merges, values) in lines.items():
            (line,) = axis.plot(merges, values, linewidth=2, label=label)
            axis.annotate(
                label,
                (merges[-1], values[-1]),
                (4, 0),
                textcoords="offset points",
                va="center",
                color=line.get_color(),
            )
        axis.set(title=name, xlabel="merges", xlim=(0, merges[-1] * 1.32), ylim=(0, None))
        axis.set_xticks([0, merges[-1] // 2, merges[-1]])
    axes[0][0].set_ylabel("bytes in one token")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)


def masks(panels: dict[str, tuple[np.ndarray, np.ndarray]], title: str) -> None:
    """A padded batch as a grid: tokens in the colour of text, padding grey, an arrow where the next token goes.

    panels: caption -> (ids (B, T), mask (B, T)).
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(7, 2.3), squeeze=False)
    for axis, (caption, (ids, mask)) in zip(axes[0], panels.items(), strict=True):
        rows, columns = ids.shape
        for row in range(rows):
            for column in range(columns):
                real = bool(mask[row, column])
                box = Rectangle((column, row), 0.94, 0.9, color=COLOURS["text"] if real else "#E4E4E4")
                axis.add_patch(box)
                ink = "white" if real else GREY
                axis.text(
                    column + 0.47, row + 0.45, ids[row, column], ha="center", va="center", color=ink, fontsize=9
                )
            axis.annotate(
                "", (columns + 0.75, row + 0.45), (columns + 0.05, row + 0.45), arrowprops={"arrowstyle": "->"}
            )
        axis.set(title=caption, xlim=(0, columns + 0.8), ylim=(rows, 0), xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)


def padded_batches(panels: dict[str, Sequence[Sequence[int]]], title: str) -> None:
    """Batches of rows, each row as long as its tokens, with grey padding up to the longest of its batch.

    panels: caption -> batches -> lengths.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(7, 3.4), sharex=True, sharey=True, squeeze=False)
    for axis, (caption, batches) in zip(axes[0], panels.items(), strict=True):
        y, ticks = 0, []
        for group in batches:
            rows = range(y, y + len(group))
            axis.barh(rows, max(group), height=1, color="#D0D0D0", label="padding" if not y else None)
            axis.barh(rows, group, height=0.85, color=COLOURS["text"], label="tokens" if not y else None)
            ticks.append(y + (len(group) - 1) / 2)
            y += len(group) + 2
        axis.set_yticks(ticks, range(1, len(batches) + 1))
        axis.set(xlabel="tokens", ylim=(y - 1, -1))
        axis.set_title(caption, fontsize=10)
        axis.tick_params(axis="y", length=0)
    axes[0][0].set_ylabel("batch")
    axes[0][-1].legend(loc="upper right")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)


def attention(panels: dict[str, np.ndarray], mask: np.ndarray, title: str) -> None:
    """Who looks at whom: attention weights as squares, the columns of padding framed in the colour of errors.

    panels: caption -> weights (T, T), each row sums to 1.  mask: (T,), 1 for a token and 0 for padding.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(7, 2.9), squeeze=False)
    for axis, (caption, weights) in zip(axes[0], panels.items(), strict=True):
        picture = axis.imshow(weights, vmin=0, vmax=1, cmap="Blues")
        padding = int((mask == 0).sum())
        if padding:
            axis.add_patch(Rectangle((-0.5, -0.5), padding, len(mask), fill=False, edgecolor=WRONG, linewidth=2.5))
        axis.set(
            title=caption, xlabel="looked at", ylabel="looking", xticks=range(len(mask)), yticks=range(len(mask))
        )
    figure.colorbar(picture, ax=axes[0].tolist(), label="weight", shrink=0.8)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)
