"""The starter: what it writes, what it refuses, and that the package works as whoever installs it has it.

Oracles: ruff and Python's compiler for the text; transformers for what a server answers with the installed package.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mmkit.errors import BadFolder, BadModelName
from mmkit.starter import SOURCE, camel, check_name, rendered, write_starter
from tests.serving import Server, environment, install, was_imported

ROOT = Path(__file__).parents[1]
NAMES = ["bird_ear", "x", "net2", "a_model_with_a_name_as_long_as_names_get"]


def files_of(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text("utf-8") for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(params=NAMES)
def written(request, tmp_path):
    return request.param, write_starter(request.param, tmp_path / "project")


def test_every_file_of_the_source_is_there(written):
    name, folder = written
    ours = {path.name for path in (ROOT / Path(*SOURCE.split("."))).glob("*.py")}
    assert {path.name for path in (folder / name).iterdir()} == ours
    assert {path.name for path in folder.iterdir()} == {name, "tests", "README.md", "pyproject.toml"}


def test_nothing_of_the_source_is_left(written):
    name, folder = written
    for path, text in files_of(folder).items():
        assert not re.search("omni", text.replace(name, ""), re.I), path
        if path.endswith(".py"):
            assert "mmkit" not in text, path
            compile(text, path, "exec")


def test_the_classes_and_the_plugin_have_the_new_name(written):
    name, folder = written
    files = files_of(folder)
    assert f'model_type = "{name}"' in files[f"{name}/configuration.py"]
    assert f"class {camel(name)}ForConditionalGeneration(" in files[f"{name}/vllm_model.py"]
    assert f"class {camel(name)}ForConditionalGeneration(" in files[f"{name}/modeling.py"]
    project = tomllib.loads(files["pyproject.toml"])
    assert project["project"]["entry-points"] == {
        "vllm.general_plugins": {name: f"{name}.plugin:register"},
        "mmkit.models": {name: f"{name}.plugin:register_transformers"},
    }


def test_readme_names_every_file(written):
    name, folder = written
    readme = (folder / "README.md").read_text("utf-8")
    for path in (folder / name).glob("[!_]*.py"):
        assert re.search(rf"^{path.name} +\w", readme, re.M), path.name


@pytest.mark.parametrize(
    ("name", "rules"), [("bird_ear", ["--config", ROOT / "pyproject.toml"]), (NAMES[-1], ["--ignore", "E501,I001"])]
)
def test_ruff_finds_nothing(tmp_path, name, rules):
    """A name of usual length by this repository's rules, the longest by all but the width of lines."""
    folder = write_starter(name, tmp_path / "project")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", *rules, "."],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "lower-case"),
        ("Bird", "lower-case"),
        ("bird-ear", "lower-case"),
        ("2nd", "lower-case"),
        ("bird__ear", "lower-case"),
        ("_bird", "lower-case"),
        ("b\u00efrd", "lower-case"),
        ("bird\n", "lower-case"),
        ("../bird", "lower-case"),
        ("b" * 41, "at most 40"),
        ("class", "word of Python"),
        ("json", "hide"),
        ("mmkit", "hide"),
        ("numpy", "hide"),
        ("pillow", "hide"),
        ("tests", "hide"),
        ("omni", "rendered from"),
        ("mmkit_omni", "registers the model_type"),
        ("llava", "transformers knows"),
    ],
)
def test_a_name_that_cannot_be(tmp_path, name, reason):
    with pytest.raises(BadModelName, match=reason):
        write_starter(name, tmp_path / "project")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed")
def test_a_name_that_vllm_has():
    """An architecture of vLLM that is no model_type of transformers."""
    with pytest.raises(BadModelName, match="vLLM knows the architecture TarsierForConditionalGeneration"):
        check_name("tarsier")


def test_a_folder_that_holds_something_is_not_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BadFolder, match="holds files already"):
        write_starter("bird_ear", tmp_path)
    with pytest.raises(BadFolder, match="is a file"):
        write_starter("bird_ear", tmp_path / "mine.txt")
    with pytest.raises(BadFolder, match="no folder 'missing'"):
        write_starter("bird_ear", tmp_path / "missing" / "project")
    assert files_of(tmp_path) == {"mine.txt": "mine"}


def test_an_empty_folder_is_filled(tmp_path, monkeypatch):
    """Also the current one: it stays the same folder."""
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat().st_ino
    assert write_starter("bird_ear", ".") == tmp_path
    assert tmp_path.stat().st_ino == before
    assert files_of(tmp_path) == rendered("bird_ear")


@pytest.mark.parametrize("exists", [False, True])
def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch, exists):
    folder = tmp_path / "project"
    if exists:
        folder.mkdir()
    write_text, calls = Path.write_text, []

    def full(path, *arguments):
        calls.append(path)
        if len(calls) == 5:
            raise OSError(28, "No space left on device")
        return write_text(path, *arguments)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(BadFolder, match="No space left"):
        write_starter("bird_ear", folder)
    assert list(tmp_path.rglob("*")) == ([folder] if exists else [])


def test_the_command_line_says_what_to_type_next(tmp_path, monkeypatch, capsys):
    from mmkit.cli import main

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["mmkit", "new-model", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code or 0, *capsys.readouterr()

    folder = str(tmp_path / "a project")
    code, out, _ = run("bird_ear", folder)
    assert code == 0
    assert f"cd '{folder}'\n" in out
    assert all(
        command in out for command in ("pip install", "python -m bird_ear.example", "python -m pytest tests")
    )
    code, out, err = run("bird_ear", folder)
    assert (code, out) == (2, "")
    assert err == "mmkit: BadFolder: 'a project' holds files already; give a new or an empty folder\n"


@pytest.mark.vllm
def test_created_installed_tested_and_served(tmp_path, monkeypatch):
    """As its README tells it; the server starts elsewhere, while the package's own test runs."""
    project, packages, model = tmp_path / "project", tmp_path / "packages", tmp_path / "model"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_starter("bird_ear", project)
    install(project, packages)

    monkeypatch.syspath_prepend(packages)
    parity = importlib.import_module("bird_ear.parity")
    assert Path(parity.__file__) == packages / "bird_ear" / "parity.py"
    importlib.import_module("bird_ear.example").make_example(model)
    asked = [q for q in parity.questions(40) if q.images and q.waves][:4]

    with Server(model, packages=packages, folder=elsewhere) as server:
        own = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(project / "tests")],
            cwd=elsewhere, env=environment(packages), capture_output=True, text=True,
        )  # fmt: skip
        assert own.returncode == 0, own.stdout[-3000:] + own.stderr[-3000:]
        assert "2 passed" in own.stdout
        twin = parity.ask_transformers(model, asked)
        server.wait()
        assert parity.differences([server.said(question) for question in asked], twin) == []
    assert was_imported(packages / "bird_ear" / "vllm_model.py")
