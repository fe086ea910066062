"""FFmpeg through PyAV: one container of bytes, opened so that it reaches nothing else.

    Blob -> opened -> container -> best_track -> a stream that can be decoded, and notes

FFmpeg gets bytes and the name of their demuxer: it guesses no format, so it takes nothing for a playlist, and every
other file that the bytes name is refused. Whatever it raises comes out as a MediaError.
Leaves out decoding: sound is in audio.py, frames are in video.py.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from mmkit.errors import BackendMissing, CorruptMedia, DecodedTooLarge, EmptyMedia, MmkitError, UnsupportedFormat
from mmkit.media import Blob

DEMUXERS = {
    **{"mp4": "mov", "mov": "mov", "m4a": "mov", "mkv": "matroska", "webm": "matroska", "avi": "avi"},
    **{"flac": "flac", "ogg": "ogg"},
}


@contextmanager
def opened(blob: Blob) -> Iterator[Any]:
    """An open container; closed at the end of the `with` block.

    Raises UnsupportedFormat (no demuxer, no decoder), DecodedTooLarge (no memory), CorruptMedia, BackendMissing.
    """
    try:
        import av
        import av.error
    except ImportError as error:
        raise BackendMissing("PyAV is not installed: pip install av", cause=error) from error
    if blob.format not in DEMUXERS:
        raise UnsupportedFormat(f"FFmpeg is not asked to read {blob.format}")
    try:
        source = io.BytesIO(blob.data[blob.header.start :])
        # metadata_errors: PyAV reads every text tag as UTF-8, and no tag is worth losing a file.
        with av.open(source, format=DEMUXERS[blob.format], metadata_errors="ignore", io_open=_refuse) as container:
            yield container
    except MmkitError:
        raise
    except (av.error.DecoderNotFoundError, av.error.PatchWelcomeError) as error:
        raise UnsupportedFormat(f"FFmpeg has no decoder for what this {blob.format} holds", cause=error) from error
    except MemoryError as error:
        raise DecodedTooLarge("not enough memory to decode it", cause=error) from error
    except (av.error.FFmpegError, OSError, ValueError, LookupError, OverflowError, RuntimeError) as error:
        # A message of FFmpeg may hold a memory address, so only its own short text is passed on.
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise CorruptMedia(f"FFmpeg cannot read this {blob.format}: {reason}", cause=error) from error


def _refuse(url: str, flags: int, options: dict[str, str]) -> Any:
    raise PermissionError("this file names another file")


def best_track(container: Any, kind: Literal["audio", "video"]) -> tuple[Any, tuple[str, ...]]:
    """The track that FFmpeg's own default takes, and a note where there are several.

    FFmpeg prefers a track marked as default, then the larger rate of bits.  The picture on the sleeve of a sound
    file is no video.  Raises EmptyMedia where there is no such track, UnsupportedFormat where none can be decoded.
    """
    what = {"audio": "sound", "video": "video"}[kind]
    tracks = [s for s in container.streams if s.type == kind and "attached_pic" not in (s.disposition.name or "")]
    if not tracks:
        raise EmptyMedia(f"it has no {what} track")
    known = [s for s in tracks if s.codec_context is not None]
    if not known:
        raise UnsupportedFormat(f"FFmpeg has no decoder for its {what} track; convert it first")
    best = container.streams.best(kind)
    track = best if best in known else known[0]
    if len(tracks) == 1:
        return track, ()
    return track, (f"{what} track {tracks.index(track) + 1} of {len(tracks)}, which FFmpeg takes for the best",)
