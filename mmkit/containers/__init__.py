"""Containers: what a file says about itself, read without decoding it.

    bytes -> sniff -> format ("png", "wav", "mp4" ...)
    bytes, format -> inspect -> Header (size, frames, rate, channels, samples, notes)

One module a kind: `sniff`, `images`, `sound`, `video`; each says which specifications it follows. Where decoders
let a cut or a wrong checksum pass in silence, `inspect` walks the structure to its end (PNG, GIF, TIFF, WAV, Ogg,
MP3, MP4, MKV, WebM, AVI); where they notice, it reads only what is needed before decoding.
Leaves out everything that needs decoding: pixels, samples and frames are checked by image, audio and video.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from mmkit.containers.header import Header
from mmkit.containers.images import (
    inspect_bmp,
    inspect_gif,
    inspect_jpeg,
    inspect_png,
    inspect_tiff,
    inspect_webp,
    png_missing,
)
from mmkit.containers.sniff import EXTENSIONS, MODALITY, sniff
from mmkit.containers.sound import Wave, inspect_flac, inspect_mp3, inspect_ogg, inspect_wav, read_wave
from mmkit.containers.video import inspect_avi, inspect_bmff, inspect_matroska
from mmkit.errors import TruncatedMedia

__all__ = ["EXTENSIONS", "MODALITY", "Header", "Wave", "inspect", "png_missing", "read_wave", "sniff"]

_INSPECT: dict[str, Callable[[bytes], Header]] = {
    **{"png": inspect_png, "gif": inspect_gif, "jpeg": inspect_jpeg, "webp": inspect_webp},
    **{"bmp": inspect_bmp, "tiff": inspect_tiff},
    **{"wav": inspect_wav, "flac": inspect_flac, "ogg": inspect_ogg, "mp3": inspect_mp3, "m4a": inspect_bmff},
    **{"mp4": inspect_bmff, "mov": inspect_bmff, "mkv": inspect_matroska, "webm": inspect_matroska},
    **{"avi": inspect_avi},
}


def inspect(data: bytes, format: str) -> Header:
    """Read what a file declares, and walk its structure where its decoder would not notice a cut.

    data: the whole file.  format: what `sniff` said.
    Raises TruncatedMedia (it ends before it said it would), CorruptMedia (sizes or checksums that cannot be),
    EmptyMedia (no sound in it), BadSampleRate, UnsupportedFormat (a codec that is refused).
    """
    try:
        return _INSPECT[format](data)
    except (struct.error, IndexError) as error:
        raise TruncatedMedia(f"this {format} ends inside its header", cause=error) from error
