"""Figures of models: how they are put together, rows of tokens, calls in their order."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import AutoLocator

from mmkit.plots.style import COLOURS, GREY


def diagram(
    boxes: dict[str, tuple[float, float, str, str]],
    arrows: Sequence[tuple[str, str]],
    title: str,
    *,
    tall: float = 3.4,
) -> None:
    """Boxes with arrows between them: how a model is put together.

    boxes: name -> (x, y, text, colour), x and y from 0 to 1, the middle of the box.  arrows: pairs of names.
    """
    figure, axes = plt.subplots(figsize=(7, tall))
    axes.set(xlim=(0, 1), ylim=(0, 1), title=title)
    axes.axis("off")
    drawn = {
        name: axes.text(
            x, y, text, ha="center", va="center", fontsize=9,
            bbox={"boxstyle": "round,pad=0.45", "facecolor": colour, "alpha": 0.3, "edgecolor": colour},
        )
        for name, (x, y, text, colour) in boxes.items()
    }  # fmt: skip
    figure.canvas.draw()  # boxes get their sizes
    for start, end in arrows:
        axes.annotate(
            "", xy=drawn[end].get_position(), xytext=drawn[start].get_position(),
            arrowprops={"arrowstyle": "->", "color": GREY, "patchA": drawn[start].get_bbox_patch(),
                        "patchB": drawn[end].get_bbox_patch(), "shrinkA": 2, "shrinkB": 2},
        )  # fmt: skip


def token_rows(rows: dict[str, Sequence[str]], title: str) -> None:
    """Prompts as rows of tokens, each in the colour of its modality.

    rows: label -> the modality of each token ("text", "image", "audio", "video").
    """
    _, axes = plt.subplots(figsize=(7, 0.75 + 0.45 * len(rows)))
    for row, kinds in enumerate(rows.values()):
        axes.bar(range(len(kinds)), 0.72, bottom=row - 0.36, width=0.86, color=[COLOURS[kind] for kind in kinds])
    axes.set(yticks=range(len(rows)), yticklabels=rows, xlabel="place in the prompt", title=title)
    axes.invert_yaxis()
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def call_chart(calls: Sequence[str], phases: dict[str, int], colours: dict[str, str], title: str) -> None:
    """Which method is called when: a row a method, a column a call.

    calls: names in the order of the calls.  phases: name -> number of its first call.  colours: name of each
    method, from top to bottom -> its colour.
    """
    order = list(colours)
    _, axes = plt.subplots(figsize=(7, 0.9 + 0.26 * len(order)))
    rows = [order.index(call) for call in calls]
    axes.scatter(range(len(calls)), rows, s=42, marker="s", color=[colours[call] for call in calls], zorder=2)
    for name, first in phases.items():
        axes.axvline(first - 0.5, color=GREY, linewidth=0.8, linestyle=":")
        axes.text(first - 0.35, -1.1, name, fontsize=9, color=GREY)
    axes.set(
        yticks=range(len(order)), yticklabels=order, xlabel="calls, in their order", ylim=(len(order) - 0.5, -0.8)
    )
    axes.set_title(title, pad=20)
    whole = AutoLocator()
    whole.set_params(integer=True)
    axes.xaxis.set_major_locator(whole)
    axes.grid(axis="y", color="#E5E5E5", zorder=1)


def attention_over(picture: np.ndarray, panels: dict[str, np.ndarray], title: str) -> None:
    """Attention laid over a picture: the brighter a token's square, the more was taken from it.

    picture: (H, W, 3) uint8.  panels: title -> (rows, columns) weights of the picture's tokens, summing to 1.
    """
    figure, row = plt.subplots(1, len(panels), figsize=(7, 2.6), squeeze=False)
    figure.suptitle(title, x=0.02, ha="left", fontsize=10.5)
    tall, wide = picture.shape[:2]
    for axes, (name, weights) in zip(row[0], panels.items(), strict=True):
        axes.imshow(picture, extent=(0, wide, tall, 0))
        dark = 1 - weights / weights.max()
        axes.imshow(np.zeros(weights.shape), cmap="gray", alpha=0.75 * dark, extent=(0, wide, tall, 0))
        axes.set(title=name, xticks=[], yticks=[])


def similarity(matrix: np.ndarray, pictures: Sequence[np.ndarray], captions: Sequence[str], title: str) -> None:
    """A heat map of pictures (rows) against captions (columns), with the numbers written in.

    matrix: (pictures, captions) cosines.
    """
    N, M = matrix.shape
    figure, axes = plt.subplots(figsize=(7, 1.1 + 0.52 * N))
    figure.suptitle(title, x=0.02, ha="left", fontsize=10.5)
    axes.imshow(matrix, cmap="Blues", vmin=-0.4, vmax=1.2, aspect="auto")
    for i in range(N):
        for j in range(M):
            ink = "white" if matrix[i, j] > 0.6 else "black"
            axes.text(j, i, f"{matrix[i, j]:.2f}", ha="center", va="center", fontsize=9, color=ink)
        inset = axes.inset_axes((-0.16, 1 - (i + 0.95) / N, 0.15, 0.9 / N))
        inset.imshow(pictures[i])
        inset.set(xticks=[], yticks=[])
    wrapped = [textwrap.fill(caption, 14) for caption in captions]
    axes.set(xticks=range(M), xticklabels=wrapped, yticks=[])
    axes.xaxis.tick_top()
    axes.tick_params(axis="x", length=0)
