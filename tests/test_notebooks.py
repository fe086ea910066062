"""Hygiene of the stored notebooks: nbval compares nothing in a notebook that was stored without its outputs.

Oracle: DESIGN.md's limits. Each rule is a function from a notebook to findings, and each is shown to fail.
"""

from __future__ import annotations

import base64
import copy
import json
import re
from pathlib import Path

import nbformat
import pytest

from notebooks.execute import normalise

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# Folders of a machine, addresses in memory, clock times. ("/tmp" may be taught; "/tmp/ipykernel_1" is a leak.)
MACHINE = re.compile(r"/home/\w|/ro{2}t/|/Users/|site-packages|/tmp/\w*ipykernel|0x[0-9a-f]{7,}|\b\d\d:\d\d:\d\d\b")
SEEN_OR_HEARD = re.compile(r"<(?:img|svg|audio|video)\b[^>]*>")
SPOKEN = re.compile(r'\b(?:alt|aria-label)="[^"]{3,}"')


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell) -> list:
    return cell.metadata.get("tags", [])


def texts(cell) -> list[str]:
    """Everything a reader can read in a cell's outputs."""
    found = []
    for output in cell.outputs:
        found.append(output.get("text", ""))
        found += [v for k, v in output.get("data", {}).items() if k.startswith("text/") and isinstance(v, str)]
        found += output.get("traceback", [])
    return found


def executed_in_order(notebook) -> list[str]:
    counts = [cell.execution_count for cell in code_cells(notebook)]
    return [] if counts == list(range(1, len(counts) + 1)) else [f"execution counts are {counts}"]


def no_errors(notebook) -> list[str]:
    return [
        f"cell {n} stores an error"
        for n, cell in enumerate(code_cells(notebook), 1)
        for output in cell.outputs
        if output.output_type == "error" and "raises-exception" not in tags(cell)
    ]


def no_stderr(notebook) -> list[str]:
    return [
        f"cell {n} stores stderr: {output.text[:80]!r}"
        for n, cell in enumerate(code_cells(notebook), 1)
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]


def no_machine(notebook) -> list[str]:
    return [
        f"cell {n} shows {hit.group(0)!r}"
        for n, cell in enumerate(code_cells(notebook), 1)
        for text in texts(cell)
        for hit in [MACHINE.search(text)]
        if hit
    ]


def narrow(notebook) -> list[str]:
    return [
        f"cell {n}: {len(line)} characters: {line[:50]}..."
        for n, cell in enumerate(code_cells(notebook), 1)
        for line in cell.source.splitlines()
        if len(line) > 88
    ]


def small(notebook) -> list[str]:
    size = len(nbformat.writes(notebook).encode())
    cells = len(code_cells(notebook))
    figures = [
        f"cell {n}: a figure of {len(base64.b64decode(output.data['image/png'])) // 1000} KB"
        for n, cell in enumerate(code_cells(notebook), 1)
        for output in cell.outputs
        if "image/png" in output.get("data", {}) and len(base64.b64decode(output.data["image/png"])) > 60_000
    ]
    return (
        ([f"{size // 1000} KB, over 400"] if size > 400_000 else [])
        + ([f"{cells} code cells, over 45"] if cells > 45 else [])
        + figures
    )


def normalised(notebook) -> list[str]:
    again = normalise(copy.deepcopy(notebook))
    return [] if nbformat.writes(again) == nbformat.writes(notebook) else ["not normalised: run `make notebooks`"]


def described(notebook) -> list[str]:
    """Every figure has alternative text: pictures as metadata of the output, players and tables of HTML inside."""
    found = []
    for n, cell in enumerate(code_cells(notebook), 1):
        for output in cell.outputs:
            for kind, data in output.get("data", {}).items():
                alt = output.metadata.get(kind, {}).get("alt", "")
                if kind.startswith("image/") and len(alt) < 12:
                    found.append(f"cell {n}: {kind} without alternative text")
                if kind == "text/html":
                    bare = [tag for tag in SEEN_OR_HEARD.findall(data) if not SPOKEN.search(tag)]
                    found += [f"cell {n}: {tag[:40]} without alt or aria-label" for tag in bare]
    return found


RULES = [described, executed_in_order, no_errors, no_stderr, no_machine, narrow, small, normalised]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_notebook(path, rule):
    assert rule(nbformat.read(path, as_version=4)) == []


def test_the_course_begins_with_00():
    assert NOTEBOOKS
    assert NOTEBOOKS[0].name == "00_start_here.ipynb"


def spoiled(how) -> nbformat.NotebookNode:
    """A good notebook of one cell with one thing spoiled."""
    cell = nbformat.v4.new_code_cell("print(1)", id="cell-000", execution_count=1, metadata={})
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="1\n")]
    notebook = normalise(nbformat.v4.new_notebook(cells=[cell]))
    how(notebook, notebook.cells[0])
    return notebook


def set_output(output_type, **fields):
    return lambda _, cell: cell.update(outputs=[nbformat.v4.new_output(output_type, **fields)])


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4//8/AAX+Av4N70a4AAAAAElFTkSuQmCC"


@pytest.mark.parametrize(
    ("rule", "how"),
    [
        (described, set_output("display_data", data={"image/png": PIXEL})),
        (described, set_output("display_data", data={"image/svg+xml": "<svg></svg>"}, metadata={})),
        (described, set_output("display_data", data={"text/html": '<audio controls src="data:..."></audio>'})),
        (executed_in_order, lambda _, cell: cell.update(execution_count=None, outputs=[])),  # stripped
        (executed_in_order, lambda _, cell: cell.update(execution_count=7)),
        (no_errors, set_output("error", ename="E", evalue="", traceback=[])),
        (no_stderr, set_output("stream", name="stderr", text="Warning: ...")),
        (no_machine, set_output("stream", name="stdout", text="<Thing at 0x7f00deadbeef>")),
        (no_machine, set_output("stream", name="stdout", text="/home/ann/mmkit/data/a.png")),
        (narrow, lambda _, cell: cell.update(source="x = " + "1 + " * 30 + "1")),
        (small, set_output("stream", name="stdout", text="a" * 500_000)),
        (normalised, lambda notebook, _: notebook.metadata.update(kernelspec={"name": "mine"})),
    ],
)
def test_rule_can_fail(rule, how):
    assert rule(spoiled(lambda *_: None)) == []
    assert rule(spoiled(how)) != []


def test_normalising_keeps_alternative_text():
    def drawn(_, cell):
        said = {"image/png": {"alt": "one red pixel", "width": 1}}
        cell.update(outputs=[nbformat.v4.new_output("display_data", data={"image/png": PIXEL}, metadata=said)])

    notebook = normalise(spoiled(drawn))
    assert notebook.cells[0].outputs[0].metadata == {"image/png": {"alt": "one red pixel"}}
    assert described(notebook) == []


def test_nbval_compares_a_changed_output(tmp_path):
    """nbval itself, in the way `make nbval` calls it, fails where a stored output is not what the code says."""
    import subprocess
    import sys

    notebook = spoiled(set_output("stream", name="stdout", text="2\n"))
    (tmp_path / "wrong.ipynb").write_text(nbformat.writes(notebook), "utf-8")
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-sanitize-with", str(FOLDER / "nbval.cfg")]
    run = subprocess.run([*command, "-p", "no:cacheprovider", str(tmp_path)], capture_output=True, text=True)
    assert run.returncode == 1, run.stdout
    assert "1 failed" in run.stdout


def test_source_holds_no_secret_settings():
    """A notebook must run in plain JupyterLab: nothing may depend on variables that only the Makefile sets."""
    makefile = (FOLDER.parent / "Makefile").read_text("utf-8")
    assert "export" not in makefile
    for path in NOTEBOOKS:
        assert json.loads(path.read_text("utf-8"))["metadata"]["kernelspec"]["name"] == "python3"
