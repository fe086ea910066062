"""What a reader may copy runs: each program shown in README or in a lesson's text, as a plain file.

Oracle: Python itself, in a process of its own, without a notebook around it. In the text, ```python marks a whole
program: it runs here and must succeed, and what stands behind `# -> ` in it must be among its output. ```py marks a
fragment that cannot run on this machine (a hub's model, a server on the net): it must at least be Python.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^[ >]*```(python|py)[ ]*\n(.*?)^[ >]*```", re.M | re.S)
PROMISED = re.compile(r"# -> (.+?)\s*$", re.M)


def snippets(text: str) -> list[tuple[str, str]]:
    """(language, source) of each fenced block of Python.

    >>> snippets("Try:\\n```python\\nprint(1)  # -> 1\\n```\\n")
    [('python', 'print(1)  # -> 1\\n')]
    """
    return FENCE.findall(text)


def shown() -> list[tuple[str, str, str]]:
    """(name, language, source) of all blocks of README and the lessons."""
    found = [("README", *block) for block in snippets((ROOT / "README.md").read_text("utf-8"))]
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                found += [(path.stem, *block) for block in snippets(cell.source)]
    return found


def run(source: str, folder: Path, home: Path) -> list[str]:
    """Run a program as a file of its own, in a folder; what goes wrong, in words."""
    file = home / "snippet.py"
    file.write_text(source, "utf-8")
    done = subprocess.run([sys.executable, file], cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode:
        return [f"exit code {done.returncode}: {done.stderr[-1500:]}"]
    return [
        f"{words!r} is not printed, but {done.stdout!r}"
        for words in PROMISED.findall(source)
        if words not in done.stdout
    ]


@pytest.mark.parametrize(("name", "language", "source"), shown())
def test_what_is_shown_runs(name, language, source, tmp_path):
    ast.parse(source)
    if language == "python":
        assert run(source, ROOT if name == "README" else ROOT / "notebooks", tmp_path) == []


def printed_program(stem: str, first_line: str) -> str:
    """The stored output of a lesson that is a program of its own."""
    cells = nbformat.read(ROOT / "notebooks" / f"{stem}.ipynb", as_version=4).cells
    texts = [output.get("text", "") for cell in cells for output in cell.get("outputs", [])]
    (program,) = [text for text in texts if text.startswith(first_line)]
    return program


def test_the_program_that_09_prints_runs(tmp_path):
    """09: vLLM started without mmkit, as a file beside the notebooks."""
    program = printed_program("09_ask_about_pictures", "import os\n")
    assert "mmkit" not in program
    assert run(program + "\n# -> star\n", ROOT / "notebooks", tmp_path) == []


@pytest.mark.parametrize("source", ["import nothing_like_it", "print(1)  # -> 2", "raise SystemExit(3)"])
def test_a_snippet_that_fails_is_found(source, tmp_path):
    assert run(source, tmp_path, tmp_path) != []


def test_a_snippet_that_keeps_its_promise(tmp_path):
    assert run("print('red')  # -> red", tmp_path, tmp_path) == []
