"""The front door: one pinned set, quick import, settings that nothing else relies on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import mmkit
from tests.make_environment import environment

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
GROUPS = PROJECT["dependency-groups"]
REQUIREMENTS = [*PROJECT["project"]["dependencies"], *GROUPS["dev"], *GROUPS["scale"]]


def name_of(requirement: str) -> str:
    return re.split(r"[=<>!\[ ]", requirement)[0]


def test_environment_yml_holds_the_same_set():
    assert (ROOT / "environment.yml").read_text("utf-8") == environment()


def test_every_dependency_is_pinned():
    pinned = {name_of(pin) for pin in PROJECT["tool"]["uv"]["constraint-dependencies"]}
    wanted = {name_of(requirement) for requirement in REQUIREMENTS}
    assert wanted <= pinned


def test_installed_versions_are_the_pinned_ones():
    pins = dict(pin.split("==") for pin in PROJECT["tool"]["uv"]["constraint-dependencies"])
    for requirement in REQUIREMENTS:
        name = name_of(requirement)
        assert version(name).split("+")[0] == pins[name], f"{name}: run make setup"


def test_package_depends_on_no_vllm():
    assert not [r for r in PROJECT["project"]["dependencies"] if "vllm" in r]


def test_import_is_quick_and_light():
    """Under 0.2 s: proved by what is not loaded, since clocks on shared machines lie."""
    code = (
        "import sys, os; before = dict(os.environ); import mmkit; assert dict(os.environ) == before;"
        "heavy = {'vllm', 'torch', 'transformers', 'numpy', 'requests', 'httpx', 'aiohttp', 'urllib3'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_an_upward_import_is_caught(tmp_path):
    """import-linter's contracts (run by `make lint`) can fail: in a copy where layer 0 imports the engine."""
    shutil.copytree(ROOT / "mmkit", tmp_path / "mmkit", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    lint = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    good = subprocess.run(lint, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert good.returncode == 0, good.stdout
    with (tmp_path / "mmkit" / "errors.py").open("a") as file:
        file.write("\ndef late():\n    from mmkit.engine import Engine\n")
    bad = subprocess.run(lint, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert bad.returncode == 1
    assert "mmkit.errors -> mmkit.engine" in bad.stdout


def test_public_face_is_complete_and_lazy():
    """Each public name comes from its module, and every place that lists the names lists the same ones."""
    listed = {name for names in mmkit._WHERE.values() for name in names}
    assert listed | {"__version__"} == set(mmkit.__all__) == set(dir(mmkit))
    for name in mmkit.__all__:
        assert getattr(mmkit, name) is not None
    typed = re.search(r"if TYPE_CHECKING:.*?\n\n", (ROOT / "mmkit" / "__init__.py").read_text("utf-8"), re.S)[0]
    assert {n for line in re.findall(r"import ([\w, ]+)$", typed, re.M) for n in line.split(", ")} == listed
    assert mmkit.__version__ == PROJECT["project"]["version"]
    with pytest.raises(AttributeError, match="no attribute 'Engin'"):
        _ = mmkit.Engin


def test_pre_commit_runs_what_make_lint_runs():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    recipe = re.search(r"^lint: ray\n((?:\t.*\n)+)", makefile, re.M)[1]
    commands = re.findall(r"\$\(BIN\)/(.+)", recipe)
    hooks = re.findall(r"entry: \.venv/bin/(.+)", (ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert commands == hooks != []
