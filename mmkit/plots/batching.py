"""Figures of an engine at work: who sits where at which step, which blocks are whose, what a cache found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from mmkit.plots.style import BLACK, BLUE, GREEN, GREY, ORANGE, PINK, SKY, VERMILION, YELLOW

PALETTE = (ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PINK)


def timetable(panels: Mapping[str, Sequence[Mapping[str, bool]]], title: str, *, seats: int) -> None:
    """Which request sits in which seat at each step, a panel for each way.

    panels: name -> for each step, the requests that have a seat and whether they still work.
    """
    longest = max(map(len, panels.values()))
    figure, rows = plt.subplots(len(panels), 1, figsize=(7, 1.55 * len(panels) + 0.4), sharex=True)
    for axes, (name, steps) in zip(np.atleast_1d(rows), panels.items(), strict=True):
        for request, start, stop, seat, working in _stays(steps, seats):
            color = _color(request) if working else GREY
            label = request if working else f"{request} waits"
            axes.barh(seat, stop - start, 0.86, start, color=color, alpha=1 if working else 0.35, label=label)
            if working:
                axes.text(start + 0.5, seat, request, ha="center", va="center", fontsize=9, color=_ink(color))
        axes.set(xlim=(0, longest), ylim=(seats - 0.5, -0.5), yticks=range(seats), ylabel="seat")
        axes.set_yticklabels(range(1, seats + 1))
        axes.set_title(name)
        axes.spines["left"].set_visible(False)
    axes.set_xlabel("step")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)
    plt.show()


def block_map(steps: Sequence[Mapping[str, Sequence[int]]], title: str) -> None:
    """Whose each block of a pool is at each step.  steps: for each, request -> its block table."""
    blocks = max(block for tables in steps for table in tables.values() for block in table)
    spans: dict[tuple[str, int], list[int]] = {}  # (request, block) -> first step, step after the last
    for at, tables in enumerate(steps):
        for request, table in tables.items():
            for block in table:
                spans.setdefault((request, block), [at, at])[1] = at + 1
    _, axes = plt.subplots(figsize=(7, 0.9 + 0.17 * blocks))
    for (request, block), (start, stop) in spans.items():
        color, label = _color(request), f"{request} in block {block}, steps"
        axes.barh(block, stop - start, 0.86, start, color=color, label=label)
        axes.text(start + 0.5, block, request, ha="center", va="center", fontsize=9, color=_ink(color))
    axes.set(xlim=(0, len(steps)), ylim=(0.3, blocks + 0.7), xlabel="step", ylabel="block of the pool", title=title)
    axes.spines["left"].set_visible(False)
    plt.show()


def found_again(prompts: Mapping[str, tuple[int, int]], title: str, *, block: int) -> None:
    """Of each prompt, the tokens that a prefix cache had and those that were computed.

    prompts: name -> (tokens found, tokens in all).  block: tokens of a block, drawn as a grid.
    """
    found, whole = (np.array(numbers) for numbers in zip(*prompts.values(), strict=True))
    _, axes = plt.subplots(figsize=(7, 0.8 + 0.32 * len(prompts)))
    axes.barh(list(prompts), found, color=GREEN, label="found")
    axes.barh(list(prompts), whole - found, left=found, color=GREY, alpha=0.5, label="computed")
    for edge in range(block, int(whole.max()) + 1, block):
        axes.axvline(edge, color=BLACK, linewidth=0.5)
    axes.invert_yaxis()
    axes.set(title=title, xlabel=f"tokens of the prompt; a line every {block}: a block ends")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    plt.show()


def power_laws(
    lines: Mapping[str, tuple[Sequence[float], Sequence[float], float]], title: str, *, tall=2.6
) -> None:
    """Costs over sizes on logarithmic axes, a panel each.  lines: axis of sizes -> (sizes, ms, exponent)."""
    _, panels = plt.subplots(1, len(lines), figsize=(7, 2.6))
    for axes, color, (name, (sizes, ms, exponent)) in zip(
        np.atleast_1d(panels), (ORANGE, GREEN, PINK, BLUE), lines.items(), strict=False
    ):
        sizes, ms = np.asarray(sizes, float), np.asarray(ms, float)
        middle = np.exp(np.log(ms).mean() + exponent * (np.log(sizes) - np.log(sizes).mean()))
        axes.loglog(sizes, middle, color=GREY, linewidth=1)
        axes.loglog(sizes, ms, "o", color=color, markersize=4)
        axes.set(xlabel=name, title=f"exponent {exponent:.2f}")
        plain_ticks(axes)
    np.atleast_1d(panels)[0].set_ylabel("ms")
    plt.gcf().suptitle(title, x=0.01, ha="left", fontsize=10.5)
    plt.show()


def plain_ticks(axes: Axes) -> None:
    """Logarithmic axes with numbers that can be read aloud: 1, 10, 100."""
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(lambda value, _: f"{value / 1e6:g} M" if value >= 1e6 else f"{value:g}")


def _stays(steps: Sequence[Mapping[str, bool]], seats: int) -> list[tuple[str, int, int, int, bool]]:
    """(request, first step, step after the last, seat, working) of each unbroken stay; the lowest free seat first.

    >>> _stays([{"a": True, "b": True}, {"a": False, "c": True}], 2)
    [('a', 0, 1, 0, True), ('b', 0, 1, 1, True), ('a', 1, 2, 0, False), ('c', 1, 2, 1, True)]
    """
    taken: dict[str, int] = {}
    stays: dict[tuple[str, bool], list[int]] = {}
    for at, present in enumerate(steps):
        taken = {request: seat for request, seat in taken.items() if request in present}
        for request, working in present.items():
            if request not in taken:
                taken[request] = min(set(range(seats)) - set(taken.values()))
            stays.setdefault((request, working), [at, at, taken[request]])[1] = at + 1
    return [(request, start, stop, seat, working) for (request, working), (start, stop, seat) in stays.items()]


def _color(request: str) -> str:
    return PALETTE[ord(request[0]) % len(PALETTE)]


def _ink(color: str) -> str:
    return "white" if color in (BLUE, VERMILION, GREEN) else "black"
