"""Media: bytes from anything, guarded.

    path | bytes | file object | data: URL | URL with the caller's fetch
        -> bounded read -> format by content -> structure checked -> Blob (bytes, format, header, notes)

Nothing is reached that was not opened by name: no socket, no file outside `root`, no device, no pipe. A file
that ends too early, or whose checksum is wrong, is an error here, before any decoder sees it; budgets of bytes,
pixels, samples and frames are checked from the header.
Follows the caps and the lessons of vLLM's own media advisories (request forgery, decompression bombs, rate
forgery, base64 that is decoded in part).
Leaves out decoding (image, audio, video) and every network protocol (`fetch` is the caller's).
"""

from __future__ import annotations

import base64
import binascii
import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from mmkit.containers import EXTENSIONS, MODALITY, Header, inspect, sniff
from mmkit.errors import (
    BadEncoding,
    BadSampleRate,
    CorruptMedia,
    DecodedTooLarge,
    EmptyMedia,
    FetchFailed,
    FetchTimeout,
    MmkitError,
    NotARegularFile,
    SourceNotAllowed,
    SourceNotFound,
    SourceTooLarge,
    TooManyChannels,
    UnsupportedFormat,
    label,
)

Fetch = Callable[[str], bytes]


@dataclass(frozen=True)
class Limits:
    """How much one item may cost. All are checked before anything is decoded.

    >>> from dataclasses import replace
    >>> replace(LIMITS, max_pixels=100_000_000).max_pixels   # a scanner's budget
    100000000
    """

    max_bytes: int = 256 << 20  # of the file
    max_pixels: int = 40_000_000  # width x height of a picture, or of one video frame
    max_samples: int = 60_000_000  # of a clip, all channels together: 240 MB as float32
    max_frames: int = 200_000  # that a video declares: two hours at 25 a second
    max_values: int = 400_000_000  # T x H x W x C of the frames that are kept
    max_channels: int = 32  # of sound
    min_sample_rate: int = 4_000  # Hz
    max_sample_rate: int = 384_000  # Hz
    trailing_bytes: bool = True  # bytes behind the end of a file: True notes them, False refuses them


LIMITS = Limits()
NOTHING_DECLARED = Header()


@dataclass(frozen=True)
class Blob:
    """The bytes of one item and what is known about them without decoding.

    data: the whole file.  label: a short name for messages.  format: by content ("png", "wav" ...).
    modality: "image", "audio" or "video".  notes: what a reader should know.  header: what the file declares.
    """

    data: bytes
    label: str
    format: str
    modality: str
    notes: tuple[str, ...] = ()
    header: Header = NOTHING_DECLARED

    def __repr__(self) -> str:  # no payload in messages and logs
        return f"Blob({self.label!r}, {self.format}, {len(self.data)} bytes, notes={self.notes})"


def read(
    source: Any,
    *,
    modality: str | None = None,
    root: str | os.PathLike | None = None,
    limits: Limits = LIMITS,
    fetch: Fetch | None = None,
) -> Blob:
    """Read one item, whatever holds it, and check everything that can be checked without decoding it.

    source: a path, bytes, a binary file object, a `data:` URL, or another URL if `fetch` is given.
    modality: "image", "audio" or "video" if only that will do.  root: the one folder that may be read;
    relative paths start there, links are followed as long as they end inside it.  limits: the budgets.
    fetch: function from URL to bytes; tests/guarded_fetch.py shows one that strangers' URLs may go to.
    Raises a MediaError that says what is wrong; never another exception.

    >>> read("data:image/gif;base64,R0lGODdhAQABAIABAAAAAP///ywAAAAAAQABAAACAkQBADs=").format
    'gif'
    """
    name = label(getattr(source, "name", None) if _is_file(source) and _has_name(source) else source)
    try:
        data, declared = _bytes_of(source, root, limits, fetch)
        blob = _judge(data, name, modality, limits)
        return _compare_with_name(blob, source, declared)
    except MmkitError as error:
        raise error.at(source=name, modality=modality) from error.cause


# ------------------------------------------------------------------------------------- where bytes come from

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # two letters or more: C: is a drive


def is_url(source: object) -> bool:
    """Does this string begin with a scheme? Hand over a pathlib.Path for a file of such a name.

    >>> is_url("https://example.org/a.png"), is_url("a.png")
    (True, False)
    """
    return isinstance(source, str) and _URL.match(source) is not None


def _is_file(source: object) -> bool:
    return callable(getattr(source, "read", None))


def _has_name(source: object) -> bool:
    return isinstance(getattr(source, "name", None), str)


def _bytes_of(source: Any, root: Any, limits: Limits, fetch: Fetch | None) -> tuple[bytes, str]:
    """The bytes of any source, and the media type that a data URL declares ("" for others)."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        size = source.nbytes if isinstance(source, memoryview) else len(source)
        _check_size(size, limits)
        return bytes(source), ""
    if isinstance(source, str) and source[:5].lower() == "data:":
        return decode_data_url(source, limits)
    if is_url(source):
        return _from_url(source, root, limits, fetch), ""
    if isinstance(source, (str, os.PathLike)):
        return read_file(source, root=root, limits=limits), ""
    if _is_file(source):
        return _from_file_object(source, limits), ""
    raise BadEncoding(f"a {type(source).__name__} is not a path, bytes, a binary file or a data: URL")


def _check_size(size: int, limits: Limits) -> None:
    if size > limits.max_bytes:
        raise SourceTooLarge(f"more than the budget of {limits.max_bytes:,} bytes; pass a larger one in `limits`")


def read_file(path: str | os.PathLike, *, root: Any = None, limits: Limits = LIMITS) -> bytes:
    """Read a regular file, at most `limits.max_bytes` of it, inside `root` if one is set.

    Opening never blocks (a pipe would) and what was opened is what is checked (no race with a rename).
    Raises SourceNotFound, SourceNotAllowed, NotARegularFile, SourceTooLarge, BadEncoding.
    """
    try:
        descriptor = _open(path, root)
    except OSError as error:
        raise _explain(error) from error
    except UnicodeEncodeError as error:
        raise BadEncoding("the path holds a character that no file name can have", cause=error) from error
    except ValueError as error:
        raise SourceNotAllowed("the path holds a NUL character", cause=error) from error
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise NotARegularFile(f"this is a {_kind(state.st_mode)}, not a file")
        _check_size(state.st_size, limits)
        return _read_bounded(lambda size: os.read(descriptor, size), limits)
    except OSError as error:
        raise _explain(error) from error
    finally:
        os.close(descriptor)


# What a system lacks (Windows: all but O_BINARY, which only it has) is 0 here.
_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_FOLDER, _NO_LINK = getattr(os, "O_DIRECTORY", 0), getattr(os, "O_NOFOLLOW", 0)


def _open(path: str | os.PathLike, root: Any) -> int:
    """Open for reading; with a root: resolve all links first, then walk down from it without following any."""
    text = os.fspath(path)
    if not text:
        raise BadEncoding("an empty path")
    if root is None:
        return os.open(text, _FLAGS)
    base = os.path.realpath(root)
    text = os.fsdecode(text)
    if "\0" in text:
        raise SourceNotAllowed("the path holds a NUL character")
    real = os.path.realpath(os.path.join(base, text))
    if real != base and not real.startswith(base.rstrip(os.sep) + os.sep):
        raise SourceNotAllowed("the path leads out of the folder that may be read")
    if os.open not in os.supports_dir_fd:  # Windows: no walk, so a link that changes meanwhile is followed
        return os.open(real, _FLAGS)
    *folders, name = os.path.relpath(real, base).split(os.sep)
    here = os.open(base, _FLAGS | _FOLDER)
    try:
        for folder in folders:
            below = os.open(folder, _FLAGS | _FOLDER | _NO_LINK, dir_fd=here)
            os.close(here)
            here = below
        return os.open(name, _FLAGS | _NO_LINK, dir_fd=here)
    finally:
        os.close(here)


def _explain(error: OSError) -> MmkitError:
    if error.errno in (errno.EACCES, errno.EPERM):
        return SourceNotAllowed("no permission to read it", cause=error)
    if error.errno == errno.ELOOP:
        return SourceNotFound("its links lead in a circle, or changed while it was opened", cause=error)
    if error.errno == errno.ENAMETOOLONG:
        return SourceNotFound("the name is longer than any file's", cause=error)
    if error.errno in (errno.ENXIO, errno.ENODEV, errno.EISDIR):
        return NotARegularFile("this is not a file (a socket, a device or a folder)", cause=error)
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return SourceNotFound("no such file", cause=error)
    return SourceNotFound(f"cannot be read ({os.strerror(error.errno or 0)})", cause=error)


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "device")


def _read_bounded(read_some: Callable[[int], bytes], limits: Limits) -> bytes:
    """Read to the end, but never more than one byte over the budget: sizes that a system reports may lie."""
    parts, size = [], 0
    while size <= limits.max_bytes:
        part = read_some(min(1 << 20, limits.max_bytes + 1 - size))
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
    raise SourceTooLarge(f"more than the budget of {limits.max_bytes:,} bytes; pass a larger one in `limits`")


def _from_file_object(file: Any, limits: Limits) -> bytes:
    """Read a binary file object from its start, and leave its position as it was (where it can be moved at all)."""

    def read_some(size: int) -> bytes:
        part = file.read(size)
        if not isinstance(part, (bytes, bytearray, memoryview)):
            raise BadEncoding(f"the file object gives {type(part).__name__}, not bytes; open it in mode 'rb'")
        return bytes(part)

    try:
        if not (callable(getattr(file, "seekable", None)) and file.seekable()):
            return _read_bounded(read_some, limits)
        position = file.tell()
        file.seek(0)
        try:
            return _read_bounded(read_some, limits)
        finally:
            file.seek(position)
    except MmkitError:
        raise
    except Exception as error:
        raise SourceNotFound(f"the file object cannot be read ({type(error).__name__})", cause=error) from error


# base64 text is a third longer than its bytes; a header of 200 characters holds any honest media type.
_DATA_URL = re.compile(r"data:([^,]{0,200}),", re.IGNORECASE)


def decode_data_url(url: str, limits: Limits = LIMITS) -> tuple[bytes, str]:
    """Decode `data:[<type>];base64,<payload>` (RFC 2397) strictly.

    Returns the bytes and the declared type in lower case. Python's lenient decoding would drop what it does
    not know ("aGVs!!bG8=" gives b"hello"), so two different URLs would be one picture.
    Raises BadEncoding, SourceTooLarge (before decoding), EmptyMedia.

    >>> decode_data_url("data:image/png;base64,aGVsbG8=")
    (b'hello', 'image/png')
    """
    found = _DATA_URL.match(url)
    if found is None:
        raise BadEncoding("a data URL without a comma between its type and its content")
    declared, *parameters = (part.strip().lower() for part in found.group(1).split(";"))
    if "base64" not in parameters:
        raise BadEncoding("a data URL that is not base64; write data:<type>;base64,<content>")
    length = len(url) - found.end()
    if not length:
        raise EmptyMedia("a data URL without content")
    _check_size(length // 4 * 3 - 2, limits)
    try:
        return base64.b64decode(url[found.end() :], validate=True), declared
    except (binascii.Error, ValueError) as error:
        raise BadEncoding(f"the base64 of this data URL is wrong: {_base64_hint(url[found.end() :])}") from error


def _base64_hint(text: str) -> str:
    if "-" in text or "_" in text:
        return "it uses the alphabet for URLs (- and _); use + and /"
    if re.search(r"\s", text):
        return "it holds spaces or line breaks; take them out"
    if len(text) % 4:
        return "its length is not a multiple of 4 (cut off, or = missing at its end)"
    return "it holds a character that is not base64"


def _from_url(url: str, root: Any, limits: Limits, fetch: Fetch | None) -> bytes:
    scheme = url.split(":", 1)[0].lower()
    if scheme == "file":
        return _from_file_url(url, root, limits)
    if fetch is None:
        raise SourceNotAllowed(f"a {scheme}: address is not opened; download it, or pass `fetch=`")
    if "://" not in url[: len(scheme) + 3]:
        raise SourceNotAllowed(f"a {scheme}: address is not opened, with or without `fetch=`")
    try:
        data = fetch(url)
    except MmkitError:
        raise
    except Exception as error:
        slow = isinstance(error, TimeoutError) or "timeout" in type(error).__name__.lower()
        kind, what = (FetchTimeout, "took too long") if slow else (FetchFailed, "failed")
        raise kind(f"`fetch` {what} ({type(error).__name__}{_status(error)})", cause=error) from error
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise FetchFailed(f"`fetch` gave {type(data).__name__}, not bytes")
    _check_size(len(data), limits)
    return bytes(data)


def _status(error: Exception) -> str:
    """The HTTP status that the usual libraries keep in their exceptions."""
    for holder in (error, getattr(error, "response", None)):
        for name in ("status_code", "status", "code"):
            value = getattr(holder, name, None)
            if isinstance(value, int):
                return f", status {value}"
    return ""


def _from_file_url(url: str, root: Any, limits: Limits) -> bytes:
    """A file: URL, only inside a root: `file:///path`, its %XX decoded once, and then judged as a path."""
    if root is None:
        raise SourceNotAllowed("a file: address is not opened without `root`; pass the path itself")
    found = re.fullmatch(r"file://(?:localhost)?(/[^?#]*)", url, re.IGNORECASE)
    if found is None:
        raise SourceNotAllowed("a file: address of another machine, or with a query, is not opened")
    return read_file(os.fsdecode(unquote_to_bytes(found.group(1))), root=root, limits=limits)


# --------------------------------------------------------------------------------------- what the bytes are


def _judge(data: bytes, name: str, modality: str | None, limits: Limits) -> Blob:
    """Find the format, walk the structure, keep the budgets."""
    format = sniff(data)
    found = MODALITY[format]
    if modality not in (None, found):
        if not (modality == "audio" and found == "video"):  # a video file may hold the sound that is asked for
            raise UnsupportedFormat(f"the content is {_a(found)} ({format}), not {_a(modality)}")
        found = "audio"
    header = inspect(data, format)
    notes = header.notes
    behind = len(data) - header.end
    if behind > 0:
        if not limits.trailing_bytes:
            raise CorruptMedia(f"{behind} bytes behind the end of this {format}")
        notes += (f"{behind} bytes behind the end of the {format} ignored",)
    check_header(header, found, limits)
    return Blob(data, name, format, found, notes, header)


def _a(modality: str | None) -> str:
    return {"image": "an image", "audio": "sound", "video": "a video"}.get(modality or "", str(modality))


def check_header(header: Header, modality: str, limits: Limits = LIMITS) -> None:
    """Compare what a header declares with the budgets, before anything is decoded.

    Raises DecodedTooLarge, BadSampleRate, TooManyChannels.
    """
    if modality != "audio":  # of pictures, where the header tells; image.decode checks all again
        check_pixels(header.width, header.height, limits)
    if modality == "video" and header.frames > limits.max_frames:
        raise DecodedTooLarge(
            f"{header.frames:,} frames are over the budget of {limits.max_frames:,}; cut the video"
        )
    if modality == "audio" and header.sample_rate:
        check_samples(header.samples, header.channels, header.sample_rate, limits)


def check_pixels(width: int, height: int, limits: Limits = LIMITS) -> None:
    """Raise DecodedTooLarge if a picture has more pixels than the budget.

    >>> check_pixels(50_000, 50_000)
    Traceback (most recent call last):
    ...
    mmkit.errors.DecodedTooLarge: 50000 x 50000 pixels are over the budget of 40,000,000; shrink it first, or ...
    """
    if width * height > limits.max_pixels:
        budget = f"{limits.max_pixels:,}; shrink it first, or pass a larger budget in `limits`"
        raise DecodedTooLarge(f"{width} x {height} pixels are over the budget of {budget}")


def check_samples(samples: int, channels: int, sample_rate: int, limits: Limits = LIMITS) -> None:
    """Raise if sound has a rate that no sound has, too many channels, or more samples than the budget.

    samples: per channel; 0 if unknown.  The budget is of samples, not of seconds: a forged rate cannot hide them.
    """
    low, high = limits.min_sample_rate, limits.max_sample_rate
    if not low <= sample_rate <= high:
        raise BadSampleRate(f"a sample rate of {sample_rate} Hz is outside of {low} to {high} Hz")
    if channels > limits.max_channels:
        raise TooManyChannels(f"{channels} channels are over the limit of {limits.max_channels}")
    if samples * channels > limits.max_samples:
        what = f"{samples:,} samples of {channels} channels" if channels > 1 else f"{samples:,} samples"
        raise DecodedTooLarge(f"{what} are over the budget of {limits.max_samples:,}; cut the sound first")


def _compare_with_name(blob: Blob, source: Any, declared: str) -> Blob:
    """Remark on a file name or a declared media type that says something else than the content."""
    if declared:
        kind, _, subtype = declared.partition("/")
        if kind in ("image", "audio", "video") and kind != MODALITY[blob.format] and kind != blob.modality:
            raise UnsupportedFormat(f"the data URL says {declared} and holds {blob.format}")
        promised = EXTENSIONS.get(subtype.removeprefix("x-").removeprefix("vnd."), "")
        promised = {"mpeg": "mp3", "wave": "wav", "quicktime": "mov", "matroska": "mkv"}.get(subtype, promised)
        where = f"declared {declared}"
    else:
        name = source if isinstance(source, (str, os.PathLike)) else getattr(source, "name", "")
        text = os.fsdecode(name) if isinstance(name, (str, bytes, os.PathLike)) else ""
        extension = os.path.splitext(text)[1][1:].lower()
        promised, where = EXTENSIONS.get(extension, ""), f"named .{ascii(extension)[1:-1]}"
    family = {"mov": "mp4", "m4a": "mp4", "webm": "mkv"}
    if promised and family.get(promised, promised) != family.get(blob.format, blob.format):
        note = f"{where}, but the content is {blob.format}"
        return Blob(blob.data, blob.label, blob.format, blob.modality, (note, *blob.notes), blob.header)
    return blob


# ------------------------------------------------------------------------------------ the name of a clean value


def content_key(modality: str, values: Any, *facts: Any) -> str:
    """A name for a clean value: the same picture has the same key, whatever file it came from.

    values: a C-contiguous numpy array.  facts: what else tells two values apart (a sample rate, frame times).
    Shape and type are hashed with the bytes; without them a 2 x 8 picture would be taken for a 4 x 4 one
    (CVE-2025-46722).  Returns 40 hexadecimal digits (BLAKE2b, 160 bits).
    """
    digest = hashlib.blake2b(digest_size=20)
    digest.update(repr((modality, values.shape, values.dtype.str, facts)).encode())
    digest.update(memoryview(values).cast("B") if values.size else b"")
    return digest.hexdigest()
