"""Videos that know the truth: every frame carries its own index, painted so that compression cannot hide it.

    index_frames -> frames whose top band spells their number in black and white
    encode       -> bytes of a file (codec, container, times and rotation as wanted)
    read_index   -> the number back, from a decoded frame

The index is the oracle of tests and lessons: whoever mislabels a frame or its time is found out.
`python -m mmkit.zoo.media.videos ../data` writes the course's videos. Leaves out sound.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

BITS = 10  # of the painted index: two rows of five blocks, so up to 1,024 frames
TICKS = 10_000  # a second: time base of files with times of their own (MPEG-4 allows 65,535)


def paint_index(frame: np.ndarray, index: int) -> np.ndarray:
    """Write an index into the top half of a frame: ten blocks, white for 1, highest bit first.

    frame: (H, W, 3) uint8, changed in place and returned; H >= 16, W >= 40.

    >>> read_index(paint_index(np.zeros((32, 50, 3), dtype=np.uint8), 714))
    714
    """
    for bit, block in enumerate(_blocks(frame)):
        block[...] = 235 if index >> (BITS - 1 - bit) & 1 else 20
    return frame


def read_index(frame: np.ndarray) -> int:
    """The index that `paint_index` wrote, read from the middle of each block.

    frame: (H, W, 3) uint8, after any compression.
    """
    number = 0
    for block in _blocks(frame):
        h, w = block.shape[:2]
        middle = block[h // 4 : h - h // 4, w // 4 : w - w // 4]
        number = number << 1 | int(middle.mean() > 127)
    return number


def _blocks(frame: np.ndarray) -> Iterable[np.ndarray]:
    """Views of the ten blocks: two rows of five over the top half."""
    height, width = frame.shape[:2]
    rows, columns = np.linspace(0, height // 2, 3, dtype=int), np.linspace(0, width, 6, dtype=int)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            yield frame[top:bottom, left:right]


def index_frames(count: int, height: int = 96, width: int = 160) -> np.ndarray:
    """(count, H, W, 3) uint8: the index above, a disc that rolls from left to right below."""
    frames = np.full((count, height, width, 3), (230, 230, 240), dtype=np.uint8)
    for index, frame in enumerate(frames):
        draw_disc(frame, 0.75, (index + 0.5) / count, 0.16, (0, 114, 178))
        paint_index(frame, index)
    return frames


def circle_frames(count: int, height: int = 112, width: int = 112) -> np.ndarray:
    """(count, H, W, 3) uint8: an orange disc that goes once round, as the hand of a clock does."""
    frames = np.full((count, height, width, 3), 255, dtype=np.uint8)
    for index, frame in enumerate(frames):
        angle = 2 * np.pi * index / count
        draw_disc(frame, 0.5 - 0.32 * np.cos(angle), 0.5 + 0.32 * np.sin(angle), 0.13, (230, 159, 0))
    return frames


def draw_disc(frame: np.ndarray, y: float, x: float, radius: float, colour: Sequence[int]) -> None:
    """Fill a disc; its middle and radius as shares of the height (y, radius) and the width (x)."""
    height, width = frame.shape[:2]
    rows, columns = np.ogrid[:height, :width]
    inside = (rows + 0.5 - y * height) ** 2 + (columns + 0.5 - x * width) ** 2 <= (radius * height) ** 2
    frame[inside] = colour


def encode(
    frames: np.ndarray,
    *,
    fps: Fraction | int = 25,
    times: Sequence[float] | np.ndarray | None = None,
    container: str = "mp4",
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rotation: int = 0,
    options: dict[str, str] | None = None,
) -> bytes:
    """Write frames as a video file in memory.

    frames: (T, H, W, 3) uint8 as they shall be seen.  fps: constant rate, or `times` (s) for each frame.
    container: "mp4", "mov", "matroska", "webm", "avi".  codec, pixels, options: of FFmpeg's encoder.
    rotation: 0, 90, 180 or 270: degrees to the left that a player must turn what is stored.
    """
    import av

    stored = np.rot90(frames, -rotation // 90, axes=(1, 2))
    buffer = io.BytesIO()
    # Without the exact flag FFmpeg writes its version into the file.
    with av.open(buffer, "w", format=container, container_options={"fflags": "+bitexact"}) as output:
        stream: Any = output.add_stream(codec, rate=fps, options={"threads": "1"} | (options or {}))
        stream.height, stream.width, stream.pix_fmt = *stored.shape[1:3], pixels
        if rotation:
            stream.set_display_rotation(rotation)
        if times is not None:
            stream.codec_context.time_base = Fraction(1, TICKS)
        for index, pixels_of_frame in enumerate(stored):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels_of_frame), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[index] * TICKS), Fraction(1, TICKS)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def bursts(count: int, seed: int = 0) -> np.ndarray:
    """(count,) times of a camera that records only when something moves: short gaps, sometimes a long one."""
    gaps = np.random.default_rng(seed).choice([0.04, 0.08, 1.5], size=count - 1, p=[0.6, 0.25, 0.15])
    return np.concatenate([[0.0], np.cumsum(gaps)])


def course_videos() -> dict[str, bytes]:
    """The films of the course, by file name: each under 60 KB. Times and indices are the same at every run."""
    quality = {"crf": "26", "preset": "medium"}
    return {
        "index.mp4": encode(index_frames(300), fps=25, options=quality | {"g": "50"}),
        "circle.mp4": encode(circle_frames(24), fps=8, options=quality),
        "bursts.mp4": encode(index_frames(60), times=bursts(60).tolist(), options=quality | {"g": "20"}),
        "sideways.mp4": encode(index_frames(20), fps=10, rotation=90, options=quality),
    }


def main(folder: str) -> None:
    for name, data in course_videos().items():
        (Path(folder) / name).write_bytes(data)
        print(f"{name}: {len(data):,} bytes")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "data")
