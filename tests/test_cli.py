"""The command line: exit codes and one-line errors. What needs no engine must not wait for one."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from mmkit.cli import app, main

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Run:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def mmkit(monkeypatch, capsys):
    """Run the command line in this process: importing transformers anew takes seconds each time."""

    def run(*arguments: str) -> Run:
        monkeypatch.setattr(sys, "argv", ["mmkit", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return Run(end.value.code or 0, printed.out, printed.err)

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    Image.new("RGB", (64, 64), "red").save(folder / "good.png")
    (folder / "text.png").write_text("this is no picture")
    (folder / "truncated.png").write_bytes((folder / "good.png").read_bytes()[:60])
    return folder


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["ask", "What is it?", "--image", "{}/missing.png"], "SourceNotFound"),
        (["ask", "What is it?", "--image", "{}"], "NotARegularFile"),
        (["ask", "What is it?", "--image", "{}/text.png"], "UnsupportedFormat"),
        (["ask", "What is it?", "--image", "{}/truncated.png"], "TruncatedMedia"),
        (["ask", "What is it?", "--model", "tiny-qwen3"], "ModelNotFound"),
        (["ask", ""], "BadEncoding"),
        (["answer", "{}/missing.jsonl", "{}/out.jsonl"], "missing.jsonl"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(mmkit, folder, arguments, error):
    run = mmkit(*[a.format(folder) for a in arguments])
    assert run.returncode == 2
    assert run.stdout == ""
    assert error in run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert str(folder) not in run.stderr


def test_a_wrong_call_explains_itself(mmkit):
    run = mmkit("ask")
    assert run.returncode == 2
    assert "--help" in run.stderr


def test_help_names_every_verb():
    out = CliRunner().invoke(app, ["--help"]).stdout
    for verb in ("doctor", "ask", "answer", "models", "tokens", "new-model"):
        assert verb in out


def test_models_lists_what_ships():
    run = CliRunner().invoke(app, ["models"])
    assert run.exit_code == 0
    assert "tiny-qwen2-vl" in run.stdout


def test_answer_with_only_bad_rows_needs_no_engine(mmkit, folder):
    """Error rows cost no start of vLLM: every row out is an error row, exit code 1."""
    rows = [{"id": 1, "text": "?", "images": ["missing.png"]}, {"id": 2, "text": "?", "images": ["../out.png"]}]
    source, target = folder / "in.jsonl", folder / "out.jsonl"
    source.write_text("\n".join(map(json.dumps, rows)) + "\nnot json\n")
    run = mmkit("answer", str(source), str(target))
    assert run.returncode == 1, run.stderr
    out = [json.loads(line) for line in target.read_text().splitlines()]
    assert [row["id"] for row in out] == [1, 2, None]
    assert [row["error"]["type"] for row in out] == ["SourceNotFound", "SourceNotAllowed", "BadEncoding"]


HEAVY = ("torch", "torchvision", "transformers", "vllm", "numba", "soundfile", "matplotlib")
LOADED = f"""
import sys
from mmkit.cli import run
try:
    run()
finally:
    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["--help"], []),
        (["--version"], []),
        (["models"], []),
        (["tokens", "data/harbour.jpg", "data/circle.flac", "data/beep.wav"], []),
        (["check", "data/demo.jsonl"], ["soundfile"]),  # it decodes every item, and some are FLAC
    ],
)
def test_a_verb_loads_what_it_needs_and_no_more(arguments, needed):
    """Under a second, proved by what is not loaded: a fresh process, since clocks on shared machines lie."""
    run = subprocess.run([sys.executable, "-c", LOADED, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stderr.splitlines()[-1] == str(needed)


def test_leaving_ends_at_once_unless_children_are_to_be_stopped():
    """At once: what is registered for Python's end does not run. A child's parent ends in order, and says so."""
    ending = "import atexit, subprocess, sys; from mmkit.engine import leave; atexit.register(print, 'in order');"
    waits = "'-c', 'import sys; sys.stdin.read()'"
    child = f"child = subprocess.Popen([sys.executable, {waits}], stdin=subprocess.PIPE);"
    for begun, said in (("", "said\n"), (child, "said\nin order\n")):
        code = f"{ending} {begun} print('said'); leave(3)"
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert (run.returncode, run.stdout, run.stderr) == (3, said, "")
