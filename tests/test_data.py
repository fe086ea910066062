"""data/: every file is accounted for, small, and was made by a command that is still there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

DATA = Path(__file__).parents[1] / "data"
README = (DATA / "README.md").read_text("utf-8")


def test_every_file_is_accounted_for():
    named = set(re.findall(r"`([\w.]+\.\w+)`", README))
    present = {path.name for path in DATA.iterdir() if path.is_file() and path.name != "README.md"}
    assert present - named == set()
    assert {name for name in named if not name.endswith(".py")} - present - {"scores.json"} == set()


def test_the_commands_exist():
    for module in re.findall(r"python -m ([\w.]+)", README):
        assert importlib.util.find_spec(module), module


def test_media_are_small():
    for path in DATA.iterdir():
        if path.is_file():
            assert path.stat().st_size < 150_000, path.name


def test_models_are_small_enough_for_git():
    folders = [path for path in (DATA / "models").iterdir() if path.is_dir()]
    sizes = {folder.name: sum(f.stat().st_size for f in folder.rglob("*")) for folder in folders}
    assert all(size <= 6_000_000 for size in sizes.values()), sizes
    assert sum(sizes.values()) <= 30_000_000


def test_weights_can_be_read_by_others():
    """safetensors writes files that only their owner may read; git keeps no such bits, a copied folder does."""
    for path in (DATA / "models").rglob("*.safetensors"):
        assert path.stat().st_mode & 0o044 == 0o044, path.name
