"""Ray: a node that is lost and a driver that is killed cost no row and double none; nothing is left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from typer.testing import CliRunner

from mmkit import scale
from mmkit.cli import app
from mmkit.errors import BackendMissing
from tests.ray_cluster import node_arguments, processes, two_nodes
from tests.scale_rows import found, write_rows


def start(address, folder, seconds):
    command = [sys.executable, "-m", "tests.scale_rows", address, str(folder), str(seconds)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def wait_for(journal, lines, run):
    """Until so many answers stand in the journal; returns how many do."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and run.poll() is None:
        done = journal.read_bytes().count(b"\n") if journal.exists() else 0
        if done >= lines:
            return done
        time.sleep(0.05)
    run.kill()
    raise AssertionError(run.communicate()[1][-3000:])


def kill_and_lose(nodes, place, rows, hostile, seconds=0.01):
    """The first driver is killed by -9; the second resumes, loses a node on the way, and ends by itself.

    Asserts that every row is answered once, and returns what happened.
    """
    folder, log = place / "rows", place / "log"
    folder.mkdir(), log.mkdir()
    expected = write_rows(folder, rows, hostile)
    journal = folder / "out.jsonl.journal"

    first = start(nodes.address, folder, seconds)
    wait_for(journal, rows // 4, first)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    done = [json.loads(line) for line in journal.read_bytes().splitlines() if line.endswith(b"}")]
    assert rows // 4 <= len(done) < rows - hostile
    assert not (folder / "out.jsonl").exists()

    time.sleep(2)  # the cluster ends the first driver's workers
    restarted = time.time_ns()
    second = start(nodes.address, folder, seconds)
    lost_at = wait_for(journal, len(done) + rows // 8, second)
    nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
    said, wrong = second.communicate(timeout=500)
    nodes.add_node(**node_arguments())

    assert second.returncode == 0, wrong[-3000:]
    assert json.loads(said.splitlines()[-1]) == {"rows": rows, "errors": hostile, "kept": len(done)}
    assert found(folder / "out.jsonl") == expected, "every row once, in order, each its own answer or its error"
    keys = Counter(json.loads(line)["key"] for line in journal.read_text().splitlines())
    assert len(keys) == rows - hostile
    assert set(keys.values()) == {1}
    again = {path.name.split(".")[0] for path in log.iterdir() if int(path.name.split(".")[2]) > restarted}
    kept = {str(entry["row"]["id"]) for entry in done}
    assert not kept & again, "what stood in the journal was not worked on again"
    return {"rows": rows, "hostile": hostile, "driver killed after": len(done), "node lost after": lost_at,
            "answered once": len(keys), "typed errors": hostile}  # fmt: skip


@pytest.mark.vllm
def test_mmkit_answer_over_ray_equals_mmkit_answer(tmp_path):
    """Real vLLM in an actor of a local cluster, by the command; the plain command's own answers are the oracle."""
    write_rows(tmp_path, 24, 9)
    # Whoever starts a cluster in this process leaves its address and ports in the environment.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    command = [sys.executable, "-m", "mmkit.cli", "answer", "in.jsonl"]
    for target, options in (("plain.jsonl", []), ("ray.jsonl", ["--ray", "local"])):
        run = subprocess.run(
            [*command, target, *options], cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=400
        )
        assert run.returncode == 1, run.stderr[-3000:]
        assert "24 rows: 15 answers, 9 errors" in run.stderr
    assert (tmp_path / "ray.jsonl").read_text() == (tmp_path / "plain.jsonl").read_text()


def test_a_killed_driver_and_a_lost_node_cost_no_row(ray_nodes, tmp_path):
    kill_and_lose(ray_nodes, tmp_path, rows=600, hostile=18)


def test_nothing_is_left_running():
    with two_nodes() as cluster:
        session = os.path.basename(cluster.head_node.get_session_dir_path())
        assert len(processes(session)) >= 4
    deadline = time.monotonic() + 20
    while processes(session) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert processes(session) == []


def test_without_ray_the_command_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "in.jsonl").write_text('{"id": 1, "text": "?"}\n')
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BackendMissing, match=r"mmkit\[scale\].*make ray"), scale.cluster():
        pass
    run = CliRunner().invoke(app, ["answer", str(tmp_path / "in.jsonl"), str(tmp_path / "o"), "--ray", "local"])
    assert isinstance(run.exception, BackendMissing)
