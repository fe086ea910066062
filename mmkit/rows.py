"""Rows: samples in and results out, one JSON object a line.

    {"id": ..., "text": ..., "images": [...], "audios": [...], "videos": [...]}  ->  MultiModalSample
    Answer | MmkitError  ->  {"id": ..., "answer": ...} | {"id": ..., "error": {"type": ..., "message": ...}}

Read by the standard json module, one at a time, so that a file of any length does. A bad row is a row with an
error, never the end of the run. Leaves out other formats (CSV, Parquet).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmkit.errors import BadEncoding, MmkitError
from mmkit.preprocessor import MultiModalSample

FIELDS = {"images": "image", "audios": "audio", "videos": "video"}


@dataclass(frozen=True)
class Row:
    """One line of the input: its id (None where the line has none), and a sample or an error."""

    id: Any
    sample: MultiModalSample | MmkitError


def read_rows(path: str | os.PathLike) -> Iterator[Row]:
    """The rows of a JSONL file, in order.  Raises OSError where the file itself cannot be read."""
    folder = Path(path).resolve().parent
    seen = set()
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            row = read_row(line, number, folder)
            key = json.dumps(row.id)
            if row.id is not None and key in seen:
                row = Row(row.id, BadEncoding(f"line {number}: id {key[:60]} was used before; ids are unique"))
            seen.add(key)
            yield row


def read_row(line: bytes, number: int, folder: Path) -> Row:
    """One line as a row; paths resolve against `folder`."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Row(None, BadEncoding(f"line {number} is not JSON: {reason(error)}", cause=error))
    if not isinstance(fields, dict):
        return Row(None, BadEncoding(f"line {number} is a JSON {type(fields).__name__}, not an object"))
    try:
        return Row(fields.get("id"), sample_of(fields, folder))
    except MmkitError as error:
        return Row(fields.get("id"), error)


def sample_of(fields: dict, folder: Path) -> MultiModalSample:
    """The sample of a row's fields.  Raises BadEncoding where a field is not what it should be."""
    text = fields.get("text", "")
    if not isinstance(text, str):
        raise BadEncoding(f"text is a {type(text).__name__}, not a string", modality="text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadEncoding(
            f"text holds a lone surrogate (half a character) at character {error.start}",
            modality="text",
            cause=error,
        ) from error
    items = {}
    for name, modality in FIELDS.items():
        sources = fields.get(name, [])
        if not isinstance(sources, list) or not all(isinstance(s, str) for s in sources):
            raise BadEncoding(f"{name} is not a list of strings", modality=modality)
        items[name] = tuple(s if s.startswith("data:") or "://" in s else str(folder / s) for s in sources)
    return MultiModalSample(text=text, **items)


def result_row(id: Any, result: Any) -> dict[str, Any]:
    """The output row of one result: an Answer or a typed error.

    >>> result_row(7, BadEncoding("line 7 is not JSON"))
    {'id': 7, 'error': {'type': 'BadEncoding', 'message': 'line 7 is not JSON'}}
    """
    if isinstance(result, MmkitError):
        return {"id": id, "error": result.as_row()}
    return {"id": id, "answer": result.text}


def reason(error: Exception) -> str:
    """What the json module says, without the payload."""
    return str(getattr(error, "msg", None) or type(error).__name__)
