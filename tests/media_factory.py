"""Hostile and broken inputs, each made in code: 106 rows that a loader meets in the open, and what each must give.

A `Case` says how its source is made, which function reads it and what must come out: an error class, or a value
whose notes match a pattern. `test_bad_inputs.py` runs them all; `fuzz.py` mutates the good files below.
The number of a case is its row; several cases share one row. Where we decide otherwise than "refuse" or "accept"
would suggest, `why` says so.
"""

from __future__ import annotations

import base64
import io
import os
import socket
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmkit.audio import load_audio
from mmkit.errors import (
    BadEncoding,
    BadSampleRate,
    ContextOverflow,
    CorruptMedia,
    DecodedTooLarge,
    EmptyMedia,
    InvalidArgument,
    LimitExceeded,
    MmkitError,
    NonFiniteSamples,
    NotARegularFile,
    PlaceholderMismatch,
    SourceNotAllowed,
    SourceNotFound,
    SourceTooLarge,
    TooManyChannels,
    TruncatedMedia,
    UnsupportedFormat,
)
from mmkit.image import load_image
from mmkit.media import LIMITS
from mmkit.preprocessor import MultiModalSample
from mmkit.text import clean_text
from mmkit.video import load_video

LOAD = {"image": load_image, "audio": load_audio, "video": load_video, "text": clean_text}


@dataclass(frozen=True)
class Case:
    """One input. make: folder -> source.  expected: error classes, or None for a value with `notes`."""

    row: int
    name: str
    reads: str  # "image", "audio", "video", "text", or "prompt": a sample for MultiModalPreprocessor.to_prompt
    make: Callable[[Path], Any]
    expected: tuple[type[MmkitError], ...] | None
    notes: str = ""  # a pattern that some note must match; "" for anything
    options: Callable[[Path], dict] | None = None
    why: str = ""
    check: Callable[[Any], bool] | None = None  # of the value

    @property
    def id(self) -> str:
        return f"{self.row:03d}-{self.name}"


CASES: list[Case] = []


def bad(row: int, name: str, reads: str, make: Any, *expected: type[MmkitError], **more: Any) -> None:
    CASES.append(Case(row, name, reads, make if callable(make) else lambda folder: make, expected, **more))


def good(row: int, name: str, reads: str, make: Any, notes: str = "", **more: Any) -> None:
    CASES.append(Case(row, name, reads, make if callable(make) else lambda folder: make, None, notes, **more))


# ---------------------------------------------------------------------------------------------- good files


@cache
def pixels(height: int = 40, width: int = 60, channels: int = 3) -> np.ndarray:
    """A picture that no compression makes trivial: noise over a ramp."""
    rng = np.random.default_rng(height * 1000 + width)
    ramp = np.linspace(0, 200, width)[None, :, None] + rng.integers(0, 55, (height, width, channels))
    return ramp.astype(np.uint8)


@cache
def picture(form: str = "PNG", mode: str = "RGB", **options: Any) -> bytes:
    image = Image.fromarray(pixels()).convert(mode)
    packed = io.BytesIO()
    image.save(packed, form, **options)
    return packed.getvalue()


def animation(form: str, frames: int = 3, **options: Any) -> bytes:
    images = [Image.fromarray(np.roll(pixels(), 7 * i, axis=1)) for i in range(frames)]
    packed = io.BytesIO()
    images[0].save(packed, form, save_all=True, append_images=images[1:], **options)
    return packed.getvalue()


@cache
def tone(samples: int = 16_000, channels: int = 1, rate: int = 16_000) -> np.ndarray:
    time = np.arange(samples) / rate
    wave = 0.5 * np.sin(2 * np.pi * 440 * time) + 0.1 * np.sin(2 * np.pi * 3000 * time)
    return np.repeat(wave.astype(np.float32)[:, None], channels, axis=1)


@cache
def sound(form: str = "WAV", subtype: str | None = None, channels: int = 1, samples: int = 16_000) -> bytes:
    import soundfile

    packed = io.BytesIO()
    soundfile.write(packed, tone(samples, channels), 16_000, format=form, subtype=subtype)
    return packed.getvalue()


def wav(body: bytes, *, tag: int = 1, channels: int = 1, rate: int = 16_000, bits: int = 16, **sizes: int) -> bytes:
    """A WAV by hand, so that its header can lie.  sizes: data, riff."""
    block = channels * bits // 8 % 65536
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, channels, rate, rate * block % 2**32, block, bits)
    data = struct.pack("<4sI", b"data", sizes.get("data", len(body))) + body
    size = sizes.get("riff", 4 + len(head) + len(data))
    return struct.pack("<4sI4s", b"RIFF", size, b"WAVE") + head + data


@cache
def film(
    container: str = "mp4", codec: str = "mpeg4", frames: int = 20, tracks: str = "v", **options: str
) -> bytes:
    """A short video; `tracks` "v", "a" or "va" says what is in it."""
    import tempfile

    import av

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"film.{container}")
        form = {"mkv": "matroska"}.get(container, container)
        with av.open(path, "w", format=form, options=options) as out:
            video = sound_track = None
            if "v" in tracks:
                video = out.add_stream(codec, rate=10)
                video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            if "a" in tracks:
                sound_track = out.add_stream("aac" if container in ("mp4", "mov") else "libopus", rate=48_000)
            if video is not None:
                for i in range(frames):
                    shade = np.full((48, 64, 3), 10 * i % 250, np.uint8)
                    shade[:, : 3 * i % 64] = 255 - shade[:, : 3 * i % 64]
                    for packet in video.encode(av.VideoFrame.from_ndarray(shade, format="rgb24")):
                        out.mux(packet)
                for packet in video.encode():
                    out.mux(packet)
            if sound_track is not None:
                layout = sound_track.codec_context.layout.name or "mono"
                channels = sound_track.codec_context.channels or 1
                wave = np.ascontiguousarray(np.repeat(tone(48_000, 1, 48_000).T, channels, axis=0))
                frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout=layout)
                frame.sample_rate = 48_000
                resampler = av.AudioResampler(
                    format=sound_track.codec_context.format.name, layout=layout, rate=48_000
                )
                for piece in resampler.resample(frame):
                    for packet in sound_track.encode(piece):
                        out.mux(packet)
                for packet in sound_track.encode():
                    out.mux(packet)
        return Path(path).read_bytes()


@cache
def track(
    container: str,
    codec: str,
    layout: str = "mono",
    *,
    rate: int = 48_000,
    samples: int = 24_000,
    start: float = 0.0,
    gap: float = 0.0,
    format: str = "",
    options: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """Sound by any of FFmpeg's encoders: start, gap: seconds before it and in its middle."""
    import av

    channels, packed = av.AudioLayout(layout).nb_channels, io.BytesIO()
    form = {"mkv": "matroska", "m4a": "ipod"}.get(container, container)
    strict = {"strict": "-2"}  # formats that FFmpeg calls experimental
    with av.open(packed, "w", format=form, options={**strict, **dict(options)}) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout, options=strict)
        context = stream.codec_context
        if format:
            context.format = format
        context.open()
        time = np.arange(samples) / rate
        pitches = [0.3 * np.sin(2 * np.pi * (220 + 55 * c) * time) for c in range(channels)]
        noise = 0.01 * np.random.default_rng(0).standard_normal((samples, channels))
        wave = (np.stack(pitches, axis=1) + noise).astype(np.float32)  # T C
        frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate = rate
        size = context.frame_size or 1024
        resampler = av.AudioResampler(format=context.format, layout=layout, rate=rate, frame_size=size)
        pieces, position = [*resampler.resample(frame), *resampler.resample(None)], round(start * rate)
        for number, piece in enumerate(pieces):
            position += round(gap * rate) if number == len(pieces) // 2 else 0
            piece.pts, piece.time_base = position, Fraction(1, rate)
            position += piece.samples
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return packed.getvalue()


@cache
def movie(
    container: str = "mp4",
    codec: str = "libx264",
    frames: int = 40,
    pixel: str = "yuv420p",
    size: tuple[int, int] = (96, 128),
    **options: str,
) -> bytes:
    """Texture that moves, (height, width) at 25 frames a second, with real differences between frames."""
    import av

    height, width = size
    coarse = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    texture, packed = np.kron(coarse, np.ones((8, 8, 1), np.uint8)), io.BytesIO()
    with av.open(packed, "w", format={"mkv": "matroska"}.get(container, container)) as out:
        stream = out.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel
        for i in range(frames):
            moved = np.ascontiguousarray(np.roll(texture, (i, 2 * i), axis=(0, 1)))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        out.mux(stream.encode(None))
    return packed.getvalue()


def id3(length: int, says: int | None = None) -> bytes:
    """An empty ID3v2 tag; `says`: the length that it states, if another."""
    stated = length if says is None else says
    return b"ID3\x04\0\0" + bytes(stated >> shift & 0x7F for shift in (21, 14, 7, 0)) + bytes(length)


def tiff(
    body: bytes = bytes(range(192)),
    *,
    bits: tuple[int, ...] = (8, 8, 8),
    compression: int = 1,
    photometric: int = 2,
    alpha: int | None = None,
    number: int = 1,
) -> bytes:
    """A TIFF of 8 x 8 pixels by hand.  alpha: of EXTRASAMPLES.  number: 1 unsigned, 3 float, 6 complex."""
    entries = [(256, (8,)), (257, (8,)), (258, bits), (259, (compression,)), (262, (photometric,)), (273, (8,)),
               (277, (len(bits),)), (278, (8,)), (279, (len(body),)), (339, (number,))]  # fmt: skip
    entries = sorted(entries + ([(338, (alpha,))] if alpha is not None else []))
    directory, values = struct.pack("<H", len(entries)), b""
    behind = 8 + len(body) + 2 + 12 * len(entries) + 4
    for tag, numbers in entries:
        raw = struct.pack(f"<{len(numbers)}H", *numbers)
        place = raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack("<I", behind + len(values))
        values += raw if len(raw) > 4 else b""
        directory += struct.pack("<HHI", tag, 3, len(numbers)) + place
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory + bytes(4) + values


def bmp(bits: int, method: int, masks: tuple[int, ...] = ()) -> bytes:
    """A BMP of 8 x 8 pixels by hand: bits a pixel, compression, masks of its bit fields."""
    body = bytes((8 * bits + 31) // 32 * 4 * 8)
    head = struct.pack("<IiiHHIIiiII", 40, 8, 8, 1, bits, method, len(body), 0, 0, 0, 0)
    head += b"".join(struct.pack("<I", mask) for mask in masks)
    start = 14 + len(head)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + head + body


def png_chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG by hand, with right checksums."""
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, body in chunks:
        parts += [struct.pack(">I", len(body)), kind, body, struct.pack(">I", zlib.crc32(kind + body))]
    return b"".join(parts)


def png_header(width: int, height: int, depth: int = 8, colour: int = 2) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)


END = (b"IEND", b"")


def as_file(name: str, data: bytes | Callable[[], bytes]) -> Callable[[Path], Path]:
    """A source that is a file of this name."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data if isinstance(data, bytes) else data())
        return path

    return make


def data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def small(**limits: Any) -> Callable[[Path], dict]:
    return lambda folder: {"limits": replace(LIMITS, **limits)}


def rooted(folder: Path) -> dict:
    (folder / "inside").mkdir(exist_ok=True)
    return {"root": folder / "inside"}


# ------------------------------------------------------------------------------------ source, file system


def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.png")
    return folder / "pipe.png"


def _socket(folder: Path) -> str:
    here = os.getcwd()
    os.chdir(folder)  # the name of a socket is at most 107 bytes long
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("listener.png")
    finally:
        os.chdir(here)
    return str(folder / "listener.png")


def _sparse(folder: Path) -> Path:
    with open(folder / "sparse.png", "wb") as file:
        file.truncate(100 << 30)
    return folder / "sparse.png"


class Endless(io.RawIOBase):
    """A file object that never ends."""

    def read(self, size: int = -1) -> bytes:
        return b"\x89" * min(size, 1 << 16)


def _link(target: str | Path, name: str = "link.png") -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        inside = folder / "inside"
        inside.mkdir(exist_ok=True)
        (inside / "real.png").write_bytes(picture())
        (inside / name).symlink_to(target)
        return name

    return make


def _odd_name(folder: Path) -> bytes:
    path = os.path.join(os.fsencode(folder), b"caf\xe9\xff.png")
    with open(path, "wb") as file:
        file.write(picture())
    return os.fsdecode(path)


def _unreadable(folder: Path) -> Path:
    path = as_file("secret.png", picture())(folder)
    path.chmod(0)
    return path


HTML = b"\n<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"

bad(1, "missing", "image", lambda f: f / "missing.png", SourceNotFound)
bad(2, "empty-string", "image", "", BadEncoding)
bad(2, "none", "image", None, BadEncoding)
bad(2, "number", "audio", 5, BadEncoding)
bad(2, "text-mode-file", "image", lambda f: io.StringIO("text"), BadEncoding)
bad(3, "folder", "image", lambda f: f, NotARegularFile)
bad(4, "pipe", "image", _fifo, NotARegularFile)
bad(5, "dev-zero", "image", "/dev/zero", NotARegularFile)
bad(5, "dev-random", "audio", "/dev/random", NotARegularFile)
bad(6, "socket", "image", _socket, NotARegularFile)
bad(7, "proc-no-media", "image", "/proc/self/maps", UnsupportedFormat)
bad(7, "proc-too-large", "image", "/proc/self/maps", SourceTooLarge, options=small(max_bytes=100))
bad(8, "sparse-100-gb", "image", _sparse, SourceTooLarge)
bad(9, "grows-for-ever", "image", lambda f: Endless(), SourceTooLarge, options=small(max_bytes=1 << 20))
bad(9, "shrunk", "image", lambda f: io.BytesIO(picture()[:-20]), TruncatedMedia)
good(10, "link-inside", "image", _link("real.png"), options=rooted, why="links are followed if they end inside")
bad(11, "link-outside", "image", _link("/etc/passwd"), SourceNotAllowed, options=rooted)
bad(12, "link-loop", "image", _link("link.png"), SourceNotFound, SourceNotAllowed, options=rooted)
bad(13, "parent", "image", "../../etc/passwd", SourceNotAllowed, options=rooted)
bad(13, "absolute", "image", "/etc/passwd", SourceNotAllowed, options=rooted)
bad(
    13, "percent", "image", "%2e%2e/%2e%2e/etc/passwd", SourceNotFound, options=rooted,
    why="a path is not a URL: %2e is two letters of a name, and there is no such name",
)  # fmt: skip
bad(13, "file-url", "image", "file:///etc/passwd", SourceNotAllowed)
bad(13, "file-url-percent", "image", "file:///%2e%2e/etc/passwd", SourceNotAllowed, options=rooted)
bad(13, "file-url-host", "image", "file://host/etc/passwd", SourceNotAllowed, options=rooted)
good(
    13, "file-url-inside", "image",
    lambda f: [rooted(f), as_file("inside/a b.png", picture())(f), f"file://{f}/inside/a%20b.png"][-1],
    options=rooted, why="inside a root that was set, a file: URL is a path",
)  # fmt: skip
bad(14, "nul", "image", "a\0.png", SourceNotAllowed)
bad(14, "nul-rooted", "image", "a\0.png", SourceNotAllowed, options=rooted)
bad(15, "5000-letters", "image", "a" * 5000 + ".png", SourceNotFound)
good(16, "odd-name", "image", _odd_name)
bad(16, "half-character-name", "image", "\ud800.png", BadEncoding)
bad(17, "no-permission", "image", _unreadable, SourceNotAllowed)
good(18, "png-named-jpg", "image", as_file("a.jpg", picture), r"named \.jpg, but the content is png")
bad(18, "wav-named-png", "image", as_file("a.png", sound), UnsupportedFormat)
good(19, "no-extension", "image", as_file("picture", picture))
good(19, "upper-case", "image", as_file("A.PNG", picture))
good(19, "double-extension", "image", as_file("a.tar.png", picture))
bad(20, "html", "image", as_file("a.jpg", HTML), UnsupportedFormat)
bad(20, "json", "audio", as_file("a.wav", b'{"error": "not found"}'), UnsupportedFormat)
bad(21, "lfs-pointer", "image", as_file("a.png", POINTER), UnsupportedFormat)

# -------------------------------------------------------------------------------------------- URL, data URL

REFUSED = "mmkit opens no socket; tests/guarded_fetch.py shows a fetch, and test_media.py attacks it"
ADDRESSES = ("169.254.169.254", "127.0.0.1", "[::1]", "0", "2130706433", "0x7f.1", "10.0.0.1", "192.168.1.1")
for _host in ADDRESSES:
    bad(22, f"host-{_host}", "image", f"http://{_host}/a.png", SourceNotAllowed, why=REFUSED)
bad(23, "redirect", "image", "https://example.org/to-metadata", SourceNotAllowed, why=REFUSED)
for _url in ("https://good.example\\@evil/", "https://a@b/", "https://example.org./a.png", "https://exаmple.org/a",
             "hTTpS://EXAMPLE.org/a"):  # fmt: skip
    bad(24, f"url-{ascii(_url)[9:22]}", "image", _url, SourceNotAllowed, why=REFUSED)
bad(25, "rebinding", "image", "https://rebind.example/a.png", SourceNotAllowed, why=REFUSED)
bad(26, "endless-body", "image", "https://example.org/endless", SourceNotAllowed, why=REFUSED)
bad(27, "status-404", "image", "https://example.org/404", SourceNotAllowed, why=REFUSED)
for _url in ("ftp://a/b.png", "gopher://a/b", "javascript:alert(1)", "s3://bucket/a.png"):
    bad(28, f"scheme-{_url.split(':')[0]}", "image", _url, SourceNotAllowed)
bad(29, "data-no-comma", "image", "data:image/png;base64", BadEncoding)
bad(29, "data-no-base64", "image", "data:image/png,abc", BadEncoding)
bad(30, "data-bad-letters", "image", "data:image/png;base64,aGVs!!bG8=", BadEncoding)
bad(30, "data-garbage-behind", "image", "data:image/png;base64,aGVsbG8=garbage=", BadEncoding)
bad(31, "data-url-alphabet", "image", "data:image/png;base64,-_-_", BadEncoding)
bad(31, "data-no-padding", "image", "data:image/png;base64,aGVsbG8", BadEncoding)
bad(31, "data-newline", "image", "data:image/png;base64,aGVs\nbG8=", BadEncoding)
bad(
    32,
    "data-huge",
    "image",
    lambda f: data_url("image/png", bytes(2000)),
    SourceTooLarge,
    options=small(max_bytes=1000),
)
bad(33, "data-type-lies", "image", lambda f: data_url("image/png", sound("MP3")), UnsupportedFormat)
good(33, "data-subtype-lies", "image", lambda f: data_url("image/jpeg", picture()), "declared image/jpeg, but")
bad(34, "data-empty", "image", "data:image/png;base64,", EmptyMedia)

# --------------------------------------------------------------------------------------------------- images


def _jpeg_with(segment: bytes, at: int = 2, **options: Any) -> bytes:
    data = picture("JPEG", **options)
    return data[:at] + segment + data[at:]


def _half_jpeg() -> bytes:
    return picture("JPEG")[: len(picture("JPEG")) // 2]


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return picture("JPEG", exif=exif.tobytes())


def _tiff(array: np.ndarray) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(array).save(packed, "TIFF")
    return packed.getvalue()


def _png_of(array: np.ndarray, mode: str | None = None, **options: Any) -> bytes:
    packed = io.BytesIO()
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(packed, "PNG", **options)
    return packed.getvalue()


@cache
def _real_bomb() -> bytes:
    packed = io.BytesIO()
    Image.new("L", (9000, 9000)).save(packed, "PNG")
    return packed.getvalue()


def _zip_polyglot() -> bytes:
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("hidden.txt", "hidden")
    return picture("JPEG") + packed.getvalue()


def _closed_image(folder: Path) -> Image.Image:
    image = Image.open(as_file("closed.png", picture())(folder))
    image.close()
    return image


def _lazy_image(folder: Path) -> Image.Image:
    path = as_file("gone.png", picture())(folder)
    image = Image.open(path)
    path.unlink()
    image.fp.close()
    return image


def _hidden_colours() -> bytes:
    array = np.zeros((4, 4, 4), np.uint8)
    array[..., 0] = 255  # red, but wholly transparent
    return _png_of(array)


bad(35, "0-bytes", "image", b"", EmptyMedia)
bad(36, "noise", "image", np.random.default_rng(0).bytes(5000), UnsupportedFormat)
bad(37, "half-jpeg", "image", lambda f: _half_jpeg(), TruncatedMedia)
bad(
    37,
    "half-jpeg-with-end",
    "image",
    lambda f: picture("JPEG")[: len(picture("JPEG")) // 2] + b"\xff\xd9",
    TruncatedMedia,
)
bad(37, "half-cmyk-jpeg-with-end", "image",
    lambda f: picture("JPEG", "CMYK")[: len(picture("JPEG", "CMYK")) // 2] + b"\xff\xd9",
    TruncatedMedia)  # fmt: skip
bad(37, "half-progressive-with-end", "image",
    lambda f: picture("JPEG", progressive=True)[:546] + b"\xff\xd9", TruncatedMedia)  # fmt: skip
bad(38, "20-byte-jpeg", "image", lambda f: picture("JPEG")[:20], CorruptMedia)
bad(39, "cut-png", "image", lambda f: picture()[:-40], TruncatedMedia)
bad(39, "png-checksum", "image", lambda f: picture()[:60] + b"X" + picture()[61:], CorruptMedia)
bad(39, "png-short-pixels", "image",
    lambda f: png_chunks(png_header(60, 40), (b"IDAT", zlib.compress(bytes(181 * 20))), END),
    TruncatedMedia)  # fmt: skip
bad(40, "50000-square-in-57-bytes", "image",
    lambda f: png_chunks(png_header(50_000, 50_000), (b"IDAT", b""), END), DecodedTooLarge)  # fmt: skip
bad(
    41,
    "13000-square",
    "image",
    lambda f: png_chunks(png_header(13_000, 13_000), (b"IDAT", b""), END),
    DecodedTooLarge,
)
bad(42, "9000-square-in-79-kb", "image", lambda f: _real_bomb(), DecodedTooLarge)
bad(43, "text-bomb", "image",
    lambda f: png_chunks(png_header(1, 1), (b"zTXt", b"a\0\0" + zlib.compress(bytes(64 << 20))),
                         (b"IDAT", zlib.compress(bytes(4))), END), CorruptMedia)  # fmt: skip
bad(43, "profile-bomb", "image",
    lambda f: png_chunks(png_header(1, 1), (b"iCCP", b"a\0\0" + zlib.compress(bytes(64 << 20))),
                         (b"IDAT", zlib.compress(bytes(4))), END), CorruptMedia)  # fmt: skip
bad(44, "0-by-0", "image", lambda f: png_chunks(png_header(0, 0), (b"IDAT", b""), END), CorruptMedia)
for _shape in ((1, 1), (1, 9), (9, 1)):
    good(45, f"png-{_shape[0]}x{_shape[1]}", "image", lambda f, s=_shape: _png_of(np.zeros((*s, 3), np.uint8)))
bad(45, "array-1x1", "image", np.zeros((1, 1, 1), np.uint8), BadEncoding)
good(45, "array-1x1-with-layout", "image", np.zeros((1, 1, 3), np.uint8), options=lambda f: {"layout": "HWC"})
bad(46, "aspect-201", "prompt",
    lambda f: MultiModalSample("?", (np.zeros((201 * 30, 30, 3), np.uint8),)), LimitExceeded)  # fmt: skip
good(47, "gif", "image", lambda f: animation("GIF"), "only the first")
good(47, "webp", "image", lambda f: animation("WEBP"), "only the first")
good(47, "apng", "image", lambda f: animation("PNG"), "only the first")
good(48, "tiff-pages", "image", lambda f: animation("TIFF"), "only the first")
good(49, "cmyk", "image", lambda f: picture("JPEG", "CMYK"), "CMYK")
good(50, "16-bit-png", "image", lambda f: _png_of(np.full((8, 8), 256, np.uint16)), "16 bits",
     check=lambda p: p.pixels.max() == 1)  # fmt: skip
good(50, "16-bit-tiff", "image", lambda f: _tiff(np.full((8, 8), 65_535, np.uint16)), "16 bits",
     check=lambda p: p.pixels.min() == 255)  # fmt: skip
good(51, "float-tiff", "image", lambda f: _tiff(np.full((8, 8), 0.5, np.float32)), "floats",
     check=lambda p: p.pixels.max() == 128)  # fmt: skip
bad(51, "float-range", "image", lambda f: _tiff(np.full((8, 8), 300.0, np.float32)), BadEncoding)
bad(51, "nan", "image", lambda f: _tiff(np.full((8, 8), np.nan, np.float32)), NonFiniteSamples)
bad(51, "infinity", "image", np.full((8, 8), np.inf, np.float32), NonFiniteSamples)
good(52, "palette-transparency", "image", lambda f: _png_of(pixels(), "P", transparency=3), "alpha|palette")
good(52, "grey-alpha", "image", lambda f: _png_of(pixels(), "LA"), "alpha")
good(52, "rgb-trns", "image",
     lambda f: png_chunks(png_header(1, 1), (b"tRNS", bytes(6)), (b"IDAT", zlib.compress(bytes(4))), END), "alpha",
     check=lambda p: p.pixels.min() == 255)  # fmt: skip
good(53, "hidden-colours", "image", lambda f: _hidden_colours(), "alpha", check=lambda p: p.pixels.min() == 255)
good(54, "1-bit", "image", lambda f: _png_of(pixels(), "1"), "grey")
good(54, "grey", "image", lambda f: _png_of(pixels(), "L"), "grey")
for _turn in range(2, 9):
    good(55, f"exif-{_turn}", "image", lambda f, t=_turn: _exif(t), f"orientation {_turn}",
         check=lambda p, t=_turn: (p.height, p.width) == ((60, 40) if t > 4 else (40, 60)))  # fmt: skip
good(55, "exif-1", "image", lambda f: _exif(1))
good(55, "exif-9", "image", lambda f: _exif(9), "EXIF orientation 9")
good(55, "exif-broken", "image", lambda f: _jpeg_with(b"\xff\xe1\x00\x10Exif\0\0II*\0\xff\xff\xff\x7f"), "EXIF")
good(56, "broken-profile", "image", lambda f: picture(icc_profile=b"no profile"), "colour profile")
good(57, "jpeg-and-zip", "image", lambda f: _zip_polyglot(), r"\d+ bytes behind the end")
bad(
    57, "jpeg-and-zip-strict", "image", lambda f: _zip_polyglot(), CorruptMedia, options=small(trailing_bytes=False)
)
bad(
    58,
    "svg",
    "image",
    b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    UnsupportedFormat,
)
bad(
    58,
    "svg-with-entity",
    "image",
    b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg/>',
    UnsupportedFormat,
)
bad(59, "postscript", "image", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", UnsupportedFormat)
bad(59, "pdf", "image", b"%PDF-1.7\n", UnsupportedFormat)
bad(59, "wmf", "image", b"\xd7\xcd\xc6\x9a" + bytes(40), UnsupportedFormat)
bad(59, "eps", "image", b"\xc5\xd0\xd3\xc6" + bytes(40), UnsupportedFormat)
bad(60, "psd", "image", b"8BPS\0\x01" + bytes(40), UnsupportedFormat)
bad(60, "jpeg-2000", "image", b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(40), UnsupportedFormat)
bad(60, "fits", "image", b"SIMPLE  =                    T" + bytes(2850), UnsupportedFormat)
bad(60, "hdf5", "image", b"\x89HDF\r\n\x1a\n" + bytes(40), UnsupportedFormat)
bad(61, "heic", "image", b"\x00\x00\x00\x18ftypheic\0\0\0\0mif1heic" + bytes(40), UnsupportedFormat)
bad(62, "array-1-d", "image", np.zeros(9, np.uint8), BadEncoding)
bad(62, "array-4-d", "image", np.zeros((1, 4, 4, 3), np.uint8), BadEncoding)
bad(62, "array-ambiguous", "image", np.zeros((3, 9, 3), np.uint8), BadEncoding)
bad(62, "array-object", "image", np.array([[None, 1], [2, 3]], object), BadEncoding)
bad(62, "array-int64", "image", np.zeros((4, 4, 3), np.int64), BadEncoding)
good(62, "array-bool", "image", np.ones((4, 4), bool), "True and False")
good(62, "array-float64", "image", np.ones((8, 8, 3)), "floats")
good(
    62,
    "array-reversed",
    "image",
    pixels()[::-1, ::-1],
    check=lambda p: np.array_equal(p.pixels, pixels()[::-1, ::-1]),
)
bad(62, "array-empty", "image", np.zeros((0, 4, 3), np.uint8), EmptyMedia, BadEncoding)
bad(62, "array-huge", "image", np.broadcast_to(np.uint8(0), (9000, 9000, 3)), DecodedTooLarge)
bad(63, "closed-image", "image", _closed_image, SourceNotFound, CorruptMedia)
bad(63, "lazy-image", "image", _lazy_image, SourceNotFound, CorruptMedia)

# ---------------------------------------------------------------------------------------------------- audio


def _pcm(samples: int = 16_000) -> bytes:
    return (tone(samples)[:, 0] * 32767).astype("<i2").tobytes()


def _float_wav(**where: float) -> bytes:
    wave = tone()[:, 0].copy()
    for place, value in where.items():
        wave[int(place[1:])] = value
    return wav(wave.astype("<f4").tobytes(), tag=3, bits=32)


def _long_flac() -> bytes:
    import soundfile

    packed = io.BytesIO()
    with soundfile.SoundFile(packed, "w", 16_000, 8, format="FLAC") as file:
        for _ in range(60):
            file.write(np.zeros((160_000, 8), np.int16))  # 600 s of silence in 8 channels
    return packed.getvalue()


bad(65, "0-bytes", "audio", b"", EmptyMedia)
bad(66, "no-samples", "audio", wav(b""), EmptyMedia)
good(67, "1-sample", "audio", wav(b"\x00\x10"), "shorter than one window")
good(
    67,
    "1-sample-to-a-model",
    "speech",
    lambda f: MultiModalSample("?", audios=(wav(b"\x00\x10"),)),
    "filled up with silence",
)
for _subtype in ("PCM_U8", "PCM_24", "FLOAT", "DOUBLE"):
    good(68, _subtype.lower(), "audio", lambda f, s=_subtype: sound("WAV", s),
         check=lambda c: np.abs(c.wave - tone()[:, 0]).max() < 0.01)  # fmt: skip
bad(69, "ima-adpcm", "audio", lambda f: sound("WAV", "IMA_ADPCM"), UnsupportedFormat)
bad(69, "ms-adpcm", "audio", lambda f: sound("WAV", "MS_ADPCM"), UnsupportedFormat)
bad(70, "nan", "audio", lambda f: _float_wav(_7=float("nan")), NonFiniteSamples)
bad(70, "infinity", "audio", lambda f: _float_wav(_9=float("inf")), NonFiniteSamples)
good(71, "peak-40", "audio", lambda f: _float_wav(_7=40.0), "over full scale")
good(72, "7-channels", "audio", lambda f: sound("WAV", channels=7), "mixed 7 channels")
bad(72, "65-channels", "audio", wav(bytes(130 * 100), channels=65), TooManyChannels)
bad(73, "0-channels", "audio", wav(_pcm(), channels=0), CorruptMedia)
bad(73, "65535-channels", "audio", wav(_pcm(), channels=65_535), CorruptMedia)
bad(74, "rate-0", "audio", wav(_pcm(), rate=0), BadSampleRate)
bad(74, "rate-4e9", "audio", wav(_pcm(), rate=4_000_000_000), BadSampleRate)
bad(75, "rate-1", "audio", wav(_pcm(), rate=1), BadSampleRate)
bad(75, "rate-1e6", "audio", wav(_pcm(), rate=1_000_000), BadSampleRate)
bad(76, "claims-4-gb", "audio", wav(_pcm(), data=0xF0000000), TruncatedMedia)
for _size in (0, 0xFFFFFFFF, 0x7FFFF000):
    good(76, f"stream-{_size:x}", "audio", wav(_pcm(), data=_size, riff=_size), "does not say how long",
         check=lambda c: len(c.wave) == 16_000, why="these sizes mean unknown: a stream")  # fmt: skip
bad(77, "odd-byte", "audio", wav(_pcm())[:-16_001], TruncatedMedia)
bad(78, "cut-flac", "audio", lambda f: sound("FLAC")[:-2000], TruncatedMedia)
bad(79, "flac-bomb", "audio", lambda f: _long_flac(), DecodedTooLarge)
bad(
    79,
    "forged-rate",
    "audio",
    lambda f: wav(bytes(2_000_000), rate=384_000),
    DecodedTooLarge,
    options=small(max_samples=900_000),
)
good(80, "mp3-named-wav", "audio", as_file("a.wav", lambda: sound("MP3")), "named .wav, but the content is mp3")
bad(80, "picture-as-sound", "audio", lambda f: picture(), UnsupportedFormat)
bad(80, "video-without-sound", "audio", lambda f: film(), EmptyMedia)
good(
    80,
    "video-with-sound",
    "audio",
    lambda f: film(tracks="va"),
    why="the sound track of a video is what was asked for",
)
good(81, "anti-phase", "audio", lambda f: wav(np.stack([tone()[:, 0], -tone()[:, 0]], 1).astype("<f4").tobytes(),
                                              tag=3, bits=32, channels=2), "channels cancel")  # fmt: skip
bad(
    82,
    "array-2-d",
    "audio",
    np.zeros((16_000, 2), np.float32),
    BadEncoding,
    options=lambda f: {"sample_rate": 16_000},
)
bad(82, "array-without-rate", "audio", np.zeros(16_000, np.float32), BadSampleRate)
bad(82, "array-int64", "audio", np.zeros(16_000, np.int64), BadEncoding, options=lambda f: {"sample_rate": 16_000})
good(82, "array-int16", "audio", np.full(16_000, 16_384, np.int16), "divided by 32768",
     options=lambda f: {"sample_rate": 16_000}, check=lambda c: c.wave.max() == 0.5)  # fmt: skip
good(
    82,
    "array-like-integers",
    "audio",
    np.full(16_000, 20_000.0, np.float32),
    "look like integers",
    options=lambda f: {"sample_rate": 16_000},
)
good(83, "silence", "audio", wav(bytes(32_000)), "silent")

# ---------------------------------------------------------------------------------------------------- video


def _moov_at_end_cut() -> bytes:
    data = film("mp4")
    return data[: data.index(b"moov") - 10]


def _faststart_cut() -> bytes:
    data = film("mp4", movflags="faststart")
    return data[: data.index(b"mdat") + 200]


def _bad_tag() -> bytes:
    data = film("mkv")
    place = data.index(b"ENCODER")
    return data[:place] + b"\xff\xfe\xff" + data[place + 3 :]


def _many_frames() -> bytes:
    data = bytearray(film("mp4"))
    place = data.index(b"stsz") + 8
    data[place : place + 8] = struct.pack(">II", 1, 2**31)
    return bytes(data)


def _dropped_frames(share: float) -> bytes:
    """An AVI whose header says more frames than it holds: the index is cut, the count stays."""
    data = bytearray(film("avi"))
    place = data.index(b"avih") + 8 + 16
    data[place : place + 4] = struct.pack("<I", 20)
    place = data.index(b"strh") + 8 + 32
    data[place : place + 4] = struct.pack("<I", round(20 / (1 - share)))
    return bytes(data)


bad(85, "0-bytes", "video", b"", EmptyMedia)
bad(85, "noise", "video", np.random.default_rng(1).bytes(5000), UnsupportedFormat)
bad(85, "html", "video", HTML, UnsupportedFormat)
bad(86, "only-sound", "video", lambda f: film(tracks="a"), EmptyMedia)
bad(86, "wav", "video", lambda f: sound(), UnsupportedFormat)
bad(87, "cut-moov-at-end", "video", lambda f: _moov_at_end_cut(), CorruptMedia)
bad(87, "cut-faststart", "video", lambda f: _faststart_cut(), TruncatedMedia)
bad(88, "cut-mkv", "video", lambda f: film("mkv")[:400], EmptyMedia, TruncatedMedia,
    why="the segment says how long it is, so we say truncated rather than empty")  # fmt: skip
good(89, "mkv-says-no-count", "video", lambda f: film("mkv"), check=lambda v: v.total_frames == 20)
bad(90, "far-fewer-frames", "video", lambda f: _dropped_frames(0.5), TruncatedMedia)
good(
    90,
    "a-few-frames-fewer",
    "video",
    lambda f: _dropped_frames(0.1),
    r"\d+ .*22",
    check=lambda v: v.total_frames == 20,
)
good(91, "1-frame", "video", lambda f: film(frames=1), check=lambda v: len(v.frames) == 1)
bad(91, "fps-0", "video", np.zeros((2, 8, 8, 3), np.uint8), InvalidArgument, options=lambda f: {"fps": 0})
bad(91, "fps-none", "video", np.zeros((2, 8, 8, 3), np.uint8), BadEncoding)
bad(92, "2^31-samples", "video", lambda f: _many_frames(), DecodedTooLarge, CorruptMedia, TruncatedMedia,
    why="the table cannot hold that many, so the count is a lie before it is a budget")  # fmt: skip
bad(92, "too-many-frames", "video", lambda f: film(), DecodedTooLarge, options=small(max_frames=10))
bad(92, "too-large-frames", "video", lambda f: film(), DecodedTooLarge, options=small(max_pixels=1000))
bad(92, "too-many-values", "video", lambda f: film(), DecodedTooLarge, options=small(max_values=10_000))
bad(94, "m3u8", "video", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", UnsupportedFormat)
bad(94, "ffconcat", "video", b"ffconcat version 1.0\nfile /etc/passwd\n", UnsupportedFormat)
bad(94, "concat-name", "video", "concat:a.mp4|b.mp4", SourceNotAllowed, why="a scheme that nobody opened by name")
good(95, "bad-tag", "video", lambda f: _bad_tag(), check=lambda v: len(v.frames) == 20,
     why="no tag is worth losing a film: what cannot be read of them is left out")  # fmt: skip
bad(96, "sizes-differ", "video", [np.zeros((8, 8, 3), np.uint8), np.zeros((9, 8, 3), np.uint8)],
    PlaceholderMismatch, options=lambda f: {"fps": 1})  # fmt: skip
bad(96, "no-frames", "video", [], EmptyMedia, LimitExceeded, options=lambda f: {"fps": 1})
bad(96, "index-not-there", "video", lambda f: film(), LimitExceeded, options=lambda f: {"indices": [0, 99]})
bad(96, "times-do-not-fit", "video", np.zeros((2, 8, 8, 3), np.uint8), PlaceholderMismatch, BadEncoding,
    options=lambda f: {"times": [0.0]})  # fmt: skip

# ------------------------------------------------------------------------------------------- text and prompt

RESERVED = ("<|image_pad|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|video_pad|>", "<|im_start|>")
FOREIGN = ("<image>", "[IMG]", "<audio>", "<start_of_image>")


def sample(text: str = "What is it?", **more: Any) -> Callable[[Path], MultiModalSample]:
    return lambda folder: MultiModalSample(text, **more)


def pictures(number: int) -> tuple:
    return (pixels(),) * number


bad(97, "half-character", "text", "ab\ud800", BadEncoding)
bad(97, "half-character-in-a-sample", "prompt", sample("ab\ud800"), BadEncoding)
for _name, _text, _note in (("nul", "a\0b", "control"), ("bidi", "a\u202eb", "bidirectional"),
                            ("bom", "\ufeffa", "byte order mark"),
                            ("crlf", "a\r\nb", "carriage return")):  # fmt: skip
    good(98, _name, "text", _text, _note, check=lambda c, t=_text: c.text == t)
bad(99, "not-utf-8", "text", b"caf\xe9", BadEncoding)
bad(100, "empty", "prompt", sample(""), BadEncoding)
bad(100, "10-mb", "text", "a" * 10_000_000, LimitExceeded)
bad(100, "10-mb-in-a-sample", "prompt", sample("a" * 10_000_000), ContextOverflow)
good(100, "mark-bomb", "text", "a" + "\u0301" * 5000, "combining sequence")
for _string in RESERVED:
    good(101, _string, "prompt", sample(f"what is {_string}?", images=pictures(1)), "made plain text")
for _string in FOREIGN:
    good(101, f"other-model-{_string}", "prompt", sample(f"what is {_string}?", images=pictures(1)),
         why="no token of this model: it is letters already")  # fmt: skip
bad(
    102,
    "more-placeholders",
    "prompt",
    sample(prompt="<|image_pad|><|image_pad|>", images=pictures(1)),
    PlaceholderMismatch,
)
bad(102, "fewer-placeholders", "prompt", sample(prompt="<|image_pad|>", images=pictures(2)), PlaceholderMismatch)
bad(102, "no-such-modality", "prompt", lambda f: MultiModalSample("?", audios=(sound(),)), LimitExceeded,
    why="the model takes no sound at all: a limit of 0")  # fmt: skip
bad(102, "other-modality", "prompt", sample(prompt="<|video_pad|>", images=pictures(1)), PlaceholderMismatch)
bad(103, "too-many", "prompt", sample(images=pictures(9)), LimitExceeded)
bad(104, "too-long", "prompt", sample("word " * 5000), ContextOverflow)
good(
    105,
    "same-object-twice",
    "prompt",
    lambda f: (lambda file: MultiModalSample("?", (file, file)))(io.BytesIO(picture())),
)
good(105, "generator", "prompt", lambda f: MultiModalSample("?", (p for p in pictures(2))))
bad(105, "10000-items", "prompt", sample(images=pictures(10_000)), LimitExceeded)
