"""Rows: one row out for each line in, whatever the line holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import mmkit.sources
from mmkit.cli import app
from mmkit.errors import BadEncoding, MmkitError, SourceNotAllowed, SourceTooLarge
from mmkit.preprocessor import MultiModalPreprocessor, MultiModalSample
from mmkit.rows import (
    ItemJudge,
    Journal,
    answer_rows,
    dump,
    model_signature,
    result_row,
    row_key,
    validate_rows,
    write_whole,
)
from mmkit.sources import read_row, read_rows
from tests.media_factory import picture, sound


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


# ---------------------------------------------------------------------------------------------- more of reading


@pytest.mark.parametrize(
    "line", ['{"id": NaN}', '{"id": 1, "text": "?", "x": Infinity}', '{"id": 1, "image": "a.png"}']
)
def test_what_json_does_not_know_and_fields_that_nobody_reads(tmp_path, line):
    """A typing error ("image") must not become a question without its picture."""
    (row,) = rows_of(tmp_path, line)
    assert isinstance(row.sample, BadEncoding)


def test_a_line_longer_than_the_budget_costs_itself_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(mmkit.sources, "MAX_LINE", 60)
    rows = rows_of(
        tmp_path, '{"id": 1, "text": "a"}\n{"id": 2, "text": "%s"}\n{"id": 3, "text": "b"}\n' % ("x" * 500)
    )
    assert [row.id for row in rows] == [1, None, 3]
    assert isinstance(rows[1].sample, SourceTooLarge)


def test_addresses_stay_addresses_and_empty_stays_empty(tmp_path):
    (row,) = rows_of(tmp_path, '{"images": ["https://h/a.png", "javascript:x", "", "sub/a.png", "/etc/passwd"]}')
    assert row.sample.images == ("https://h/a.png", "javascript:x", "", str(tmp_path / "sub/a.png"), "/etc/passwd")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5), st.text())
def test_any_id_comes_back_in_valid_utf_8(id, message):
    line = dump({"id": id, "error": {"type": "X", "message": message + "\ud800"}})
    assert json.loads(line.encode())["id"] == id


# ---------------------------------------------------------------------------------------------------- judging


@pytest.fixture
def folder(tmp_path):
    """Rows of every kind, and the right judgement of each."""
    (tmp_path / "a.png").write_bytes(picture())
    (tmp_path / "a.wav").write_bytes(sound())
    (tmp_path / "b.png").write_bytes(picture()[:80])
    rows = [
        ({"id": 1, "text": "?", "images": ["a.png"]}, None),
        ({"id": 2, "text": "?", "images": ["a.png", "b.png"]}, "TruncatedMedia"),
        ({"id": 3, "text": "?", "images": ["../a.png"]}, "SourceNotAllowed"),
        ({"id": 4, "text": "\ufeffonly text"}, None),
        ({"id": 1, "text": "again"}, "BadEncoding"),
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps(row) for row, _ in rows) + "\nnot json\n")
    return tmp_path, [*(error for _, error in rows), "BadEncoding"]


def test_judging_without_a_model(folder):
    path, expected = folder
    found = list(validate_rows(read_rows(path / "in.jsonl"), ItemJudge(path)))
    assert [row.get("error", {}).get("type") for row in found] == expected
    assert [row["id"] for row in found] == [1, 2, 3, 4, 1, None]
    assert found[0] == {"id": 1, "tokens": None, "notes": []}
    assert "byte order mark" in found[3]["notes"][0]
    assert found[1]["error"]["message"].startswith("image 1 (b.png): ")


def test_judging_with_a_model_counts_what_vllm_will(folder):
    path, expected = folder
    ready = MultiModalPreprocessor("tiny-qwen2-vl", root=path)
    found = list(validate_rows(read_rows(path / "in.jsonl"), ready))
    assert [row.get("error", {}).get("type") for row in found] == expected
    sample = MultiModalSample("?", (picture(),))
    assert found[0]["tokens"] == ready.preprocess(sample)["text"]["input_ids"].shape[1]


def test_check_prints_a_line_a_row_and_says_so_by_its_exit_code(folder):
    path, expected = folder
    run = CliRunner().invoke(app, ["check", str(path / "in.jsonl"), "--json"])
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert [row.get("error", {}).get("type") for row in lines] == expected
    assert run.exit_code == 1
    (path / "good.jsonl").write_text('{"id": "数据", "text": "?", "images": ["a.png"], "audios": ["a.wav"]}\n')
    run = CliRunner().invoke(app, ["check", str(path / "good.jsonl")])
    assert (run.exit_code, run.stdout) == (0, 'ok    "\\u6570\\u636e": nothing to remark\n')


# ---------------------------------------------------------------------------------------------------- keeping


def test_a_journal_keeps_whole_lines_and_drops_torn_ones(tmp_path):
    path = tmp_path / "out.jsonl.journal"
    with Journal(path) as journal:
        journal.add("a", '{"id": 1, "answer": "数据"}')
        journal.add("b", '{"id": 2, "answer": "x"}')
    for torn in (b'{"key": "c", "row": {"id": 3, "ans', b"\x00\x00", b'{"key": "c"}\n', b"[]\n"):
        with path.open("ab") as file:
            file.write(torn)
        with Journal(path) as journal:
            assert journal.get("a") == '{"id": 1, "answer": "数据"}'
            assert journal.get("b") == '{"id": 2, "answer": "x"}'
            assert journal.get("c") is None
            journal.add("d", '{"id": 4}')
        with Journal(path) as journal:
            assert journal.get("d") == '{"id": 4}'
    with Journal(path, fresh=True) as journal:
        assert journal.get("a") is None


def test_two_runs_do_not_write_one_target(tmp_path):
    with Journal(tmp_path / "j"), pytest.raises(SourceNotAllowed, match="another run"):
        Journal(tmp_path / "j")
    Journal(tmp_path / "j").__exit__()


def test_a_target_is_whole_or_as_it_was(tmp_path):
    target = tmp_path / "out.jsonl"
    target.write_text("old\n")

    def lines():
        yield "new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(target, lines())
    assert target.read_text() == "old\n"
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_a_key_depends_on_what_the_answer_depends_on(tmp_path):
    (tmp_path / "a.png").write_bytes(picture())
    line = b'{"id": 1, "text": "?", "images": ["a.png"]}'
    row = read_row(line, 1, tmp_path)
    key = row_key(row, "model", 64)
    assert key == row_key(read_row(line, 7, tmp_path), "model", 64), "not on the place of the line"
    others = [row_key(row, "other", 64), row_key(row, "model", 65)]
    others += [row_key(read_row(line.replace(b"?", b"!"), 1, tmp_path), "model", 64)]
    (tmp_path / "a.png").write_bytes(picture("JPEG"))
    others.append(row_key(row, "model", 64))
    assert len({key, *others}) == 5


def test_models_are_told_apart_by_their_weights(tmp_path):
    for name, weights in (("a", b"1" * 100_000), ("b", b"1" * 99_999 + b"2"), ("c", b"1" * 100_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / name / "model.safetensors").write_bytes(weights)
    a, b, c = (model_signature(str(tmp_path / name)) for name in "abc")
    assert a == c != b
    assert model_signature("owner/name") != model_signature("owner/other")


def test_rows_are_not_overwritten_by_their_answers(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text('{"id": 1, "text": "?"}\n')
    with pytest.raises(SourceNotAllowed, match="overwritten"):
        answer_rows(source, source, None)
