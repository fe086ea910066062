"""Fuzzing: thousands of mutated files, and none may bring out anything but a value or one of our errors.

    make fuzz                      20,000 files, a few minutes
    python -m tests.fuzz 500 7     500 files from seed 7

Each file is one of the good ones, cut, flipped, spliced or with a size field overwritten. Checked for each: no
foreign exception, at most 5 s of CPU, at most 1.5 GB in all, and no value that is shorter than its file declares.
A finding prints its number: `mutated(number, seed)` makes the same bytes again.
"""

from __future__ import annotations

import faulthandler
import random
import resource
import sys
import time
from dataclasses import dataclass
from functools import cache

from mmkit.errors import MmkitError
from mmkit.image import picture_size
from mmkit.media import Limits, read
from tests.media_factory import LOAD, animation, film, picture, sound

MAX_SECONDS = 5.0  # of CPU, one file
MAX_BYTES = 1_500_000_000  # of memory, all in all
LIMITS = Limits(max_pixels=4_000_000, max_samples=4_000_000, max_frames=2_000, max_values=50_000_000)


@cache
def seeds() -> dict[str, tuple[str, list[bytes]]]:
    """Format -> (modality, good files)."""
    return {
        "jpeg": ("image", [picture("JPEG"), picture("JPEG", progressive=True), picture("JPEG", "CMYK")]),
        "png": ("image", [picture(), picture("PNG", "P"), picture("PNG", "RGBA"), animation("PNG")]),
        "webp": ("image", [picture("WEBP"), picture("WEBP", lossless=True), animation("WEBP")]),
        "gif": ("image", [picture("GIF"), animation("GIF")]),
        "tiff": ("image", [picture("TIFF"), picture("TIFF", compression="tiff_lzw"), animation("TIFF")]),
        "wav": ("audio", [sound("WAV", "PCM_16"), sound("WAV", "FLOAT"), sound("WAVEX", "PCM_24", 2)]),
        "flac": ("audio", [sound("FLAC"), sound("FLAC", None, 2)]),
        "mp3": ("audio", [sound("MP3"), sound("MP3", None, 2)]),
        "mp4": ("video", [film("mp4"), film("mp4", movflags="faststart"), film("mp4", tracks="va")]),
    }


def mutate(data: bytes, rng: random.Random) -> bytes:
    """One to three small accidents or attacks."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if len(out) < 8:
            break
        at = rng.randrange(len(out)) if rng.random() < 0.5 else rng.randrange(min(200, len(out)))
        kind = rng.randrange(7)
        if kind == 0:
            del out[max(at, 1) :]
        elif kind == 1:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            out[at : at + 4] = rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1"))
        elif kind == 3:
            out[at : at + rng.randrange(1, 64)] = b""
        elif kind == 4:
            out[at:at] = rng.randbytes(rng.randrange(1, 64))
        elif kind == 5:
            out[at : at + 16] = rng.randbytes(16)
        else:
            start = rng.randrange(len(out))
            out[at:at] = out[start : start + rng.randrange(1, 512)]
    return bytes(out)


def mutated(number: int, seed: int = 0) -> tuple[str, str, bytes]:
    """(format, modality, bytes) of one file: the same for the same numbers, always."""
    rng = random.Random(f"{seed}-{number}")
    formats = list(seeds())
    form = formats[number % len(formats)]
    modality, files = seeds()[form]
    return form, modality, mutate(rng.choice(files), rng)


def shorter_than_declared(modality: str, data: bytes, value) -> str | None:
    """What is missing in a value, though no error and no note says so."""
    blob = read(data, modality=modality, limits=LIMITS)
    header = blob.header
    if modality == "image" and (value.height, value.width) != picture_size(blob):
        return f"{value.height} x {value.width} of {picture_size(blob)}"
    slack = 2500 if data[:3] == b"ID3" or data[0] == 0xFF else 0  # an MP3's encoder adds up to two frames
    if modality == "audio" and header.samples and len(value.wave) < header.samples - slack:
        return f"{len(value.wave)} of {header.samples} samples"
    if modality == "video" and header.frames > len(value.frames) and not value.notes:
        return f"{len(value.frames)} of {header.frames} frames"
    return None


@dataclass(frozen=True)
class Finding:
    """What went wrong with one mutated file."""

    number: int
    form: str
    what: str


def examine(number: int, seed: int = 0) -> tuple[bool, Finding | None]:
    """(was it read?, what is wrong if anything) for one file."""
    form, modality, data = mutated(number, seed)
    start = time.process_time()
    value = what = None
    try:
        value = LOAD[modality](data, limits=LIMITS)
    except MmkitError as error:
        if "\n" in str(error) or " at 0x" in str(error):
            what = f"a message that is not fit to print: {error}"
    except Exception as error:
        what = f"{type(error).__module__}.{type(error).__name__}: {error}"
    if value is not None:
        what = shorter_than_declared(modality, data, value)
    spent = time.process_time() - start
    if spent > MAX_SECONDS:
        what = f"{spent:.1f} s"
    return value is not None, Finding(number, form, what) if what else None


def main(count: int = 20_000, seed: int = 0) -> int:
    """Run, print findings and a line per format; 1 if there were findings."""
    resource.setrlimit(resource.RLIMIT_DATA, (6 << 30, 6 << 30))
    faulthandler.enable()
    read_well = dict.fromkeys(seeds(), 0)
    findings = []
    for number in range(count):
        faulthandler.dump_traceback_later(120, exit=True)  # a hang ends the run, with the place
        well, finding = examine(number, seed)
        read_well[list(seeds())[number % len(seeds())]] += well
        if finding:
            findings.append(finding)
            print(f"file {finding.number} ({finding.form}): {finding.what}", flush=True)
    faulthandler.cancel_dump_traceback_later()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for form, well in read_well.items():
        print(f"{form:>5}: {well} of {len(range(list(seeds()).index(form), count, len(seeds())))} still read")
    print(f"{count} files, {len(findings)} findings, {peak / 1e9:.2f} GB at most")
    return 1 if findings or peak > MAX_BYTES else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
