"""What is it? The format of some bytes, by their content, against the allow-list.

Everything else is refused, with a word on what it is and what to do.
"""

from __future__ import annotations

import re
import struct

from mmkit.containers.sound import flac_start, mpeg_start
from mmkit.errors import CorruptMedia, EmptyMedia, UnsupportedFormat

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
    if head[:3] == b"ID3":
        return _sniff_id3(data)
    other = _what_instead(data)
    if not other and mpeg_start(data) is not None:
        return "mp3"
    raise UnsupportedFormat(other or f"the content is none of the accepted formats ({', '.join(MODALITY)})")


def _what_instead(data: bytes) -> str:
    """Say what unsupported bytes look like, and what to do; "" where that cannot be told."""
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
    return ""


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


def _sniff_id3(data: bytes) -> str:
    """What lies behind an ID3 tag."""
    if flac_start(data) is not None:
        return "flac"
    if mpeg_start(data) is not None:
        return "mp3"
    raise CorruptMedia("an ID3 tag with no sound behind it")
