"""Figures of sound: players, waves, spectra, mel filters and spectrograms, what a decoder listens to."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Collection, Sequence

import matplotlib.pyplot as plt
import numpy as np

from mmkit.plots.style import BLACK, BLUE, COLOURS, GREY, ORANGE, PINK, SKY, WRONG, YELLOW


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
    import soundfile
    import soxr

    rate = min(known for known in (8_000, 16_000, 22_050, 44_100, 48_000) if known >= sample_rate)
    wave = wave if rate == sample_rate else soxr.resample(wave, sample_rate, rate)
    target = io.BytesIO()
    soundfile.write(target, np.clip(wave, -1, 1), rate, format="MP3")
    data = base64.b64encode(target.getvalue()).decode()
    sound = f'<audio controls aria-label="{html.escape(caption)}" src="data:audio/mpeg;base64,{data}"></audio>'
    return Player(f'<div style="padding:4px"><div>{html.escape(caption)}</div>{sound}</div>', caption)


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


def products(panels: dict[str, np.ndarray], title: str) -> None:
    """Products of a frame with waves of given frequencies: what is above zero, what is below, and their sum.

    panels: caption -> (N,) products, sample by sample.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(7, 2.1), sharey=True, squeeze=False)
    for axis, (caption, values) in zip(axes[0], panels.items(), strict=True):
        place = np.arange(len(values))
        axis.fill_between(place, 0, np.maximum(values, 0), color=COLOURS["audio"], linewidth=0)
        axis.fill_between(place, 0, np.minimum(values, 0), color=BLUE, linewidth=0)
        axis.axhline(0, color=BLACK, linewidth=0.8)
        axis.set_title(caption, fontsize=9.5)
        axis.set(xlabel="sample", xlim=(0, len(values)))
    axes[0][0].set_ylabel("product")
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


def mels(panels: dict[str, np.ndarray], title: str, *, width: int | None = None) -> None:
    """Mel spectrograms, one below the other, each with its own scale of colours.

    panels: caption -> (n_mels, n_frames).  width: frames that every panel has room for; left out, each panel is
    as wide as the figure, and equal times are equal widths only where the numbers of frames are equal.
    """
    figure, axes = plt.subplots(len(panels), 1, figsize=(7, 1.55 * len(panels) + 0.6), squeeze=False)
    for axis, (caption, mel) in zip(axes[:, 0], panels.items(), strict=True):
        picture = axis.imshow(np.asarray(mel), cmap=plt.get_cmap("magma", 24), aspect="auto", origin="lower")
        axis.set(ylabel="mel band")
        axis.set_xlim(-0.5, (width or np.shape(mel)[1]) - 0.5)
        axis.set_title(caption, fontsize=9.5)
        figure.colorbar(picture, ax=axis, label="value", pad=0.01)
    axes[-1, 0].set_xlabel("frame")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)


def wrong_recipes(rows: dict[str, tuple[float, int, int]], words: int, title: str) -> None:
    """How far each wrong recipe moves the values, and how many words a model still gets, in quiet and in noise.

    rows: recipe -> (mean error of a value, words right in quiet, words right in noise); the first on top.
    """
    names, places = list(rows), np.arange(len(rows))
    errors, quiet, noisy = (np.array(column) for column in zip(*rows.values(), strict=True))
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(7, 0.36 * len(rows) + 1.1), sharey=True, width_ratios=[2, 3]
    )
    left.barh(places, errors, color=WRONG, height=0.62)
    for row, value in enumerate(errors):
        left.text(value, row, f" {value:.2f}", va="center", fontsize=9)
    left.set(xlabel="mean error of a value", xlim=(0, max(errors) * 1.35))
    left.set_yticks(places, names)
    right.barh(places - 0.18, quiet, color=COLOURS["audio"], height=0.34, label="in quiet")
    right.barh(places + 0.18, noisy, color=BLUE, height=0.34, label="in noise")
    for row, pair in enumerate(zip(quiet, noisy, strict=True)):
        for value, shift in zip(pair, (-0.18, 0.18), strict=True):
            right.text(value + 0.15, row + shift, value, va="center", fontsize=9)
    right.set(xlabel=f"words right, of {words}", xlim=(0, words * 1.5), xticks=range(0, words + 1, 5))
    right.legend(loc="lower right")
    for axis in (left, right):
        axis.tick_params(axis="y", length=0)
    left.invert_yaxis()
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)


def token_steps(lines: dict[str, tuple[np.ndarray, np.ndarray]], title: str) -> None:
    """Tokens over the length of a clip.

    lines: name -> (seconds, tokens).
    """
    _, axes = plt.subplots(figsize=(7, 2.2))
    for (name, (seconds, tokens)), colour in zip(lines.items(), (COLOURS["audio"], BLUE, PINK), strict=False):
        axes.step(seconds, tokens, where="post", color=colour, linewidth=1.8, label=name)
    axes.set(xlabel="seconds of sound", ylabel="tokens", title=title, ylim=(0, None), xlim=(0, seconds[-1]))
    axes.legend(loc="lower right")


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


def loudness(
    wave: np.ndarray,
    sample_rate: int,
    level: np.ndarray,
    threshold: float,
    spans: Sequence[tuple[int, int]],
    title: str,
) -> None:
    """A recording, the level of each short frame in dB against a threshold, and the spans that were found.

    level: (n,) dB, evenly over the wave.  spans: (start, end) in samples, on a coloured ground.
    """
    figure, axes = plt.subplots(2, 1, figsize=(7, 3.2), sharex=True)
    seconds = len(wave) / sample_rate
    axes[0].plot(np.arange(len(wave)) / sample_rate, wave, color=COLOURS["audio"], linewidth=0.4)
    axes[0].set(ylabel="pressure", xlim=(0, seconds))
    axes[1].step(np.linspace(0, seconds, len(level)), level, color=COLOURS["audio"], linewidth=0.9, label="level")
    axes[1].axhline(threshold, color=WRONG, linewidth=1.2, linestyle="--", label="threshold")
    axes[1].set(xlabel="seconds", ylabel="dB", ylim=(level.min() - 18, level.max() + 5))
    axes[1].legend(loc="lower right", ncols=2)
    for axis in axes:
        for start, end in spans:
            axis.axvspan(start / sample_rate, end / sample_rate, color=YELLOW, alpha=0.45, linewidth=0)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)


def cut_marks(wave: np.ndarray, sample_rate: int, cuts: Sequence[tuple[int, int]], title: str) -> None:
    """A recording with the pieces that are kept, as (start, end) in samples, on a coloured ground."""
    _, axes = plt.subplots(figsize=(7, 2.3))
    for number, (start, end) in enumerate(cuts, 1):
        axes.axvspan(start / sample_rate, end / sample_rate, color=YELLOW, alpha=0.5)
        axes.annotate(f"{number}", (start / sample_rate, 0.88), xycoords=("data", "axes fraction"), fontsize=9)
    axes.plot(np.arange(len(wave)) / sample_rate, wave, color=COLOURS["audio"], linewidth=0.5)
    axes.set(xlabel="seconds", ylabel="pressure", title=title, xlim=(0, len(wave) / sample_rate))
