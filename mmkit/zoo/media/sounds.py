"""Clips of the course: a few words, tones and traps, in the formats that people have.

`python -m mmkit.zoo.media.sounds data` makes them. The voices are among those that no training hears (TEST_VOICES).
Speech needs the program espeak-ng; the clips are committed, so that a reader needs none.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np

from mmkit.zoo.worlds.speech import SAMPLE_RATE, Voice, say, trim


def spoken(text: str, variant: str, *, speed: int = 150, peak: float = 0.6, around: float = 0.15) -> np.ndarray:
    """Words with `around` seconds of silence before and after.  Returns (T,) float32 at SAMPLE_RATE."""
    wave = trim(say(text, Voice(variant, speed=speed)))
    silence = np.zeros(round(around * SAMPLE_RATE), np.float32)
    return np.concatenate([silence, wave * (peak / np.abs(wave).max()), silence])


def sine(hertz: float, seconds: float, rate: int, peak: float) -> np.ndarray:
    """A steady tone with its ends faded in 10 ms."""
    t = np.arange(round(seconds * rate)) / rate
    fade = np.minimum(1, np.minimum(t, t[::-1]) / 0.01)
    return (peak * fade * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


def glide(start: float, end: float, seconds: float, rate: int, peak: float) -> np.ndarray:
    """A tone that goes from start to end (Hz) by equal ratios in equal times, ends faded in 10 ms."""
    t = np.arange(round(seconds * rate)) / rate
    fade = np.minimum(1, np.minimum(t, t[::-1]) / 0.01)
    phase = 2 * np.pi * np.cumsum(start * (end / start) ** (t / seconds)) / rate
    return (peak * fade * np.sin(phase)).astype(np.float32)


def whistled(wave: np.ndarray, rate: int, hertz: float, peak: float) -> np.ndarray:
    """Speech recorded at `rate` beside a device that whistles at `hertz`."""
    import soxr

    fast = soxr.resample(wave, SAMPLE_RATE, rate, quality="VHQ")
    return fast + sine(hertz, len(fast) / rate, rate, peak)


def encode(samples: np.ndarray, rate: int, format: str, subtype: str | None = None) -> bytes:
    """A sound file in memory.  samples: (T,) or (T, C) float."""
    import soundfile

    target = io.BytesIO()
    soundfile.write(target, samples, rate, format=format, subtype=subtype)
    return target.getvalue()


def course_sounds() -> dict[str, bytes]:
    """The clips of the course, by file name: each under 100 KB."""
    yes, no = spoken("yes", "linda"), spoken("no", "Denis")
    both = np.zeros((max(len(yes), len(no)), 2), np.float32)  # T C
    both[: len(yes), 0], both[: len(no), 1] = yes, no
    go = spoken("go", "Andy", around=0.05)
    left = spoken("left", "max")
    return {
        "three_one_four.wav": encode(spoken("three one four", "belinda"), SAMPLE_RATE, "WAV", "PCM_16"),
        "stop.flac": encode(spoken("stop", "travis"), SAMPLE_RATE, "FLAC"),
        "five_two.ogg": encode(spoken("five two", "steph"), SAMPLE_RATE, "OGG", "VORBIS"),
        "seven_two_fast.ogg": encode(spoken("seven two", "linda", speed=240), SAMPLE_RATE, "OGG", "VORBIS"),
        "four_nine_zero_slow.ogg": encode(
            spoken("four nine zero", "Denis", speed=105), SAMPLE_RATE, "OGG", "VORBIS"
        ),
        "yes_left_no_right.flac": encode(both, SAMPLE_RATE, "FLAC"),
        "go_opposite.wav": encode(np.stack([go, -go], axis=1), SAMPLE_RATE, "WAV", "PCM_16"),
        "left_and_whistle.flac": encode(whistled(left, 44_100, 10_000, 0.1), 44_100, "FLAC"),
        "rising.ogg": encode(glide(300, 900, 1.0, SAMPLE_RATE, 0.5), SAMPLE_RATE, "OGG", "VORBIS"),
        "red.flac": encode(spoken("red", "steph"), SAMPLE_RATE, "FLAC"),
        "green.flac": encode(spoken("green", "Denis"), SAMPLE_RATE, "FLAC"),
        "circle.flac": encode(spoken("circle", "belinda"), SAMPLE_RATE, "FLAC"),
        "one.flac": encode(spoken("one", "belinda"), SAMPLE_RATE, "FLAC"),
        "two.flac": encode(spoken("two", "Andy"), SAMPLE_RATE, "FLAC"),
        "three.flac": encode(spoken("three", "travis"), SAMPLE_RATE, "FLAC"),
        "beep.wav": encode(sine(800, 0.4, 8_000, 0.5), 8_000, "WAV", "PCM_U8"),
    }


def main(folder: Path) -> None:
    """Write every clip into `folder`."""
    for name, data in course_sounds().items():
        (folder / name).write_bytes(data)
        print(f"{name}: {len(data):,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "data"))
