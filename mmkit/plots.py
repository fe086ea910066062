"""Pictures that teach: one style, one colour a modality, the finding as the title.

Follows the Okabe-Ito palette, which colour-blind readers can tell apart, and the habit of drawing what lies
between two steps. Draws what it is given and imports nothing of mmkit; leaves out interactive plots.
"""

from __future__ import annotations

import sys
import unicodedata
import warnings
from collections.abc import Collection, Sequence

import matplotlib.pyplot as plt
import numpy as np

# Okabe & Ito (2008), "Color Universal Design".
ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PINK, BLACK = (
    "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000",
)  # fmt: skip
GREY = "#8A8A8A"
# The same thing in the same colour throughout the course; wrong results are always vermilion.
COLOURS = {"text": BLUE, "image": ORANGE, "audio": GREEN, "video": PINK}
WRONG = VERMILION


def use_style() -> None:
    """Set matplotlib's defaults for the course: 7 inches wide, 10 pt, white, no chart junk.

    Also silences tqdm's remark, on importing transformers, that ipywidgets are missing: nothing here needs them.

    >>> use_style()
    >>> plt.rcParams["figure.facecolor"]
    'white'
    """
    warnings.filterwarnings("ignore", message="IProgress not found")
    plt.rcParams.update(
        {
            "figure.figsize": (7.0, 2.8),
            "figure.dpi": 100,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "savefig.facecolor": "white",
            "font.size": 10,
            "axes.titlesize": 10.5,
            "axes.titlelocation": "left",
            "axes.labelsize": 10,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "legend.fontsize": 9,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, PINK, VERMILION, SKY, BLACK]),
            "image.interpolation": "nearest",
            "image.cmap": "gray",
        }
    )
    _store_small_figures()


def _store_small_figures() -> None:
    """In a notebook, store figures with a palette of 128 colours: a third of the bytes, and no eye can tell."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or "inline" not in plt.get_backend():
        return
    plt.switch_backend(plt.get_backend())  # loads it now: loading sets the formats back
    from io import BytesIO

    from matplotlib.figure import Figure
    from PIL import Image

    def small(figure: Figure) -> bytes:
        full, palette = BytesIO(), BytesIO()
        figure.savefig(full, format="png", bbox_inches="tight")
        picture = Image.open(full).convert("RGB")
        picture.quantize(128, kmeans=3, dither=Image.Dither.NONE).save(palette, "PNG", optimize=True)
        return palette.getvalue()

    shell.display_formatter.formatters["image/png"].for_type(Figure, small)


# --- text ----------------------------------------------------------------------------------------------------

_TINTS = ("#CFE3F2", "#FBE3B5", "#C7E9DC", "#F3DCE8")  # pale blue, orange, green and pink of the palette
_VISIBLE = str.maketrans({" ": "·", "\n": "↵", "\r": "␍", "\t": "→", "\u2060": "⁀"})


class Strip:
    """A drawing of tokens that notebooks show: SVG, so that the reader's own fonts draw every script."""

    def __init__(self, svg: str, title: str):
        self.svg = svg
        self.title = title

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<strip: {self.title}>"


def token_strip(
    rows: Sequence[Sequence[str]],
    labels: Sequence[str] = (),
    *,
    title: str = "",
    control: Collection[str] = (),
    partial: Collection[str] = (),
) -> Strip:
    """Draw rows of tokens as boxes, each as wide as its text; long rows go on in the next line.

    rows: tokens as strings; a space is drawn as a dot, a line end as an arrow.  labels: one for each row.
    control: tokens that are drawn dark, because they steer the model.  partial: tokens that are drawn grey, because
    they hold only part of a character.

    >>> token_strip([["ab", " c"]], ["one"], title="two tokens")
    <strip: two tokens>
    """
    unit, line, width = 8.0, 31, 700
    start = 12 + (max(map(_columns, labels)) * 7.0 + 10 if labels else 0)
    parts, y = [], 34 if title else 8
    for row, tokens in enumerate(rows):
        if labels:
            parts.append(_svg_text(10, y + 18, labels[row], size=12, fill="#444444"))
        x = start
        for at, token in enumerate(tokens):
            shown = token.translate(_VISIBLE)
            wide = _columns(shown) * unit + 10
            if x + wide > width - 6 and x > start:
                x, y = start, y + line
            fill = BLACK if token in control else "#D0D0D0" if token in partial else _TINTS[at % len(_TINTS)]
            ink = "white" if token in control else BLACK
            parts.append(
                f'<rect x="{x:.0f}" y="{y}" width="{wide - 2:.0f}" height="25" rx="4" fill="{fill}"/>'
                + _svg_text(x + wide / 2 - 1, y + 17, shown, size=13, fill=ink, anchor="middle", mono=True)
            )
            x += wide
        y += line
    head = _svg_text(10, 20, title, size=14, fill=BLACK) if title else ""
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y + 4}" '
        f'viewBox="0 0 {width} {y + 4}"><rect width="100%" height="100%" fill="white"/>{head}{"".join(parts)}</svg>'
    )
    return Strip(svg, title)


def _svg_text(
    x: float, y: float, text: str, *, size: int, fill: str, anchor: str = "start", mono: bool = False
) -> str:
    family = "DejaVu Sans Mono, Menlo, Consolas, monospace" if mono else "DejaVu Sans, Arial, sans-serif"
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
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
            (line,) = axis.plot(merges, values, linewidth=2)
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
                box = plt.Rectangle((column, row), 0.94, 0.9, color=COLOURS["text"] if real else "#E4E4E4")
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
            axis.add_patch(
                plt.Rectangle((-0.5, -0.5), padding, len(mask), fill=False, edgecolor=WRONG, linewidth=2.5)
            )
        axis.set(
            title=caption, xlabel="looked at", ylabel="looking", xticks=range(len(mask)), yticks=range(len(mask))
        )
    figure.colorbar(picture, ax=axes[0].tolist(), label="weight", shrink=0.8)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)


# --- video ---------------------------------------------------------------------------------------------------


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
            axes.add_patch(plt.Rectangle((column, row), 0.92, 0.88, color=colours[column], alpha=0.9))
            axes.text(
                column + 0.46, row + 0.45, int(positions[row, column]), ha="center", va="center", color="white",
                fontsize=9 if length <= 26 else 8, fontweight="bold",
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


# --- audio ---------------------------------------------------------------------------------------------------


class Player:
    """A sound that notebooks play: MP3 inside HTML, which every browser knows and which keeps a lesson small."""

    def __init__(self, html: str, caption: str):
        self.html = html
        self.caption = caption

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"<player: {self.caption}>"


def player(wave: np.ndarray, sample_rate: int, caption: str) -> Player:
    """A sound with a button, and its caption.

    wave: (T,) float, full scale 1.  sample_rate: in Hz, that of the player: name another one and you hear it.
    A rate that MP3 does not have is converted to the next higher one that it has.

    >>> player(np.zeros(800), 8_000, "nothing")
    <player: nothing>
    """
    import base64
    import io

    import soundfile
    import soxr

    rate = min(known for known in (8_000, 16_000, 22_050, 44_100, 48_000) if known >= sample_rate)
    wave = wave if rate == sample_rate else soxr.resample(wave, sample_rate, rate)
    target = io.BytesIO()
    soundfile.write(target, np.clip(wave, -1, 1), rate, format="MP3")
    data = base64.b64encode(target.getvalue()).decode()
    sound = f'<audio controls src="data:audio/mpeg;base64,{data}"></audio>'
    return Player(f'<div style="padding:4px"><div>{caption}</div>{sound}</div>', caption)


def waveform(wave: np.ndarray, sample_rate: int, title: str, *, zoom: tuple[float, float] | None = None) -> None:
    """A wave over time; with zoom=(start, end) in seconds, a second panel shows the single samples there."""
    figure, axes = plt.subplots(1, 2 if zoom else 1, figsize=(7, 2.3), squeeze=False)
    seconds = np.arange(len(wave)) / sample_rate
    axes[0][0].plot(seconds, wave, color=COLOURS["audio"], linewidth=0.6)
    axes[0][0].set(xlabel="seconds", ylabel="pressure", xlim=(0, seconds[-1]))
    if zoom:
        axes[0][0].axvspan(*zoom, color=YELLOW)
        part = slice(round(zoom[0] * sample_rate), round(zoom[1] * sample_rate))
        axes[0][1].plot(1000 * seconds[part], wave[part], "o-", color=COLOURS["audio"], linewidth=0.8, markersize=3)
        axes[0][1].set(xlabel="milliseconds")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)


def shared_samples(
    curves: dict[str, tuple[np.ndarray, np.ndarray]], dots: tuple[np.ndarray, np.ndarray], title: str
) -> None:
    """Continuous waves and the samples that they have in common.

    curves: name -> (milliseconds, values); the first in the colour of sound, the others in that of errors.
    dots: (milliseconds, values).
    """
    _, axes = plt.subplots(figsize=(7, 2.3))
    for at, (name, (time, values)) in enumerate(curves.items()):
        axes.plot(time, values, label=name, color=WRONG if at else COLOURS["audio"], linewidth=1.4)
    axes.plot(*dots, "o", color=BLACK, markersize=6, label="samples")
    axes.set(xlabel="milliseconds", title=title, ylim=(-1.15, 1.7), yticks=[-1, 0, 1])
    axes.legend(loc="upper right", ncols=len(curves) + 1)


def levels(
    lines: dict[str, tuple[np.ndarray, np.ndarray]],
    title: str,
    *,
    ylabel: str = "level, dB",
    mark: tuple[float, str] | None = None,
    wrong: Collection[str] = (),
    ylim: tuple[float, float] | None = None,
) -> None:
    """Levels over frequency.

    lines: name -> (Hz, dB).  mark: (Hz, words) of a vertical line.  wrong: names in the colour of errors.
    """
    _, axes = plt.subplots(figsize=(7, 2.7))
    others = iter([COLOURS["audio"], BLUE, ORANGE, PINK, SKY])
    for name, (hertz, decibels) in lines.items():
        colour = WRONG if name in wrong else next(others)
        axes.plot(np.asarray(hertz) / 1000, decibels, color=colour, linewidth=1.6, label=name)
    if mark:
        axes.axvline(mark[0] / 1000, color=GREY, linewidth=1, linestyle=":")
        axes.annotate(
            mark[1], (mark[0] / 1000, 0.9), (-4, 0), xycoords=("data", "axes fraction"), textcoords="offset points",
            ha="right", va="center", fontsize=9, color="#555555",
        )  # fmt: skip
    axes.set(xlabel="kHz", ylabel=ylabel, title=title, ylim=ylim)
    axes.set_xlim(min(x[0] for x, _ in lines.values()) / 1000, max(x[-1] for x, _ in lines.values()) / 1000)
    axes.legend(loc="upper right", ncols=len(lines))


def spectrograms(
    panels: dict[str, tuple[np.ndarray, float, float]],
    title: str,
    *,
    decibels: float = 80.0,
    wrong: Collection[str] = (),
) -> None:
    """Power over time and frequency, in dB below the loudest value of each panel.

    panels: caption -> (power (n_frames, n_bins), seconds, Hz of the top bin).
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(7, 2.6), squeeze=False)
    for axis, (caption, (power, seconds, top)) in zip(axes[0], panels.items(), strict=True):
        level = 10 * np.log10(np.maximum(np.asarray(power).T, 1e-20))
        picture = axis.imshow(
            level - level.max(), vmin=-decibels, vmax=0, cmap=plt.get_cmap("magma", 24), aspect="auto",
            origin="lower", extent=(0, seconds, 0, top / 1000),
        )  # fmt: skip
        axis.set(xlabel="seconds")
        axis.set_title(caption, color=WRONG if caption in wrong else BLACK, fontsize=10)
    axes[0][0].set_ylabel("kHz")
    figure.colorbar(picture, ax=axes[0].tolist(), label="dB", shrink=0.9)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)


def frames_and_window(
    wave: np.ndarray, starts: Sequence[int], window: np.ndarray, sample_rate: int, title: str
) -> None:
    """Where frames lie on a wave, and what one looks like before and after its window.

    wave: (T,).  starts: first sample of each frame to draw.  window: (N,).
    """
    figure, axes = plt.subplots(1, 2, figsize=(7, 2.4), width_ratios=[3, 2])
    length, time = len(window), 1000 * np.arange(len(wave)) / sample_rate
    axes[0].plot(time, wave, color=COLOURS["audio"], linewidth=0.8)
    top = np.abs(wave).max()
    for row, start in enumerate(starts):
        left, right = time[start], time[start] + 1000 * length / sample_rate
        height = top * (1.25 + 0.22 * row)
        axes[0].plot([left, right], [height, height], color=BLUE, linewidth=3, solid_capstyle="butt")
        axes[0].annotate(
            f"frame {row}", (right, height), (4, 0), textcoords="offset points", va="center", fontsize=9, color=BLUE
        )
    axes[0].set(xlabel="milliseconds", yticks=[], xlim=(time[0], time[-1]))
    axes[0].spines["left"].set_visible(False)
    part = wave[starts[0] : starts[0] + length]
    inside = 1000 * np.arange(length) / sample_rate
    axes[1].plot(inside, part, color=GREY, linewidth=0.8)
    axes[1].plot(inside, part * window, color=COLOURS["audio"], linewidth=1.2)
    axes[1].plot(inside, window * np.abs(part).max(), color=BLUE, linewidth=1.2, linestyle="--")
    axes[1].set(xlabel="milliseconds in frame 0", yticks=[])
    axes[1].spines["left"].set_visible(False)
    axes[1].set_title("grey: cut out; green: faded", fontsize=9.5)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)


def mel_scale(
    hertz: np.ndarray, mels: dict[str, np.ndarray], steps: Sequence[tuple[float, float]], title: str
) -> None:
    """Mel curves over frequency, scaled to the same top, with steps of the first one marked on both axes.

    mels: name -> mels at hertz.  steps: (from, to) in Hz.
    """
    _, axes = plt.subplots(figsize=(7, 2.9))
    for name, values, colour in zip(mels, mels.values(), (COLOURS["audio"], BLUE), strict=False):
        axes.plot(hertz, values / values[-1], color=colour, linewidth=1.8, label=name)
    first = next(iter(mels.values()))
    for low, high in steps:
        a, b = np.interp([low, high], hertz, first / first[-1])
        axes.fill_between([low, high], 0, [a, b], color=ORANGE, alpha=0.55, linewidth=0)
        axes.fill_betweenx([a, b], 0, [low, high], color=ORANGE, alpha=0.55, linewidth=0)
    axes.set(xlabel="Hz", ylabel="share of the top mel", title=title, xlim=(0, hertz[-1]), ylim=(0, 1.02))
    axes.legend(loc="lower right")


def filter_banks(banks: dict[str, np.ndarray], top: float, title: str, *, every: int = 1) -> None:
    """Triangles of mel filter banks over frequency.

    banks: caption -> (n_bins, n_mels).  top: Hz of the last bin.  every: draw one filter in so many.
    """
    figure, axes = plt.subplots(1, len(banks), figsize=(7, 2.5), squeeze=False)
    for axis, (caption, bank) in zip(axes[0], banks.items(), strict=True):
        kilohertz = np.linspace(0, top / 1000, len(bank))
        for at in range(0, bank.shape[1], every):
            inside = np.flatnonzero(bank[:, at])
            if not len(inside):
                continue
            part = slice(max(0, inside[0] - 1), inside[-1] + 2)
            axis.plot(kilohertz[part], bank[part, at], color=COLOURS["audio"], linewidth=1.1)
        axis.set(title=caption, xlabel="kHz", xlim=(0, top / 1000), ylim=(0, None))
    axes[0][0].set_ylabel("weight of a bin")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)


def mels(panels: dict[str, np.ndarray], title: str) -> None:
    """Mel spectrograms, one below the other, each with its own scale of colours.

    panels: caption -> (n_mels, n_frames).
    """
    figure, axes = plt.subplots(len(panels), 1, figsize=(7, 1.55 * len(panels) + 0.6), squeeze=False)
    for axis, (caption, mel) in zip(axes[:, 0], panels.items(), strict=True):
        picture = axis.imshow(np.asarray(mel), cmap=plt.get_cmap("magma", 24), aspect="auto", origin="lower")
        axis.set(ylabel="mel band")
        axis.set_title(caption, fontsize=9.5)
        figure.colorbar(picture, ax=axis, label="value", pad=0.01)
    axes[-1, 0].set_xlabel("frame")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)


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


def token_steps(lines: dict[str, tuple[np.ndarray, np.ndarray]], title: str) -> None:
    """Tokens over the length of a clip.

    lines: name -> (seconds, tokens).
    """
    _, axes = plt.subplots(figsize=(7, 2.2))
    for (name, (seconds, tokens)), colour in zip(lines.items(), (COLOURS["audio"], BLUE, PINK), strict=False):
        axes.step(seconds, tokens, where="post", color=colour, linewidth=1.8, label=name)
    axes.set(xlabel="seconds of sound", ylabel="tokens", title=title, ylim=(0, None), xlim=(0, seconds[-1]))
    axes.legend(loc="lower right")


# --- images --------------------------------------------------------------------------------------------------


class Photo:
    """A figure that shows photographs: kept as JPEG, because PNG would make a lesson several times larger."""

    def __init__(self, jpeg: bytes, title: str):
        self.jpeg = jpeg
        self.title = title

    def _repr_jpeg_(self) -> bytes:
        return self.jpeg

    def __repr__(self) -> str:
        return f"<photo: {self.title}>"


def _as_photo(figure: plt.Figure, title: str) -> Photo:
    import io

    buffer = io.BytesIO()
    options = {"quality": 60, "optimize": True, "progressive": True}
    figure.savefig(buffer, format="jpeg", dpi=100, pil_kwargs=options)
    plt.close(figure)
    return Photo(buffer.getvalue(), title)


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
    figure, axis = plt.subplots(figsize=(5.2, 5.2 * rows / columns + 0.35))
    axis.imshow(picture // 2 + 128, interpolation="bicubic")
    for row in range(rows + 1):
        axis.axhline(row * patch - 0.5, color="black", linewidth=1.8 if row % merge == 0 else 0.4)
    for column in range(columns + 1):
        axis.axvline(column * patch - 0.5, color="black", linewidth=1.8 if column % merge == 0 else 0.4)
    centres = {}
    for (row, column), number in np.ndenumerate(numbers):
        centres[number] = ((column + 0.5) * patch, (row + 0.5) * patch)
        axis.text(*centres[number], number, ha="center", va="center", fontsize=9)
    if trace:
        path = np.array([centres[number] for number in range(trace)])
        axis.plot(*path.T, color=COLOURS["image"], linewidth=3, alpha=0.75, solid_capstyle="round")
    axis.set(xticks=[], yticks=[], title=title)
    return _as_photo(figure, title)


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
        shown = axis.imshow(matrix, cmap="PuOr_r", vmin=-limit, vmax=limit, aspect="auto")
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


def listening(weights: np.ndarray, words: Sequence[str], wave: np.ndarray, sample_rate: int, title: str) -> None:
    """A wave, and below it where a decoder looks while it writes each word.

    weights: (words, times), times covering a window that begins with the wave and may be longer.
    """
    figure, axes = plt.subplots(2, 1, figsize=(7, 3.4), sharex=True, height_ratios=[1, 1.4])
    seconds = len(wave) / sample_rate
    axes[0].plot(np.arange(len(wave)) / sample_rate, wave, color=COLOURS["audio"], linewidth=0.6)
    axes[0].set(ylabel="pressure")
    end = weights.shape[1] / 50  # an encoder state for every 20 ms
    axes[1].imshow(weights, cmap="magma", aspect="auto", extent=(0, end, len(words) - 0.5, -0.5))
    axes[1].set(yticks=range(len(words)), yticklabels=words, xlabel="seconds", xlim=(0, seconds))
    axes[1].grid(False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)


def noise_limit(levels: Sequence[float], right: Sequence[float], sure: Sequence[float], title: str) -> None:
    """Share of right answers, and the model's own probability, over the signal-to-noise ratio in decibels."""
    _, axes = plt.subplots(figsize=(7, 2.6))
    axes.plot(levels, right, "o-", color=COLOURS["audio"], label="share of right answers")
    axes.plot(levels, sure, "s--", color=COLOURS["text"], label="probability the model gives its answer")
    axes.set(xlabel="speech above noise, dB", ylabel="share", ylim=(-0.05, 1.1), title=title)
    axes.invert_xaxis()
    axes.legend(loc="lower left")


def cut_marks(wave: np.ndarray, sample_rate: int, cuts: Sequence[tuple[int, int]], title: str) -> None:
    """A recording with the pieces that are kept, as (start, end) in samples, on a coloured ground."""
    _, axes = plt.subplots(figsize=(7, 2.3))
    for number, (start, end) in enumerate(cuts, 1):
        axes.axvspan(start / sample_rate, end / sample_rate, color=YELLOW, alpha=0.5)
        axes.annotate(f"{number}", (start / sample_rate, 0.88), xycoords=("data", "axes fraction"), fontsize=9)
    axes.plot(np.arange(len(wave)) / sample_rate, wave, color=COLOURS["audio"], linewidth=0.5)
    axes.set(xlabel="seconds", ylabel="pressure", title=title, xlim=(0, len(wave) / sample_rate))


# --- models --------------------------------------------------------------------------------------------------


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
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y", color="#E5E5E5", zorder=1)
