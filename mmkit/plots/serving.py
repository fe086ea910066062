"""Figures of serving: a start, an answer as it comes, load, live speech, what a laptop holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from mmkit.plots.style import BLUE, COLOURS, GREEN, GREY, ORANGE, PINK, VERMILION


def progress(seconds: float, usual: float, label: str) -> Figure:
    """A bar for something that takes about `usual` seconds, after `seconds` of them; closed, to be shown again."""
    figure, axes = plt.subplots(figsize=(7, 0.75))
    axes.barh([0], [min(1.0, seconds / usual)], color=BLUE)
    axes.set(xlim=(0, 1), ylim=(-0.5, 0.5), yticks=[], xticks=[])
    axes.set_title(f"{label}: {seconds:.0f} s")
    plt.close(figure)
    return figure


def arrivals(pieces: Sequence[str], seconds: Sequence[float], title: str, *, end: float) -> None:
    """An answer's pieces, from above, each at the moment at which it came.

    seconds: since the question was sent.  end: when a client that does not stream would have had it all.
    """
    _, axes = plt.subplots(figsize=(7, 0.9 + 0.17 * len(pieces)))
    places = range(len(pieces))
    axes.step([0, *(1000 * np.asarray(seconds))], [-1, *places], where="post", color=BLUE, linewidth=1)
    for place, piece, second in zip(places, pieces, seconds, strict=True):
        axes.text(1000 * second - 0.006 * 1000 * end, place, piece.strip(), ha="right", va="center", fontsize=9)
    axes.axvline(1000 * end, color=VERMILION, linewidth=1.5, linestyle=":", label="all at once")
    axes.set(xlim=(0, 1120 * end), ylim=(len(pieces) - 0.4, -0.8), yticks=[])
    axes.set(xlabel="milliseconds since the question")
    axes.legend(loc="lower left")
    axes.set_title(title)
    plt.show()


def load(clients: Sequence[int], rate: Sequence[float], waits: Sequence[Sequence[float]], title: str) -> None:
    """Throughput and time to first token against the number of clients.

    rate: answers a second.  waits: of each number of clients, the seconds to the first token of every request.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.6))
    left.plot(clients, rate, "o-", color=BLUE)
    left.set(xlabel="clients", ylabel="answers a second", ylim=(0, None), xticks=clients)
    for share, color, name in ((50, GREEN, "half wait less"), (95, VERMILION, "95 % wait less")):
        right.plot(clients, [1000 * np.percentile(each, share) for each in waits], "o-", color=color, label=name)
    right.set(xlabel="clients", ylabel="ms to the first token", ylim=(0, None), xticks=clients)
    right.legend()
    figure.suptitle(title)
    plt.show()


def gauges(seconds: Sequence[float], rows: Mapping[str, Sequence[float]], title: str) -> None:
    """What a server says of itself over time: a step line for each gauge."""
    _, axes = plt.subplots(figsize=(7, 2.2))
    for (name, values), color in zip(rows.items(), (BLUE, VERMILION, GREEN), strict=False):
        axes.step(seconds, values, where="post", color=color, label=name)
    axes.set(xlabel="seconds", ylabel="requests", ylim=(0, None))
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    axes.set_title(title)
    plt.show()


def growth(rows: Mapping[str, Sequence[float]], title: str, *, xlabel: str, ylabel: str) -> None:
    """One line a row against 1, 2, 3 ...; the first of them is the wrong way."""
    _, axes = plt.subplots(figsize=(7, 2.2))
    for (name, values), color in zip(rows.items(), (VERMILION, BLUE, GREEN), strict=False):
        axes.plot(np.arange(1, len(values) + 1), values, "o-", markersize=3, color=color, label=name)
    axes.set(xlabel=xlabel, ylabel=ylabel, ylim=(0, None))
    axes.legend()
    axes.set_title(title)
    plt.show()


def hesitation(shades: Sequence[tuple[int, int, int]], rows: Mapping[str, Sequence[float]], title: str) -> None:
    """Probabilities of some answers over a row of colors, which are drawn below.

    shades: RGB, 0 to 255.  rows: answer -> one probability a shade.
    """
    _, axes = plt.subplots(figsize=(7, 2.4))
    for (name, values), color in zip(rows.items(), (ORANGE, VERMILION, BLUE), strict=False):
        axes.plot(100 * np.asarray(values), "o-", color=color, label=name)
    axes.scatter(range(len(shades)), [-14] * len(shades), s=150, color=np.asarray(shades) / 255, clip_on=False)
    axes.set(xticks=[], ylim=(-24, 105), yticks=(0, 50, 100), ylabel="probability, %")
    axes.legend(loc="center left")
    axes.set_title(title)
    plt.show()


def heard_live(
    wave: np.ndarray, rate: int, words: Sequence[tuple[float, str]], title: str, *, ends: Sequence[float] = ()
) -> None:
    """A clip as it was played, and each utterance's words at the moment at which they came.

    words: (second, text).  ends: seconds at which somebody stopped speaking.
    """
    _, axes = plt.subplots(figsize=(7, 2.3))
    step = max(1, len(wave) // 3000)
    axes.plot(np.arange(len(wave))[::step] / rate, wave[::step], color=COLOURS["audio"], linewidth=0.5)
    top = 1.15 * float(np.abs(wave).max())
    for end in ends:
        axes.axvline(end, color=GREY, linestyle=":", linewidth=1)
    for second, text in words:
        axes.axvline(second, color=BLUE, linewidth=1.2)
        axes.text(second + 0.05, top * 1.25, text, color=BLUE, fontsize=9)
    axes.set(ylim=(-top, 1.7 * top), yticks=[], xlabel="seconds")
    axes.set_title(title)
    plt.show()


def budgets(
    rows: Mapping[str, Mapping[str, float]], limits: Mapping[str, float], title: str, *, xlabel: str = "GB"
) -> None:
    """Stacked bars of what each row needs, and a line for each limit."""
    _, axes = plt.subplots(figsize=(7, 0.8 + 0.36 * len(rows)))
    colors = (BLUE, ORANGE, PINK)
    for place, parts in enumerate(rows.values()):
        begin = 0.0
        for (part, size), color in zip(parts.items(), colors, strict=False):
            axes.barh([place], [size], left=begin, color=color, label=part if place == 0 else None)
            begin += size
    for name, size in limits.items():
        axes.axvline(size, color=GREY, linestyle=":")
        axes.text(size, -0.75, name, ha="center", fontsize=9, color=GREY)
    axes.set(yticks=range(len(rows)), yticklabels=list(rows), xlabel=xlabel)
    axes.invert_yaxis()
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    axes.set_title(title, pad=16)
    plt.show()
