"""Figures of pictures: side by side, cut into patches, as histograms and resize matrices."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from mmkit.plots.alt import describe
from mmkit.plots.style import BLACK, COLOURS, GREY, WRONG


class Photo:
    """A figure that shows photographs: kept as JPEG, because PNG would make a lesson several times larger."""

    def __init__(self, jpeg: bytes, title: str, alt: str):
        self.jpeg = jpeg
        self.title = title
        self.alt = alt

    def _repr_jpeg_(self) -> tuple[bytes, dict[str, str]]:
        return self.jpeg, {"alt": self.alt}

    def __repr__(self) -> str:
        return f"<photo: {self.title}>"


def _as_photo(figure: Figure, title: str) -> Photo:
    buffer = io.BytesIO()
    options = {"quality": 45, "optimize": True, "progressive": True}
    figure.savefig(buffer, format="jpeg", dpi=100, pil_kwargs=options)
    alt = describe(figure)
    plt.close(figure)
    return Photo(buffer.getvalue(), title, alt)


def pictures(panels: dict[str, np.ndarray], title: str, *, wrong: Collection[str] = (), tall: float = 2.2) -> Photo:
    """Pictures side by side, a caption over each; wrong ones framed in the colour of errors.

    panels: caption -> (H, W, 3) or (H, W), uint8.  tall: inches of the pictures.

    >>> pictures({"black": np.zeros((4, 4, 3), np.uint8)}, "nothing to see")
    <photo: nothing to see>
    """
    ratios = [picture.shape[1] / picture.shape[0] for picture in panels.values()]
    figure, axes = plt.subplots(
        1, len(panels), figsize=(7, tall + 0.75), squeeze=False, gridspec_kw={"width_ratios": ratios}
    )
    for axis, (caption, picture) in zip(axes[0], panels.items(), strict=True):
        axis.imshow(
            picture, vmin=0, vmax=255, interpolation="nearest" if min(picture.shape[:2]) < 64 else "antialiased"
        )
        edge = WRONG if caption in wrong else COLOURS["image"]
        axis.set_title(caption, fontsize=9.5, color=WRONG if caption in wrong else BLACK)
        axis.set(xticks=[], yticks=[])
        for spine in axis.spines.values():
            spine.set(visible=True, edgecolor=edge, linewidth=2)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)
    return _as_photo(figure, title)


def patch_grid(
    picture: np.ndarray, patch: int, merge: int, numbers: np.ndarray, title: str, *, trace: int = 0
) -> Photo:
    """A picture cut into patches (thin lines) and tokens (thick lines), each patch with its place in the sequence.

    picture: (H, W, 3) uint8.  numbers: (rows, columns) of patches, counted from 0.
    trace: draw the way through the first so many patches.
    """
    rows, columns = numbers.shape
    figure, axis = plt.subplots(figsize=(4.9, 4.9 * rows / columns + 0.35))
    axis.imshow(picture // 2 + 128, interpolation="bicubic")
    for row in range(rows + 1):
        axis.axhline(row * patch - 0.5, color="black", linewidth=1.8 if row % merge == 0 else 0.4)
    for column in range(columns + 1):
        axis.axvline(column * patch - 0.5, color="black", linewidth=1.8 if column % merge == 0 else 0.4)
    centres = {}
    for (row, column), number in np.ndenumerate(numbers):
        centres[number] = ((column + 0.5) * patch, (row + 0.5) * patch)
        axis.text(centres[number][0], centres[number][1], str(number), ha="center", va="center", fontsize=9)
    if trace:
        path = np.array([centres[number] for number in range(trace)])
        axis.plot(*path.T, color=COLOURS["image"], linewidth=3, alpha=0.75, solid_capstyle="round")
    axis.set(xticks=[], yticks=[], title=title)
    return _as_photo(figure, title)


def tilings(picture: np.ndarray, cuts: dict[str, tuple[tuple[int, int], tuple[int, int]]], title: str) -> Photo:
    """One picture, stretched or padded and cut into tiles as several families do it.

    picture: (H, W, 3) uint8.  cuts: caption -> (rows and columns of tiles, height and width in tiles that
    the picture fills): a picture smaller than its canvas lies in the middle of padding.
    """
    figure, axes = plt.subplots(1, len(cuts), figsize=(7, 2.5), squeeze=False)
    for axis, (caption, ((rows, columns), (tall, wide))) in zip(axes[0], cuts.items(), strict=True):
        left, top = (columns - wide) / 2, (rows - tall) / 2
        axis.set_facecolor("#D0D0D0")
        axis.imshow(picture, extent=(left, left + wide, top + tall, top), interpolation="antialiased")
        axis.vlines(range(columns + 1), 0, rows, color=COLOURS["image"], linewidth=2)
        axis.hlines(range(rows + 1), 0, columns, color=COLOURS["image"], linewidth=2)
        axis.set(xlim=(-0.02, columns + 0.02), ylim=(rows + 0.02, -0.02), xticks=[], yticks=[], aspect="equal")
        axis.set_title(caption, fontsize=9.5)
        axis.spines[:].set_visible(False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)
    return _as_photo(figure, title)


def harms(shares: dict[str, float], title: str, *, xlabel: str) -> None:
    """How many answers stay right with each mistake, from top to bottom, in percent.

    shares: mistake -> share of right answers, 0 to 1.
    """
    _, axes = plt.subplots(figsize=(7, 0.25 * len(shares) + 0.9))
    bars = axes.barh(list(shares), [100 * share for share in shares.values()], height=0.62, color=COLOURS["image"])
    axes.bar_label(bars, fmt="%.0f", padding=3, fontsize=9)
    axes.set(xlabel=xlabel, title=title, xlim=(0, 108))
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()


def histograms(panels: dict[str, np.ndarray], title: str, *, xlabel: str) -> None:
    """How often each value occurs: one row a panel, the same axis under all, zero marked.

    panels: name -> values, any shape.
    """
    figure, axes = plt.subplots(len(panels), 1, figsize=(7, 0.78 * len(panels) + 0.75), sharex=True, squeeze=False)
    low = min(values.min() for values in panels.values())
    high = max(values.max() for values in panels.values())
    for axis, (name, values) in zip(axes[:, 0], panels.items(), strict=True):
        axis.hist(values.ravel(), bins=np.linspace(low, high, 121), color=COLOURS["image"])
        axis.axvline(0, color=BLACK, linewidth=0.8)
        axis.set_yticks([])
        axis.spines["left"].set_visible(False)
        axis.set_ylabel(name, rotation=0, ha="right", va="center")
    axes[-1, 0].set_xlabel(xlabel)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)


def weights(matrices: dict[str, np.ndarray], title: str) -> None:
    """Resize matrices as pictures: a row for each new pixel, a column for each old one; white is never read."""
    figure, axes = plt.subplots(1, len(matrices), figsize=(7, 2.2), squeeze=False)
    for axis, (name, matrix) in zip(axes[0], matrices.items(), strict=True):
        limit = max(np.abs(each).max() for each in matrices.values())
        least = min(each.min() for each in matrices.values())
        colors = ("PuOr_r", -limit) if least < 0 else ("Oranges", 0)
        shown = axis.imshow(matrix, cmap=colors[0], vmin=colors[1], vmax=limit, aspect="auto")
        unread = int((matrix == 0).all(axis=0).sum())
        axis.set(xlabel="old pixel")
        axis.set_title(f"{name}: {unread} of {matrix.shape[1]} never read", fontsize=9.5)
    axes[0][0].set_ylabel("new pixel")
    figure.colorbar(shown, ax=axes[0].tolist(), label="weight", shrink=0.9)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)


def staircase(sides: np.ndarray, steps: dict[str, np.ndarray], title: str, *, marked: Sequence[int] = ()) -> None:
    """Cells against pixels of a side, for two ways of rounding; the marked sides are where they part.

    sides: (n,) pixels.  steps: name -> cells (n,); the second is the wrong one.
    """
    _, axis = plt.subplots(figsize=(7, 2.8))
    for (name, cells), colour, style in zip(steps.items(), (COLOURS["image"], WRONG), ("-", "--"), strict=True):
        axis.step(sides, cells, where="post", color=colour, linestyle=style, linewidth=2, label=name)
    for side in marked:
        axis.axvline(side, color=GREY, linewidth=0.7)
    axis.set_xticks(list(marked))
    axis.set(xlabel="pixels of a side", ylabel="cells of 28", title=title)
    axis.legend(loc="upper left")


def damages(sizes: dict[str, float], title: str, *, xlabel: str) -> None:
    """How much each wrong choice costs, as bars, the largest on top.

    sizes: choice -> size of the error.
    """
    ordered = sorted(sizes.items(), key=lambda pair: pair[1])
    _, axes = plt.subplots(figsize=(7, 0.27 * len(ordered) + 0.9))
    names, values = [name for name, _ in ordered], [value for _, value in ordered]
    axes.barh(names, values, color=WRONG, height=0.62)
    for row, value in enumerate(values):
        axes.text(value, row, f" {value:.2g}", va="center", fontsize=9)
    axes.set(xlabel=xlabel, title=title, xlim=(0, max(values) * 1.1))
    axes.tick_params(axis="y", length=0)
