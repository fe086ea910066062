"""Fuzzing: thousands of mutated files, and none may bring out anything but a value or one of our errors.

    make fuzz                      100,000 files, a few minutes
    python -m tests.fuzz 500 7     500 files from seed 7
    python -m coverage run --include='mmkit/*' -m tests.fuzz 5000; python -m coverage report      what they reach

Each file is one of the good ones, of each format, codec and number of channels that the loaders accept: cut,
flipped, spliced or with a size field overwritten; half of the PNGs and Oggs get right checksums again. Checked for
each: no foreign exception, at most 5 s of CPU, at most 1.5 GB in all, and no value that is shorter than its file
declares, or than FFmpeg reads in sequence. What was found is in PAST, which tests/test_media.py reads again.
A finding prints its number: `mutated(number, seed)` makes the same bytes again.
"""

from __future__ import annotations

import faulthandler
import io
import random
import resource
import sys
import time
import zlib
from dataclasses import dataclass
from functools import cache

from mmkit.containers.sound import _ogg_crc
from mmkit.errors import MmkitError
from mmkit.ffmpeg import DEMUXERS
from mmkit.image import picture_size
from mmkit.media import Limits, read
from tests.media_factory import LOAD, animation, film, id3, movie, picture, sound, track

MAX_SECONDS = 5.0  # of CPU, one file
MAX_BYTES = 1_500_000_000  # of memory, all in all
LIMITS = Limits(max_pixels=4_000_000, max_samples=4_000_000, max_frames=2_000, max_values=50_000_000)


LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
TRACKS = [
    *(("m4a", "aac"), ("mov", "aac"), ("mkv", "libopus"), ("webm", "libopus"), ("mkv", "flac"), ("ogg", "flac")),
    *(("m4a", "alac"), ("mkv", "pcm_s16le"), ("avi", "pcm_s16le"), ("mov", "pcm_s24le"), ("avi", "libmp3lame")),
]
FILMS = [
    *(("mp4", "libx264", "yuv420p"), ("mp4", "libx265", "yuv420p"), ("mkv", "libvpx-vp9", "yuv420p")),
    *(("webm", "libvpx", "yuv420p"), ("mp4", "libsvtav1", "yuv420p"), ("mkv", "ffv1", "yuv420p")),
    *(("mov", "mjpeg", "yuvj420p"), ("mov", "prores_ks", "yuv422p10le"), ("avi", "mpeg4", "yuv420p")),
]
NO_ENCODER = {("alac", 8), ("libmp3lame", 6), ("libmp3lame", 8)}


@cache
def seeds() -> dict[str, tuple[str, list[bytes]]]:
    """Format -> (modality, good files): one of each format, codec and number of channels that are accepted."""
    jpegs = [picture("JPEG"), picture("JPEG", progressive=True), picture("JPEG", "CMYK"), picture("JPEG", "L")]
    pngs = [picture("PNG", mode) for mode in ("RGB", "P", "RGBA", "1", "L", "LA", "I;16")] + [animation("PNG")]
    tiffs = [picture("TIFF", compression=f"tiff_{method}") for method in ("lzw", "adobe_deflate", "jpeg")]
    tiffs += [picture("TIFF"), picture("TIFF", "1", compression="group4"), animation("TIFF")]
    waves = [sound("WAV", depth) for depth in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")]
    tracks: dict[str, list[bytes]] = {}
    for container, codec in TRACKS:
        for number, layout in LAYOUTS.items():
            if (codec, number) not in NO_ENCODER:
                tracks.setdefault(container, []).append(track(container, codec, layout, samples=12_000))
    films: dict[str, list[bytes]] = {
        "mp4": [film("mp4"), film("mp4", movflags="faststart"), film("mp4", tracks="va")]
    }
    for container, codec, pixel in FILMS:
        films.setdefault(container, []).append(movie(container, codec, 12, pixel))
    return {
        "jpeg": ("image", jpegs),
        "png": ("image", pngs),
        "webp": ("image", [picture("WEBP"), picture("WEBP", lossless=True), animation("WEBP")]),
        "gif": ("image", [picture("GIF"), animation("GIF")]),
        "bmp": ("image", [picture("BMP"), picture("BMP", "P"), picture("BMP", "1")]),
        "tiff": ("image", tiffs),
        "wav": ("audio", [*waves, sound("WAVEX", "PCM_24", 2), sound("WAV", "PCM_16", 7)]),
        "flac": (
            "audio",
            [sound("FLAC"), sound("FLAC", None, 8), track("flac", "flac", format="s32", samples=12_000)],
        ),
        "ogg": ("audio", [sound("OGG"), sound("OGG", "OPUS", 2), *tracks.pop("ogg")]),
        "mp3": ("audio", [sound("MP3"), sound("MP3", None, 2), id3(30) + sound("MP3")]),
        **{f"sound in {container}": ("audio", files) for container, files in tracks.items()},
        **{f"film in {container}": ("video", files) for container, files in films.items()},
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


def with_right_checksums(form: str, data: bytes) -> bytes:
    """A PNG or Ogg whose checksums fit again, so that what lies behind the checks is fuzzed, too."""
    out = bytearray(data)
    if form == "png":
        position = 8
        while position + 12 <= len(out):
            end = position + 8 + int.from_bytes(out[position : position + 4], "big")
            out[end : end + 4] = zlib.crc32(out[position + 4 : end]).to_bytes(4, "big")[: max(0, len(out) - end)]
            position = end + 4
    if form == "ogg":
        position = out.find(b"OggS")
        while position >= 0 and position + 27 <= len(out):
            body = position + 27 + out[position + 26]
            end = body + sum(out[position + 27 : body])
            out[position + 22 : position + 26] = bytes(4)
            out[position + 22 : position + 26] = _ogg_crc(bytes(out[position:end])).to_bytes(4, "little")
            position = out.find(b"OggS", max(end, position + 4))
    return bytes(out)


def mutated(number: int, seed: int = 0) -> tuple[str, str, bytes]:
    """(format, modality, bytes) of one file: the same for the same numbers, always."""
    rng = random.Random(f"{seed}-{number}")
    formats = list(seeds())
    form = formats[number % len(formats)]
    modality, files = seeds()[form]
    data = mutate(rng.choice(files), rng)
    return form, modality, with_right_checksums(form, data) if rng.random() < 0.5 else data


def shorter_than_declared(modality: str, data: bytes, value) -> str | None:
    """What is missing in a value, though no error and no note says so."""
    blob = read(data, modality=modality, limits=LIMITS)
    header = blob.header
    if modality == "image" and (value.height, value.width) != picture_size(blob):
        return f"{value.height} x {value.width} of {picture_size(blob)}"
    if modality == "audio":
        there, slack = header.samples, 0
        if header.codec == "opus":  # counts at 48 kHz, and libsndfile gives the rate before encoding
            there = there * value.sample_rate // 48_000
        if blob.format == "mp3":
            slack = 4 * 1152  # what an encoder adds, and says that a decoder should take off
        elif blob.format not in ("wav", "flac", "ogg"):
            there, slack = samples_by_ffmpeg(data, blob.format), 4 * 1024
        if len(value.wave) < there - slack:
            return f"{len(value.wave)} of {there} samples"
    if modality == "video" and header.frames > len(value.frames) and not value.notes:
        return f"{len(value.frames)} of {header.frames} frames"
    return None


def samples_by_ffmpeg(data: bytes, form: str) -> int:
    """How many samples FFmpeg decodes of the track that it prefers, whatever it stumbles over."""
    import av

    count = 0
    try:
        with av.open(io.BytesIO(data), format=DEMUXERS[form], metadata_errors="ignore") as container:
            for packet in container.demux(container.streams.best("audio")):
                try:
                    count += sum(frame.samples for frame in packet.decode())
                except av.error.FFmpegError:
                    continue
    except av.error.FFmpegError:
        pass
    return count


PAST = (  # number and seed of files that were once read short, or otherwise wrongly
    *((2739, 0), (6579, 0), (30847, 0), (6587, 1), (22247, 1), (34495, 1), (46668, 1), (45348, 1), (6168, 0)),
    *((889, 11), (970, 11), (27528, 0), (45827, 0)),
)


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


def main(count: int = 100_000, seed: int = 0) -> int:
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
