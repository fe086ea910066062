"""Sources: rows out of whatever holds them, one at a time.

    rows.jsonl            a line is a row: {"id": ..., "text": ..., "images": [...], "audios": [], "videos": []}
    rows.parquet          a row is a row: columns of the same names; media as paths or as encoded bytes
    shard.tar, .tar.gz    members of one key are a row: 7.png, 7.wav, 7.txt (its text), 7.json (its fields); id "7"
    a folder              files of one key are a row, by the same rule; or all its .jsonl, .parquet and .tar shards
    an iterable of dicts  a dict is a row; media as MultiModalSample takes them

    source -> parts (each read by itself, by any worker) -> Row (an id, and a sample or a typed error)

Follows WebDataset's rule for tar: the key is the member's name up to the first dot of its last part. Nothing is
held but the row at hand; a broken row is a row with an error, never the end of the run, and where an archive breaks
off the last row says so.
Leaves out writing (rows.py), and members whose kind is none of ours: labels and the like.
"""

from __future__ import annotations

import gzip
import json
import os
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Protocol

from mmkit.containers import EXTENSIONS, MODALITY
from mmkit.errors import (
    BackendMissing,
    BadEncoding,
    CorruptMedia,
    MmkitError,
    NotARegularFile,
    SourceTooLarge,
    TruncatedMedia,
    UnsupportedFormat,
    label,
)
from mmkit.media import LIMITS, is_url, read_file
from mmkit.samples import MultiModalSample
from mmkit.text import clean_text

FIELDS = {"images": "image", "audios": "audio", "videos": "video"}
MISTAKEN = {"image": "images", "audio": "audios", "video": "videos", "question": "text", "prompt": "text"}
MAX_LINE = 512 << 20  # bytes: room for a few media files as data: URLs
TAR = (".tar", ".tar.gz", ".tgz")
SHARDS = (".jsonl", ".parquet", *TAR)


@dataclass(frozen=True)
class Row:
    """One row of a source: its id (None where it has none), and a sample or an error."""

    id: Any
    sample: MultiModalSample | MmkitError


class Part(Protocol):
    """A piece of a source: small, picklable, and read without the others."""

    def rows(self, text: str) -> Iterator[Row]:
        """Its rows, in order.  text: the question of a row that has none."""
        ...

    def count(self) -> int | None:
        """How many they are, where that can be told without reading its media."""
        ...


def read_rows(source: Any, *, text: str = "") -> Iterator[Row]:
    """The rows of a source, in order; an id that was used before is an error on the repeat.

    source: a path, or an iterable of dicts.  text: the question of a row that has none.
    Raises OSError where the source itself cannot be read, BackendMissing where Parquet needs pyarrow.
    """
    seen = set()
    for part in parts(source):
        for row in part.rows(text):
            key = hash(json.dumps(row.id, sort_keys=True))
            repeated = row.id is not None and key in seen
            seen.add(key)
            yield Row(row.id, repeated_id(row.id)) if repeated else row


def repeated_id(id: Any) -> MmkitError:
    """The error of the second row of an id."""
    return BadEncoding(f"id {json.dumps(id)[:60]} was used before; ids are unique")


def parts(source: Any, *, max_rows: int | None = None) -> Iterator[Part]:
    """The pieces of a source, in order: of at most about `max_rows` rows where it can be cut without being read.

    A tar archive cannot, and is a piece.  Raises OSError, BackendMissing.
    """
    if not isinstance(source, (str, os.PathLike)):
        yield from dict_parts(source, max_rows)
        return
    path = Path(source)
    if path.is_dir():
        shards = sorted(str(p) for p in path.iterdir() if p.name.lower().endswith(SHARDS))
        yield from (part for shard in shards for part in parts(shard, max_rows=max_rows))
        if not shards:
            yield from folder_parts(path, max_rows)
        return
    folder_of(path)  # raises here, before a run has begun
    name = path.name.lower()
    if name.endswith(TAR):
        yield Shard(str(path))
    elif name.endswith(".parquet"):
        yield from parquet_parts(path)
    else:
        yield from line_parts(path, max_rows)


def folder_of(source: str | os.PathLike) -> Path:
    """The folder that a source's rows may read unless more is opened: itself, or the one that it lies in.

    Raises OSError where the source cannot be read.
    """
    path = Path(source).resolve()
    if path.is_dir():
        return path
    with path.open("rb"):
        return path.parent


def count_rows(source: Any) -> int | None:
    """How many rows a source holds, where that can be told without reading its media; else None."""
    counts = [part.count() for part in parts(source)]
    return None if None in counts else sum(count for count in counts if count is not None)


# ------------------------------------------------------------------------------------------------ what a row holds


def sample_of(fields: dict, folder: Path, text: str = "") -> MultiModalSample:
    """The sample of a row's fields; paths resolve against `folder`.  Raises BadEncoding for a wrong field."""
    for wrong, right in MISTAKEN.items():
        if wrong in fields:
            raise BadEncoding(f'"{wrong}" is not a field of a row; it is "{right}"')
    text = fields.get("text", text)
    if not isinstance(text, str):
        raise BadEncoding(f"text is a {type(text).__name__}, not a string", modality="text")
    clean_text(text, max_characters=len(text))  # half characters are told here, with the row's id
    items = {}
    for name, modality in FIELDS.items():
        sources = fields.get(name, [])
        if not isinstance(sources, (list, tuple)) or any(isinstance(s, _NO_SOURCE) for s in sources):
            raise BadEncoding(f"{name} is not a list of strings", modality=modality)
        items[name] = tuple(_resolved(source, folder) for source in sources)
    return MultiModalSample(text=text, **items)


_NO_SOURCE = (type(None), bool, int, float, dict)  # what JSON and Parquet hold beside strings and bytes


def _resolved(source: Any, folder: Path) -> Any:
    if not isinstance(source, str) or not source or is_url(source):
        return source
    return str(folder / source)


def row_of(fields: Any, folder: Path, text: str, where: str, id: Any = None) -> Row:
    """A row of its fields, whatever they are.  where: of an error without an id.  id: of a row that states none."""
    if not isinstance(fields, dict):
        return Row(id, BadEncoding(f"{where} is a {type(fields).__name__}, not an object"))
    id = fields.get("id", id)
    try:
        json.dumps(id, allow_nan=False)
    except (TypeError, ValueError) as error:
        return Row(None, BadEncoding(f"{where}: its id is a {type(id).__name__} that JSON has not", cause=error))
    try:
        return Row(id, sample_of(fields, folder, text))
    except MmkitError as error:
        return Row(id, error)


# ----------------------------------------------------------------------------------------------------------- JSONL


@dataclass(frozen=True)
class Lines:
    """Lines of a JSONL file: from byte `start`, which is line `first`; `number` of them, or all."""

    path: str
    start: int = 0
    first: int = 1
    number: int | None = None

    def rows(self, text: str) -> Iterator[Row]:
        folder = Path(self.path).resolve().parent
        for number, line in self._numbered():
            yield read_row(line, number, folder, text)

    def count(self) -> int:
        return sum(1 for _ in self._numbered())

    def _numbered(self) -> Iterator[tuple[int, bytes]]:
        with open(self.path, "rb") as file:
            file.seek(self.start)
            for number, line in enumerate(islice(_lines(file), self.number), self.first):
                if line.strip():
                    yield number, line


def line_parts(path: Path, max_rows: int | None) -> Iterator[Part]:
    """So many lines each."""
    if max_rows is None:
        yield Lines(str(path))
        return
    with path.open("rb") as file:
        start, first = 0, 1
        while number := sum(1 for _ in islice(_lines(file), max_rows)):
            yield Lines(str(path), start, first, number)
            start, first = file.tell(), first + number


def _lines(file: Any) -> Iterator[bytes]:
    """The lines of a file; of one that is longer than any row only the beginning, so that memory stays bounded."""
    while line := file.readline(MAX_LINE + 1):
        rest = line
        while len(rest) > MAX_LINE and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE + 1)
        yield line


def read_row(line: bytes, number: int, folder: Path, text: str = "") -> Row:
    """One line as a row; paths resolve against `folder`."""
    if len(line) > MAX_LINE:
        return Row(None, SourceTooLarge(f"line {number} is longer than {MAX_LINE:,} bytes; name files instead"))
    try:
        fields = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        return Row(None, BadEncoding(f"line {number} is not JSON: {reason(error)}", cause=error))
    return row_of(fields, folder, text, f"line {number}")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


def reason(error: Exception) -> str:
    """What the json module says, without the payload."""
    return str(getattr(error, "msg", None) or type(error).__name__)


# --------------------------------------------------------------------------------------------------------- Parquet


@dataclass(frozen=True)
class RowGroup:
    """One row group of a Parquet file, of `number` rows; read in batches of 64."""

    path: str
    group: int
    number: int

    def count(self) -> int:
        return self.number

    def rows(self, text: str) -> Iterator[Row]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        folder, done = Path(self.path).resolve().parent, 0
        try:
            with pq.ParquetFile(self.path, page_checksum_verification=True) as file:
                for batch in file.iter_batches(batch_size=64, row_groups=[self.group]):
                    for fields in batch.to_pylist():
                        given = {name: value for name, value in fields.items() if value is not None}
                        yield row_of(given, folder, text, f"row {done} of row group {self.group}")
                        done += 1
        except (pa.ArrowException, OSError) as error:
            broken = CorruptMedia(
                f"row group {self.group} cannot be read: {reason(error)}", source=label(self.path)
            )
            yield from (Row(None, broken) for _ in range(self.number - done))


@dataclass(frozen=True)
class Unreadable:
    """A file that cannot be read at all: one row, which says why."""

    error: MmkitError

    def rows(self, text: str) -> Iterator[Row]:
        yield Row(None, self.error)

    def count(self) -> int:
        return 1


def parquet_parts(path: Path) -> Iterator[Part]:
    """A row group each.  Raises BackendMissing without pyarrow."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise BackendMissing("Parquet is read by pyarrow: pip install pyarrow", cause=error) from error
    try:
        with pq.ParquetFile(path) as file:
            numbers = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    except (pa.ArrowException, OSError) as error:
        yield Unreadable(CorruptMedia(f"no Parquet file: {type(error).__name__}", source=label(path), cause=error))
        return
    yield from (RowGroup(str(path), group, number) for group, number in enumerate(numbers))


# -------------------------------------------------------------------------------------------------- tar and folders


@dataclass(frozen=True)
class Member:
    """A file of a row: its key, its name behind the key's dot, and its content, a path, or why there is none."""

    key: str
    ending: str
    content: bytes | str | MmkitError


def key_of(name: str) -> tuple[str, str]:
    """WebDataset's rule: (key, ending) of a member's name.

    >>> key_of("train/0001.left.png"), key_of("README")
    (('train/0001', 'left.png'), ('README', ''))
    """
    folder, slash, base = name.rpartition("/")
    stem, _, ending = base.partition(".")
    return folder + slash + stem, ending.lower()


def grouped(members: Iterable[Member], folder: Path, text: str) -> Iterator[Row]:
    """A row for each run of members of one key."""
    for key, group in groupby(members, key=lambda member: member.key):
        try:
            fields, used = _fields(group, folder)
        except MmkitError as error:
            yield Row(key, error)
            continue
        if used:
            yield row_of(fields, folder, text, key, id=key)
        else:
            yield Row(key, UnsupportedFormat("none of its files is a text, a picture, a sound or a video"))


def _fields(members: Iterable[Member], root: Path) -> tuple[dict[str, Any], bool]:
    """The fields that a row's members give, and whether any of them is of use.  Raises the error of a member."""
    fields: dict[str, Any] = {}
    media: dict[str, list] = {name: [] for name in FIELDS}
    failed, used = None, False
    for member in members:
        if isinstance(member.content, MmkitError):
            failed = failed or member.content
            continue
        suffix = member.ending.rpartition(".")[2]
        modality = MODALITY.get(EXTENSIONS.get(suffix, ""))
        used = used or suffix in ("json", "txt") or modality is not None
        if suffix == "json":
            fields.update(_json(_bytes(member, root)))
        elif suffix == "txt":
            fields["text"] = clean_text(_bytes(member, root)).text
        elif modality is not None:
            media[f"{modality}s"].append(member.content)
    if failed is not None:
        raise failed
    for name, items in media.items():
        if items:
            fields[name] = [*fields.get(name, []), *items]
    return fields, used


def _bytes(member: Member, root: Path) -> bytes:
    return member.content if isinstance(member.content, bytes) else read_file(str(member.content), root=root)


def _json(data: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadEncoding(f"its .json is not JSON: {reason(error)}", cause=error) from error
    if not isinstance(fields, dict):
        raise BadEncoding(f"its .json is a {type(fields).__name__}, not an object")
    return fields


@dataclass(frozen=True)
class Shard:
    """A tar archive, read from front to back without unpacking; each row's members are held while it is made."""

    path: str

    def rows(self, text: str) -> Iterator[Row]:
        yield from grouped(self._members(), Path(self.path).resolve().parent, text)

    def count(self) -> None:
        return None

    def _members(self) -> Iterator[Member]:
        key, ending = label(self.path), ""
        try:
            with (
                gzip.open(self.path) if self.path.lower().endswith("gz") else open(self.path, "rb") as file,
                tarfile.open(fileobj=file, mode="r|", tarinfo=StrictHeader) as tar,  # type: ignore[arg-type]
            ):
                for header in tar:
                    tar.members.clear()  # type: ignore[attr-defined]  (it would keep them all)
                    if header.isdir() or header.name.rpartition("/")[2].startswith("."):
                        continue
                    key, ending = key_of(header.name)
                    yield Member(key, ending, _content(tar, header))
                while rest := tar.fileobj.read(1 << 16):  # type: ignore[union-attr]  (to gzip's checksum)
                    if rest.strip(b"\0"):
                        raise tarfile.ReadError("something lies behind its end")
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            why = f"the archive breaks off here ({error}); rows behind this one are lost: make it anew"
            yield Member(key, ending, TruncatedMedia(why, source=label(self.path), cause=error))


class StrictHeader(tarfile.TarInfo):
    """A member's header; where it is cut or damaged, or none says the end, an error: tarfile would just stop."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> tarfile.TarInfo:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error


def _content(tar: tarfile.TarFile, header: tarfile.TarInfo) -> bytes | MmkitError:
    """The bytes of a member, or why it may not be read."""
    if header.size > LIMITS.max_bytes:
        return SourceTooLarge(f"a member of more than the budget of {LIMITS.max_bytes:,} bytes")
    file = tar.extractfile(header) if header.isreg() else None
    if file is None:
        return NotARegularFile("a member that is a link or a device, not a file")
    return file.read()


@dataclass(frozen=True)
class Files:
    """Some files of a folder, named relative to it, those of one key together."""

    folder: str
    names: tuple[str, ...]

    def rows(self, text: str) -> Iterator[Row]:
        yield from grouped(self._members(), Path(self.folder), text)

    def count(self) -> int:
        return len({key_of(name)[0] for name in self.names})

    def _members(self) -> Iterator[Member]:
        for name in self.names:
            yield Member(*key_of(name), os.path.join(self.folder, name))


def folder_parts(folder: Path, max_rows: int | None) -> Iterator[Part]:
    """So many keys each, in the order of their names; hidden files are left out."""
    names = sorted(_names(folder.resolve()), key=lambda name: (*key_of(name), name))
    keys = iter([tuple(group) for _, group in groupby(names, key=lambda name: key_of(name)[0])])
    while group := list(islice(keys, max_rows)):
        yield Files(str(folder.resolve()), tuple(name for names in group for name in names))


def _names(folder: Path) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        relative = Path(place).relative_to(folder)
        yield from ((relative / name).as_posix() for name in names if not name.startswith("."))


# ------------------------------------------------------------------------------------------------------- iterables


@dataclass(frozen=True)
class Dicts:
    """Rows that the caller made; the first of them is number `first`, paths resolve against the working folder."""

    given: Iterable[Any]
    first: int = 0

    def rows(self, text: str) -> Iterator[Row]:
        folder = Path.cwd()
        for number, fields in enumerate(self.given, self.first):
            yield row_of(fields, folder, text, f"row {number}")

    def count(self) -> int | None:
        return len(self.given) if isinstance(self.given, Sized) else None


def dict_parts(rows: Iterable[Any], max_rows: int | None) -> Iterator[Part]:
    """All rows in one piece, or so many in each."""
    if max_rows is None:
        yield Dicts(rows)
        return
    first, waiting = 0, iter(rows)
    while group := tuple(islice(waiting, max_rows)):
        yield Dicts(group, first)
        first += len(group)
