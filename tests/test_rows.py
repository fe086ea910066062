"""Rows: one row out for each line in, whatever the line holds."""

from __future__ import annotations

import json

import pytest

from mmkit.errors import BadEncoding, MmkitError
from mmkit.preprocessor import MultiModalSample
from mmkit.rows import read_rows, result_row


def rows_of(tmp_path, text: str | bytes) -> list:
    path = tmp_path / "in.jsonl"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(read_rows(path))


def test_a_row_becomes_a_sample(tmp_path):
    (row,) = rows_of(tmp_path, '{"id": 1, "text": "what?", "images": ["a.png", "data:image/png;base64,AA"]}')
    assert row.id == 1
    assert row.sample == MultiModalSample("what?", (str(tmp_path / "a.png"), "data:image/png;base64,AA"))


@pytest.mark.parametrize(
    ("line", "id"),
    [
        ("{", None),
        ("[1, 2]", None),
        ("null", None),
        ('"text"', None),
        ("[" * 100_000, None),
        ('{"id": 1, "text": 5}', 1),
        ('{"id": "a", "text": "?", "images": "a.png"}', "a"),
        ('{"id": "a", "text": "?", "images": [1]}', "a"),
        ('{"id": 2, "text": "\\ud800"}', 2),
        (b'{"id": 1, "text": "\xff"}', None),
    ],
)
def test_a_bad_line_is_an_error_row(tmp_path, line, id):
    (row,) = rows_of(tmp_path, line)
    assert row.id == id
    assert isinstance(row.sample, BadEncoding)


def test_a_lone_surrogate_is_named_with_its_position(tmp_path):
    (row,) = rows_of(tmp_path, '{"id": 2, "text": "ab\\ud800"}')
    assert "character 2" in str(row.sample)


def test_a_repeated_id_is_an_error_on_the_repeat(tmp_path):
    rows = rows_of(tmp_path, '{"id": 1, "text": "a"}\n{"id": 1, "text": "b"}\n{"id": "1", "text": "c"}\n')
    assert [isinstance(row.sample, MmkitError) for row in rows] == [False, True, False]


def test_empty_lines_are_no_rows(tmp_path):
    assert len(rows_of(tmp_path, '\n{"id": 1, "text": "a"}\n\n')) == 1


def test_result_rows_are_json():
    row = result_row(None, BadEncoding("x", index=3, modality="text"))
    assert json.loads(json.dumps(row)) == {"id": None, "error": {"type": "BadEncoding", "message": "text 3: x"}}
