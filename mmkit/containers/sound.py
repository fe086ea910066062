"""Sound: WAV, FLAC, Ogg and MP3.

Decoders read a WAV, an Ogg or an MP3 that was cut off as a shorter one, so their structure is walked. A FLAC states
how many samples it has and their MD5: only that is read. Follows RIFF/WAVE (and its extensible format), FLAC
(RFC 9639), Ogg (RFC 3533), MPEG audio (ISO 11172-3), ID3v2 and the Xing and LAME headers.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, replace

from mmkit.containers.header import Header, riff_chunks
from mmkit.errors import BadSampleRate, CorruptMedia, EmptyMedia, TruncatedMedia, UnsupportedFormat


def _check_rate(rate: int) -> None:
    if rate <= 0 or rate > 10_000_000:
        raise BadSampleRate(f"a sample rate of {rate} Hz; no sound has that")


UNKNOWN_SIZES = (0, 0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF)  # what a program writes that streams a WAV
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_OTHER = {2: "MS ADPCM", 6: "A-law", 7: "mu-law", 17: "IMA ADPCM", 49: "GSM", 85: "MP3 in WAV"}


@dataclass(frozen=True)
class Wave:
    """The numbers of a WAV.

    kind: "u" (unsigned), "i" (signed) or "f" (float).  size: bytes of one value.  bits: of them, the upper ones
    that count.  start, length: where the samples lie, in bytes.  end: of the file.
    """

    rate: int
    channels: int
    kind: str
    size: int
    bits: int
    start: int = 0
    length: int = 0
    end: int = 0
    notes: tuple[str, ...] = ()


def inspect_wav(data: bytes) -> Header:
    """The header of a WAV, and proof that its samples are there."""
    wave = read_wave(data)
    samples = wave.length // (wave.channels * wave.size)
    if not samples:
        raise EmptyMedia("this WAV has 0 samples")
    return Header(
        sample_rate=wave.rate,
        channels=wave.channels,
        samples=samples,
        duration=samples / wave.rate,
        codec="float" if wave.kind == "f" else "pcm",
        bits=wave.bits,
        end=wave.end,
        notes=wave.notes,
    )


def read_wave(data: bytes) -> Wave:
    """Find the format and the samples of a WAV."""
    declared = struct.unpack_from("<I", data, 4)[0]
    format: Wave | None = None
    for kind, start, length in riff_chunks(data, 12, len(data)):
        if kind == b"fmt ":
            format = _wave_format(data, start, length)
        if kind == b"data":
            if format is None:
                raise CorruptMedia("the samples of this WAV come before their format")
            return _wave_samples(data, declared, format, start, length)
    where = "its format" if format is None else "its samples"
    raise TruncatedMedia(f"this WAV ends after {len(data)} bytes, before {where}")


def _wave_format(data: bytes, start: int, length: int) -> Wave:
    """PCM of 1 to 32 or 64 bits, or float of 32 or 64; a value may take more bytes than its bits need."""
    tag, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", data, start)
    if tag == _EXTENSIBLE and length >= 26:
        valid, tag = struct.unpack_from("<H", data, start + 18)[0], struct.unpack_from("<H", data, start + 24)[0]
        bits = valid if 0 < valid < bits else bits
    if tag not in (_PCM, _FLOAT):
        what = _OTHER.get(tag, f"codec {tag}")
        raise UnsupportedFormat(f"this WAV holds {what}; only PCM and float are read, convert it first")
    if not 1 <= channels <= 1024:
        raise CorruptMedia(f"this WAV says {channels} channels")
    _check_rate(rate)
    size, odd = divmod(block, channels)
    if odd or not bits or 8 * size < bits:
        raise CorruptMedia(f"this WAV says {block} bytes for {channels} channels of {bits} bits")
    if size not in ((1, 2, 3, 4, 8) if tag == _PCM else (4, 8)) or (tag == _FLOAT and bits != 8 * size):
        number = "float" if tag == _FLOAT else "PCM"
        raise UnsupportedFormat(
            f"this WAV holds {number} of {bits} bits in {size} bytes; convert it to 16 bits first"
        )
    kind = "f" if tag == _FLOAT else "i" if size > 1 else "u"
    notes = (f"{bits} bits stored in {8 * size}: read by the full scale of {8 * size}",) if bits < 8 * size else ()
    return Wave(rate, channels, kind, size, bits, notes=notes)


def _wave_samples(data: bytes, declared: int, format: Wave, start: int, length: int) -> Wave:
    """Compare what a WAV says of its length with what is there."""
    there, block = len(data) - start, format.channels * format.size
    notes = format.notes
    streamed = length in UNKNOWN_SIZES[1:] or (length == 0 and there > 0 and 8 + declared <= start)
    streamed = streamed or (length == 0 and there > 0 and declared in UNKNOWN_SIZES)
    if streamed and (length > there or length == 0):
        notes += ("the WAV does not say how long it is (a stream); read to the end of the file",)
        length, end = there, len(data)
    elif length > there:
        raise TruncatedMedia(f"this WAV says {length} bytes of samples and has {there}")
    elif declared in UNKNOWN_SIZES:
        end = len(data)
    else:
        if 8 + declared > len(data) + 1:
            notes += (f"the WAV says {8 + declared} bytes and has {len(data)}; its samples are whole",)
        padded = start + length + (length & 1)
        end = min(max(padded, min(8 + declared + (declared & 1), len(data))), len(data))
    if length % block:
        notes += (f"{length % block} bytes of an unfinished sample at its end left out",)
    return replace(format, start=start, length=length // block * block, end=end, notes=notes)


def flac_start(data: bytes) -> int | None:
    """Where a FLAC begins: at once, or behind ID3 tags, which do not belong there."""
    start = _after_tags(data, 0)
    return start if data[start : start + 4] == b"fLaC" else None


def inspect_flac(data: bytes) -> Header:
    """STREAMINFO (RFC 9639, 8.2): rate, channels, bits, samples, and the MD5 of the samples."""
    start = flac_start(data) or 0
    kind, length = data[start + 4] & 0x7F, int.from_bytes(data[start + 5 : start + 8], "big")
    if kind != 0 or length != 34:
        raise CorruptMedia("this FLAC does not begin with its header")
    header = _streaminfo(data[start + 8 : start + 42])
    notes = (f"{start} bytes of tags before the FLAC ignored",) if start else ()
    if not header.samples:
        notes += ("the FLAC does not say how long it is (a stream)",)
    return replace(header, start=start, end=len(data), notes=notes)


def _streaminfo(block: bytes) -> Header:
    """A Header from the 34 bytes of STREAMINFO."""
    if len(block) < 34:
        raise TruncatedMedia("this FLAC ends inside its header")
    fields = int.from_bytes(block[10:18], "big")  # 20 bits of rate, 3 of channels, 5 of bits, 36 of samples
    rate, samples = fields >> 44, fields & (1 << 36) - 1
    _check_rate(rate)
    return Header(
        sample_rate=rate,
        channels=(fields >> 41 & 7) + 1,
        samples=samples,
        duration=samples / rate,
        codec="flac",
        bits=(fields >> 36 & 31) + 1,
        block=int.from_bytes(block[:2], "big"),
        md5=block[18:34] if any(block[18:34]) else b"",
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


def inspect_ogg(data: bytes) -> Header:
    """Walk the pages: every checksum, no page missing, and the last one marked as the last."""
    position, numbers, ended = 0, {}, set()
    first = Header()
    skip = granule = 0
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
            first, skip = _ogg_codec(data[body:end])
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
    return replace(first, samples=samples, duration=samples / first.sample_rate, end=position)


def _ogg_codec(packet: bytes) -> tuple[Header, int]:
    """What the first packet says, and the samples to skip; positions count at the rate that is given here."""
    if packet.startswith(b"OpusHead"):
        channels, skip = struct.unpack_from("<BH", packet, 9)
        return Header(sample_rate=48_000, channels=channels, codec="opus"), skip
    if packet.startswith(b"\x01vorbis"):
        channels, rate = struct.unpack_from("<BI", packet, 11)
        _check_rate(rate)
        return Header(sample_rate=rate, channels=channels, codec="vorbis"), 0
    if packet.startswith(b"\x7fFLAC"):
        return _streaminfo(packet[17:51]), 0
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


def _after_tags(data: bytes, position: int) -> int:
    """Behind ID3v2 tags (seven bits of length a byte), an ID3v1 tag (128 bytes) and zeros, in any order."""
    while True:
        start = position
        if data[position : position + 3] == b"ID3":
            length = 0
            for byte in data[position + 6 : position + 10]:
                length = length << 7 | byte & 0x7F
            footer = len(data) > position + 5 and data[position + 5] & 0x10
            position += 10 + length + (10 if footer else 0)
        elif data[position : position + 3] == b"TAG":
            position += 128
        position = _ZEROS.match(data, min(position, len(data))).end()  # type: ignore[union-attr]  (matches always)
        if position == start:
            return position


_ZEROS = re.compile(rb"\x00*")
_MPEG_SYNC = re.compile(rb"\xff[\xe2-\xff]")
_JUNK = 1 << 16  # bytes before the first frame that are searched for it


def mpeg_start(data: bytes) -> int | None:
    """Where the first MPEG audio frame begins; None where there is none.

    Behind tags and zeros, where it should; else the first of four frames in a row, which may lie behind bytes of
    any kind or inside a tag that says it is longer than it is.
    """
    expected = _after_tags(data, 0)
    if _frames_in_a_row(data, expected, 2):
        return expected
    for found in _MPEG_SYNC.finditer(data, 0, max(_JUNK, min(expected, len(data)))):
        if _frames_in_a_row(data, found.start(), 4):
            return found.start()
    return None


def _frames_in_a_row(data: bytes, position: int, number: int) -> bool:
    """Are there so many frames, or at least one and then the end of the file?"""
    first = position
    for _ in range(number):
        frame = _mpeg_frame(data, position)
        if frame is None:
            return first < position and position + 4 > len(data)
        position += frame.size
    return True


def inspect_mp3(data: bytes) -> Header:
    """Walk the frames: MP3 has no header that says how many there are."""
    start = mpeg_start(data)
    if start is None:
        raise CorruptMedia("no MPEG audio frame where the sound should begin")
    position = start
    first = _mpeg_frame(data, position)
    assert first is not None
    notes = _before_sound(data, start)
    tag = position + first.side
    declared = 0
    if data[tag : tag + 4] in (b"Xing", b"Info") and data[tag + 7] & 1:
        (declared,) = struct.unpack_from(">I", data, tag + 8)
        position += first.size
    count = 0
    while True:
        frame = _mpeg_frame(data, position)
        if frame is None:  # a tag or zeros between two frames, where files were joined
            behind = _after_tags(data, position)
            frame = _mpeg_frame(data, behind) if behind > position else None
            if frame is None:
                break
            position = behind
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
    if 0 < declared < count - 4:  # some encoders count one more or less
        raise UnsupportedFormat(
            f"this MP3 says {declared} frames and has {count}: files that were joined; split it"
        )
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
        codec="mp3",
        start=start,
        end=position,
        notes=notes,
    )


def _before_sound(data: bytes, start: int) -> tuple[str, ...]:
    """A note on what stands before the first frame, unless it is one tag, as it should be."""
    expected = _after_tags(data, 0)
    if start == expected:
        return ()
    if start < expected:
        return ("the sound begins inside the ID3 tag, which says that it is longer",)
    return (f"{start - expected} bytes before the first frame ignored",)


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


def _resumes(data: bytes, position: int) -> bool:
    """Are there two frames in a row somewhere behind `position`? Then something between was damaged."""
    for found in _MPEG_SYNC.finditer(data, position):
        frame = _mpeg_frame(data, found.start())
        if frame and _mpeg_frame(data, found.start() + frame.size):
            return True
    return False
