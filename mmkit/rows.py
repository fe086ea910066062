"""Rows: samples in and results out, one JSON object a line.

    Answer | MmkitError  ->  {"id": ..., "answer": ...} | {"id": ..., "error": {"type": ..., "message": ...}}

    sources.read_rows -> validate_rows   `mmkit check`: notes, typed errors and tokens, without an engine
    sources.read_rows -> answer_rows     `mmkit answer`: answers, kept in a journal, from which a killed run resumes

One row is held at a time, so that a source of any length fits in memory. Leaves out reading (sources.py), and many
machines (scale).
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mmkit.batch import in_threads, map_ordered
from mmkit.errors import MmkitError, SourceNotAllowed
from mmkit.media import is_url
from mmkit.preprocessor import MultiModalPreprocessor
from mmkit.samples import MultiModalSample
from mmkit.sources import Row, count_rows, read_rows
from mmkit.text import clean_text

# ---------------------------------------------------------------------------------------------- writing


def result_row(id: Any, result: Any) -> dict[str, Any]:
    """The output row of one result: an Answer or a typed error.

    >>> from mmkit.errors import BadEncoding
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


@dataclass
class Counts:
    """How many rows a run has seen: all, with an error, and kept from an earlier run."""

    rows: int = 0
    errors: int = 0
    kept: int = 0


class Kept(MmkitError):
    """An answer of an earlier run on its way through an engine, which hands errors back in their places."""


def answer_rows(
    source: Any,
    target: Path,
    engine: Any,
    *,
    text: str = "",
    max_tokens: int = 64,
    fresh: bool = False,
    progress: bool = False,
) -> Counts:
    """Answer the rows of a source (see sources.py) into a JSONL file.

    engine: an Engine, a Client, or whatever has their `answers` and `model`.  text: the question of a row without.
    Each answer goes to a journal beside the target as soon as it is there. A run that was killed, even by
    kill -9, resumes from the journal: rows that were answered by the same model, with the same content, are kept;
    error rows are tried again. The target itself appears at the end, whole and in order.
    Raises SourceNotAllowed where source and target are one file, or another run writes the same target.
    """
    check_target(source, target)
    counts = Counts()
    with Journal(journal_of(target), fresh=fresh) as journal:
        model = model_signature(engine.model)
        waiting: deque[tuple[str, Any]] = deque()

        def pending() -> Iterator[MultiModalSample | MmkitError]:
            for row in read_rows(source, text=text):
                key = row_key(row, model, max_tokens)
                waiting.append((key, row.id))
                yield Kept("done") if key in journal else row.sample

        def lines() -> Iterator[str]:
            results = engine.answers(pending(), max_tokens=max_tokens)
            for result in with_bar(results, source) if progress else results:
                key, id = waiting.popleft()
                line = None if isinstance(result, Kept) else dump(result_row(id, result))
                yield journal.settle(key, line, isinstance(result, MmkitError), counts)

        write_whole(target, lines())
    return counts


def check_target(source: Any, target: Path) -> None:
    """Raise SourceNotAllowed where the answers would overwrite the rows."""
    named = isinstance(source, (str, os.PathLike))
    if named and os.path.exists(source) and target.exists() and os.path.samefile(source, target):
        raise SourceNotAllowed("the rows would be overwritten by their answers; name another file")


def journal_of(target: Path) -> Path:
    """Where the answers of a target are kept until it is whole."""
    return target.with_name(target.name + ".journal")


def with_bar(results: Iterable[Any], source: Any) -> Iterator[Any]:
    """The same results, with a bar on stderr."""
    from tqdm import tqdm

    return iter(tqdm(results, total=count_rows(source), unit="row", disable=None))


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

    In memory is where each line of an earlier run begins, not the line. A line that was cut off by a kill is
    dropped. One process at a time (SourceNotAllowed for a second).
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

    def _read(self) -> dict[str, int]:
        done: dict[str, int] = {}
        self._file.seek(0)
        whole = 0
        for line in self._file:
            try:
                entry = json.loads(line)
                dump(entry["row"])
                done[entry["key"]] = whole
            except (ValueError, TypeError, KeyError):
                pass  # damaged: that row is answered again
            if line.endswith(b"\n"):
                whole += len(line)
        self._file.truncate(whole)
        self._file.seek(0, os.SEEK_END)
        return done

    def __contains__(self, key: str) -> bool:
        return key in self._done

    def keys(self) -> Iterable[str]:
        """What was done when the journal was opened."""
        return self._done.keys()

    def get(self, key: str) -> str | None:
        """The output line of a key, if it was done when the journal was opened."""
        if key not in self._done:
            return None
        self._file.seek(self._done[key])
        return dump(json.loads(self._file.readline())["row"])

    def add(self, key: str, line: str) -> None:
        """Keep an output line."""
        self._file.write(b'{"key": "%s", "row": %s}\n' % (key.encode(), line.encode()))
        self._file.flush()

    def settle(self, key: str, line: str | None, failed: bool, counts: Counts) -> str:
        """The output line of a row, counted: a new answer is kept, an error is not, None is one from before."""
        counts.rows += 1
        if line is None:
            counts.kept += 1
            return self.get(key) or ""
        if failed:
            counts.errors += 1
        else:
            self.add(key, line)
        return line

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *failure: object) -> None:
        self._file.close()


def row_key(row: Row, *asked: str | int) -> str:
    """What a row's answer depends on: what was asked (the model, max_tokens), its content, its files' states."""
    sample = row.sample
    if isinstance(sample, MmkitError):
        content: Any = "error"
    else:
        sources = [[_content(s) for s in sample.items(modality)] for modality in ("image", "audio", "video")]
        content = [sample.text, sources]
    whole = json.dumps([*asked, row.id, content], sort_keys=True)
    return hashlib.blake2b(whole.encode(), digest_size=16).hexdigest()


def _content(source: Any) -> Any:
    """What tells one item from another: a path with its file's state, an address, or the hash of anything else."""
    if isinstance(source, (str, os.PathLike)):
        return [os.fspath(source), _file_state(os.fspath(source))]
    data = source if isinstance(source, bytes) else pickle.dumps(source)
    return hashlib.blake2b(data, digest_size=16).hexdigest()


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
