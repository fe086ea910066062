"""Figures of video: frames, which of them are taken, their times, their places in the sequence."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from mmkit.plots.style import BLACK, COLOURS, WRONG


def film_strip(
    frames: np.ndarray, labels: Sequence[str], title: str, *, columns: int = 6, wrong: Collection[int] = ()
) -> None:
    """Frames side by side, a label under each; `wrong` ones are framed in the colour of errors.

    frames: (T, H, W, 3) uint8.  labels: one a frame.
    """
    rows = -(-len(frames) // columns)
    columns = min(columns, len(frames))
    tall = 7 / columns * frames.shape[1] / frames.shape[2] + 0.42
    figure, axes = plt.subplots(rows, columns, figsize=(7, rows * tall + 0.35), squeeze=False)
    for axis in axes.ravel():
        axis.axis("off")
    for at, (axis, frame, text) in enumerate(zip(axes.ravel(), frames, labels, strict=False)):
        axis.axis("on")
        axis.imshow(frame)
        axis.set(xticks=[], yticks=[])
        edge = WRONG if at in wrong else COLOURS["video"]
        axis.set_xlabel(text, fontsize=9, labelpad=3, color=WRONG if at in wrong else BLACK)
        for spine in axis.spines.values():
            spine.set(visible=True, edgecolor=edge, linewidth=2)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)


def sampling(rows: dict[str, np.ndarray], total: int, fps: float, title: str) -> None:
    """Which frames are taken, on a time axis: small ticks are all frames, dots are the chosen ones.

    rows: name -> indices.  total: frames of the source.  fps: its rate.
    """
    _, axes = plt.subplots(figsize=(7, 0.62 * len(rows) + 1.0))
    for row, indices in enumerate(rows.values()):
        axes.vlines(np.arange(total) / fps, row - 0.12, row + 0.12, color="#C8C8C8", linewidth=0.5)
        axes.plot(np.asarray(indices) / fps, np.full(len(indices), row), "o", color=COLOURS["video"], markersize=6)
        axes.text(total / fps * 1.02, row, f"{len(indices)} frames", va="center", fontsize=9)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel="time of the frame, seconds", title=title, ylim=(len(rows) - 0.5, -0.5))
    axes.set_xlim(-0.02 * total / fps, total / fps * 1.14)
    axes.spines["left"].set_visible(False)


def clocks(lines: dict[str, tuple[np.ndarray, np.ndarray]], title: str, *, wrong: Collection[str] = ()) -> None:
    """Times of frames by several clocks, against the frame's index; false clocks in the colour of errors.

    lines: name -> (indices, seconds).
    """
    _, axes = plt.subplots(figsize=(7, 2.9))
    for name, (indices, seconds) in lines.items():
        false = name in wrong
        axes.plot(
            indices, seconds, "s--" if false else "o-", markersize=3.5, linewidth=1.4, label=name,
            color=WRONG if false else COLOURS["video"],
        )  # fmt: skip
    axes.legend(loc="upper left")
    axes.set(xlabel="index of the frame in the file", ylabel="seconds", title=title)
    axes.set_xlim(0, None)
    axes.set_ylim(0, None)


def temporal_patches(frames: np.ndarray, cell: int, title: str, *, temporal_patch: int = 2) -> None:
    """Frames grouped as temporal patches, with the grid of tokens drawn on them; padding frames are pale.

    frames: (T, H, W, 3) uint8.  cell: pixels a side of a token.
    """
    groups = -(-len(frames) // temporal_patch)
    gap, slit = 0.25, 0.04  # between groups, and between the frames of one, in widths of a frame
    side = 7 / (groups * temporal_patch + (groups - 1) * gap)
    tall = side * frames.shape[1] / frames.shape[2]
    _, axes = plt.subplots(figsize=(7, tall + 0.9))
    width, height = frames.shape[2], frames.shape[1]
    for place in range(groups * temporal_patch):
        group = place // temporal_patch
        left = (place + group * gap + place % temporal_patch * slit) * width
        real = place < len(frames)
        axes.imshow(
            frames[min(place, len(frames) - 1)], extent=(left, left + width, height, 0), alpha=1 if real else 0.35
        )
        axes.vlines(np.arange(left, left + width + 1, cell), 0, height, color=COLOURS["video"], linewidth=0.8)
        axes.hlines(np.arange(0, height + 1, cell), left, left + width, color=COLOURS["video"], linewidth=0.8)
        word = f"frame {place}" if real else "the last, again"
        axes.text(left + width / 2, height * 1.04, word, ha="center", va="top", fontsize=9)
        if place % temporal_patch == 0:
            right = left + (temporal_patch + slit * (temporal_patch - 1)) * width
            axes.plot([left, right], [-0.05 * height] * 2, color=COLOURS["video"], linewidth=3, clip_on=False)
            axes.text((left + right) / 2, -0.09 * height, f"temporal patch {group}", ha="center", fontsize=9.5)
    last = (groups * temporal_patch + (groups - 1) * gap + slit * (temporal_patch - 1)) * width
    axes.set(xlim=(-2, last + 2), ylim=(height * 1.2, -0.25 * height), title=title)
    axes.axis("off")


def position_table(positions: np.ndarray, kinds: Sequence[int], title: str, *, names: Sequence[str] = ()) -> None:
    """M-RoPE positions as a table: a column for each token, a row each for time, row and column.

    positions: (3, L).  kinds: (L,) 0 text, 1 image, 2 video: the colour.  names: a word over each token.
    """
    length = positions.shape[1]
    colours = [COLOURS[("text", "image", "video")[kind]] for kind in kinds]
    figure, axes = plt.subplots(figsize=(7, 1.95 + (0.35 if names else 0)))
    for row in range(3):
        for column in range(length):
            axes.add_patch(Rectangle((column, row), 0.92, 0.88, color=colours[column], alpha=0.9))
            axes.text(
                column + 0.46, row + 0.45, str(int(positions[row, column])), ha="center", va="center",
                color="white", fontsize=9 if length <= 26 else 8, fontweight="bold",
            )  # fmt: skip
    for column, name in enumerate(names):
        axes.text(column + 0.46, -0.12, name, rotation=60, ha="left", va="bottom", fontsize=9)
    axes.set(xlim=(0, length), ylim=(3, 0), xticks=[])
    axes.set_yticks([0.44, 1.44, 2.44], ["time", "row", "column"])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)


def moment_table(rows: Sequence[tuple[str, Sequence[float]]], true: Sequence[float], title: str) -> None:
    """What second each of several pipelines believes a frame shows: right in grey, wrong in the colour of errors.

    rows: (name, seconds), NaN for a frame that was lost.  true: the real seconds, printed first.
    """
    table = [("true time, s", list(true)), *rows]
    _, axes = plt.subplots(figsize=(7, 0.36 * len(table) + 0.55))
    for line, (name, seconds) in enumerate(table):
        axes.text(0, line, name, va="center", fontsize=9.5, fontweight="bold" if line == 0 else "normal")
        for column, (value, truth) in enumerate(zip(seconds, true, strict=True)):
            false = not abs(value - truth) < 0.06
            shown = "lost" if value != value else f"{value:.1f}"
            axes.text(
                4.2 + column, line, shown, va="center", ha="center", fontsize=9.5,
                color=WRONG if false else BLACK, fontweight="bold" if line == 0 else "normal",
            )  # fmt: skip
    axes.set(xlim=(0, 4.6 + len(true)), ylim=(len(table) - 0.5, -0.6), title=title)
    axes.axis("off")
