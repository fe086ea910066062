"""Images: PNG, GIF and TIFF, which decoders repair in silence, and where JPEG and WebP end.

Pillow and libjpeg-turbo notice themselves when a JPEG, WebP or BMP is cut off, so nothing is walked there. A PNG's
checksums and last rows, a GIF's trailer and a TIFF's directory they let pass. Follows PNG (third edition), GIF89a,
TIFF 6, JPEG (T.81, annex B) and WebP (RFC 9649), as far as sizes and ends go.
"""

from __future__ import annotations

import struct
import zlib

from mmkit.containers.header import Header
from mmkit.errors import CorruptMedia, TruncatedMedia


def inspect_png(data: bytes) -> Header:
    """Walk the chunks: every checksum, the size, the number of frames, and the end."""
    position, frames, width, height = 8, 1, 0, 0
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
            _check_size(width, height, "PNG")
        elif kind == b"acTL":
            frames = max(1, struct.unpack_from(">I", data, position + 8)[0])
        elif kind == b"IDAT":
            pixels = True
        elif kind == b"IEND":
            break
        position = end
    if not pixels:
        raise CorruptMedia("this PNG has no pixel data")
    return Header(width=width, height=height, frames=frames, end=end)


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
    position, idat = 8, []
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"IDAT":
            idat.append(data[position + 8 : position + 8 + length])
        position += 12 + length
    rest, there = b"".join(idat)[2:], 0  # behind zlib's header: its checksum, as in Pillow, decides nothing
    inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        while rest and not inflate.eof and there < expected:
            there += len(inflate.decompress(rest, 1 << 20))
            rest = inflate.unconsumed_tail
    except zlib.error:
        pass  # what cannot be inflated is missing
    return max(0, expected - there)


def inspect_gif(data: bytes) -> Header:
    """Walk the blocks up to the trailer; the size is that of all frames together."""
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
            position = _after_blocks(data, position + 2)
        elif kind == 0x2C:  # image
            left, top, wide, high, local = struct.unpack_from("<HHHHB", data, position + 1)
            width, height = max(width, left + wide), max(height, top + high)
            frames += 1
            position += 10 + (3 << ((local & 7) + 1) if local & 0x80 else 0) + 1
            position = _after_blocks(data, position)
        else:
            raise CorruptMedia(f"this GIF has an unknown block 0x{kind:02x} where an image should begin")
    if not frames:
        raise CorruptMedia("this GIF has no image in it")
    _check_size(width, height, "GIF")
    return Header(width=width, height=height, frames=frames, end=position + 1)


def _after_blocks(data: bytes, position: int) -> int:
    """Skip a chain of sub-blocks: a length byte, so many bytes, ..., 0."""
    while data[position]:
        position += data[position] + 1
    return position + 1


def inspect_jpeg(data: bytes) -> Header:
    """Where a JPEG ends: at the first end marker behind the first scan; before it, segments state their lengths."""
    position = 2
    while data[position] == 0xFF and (kind := data[position + 1]) != 0xDA:
        if kind == 0xFF:  # any number of fill bytes may stand before a marker
            position += 1
        elif kind == 0x01 or 0xD0 <= kind <= 0xD9:  # markers without a segment
            position += 2
        else:
            position += 2 + struct.unpack_from(">H", data, position + 2)[0]
    if data[position] != 0xFF:  # something between segments, which the decoder skips: who knows where it ends
        return Header(frames=1, end=len(data))
    scan = position + 2 + struct.unpack_from(">H", data, position + 2)[0]
    if scan > len(data):
        raise TruncatedMedia(f"this JPEG ends after {len(data)} bytes, before its pixels")
    end = data.find(b"\xff\xd9", scan)
    return Header(frames=1, end=end + 2 if end >= 0 else len(data))


def inspect_webp(data: bytes) -> Header:
    """Where a WebP ends: where its RIFF says."""
    return Header(end=8 + struct.unpack_from("<I", data, 4)[0])


_TIFF_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
}  # a value of a type


def inspect_tiff(data: bytes) -> Header:
    """The first directory: that its entries, their values, and the strips or tiles of its picture are in the file.

    Pillow drops an entry whose value is cut off, and libtiff fills up a fax that ends early, both in silence.
    """
    order = "<" if data[:2] == b"II" else ">"
    (position,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, position)
    need, tags = position + 6 + 12 * count, {}
    for entry in range(position + 2, min(position + 2 + 12 * count, len(data) - 11), 12):
        tag, kind, number = struct.unpack_from(order + "HHI", data, entry)
        size = _TIFF_BYTES.get(kind, 0) * number
        start = entry + 8 if size <= 4 else struct.unpack_from(order + "I", data, entry + 8)[0]
        need = max(need, start + size)
        if kind in (3, 4) and start + size <= len(data):
            tags[tag] = struct.unpack_from(f"{order}{number}{'H' if kind == 3 else 'I'}", data, start)
    for offsets, lengths in ((273, 279), (324, 325)):  # strips, tiles
        for start, size in zip(tags.get(offsets, ()), tags.get(lengths, ()), strict=False):
            need = max(need, start + size)
    if need > len(data):
        raise TruncatedMedia(f"this TIFF needs {need} bytes and has {len(data)}")
    return Header(end=len(data))


def inspect_bmp(data: bytes) -> Header:
    """A BMP's own length is often wrong, and Pillow finds what is missing."""
    return Header(end=len(data))


def _check_size(width: int, height: int, what: str) -> None:
    if width <= 0 or height <= 0:
        raise CorruptMedia(f"the {what} header says {width} x {height} pixels")
