"""Sources: the same rows out of every holder; a broken row costs itself, a broken archive says so."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import sys
import tarfile
import tracemalloc
from itertools import islice

import pytest
from typer.testing import CliRunner

import mmkit.sources
from mmkit.cli import app
from mmkit.errors import BackendMissing, MmkitError
from mmkit.image import load_image
from mmkit.rows import ItemJudge, validate_rows
from mmkit.sources import count_rows, key_of, parts, read_rows
from tests.media_factory import picture, sound

ROWS = [{"id": "a/0", "text": "What is it?"}, {"id": "a/1", "text": "数据"}, {"id": "b", "text": "x" * 300}]


def tar(path, members, mode="w"):
    """An archive of (name, bytes) pairs."""
    with tarfile.open(path, mode) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def parquet(path, rows, **options):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows), path, **options)
    return path


def members():
    for row in ROWS:
        yield f"{row['id']}.png", picture()
        yield f"{row['id']}.txt", row["text"].encode()


def folder(path):
    for name, data in members():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def errors(rows) -> list[str | None]:
    return [row.sample.code if isinstance(row.sample, MmkitError) else None for row in rows]


@pytest.fixture
def holders(tmp_path):
    """The same three rows, held in every way."""
    media = folder(tmp_path / "media")
    named = [{**row, "images": [f"media/{row['id']}.png"]} for row in ROWS]
    held = [{**row, "images": [picture()]} for row in ROWS]
    return {
        "jsonl": jsonl(tmp_path / "rows.jsonl", named),
        "parquet of paths": parquet(tmp_path / "paths.parquet", named),
        "parquet of bytes": parquet(tmp_path / "bytes.parquet", held, row_group_size=2),
        "tar": tar(tmp_path / "shard.tar", members()),
        "tar.gz": tar(tmp_path / "shard.tar.gz", members(), "w:gz"),
        "folder": media,
        "iterable": held,
    }


@pytest.mark.parametrize(
    "kind", ["jsonl", "parquet of paths", "parquet of bytes", "tar", "tar.gz", "folder", "iterable"]
)
def test_the_same_rows_out_of_every_holder(holders, kind):
    source = holders[kind]
    rows = list(read_rows(source))
    assert [(row.id, row.sample.text) for row in rows] == [(row["id"], row["text"]) for row in ROWS]
    assert {load_image(row.sample.images[0]).pixels.tobytes() for row in rows} == {
        load_image(picture()).pixels.tobytes()
    }
    assert count_rows(source) == (None if "tar" in kind else 3)
    for size in (1, 2, 64):  # cut into parts that travel: the same rows
        pieces = [pickle.loads(pickle.dumps(part)) for part in parts(source, max_rows=size)]
        assert [row.id for part in pieces for row in part.rows("")] == [row["id"] for row in ROWS]


def test_a_folder_of_shards_is_its_shards(tmp_path):
    jsonl(tmp_path / "0.jsonl", [{"id": 1, "text": "a"}])
    parquet(tmp_path / "1.parquet", [{"id": 2, "text": "b"}])
    tar(tmp_path / "2.tar", [("3.txt", b"c"), ("4.json", b'{"text": "d", "id": 4}')])
    (tmp_path / "README").write_text("not a row")
    assert [(row.id, row.sample.text) for row in read_rows(tmp_path)] == [(1, "a"), (2, "b"), ("3", "c"), (4, "d")]


def test_an_id_is_used_once_across_shards(tmp_path):
    for name in ("0.jsonl", "1.jsonl"):
        jsonl(tmp_path / name, [{"id": 1, "text": "a"}, {"text": "no id"}])
    assert errors(read_rows(tmp_path)) == [None, None, "BadEncoding", None]


def test_a_question_for_rows_that_have_none(tmp_path):
    source = tar(tmp_path / "s.tar", [("1.png", picture()), ("2.png", picture()), ("2.txt", b"Mine?")])
    assert [row.sample.text for row in read_rows(source, text="What?")] == ["What?", "Mine?"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("0001.png", ("0001", "png")), ("a/0001.left.PNG", ("a/0001", "left.png")), ("a.b/c", ("a.b/c", ""))],
)
def test_keys_are_webdatasets(name, expected):
    assert key_of(name) == expected


# ---------------------------------------------------------------------------------------------------- broken rows


def test_half_a_line_of_json_costs_its_row(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"id": 1, "text": "a"}\n{"id": 2, "te\n{"id": 3, "text": "c"}')
    for pieces in (parts(path), parts(path, max_rows=1)):
        rows = [row for part in pieces for row in part.rows("")]
        assert errors(rows) == [None, "BadEncoding", None]
        assert "line 2 is not JSON" in str(rows[1].sample)


def test_a_broken_member_costs_its_row(tmp_path):
    source = tar(
        tmp_path / "s.tar",
        [
            ("1.png", picture()),
            ("2.json", b'{"text": 5}'),
            ("3.json", b"[1]"),
            ("4.json", b"{"),
            ("5.cls", b"7"),
            ("6.txt", b"\xff\xfe\xfd"),
            ("7.json", b'{"id": {"a": 1}, "text": "ok"}'),
            ("8.mp3", sound("MP3")),
            (".hidden.png", b"x"),
            ("9.json", b'{"image": "a.png"}'),
        ],
    )
    rows = list(read_rows(source))
    assert [row.id for row in rows] == ["1", "2", "3", "4", "5", "6", {"a": 1}, "8", "9"]
    bad = "BadEncoding"
    assert errors(rows) == [None, bad, bad, bad, "UnsupportedFormat", bad, None, None, bad]
    assert rows[7].sample.audios == (sound("MP3"),)


def test_links_and_giants_in_an_archive_cost_their_row(tmp_path, monkeypatch):
    source = tmp_path / "s.tar"
    with tarfile.open(source, "w") as archive:
        link = tarfile.TarInfo("1.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for name, size in (("2.txt", 600), ("3.txt", 5)):
            info = tarfile.TarInfo(name)
            info.size = size
            archive.addfile(info, io.BytesIO(b"x" * size))
        archive.addfile(tarfile.TarInfo("folder"), None)
    monkeypatch.setattr(mmkit.sources, "LIMITS", mmkit.sources.LIMITS.__class__(max_bytes=500))
    assert errors(read_rows(source)) == ["NotARegularFile", "SourceTooLarge", None, "UnsupportedFormat"]


@pytest.mark.parametrize(
    ("damage", "ids"),
    [
        (lambda data: data[: 3 * 512 + 2], ["1", "2"]),  # inside a member
        (lambda data: data[: 4 * 512], ["1", "2"]),  # between two members
        (lambda data: data[: 2 * 512 + 100], ["1"]),  # inside a header
        (lambda data: data[: 2 * 512] + b"?" + data[2 * 512 + 1 :], ["1"]),  # a header whose checksum is wrong
        (lambda data: data + data, ["1", "2", "3"]),  # a second archive behind the end
    ],
)
def test_an_archive_that_breaks_off_says_so(tmp_path, damage, ids):
    """The last row seen may lack members, so it is an error; tarfile alone would pass over all but the first."""
    whole = tar(
        tmp_path / "s.tar", [(f"{n}.txt", b"12345") for n in (1, 2, 3)]
    )  # a block of header, one of content
    assert errors(read_rows(whole)) == [None, None, None]
    whole.write_bytes(damage(whole.read_bytes()))
    rows = list(read_rows(whole))
    assert [row.id for row in rows] == ids
    assert errors(rows) == [None] * (len(ids) - 1) + ["TruncatedMedia"]


@pytest.mark.parametrize("keep", [0, 1, 20, 200])
def test_a_cut_gzip_says_so(tmp_path, keep):
    path = tar(tmp_path / "s.tar.gz", [(f"{n}.bin.txt", os.urandom(2000).hex().encode()) for n in range(3)], "w:gz")
    path.write_bytes(path.read_bytes()[:keep])
    rows = list(read_rows(path))
    assert errors(rows)[-1] == "TruncatedMedia"


def test_a_checksum_of_gzip_is_looked_at(tmp_path):
    path = tmp_path / "s.tar.gz"
    plain = tar(tmp_path / "s.tar", [("1.txt", b"a"), ("2.txt", b"b")]).read_bytes()
    packed = bytearray(gzip.compress(plain))
    packed[-6] ^= 1
    path.write_bytes(packed)
    assert "TruncatedMedia" in errors(read_rows(path))


def test_parquet_rows_of_a_wrong_type_cost_themselves(tmp_path):
    rows = [
        {"id": 1, "text": "a", "images": ["a.png"]},
        {"id": 2, "text": None, "images": None},
        {"id": 3, "text": "c", "images": [None]},
    ]
    assert errors(read_rows(parquet(tmp_path / "a.parquet", rows))) == [None, None, "BadEncoding"]
    assert errors(read_rows(parquet(tmp_path / "b.parquet", [{"id": 1, "text": 5}]))) == ["BadEncoding"]
    assert errors(read_rows(parquet(tmp_path / "c.parquet", [{"id": b"1", "text": "a"}]))) == ["BadEncoding"]
    assert errors(read_rows(parquet(tmp_path / "d.parquet", [{"id": 1, "image": "a.png"}]))) == ["BadEncoding"]


def test_a_damaged_row_group_costs_its_rows_alone(tmp_path):
    path = tmp_path / "a.parquet"
    rows = [{"id": n, "text": os.urandom(500).hex()} for n in range(6)]
    parquet(path, rows, row_group_size=2, use_dictionary=False, write_page_checksum=True)
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        text = file.metadata.row_group(1).column(1)
    data = bytearray(path.read_bytes())
    start = text.data_page_offset + text.total_compressed_size - 100  # in the values, behind the header
    data[start : start + 20] = bytes(20)
    path.write_bytes(data)
    found = list(read_rows(path))
    assert errors(found) == [None, None, "CorruptMedia", "CorruptMedia", None, None]
    assert [row.id for row in found] == [0, 1, None, None, 4, 5]
    path.write_bytes(data[:-20])
    assert errors(read_rows(path)) == ["CorruptMedia"], "without its end a Parquet file is nothing"


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    path = parquet(tmp_path / "a.parquet", [{"id": 1, "text": "a"}])
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BackendMissing, match="pip install pyarrow"):
        list(read_rows(path))


def test_rows_that_are_no_rows(tmp_path):
    made = [{"id": 1, "text": "a"}, None, "text", 5, {"id": object()}, {"id": float("nan")}, {"images": "a.png"}]
    assert errors(read_rows(made)) == [None, *["BadEncoding"] * 6]
    assert list(read_rows([])) == []
    with pytest.raises(FileNotFoundError):
        list(read_rows(tmp_path / "none.jsonl"))
    (tmp_path / "empty").mkdir()
    assert list(read_rows(tmp_path / "empty")) == []


def test_a_folder_reads_no_text_from_outside_of_it(tmp_path):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.txt").symlink_to(tmp_path / "secret")
    assert errors(read_rows(tmp_path / "in")) == ["SourceNotAllowed"]


# ------------------------------------------------------------------------------------------------ many rows, verbs


def test_memory_does_not_grow_with_the_rows(tmp_path):
    """What is held while 1,500 rows are read is what is held for 500, but for 100 bytes an id."""
    members = ((f"{n:05}.txt", b"x" * 5000) for n in range(1500))
    sources = {
        "jsonl": jsonl(tmp_path / "a.jsonl", ({"id": n, "text": "x" * 5000} for n in range(1500))),
        "tar": tar(tmp_path / "a.tar", members),
        "parquet": parquet(
            tmp_path / "a.parquet", [{"id": n, "text": "x" * 5000} for n in range(1500)], row_group_size=100
        ),
        "iterable": ({"id": n, "text": "x" * 5000} for n in range(1500)),
    }
    for name, source in sources.items():
        rows = read_rows(source)
        tracemalloc.start()
        assert sum(1 for _ in islice(rows, 500)) == 500
        early = tracemalloc.get_traced_memory()[0]
        assert sum(1 for _ in rows) == 1000
        late = tracemalloc.get_traced_memory()[0]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert late - early < 1000 * 120, name
        assert peak < 2 << 20, name


def test_check_takes_every_holder(holders):
    for name, source in holders.items():
        if name == "iterable":
            continue
        run = CliRunner().invoke(app, ["check", str(source), "--json"])
        assert run.exit_code == 0, (name, run.output)
        assert [json.loads(line)["id"] for line in run.stdout.splitlines()] == [row["id"] for row in ROWS]
    found = list(validate_rows(read_rows(holders["iterable"]), ItemJudge()))
    assert [row["id"] for row in found] == [row["id"] for row in ROWS]
