"""Rows: samples in and results out, one JSON object a line.

    {"id": ..., "text": ..., "images": [...], "audios": [...], "videos": [...]}  ->  MultiModalSample
    Answer | MmkitError  ->  {"id": ..., "answer": ...} | {"id": ..., "error": {"type": ..., "message": ...}}

    read_rows -> validate_rows   `mmkit check`: notes, typed errors and tokens, without an engine
    read_rows -> answer_rows     `mmkit answer`: answers, kept in a journal, from which a killed run resumes

Read by the standard json module, one line at a time: a file of any length fits in memory. A bad row is a row with
an error, never the end of the run. Leaves out other formats (CSV, Parquet).
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mmkit.batch import in_threads, map_ordered
from mmkit.errors import BadEncoding, MmkitError, SourceNotAllowed, SourceTooLarge
from mmkit.media import is_url
from mmkit.preprocessor import MultiModalPreprocessor
from mmkit.samples import MultiModalSample
from mmkit.text import clean_text

FIELDS = {"images": "image", "audios": "audio", "videos": "video"}
MISTAKEN = {"image": "images", "audio": "audios", "video": "videos", "question": "text", "prompt": "text"}
MAX_LINE = 512 << 20  # bytes: room for a few media files as data: URLs


@dataclass(frozen=True)
class Row:
    """One line of the input: its id (None where the line has none), and a sample or an error."""

    id: Any
    sample: MultiModalSample | MmkitError


# ---------------------------------------------------------------------------------------------- reading


def read_rows(path: str | os.PathLike) -> Iterator[Row]:
    """The rows of a JSONL file, in order.  Raises OSError where the file itself cannot be read."""
    folder = Path(path).resolve().parent
    seen = set()
    with open(path, "rb") as file:
        for number, line in enumerate(_lines(file), 1):
            if not line.strip():
                continue
            row = read_row(line, number, folder)
            key = json.dumps(row.id, sort_keys=True)
            if row.id is not None and key in seen:
                row = Row(row.id, BadEncoding(f"line {number}: id {key[:60]} was used before; ids are unique"))
            seen.add(key)
            yield row


def _lines(file: Any) -> Iterator[bytes]:
    """The lines of a file; of one that is longer than any row only the beginning, so that memory stays bounded."""
    while line := file.readline(MAX_LINE + 1):
        rest = line
        while len(rest) > MAX_LINE and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE + 1)
        yield line


def read_row(line: bytes, number: int, folder: Path) -> Row:
    """One line as a row; paths resolve against `folder`."""
    if len(line) > MAX_LINE:
        return Row(None, SourceTooLarge(f"line {number} is longer than {MAX_LINE:,} bytes; name files instead"))
    try:
        fields = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        return Row(None, BadEncoding(f"line {number} is not JSON: {reason(error)}", cause=error))
    if not isinstance(fields, dict):
        return Row(None, BadEncoding(f"line {number} is a JSON {type(fields).__name__}, not an object"))
    try:
        return Row(fields.get("id"), sample_of(fields, folder))
    except MmkitError as error:
        return Row(fields.get("id"), error)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


def sample_of(fields: dict, folder: Path) -> MultiModalSample:
    """The sample of a row's fields.  Raises BadEncoding where a field is not what it should be."""
    for wrong, right in MISTAKEN.items():
        if wrong in fields:
            raise BadEncoding(f'"{wrong}" is not a field of a row; it is "{right}"')
    text = fields.get("text", "")
    if not isinstance(text, str):
        raise BadEncoding(f"text is a {type(text).__name__}, not a string", modality="text")
    clean_text(text, max_characters=len(text))  # half characters are told here, with the row's id
    items = {}
    for name, modality in FIELDS.items():
        sources = fields.get(name, [])
        if not isinstance(sources, list) or not all(isinstance(s, str) for s in sources):
            raise BadEncoding(f"{name} is not a list of strings", modality=modality)
        items[name] = tuple(s if not s or is_url(s) else str(folder / s) for s in sources)
    return MultiModalSample(text=text, **items)


def reason(error: Exception) -> str:
    """What the json module says, without the payload."""
    return str(getattr(error, "msg", None) or type(error).__name__)


# ---------------------------------------------------------------------------------------------- writing


def result_row(id: Any, result: Any) -> dict[str, Any]:
    """The output row of one result: an Answer or a typed error.

    >>> result_row(7, BadEncoding("line 7 is not JSON"))
    {'id': 7, 'error': {'type': 'BadEncoding', 'message': 'line 7 is not JSON'}}
    """
    if isinstance(result, MmkitError):
        return {"id": id, "error": result.as_row()}
    return {"id": id, "answer": result.text}


def dump(row: dict[str, Any]) -> str:
    r"""A row as one line of JSON that is always valid UTF-8: text as it is, half characters escaped.

    >>> dump({"id": "数据"}), dump({"id": "\ud800"})
    ('{"id": "数据"}', '{"id": "\\ud800"}')
    """
    line = json.dumps(row, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:
        return json.dumps(row)
    return line


def write_whole(path: Path, lines: Iterable[str]) -> None:
    """Write a file so that at any time there is either the old one or the whole new one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


# --------------------------------------------------------------------------------------------- judging


def validate_rows(
    rows: Iterable[Row], judge: MultiModalPreprocessor | ItemJudge, *, workers: int = 2, progress: bool = False
) -> Iterator[dict[str, Any]]:
    """What `mmkit check` says of each row: {"id", "tokens", "notes"} or {"id", "error"}, in order.

    judge: a preprocessor, which also counts tokens and the context; or an ItemJudge, without a model.
    Each item is decoded whole, so what passes here passes the engine's reading, too.
    """
    ids: deque[Any] = deque()

    def samples() -> Iterator[MultiModalSample | MmkitError]:
        for row in rows:
            ids.append(row.id)
            yield row.sample

    counts = isinstance(judge, MultiModalPreprocessor)
    function = in_threads(judge, "to_prompt", workers) if counts else judge
    for result in map_ordered(function, samples(), workers=workers, progress=progress):
        id = ids.popleft()
        if isinstance(result, MmkitError):
            yield {"id": id, "error": result.as_row()}
        else:
            tokens = result.cost.total if result.cost else None
            yield {"id": id, "tokens": tokens, "notes": list(result.notes)}


@dataclass(frozen=True)
class Judged:
    """What can be said of a sample without a model: notes, and no cost."""

    notes: tuple[str, ...]
    cost: None = None


@dataclass(frozen=True)
class ItemJudge:
    """Judges each item of a sample by itself.  root: the folder outside which no path is read."""

    root: Path | None = None

    def __call__(self, sample: MultiModalSample) -> Judged:
        """Load every item and clean the text.  Raises a typed error that names the item."""
        from mmkit.audio import load_audio
        from mmkit.image import load_image
        from mmkit.video import load_video

        notes = [f"text: {note}" for note in clean_text(sample.text).notes]
        for modality, load in (("image", load_image), ("audio", load_audio), ("video", load_video)):
            for index, source in enumerate(sample.items(modality)):
                try:
                    found = load(source, root=self.root).notes
                except MmkitError as error:
                    raise error.at(index=index, modality=modality) from error.cause
                notes += [f"{modality} {index}: {note}" for note in found]
        return Judged(tuple(notes))


# -------------------------------------------------------------------------------------------- answering


def answer_rows(
    source: Path, target: Path, engine: Any, *, max_tokens: int = 64, fresh: bool = False, progress: bool = False
) -> tuple[int, int, int]:
    """Answer the rows of a file into another; returns (rows, errors, rows kept from an earlier run).

    Each answer goes to a journal beside the target as soon as it is there. A run that was killed, even by
    kill -9, resumes from the journal: rows that were answered by the same model, with the same content, are kept;
    error rows are tried again. The target itself is written at the end, whole and in order.
    Raises SourceNotAllowed where source and target are one file, or another run writes the same target.
    """
    if target.exists() and os.path.samefile(source, target):
        raise SourceNotAllowed("the rows would be overwritten by their answers; name another file")
    lines: list[str] = []
    waiting: deque[tuple[int, str, Any]] = deque()
    errors = kept = 0
    with Journal(target.with_name(target.name + ".journal"), fresh=fresh) as journal:
        model = model_signature(engine.model)

        def pending() -> Iterator[MultiModalSample | MmkitError]:
            nonlocal kept
            for row in read_rows(source):
                key = row_key(row, model, max_tokens)
                found = journal.get(key)
                lines.append(found or "")
                if found:
                    kept += 1
                    continue
                waiting.append((len(lines) - 1, key, row.id))
                yield row.sample

        results = engine.answers(pending(), max_tokens=max_tokens)
        for result in _with_bar(results, source) if progress else results:
            position, key, id = waiting.popleft()
            lines[position] = dump(result_row(id, result))
            if isinstance(result, MmkitError):
                errors += 1
            else:
                journal.add(key, lines[position])
        write_whole(target, lines)
    return len(lines), errors, kept


def _with_bar(results: Iterator[Any], source: Path) -> Iterator[Any]:
    from tqdm import tqdm

    with open(source, "rb") as file:
        total = sum(1 for line in file if line.strip())
    return iter(tqdm(results, total=total, unit="row", disable=None))


def lock(file: BinaryIO) -> None:
    """Lock a file for this process alone, until it is closed.  Raises OSError where another one holds it."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(1 << 40)  # locked bytes cannot be read there, so one that is far behind the last
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Journal:
    """Answers that are done, by key, in a file that only grows: one line each, flushed when it is written.

    A line that was cut off by a kill is dropped. One process at a time (SourceNotAllowed for a second).
    """

    def __init__(self, path: Path, *, fresh: bool = False):
        self._file = open(path, "a+b")  # noqa: SIM115  (closed by __exit__)
        try:
            lock(self._file)
        except OSError as error:
            self._file.close()
            raise SourceNotAllowed("another run writes these answers; wait for it", cause=error) from error
        if fresh:
            self._file.truncate(0)
        self._done = self._read()

    def _read(self) -> dict[str, str]:
        done: dict[str, str] = {}
        self._file.seek(0)
        whole = 0
        for line in self._file:
            try:
                entry = json.loads(line)
                done[entry["key"]] = dump(entry["row"])
            except (ValueError, TypeError, KeyError):
                pass  # damaged: that row is answered again
            if line.endswith(b"\n"):
                whole += len(line)
        self._file.truncate(whole)
        self._file.seek(0, os.SEEK_END)
        return done

    def get(self, key: str) -> str | None:
        """The output line of a key, if it is done."""
        return self._done.get(key)

    def add(self, key: str, line: str) -> None:
        """Keep an output line."""
        self._done[key] = line
        self._file.write(b'{"key": "%s", "row": %s}\n' % (key.encode(), line.encode()))
        self._file.flush()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *failure: object) -> None:
        self._file.close()


def row_key(row: Row, model: str, max_tokens: int) -> str:
    """What a row's answer depends on: the model, the row's content, and its files' sizes and times of change."""
    sample = row.sample
    if isinstance(sample, MmkitError):
        content: Any = "error"
    else:
        sources = [sample.items(modality) for modality in ("image", "audio", "video")]
        content = [sample.text, sources, [[_file_state(s) for s in group] for group in sources]]
    whole = json.dumps([model, max_tokens, row.id, content], sort_keys=True)
    return hashlib.blake2b(whole.encode(), digest_size=16).hexdigest()


def _file_state(source: str) -> list[int] | None:
    if is_url(source):
        return None
    try:
        state = os.stat(source)
    except (OSError, ValueError):
        return None
    return [state.st_size, state.st_mtime_ns]


def model_signature(model: str) -> str:
    """What tells one model from another: names, sizes, beginnings and ends of its files; else its hub name."""
    digest = hashlib.blake2b(model.encode() if not os.path.isdir(model) else b"", digest_size=16)
    if os.path.isdir(model):
        for path in sorted(Path(model).iterdir()):
            if path.suffix not in (".json", ".safetensors", ".jinja", ".txt", ".model"):
                continue
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                digest.update(f"{path.name} {size} ".encode())
                for start in (0, max(0, size - (1 << 16))):
                    file.seek(start)
                    digest.update(file.read(1 << 16))
    return digest.hexdigest()
