"""The front door: one pinned set, quick import, settings that nothing else relies on."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

from tests.make_environment import environment

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def name_of(requirement: str) -> str:
    return re.split(r"[=<>!\[ ]", requirement)[0]


def test_environment_yml_holds_the_same_set():
    assert (ROOT / "environment.yml").read_text("utf-8") == environment()


def test_every_dependency_is_pinned():
    pinned = {name_of(pin) for pin in PROJECT["tool"]["uv"]["constraint-dependencies"]}
    wanted = {name_of(r) for r in PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]}
    assert wanted <= pinned


def test_installed_versions_are_the_pinned_ones():
    pins = dict(pin.split("==") for pin in PROJECT["tool"]["uv"]["constraint-dependencies"])
    for requirement in PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]:
        name = name_of(requirement)
        assert version(name).split("+")[0] == pins[name], f"{name}: run make setup"


def test_package_depends_on_no_vllm():
    assert not [r for r in PROJECT["project"]["dependencies"] if "vllm" in r]


def test_import_is_quick_and_light():
    """Under 0.3 s: proved by what is not loaded, since clocks on shared machines lie."""
    code = (
        "import sys, os; before = dict(os.environ); import mmkit; assert dict(os.environ) == before;"
        "heavy = {'vllm', 'torch', 'transformers', 'numpy', 'requests', 'httpx', 'aiohttp', 'urllib3'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_layers_import_only_downwards():
    """DESIGN's layers; `zoo` trains models and may use all below it."""
    layers = [
        {"errors", "shipped", "containers", "media", "recipes", "kernels"},
        {"text", "image", "audio", "video"},
        {"tokens", "prompts", "fusion", "families"},
        {"preprocessor", "batch", "rows"},
        {"engine", "models", "zoo"},
        {"cli", "demo", "doctor", "compat", "starter", "scale"},
    ]
    level = {name: number for number, names in enumerate(layers) for name in names}
    for path in (ROOT / "mmkit").rglob("*.py"):
        own = path.relative_to(ROOT / "mmkit").parts[0].removesuffix(".py")
        if own in ("__init__", "__main__"):
            continue
        text = path.read_text("utf-8")
        used = set(re.findall(r"^\s*from mmkit\.(\w+)", text, re.M)) | {
            name
            for names in re.findall(r"^\s*from mmkit import ([\w, ]+)", text, re.M)
            for name in re.split(r"[, ]+", names)
        }
        if own == "plots":
            assert not used, "plots draws what it is given"
            continue
        for name in used & set(level):
            assert level[name] <= level[own], f"{own} imports {name}, which lies above it"
