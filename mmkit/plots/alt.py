"""Alternative text: what a figure says, for who listens to a page instead of seeing it.

    figure -> describe -> title, then for each panel: its axes, its curves and bars with their numbers

Follows the advice of W3C's tutorial on complex images: the finding first, then the data.
Leaves out what a photograph shows: that stands in the titles of its panels.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

LONGEST = 700  # characters: a listener cannot skim
SERIES = 12  # numbers of one row of bars; words of one panel


def describe(figure: Figure) -> str:
    """The finding and the numbers of a figure in words.

    Reads what was drawn: titles, axes with their ends, curves (first to last value), bars (each value), words.

    >>> import matplotlib.pyplot as plt
    >>> figure, axes = plt.subplots()
    >>> _ = axes.plot([0, 10], [1, 2.5], label="bytes")
    >>> _ = axes.set(title="It grows", xlabel="merges", ylabel="bytes", xlim=(0, 10), ylim=(0, 3))
    >>> describe(figure)
    'It grows. Across: merges, 0 to 10; up: bytes, 0 to 3. bytes: from 1 to 2.5.'
    """
    title = figure.get_suptitle()
    panels = [_panel(axes) for axes in figure.axes if axes.get_label() != "<colorbar>"]
    return shortened(sentences([title, *panels]))


def sentences(parts: Iterable[str]) -> str:
    """Join what is not empty to sentences, on one line.

    >>> sentences(["Three merges", "", "one: a, b"])
    'Three merges. one: a, b.'
    """
    flat = (" ".join(part.split()).rstrip(".") for part in parts)
    return " ".join(part if part.endswith(("?", "!")) else f"{part}." for part in flat if part)


def shortened(words: str) -> str:
    """At most `LONGEST` characters, cut between two words.

    >>> len(shortened("word " * 500)) <= LONGEST
    True
    """
    return words if len(words) <= LONGEST else words[: LONGEST - 2].rsplit(" ", 1)[0] + " …"


def _panel(axes: Axes) -> str:
    """One panel: title, axes, curves, bars, and the words written into it."""
    title = " ".join(filter(None, (axes.get_title(loc) for loc in ("left", "center", "right"))))
    return sentences([title, _ends(axes), *_curves(axes), *_bars(axes), _words(axes)])


def _ends(axes: Axes) -> str:
    """What lies along the axes, and from where to where; of a picture only the words."""
    across, up = axes.get_xlabel(), axes.get_ylabel()
    if axes.images:
        return "; ".join(filter(None, (across, up)))
    along = [("across", across, axes.get_xlim()), ("up", up, axes.get_ylim())]
    said = "; ".join(f"{way}: {what}, {a:.3g} to {b:.3g}" for way, what, (a, b) in along if what)
    return said[:1].upper() + said[1:]


def _curves(axes: Axes) -> list[str]:
    said = []
    for line in axes.get_lines():
        values = np.asarray(line.get_ydata(), float)
        if len(values) > 1 and not str(line.get_label()).startswith("_"):
            said.append(f"{line.get_label()}: from {values[0]:.3g} to {values[-1]:.3g}")
    return said


def _bars(axes: Axes) -> list[str]:
    said = []
    ticks = dict(_ticks(axes.yaxis)) | dict(_ticks(axes.xaxis))
    for bars in axes.containers:
        if not isinstance(bars, BarContainer) or len(bars) > SERIES:
            continue
        across = bars.orientation == "horizontal"
        values = [bar.get_width() if across else bar.get_height() for bar in bars]
        centers = [bar.get_center()[1 if across else 0] for bar in bars]
        names = [_nearest(ticks, place) for place in centers]
        row = ", ".join(f"{name} {value:.3g}".strip() for name, value in zip(names, values, strict=True))
        label = str(bars.get_label())
        said.append(row if label.startswith("_") else f"{label}: {row}")
    return said


def _ticks(axis) -> Iterable[tuple[float, str]]:
    """Places that carry a word, such as the name of a bar."""
    for place, label in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=False):
        if any(character.isalpha() for character in label.get_text()):
            yield float(place), label.get_text()


def _nearest(ticks: dict[float, str], place: float) -> str:
    near = min(ticks, key=lambda tick: abs(tick - place), default=None)
    return ticks[near] if near is not None and abs(near - place) < 0.5 else ""


def _words(axes: Axes) -> str:
    """Words written into a panel, as the boxes of a diagram; bare numbers are left out."""
    curves = {line.get_label() for line in axes.get_lines()}
    words = [text.get_text() for text in axes.texts if text.get_text() not in curves]
    return "; ".join([word for word in words if sum(map(str.isalpha, word)) > 1][:SERIES])
