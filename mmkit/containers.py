"""Containers: what a file says about itself, read without decoding it.

    bytes -> sniff -> format ("png", "wav", "mp4" ...)
    bytes, format -> inspect -> Header (size, frames, rate, channels, samples, notes)

`inspect` walks the whole structure: it proves that the file ends where it says it ends (end markers, box and
chunk sizes) and that its checksums hold (PNG, Ogg). What a decoder would repair in silence is an error here.
Follows the PNG, JPEG (T.81), GIF89a, WebP, BMP, TIFF 6, RIFF/WAVE, FLAC, Ogg, MPEG audio, ISO BMFF, Matroska
and AVI specifications, as far as sizes and ends go.
Leaves out everything that needs decoding: pixels, samples and frames are checked by image, audio and video.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mmkit.errors import BadSampleRate, CorruptMedia, EmptyMedia, TruncatedMedia, UnsupportedFormat

MODALITY = {  # the allow-list: every format that is read at all, and what it holds
    **dict.fromkeys(("png", "jpeg", "webp", "gif", "bmp", "tiff"), "image"),
    **dict.fromkeys(("wav", "flac", "ogg", "mp3", "m4a"), "audio"),
    **dict.fromkeys(("mp4", "mov", "mkv", "webm", "avi"), "video"),
}

EXTENSIONS = {  # what a name promises; only used to remark on a name that lies
    **{"png": "png", "apng": "png", "jpg": "jpeg", "jpeg": "jpeg", "jpe": "jpeg", "jfif": "jpeg"},
    **{"webp": "webp", "gif": "gif", "bmp": "bmp", "dib": "bmp", "tif": "tiff", "tiff": "tiff"},
    **{"wav": "wav", "wave": "wav", "flac": "flac", "ogg": "ogg", "oga": "ogg", "opus": "ogg", "mp3": "mp3"},
    **{"m4a": "m4a", "m4b": "m4a", "mp4": "mp4", "m4v": "mp4", "3gp": "mp4", "mov": "mov", "qt": "mov"},
    **{"mkv": "mkv", "mka": "mkv", "webm": "webm", "weba": "webm", "avi": "avi"},
}


@dataclass(frozen=True)
class Header:
    """What a container declares. 0 means that it does not say.

    width, height: pixels.  frames: images in an animation, pages, or video frames.  sample_rate: Hz.
    channels: of sound.  samples: per channel.  duration: seconds.  end: bytes that belong to the file.
    """

    width: int = 0
    height: int = 0
    frames: int = 0
    sample_rate: int = 0
    channels: int = 0
    samples: int = 0
    duration: float = 0.0
    end: int = 0
    notes: tuple[str, ...] = ()


# ------------------------------------------------------------------------------------------- what is it?

_REFUSED: tuple[tuple[bytes, str], ...] = (  # beginnings that people do hand over, and what to tell them
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; run `git lfs pull`"),
    (b"%PDF-", "a PDF; render its pages to PNG first"),
    (b"%!PS", "PostScript, which is a program; convert it to PNG first"),
    (b"\xc5\xd0\xd3\xc6", "EPS, which is a program; convert it to PNG first"),
    (b"\xd7\xcd\xc6\x9a", "WMF; convert it to PNG first"),
    (b"8BPS", "a Photoshop file; export it as PNG first"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000; convert it to PNG first"),
    (b"\xff\x4f\xff\x51", "JPEG 2000; convert it to PNG first"),
    (b"\xff\x0a", "JPEG XL; convert it to PNG first"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL; convert it to PNG first"),
    (b"\x00\x00\x01\x00", "an icon file; convert it to PNG first"),
    (b"SIMPLE  =", "FITS; convert it to PNG or hand over the array"),
    (b"\x89HDF", "HDF5; hand over the array"),
    (b"\x93NUMPY", "a NumPy file; hand over np.load(file, allow_pickle=False)"),
    (b"#EXTM3U", "a playlist; hand over the media file itself"),
    (b"ffconcat version", "a playlist; hand over the media file itself"),
    (b"[playlist]", "a playlist; hand over the media file itself"),
    (b"PK\x03\x04", "a ZIP archive; hand over the file inside"),
    (b"\x1f\x8b", "gzip; unpack it first"),
    (b"\x7fELF", "a program"),
    (b"FORM", "AIFF; convert it to WAV or FLAC first"),
    (b".snd", "AU; convert it to WAV or FLAC first"),
    (b"caff", "Core Audio; convert it to WAV or FLAC first"),
    (b"#!AMR", "AMR; convert it to WAV or FLAC first"),
    (b"RF64", "RF64; convert it to WAV or FLAC first"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media; convert it to MP4 or WAV first"),
    (b"FLV\x01", "Flash video; convert it to MP4 first"),
    (b"\x00\x00\x01\xba", "an MPEG programme stream; convert it to MP4 first"),
    (b"\x80\x02", "a pickle, which is never opened"),
    (b"\x80\x04", "a pickle, which is never opened"),
)
_BRANDS = {  # of ISO base media files, after "ftyp"
    **dict.fromkeys((b"heic", b"heix", b"heif", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), "heic"),
    **dict.fromkeys((b"avif", b"avis"), "avif"),
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P "), "m4a"),
    b"qt  ": "mov",
}
_TEXT = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*(<!doctype html|<html|<head|<body|<svg|<\?xml|<|\{|\[)", re.IGNORECASE)


def sniff(data: bytes) -> str:
    """Name the format of some bytes by their content.

    data: the whole file.  Returns a key of MODALITY.
    Raises EmptyMedia for no bytes, UnsupportedFormat for everything that is not on the allow-list.

    >>> sniff(b"GIF89a...")
    'gif'
    """
    if not data:
        raise EmptyMedia("0 bytes; nothing to decode")
    head = data[:16]
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if head[:4] == b"RIFF" and head[8:12] in (b"WEBP", b"WAVE", b"AVI "):
        return {b"WEBP": "webp", b"WAVE": "wav", b"AVI ": "avi"}[head[8:12]]
    if head[:4] in (b"II*\x00", b"MM\x00*"):
        return "tiff"
    if (
        head[:2] == b"BM"
        and len(data) >= 26
        and struct.unpack_from("<I", data, 14)[0] in (12, 40, 52, 56, 64, 108, 124)
    ):
        return "bmp"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        return _sniff_ogg(data)
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "webm" if b"webm" in data[:64] else "mkv"
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return _sniff_bmff(data)
    if head[:3] == b"ID3" or (head[0] == 0xFF and len(data) > 3 and _mpeg_frame(data, 0)):
        return _sniff_mp3(data)
    raise UnsupportedFormat(_what_instead(data))


def _what_instead(data: bytes) -> str:
    """Say what unsupported bytes look like, and what to do."""
    for start, meaning in _REFUSED:
        if data.startswith(start):
            return f"this is {meaning}"
    text = _TEXT.match(data[:256])
    if text:
        found, head = text.group(1).lower(), data[:2048].lower()
        if b"<svg" in head:
            return "this is SVG, which is never rendered (it can reach files and hosts); convert it to PNG first"
        if found.startswith(b"<!doctype") or b"<html" in head or b"<body" in head:
            return "this looks like HTML, probably an error page that was saved in place of the file"
        if found.startswith(b"<"):
            return "this looks like XML, not media"
        return "this looks like JSON, probably an error message that was saved in place of the file"
    accepted = ", ".join(MODALITY)
    return f"the content is none of the accepted formats ({accepted})"


def _sniff_ogg(data: bytes) -> str:
    if b"\x80theora" in data[:256]:
        raise UnsupportedFormat("this is Ogg video (Theora); convert it to MP4 first")
    return "ogg"


def _sniff_bmff(data: bytes) -> str:
    if data[4:8] != b"ftyp":
        return "mov"  # QuickTime files of old have no brand
    found = _BRANDS.get(data[8:12], "mp4")
    if found in ("heic", "avif"):
        raise UnsupportedFormat(f"this is {found.upper()}; convert it to JPEG or PNG first")
    if data[8:12] in (b"jp2 ", b"crx "):
        raise UnsupportedFormat("this is an image format that is not accepted; convert it to PNG first")
    return found


def _sniff_mp3(data: bytes) -> str:
    start = _after_id3(data)
    if data[start : start + 4] == b"fLaC":
        raise UnsupportedFormat("this is FLAC behind an ID3 tag, which is not valid FLAC; remove the tag")
    header = _mpeg_frame(data, start)
    if header is None or (
        start == 0 and start + header.size + 4 <= len(data) and not _mpeg_frame(data, header.size)
    ):
        if start and not data[start : start + 4].strip(b"\x00"):
            raise CorruptMedia("an ID3 tag with no sound behind it")
        raise UnsupportedFormat(_what_instead(data))
    return "mp3"


# ---------------------------------------------------------------------------------------------- reading


def inspect(data: bytes, format: str) -> Header:
    """Walk the structure of a file and return what it declares.

    data: the whole file.  format: what `sniff` said.
    Raises TruncatedMedia (it ends before it said it would), CorruptMedia (sizes or checksums that cannot be),
    EmptyMedia (no sound in it), BadSampleRate, UnsupportedFormat (a codec that is refused).
    """
    try:
        return _INSPECT[format](data)
    except (struct.error, IndexError) as error:
        raise TruncatedMedia(f"this {format} ends inside its header", cause=error) from error


def _size(width: int, height: int, what: str) -> None:
    if width <= 0 or height <= 0:
        raise CorruptMedia(f"the {what} header says {width} x {height} pixels")


# ------------------------------------------------------------------------------------------------ images


def _png(data: bytes) -> Header:
    position, frames, width, height, notes = 8, 1, 0, 0, ()
    pixels = False
    while True:
        if position + 12 > len(data):
            raise TruncatedMedia(f"this PNG ends after {len(data)} bytes, without its end chunk")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            name = ascii(kind.decode("latin-1"))
            raise TruncatedMedia(f"chunk {name} of this PNG needs {end - len(data)} bytes more than there are")
        stored = struct.unpack_from(">I", data, end - 4)[0]
        if zlib.crc32(memoryview(data)[position + 4 : end - 4]) != stored:
            name = ascii(kind.decode("latin-1"))
            raise CorruptMedia(f"the checksum of chunk {name} of this PNG is wrong")
        if (position == 8) != (kind == b"IHDR"):
            raise CorruptMedia("the header chunk of this PNG is not the first, or not the only one")
        if kind == b"IHDR":
            width, height = struct.unpack_from(">II", data, position + 8)
            _size(width, height, "PNG")
        elif kind == b"acTL":
            frames = max(1, struct.unpack_from(">I", data, position + 8)[0])
        elif kind == b"IDAT":
            pixels = True
        elif kind == b"IEND":
            break
        position = end
    if not pixels:
        raise CorruptMedia("this PNG has no pixel data")
    return Header(width=width, height=height, frames=frames, end=end, notes=notes)


_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def png_missing(data: bytes) -> int:
    """How many bytes of a PNG's pixels are not there, though its chunks are whole: they are inflated.

    Each row is one filter byte and its pixels; an interlaced picture has seven passes of them (PNG, 8.2).
    data: a PNG that `inspect` has passed.
    """
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 1)
    expected = 0
    for x, y, dx, dy in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = max(0, -(-(width - x) // dx)), max(0, -(-(height - y) // dy))
        expected += rows * (1 + (columns * bits + 7) // 8) if columns else 0
    position, there = 8, 0
    inflate = zlib.decompressobj()
    while position < len(data) and not inflate.eof and there < expected:
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"IDAT":
            rest = data[position + 8 : position + 8 + length]
            while rest and not inflate.eof and there < expected:
                there += len(inflate.decompress(rest, 1 << 20))
                rest = inflate.unconsumed_tail
        position += 12 + length
    return max(0, expected - there - len(inflate.flush()))


_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # in a scan: anything but a stuffed byte, a fill or a restart


def _jpeg(data: bytes) -> Header:
    position, width, height, scans = 2, 0, 0, 0
    while True:
        if position + 2 > len(data):
            raise TruncatedMedia(f"this JPEG ends after {len(data)} bytes, without its end marker")
        if data[position] != 0xFF:
            raise CorruptMedia("a marker of this JPEG is missing")
        kind = data[position + 1]
        if kind == 0xFF:  # fill byte
            position += 1
            continue
        if kind == 0xD9:  # end of image
            break
        if kind == 0x01 or 0xD0 <= kind <= 0xD8:
            position += 2
            continue
        length = struct.unpack_from(">H", data, position + 2)[0]
        if length < 2:
            raise CorruptMedia("a segment of this JPEG has an impossible length")
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, position + 5)
            _size(width, height, "JPEG")
        position += 2 + length
        if kind == 0xDA:  # start of scan: the entropy-coded data follow, up to the next real marker
            scans += 1
            found = _MARKER.search(data, position)
            if found is None:
                raise TruncatedMedia(f"this JPEG ends after {len(data)} bytes, inside a scan")
            position = found.start()
    if not width or not scans:
        raise CorruptMedia("this JPEG has no frame header, or no scan")
    return Header(width=width, height=height, frames=1, end=position + 2)


def _gif(data: bytes) -> Header:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    frames = 0
    while True:
        if position >= len(data):
            raise TruncatedMedia(f"this GIF ends after {len(data)} bytes, without its trailer")
        kind = data[position]
        if kind == 0x3B:  # trailer
            break
        if kind == 0x21:  # extension
            position = _gif_blocks(data, position + 2)
        elif kind == 0x2C:  # image
            left, top, wide, high, local = struct.unpack_from("<HHHHB", data, position + 1)
            width, height = max(width, left + wide), max(height, top + high)
            frames += 1
            position += 10 + (3 << ((local & 7) + 1) if local & 0x80 else 0) + 1
            position = _gif_blocks(data, position)
        else:
            raise CorruptMedia(f"this GIF has an unknown block 0x{kind:02x} where an image should begin")
    if not frames:
        raise CorruptMedia("this GIF has no image in it")
    _size(width, height, "GIF")
    return Header(width=width, height=height, frames=frames, end=position + 1)


def _gif_blocks(data: bytes, position: int) -> int:
    """Skip a chain of sub-blocks: a length byte, so many bytes, ..., 0."""
    while data[position]:
        position += data[position] + 1
    return position + 1


def _riff_chunks(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, first byte of the content, declared length) of each chunk; stops at one that does not fit."""
    while start + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, start)
        yield kind, start + 8, length
        start += 8 + length + (length & 1)


def _webp(data: bytes) -> Header:
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    if end > len(data):
        raise TruncatedMedia(f"this WebP says {end} bytes and has {len(data)}")
    width = height = frames = 0
    pixels = False
    for kind, start, length in _riff_chunks(data, 12, end):
        if start + length > end:
            raise TruncatedMedia("a chunk of this WebP is longer than the file")
        if kind == b"VP8X":
            width = 1 + int.from_bytes(data[start + 4 : start + 7], "little")
            height = 1 + int.from_bytes(data[start + 7 : start + 10], "little")
        elif kind == b"ANMF":
            frames, pixels = frames + 1, True
        elif kind == b"VP8L":
            bits = struct.unpack_from("<I", data, start + 1)[0]
            pixels, size = True, ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
            width, height = (width or size[0]), (height or size[1])
        elif kind == b"VP8 ":
            size = struct.unpack_from("<HH", data, start + 6)
            pixels, width, height = True, width or size[0] & 0x3FFF, height or size[1] & 0x3FFF
    if not pixels:
        raise CorruptMedia("this WebP has no image in it")
    _size(width, height, "WebP")
    return Header(width=width, height=height, frames=max(frames, 1), end=end)


def _bmp(data: bytes) -> Header:
    offset, header = struct.unpack_from("<II", data, 10)
    if header == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        packed = False
    else:
        width, height, _, bits, method = struct.unpack_from("<iiHHI", data, 18)
        packed = method in (1, 2)
    height = abs(height)
    _size(width, height, "BMP")
    rows = (width * bits + 31) // 32 * 4 * height  # each row is padded to four bytes
    declared = struct.unpack_from("<I", data, 2)[0]
    need = max(offset, declared) if packed else offset + rows
    if need > len(data):
        raise TruncatedMedia(f"this BMP needs {need} bytes and has {len(data)}")
    return Header(width=width, height=height, frames=1, end=max(need, min(declared, len(data))))


_TIFF_TYPES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}


def _tiff(data: bytes) -> Header:
    order = "<" if data[:2] == b"II" else ">"
    (position,) = struct.unpack_from(order + "I", data, 4)
    width = height = pages = 0
    seen: set[int] = set()
    while position and position not in seen and pages < 100_000:
        seen.add(position)
        if position + 2 > len(data):
            raise TruncatedMedia(f"the directory of this TIFF lies behind the last of its {len(data)} bytes")
        (count,) = struct.unpack_from(order + "H", data, position)
        if position + 6 + 12 * count > len(data):
            raise TruncatedMedia("the directory of this TIFF is cut off")
        tags = dict(_tiff_tags(data, order, position, count))
        for offsets, lengths in ((273, 279), (324, 325)):  # strips, tiles
            for start, length in zip(tags.get(offsets, ()), tags.get(lengths, ()), strict=False):
                if start + length > len(data):
                    raise TruncatedMedia(f"this TIFF needs {start + length} bytes and has {len(data)}")
        if not pages:
            width, height = tags.get(256, (0,))[0], tags.get(257, (0,))[0]
        pages += 1
        (position,) = struct.unpack_from(order + "I", data, position + 2 + 12 * count)
    if not pages:
        raise CorruptMedia("this TIFF has no page")
    _size(width, height, "TIFF")
    return Header(width=width, height=height, frames=pages, end=len(data))


def _tiff_tags(data: bytes, order: str, position: int, count: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    for entry in range(position + 2, position + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(order + "HHI", data, entry)
        if tag not in (256, 257, 273, 279, 324, 325) or kind not in (1, 3, 4, 13):
            continue
        size = _TIFF_TYPES[kind]
        start = entry + 8 if number * size <= 4 else struct.unpack_from(order + "I", data, entry + 8)[0]
        if start + number * size > len(data):
            raise TruncatedMedia(f"a table of this TIFF lies behind the last of its {len(data)} bytes")
        letter = {1: "B", 2: "H", 4: "I"}[size]
        yield tag, struct.unpack_from(f"{order}{number}{letter}", data, start)


# ------------------------------------------------------------------------------------------------- sound

UNKNOWN_SIZES = (0, 0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF)  # what a program writes that streams a WAV
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_BITS = {_PCM: (8, 16, 24, 32), _FLOAT: (32, 64)}


def _rate(rate: int) -> None:
    if rate <= 0 or rate > 10_000_000:
        raise BadSampleRate(f"a sample rate of {rate} Hz; no sound has that")


@dataclass(frozen=True)
class _Wave:
    """The numbers of a WAV: `start` and `length` say where the samples lie, in bytes."""

    rate: int
    channels: int
    block: int  # bytes of one sample of all channels
    start: int
    length: int
    end: int
    notes: tuple[str, ...]


def _wave(data: bytes) -> _Wave:
    declared = struct.unpack_from("<I", data, 4)[0]
    numbers: tuple[int, int, int, int, int] | None = None
    for kind, start, length in _riff_chunks(data, 12, len(data)):
        if kind == b"fmt ":
            tag, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", data, start)
            if tag == _EXTENSIBLE and length >= 26:
                tag = struct.unpack_from("<H", data, start + 24)[0]
            numbers = (tag, channels, rate, block, bits)
        if kind != b"data":
            continue
        if numbers is None:
            raise CorruptMedia("the samples of this WAV come before their format")
        tag, channels, rate, block, bits = numbers
        _check_wave_format(tag, channels, rate, block, bits)
        return _wave_samples(data, declared, rate, channels, block, start, length)
    if numbers is None:
        raise TruncatedMedia(f"this WAV ends after {len(data)} bytes, before its format")
    raise TruncatedMedia(f"this WAV ends after {len(data)} bytes, before its samples")


def _check_wave_format(tag: int, channels: int, rate: int, block: int, bits: int) -> None:
    if tag not in _BITS:
        names = {2: "MS ADPCM", 6: "A-law", 7: "mu-law", 17: "IMA ADPCM", 49: "GSM", 85: "MP3 in WAV"}
        what = names.get(tag, f"codec {tag}")
        raise UnsupportedFormat(f"this WAV holds {what}; only PCM and float are read, convert it first")
    if bits not in _BITS[tag]:
        raise CorruptMedia(f"this WAV says {bits} bits a sample")
    if not 1 <= channels <= 1024:
        raise CorruptMedia(f"this WAV says {channels} channels")
    _rate(rate)
    if block != channels * bits // 8:
        raise CorruptMedia(f"this WAV says {block} bytes for {channels} channels of {bits} bits")


def _wave_samples(
    data: bytes, declared: int, rate: int, channels: int, block: int, start: int, length: int
) -> _Wave:
    there = len(data) - start
    notes: tuple[str, ...] = ()
    streamed = length in UNKNOWN_SIZES[1:] or (length == 0 and there > 0 and 8 + declared <= start)
    streamed = streamed or (length == 0 and there > 0 and declared in UNKNOWN_SIZES)
    if streamed and (length > there or length == 0):
        notes = ("the WAV does not say how long it is (a stream); read to the end of the file",)
    if notes:
        length = there // block * block
        if length != there:
            notes += (f"{there - length} bytes of an unfinished sample at its end left out",)
        return _Wave(rate, channels, block, start, length, len(data), notes)
    if length > there:
        raise TruncatedMedia(f"this WAV says {length} bytes of samples and has {there}")
    if length % block:
        raise CorruptMedia(f"this WAV says {length} bytes of samples, which are not whole samples of {block}")
    if 8 + declared > len(data) + 1 and declared not in UNKNOWN_SIZES:
        notes = (f"the WAV says {8 + declared} bytes and has {len(data)}; its samples are whole",)
    padded = start + length + (length & 1)
    end = max(padded, min(8 + declared + (declared & 1), len(data))) if declared not in UNKNOWN_SIZES else len(data)
    return _Wave(rate, channels, block, start, length, min(end, len(data)), notes)


def _wav(data: bytes) -> Header:
    wave = _wave(data)
    samples = wave.length // wave.block
    if not samples:
        raise EmptyMedia("this WAV has 0 samples")
    return Header(
        sample_rate=wave.rate,
        channels=wave.channels,
        samples=samples,
        duration=samples / wave.rate,
        end=wave.end,
        notes=wave.notes,
    )


def with_known_sizes(data: bytes) -> bytes:
    """A streamed WAV with its size fields filled in, so that every decoder reads all of it; others unchanged."""
    wave = _wave(data)
    declared = struct.unpack_from("<I", data, wave.start - 4)[0]
    if not wave.notes or declared == wave.length:
        return data
    end = wave.start + wave.length
    sizes = struct.pack("<I", end - 8), struct.pack("<I", wave.length)
    return data[:4] + sizes[0] + data[8 : wave.start - 4] + sizes[1] + data[wave.start : end]


def _flac(data: bytes) -> Header:
    position, last, header = 4, False, None
    while not last:
        flags, length = data[position], int.from_bytes(data[position + 1 : position + 4], "big")
        last, kind = bool(flags & 0x80), flags & 0x7F
        if position + 4 + length > len(data):
            raise TruncatedMedia(f"this FLAC ends after {len(data)} bytes, inside its header")
        if kind == 0 and header is None:
            if length != 34:
                raise CorruptMedia("the header of this FLAC has the wrong length")
            bits = int.from_bytes(data[position + 14 : position + 22], "big")
            rate, channels, samples = bits >> 44, (bits >> 41 & 7) + 1, bits & (1 << 36) - 1
            _rate(rate)
            header = (rate, channels, samples)
        position += 4 + length
    if header is None:
        raise CorruptMedia("this FLAC does not begin with its header")
    rate, channels, samples = header
    if position >= len(data):
        raise (
            EmptyMedia("this FLAC has 0 samples")
            if not samples
            else TruncatedMedia("this FLAC ends before its samples")
        )
    notes = () if samples else ("the FLAC does not say how long it is (a stream)",)
    return Header(
        sample_rate=rate, channels=channels, samples=samples, duration=samples / rate, end=len(data), notes=notes
    )


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _ogg_crc(page: bytes) -> int:
    """CRC-32 of an Ogg page: polynomial 0x04C11DB7, not reflected, start 0.

    zlib's CRC is the same polynomial on reflected bits, so: reflect each byte, take it, reflect the result.

    >>> hex(_ogg_crc(b"123456789"))   # CRC-32/CKSUM without length and final inversion
    '0x89a1897f'
    """
    raw = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{raw:032b}"[::-1], 2)


def _ogg(data: bytes) -> Header:
    position, numbers, ended = 0, {}, set()
    rate = channels = skip = 0
    granule = 0
    while position < len(data) and data[position : position + 4] == b"OggS":
        _, _, flags, granule_here, serial, sequence, stored, segments = struct.unpack_from(
            "<4sBBqIIIB", data, position
        )
        body = position + 27 + segments
        end = body + sum(data[position + 27 : body])
        if body > len(data) or end > len(data):
            raise TruncatedMedia(f"the last page of this Ogg needs {end - len(data)} bytes more than there are")
        page = data[position : position + 22] + b"\x00\x00\x00\x00" + data[position + 26 : end]
        if _ogg_crc(page) != stored:
            raise CorruptMedia(f"the checksum of page {sequence} of this Ogg is wrong")
        if serial in numbers and sequence != numbers[serial] + 1:
            raise CorruptMedia(f"page {numbers[serial] + 1} of this Ogg is missing")
        numbers[serial] = sequence
        if position == 0:
            rate, channels, skip = _ogg_codec(data[body:end])
        if flags & 4:
            ended.add(serial)
        if granule_here >= 0 and serial == next(iter(numbers)):
            granule = granule_here
        position = end
    if set(numbers) - ended:
        raise TruncatedMedia(f"this Ogg ends after {len(data)} bytes, without its last page")
    samples = max(0, granule - skip)
    if not samples:
        raise EmptyMedia("this Ogg has 0 samples")
    duration = samples / rate if rate else 0.0
    return Header(sample_rate=rate, channels=channels, samples=samples, duration=duration, end=position)


def _ogg_codec(packet: bytes) -> tuple[int, int, int]:
    """(sample rate of the granule positions, channels, samples to skip) from the first packet."""
    if packet.startswith(b"OpusHead"):
        channels, skip = struct.unpack_from("<BH", packet, 9)
        return 48_000, channels, skip
    if packet.startswith(b"\x01vorbis"):
        channels, rate = struct.unpack_from("<BI", packet, 11)
        _rate(rate)
        return rate, channels, 0
    if packet.startswith(b"\x7fFLAC"):
        bits = int.from_bytes(packet[27:35], "big")
        _rate(bits >> 44)
        return bits >> 44, (bits >> 41 & 7) + 1, 0
    raise UnsupportedFormat("this Ogg holds neither Vorbis, Opus nor FLAC; convert it to WAV first")


@dataclass(frozen=True)
class _Frame:
    size: int  # bytes
    samples: int
    rate: int
    channels: int
    side: int  # where a Xing header would stand


_MPEG_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_KBIT = {  # (version 1?, layer) -> kilobits a second for bitrate index 1..14
    (True, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 1): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def _mpeg_frame(data: bytes, position: int) -> _Frame | None:
    """Read one MPEG audio frame header (ISO 11172-3): 11 bits of sync, version, layer, bit rate, rate, mode.

    The layer field counts down: 3 is layer I, 2 is layer II, 1 is layer III.
    """
    if position + 4 > len(data):
        return None
    (word,) = struct.unpack_from(">I", data, position)
    version, layer = word >> 19 & 3, word >> 17 & 3
    index, rate_index, padding, mode = word >> 12 & 15, word >> 10 & 3, word >> 9 & 1, word >> 6 & 3
    if word >> 21 != 0x7FF or version == 1 or layer == 0 or index in (0, 15) or rate_index == 3:
        return None
    rate = _MPEG_RATES[version][rate_index]
    bits = 1000 * _KBIT[(version == 3, layer)][index - 1]
    if layer == 3:
        samples, size = 384, (12 * bits // rate + padding) * 4
    else:
        samples = 576 if layer == 1 and version != 3 else 1152
        size = samples // 8 * bits // rate + padding
    side = (17 if mode == 3 else 32) if version == 3 else (9 if mode == 3 else 17)
    return _Frame(size, samples, rate, 1 if mode == 3 else 2, 4 + side)


def _after_id3(data: bytes) -> int:
    """Where the sound begins: behind an ID3v2 tag, whose length has seven bits a byte."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    length = 0
    for byte in data[6:10]:
        length = length << 7 | byte & 0x7F
    return 10 + length + (10 if data[5] & 0x10 else 0)


def _mp3(data: bytes) -> Header:
    position = _after_id3(data)
    while position < len(data) and data[position] == 0:  # padding behind a tag
        position += 1
    first = _mpeg_frame(data, position)
    if first is None:
        raise CorruptMedia("no MPEG audio frame where the sound should begin")
    tag = position + first.side
    declared = 0
    if data[tag : tag + 4] in (b"Xing", b"Info") and data[tag + 7] & 1:
        (declared,) = struct.unpack_from(">I", data, tag + 8)
        position += first.size
    count = 0
    while (frame := _mpeg_frame(data, position)) is not None:
        if frame.rate != first.rate:
            raise CorruptMedia(f"this MP3 changes its sample rate from {first.rate} to {frame.rate} Hz")
        if position + frame.size > len(data):
            raise TruncatedMedia(f"the last frame of this MP3 needs {position + frame.size - len(data)} bytes more")
        position += frame.size
        count += 1
    rest = data[position:]
    if rest[:3] == b"TAG" or rest[:8] == b"APETAGEX" or not rest.strip(b"\x00"):
        position = len(data)
    if count < declared:
        kind = CorruptMedia if len(rest) > 4096 else TruncatedMedia
        raise kind(f"this MP3 says {declared} frames and has {count}")
    if _MPEG_SYNC.search(rest) and position != len(data) and _resumes(data, position):
        raise CorruptMedia(f"after {count} frames this MP3 loses its rhythm, and finds it again later")
    if not count:
        raise EmptyMedia("this MP3 has 0 frames of sound")
    samples = max(1, count * first.samples - sum(_lame_padding(data, tag)))
    return Header(
        sample_rate=first.rate,
        channels=first.channels,
        samples=samples,
        duration=samples / first.rate,
        end=position,
    )


def _lame_padding(data: bytes, tag: int) -> tuple[int, int]:
    """(samples before, samples behind) the sound, which the encoder added and decoders take off; 0 if not said.

    tag: where the Xing or Info header stands; LAME's part follows its fields (frames, bytes, 100 places, quality).
    """
    if data[tag : tag + 4] not in (b"Xing", b"Info"):
        return 0, 0
    flags = data[tag + 7]
    lame = tag + 8 + 4 * (flags & 1) + 2 * (flags & 2) + 25 * (flags & 4) + (flags & 8) // 2
    if data[lame : lame + 4] not in (b"LAME", b"Lavf", b"Lavc"):
        return 0, 0
    both = int.from_bytes(data[lame + 21 : lame + 24], "big")
    return both >> 12, both & 0xFFF


_MPEG_SYNC = re.compile(rb"\xff[\xe2-\xff]")


def _resumes(data: bytes, position: int) -> bool:
    """Are there two frames in a row somewhere behind `position`? Then something between was damaged."""
    for found in _MPEG_SYNC.finditer(data, position):
        frame = _mpeg_frame(data, found.start())
        if frame and _mpeg_frame(data, found.start() + frame.size):
            return True
    return False


# ------------------------------------------------------------------------------------------------- video


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


def _bmff(data: bytes) -> Header:
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
    video = next((track for track in tracks if track["kind"] == b"vide"), {})
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


def _track(data: bytes, start: int, end: int) -> dict:
    """What one track of an ISO file says of itself: kind, duration, samples, and size or rate."""
    span = (start, end)
    facts: dict = {"kind": b"", "duration": 0.0, "count": 0}
    for first, _ in _inside(data, span, b"mdia", b"hdlr"):
        facts["kind"] = data[first + 8 : first + 12]
    for first, _ in _inside(data, span, b"mdia", b"mdhd"):
        scale, length = struct.unpack_from(
            ">IQ" if data[first] else ">II", data, first + (20 if data[first] else 12)
        )
        facts["duration"] = length / scale if scale else 0.0
    table = _inside(data, span, b"mdia", b"minf", b"stbl")
    for first, last in (box for stbl in table for box in _inside(data, stbl, b"stsz")):
        fixed, count = struct.unpack_from(">II", data, first + 4)
        if not fixed and 12 + 4 * count > last - first:
            raise CorruptMedia(f"the index of this file says {count} frames and lists {(last - first - 12) // 4}")
        if fixed and fixed * count > len(data):
            raise TruncatedMedia(
                f"the index of this file says {count} samples of {fixed} bytes: more than the file"
            )
        facts["count"] = count
    for first, last in (box for stbl in table for box in _inside(data, stbl, b"stsd")):
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


def _matroska(data: bytes) -> Header:
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
    facts: dict = {}
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


def _matroska_tracks(data: bytes, start: int, end: int) -> dict:
    facts: dict = {}
    for name, first, last in _ebml(data, start, end):
        if name != 0xAE:  # TrackEntry
            continue
        for kind, inner, stop in _ebml(data, first, min(last, end)):
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


def _avi(data: bytes) -> Header:
    position, facts = 0, {}
    while position + 12 <= len(data) and data[position : position + 4] == b"RIFF":  # large files have several
        end = position + 8 + struct.unpack_from("<I", data, position + 4)[0]
        if end > len(data):
            raise TruncatedMedia(f"this AVI says {end} bytes and has {len(data)}")
        for kind, start, length in _riff_chunks(data, position + 12, end):
            if start + length > end:
                raise TruncatedMedia("a chunk of this AVI is longer than the file")
            if kind == b"LIST" and data[start : start + 4] == b"hdrl" and data[start + 4 : start + 8] == b"avih":
                micro, *_ = struct.unpack_from("<I", data, start + 12)
                frames, width, height = (struct.unpack_from("<I", data, start + 12 + 4 * i)[0] for i in (4, 8, 9))
                facts = {"width": width, "height": height, "frames": frames, "duration": frames * micro / 1e6}
        position = end + (end & 1)
    if not facts:
        raise CorruptMedia("this AVI has no header list")
    return Header(end=min(position, len(data)), **facts)


_INSPECT: dict[str, Callable[[bytes], Header]] = {
    **{"png": _png, "jpeg": _jpeg, "gif": _gif, "webp": _webp, "bmp": _bmp, "tiff": _tiff},
    **{"wav": _wav, "flac": _flac, "ogg": _ogg, "mp3": _mp3, "m4a": _bmff},
    **{"mp4": _bmff, "mov": _bmff, "mkv": _matroska, "webm": _matroska, "avi": _avi},
}
