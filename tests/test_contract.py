"""One contract for every runner of rows: one by one, in threads, by a server's client, and over Ray.

The engine behind each is a stand-in (tests/stand_in.py), so that what is asked here is the runner's doing: one
result per row, in order, typed errors in place, nothing done twice. Real vLLM behind each: test_answer.py (in this
process, killed), test_serve.py (a server, killed), test_scale.py (Ray).
"""

from __future__ import annotations

import base64
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from mmkit.client import Client
from mmkit.errors import EngineFailed
from mmkit.rows import Counts, ItemJudge, answer_rows, validate_rows
from mmkit.sources import read_rows
from tests.scale_rows import color, found, row, write_rows
from tests.stand_in import StandIn, StandInJob
from tests.test_sources import tar

ROWS, HOSTILE = 60, 18
RUNNERS = ("one by one", "threads", "client", "ray")


class StandInServer(BaseHTTPRequestHandler):
    """A server of OpenAI's protocol with the stand-in behind it: the mean color of the pictures, or capitals."""

    def do_GET(self) -> None:
        self._send({"object": "list", "data": [{"id": "stand-in", "object": "model"}]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        parts = asked["messages"][-1]["content"]
        texts = [part["text"] for part in parts if part["type"] == "text"]
        urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        pictures = [Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) for url in urls]
        colors = [" ".join(str(round(c)) for c in np.asarray(p.convert("RGB")).mean((0, 1))) for p in pictures]
        said = {"role": "assistant", "content": ", ".join(colors) or "".join(texts).upper()}
        choice = {"index": 0, "message": said, "finish_reason": "stop", "logprobs": {"content": []}}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        self._send({"id": "1", "object": "chat.completion", "created": 0, "model": "stand-in",
                    "choices": [choice], "usage": usage})  # fmt: skip

    def _send(self, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def url():
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandInServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()


@pytest.fixture(scope="module", params=RUNNERS)
def runner(request):
    """answer(source, target, root) -> Counts, by one kind of runner."""
    kind = request.param
    if kind == "ray":
        from mmkit import scale

        nodes = request.getfixturevalue("ray_nodes")
        with scale.cluster(nodes.address):
            yield lambda source, target, root: scale.answer_rows(
                source, target, StandInJob(str(root)), workers=1, batch=16
            )
    elif kind == "client":
        address = request.getfixturevalue("url")

        def by_client(source, target, root):
            with Client(address, root=root) as client:
                return answer_rows(source, target, client)

        yield by_client
    else:
        workers = 4 if kind == "threads" else 1
        yield lambda source, target, root: answer_rows(source, target, StandIn(root, workers))


def test_one_result_per_row_in_order_and_resumed(runner, tmp_path):
    """The oracle: rows whose answers are known by their making. Two thirds first, then all: none is done twice."""
    folder = tmp_path / "rows"
    folder.mkdir()
    expected = write_rows(folder, ROWS, HOSTILE)
    lines = (folder / "in.jsonl").read_text().splitlines(keepends=True)
    (folder / "in.jsonl").write_text("".join(lines[:40]))
    assert runner(folder / "in.jsonl", folder / "out.jsonl", folder) == Counts(40, 13, 0)
    assert found(folder / "out.jsonl") == expected[:40]

    (folder / "in.jsonl").write_text("".join(lines))
    assert runner(folder / "in.jsonl", folder / "out.jsonl", folder) == Counts(ROWS, HOSTILE, 27)
    assert found(folder / "out.jsonl") == expected
    keys = [json.loads(line)["key"] for line in (folder / "out.jsonl.journal").read_text().splitlines()]
    assert len(keys) == len(set(keys)) == ROWS - HOSTILE

    answer_rows(folder / "in.jsonl", folder / "plain.jsonl", StandIn(folder))
    assert (folder / "out.jsonl").read_bytes() == (folder / "plain.jsonl").read_bytes(), (
        "to the byte, as one by one"
    )


def test_encoded_bytes_from_an_archive(runner, tmp_path):
    """A shard whose last member is cut off: its bytes travel, and the row that lacks them is an error."""
    members = []
    for n in range(6):
        packed = io.BytesIO()
        Image.new("RGB", (16, 16), color(n)).save(packed, "PNG")
        members += [(f"{n}.png", packed.getvalue()), (f"{n}.txt", b"What color?")]
    path = tar(tmp_path / "shard.tar", members)
    assert runner(path, tmp_path / "out.jsonl", tmp_path) == Counts(6, 0, 0)
    assert found(tmp_path / "out.jsonl") == [" ".join(map(str, color(n))) for n in range(6)]
    path.write_bytes(path.read_bytes()[:-10240])
    assert runner(path, tmp_path / "cut.jsonl", tmp_path).errors == 1
    assert found(tmp_path / "cut.jsonl")[-1] == "TruncatedMedia"


@pytest.mark.parametrize("kind", ["one by one", "threads"])
def test_a_stop_keeps_what_was_done(kind, tmp_path):
    """Stopped from outside between two rows: the next run goes on where the journal ends."""
    folder, log = tmp_path / "rows", tmp_path / "log"
    folder.mkdir(), log.mkdir()
    expected = write_rows(folder, ROWS, HOSTILE)
    workers = 4 if kind == "threads" else 1

    class Stopped(StandIn):
        def answers(self, samples, **asked):
            for number, result in enumerate(super().answers(samples, **asked)):
                if number == 30:
                    raise KeyboardInterrupt
                yield result

    with pytest.raises(KeyboardInterrupt):
        answer_rows(folder / "in.jsonl", folder / "out.jsonl", Stopped(folder, workers))
    assert not (folder / "out.jsonl").exists()
    kept = (folder / "out.jsonl.journal").read_bytes().count(b"\n")
    assert kept == sum(" " in result for result in expected[:30])
    counts = answer_rows(folder / "in.jsonl", folder / "out.jsonl", StandIn(folder, workers, log=log))
    assert counts == Counts(ROWS, HOSTILE, kept)
    assert found(folder / "out.jsonl") == expected
    assert len(list(log.iterdir())) >= ROWS - HOSTILE - kept
    first = {str(n) for n, result in enumerate(expected[:30]) if " " in result}
    assert not first & {path.name.split(".")[0] for path in log.iterdir()}, "done rows were not worked on again"


def test_a_job_that_cannot_start_is_its_own_typed_error(ray_nodes, tmp_path):
    from mmkit import scale

    (tmp_path / "in.jsonl").write_text(row(0, []) + "\n")
    with scale.cluster(ray_nodes.address), pytest.raises(EngineFailed, match="this job never starts"):
        scale.answer_rows(tmp_path / "in.jsonl", tmp_path / "out.jsonl", NeverStarts(), workers=1)
    assert not (tmp_path / "out.jsonl").exists()


def test_results_are_columns_in_order_or_as_they_come(ray_nodes, tmp_path):
    """What `mmkit check` says of the same rows is the oracle."""
    from mmkit import scale

    expected = write_rows(tmp_path, 27, 8)
    judged = [
        row.get("error", {}).get("type")
        for row in validate_rows(read_rows(tmp_path / "in.jsonl"), ItemJudge(tmp_path))
    ]
    assert judged == [None if " " in result else result for result in expected]
    with scale.cluster(ray_nodes.address):
        for ordered in (True, False):
            rows = list(scale.prepare(tmp_path / "in.jsonl", workers=2, batch=4, ordered=ordered).iter_rows())
            places = [row["position"] for row in rows]
            assert len(set(places)) == 27
            assert not ordered or places == sorted(places)
            rows.sort(key=lambda row: row["position"])
            assert [row["error_type"] for row in rows] == judged
            assert [row["row_id"] for row in rows][:3] == ["0", "null", "2"]
            assert all(bool(row["error_message"]) == bool(row["error_type"]) for row in rows)


class NeverStarts:
    def asked(self):
        return ("never",)

    def start(self):
        raise EngineFailed("this job never starts")
