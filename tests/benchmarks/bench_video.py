"""How fast 16 of 300 frames come out of a file, against PyAV, torchcodec, OpenCV and decord.

    python tests/benchmarks/bench_video.py            writes results/video.json
    python tests/benchmarks/bench_video.py --quick    fewer rounds, writes nothing

640 x 360 pixels, H.264 as x264 makes it by default, a key frame every 250 or every 30 frames, one thread. Two
films: a camera pans over a photograph, with a sensor's noise; and texture that slides at several speeds under
noise, for which x264 makes hardly any frame that can be left out. All frames bear their index: those that come out
are the right ones. Floor: a decode without the frames that no other is built on, which is all that FFmpeg lets
leave out, and no picture converted.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import io
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from timing import QUICK, installed, rows, store

from mmkit.video import load_video
from mmkit.zoo.media.photos import harbour
from mmkit.zoo.media.videos import encode, paint_index, read_index

FRAMES, COUNT, HEIGHT, WIDTH = 300, 16, 360, 640
WANTED = np.linspace(0, FRAMES - 1, COUNT, dtype=int).tolist()
ROUNDS = 3 if QUICK else 5


def with_ffmpeg_for_torchcodec() -> None:
    """Start this program anew where torchcodec finds FFmpeg: PyAV's own, under the names that it looks for."""
    libraries = Path(find_spec("av").origin).parents[1] / "av.libs"
    if "TORCHCODEC_FFMPEG" in os.environ or not libraries.is_dir() or not installed("torchcodec"):
        return
    folder = Path(tempfile.gettempdir()) / "mmkit-bench-ffmpeg"
    folder.mkdir(exist_ok=True)
    for file in libraries.iterdir():
        if found := re.match(r"(lib\w+)-[0-9a-f]+\.so\.(\d+)", file.name):
            link = folder / f"{found[1]}.so.{found[2]}"
            link.unlink(missing_ok=True)  # of another environment, or of one that is gone
            link.symlink_to(file)
    os.environ |= {"TORCHCODEC_FFMPEG": "1", "LD_LIBRARY_PATH": f"{folder}:{libraries}"}
    os.execv(sys.executable, [sys.executable, *sys.argv])


def texture() -> Iterator[np.ndarray]:
    """Texture that moves at different speeds, with noise: neither still nor chaos."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (HEIGHT // 8 + 1, WIDTH // 8 + 1, 3), dtype=np.uint8)
    cells = np.kron(coarse, np.ones((8, 8, 1), np.uint8))[:HEIGHT, :WIDTH].astype(np.int16)
    for index in range(FRAMES):
        moved = np.roll(cells, (index, 3 * index), axis=(0, 1))
        moved[HEIGHT // 2 :] = np.roll(cells, -2 * index, axis=1)[HEIGHT // 2 :]
        yield moved + rng.integers(-10, 11, moved.shape, dtype=np.int16)


def pan() -> Iterator[np.ndarray]:
    """A camera that wanders over a photograph, with the noise of a sensor."""
    rng = np.random.default_rng(0)
    photo = np.asarray(harbour(1280, 960)).astype(np.int16)
    for index in range(FRAMES):
        turn = 2 * np.pi * index / FRAMES
        x, y = int(300 + 280 * np.sin(turn)), int(280 + 200 * np.cos(0.7 * turn))
        seen = photo[y : y + HEIGHT, x : x + WIDTH]
        yield seen + rng.integers(-5, 6, seen.shape, dtype=np.int16)


def film(scene: Iterator[np.ndarray], key_frames: int) -> bytes:
    frames = np.stack([np.clip(frame, 0, 255).astype(np.uint8) for frame in scene])
    for index, frame in enumerate(frames):
        paint_index(frame, index)
    return encode(frames, fps=25, options={"g": str(key_frames), "crf": "23"})


def by_pyav(data: bytes) -> np.ndarray:
    wanted, kept = set(WANTED), []
    with av.open(io.BytesIO(data)) as container:
        container.streams.video[0].thread_type = "NONE"
        for index, frame in enumerate(container.decode(video=0)):
            if index in wanted:
                kept.append(frame.to_ndarray(format="rgb24"))
            if index == WANTED[-1]:
                break
    return np.stack(kept)


def by_opencv(data: bytes) -> np.ndarray:
    wanted, kept = set(WANTED), []
    capture = cv2.VideoCapture(io.BytesIO(data), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    for index in range(WANTED[-1] + 1):
        capture.grab()
        if index in wanted:
            kept.append(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB))
    return np.stack(kept)


def by_torchcodec(data: bytes) -> np.ndarray:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(data, dimension_order="NHWC", num_ffmpeg_threads=1)
    return decoder.get_frames_at(WANTED).data.numpy()


def by_decord(data: bytes) -> np.ndarray:
    import decord

    return decord.VideoReader(io.BytesIO(data), num_threads=1).get_batch(WANTED).asnumpy()


def needed_decode(data: bytes) -> None:
    """Every frame that another one is built on, decoded and dropped."""
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        stream.codec_context.skip_frame = "NONREF"
        for _ in container.decode(stream):
            pass


def by_mmkit(data: bytes) -> np.ndarray:
    return load_video(data, count=COUNT).frames


def main() -> None:
    cv2.setNumThreads(1)
    ways: dict[str, Callable[[bytes], Any]] = {"PyAV in sequence": by_pyav, "OpenCV": by_opencv}
    if "TORCHCODEC_FFMPEG" in os.environ:
        ways["torchcodec"] = by_torchcodec
    if installed("decord"):
        ways["decord"] = by_decord
    found = []
    for scene in (pan, texture):
        for key_frames in (250, 30):
            data = film(scene(), key_frames)
            assert [read_index(frame) for frame in by_mmkit(data)] == WANTED
            peers = {name: lambda data=data, way=way: way(data) for name, way in ways.items()}
            called = f"{COUNT} of {FRAMES} video frames, {scene.__name__}, a key frame every {key_frames}"
            floors = {"decode alone": lambda data=data: needed_decode(data)}
            found += rows({"mmkit": called}, peers, {"mmkit": lambda data=data: by_mmkit(data)}, ROUNDS, floors)
    store("video", __doc__.splitlines()[0], found, rounds=ROUNDS)


if __name__ == "__main__":
    with_ffmpeg_for_torchcodec()
    main()
