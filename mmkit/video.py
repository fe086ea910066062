"""Videos: from bytes to frames that know their time, and on to temporal patches.

    source -> load_video -> Video (frames (T, H, W, 3) uint8, times (T,) in seconds, indices (T,), notes)
              which frames: sample_by_count, sample_by_rate       whose clock: times, index / source fps
           -> features: resize, normalise, temporal patches -> (patches, grid_thw)

A frame's time is the one its container states. Where only an index is known, time = index / source fps, and
never index / sampling rate. Decoding follows FFmpeg (PyAV), bit for bit; sampling and features follow
transformers' Qwen2VLVideoProcessor. Leaves out sound (audio.py) and live streams.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from mmkit import ffmpeg
from mmkit.errors import (
    BadEncoding,
    CorruptMedia,
    DecodedTooLarge,
    EmptyMedia,
    InvalidArgument,
    LimitExceeded,
    MediaError,
    MmkitError,
    PlaceholderMismatch,
    TruncatedMedia,
    UnsupportedFormat,
    label,
)
from mmkit.image import normalize, patchify, resize
from mmkit.isolation import isolated
from mmkit.media import LIMITS, Blob, Limits, read
from mmkit.recipes import VideoRecipe
from mmkit.sizes import smart_resize

# A file may hold or decode up to this share of frames less than it declares: read with a note. More: an error.
MISSING_SHARE = 0.1

# Codecs whose packets hold one picture each, so that a file's table of packets is a table of its frames. Others
# (VP8 hides pictures; AVI states no times of display) are counted by decoding.
PICTURE_PER_PACKET = {"h264", "hevc", "vp9", "libdav1d", "av1", "mpeg4", "mjpeg", "ffv1", "prores"}

# Decoders that can leave a frame out, packet by packet, if no other frame is built on it.
CAN_SKIP = {"h264", "hevc"}

Choice = Callable[[int, float], Iterable[int]]


@dataclass(frozen=True, eq=False)
class Video:
    """Frames that know where in their source they stand.

    frames: (T, H, W, 3) uint8 RGB.  times: (T,) float64, seconds, as the container states them.
    indices: (T,) int64, position in the source in order of display, from 0.  fps: frames a second of the
    source (the mean where it varies).  total_frames, duration (s): of the whole source.  start: time of the
    source's first frame, in seconds.  notes: what was done that the source did not ask for.
    """

    frames: np.ndarray
    times: np.ndarray
    indices: np.ndarray
    fps: float
    total_frames: int
    duration: float
    notes: tuple[str, ...] = ()
    source: str = ""
    start: float = 0.0
    backend: str = field(default="pyav", repr=False)

    @property
    def clock(self) -> np.ndarray:
        """(T,) int64 indices of a constant clock of `fps` ticks a second: clock / fps is the time, always.

        At a constant frame rate these are `indices`. At a variable one they are the nearest ticks instead:
        index / fps would be wrong there by as much as the rate varies.
        """
        ticks = (self.times - self.start) * self.fps
        if np.all(np.abs(ticks - self.indices) < 0.5):
            return self.indices
        return np.rint(ticks).astype(np.int64)

    @property
    def metadata(self) -> dict[str, Any]:
        """What vLLM and transformers want beside the frames, so that they compute true seconds.

        The keys are those of vLLM's own loader; models compute frames_indices / fps. do_sample_frames is
        False: the frames are already chosen, and must not be thinned out a second time.
        """
        ticks = self.clock
        return {
            "total_num_frames": int(max(self.total_frames, ticks[-1] + 1)),
            "fps": float(self.fps),
            "duration": float(self.duration),
            "video_backend": self.backend,
            "frames_indices": [int(tick) for tick in ticks],
            "do_sample_frames": False,
        }


def load_video(
    source: Any,
    *,
    count: int | None = None,
    rate: float | None = None,
    indices: Sequence[int] | None = None,
    recipe: VideoRecipe | None = None,
    fps: float | None = None,
    times: Sequence[float] | None = None,
    root: Any = None,
    limits: Limits = LIMITS,
    fetch: Callable[[str], bytes] | None = None,
) -> Video:
    """Read the frames that are asked for, with their true times.

    source: path, bytes, file object or data: URL of a video file; or frames: an array (T, H, W, 3) uint8 or a
    sequence of PIL images or arrays, which need their clock: `fps` (frame i is at i / fps) or `times` (s).
    Which frames, at most one of: count (spread evenly, `sample_by_count`), rate (frames a second,
    `sample_by_rate`), indices (source indices, in the order wanted), recipe (as its model family samples).
    None of them: every frame.  Returns a Video.  Raises a MediaError: EmptyMedia without a frame,
    TruncatedMedia where more than a tenth is missing, DecodedTooLarge over a budget (before decoding),
    CorruptMedia, UnsupportedFormat, LimitExceeded for an index that is not there, BadEncoding for times or a
    frame that make no sense, PlaceholderMismatch for frames of different sizes; InvalidArgument for a number of
    frames or a rate that is none.

    >>> frames = np.zeros((100, 8, 8, 3), dtype=np.uint8)
    >>> video = load_video(frames, fps=25, count=4)
    >>> video.indices, video.times
    (array([ 0, 33, 66, 99]), array([0.  , 1.32, 2.64, 3.96]))
    """
    choose = chooser(count, rate, indices, recipe)
    if _holds_frames(source):
        return _from_frames(source, fps, times, choose, limits)
    if fps is not None or times is not None:
        raise InvalidArgument("fps= and times= are for frames; a file states its own times", modality="video")
    blob = read(source, modality="video", root=root, limits=limits, fetch=fetch)
    try:
        return isolated(_from_file, blob, (count, rate, indices, recipe), limits)
    except MmkitError as error:
        raise error.at(source=blob.label, modality="video") from error.cause


# ------------------------------------------------------------------------------------------------ from a file


@dataclass(frozen=True)
class _Survey:
    """What is known of a film before its wanted frames are decoded.

    packets: in order of decoding.  pts: time of display of each frame, in stream units, in order of display.
    by_pts: do packets tell it all (pts is exact), or was it counted by decoding?
    """

    stream: Any
    packets: list[Any]
    pts: Sequence[int | None]
    by_pts: bool
    times: np.ndarray
    fps: float
    notes: tuple[str, ...]


def frame_clock(blob: Blob, limits: Limits = LIMITS) -> tuple[np.ndarray, float, int, int]:
    """(clock, frames a second, height, width) of a video file, upright; clock: see Video, one tick a frame.

    Decodes the first frame, which alone knows whether the film is turned; all only where packets do not tell how
    many there are.
    """
    with _opened(blob, limits) as film:
        context = film.stream.codec_context
        first = next((frame for frame, _ in _decode(context, film.packets)), None)
        sideways = first is not None and _display_matrix(first)[0] % 2 == 1
        height, width = (context.width, context.height) if sideways else (context.height, context.width)
        return np.rint((film.times - film.times[0]) * film.fps).astype(np.int64), film.fps, height, width


@contextmanager
def _opened(blob: Blob, limits: Limits) -> Iterator[_Survey]:
    """A surveyed file; whatever FFmpeg raises inside comes out as a MediaError."""
    if blob.modality != "video":
        raise UnsupportedFormat(f"{blob.format} is no video; use MP4, MOV, MKV, WebM or AVI")
    with ffmpeg.opened(blob) as container:
        yield _survey(container, blob, limits)


def _survey(container: Any, blob: Blob, limits: Limits) -> _Survey:
    """Packets, times and rate of the film in a container."""
    stream, chosen = ffmpeg.best_track(container, "video")
    context = stream.codec_context
    _check_frame_size(context.width, context.height, limits)
    context.thread_type = "NONE"  # leaving frames out is exact in one thread only
    packets = _packets(container, stream, limits)
    pts = _display_order(packets) if blob.format != "avi" and context.name in PICTURE_PER_PACKET else None
    by_pts = pts is not None
    if pts is None:  # no table of times: decode once to count, and again to keep
        pts = [frame.pts for frame, _ in _decode(context, packets)]
    if not pts:
        raise EmptyMedia("no frame of it can be decoded")
    times, fps, notes = _clock(pts, stream)
    empty, repeats = _empty_chunks(packets) if blob.format == "avi" else (0, ())
    declared = _declared(container, stream, packets, times, fps) - empty
    missing = _check_missing(len(pts), declared, "of {} declared frames")
    hidden = sum(packet.is_discard for packet in packets)
    cut = (f"{hidden} frames hidden by the file's edit list",) if hidden else ()
    notes = (*chosen, *missing, *repeats, *cut, *notes, *_shape_notes(stream))
    return _Survey(stream, packets, pts, by_pts, times, fps, notes)


def _from_file(blob: Blob, choice: tuple[Any, Any, Any, Any], limits: Limits) -> Video:
    """The frames of a video file that the arguments of `chooser` choose."""
    choose = chooser(*choice)
    with _opened(blob, limits) as film:
        context, packets, pts, total = film.stream.codec_context, film.packets, film.pts, len(film.pts)
        wanted = _checked(choose(total, film.fps), total)
        kept = _Kept(wanted, limits)
        _check_kept(len(kept.slots), context.height, context.width, limits)
        if film.by_pts:
            _keep_near(kept, context, packets, {pts[i]: i for i in kept.missing()})
            # If keyframe flags are wrong, frames are missing: decode from the start.
            rest = {pts[i]: i for i in kept.missing()}
            for frame, damaged in _decode(context, packets) if rest else ():
                kept.put(rest.get(frame.pts), frame, damaged)
        else:
            for i, (frame, damaged) in enumerate(_decode(context, packets)):
                kept.put(i, frame, damaged)
                if i == kept.last:
                    break
        found = np.array([i for i in wanted.tolist() if i in kept.found], dtype=np.int64)
        if kept.damaged and not len(found):
            raise CorruptMedia("every frame asked for is damaged; send the whole file again")
        if not len(found):
            raise EmptyMedia("no frame of it can be decoded")
        whole = " without damage" if kept.damaged else ""
        lost = _check_missing(len(found), len(wanted), "of {} frames asked for can be decoded" + whole)
        return Video(
            frames=kept.stack(found),
            times=film.times[found],
            indices=found,
            fps=film.fps,
            total_frames=total,
            duration=total / film.fps,
            notes=(*blob.notes, *lost, *film.notes, *kept.notes),
            source=blob.label,
            start=float(film.times[0]),
        )


def _packets(container: Any, stream: Any, limits: Limits) -> list[Any]:
    """All packets of the stream, in order of decoding. A break in the file ends the list."""
    from av.error import InvalidDataError

    packets: list[Any] = []
    try:
        for packet in container.demux(stream):
            if packet.size:
                packets.append(packet)
            if len(packets) > limits.max_frames:
                raise _too_many(len(packets), limits)
    except InvalidDataError:
        pass  # what is missing is counted, and judged, against what is declared
    if not packets:
        raise EmptyMedia("its video stream has no data")
    return packets


def _display_order(packets: list[Any]) -> list[int] | None:
    """The times of display in stream units, sorted; None unless each picture has its own."""
    shown = [packet.pts for packet in packets if not packet.is_discard]  # an edit list may hide some
    if None in shown or len(set(shown)) < len(shown):
        return None
    return sorted(shown)


def _clock(pts: Sequence[int | None], stream: Any) -> tuple[np.ndarray, float, tuple[str, ...]]:
    """Times in seconds, the source's frames a second, and notes on both.

    The stated rate holds if index / rate tells each time within half a frame; else the mean rate is taken.
    """
    stated = float(stream.average_rate or stream.guessed_rate or 0)
    total = len(pts)
    ordered = None not in pts and np.all(np.diff(np.array(pts, dtype=np.int64)) > 0)
    if not ordered:
        rate = stated or 1.0
        note = "the container states no times of display: time = index / fps"
        return np.arange(total) / rate, rate, (note,)
    times = np.array(pts, dtype=np.int64) * stream.time_base.numerator / stream.time_base.denominator
    notes = () if abs(times[0]) < 1e-9 else (f"the container's clock starts at {times[0]:g} s",)
    seconds = times - times[0]
    index = np.arange(total)
    if stated > 0 and np.all(np.abs(seconds * stated - index) < 0.5):
        return times, stated, notes
    if total == 1:
        return times, stated or 1.0, notes
    mean = (total - 1) / seconds[-1]
    if np.all(np.abs(seconds * mean - index) < 0.5):
        return times, mean, notes
    gaps = np.diff(seconds)
    varies = (
        f"variable frame rate: frames are {gaps.min():.3g} to {gaps.max():.3g} s apart; "
        f"use times, not indices / {mean:.4g}"
    )
    return times, mean, (*notes, varies)


def _declared(container: Any, stream: Any, packets: list[Any], times: np.ndarray, fps: float) -> int:
    """How many frames the container says it shows; 0 where it does not say, one less where a duration says it.

    At a variable rate a duration says nothing: the last frame may stand for an hour.
    """
    if stream.frames:
        return stream.frames - sum(packet.is_discard for packet in packets)
    if np.any(np.abs((times - times[0]) * fps - np.arange(len(times))) >= 0.5):
        return 0
    seconds = _tagged_duration(stream.metadata)
    if seconds is None and len(container.streams) == 1 and container.duration:
        seconds = container.duration / 1_000_000  # AV_TIME_BASE
    return round(seconds * fps) - 1 if seconds else 0  # the last frame's own duration may be left out


def _empty_chunks(packets: list[Any]) -> tuple[int, tuple[str, ...]]:
    """How many frames an AVI leaves empty, to show the one before for longer: positions without a packet."""
    positions = [packet.dts for packet in packets if packet.dts is not None]
    empty = positions[-1] - positions[0] + 1 - len(packets) if positions else 0
    return (
        (empty, (f"{empty} frames of this AVI are empty: the one before is shown longer",))
        if empty > 0
        else (0, ())
    )


def _tagged_duration(tags: dict[str, str]) -> float | None:
    """Seconds from Matroska's DURATION tag, "00:01:02.500000000"."""
    try:
        hours, minutes, seconds = next(v for k, v in tags.items() if k.upper().startswith("DURATION")).split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except (StopIteration, ValueError):
        return None


def _check_missing(there: int, promised: int, what: str) -> tuple[str, ...]:
    """Nothing, a note, or TruncatedMedia, by the share that is missing."""
    if there >= promised:
        return ()
    said = f"{there} {what.format(promised)}"
    if there < (1 - MISSING_SHARE) * promised - 1:  # of a short video, one frame is more than the share
        raise TruncatedMedia(f"only {said}; send the whole file")
    return (said,)


# ------------------------------------------------------------------------------------- decoding what is needed


class _Kept:
    """The frames that are kept, each decoded once, in one array that is made when the first one comes."""

    def __init__(self, wanted: np.ndarray, limits: Limits):
        self.slots = {int(index): slot for slot, index in enumerate(np.unique(wanted))}
        self.last = max(self.slots)
        self.found: set[int] = set()
        self.damaged: set[int] = set()
        self.notes: tuple[str, ...] = ()
        self.limits = limits
        self.frames: Any = None  # (slots, H, W, 3) uint8, made when the first frame tells its size
        from av.video.reformatter import VideoReformatter

        self.to_rgb = VideoReformatter()  # one for all frames: its tables are made once

    def missing(self) -> list[int]:
        return [index for index in self.slots if index not in self.found]

    def put(self, index: int | None, frame: Any, damaged: bool) -> None:
        """Keep this frame if it is wanted and whole, upright."""
        if index is None or index not in self.slots or index in self.found:
            return
        if damaged:
            self.damaged.add(index)
            return
        if self.frames is None:
            _check_frame_size(frame.width, frame.height, self.limits)
            _check_kept(len(self.slots), frame.height, frame.width, self.limits)
        # One thread: the pixels are the same, and starting threads costs more than they save.
        rgb = self.to_rgb.reformat(frame, format="rgb24", threads=1)
        pixels, note = _upright(rgb.to_ndarray(), frame)
        if self.frames is None:
            self.frames = np.empty((len(self.slots), *pixels.shape), dtype=np.uint8)
            self.notes = (note,) if note else ()
        if pixels.shape != self.frames.shape[1:]:
            (h, w), (height, width) = pixels.shape[:2], self.frames.shape[1:3]
            raise CorruptMedia(f"frame {index} is {w} x {h} pixels, others are {width} x {height}")
        self.frames[self.slots[index]] = pixels
        self.found.add(index)

    def stack(self, indices: np.ndarray) -> np.ndarray:
        """(len(indices), H, W, 3) in this order; no copy where that is all of them in order."""
        slots = [self.slots[index] for index in indices.tolist()]
        return self.frames if slots == list(range(len(self.frames))) else self.frames[slots]


def _decode(
    context: Any, packets: Iterable[Any], skip: Callable[[Any], bool] | None = None
) -> Iterator[tuple[Any, bool]]:
    """(frame, is it damaged?) in order of display. Packets that cannot be decoded give none, as in every player.

    FFmpeg conceals what it cannot decode and marks that one frame; but all that follow are built on it, up to the
    next key frame.  What is damaged and still can be decoded, no decoder can tell.
    """
    import av.error

    context.flush_buffers()
    damaged = False
    for packet in (*packets, None):
        # A frame that no other frame is built on can be left out without a trace in the others.
        if context.name in CAN_SKIP:
            context.skip_frame = "NONREF" if skip and packet is not None and skip(packet) else "DEFAULT"
        try:
            for frame in context.decode(packet):
                damaged = frame.is_corrupt or (damaged and not frame.key_frame)
                yield frame, damaged
        except av.error.InvalidDataError:
            damaged = True


def _keep_near(kept: _Kept, context: Any, packets: list[Any], wanted: Mapping[int | None, int]) -> None:
    """Decode only around the wanted frames: each run from its key frame to its last wanted frame.

    wanted: time of display -> index.  Equal to a decode from the beginning, bit for bit, because a key frame
    needs nothing before it.
    """
    skip = (lambda packet: packet.pts not in wanted) if context.name in CAN_SKIP else None
    for start, stop in _runs(packets, wanted):
        for frame, damaged in _decode(context, packets[start:stop], skip):
            kept.put(wanted.get(frame.pts), frame, damaged)


def _runs(packets: list[Any], wanted: Mapping[int | None, int]) -> list[tuple[int, int]]:
    """(start, stop) of the packets to decode, one run for each key frame that is needed."""
    keys = [0] + [i for i, packet in enumerate(packets) if packet.is_keyframe and i > 0]
    ends = [*keys[1:], len(packets)]
    runs: list[tuple[int, int]] = []
    for number, (start, end) in enumerate(zip(keys, ends, strict=True)):
        here = [i for i in range(start, end) if packets[i].pts in wanted]
        if not here:
            continue
        # Frames shown before their key frame (an open group) need the group before, too.
        leading = any(packets[i].pts < packets[start].pts for i in here)
        begin = keys[number - 1] if leading and number else start
        if runs and begin < runs[-1][1]:
            begin = runs.pop()[0]
        runs.append((begin, here[-1] + 1))
    return runs


def _upright(pixels: np.ndarray, frame: Any) -> tuple[np.ndarray, str]:
    """Pixels (H, W, 3) the way the frame is meant to be seen, and a note if they were turned."""
    turns, mirrored, exact = _display_matrix(frame)
    if not turns and not mirrored and exact:
        return pixels, ""
    if not exact:
        return pixels, "its display matrix is no quarter turn; not applied"
    turned = np.rot90(pixels, turns)
    words = [f"turned by {90 * turns} degrees to the left"] if turns else []
    if mirrored:
        turned = turned[:, ::-1]
        words.append("mirrored")
    return np.ascontiguousarray(turned), " and ".join(words) + ", as its display matrix says"


def _display_matrix(frame: Any) -> tuple[int, bool, bool]:
    """(quarter turns to the left, mirrored after that, is that all?) from the frame's display matrix.

    The matrix is 3 x 3 in 16.16 fixed point, (x y 1) M = (x' y' 1), y pointing down (ISO 14496-12, 6.2.2).
    """
    try:
        raw = next((bytes(side) for side in frame.side_data if side.type.name == "DISPLAYMATRIX"), None)
    except ValueError:  # PyAV knows no side data newer than itself (the views of MV-HEVC, EXIF of motion JPEG)
        return round(frame.rotation / 90) % 4, False, frame.rotation % 90 == 0
    if raw is None:
        return 0, False, True
    a, b, _, c, d = struct.unpack("<5i", raw[:20])
    mirrored = a * d - b * c < 0
    if mirrored:  # undo the flip of x, which comes last
        a, c = -a, -c
    if (b or c) and (a or d):
        return 0, False, False
    angle = math.degrees(math.atan2(b, a))  # clockwise on the screen
    return round(-angle / 90) % 4, mirrored, True


def _shape_notes(stream: Any) -> tuple[str, ...]:
    shape = stream.sample_aspect_ratio or Fraction(0)
    if shape in (0, 1):
        return ()
    return (f"its pixels are not square ({shape.numerator}:{shape.denominator}); kept as stored",)


# ------------------------------------------------------------------------------------------------ from frames


def _holds_frames(source: Any) -> bool:
    return hasattr(source, "shape") or (
        isinstance(source, (list, tuple)) and not isinstance(source, (bytes, bytearray))
    )


def _from_frames(source: Any, fps: float | None, times: Any, choose: Choice, limits: Limits) -> Video:
    """A Video from frames in memory, whose clock the caller states."""
    total = len(source) if getattr(source, "shape", (1,)) != () else 0
    if total == 0:
        raise EmptyMedia("0 frames")
    if total > limits.max_frames:
        raise _too_many(total, limits)
    seconds, rate, start, notes = _stated_clock(total, fps, times)
    wanted = _checked(choose(total, rate), total)
    first = _as_rgb(source[0], 0)
    height, width = first.shape[:2]
    _check_frame_size(width, height, limits)
    _check_kept(len(wanted), height, width, limits)
    frames = np.empty((len(wanted), height, width, 3), dtype=np.uint8)
    for slot, index in enumerate(wanted.tolist()):
        pixels = _as_rgb(source[index], index)
        if pixels.shape != first.shape:
            h, w = pixels.shape[:2]
            raise PlaceholderMismatch(
                f"frame {index} is {w} x {h} pixels, frame 0 is {width} x {height}; one video has one size"
            )
        frames[slot] = pixels
    return Video(frames, seconds[wanted], wanted, rate, total, total / rate, notes, "frames", start, "frames")


def _stated_clock(total: int, fps: Any, times: Any) -> tuple[np.ndarray, float, float, tuple[str, ...]]:
    """Times, rate and start of frames in memory, or a BadEncoding that says what is wrong with the clock."""
    rate = _positive(fps, "fps") if fps is not None else None
    if times is None:
        if rate is None:
            raise BadEncoding(
                "frames have no clock of their own: pass fps= (frames a second of these frames) or times= "
                "(seconds); a default would make every time wrong"
            )
        return np.arange(total) / rate, rate, 0.0, ()
    try:
        seconds = np.asarray(times, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadEncoding("times= must be numbers, in seconds", cause=error) from error
    if seconds.shape != (total,):
        raise PlaceholderMismatch(f"{seconds.size} times for {total} frames; one time a frame")
    if not np.all(np.isfinite(seconds)) or np.any(np.diff(seconds) <= 0) or seconds[0] < 0:
        raise BadEncoding("times= must be finite, not negative, and each later than the one before")
    if rate is None and total == 1:
        return seconds, 1.0, 0.0, ("one frame: its rate is unknown, 1 a second assumed",)
    return seconds, rate or float((total - 1) / (seconds[-1] - seconds[0])), 0.0, ()


def _as_rgb(frame: Any, index: int) -> np.ndarray:
    """One frame in memory as (H, W, 3) uint8: a PIL image, or an array or tensor that is already that."""
    if hasattr(frame, "convert"):
        frame = frame.convert("RGB")
    try:
        pixels = np.asarray(frame)
    except Exception as error:
        raise BadEncoding(f"frame {index} is a {type(frame).__name__}, no picture", cause=error) from error
    if pixels.ndim != 3 or pixels.shape[-1] != 3 or pixels.dtype != np.uint8:
        shape = " x ".join(map(str, pixels.shape)) or "no"
        raise BadEncoding(
            f"frame {index} is {shape} values of {pixels.dtype}; a frame is height x width x 3 values of uint8"
        )
    if 0 in pixels.shape:
        raise EmptyMedia(f"frame {index} has no pixels")
    return pixels


# ----------------------------------------------------------------------------------------------------- checks


def _positive(value: Any, name: str) -> float:
    """A finite number above 0, or InvalidArgument."""
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"{name}={label(value)} is no number", cause=error) from error
    if not math.isfinite(number) or number <= 0:
        raise InvalidArgument(f"{name}={number:g}; it must be above 0")
    return number


def _whole(value: Any, name: str) -> int:
    """A whole number of at least 1, or InvalidArgument."""
    number = _positive(value, name)
    if number != int(number):
        raise InvalidArgument(f"{name}={number:g}; it must be a whole number")
    return int(number)


def _checked(indices: Iterable[int], total: int) -> np.ndarray:
    """(T,) int64 indices that all exist."""
    try:
        wanted = np.asarray(list(indices))
    except (TypeError, ValueError) as error:
        raise InvalidArgument("indices= must be whole numbers", cause=error) from error
    if wanted.ndim != 1 or (wanted.size and wanted.dtype.kind not in "iu"):
        raise InvalidArgument("indices= must be whole numbers")
    if not wanted.size:
        raise EmptyMedia("no frame was asked for")
    beyond = wanted[(wanted < 0) | (wanted >= total)]
    if beyond.size:
        raise LimitExceeded(f"index {beyond[0]} is not there: the video has {total} frames, from 0")
    return wanted.astype(np.int64)


def _check_frame_size(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.max_pixels:
        raise DecodedTooLarge(
            f"frames of {width} x {height} pixels are over the budget of {limits.max_pixels:,}; "
            "pass a larger budget, or shrink the video first"
        )


def _check_kept(count: int, height: int, width: int, limits: Limits) -> None:
    values = count * height * width * 3
    if values > limits.max_values:
        raise DecodedTooLarge(
            f"{count} frames of {width} x {height} pixels are {values:,} values, over the budget of "
            f"{limits.max_values:,}; take fewer frames (count= or rate=), or pass a larger budget"
        )


def _too_many(count: int, limits: Limits) -> MediaError:
    return DecodedTooLarge(
        f"{count:,} frames are over the budget of {limits.max_frames:,}; pass a larger budget, or cut the video"
    )


# --------------------------------------------------------------------------------------------- which frames?


def chooser(
    count: int | None, rate: float | None, indices: Sequence[int] | None, recipe: VideoRecipe | None
) -> Choice:
    """The function (total, source fps) -> source indices that these options ask for.

    >>> chooser(3, None, None, None)(100, 25.0)
    array([ 0, 49, 99])
    """
    given = [
        n for n, v in (("count", count), ("rate", rate), ("indices", indices), ("recipe", recipe)) if v is not None
    ]
    if len(given) > 1:
        raise LimitExceeded(f"{' and '.join(given)} both say which frames; pass one of them")
    if count is not None:
        number = _whole(count, "count")
        return lambda total, fps: sample_by_count(total, number)
    if rate is not None:
        target = _positive(rate, "rate")
        return lambda total, fps: sample_by_rate(total, fps, target)
    if indices is not None:
        return lambda total, fps: indices
    if recipe is not None:
        bounds = recipe.min_frames, recipe.max_frames, recipe.temporal_patch
        return lambda total, fps: sample_by_rate(total, fps, recipe.fps, *bounds)
    return lambda total, fps: np.arange(total)


def sample_by_count(
    total: int, count: int, rule: Literal["vllm", "transformers", "qwen-vl-utils"] = "vllm"
) -> np.ndarray:
    """Indices of `count` frames spread over a source of `total` frames; all of them where there are no more.

    The libraries disagree, so each rule has the name of its owner:
    "vllm" (its default loader): first and last frame included, i * (total - 1) / (count - 1), cut off.
    "transformers" (Qwen2VLVideoProcessor): an even number, i * total / count, cut off: the last is left out.
    "qwen-vl-utils": an even number, first and last included, rounded to the nearest.
    Returns (T,) int64, increasing.  Raises InvalidArgument for numbers below 1.

    >>> sample_by_count(10, 4), sample_by_count(10, 4, "transformers"), sample_by_count(10, 4, "qwen-vl-utils")
    (array([0, 3, 6, 9]), array([0, 2, 5, 7]), array([0, 3, 6, 9]))
    """
    total, count = _whole(total, "total"), _whole(count, "count")
    if rule == "vllm":
        return np.linspace(0, total - 1, min(count, total), dtype=np.int64)
    even = min(round(count / 2) * 2, total)
    return _steps(total, max(even, 1)) if rule == "transformers" else _nearest(total, max(even, 1))


def sample_by_rate(
    total: int,
    source_fps: float,
    target_fps: float,
    min_frames: int = 4,
    max_frames: int = 768,
    multiple: int = 2,
    rule: Literal["transformers", "qwen-vl-utils"] = "transformers",
) -> np.ndarray:
    """Indices that give `target_fps` frames a second of a source with `source_fps`.

    n = total / source_fps * target_fps, kept between min_frames and max_frames and never above total, then
    rounded down to a multiple of the temporal patch.  Rules: "transformers" (Qwen2VLVideoProcessor; vLLM's
    loader for Qwen2-VL and Qwen2.5-VL does the same) takes index i * total / n, cut off; "qwen-vl-utils"
    takes the same n, but spreads from the first to the last frame, rounded.  A source of fewer frames than
    `multiple` gives all it has (there, the libraries divide by zero).  Returns (T,) int64, increasing.

    >>> sample_by_rate(250, source_fps=25, target_fps=1)
    array([  0,  25,  50,  75, 100, 125, 150, 175, 200, 225])
    """
    total, multiple = _whole(total, "total"), _whole(multiple, "multiple")
    source_fps, target_fps = _positive(source_fps, "source_fps"), _positive(target_fps, "target_fps")
    highest = min(max_frames, total) // multiple * multiple
    n = min(max(total / source_fps * target_fps, min_frames), highest, total)
    n = math.floor(n / multiple) * multiple
    if n < 1:
        return np.arange(min(total, multiple))
    return _steps(total, n) if rule == "transformers" else _nearest(total, n)


def _steps(total: int, n: int) -> np.ndarray:
    """i * total / n cut off, in the float32 of `torch.arange`: its rounding is part of the rule."""
    import torch

    indices = torch.arange(0, total, total / n).int()
    return indices.clamp(max=total - 1).numpy().astype(np.int64)  # the last step may land on total


def _nearest(total: int, n: int) -> np.ndarray:
    """n indices from the first frame to the last, each rounded to the nearest."""
    import torch

    return torch.linspace(0, total - 1, n).round().long().numpy()


# --------------------------------------------------------------------------------------- frames and patches in time


def frame_at(times: np.ndarray, seconds: float) -> int:
    """Position of the frame that is on the screen at a moment: the last one that began by then.

    times: (T,) seconds, increasing.  A moment before the first frame gives 0.

    >>> [frame_at(np.array([0.0, 0.1, 5.0]), moment) for moment in (0.05, 0.1, 4.9, 9.0)]
    [0, 1, 1, 2]
    """
    return max(0, int(np.searchsorted(times, seconds, side="right")) - 1)


def patch_times(times: np.ndarray, temporal_patch: int = 2) -> np.ndarray:
    """The time that each temporal patch stands for: the middle between its first and its last frame.

    times: (T,) seconds; the last is repeated until temporal_patch divides T, as the frames are.
    Returns (ceil(T / temporal_patch),) seconds.  Source: Qwen3-VL writes these into its prompt ("<1.0 seconds>").

    >>> patch_times(np.array([0.0, 0.5, 1.0, 1.5, 2.0]))
    array([0.25, 1.25, 2.  ])
    """
    missing = -len(times) % temporal_patch
    padded = np.concatenate([times, np.repeat(times[-1:], missing)])
    pairs = padded.reshape(-1, temporal_patch)  # gt pt
    return (pairs[:, 0] + pairs[:, -1]) / 2


def seconds_per_patch(frames: int, total: int, fps: float, temporal_patch: int = 2) -> float:
    """Seconds from one temporal patch to the next, if `frames` were taken evenly from `total`.

    pt / (frames / total * fps): temporal patch over sampled rate.  Source: Qwen2.5-VL's `second_per_grid_ts`.

    >>> seconds_per_patch(frames=20, total=250, fps=25)  # 10 s, two frames a second, two frames a patch
    1.0
    """
    return temporal_patch / (frames / total * fps)


# ------------------------------------------------------------------------------------------------- features


def target_size(frames: int, height: int, width: int, recipe: VideoRecipe) -> tuple[int, int]:
    """The size that each frame of a clip is resized to: (height, width).

    Qwen2-VL ("frame"): the area of one frame lies within the recipe's limits, however many frames there are.
    Qwen3-VL ("clip"): the area of all frames together does.  Raises LimitExceeded beyond 200:1, or where
    Qwen3-VL has less than one temporal patch.  Source: smart_resize of both families in transformers.

    >>> from mmkit.recipes import QWEN2_VL_VIDEO, QWEN3_VL_VIDEO
    >>> [target_size(16, 720, 1280, recipe) for recipe in (QWEN2_VL_VIDEO, QWEN3_VL_VIDEO)]
    [(560, 1008), (160, 288)]
    """
    factor = recipe.patch * recipe.merge
    if recipe.budget == "frame":
        return smart_resize(height, width, factor, recipe.min_pixels, recipe.max_pixels)
    if frames < recipe.temporal_patch:
        raise LimitExceeded(
            f"{frames} frame; this family needs {recipe.temporal_patch} or more: send it as an image"
        )
    if min(height, width) < factor:
        grow = max(factor / height, factor / width)
        height, width = int(height * grow), int(width * grow)
    smart_resize(height, width, factor)  # refuses what is too long
    new_height, new_width = round(height / factor) * factor, round(width / factor) * factor
    even = round(frames / recipe.temporal_patch) * recipe.temporal_patch
    if even * new_height * new_width > recipe.max_pixels:
        shrink = math.sqrt(frames * height * width / recipe.max_pixels)
        new_height = max(factor, math.floor(height / shrink / factor) * factor)
        new_width = max(factor, math.floor(width / shrink / factor) * factor)
    elif even * new_height * new_width < recipe.min_pixels:
        grow = math.sqrt(recipe.min_pixels / (frames * height * width))
        new_height = math.ceil(height * grow / factor) * factor
        new_width = math.ceil(width * grow / factor) * factor
    return new_height, new_width


def features(
    video: np.ndarray | Video, recipe: VideoRecipe, dtype: Literal["float32", "uint8"] = "float32"
) -> dict[str, Any]:
    """What a model family's video processor returns for one clip, as torch tensors under its names.

    video: a Video, or frames (T, H, W, 3) uint8.  dtype: "float32", normalised, as transformers gives it; or
    "uint8", not yet normalised, as vLLM's processors give it.  Returns pixel_values_videos
    (patches, C*pt*p*p) and video_grid_thw (1, 3), counted in patches.  An odd number of frames is padded by
    repeating the last.  Bit-equal to transformers' Qwen2VLVideoProcessor and Qwen3VLVideoProcessor.

    >>> from mmkit.recipes import QWEN2_VL_VIDEO
    >>> out = features(np.zeros((5, 64, 96, 3), np.uint8), QWEN2_VL_VIDEO)
    >>> tuple(out["pixel_values_videos"].shape), out["video_grid_thw"].tolist()
    ((1680, 1176), [[3, 20, 28]])
    """
    import torch

    frames = video.frames if isinstance(video, Video) else video
    if dtype not in ("float32", "uint8"):
        raise InvalidArgument(f"dtype {dtype!r}: features come as 'float32' or 'uint8'")
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
        raise BadEncoding(f"{frames.dtype} {frames.shape}: features want (T, H, W, 3) uint8; use load_video")
    if not len(frames):
        raise EmptyMedia("0 frames")
    count, height, width = frames.shape[:3]
    size = target_size(count, height, width, recipe)
    resized = np.stack([resize(frame, size, recipe.method) for frame in frames])
    patches, grid = patchify(resized, recipe.patch, recipe.merge, recipe.temporal_patch)
    if dtype == "float32":
        planes = patches.reshape(len(patches), 3, -1)  # patches C (pt p p)
        patches = normalize(planes, recipe.mean, recipe.std, axis=1).reshape(len(patches), -1)
    return {"pixel_values_videos": torch.from_numpy(patches), "video_grid_thw": torch.tensor([grid])}
