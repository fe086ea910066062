"""Audio: from bytes to a log-mel spectrogram.

    source -> load_audio -> Clip: wave (T,) float32, sample rate, notes
           -> at_rate (resample) -> frame -> spectrum (Hann window) -> power -> mel_filter_bank -> compress
           =  features(clip, recipe) -> (n_mels, n_frames)
    long wave -> speech_pieces (voice_activity, split_at_pauses) or windows -> transcripts -> merge_transcripts

Follows transformers' WhisperFeatureExtractor (torch path) within 1e-5, and torchaudio's MelSpectrogram where a
recipe asks for it; reads WAV itself, FLAC, Ogg and MP3 with soundfile, the rest with PyAV; resamples with soxr.
Leaves out augmentation, streaming and MFCC. No torchaudio I/O: it needs torchcodec with a system FFmpeg.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import math
import os
import statistics
import string
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

import numpy as np

from mmkit import ffmpeg, media
from mmkit.containers import Header, read_wave
from mmkit.errors import (
    BackendMissing,
    BadEncoding,
    BadSampleRate,
    CorruptMedia,
    EmptyMedia,
    InvalidArgument,
    MediaError,
    MmkitError,
    NonFiniteSamples,
    TruncatedMedia,
    label,
)
from mmkit.isolation import isolated
from mmkit.recipes import WHISPER, AudioRecipe

if TYPE_CHECKING:  # imported by the functions that compute with it: reading a file needs none
    from torch import Tensor

BLOCK = 1 << 22  # samples decoded between two looks at the budget
# Samples that a codec puts around the sound and a decoder may or may not take off again.
MP3_DELAY, CODEC_DELAY = 4 * 1152, 4 * 1024


# --- load -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Clip:
    """A sound: one channel, with its rate.

    wave: (T,) float32, full scale = 1, finite, contiguous.  sample_rate: samples a second.
    notes: each repair and each fact worth knowing, in words.  source: a short label of where it came from.
    """

    wave: np.ndarray
    sample_rate: int
    notes: tuple[str, ...] = ()
    source: str = ""

    @property
    def seconds(self) -> float:
        """Length of the clip.

        >>> Clip(np.zeros(8000, np.float32), 16_000).seconds
        0.5
        """
        return len(self.wave) / self.sample_rate


def load_audio(
    source: Any,
    *,
    sample_rate: int | None = None,
    layout: Literal["TC", "CT"] | None = None,
    root: str | os.PathLike[str] | None = None,
    limits: media.Limits = media.LIMITS,
    fetch: Callable[[str], bytes] | None = None,
) -> Clip:
    """Load a sound from anything: one channel, float32, at its own rate, with a note for each repair.

    source: path, bytes, file object or data: URL (WAV, FLAC, OGG, MP3, M4A ...); numpy array or torch tensor;
    (array, rate) as vLLM takes it; a Clip, which is returned as it is.  sample_rate: of an array, in Hz; a file
    states its own, and load_audio never resamples (at_rate does).  layout: axes of a two-dimensional array,
    "TC" (time first, as soundfile gives it) or "CT" (channels first, as torchaudio does).
    root, limits, fetch: as for media.read.

    Rules: channels are mixed by their mean; integers are divided by their full scale (int16 by 32768), floats
    are taken as they are.  Raises one of the MediaError classes.

    >>> load_audio(np.array([0, 16384, -32768], np.int16), sample_rate=16_000).wave
    array([ 0. ,  0.5, -1. ], dtype=float32)
    """
    if isinstance(source, Clip):
        return source
    name = label(source)
    try:
        if isinstance(source, tuple) and len(source) == 2 and not isinstance(source[0], (str, bytes)):
            source, sample_rate = source
            name = label(source)
        if isinstance(source, np.ndarray) or is_tensor(source):
            channels, notes = _from_array(source, layout)
            if sample_rate is None:
                raise BadSampleRate("an array does not know its rate; pass sample_rate, for example 16000")
            rate = check_rate(sample_rate, limits)
            media.check_samples(channels.shape[0], channels.shape[1], rate, limits)
        else:
            blob = media.read(source, modality="audio", root=root, limits=limits, fetch=fetch)
            name = blob.label
            channels, rate, found = decode(blob, limits)
            notes = (*blob.notes, *found)
            if sample_rate not in (None, rate):
                raise BadSampleRate(
                    f"the file says {rate} Hz, the caller {sample_rate}; sample_rate states the rate of an array. "
                    f"To convert, load without it and call at_rate(clip, {sample_rate})"
                )
        check_finite(channels, rate)
        wave, mixed = to_mono(channels)
        return Clip(wave, rate, (*notes, *mixed, *describe(wave)), name)
    except MmkitError as error:
        raise error.at(source=name, modality="audio") from error.cause


def is_tensor(value: Any) -> TypeGuard[Tensor]:
    """Is this torch's?  Where torch has not been imported, nothing is: and this does not import it.

    >>> is_tensor(np.zeros(3))
    False
    """
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _from_array(array: Any, layout: str | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """(T, C) float32 from an array whose axes the caller named, by the dtype rule."""
    values: Any = array.detach().cpu().numpy() if is_tensor(array) else array
    if layout not in (None, "TC", "CT"):
        raise InvalidArgument(f'layout {layout!r}: use "TC" (time, channels) or "CT" (channels, time)')
    if values.ndim == 1:
        values = values[:, None]
    elif values.ndim != 2:
        raise BadEncoding(f"an array of shape {values.shape}: a sound has one axis (time), or two with layout=")
    elif layout is None and 1 not in values.shape:
        raise BadEncoding(
            f"an array of shape {values.shape} does not tell time from channels; "
            'pass layout="TC" (time first) or layout="CT" (channels first)'
        )
    elif layout == "CT" or (layout is None and values.shape[0] == 1):
        values = values.T
    if values.size == 0:
        raise EmptyMedia("0 samples; nothing to hear")
    return full_scale(values)


def full_scale(values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Scale samples so that full scale is 1, by their dtype alone.

    values: any shape.  Floats are taken as they are, signed integers are divided by 2^(bits - 1), uint8 is
    centred first: (x - 128) / 128.  Returns float32, same shape, and notes.  Raises BadEncoding for other dtypes.

    >>> full_scale(np.array([128, 192, 0], np.uint8))[0]
    array([ 0. ,  0.5, -1. ], dtype=float32)
    """
    kind = values.dtype
    if kind in (np.float32, np.float64, np.float16):
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf, which check_finite reports
            return values.astype(np.float32), ()
    if kind in (np.int8, np.int16, np.int32):
        full = 2.0 ** (8 * kind.itemsize - 1)
        return (values / full).astype(np.float32), (f"{kind} divided by {full:.0f}",)
    if kind == np.uint8:
        return ((values - 128.0) / 128.0).astype(np.float32), ("uint8 centred at 128, divided by 128",)
    raise BadEncoding(f"samples of dtype {kind}: use float32, float64, int8, int16, int32 or uint8")


def check_rate(rate: Any, limits: media.Limits = media.LIMITS) -> int:
    """The rate as an int.  Raises BadSampleRate outside 4,000 to 384,000 Hz and for what is no whole number.

    >>> check_rate(16_000.0)
    16000
    """
    if isinstance(rate, bool) or not isinstance(rate, (int, float, np.integer, np.floating)):
        raise BadSampleRate(f"a sample rate of type {type(rate).__name__}; pass a number, in Hz")
    low, high = limits.min_sample_rate, limits.max_sample_rate
    if not math.isfinite(rate) or rate != int(rate) or not low <= rate <= high:
        raise BadSampleRate(
            f"{rate:g} Hz is not a sample rate between {low:,} and {high:,} Hz; "
            "state the true rate, or convert the sound first"
        )
    return int(rate)


def check_finite(channels: np.ndarray, rate: int) -> None:
    """Raises NonFiniteSamples with the first bad sample of (T, C): one NaN makes every log-mel value NaN.

    >>> check_finite(np.zeros((4, 1), np.float32), 16_000)
    """
    if np.isfinite(channels).all():
        return
    bad = ~np.isfinite(channels).all(axis=1)
    first = int(np.argmax(bad))
    raise NonFiniteSamples(
        f"sample {first} ({first / rate:.3f} s) is not a finite number, {int(bad.sum())} in all; "
        "one is enough to turn the whole log-mel into NaN. Repair or cut the source"
    )


def decode(blob: media.Blob, limits: media.Limits = media.LIMITS) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """Decode bytes that media.read has checked: (T, C) float32, the rate, and notes.

    WAV is read by numpy, FLAC, Ogg and MP3 by libsndfile, everything else by FFmpeg; the samples are the same.
    The budget is kept while decoding, and the number of decoded samples is compared with the declared one.
    Raises one of the MediaError classes.
    """
    header = blob.header
    if blob.format == "wav":
        channels, rate, declared, notes = _decode_wave(blob, limits)
    elif blob.format == "mp3" or header.codec in ("vorbis", "opus") or _plain_flac(blob):
        channels, rate, declared, notes = _decode_soundfile(blob, limits)
    else:
        channels, rate, declared, notes = isolated(_decode_av, blob, limits)
    if channels.size == 0:
        raise EmptyMedia("0 samples; nothing to hear")
    if len(channels) < declared:
        raise TruncatedMedia(
            f"the file declares {declared} samples, {len(channels)} could be decoded; get the whole file again"
        )
    return channels, rate, notes


def _decode_wave(blob: media.Blob, limits: media.Limits) -> tuple[np.ndarray, int, int, tuple[str, ...]]:
    """PCM and float by full scale: bytes around 128, signed integers from -2^(bits - 1), floats as they are."""
    wave = read_wave(blob.data)
    rate, number = check_rate(wave.rate, limits), wave.length // wave.size
    media.check_samples(number // wave.channels, wave.channels, rate, limits)
    if wave.kind == "i" and wave.size == 3:
        raw = np.frombuffer(blob.data, np.uint8, wave.length, wave.start).reshape(number, 3)
        padded = np.zeros((number, 4), np.uint8)
        padded[:, 1:] = raw  # the upper three bytes of four
        values = padded.view("<i4")[:, 0]
    else:
        values = np.frombuffer(blob.data, f"<{wave.kind}{wave.size}", number, wave.start)
    if wave.kind == "u":
        samples = (values.astype(np.float32) - 128) / 128
    elif wave.kind == "i":
        samples = values.astype(np.float64 if wave.size == 8 else np.float32)
        samples *= 0.5 ** (8 * values.itemsize - 1)
    else:
        samples = values
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf, which check_finite reports
        samples = samples.astype(np.float32, copy=wave.kind == "f")
    return samples.reshape(-1, wave.channels), rate, 0, ()


def _plain_flac(blob: media.Blob) -> bool:
    """Is this FLAC as libsndfile reads it: of 8, 16 or 24 bits, and of a stated length?"""
    return blob.format == "flac" and blob.header.bits in (8, 16, 24) and blob.header.samples > 0


def _decode_soundfile(blob: media.Blob, limits: media.Limits) -> tuple[np.ndarray, int, int, tuple[str, ...]]:
    """FLAC, Ogg and MP3, by libsndfile: samples, rate, declared length, notes."""
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise BackendMissing("soundfile is not installed: pip install soundfile", cause=error) from error
    header, blocks, decoded = blob.header, [], 0
    source = io.BytesIO(blob.data[header.start :])
    try:
        with soundfile.SoundFile(source) as file:
            rate, width, frames = check_rate(file.samplerate, limits), file.channels, file.frames
            while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
                blocks.append(block)
                decoded += len(block)
                media.check_samples(decoded, width, rate, limits)
            unread = len(blob.data) - header.start - source.tell()
    except soundfile.SoundFileError as error:
        raise _broken(blob, error) from error
    except (TypeError, ValueError, RuntimeError, MemoryError) as error:
        raise CorruptMedia(f"the {blob.format} header makes no sense", cause=error) from error
    channels = _joined(blocks)
    if blob.format == "flac":
        _check_lost_frames(channels, unread, header)
        return channels, rate, header.samples, ()
    # libsndfile guesses the length of an MP3 and leaves out what it cannot decode of an Ogg: media.read counts.
    declared = header.samples * rate // header.sample_rate  # Opus counts at 48 kHz, whatever rate it is read at
    return channels, rate, declared - MP3_DELAY if blob.format == "mp3" else max(declared, frames), ()


def _check_lost_frames(channels: np.ndarray, unread: int, header: Header) -> None:
    """Raise CorruptMedia where libFLAC put silence in place of frames that are not there, without a word.

    Lost frames leave zeros for a whole block or bytes that nobody read; only then is the MD5 of all samples
    computed and compared with the one that the file states, because that takes a quarter of the time to decode.
    """
    every = max(16, header.block)
    zeros = channels[::every, 0] == 0  # a run of that many zeros holds at least one of these
    lost = any(not channels[max(0, i - every) : i + every].any() for i in np.flatnonzero(zeros) * every)
    if lost or unread > 0:
        full = channels.astype(np.float64) if header.bits > 24 else channels
        check_md5((full * 2.0 ** (header.bits - 1)).astype(np.int32), header)


def check_md5(values: np.ndarray, header: Header) -> None:
    """Raise CorruptMedia where the samples of a FLAC are not those that its encoder saw.

    values: (T, C) int32, as small as their bits.  Source: RFC 9639, 8.2: the MD5 of all channels interleaved,
    each value signed, little-endian, in as many bytes as its bits need.
    """
    if not header.md5:
        return
    raw = np.ascontiguousarray(values, "<i4").view(np.uint8).reshape(-1, 4)[:, : -(-header.bits // 8)]
    if hashlib.md5(raw.tobytes(), usedforsecurity=False).digest() != header.md5:
        raise CorruptMedia("frames of this FLAC are missing or wrong: the MD5 of its samples is not the stated one")


def _decode_av(blob: media.Blob, limits: media.Limits) -> tuple[np.ndarray, int, int, tuple[str, ...]]:
    """M4A, the sound track of a video, and rare kinds of FLAC, by FFmpeg: samples, rate, declared length, notes.

    The declared length is that of all packets; what the container says may hold a late start and gaps as well.
    """
    exact = blob.header.codec == "flac"
    blocks: list[np.ndarray] = []
    decoded = 0
    with ffmpeg.opened(blob) as container:
        import av

        track, notes = ffmpeg.best_track(container, "audio")
        context, base = track.codec_context, track.time_base
        rate = check_rate(context.sample_rate or 0, limits)
        stated = round(track.duration * base * rate) if track.duration else 0
        media.check_samples(stated, context.channels, rate, limits)
        # Packed: PyAV looks behind the last of eight planes. It changes the number format only, not the rate.
        packed = av.AudioResampler(format="s32" if exact else "flt")
        spans: list[tuple[float, float]] = []  # of each packet: seconds at which it begins, and that it lasts
        for packet in container.demux(track):
            if packet.pts is not None:
                spans.append((float(packet.pts * base), float((packet.duration or 0) * base)))
            for frame in packet.decode():
                width = frame.layout.nb_channels
                decoded += frame.samples
                media.check_samples(decoded, width, rate, limits)
                if frame.format.name == "fltp" and width < 8:  # AAC: packing would cost as much as decoding
                    blocks.append(frame.to_ndarray().T)
                else:
                    blocks += [block.to_ndarray().reshape(-1, width) for block in packed.resample(frame)]
    channels = _joined(blocks)
    if exact and channels.size:
        check_md5(channels >> (32 - blob.header.bits), blob.header)
        channels = channels.astype(np.float32) * np.float32(0.5**31)
    seconds, late = _without_gaps(spans)
    padded = 0 < stated < len(channels) <= stated + CODEC_DELAY and not late
    end = stated if padded else len(channels)  # what a codec adds at the end is not the sound's
    declared = blob.header.samples if exact else round(seconds * rate) - CODEC_DELAY
    return channels[:end], rate, declared, (*notes, *late)


def _without_gaps(spans: list[tuple[float, float]]) -> tuple[float, tuple[str, ...]]:
    """Seconds of sound in all packets, and notes on a late start and on gaps, which are joined.

    spans: (begin, length) of each packet.  MP4 makes the packet before a gap longer, Matroska leaves the time out.

    >>> _without_gaps([(2.0, 0.5), (2.5, 0.5), (4.0, 0.5)])
    (1.5, ('the sound starts 2 s after the beginning of the file', '1 gaps in the sound, 1 s in all: joined'))
    """
    usual = statistics.median_low([length for _, length in spans]) if spans else 0.0
    lengths = [length if length <= 1.5 * usual else usual for _, length in spans]
    gaps = [b - a - length for ((a, _), (b, _)), length in zip(itertools.pairwise(spans), lengths, strict=False)]
    wide = [gap for gap in gaps if gap > 0.1]
    notes = []
    if spans and spans[0][0] > 0.1:
        notes.append(f"the sound starts {spans[0][0]:.3g} s after the beginning of the file")
    if wide:
        notes.append(f"{len(wide)} gaps in the sound, {sum(wide):.3g} s in all: joined")
    return sum(lengths), tuple(notes)


def _joined(blocks: list[np.ndarray]) -> np.ndarray:
    """One (T, C) array from blocks of it."""
    if len({block.shape[1] for block in blocks}) > 1:
        raise CorruptMedia("the number of channels changes on the way")
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks or [np.zeros((0, 1), np.float32)])


def _broken(blob: media.Blob, error: Exception) -> MediaError:
    """The typed error of a decoder that stopped; a FLAC that loses its rhythm has ended too early."""
    kind = TruncatedMedia if blob.format == "flac" and "sync" in str(error) else CorruptMedia
    return kind(f"the {blob.format} data cannot be decoded to its end", cause=error)


def to_mono(channels: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Mix channels by their mean: y[t] = (x_1[t] + ... + x_C[t]) / C.

    channels: (T, C) float32.  Returns (T,) float32, contiguous, and notes: opposite channels cancel, and a
    mean that is 20 dB weaker than its channels says so.

    >>> to_mono(np.array([[0.5, -0.5], [1.0, -1.0]], np.float32))
    (array([0., 0.], dtype=float32), ('mixed 2 channels by their mean', 'channels cancel: ...'))
    """
    if channels.shape[1] == 1:
        return np.ascontiguousarray(channels[:, 0]), ()
    wave = np.add.reduce([channels[:, c] for c in range(channels.shape[1])]) / np.float32(channels.shape[1])
    notes = [f"mixed {channels.shape[1]} channels by their mean"]
    before, after = np.vdot(channels, channels) / channels.size, np.vdot(wave, wave) / wave.size
    if before > 0 and after < before / 100:
        notes.append("channels cancel: their mean is at least 20 dB weaker than they are; pick one channel")
    return np.ascontiguousarray(wave), tuple(notes)


def describe(wave: np.ndarray) -> tuple[str, ...]:
    """Facts of a wave that a listener should know: silence, clipping, DC offset, odd scale, very short.

    wave: (T,) float32, finite, T > 0.  Returns sentences; nothing is changed.

    >>> describe(np.zeros(16_000, np.float32))
    ('silent: every sample is 0; speech models invent text on silence',)
    """
    peak, mean = float(np.abs(wave).max()), float(wave.mean(dtype=np.float64))
    notes = []
    if peak == 0:
        notes.append("silent: every sample is 0; speech models invent text on silence")
    elif peak < 1e-3:
        notes.append(f"nearly silent: the peak is {-20 * math.log10(peak):.0f} dB below full scale")
    if peak > 256:
        notes.append(f"peak {peak:.4g} where full scale is 1: these look like integers; divide int16 by 32768")
    elif peak > 1:
        notes.append(f"peak {peak:.4g} is over full scale (1); kept as it is")
    flat = np.mean((np.abs(wave[1:]) == peak) & (wave[1:] == wave[:-1])) if len(wave) > 1 else 0.0
    if 0.98 <= peak <= 1 and flat > 1e-3:
        notes.append(f"clipped: {100 * flat:.1f} % of the samples stand flat at the peak")
    if peak > 0 and abs(mean) > 0.01 * max(1.0, peak):
        notes.append(f"DC offset: the mean is {mean:+.3f} of full scale")
    if len(wave) < WHISPER.n_fft:
        notes.append(f"only {len(wave)} samples: shorter than one window of {WHISPER.n_fft}")
    return tuple(notes)


# --- resample ---------------------------------------------------------------------------------------------------


def at_rate(clip: Clip, sample_rate: int) -> Clip:
    """The clip at another rate, with a note; the same clip where the rate fits already.

    >>> clip = at_rate(Clip(np.zeros(44_100, np.float32), 44_100), 16_000)
    >>> len(clip.wave), clip.notes
    (16000, ('resampled from 44100 to 16000 Hz',))
    """
    if clip.sample_rate == sample_rate:
        return clip
    wave = resample(clip.wave, clip.sample_rate, sample_rate)
    note = f"resampled from {clip.sample_rate} to {sample_rate} Hz"
    return replace(clip, wave=wave, sample_rate=int(sample_rate), notes=(*clip.notes, note))


def resample(wave: np.ndarray, old_rate: int, new_rate: int) -> np.ndarray:
    """Change the sample rate, with everything above the new Nyquist frequency removed first (soxr).

    wave: (T,) float32 or float64.  Returns round(T * new_rate / old_rate) samples, same dtype.  What would
    alias is at least 130 dB down; up to 0.91 of the lower Nyquist frequency nothing changes.  What it computes
    is windowed_sinc, faster.  Raises BadSampleRate.

    soxr's HQ does that for most pairs of rates, but for ratios of small numbers (48 to 16 kHz) it lets -126 dB
    through just above the new Nyquist frequency; VHQ does not.

    >>> resample(np.zeros(48_000, np.float32), 48_000, 16_000).shape
    (16000,)
    """
    import soxr

    old_rate, new_rate = check_rate(old_rate), check_rate(new_rate)
    if old_rate == new_rate:
        return wave
    small = old_rate > new_rate and old_rate // math.gcd(old_rate, new_rate) <= 4
    quality = "VHQ" if small else "HQ"
    return soxr.resample(wave, old_rate, new_rate, quality=quality)


def windowed_sinc(
    wave: np.ndarray, old_rate: int, new_rate: int, *, zeros: int = 64, beta: float = 14.0, rolloff: float = 0.92
) -> np.ndarray:
    """Resample by the definition: each new sample is a weighted sum of the old ones around its time.

        y[n] = sum_k x[k] h(n old/new - k),   h(t) = c sinc(c t) kaiser(t / half),   c = rolloff min(1, new/old)

    wave: (T,), any float.  zeros: zero crossings of the sinc on each side; beta: of the Kaiser window (larger:
    quieter aliases, wider transition); rolloff: cut-off as a share of the lower Nyquist frequency.
    Returns ceil(T new/old) float64 samples.  For lessons and tests: it holds all weights at once.
    Source: J. O. Smith, Digital Audio Resampling.  The same sum in torchaudio.functional.resample.

    >>> bool(abs(windowed_sinc(np.ones(2000), 48_000, 16_000)[200] - 1) < 1e-6)
    True
    """
    step, cutoff = old_rate / new_rate, rolloff * min(1.0, new_rate / old_rate)
    half = math.ceil(zeros / cutoff)  # old samples on each side
    times = np.arange(math.ceil(len(wave) / step)) * step  # of the new samples, counted in old ones
    first = np.floor(times).astype(int) - half
    index = first[:, None] + np.arange(2 * half + 2)  # n_new taps: the old samples under the window
    t = times[:, None] - index
    shape = np.i0(beta * np.sqrt(np.clip(1 - (t / (half + 1)) ** 2, 0, None))) / np.i0(beta)
    weights = cutoff * np.sinc(cutoff * t) * shape
    padded = np.pad(np.asarray(wave, np.float64), half + 2)  # silence before and after
    return (weights * padded[index + half + 2]).sum(axis=1)


# --- spectrum ---------------------------------------------------------------------------------------------------


def frame(wave: Tensor, length: int, hop: int) -> Tensor:
    """Overlapping frames, frame[i, j] = wave[i hop + j]: a view, nothing is copied.

    wave: (T,), T >= length.  Returns (1 + (T - length) // hop, length).

    >>> import torch
    >>> frame(torch.arange(6), length=4, hop=2)
    tensor([[0, 1, 2, 3],
            [2, 3, 4, 5]])
    """
    return wave.unfold(0, length, hop)


def hann_window(length: int) -> Tensor:
    """Periodic Hann window, w[j] = sin^2(pi j / N) = (1 - cos(2 pi j / N)) / 2 for j = 0 .. N - 1.

    Returns (length,) float32.  Periodic: N, not N - 1, below the line, so that shifted windows add up to a
    constant.  The same as torch.hann_window(length).

    >>> hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    import torch

    return torch.hann_window(length)


def pad_centre(wave: Tensor, n_fft: int) -> Tensor:
    """Mirror half a window at both ends, so that frame i is centred on sample i * hop.

    wave: (T,), T > n_fft // 2.  Returns (T + 2 (n_fft // 2),).  The same as torch.stft(center=True).

    >>> import torch
    >>> pad_centre(torch.tensor([1.0, 2.0, 3.0, 4.0]), n_fft=4)
    tensor([3., 2., 1., 2., 3., 4., 3., 2.])
    """
    import torch

    half = n_fft // 2
    return torch.nn.functional.pad(wave[None], (half, half), mode="reflect")[0]


def spectrum(frames: Tensor) -> Tensor:
    """The Fourier transform of windowed frames, X[i, k] = sum_j w[j] frame[i, j] exp(-2 pi i j k / N).

    frames: (n_frames, N) float32.  Returns (n_frames, N // 2 + 1) complex64; bin k stands for
    k * sample_rate / N Hz.

    >>> import torch
    >>> spectrum(torch.ones(1, 4)).abs()
    tensor([[2., 1., 0.]])
    """
    import torch

    return torch.fft.rfft(frames * hann_window(frames.shape[1]))


def stft(wave: Tensor, n_fft: int, hop: int) -> Tensor:
    """Short-time Fourier transform: frame i is centred on sample i * hop, mirrored at the ends.

    wave: (T,) float32, T > n_fft // 2.  Returns (1 + T // hop, n_fft // 2 + 1) complex64; torch.stft gives the
    same with its axes swapped.

    >>> import torch
    >>> stft(torch.ones(8), n_fft=4, hop=2).shape
    torch.Size([5, 3])
    """
    return spectrum(frame(pad_centre(wave, n_fft), n_fft, hop))


def power(spectrum: Tensor) -> Tensor:
    """|X|^2 = Re(X)^2 + Im(X)^2: no square root is taken, to be squared again.

    spectrum: any shape, complex.  Returns the same shape, real.

    >>> import torch
    >>> power(torch.tensor([3 + 4j]))
    tensor([25.])
    """
    return spectrum.real.square() + spectrum.imag.square()


# --- mel --------------------------------------------------------------------------------------------------------


def hz_to_mel(hertz: Tensor | float, scale: str = "htk") -> Tensor:
    """Map frequency to a mel scale.

    HTK:     m = 2595 log10(1 + f / 700)                                 [O'Shaughnessy 1987]
    Slaney:  m = 3 f / 200 below 1 kHz, 15 + 27 ln(f / 1000) / ln 6.4 above     [Slaney 1998]

    hertz: any shape, in Hz, >= 0.  Returns mels, same shape; float64 for a number.

    >>> [f"{hz_to_mel(1000.0, scale):.4f}" for scale in ("htk", "slaney")]
    ['999.9855', '15.0000']
    """
    import torch

    f = torch.as_tensor(hertz, dtype=None if isinstance(hertz, torch.Tensor) else torch.float64)
    if scale == "htk":
        return 2595.0 * torch.log10(1.0 + f / 700.0)
    above = 15.0 + 27.0 / math.log(6.4) * torch.log(f.clamp(min=1000.0) / 1000.0)
    return torch.where(f >= 1000.0, above, 3.0 * f / 200.0)


def mel_to_hz(mels: Tensor | float, scale: str = "htk") -> Tensor:
    """The inverse of hz_to_mel: f = 700 (10^(m / 2595) - 1), or Slaney's two pieces.

    mels: any shape.  Returns Hz, same shape; float64 for a number.

    >>> f"{mel_to_hz(hz_to_mel(440.0)):.4f}", f"{mel_to_hz(15.0, 'slaney'):.4f}"
    ('440.0000', '1000.0000')
    """
    import torch

    m = torch.as_tensor(mels, dtype=None if isinstance(mels, torch.Tensor) else torch.float64)
    if scale == "htk":
        return 700.0 * (10.0 ** (m / 2595.0) - 1.0)
    above = 1000.0 * torch.exp(math.log(6.4) / 27.0 * (m.clamp(min=15.0) - 15.0))
    return torch.where(m >= 15.0, above, 200.0 * m / 3.0)


@lru_cache(maxsize=32)
def mel_filter_bank(
    n_fft: int,
    n_mels: int,
    sample_rate: int,
    f_min: float = 0.0,
    f_max: float | None = None,
    *,
    scale: str = "htk",
    norm: Literal["slaney"] | None = None,
    dtype: Literal["float32", "float64"] = "float64",
) -> Tensor:
    """Triangles that are evenly spaced in mels: how much each frequency bin gives to each mel band.

        B[k, m] = max(0, min((f_k - e_m) / (e_{m+1} - e_m), (e_{m+2} - f_k) / (e_{m+2} - e_{m+1})))

    with f_k = k sample_rate / n_fft and n_mels + 2 edges e.  norm="slaney" divides each triangle by half its
    width in Hz, so that wide bands are not louder.  f_max: default half the rate.  dtype: of the edges, float64 as
    in transformers or float32 as in torchaudio (HTK differs by up to 2e-5).
    Returns (n_fft // 2 + 1, n_mels) float32.  Cached: do not write into it.

    >>> mel_filter_bank(400, 80, 16_000, scale="slaney", norm="slaney").shape
    torch.Size([201, 80])
    """
    import torch

    top = sample_rate / 2 if f_max is None else f_max
    low, high = (hz_to_mel(float(f), scale).item() for f in (f_min, top))
    kind = getattr(torch, dtype)
    edges = mel_to_hz(torch.linspace(low, high, n_mels + 2, dtype=kind), scale)
    bins = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=kind)
    slope = edges[None, :] - bins[:, None]  # n_bins, n_mels + 2
    width = edges.diff()
    rising, falling = -slope[:, :-2] / width[:-1], slope[:, 2:] / width[1:]
    bank = torch.minimum(rising, falling).clamp(min=0.0)
    if norm == "slaney":
        bank = bank * (2.0 / (edges[2:] - edges[:-2]))
    return bank.to(torch.float32)


def compress(mel: Tensor, recipe: AudioRecipe) -> Tensor:
    """Loudness as we hear it: a logarithm, a floor, a range below the loudest value, a scale.

        y = (max(L, max(L) - dynamic range) + shift) / divisor,   L = log(max(mel, floor))

    mel: (n_mels, n_frames) power >= 0.  Returns the same shape.  With Whisper's numbers (log10, floor 1e-10,
    dynamic range 8, shift 4, divisor 4) the values span at most 2, and silence is exactly -1.5.

    >>> import torch
    >>> compress(torch.zeros(1, 2), WHISPER)
    tensor([[-1.5000, -1.5000]])
    """
    import torch

    if recipe.log is None:
        return mel
    log = _log(mel.clamp(min=recipe.floor), recipe.log)
    if recipe.dynamic_range is not None:
        log = torch.maximum(log, log.max() - recipe.dynamic_range)
    return (log + recipe.shift) / recipe.divisor


def _log(power: Tensor, kind: str) -> Tensor:
    """log10, the natural logarithm, or decibels (10 log10)."""
    if kind == "ln":
        return power.log()
    return power.log10() if kind == "log10" else 10.0 * power.log10()


def log_mel(wave: np.ndarray | Tensor, recipe: AudioRecipe = WHISPER) -> Tensor:
    """The log-mel spectrogram that a model's recipe asks for.

    wave: (T,) float, full scale 1, at recipe.sample_rate.  Cut to recipe.seconds, and filled up with silence to
    that length where recipe.pad says so; a wave too short to be mirrored is filled up to n_fft // 2 + 1 samples.
    Returns (n_mels, n_frames) float32; Whisper: (80, 3000).  Raises BadEncoding, EmptyMedia, NonFiniteSamples.

    Frames that touch nothing but padding have no power: they are not computed.

    >>> log_mel(np.zeros(16_000, np.float32)).shape, log_mel(np.zeros(16_000, np.float32)).unique()
    (torch.Size([80, 3000]), tensor([-1.5000]))
    """
    import torch

    wave, silence, n_frames, heard = heard_frames(wave, recipe)
    padded = pad_centre(torch.nn.functional.pad(wave, (0, silence)), recipe.n_fft)
    frames = frame(padded, recipe.n_fft, recipe.hop)[:heard]
    mel = torch.zeros(recipe.n_mels, n_frames)
    for start in range(0, heard, 512):  # a block at a time stays in the processor's cache
        block = power(spectrum(frames[start : start + 512]))  # at most 512 frames, n_bins
        mel[:, start : start + len(block)] = filter_bank(recipe).T @ block.T
    return compress(mel, recipe)


def heard_frames(wave: np.ndarray | Tensor, recipe: AudioRecipe) -> tuple[Tensor, int, int, int]:
    """The wave, checked and cut to the model's window, and what follows from its length.

    Returns the wave (T,), the samples of silence behind it that its own frames touch, the number of frames of the
    spectrogram, and how many of these touch the wave: the others have no power.

    >>> heard_frames(np.zeros(16_000, np.float32), WHISPER)[1:]
    (400, 3000, 102)
    """
    wave = _checked(wave)[: recipe.max_samples]
    half = recipe.n_fft // 2
    length = recipe.max_samples if recipe.pad else max(len(wave), half + 1)
    n_frames = length // recipe.hop + (0 if recipe.drop_last else 1)
    silence = min(length - len(wave), recipe.n_fft)
    return wave, silence, n_frames, min(n_frames, math.ceil((len(wave) + half) / recipe.hop))


def filter_bank(recipe: AudioRecipe) -> Tensor:
    """The mel filter bank of a recipe: (n_bins, n_mels) float32."""
    return mel_filter_bank(
        recipe.n_fft, recipe.n_mels, recipe.sample_rate, recipe.f_min, recipe.f_max,
        scale=recipe.mel_scale, norm=recipe.norm, dtype=recipe.bank_dtype,
    )  # fmt: skip


def features(clip: Clip, recipe: AudioRecipe = WHISPER) -> dict[str, Tensor]:
    """What a model family's processor returns for one clip, as torch tensors under its names.

    Brings the clip to the recipe's rate first.  Returns input_features (1, n_mels, n_frames) float32; for
    Qwen2-Audio ("pooled") also feature_attention_mask (1, n_frames) int32: 1 where a frame holds the clip.

    >>> features(load_audio(np.ones(44_100, np.float32), sample_rate=44_100))["input_features"].shape
    torch.Size([1, 80, 3000])
    """
    import torch

    wave = at_rate(clip, recipe.sample_rate).wave
    out = {"input_features": log_mel(wave, recipe)[None]}
    if recipe.tokens == "pooled":
        n_frames = out["input_features"].shape[2]
        held = math.ceil(min(len(wave), recipe.max_samples) / recipe.hop)
        out["feature_attention_mask"] = (torch.arange(n_frames)[None] < held).to(torch.int32)
    return out


def _checked(wave: np.ndarray | Tensor) -> Tensor:
    """The wave as a float32 tensor, or a typed error."""
    import torch

    wave = wave if isinstance(wave, torch.Tensor) else torch.as_tensor(np.ascontiguousarray(wave))
    if wave.ndim != 1:
        raise BadEncoding(
            f"a wave of shape {tuple(wave.shape)}: log_mel takes one channel; see to_mono", modality="audio"
        )
    if not wave.is_floating_point():
        raise BadEncoding(
            f"a wave of dtype {wave.dtype}: divide int16 by 32768 first; see full_scale", modality="audio"
        )
    if len(wave) == 0:
        raise EmptyMedia("0 samples; nothing to hear", modality="audio")
    wave = wave.to(torch.float32)
    if not torch.isfinite(wave.sum()) and not torch.isfinite(wave).all():
        first = int((~torch.isfinite(wave)).to(torch.uint8).argmax())
        raise NonFiniteSamples(f"sample {first} is not a finite number", modality="audio")
    return wave


# --- long recordings --------------------------------------------------------------------------------------------

Span = tuple[int, int]  # first sample and the one after the last


def windows(samples: int, length: int, overlap: int = 0) -> list[Span]:
    """Windows of `length` samples, each beginning `length - overlap` after the one before; the last may be shorter.

    Returns (start, stop) pairs that cover the recording; each begins `overlap` samples before its neighbor ends.
    Raises InvalidArgument unless 0 <= overlap < length.

    >>> windows(100, length=40, overlap=10)
    [(0, 40), (30, 70), (60, 100)]
    """
    if not 0 <= overlap < length:
        raise InvalidArgument(f"an overlap of {overlap} samples in windows of {length}; it must be shorter")
    starts = range(0, max(samples - overlap, min(samples, 1)), length - overlap)
    return [(start, min(start + length, samples)) for start in starts]


def split_at_pauses(
    wave: np.ndarray, sample_rate: int, seconds: float = 30.0, *, search: float = 1.0, quiet: float = 0.1
) -> list[Span]:
    """Pieces of at most `seconds`, each cut where the last `search` seconds before its limit are quietest.

    wave: (T,) float.  quiet: seconds of the windows whose energies are compared; the cut is the beginning of the
    quietest.  Returns (start, stop) pairs that follow each other without a gap.  Raises InvalidArgument unless
    0 < quiet <= search < seconds.  Source: split_audio of vLLM's transcription server, with its numbers.

    >>> wave = np.ones(400, np.float32); wave[250:260] = 0  # 4 s of sound with a pause of 0.1 s
    >>> split_at_pauses(wave, 100, seconds=3)
    [(0, 250), (250, 400)]
    """
    if not 0 < quiet <= search < seconds:
        raise InvalidArgument(
            f"seconds={seconds:g}, search={search:g}, quiet={quiet:g}: each must be longer than the next"
        )
    length, back, size = (int(sample_rate * each) for each in (seconds, search, quiet))
    spans, start = [], 0
    while start + length < len(wave):
        first = start + length - back
        count = len(range(0, back - size, size))  # vLLM leaves out the window that ends at the limit
        blocks = np.asarray(wave[first : first + count * size], np.float64).reshape(count, size)
        stop = first + size * int(np.argmin(np.square(blocks).mean(axis=1))) if count else first
        spans.append((start, stop))
        start = stop
    return [*spans, (start, len(wave))] if len(wave) else []


def voice_activity(
    wave: np.ndarray,
    sample_rate: int,
    *,
    above_noise: float = 6.0,
    below_peak: float = 40.0,
    pause: float = 0.3,
    around: float = 0.15,
) -> list[Span]:
    """Where something is said, by energy alone: the spans that are louder than the recording's own noise.

    The level of each 20 ms is 10 log10(mean square); the noise is the level that a tenth of them stay below. A
    frame is active if it is more than `above_noise` dB over the noise and less than `below_peak` dB under the
    loudest. Gaps of at most `pause` seconds are closed. Each span gets `around` seconds on both sides, but no more
    than half a pause, for soft beginnings and ends.

    wave: (T,) float, full scale 1.  Returns (start, stop) pairs in samples, in order, not touching; none where
    nothing stands out.  It takes a door or music for a voice, misses what is no louder than the noise, and takes a
    sound that never stops for noise.  Source: the textbooks' energy detector; trained ones (Silero) do better.

    >>> wave = np.zeros(16_000, np.float32); wave[4_000:8_000] = 0.5
    >>> voice_activity(wave, 16_000)
    [(1440, 10400)]
    """
    size = max(1, round(0.02 * sample_rate))
    count = len(wave) // size
    if not count:
        return []
    frames = np.asarray(wave[: count * size], np.float64).reshape(count, size)
    level = 10 * np.log10(np.square(frames).mean(axis=1) + 1e-10)  # dB; silence is -100
    threshold = max(np.percentile(level, 10) + above_noise, level.max() - below_peak)
    active = np.flatnonzero(level > threshold)
    if not len(active):
        return []
    breaks = np.flatnonzero(np.diff(active) * size > pause * sample_rate)
    first, last = active[np.r_[0, breaks + 1]], active[np.r_[breaks, len(active) - 1]]
    edge = min(round(around * sample_rate), int(pause * sample_rate) // 2)  # neighbors must not touch
    starts, stops = np.maximum(first * size - edge, 0), np.minimum((last + 1) * size + edge, len(wave))
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def speech_pieces(wave: np.ndarray, sample_rate: int, seconds: float = 30.0) -> list[Span]:
    """What to send of a long recording to a model that hears `seconds` at a time: whole utterances, packed.

    Neighboring spans of voice_activity share a piece as long as it stays within `seconds`; a single span that is
    longer is cut by split_at_pauses.  wave: (T,) float.  Returns (start, stop) pairs in samples, in order, without
    overlap: join their transcripts by a space.  What lies between them is not heard.

    >>> wave = np.zeros(80_000, np.float32); wave[8_000:16_000] = wave[24_000:32_000] = wave[64_000:72_000] = 0.5
    >>> speech_pieces(wave, 16_000, seconds=3)
    [(5600, 34400), (61600, 74400)]
    """
    length, pieces = round(seconds * sample_rate), []
    for start, stop in voice_activity(wave, sample_rate):
        if pieces and stop - pieces[-1][0] <= length:
            pieces[-1] = (pieces[-1][0], stop)
        else:
            parts = split_at_pauses(wave[start:stop], sample_rate, seconds, search=min(1.0, seconds / 2))
            pieces += [(start + first, start + last) for first, last in parts]
    return pieces


def merge_transcripts(texts: Iterable[str]) -> str:
    """One transcript from those of overlapping windows, in order.

    Each text is slid along the one before it. Where the share of words that agree is largest (and at least two do),
    the texts overlap; the first half of the overlap is taken from the left, the second from the right text, for the
    words near a cut are the least sure. Texts that agree nowhere are put one after the other: what both hold then
    stands there twice.
    Words are what spaces separate; case and punctuation do not count.
    Source: transformers' _find_longest_common_sequence, for Whisper's tokens.

    >>> merge_transcripts(["three one four fi", "one four five two", "five two."])
    'three one four five two.'
    """
    merged, left = [], []
    for right in (text.split() for text in texts):
        end, begin = _seam(left, right)
        merged += left[:end]
        left = right[begin:]
    return " ".join(merged + left)


def _seam(left: list[str], right: list[str]) -> tuple[int, int]:
    """How many words of the left text to keep, and how many of the right one to leave out."""
    a, b = ([word.strip(string.punctuation).casefold() for word in words] for words in (left, right))
    best, seam = 0.0, (len(left), 0)
    for shift in range(1, len(a) + len(b)):
        i, j = max(0, len(a) - shift), max(0, shift - len(a))
        pairs = list(zip(a[i:], b[j:], strict=False))
        same = sum(x == y for x, y in pairs)
        score = same / shift + shift / 10_000  # of two equal shares, the longer
        if same > 1 and score > best:
            best, seam = score, (i + len(pairs) // 2, j + len(pairs) // 2)
    return seam
