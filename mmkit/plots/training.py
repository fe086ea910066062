"""Figures of training: losses as they fall, and what the model says now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from mmkit.plots.style import BLACK, BLUE, GREEN, GREY, ORANGE, VERMILION


def learning(
    losses: Mapping[str, Sequence[float]],
    said: Sequence[tuple[np.ndarray, str, bool]],
    title: str,
    *,
    steps: int,
    begins: int = 0,
    chance: float | None = None,
) -> Figure:
    """Losses over the steps so far, and pictures with what the model says about each now.

    losses: name -> one value a step, nan where a step had none.  said: (picture, answer, is it right), up to four.
    steps: where the axis ends.  begins: the step at which answers begin.  chance: the loss of who knows nothing.
    Returns the figure, closed, to be displayed again and again.
    """
    figure, axes = plt.subplots(1, 1 + len(said), figsize=(7, 2.3), width_ratios=[2.6, *[1] * len(said)])
    left, *right = np.atleast_1d(axes)
    for color, (name, values) in zip((ORANGE, BLUE, GREEN), losses.items(), strict=False):
        left.plot(np.arange(1, len(values) + 1), values, color=color, label=name)
    if chance is not None:
        left.axhline(chance, color=GREY, linestyle=":", label="knows nothing")
    if begins:
        left.axvline(begins, color=BLACK, linewidth=0.6)
    left.set(xlim=(0, steps), ylim=(0, None), xlabel="step", ylabel="loss")
    left.legend(fontsize=9, frameon=False)
    for axis, (picture, answer, good) in zip(right, said, strict=True):
        axis.imshow(picture)
        axis.set(xticks=[], yticks=[])
        shown = "".join(c if " " <= c <= "~" else "." for c in answer)[:36]  # at first it says anything
        words = shown.replace(" and ", "\nand ") or "(nothing)"
        axis.set_xlabel(words, color=GREEN if good else VERMILION, fontsize=9)
    figure.suptitle(title)
    plt.close(figure)
    return figure


def scores(shares: Mapping[str, Mapping[str, float]], title: str, *, xlabel: str = "right answers, %") -> None:
    """Shares of right answers by kind of question, a bar for each series.

    shares: series -> kind -> share, the same kinds in each.
    """
    kinds = list(next(iter(shares.values())))
    height = 0.8 / len(shares)
    _, axes = plt.subplots(figsize=(7, 0.6 + 0.42 * len(kinds)))
    for i, (color, (name, values)) in enumerate(zip((BLUE, ORANGE, GREY, GREEN), shares.items(), strict=False)):
        places = np.arange(len(kinds)) + (i - (len(shares) - 1) / 2) * height
        axes.barh(places, [100 * values[kind] for kind in kinds], height, color=color, label=name)
    axes.set(yticks=range(len(kinds)), yticklabels=kinds, xlim=(0, 100), xlabel=xlabel)
    axes.invert_yaxis()
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    axes.set_title(title)
    plt.show()
