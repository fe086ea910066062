"""The picture at the top of README: how a question with its items becomes one row of tokens.

    python -m mmkit.zoo.media.overview data        writes overview.png

The answers on it are those of data/demo.jsonl, which `make demo` checks against the models.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

from mmkit import plots, tokens
from mmkit.audio import load_audio, log_mel
from mmkit.image import load_image
from mmkit.recipes import WHISPER, recipe_for


def main(folder: Path) -> None:
    """Draw the overview from the course's own picture and clip."""
    plots.use_style()
    rows = [json.loads(line) for line in (folder / "demo.jsonl").read_text("utf-8").splitlines()]
    seen = next(row for row in rows if row.get("images") == ["three_shapes.png"])
    heard = next(row for row in rows if row.get("audios") == ["three_one_four.wav"])
    figure, axes = plt.subplots(2, 2, figsize=(8.4, 4.0), dpi=110, height_ratios=(3, 1))
    draw_picture(axes[0, 0], axes[1, 0], folder / seen["images"][0], seen)
    draw_clip(axes[0, 1], axes[1, 1], folder / heard["audios"][0], heard)
    figure.savefig(folder / "overview.png", metadata={"Software": None})


def draw_picture(top, strip, path: Path, row: dict) -> None:
    """A picture under its grid of tiles, and its row of tokens."""
    picture = load_image(path)
    recipe = recipe_for(row["model"], "image")
    height, width = tokens.seen_size(picture.height, picture.width, recipe)
    top.imshow(picture.pixels, extent=(0, width, height, 0), aspect="auto")
    top.set(xticks=range(0, width + 1, 28), yticks=range(0, height + 1, 28), xticklabels=[], yticklabels=[])
    top.grid(color=plots.COLOURS["image"], linewidth=1.2)
    top.tick_params(length=0)
    top.set_title("A picture is cut into tiles", loc="center")
    draw_row(strip, (height // 28) * (width // 28), "image", row)


def draw_clip(top, strip, path: Path, row: dict) -> None:
    """A recording as Whisper's log-mel spectrogram, and its row of tokens."""
    clip = load_audio(path)
    seconds = len(clip.wave) / clip.sample_rate
    frames = int(seconds * 100)
    top.imshow(log_mel(clip.wave, WHISPER)[:, :frames], aspect="auto", origin="lower", cmap="Greens")
    top.set(xticks=range(0, frames, 4), yticks=[], xticklabels=[])
    top.tick_params(length=2, color=plots.COLOURS["audio"])
    top.set_title("A recording is cut into short times", loc="center")
    draw_row(strip, int(seconds * 25), "audio", row)


def draw_row(axes, count: int, kind: str, row: dict) -> None:
    """The tokens of an item and of its question side by side, and the answer below."""
    words = len(row["text"].split()) + 1
    for place in range(count + words):
        colour = plots.COLOURS[kind if place < count else "text"]
        axes.add_patch(Rectangle((place + 0.1, 0), 0.8, 1, color=colour))
    axes.set(xlim=(0, count + words), ylim=(-3.2, 1))
    axes.axis("off")
    said = f"{count} tokens and “{row['text']}”\n→ {row['expected']}"
    axes.text(0, -0.4, said, va="top", fontsize=10, linespacing=1.5).set_in_layout(False)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "data"))
