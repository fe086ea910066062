"""What the loaders accept: a file of each kind is made and loaded, and README's table says what came out.

    python -m tests.make_readme     writes the table; tests/test_readme.py proves that it is what the code does

Rows of one format with the same result stand together. Leaves out damage: that is tests/test_bad_inputs.py.
"""

from __future__ import annotations

import re
from functools import cache

from mmkit.errors import MmkitError
from tests.media_factory import LOAD, animation, film, id3, movie, picture, sound, tone, track

MODES = {
    "RGB": "color",
    "L": "gray",
    "P": "palette",
    "1": "1 bit",
    "RGBA": "color with alpha",
    "LA": "gray with alpha",
    "CMYK": "CMYK",
    "I;16": "16 bits gray",
}
DEPTHS = {
    "PCM_U8": "8 bits",
    "PCM_16": "16 bits",
    "PCM_24": "24 bits",
    "PCM_32": "32 bits",
    "FLOAT": "float",
    "DOUBLE": "double",
}
CODECS = [
    *(("M4A", "m4a", "aac"), ("M4A", "m4a", "alac"), ("MOV", "mov", "pcm_s24le"), ("MKV", "mkv", "libopus")),
    *(("MKV", "mkv", "flac"), ("WebM", "webm", "libopus"), ("AVI", "avi", "libmp3lame")),
]
FILMS = [
    *(("MP4", "mp4", "libx264", "yuv420p"), ("MP4", "mp4", "libx265", "yuv420p")),
    *(("MP4", "mp4", "libsvtav1", "yuv420p"), ("MOV", "mov", "prores_ks", "yuv422p10le")),
    *(
        ("MOV", "mov", "mjpeg", "yuvj420p"),
        ("MKV", "mkv", "libvpx-vp9", "yuv420p"),
        ("MKV", "mkv", "ffv1", "yuv420p"),
    ),
    *(("WebM", "webm", "libvpx", "yuv420p"), ("AVI", "avi", "mpeg4", "yuv420p")),
]
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


def kinds() -> list[tuple[str, str, str, bytes]]:
    """(modality, format, what it holds, a file of that kind)."""
    found = [("image", "PNG", MODES[m], picture("PNG", m)) for m in ("RGB", "L", "P", "1", "RGBA", "LA", "I;16")]
    found += [("image", "PNG", "animation", animation("PNG"))]
    found += [("image", "JPEG", MODES[mode], picture("JPEG", mode)) for mode in ("RGB", "L", "CMYK")]
    found += [("image", "JPEG", "progressive", picture("JPEG", progressive=True))]
    found += [
        ("image", "WebP", "color", picture("WEBP")),
        ("image", "WebP", "lossless", picture("WEBP", lossless=True)),
    ]
    found += [("image", "WebP", "animation", animation("WEBP")), ("image", "GIF", "animation", animation("GIF"))]
    found += [("image", "GIF", "palette", picture("GIF")), ("image", "BMP", "color", picture("BMP"))]
    found += [("image", "TIFF", m[5:], picture("TIFF", compression=m)) for m in ("tiff_lzw", "tiff_adobe_deflate")]
    found += [("image", "TIFF", "1 bit, fax", picture("TIFF", "1", compression="group4"))]
    found += [("image", "TIFF", "many pages", animation("TIFF"))]
    found += [("audio", "WAV", said, sound("WAV", depth)) for depth, said in DEPTHS.items()]
    found += [("audio", "WAV", f"{n} channels", sound("WAV", "PCM_16", n)) for n in (2, 6, 8)]
    found += [("audio", "FLAC", f"{n} channels", sound("FLAC", None, n)) for n in (2, 8)]
    found += [("audio", "FLAC", "mono", sound("FLAC"))]
    found += [("audio", "Ogg", "Vorbis", sound("OGG")), ("audio", "Ogg", "Opus", sound("OGG", "OPUS", 1))]
    found += [("audio", "MP3", "mono", sound("MP3")), ("audio", "MP3", "behind ID3", id3(30) + sound("MP3"))]
    for form, container, codec in CODECS:
        for channels in (1, 2, 8) if codec in ("aac", "libopus", "flac") else (1, 2):
            made = track(container, codec, LAYOUTS[channels], samples=12_000)
            found.append(("audio", form, f"{codec}, {LAYOUTS[channels]}", made))
    found += [("video", f, c, movie(container, c, 12, pixel)) for f, container, c, pixel in FILMS]
    found += [("video", "MP4", "H.264 with sound", film("mp4", tracks="va"))]
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    heif = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)
    found += [("image", "SVG", "drawing", svg), ("image", "HEIC, AVIF", "photo", heif)]
    found += [("audio", "raw samples", "no header", tone(4_000).astype("<i2").tobytes())]
    found += [("image", "PDF", "page", b"%PDF-1.7\n%%EOF"), ("video", "ZIP", "frames", b"PK\3\4" + bytes(60))]
    return found


def outcome(modality: str, data: bytes) -> str:
    """What loading says: read, read with a note, or refused with the error and its remedy."""
    try:
        value = LOAD[modality](data)
    except MmkitError as error:
        return f"refused: `{error.code}`, {error.message}"
    notes = [re.sub(r"mixed \d+ channels", "mixed N channels", note) for note in value.notes]
    return f"read, with the note “{'”, “'.join(notes)}”" if notes else "read"


@cache
def table() -> str:
    """README's table, the rows of one format and one result joined."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for modality, form, holds, data in kinds():
        rows.setdefault((modality, form, outcome(modality, data)), []).append(holds)
    lines = ["| | format | holding | result |", "| --- | --- | --- | --- |"]
    lines += [f"| {m} | {form} | {'; '.join(holds)} | {said} |" for (m, form, said), holds in rows.items()]
    return "\n".join(lines) + "\n"
