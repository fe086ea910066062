"""What every kind of container gives: a Header. And the chunks of RIFF, which sound and video share."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Header:
    """What a container declares. 0 means that it does not say, or that its decoder tells.

    width, height: pixels.  frames: images in an animation, or video frames.  sample_rate: Hz.
    channels: of sound.  samples: per channel.  duration: seconds.  codec: where one container holds several.
    bits: of a sample, where they are stored exactly.  block, md5: of a FLAC, samples in its smallest frame, and
    the MD5 of all samples where it is stated.
    start: bytes before the first of the content that decoders should not see.  end: bytes that belong to the file.
    """

    width: int = 0
    height: int = 0
    frames: int = 0
    sample_rate: int = 0
    channels: int = 0
    samples: int = 0
    duration: float = 0.0
    codec: str = ""
    bits: int = 0
    block: int = 0
    md5: bytes = b""
    start: int = 0
    end: int = 0
    notes: tuple[str, ...] = ()


def riff_chunks(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, first byte of the content, declared length) of each chunk; stops at one that does not fit."""
    while start + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, start)
        yield kind, start + 8, length
        start += 8 + length + (length & 1)
