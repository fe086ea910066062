"""Video: ISO base media (MP4, MOV, M4A), Matroska (MKV, WebM) and AVI.

FFmpeg reads a file that was cut off without a word, as far as it goes; so the sizes of boxes, elements and chunks
are walked here. Follows ISO 14496-12, Matroska (RFC 9559) and AVI (OpenDML), as far as sizes, tracks and ends go.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any

from mmkit.containers.header import Header, riff_chunks
from mmkit.errors import CorruptMedia, EmptyMedia, TruncatedMedia, UnsupportedFormat


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, first byte of the content, first byte behind it) of each ISO box."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        content = start + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, content)
            content += 8
        elif size == 0:
            size = end - start
        if size < content - start:
            raise CorruptMedia(f"a box of this file says {size} bytes, less than its own header")
        yield kind, content, start + size
        start += size


def inspect_bmff(data: bytes) -> Header:
    found, cut = {}, 0
    finish = 0
    for kind, start, end in _boxes(data, 0, len(data)):
        if not re.fullmatch(rb"[\x20-\x7e\xa9]{4}", kind):
            break  # no box any more: what follows is garbage
        if end > len(data):
            cut = end - len(data)
            break
        found.setdefault(kind, (start, end))
        finish = end
    if b"moov" not in found:
        raise CorruptMedia("this file has no index (moov box): it was cut off, or its recording never ended")
    if cut:
        raise TruncatedMedia(f"the last box of this file needs {cut} bytes more than there are")
    tracks = [_track(data, *span) for span in _inside(data, found[b"moov"], b"trak")]
    fragmented = b"moof" in found
    if b"mdat" not in found and not fragmented:
        raise TruncatedMedia("this file has an index but no media in it")
    videos = [track for track in tracks if track["kind"] == b"vide"]
    video = max(videos, key=lambda track: track.get("width", 0) * track.get("height", 0), default={})
    sound = next((track for track in tracks if track["kind"] == b"soun"), {})
    main = video or sound
    notes = ("the file comes in fragments; its index does not say how many frames",) if fragmented else ()
    return Header(
        width=video.get("width", 0),
        height=video.get("height", 0),
        frames=video.get("count", 0),
        sample_rate=sound.get("rate", 0),
        channels=sound.get("channels", 0),
        samples=round(sound.get("duration", 0.0) * sound.get("rate", 0)),
        duration=main.get("duration", 0.0),
        end=finish,
        notes=notes,
    )


def _inside(data: bytes, span: tuple[int, int], *path: bytes) -> list[tuple[int, int]]:
    """Spans of the boxes at a path below a span."""
    spans = [span]
    for name in path:
        below = []
        for start, end in spans:
            for kind, first, last in _boxes(data, start, end):
                if last > end:
                    raise CorruptMedia("a box in the index of this file is longer than the index")
                if kind == name:
                    below.append((first, last))
        spans = below
    return spans


# Sample entries that stand in for the true ones: Common Encryption (ISO 14496-12, 8.12) and FairPlay.
_ENCRYPTED = (b"encv", b"enca", b"enct", b"encs", b"drms", b"drmi")


def _track(data: bytes, start: int, end: int) -> dict[str, Any]:
    """What one track of an ISO file says of itself: kind, duration, samples, and size or rate."""
    span = (start, end)
    facts: dict[str, Any] = {"kind": b"", "duration": 0.0, "count": 0}
    for first, _ in _inside(data, span, b"mdia", b"hdlr"):
        facts["kind"] = data[first + 8 : first + 12]
    for first, _ in _inside(data, span, b"mdia", b"mdhd"):
        scale, length = struct.unpack_from(
            ">IQ" if data[first] else ">II", data, first + (20 if data[first] else 12)
        )
        unknown = length == ((1 << 64) - 1 if data[first] else (1 << 32) - 1)
        facts["duration"] = length / scale if scale and not unknown else 0.0
    table = _inside(data, span, b"mdia", b"minf", b"stbl")
    for first, last in (box for stbl in table for box in _inside(data, stbl, b"stsz")):
        fixed, count = struct.unpack_from(">II", data, first + 4)
        if not fixed and 12 + 4 * count > last - first:
            raise CorruptMedia(f"the index of this file says {count} frames and lists {(last - first - 12) // 4}")
        if fixed and fixed * count > len(data) and facts["kind"] == b"vide":  # of sound, it may count PCM samples
            raise TruncatedMedia(
                f"the index of this file says {count} samples of {fixed} bytes: more than the file"
            )
        facts["count"] = count
    for first, last in (box for stbl in table for box in _inside(data, stbl, b"stsd")):
        if data[first + 12 : first + 16] in _ENCRYPTED:
            raise UnsupportedFormat("this file is encrypted; decrypt it first")
        if last - first >= 44 and facts["kind"] == b"vide":
            facts["width"], facts["height"] = struct.unpack_from(">HH", data, first + 8 + 32)
        if last - first >= 44 and facts["kind"] == b"soun":
            facts["channels"] = struct.unpack_from(">H", data, first + 8 + 24)[0]
            facts["rate"] = struct.unpack_from(">H", data, first + 8 + 32)[0]
    return facts


def _vint(data: bytes, position: int, keep_marker: bool = False) -> tuple[int, int]:
    """A Matroska variable-length number and the position behind it; all ones mean "unknown" (-1)."""
    first = data[position]
    length = 9 - first.bit_length()
    if first == 0 or position + length > len(data):
        raise TruncatedMedia("this file ends inside an element")
    value = int.from_bytes(data[position : position + length], "big")
    if keep_marker:
        return value, position + length
    value &= (1 << 7 * length) - 1
    return (-1 if value == (1 << 7 * length) - 1 else value), position + length


_SEGMENT, _CLUSTER, _TRACKS, _INFO = 0x18538067, 0x1F43B675, 0x1654AE6B, 0x1549A966


def _ebml(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(id, first byte of the content, first byte behind it or -1 if unknown) of each element."""
    while start < end:
        name, position = _vint(data, start, keep_marker=True)
        size, position = _vint(data, position)
        yield name, position, (position + size if size >= 0 else -1)
        if size < 0:
            return
        start = position + size


def inspect_matroska(data: bytes) -> Header:
    segment = None
    for name, start, end in _ebml(data, 0, len(data)):
        if name == _SEGMENT:
            segment = (start, end)
            break
        if end > len(data) or end < 0:
            raise TruncatedMedia("this file ends inside its header")
    if segment is None:
        raise TruncatedMedia("this file ends before its content")
    start, end = segment
    notes: tuple[str, ...] = ()
    if end < 0:
        notes, end = ("the file does not say how long it is (a live recording)",), len(data)
    if end > len(data):
        raise TruncatedMedia(f"this file says {end} bytes and has {len(data)}")
    facts: dict[str, Any] = {}
    clusters = 0
    for name, first, last in _ebml(data, start, end):
        if last > end:
            raise TruncatedMedia("the last part of this file is cut off")
        clusters += name == _CLUSTER
        if name == _TRACKS and last >= 0:
            facts.update(_matroska_tracks(data, first, last))
        if name == _INFO and last >= 0:
            facts["duration"] = _matroska_duration(data, first, last)
    if not clusters:
        raise EmptyMedia("this file holds neither frames nor sound")
    return Header(
        width=facts.get("width", 0),
        height=facts.get("height", 0),
        sample_rate=facts.get("rate", 0),
        channels=facts.get("channels", 0),
        samples=round(facts.get("duration", 0.0) * facts.get("rate", 0)),
        duration=facts.get("duration", 0.0),
        end=end,
        notes=notes,
    )


def _float(raw: bytes) -> float:
    return struct.unpack(">f" if len(raw) == 4 else ">d", raw)[0] if len(raw) in (4, 8) else 0.0


def _unsigned(raw: bytes) -> int:
    if len(raw) > 8:
        raise CorruptMedia(f"a number of this file has {len(raw)} bytes; it can have at most 8")
    return int.from_bytes(raw, "big")


def _finite(value: float) -> float:
    return value if 0.0 <= value < 1e9 else 0.0


def _matroska_duration(data: bytes, start: int, end: int) -> float:
    scale, length = 1_000_000, 0.0  # nanoseconds a tick, ticks
    for name, first, last in _ebml(data, start, end):
        if name == 0x2AD7B1:
            scale = _unsigned(data[first:last])
        elif name == 0x4489:
            length = _float(data[first:last])
    return _finite(length * scale / 1e9)


def _matroska_tracks(data: bytes, start: int, end: int) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name, first, last in _ebml(data, start, end):
        if name != 0xAE:  # TrackEntry
            continue
        for kind, inner, stop in _ebml(data, first, min(last, end)):
            if kind == 0x6D80 and _holds_encryption(data, inner, min(stop, end)):  # ContentEncodings
                raise UnsupportedFormat("this file is encrypted; decrypt it first")
            if kind not in (0xE0, 0xE1):  # Video, Audio
                continue
            for field, here, behind in _ebml(data, inner, min(stop, end)):
                raw = data[here:behind]
                if kind == 0xE0 and field in (0xB0, 0xBA):
                    facts.setdefault("width" if field == 0xB0 else "height", _unsigned(raw))
                if kind == 0xE1 and field == 0xB5:
                    facts.setdefault("rate", round(_finite(_float(raw))))
                if kind == 0xE1 and field == 0x9F:
                    facts.setdefault("channels", _unsigned(raw))
    return facts


def _holds_encryption(data: bytes, start: int, end: int) -> bool:
    """Is there a ContentEncryption (0x5035) in a ContentEncoding (0x6240)?  Compression may stand there, too."""
    for name, first, last in _ebml(data, start, end):
        if name == 0x6240 and any(inner == 0x5035 for inner, _, _ in _ebml(data, first, min(last, end))):
            return True
    return False


def inspect_avi(data: bytes) -> Header:
    position = 0
    facts: dict[str, Any] = {}
    while position + 12 <= len(data) and data[position : position + 4] == b"RIFF":  # large files have several
        end = position + 8 + struct.unpack_from("<I", data, position + 4)[0]
        if end > len(data):
            raise TruncatedMedia(f"this AVI says {end} bytes and has {len(data)}")
        for kind, start, length in riff_chunks(data, position + 12, end):
            if start + length > end:
                raise TruncatedMedia("a chunk of this AVI is longer than the file")
            if kind == b"LIST" and data[start : start + 4] == b"hdrl" and data[start + 4 : start + 8] == b"avih":
                micro, *_ = struct.unpack_from("<I", data, start + 12)
                frames, width, height = (struct.unpack_from("<I", data, start + 12 + 4 * i)[0] for i in (4, 8, 9))
                stream = data.find(b"strh", start, start + length)
                while stream >= 0 and data[stream + 8 : stream + 12] != b"vids":
                    stream = data.find(b"strh", stream + 4, start + length)
                if stream >= 0:  # of all RIFFs of the file, where the main header counts the first one's
                    frames = struct.unpack_from("<I", data, stream + 40)[0]
                facts = {"width": width, "height": height, "frames": frames, "duration": frames * micro / 1e6}
        position = end + (end & 1)
    if not facts:
        raise CorruptMedia("this AVI has no header list")
    return Header(end=min(position, len(data)), **facts)
