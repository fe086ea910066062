"""Run the notebooks in a clean process and store them normalised, as they are committed.

    python notebooks/execute.py                    all of them, in place
    python notebooks/execute.py 02_image.ipynb     one
    python notebooks/execute.py --check            run, compare with what is stored, write nothing

Normalised: execution counts from 1, one kernel name, no timestamps, neighbouring stream outputs joined, of all
metadata only tags and alternative text. A cell that fails stops the run with its traceback, unless it is tagged
`raises-exception`: lessons show failures on purpose.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
CELL_SECONDS = 300


def execute(path: Path) -> nbformat.NotebookNode:
    """Run one notebook from the top in a fresh kernel, in its own folder, and return it normalised."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    return normalise(notebook)


def normalise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Keep what a reader sees; drop what differs from run to run."""
    kept = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata = nbformat.from_dict({"kernelspec": kept, "language_info": {"name": "python"}})
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:03d}"
        wanted = {key: cell.metadata[key] for key in ("tags", "jupyter") if key in cell.metadata}
        cell.metadata = nbformat.from_dict(wanted)
        if cell.cell_type == "code":
            cell.outputs = joined_streams(cell.outputs)
            for output in cell.outputs:
                if "metadata" in output:
                    output.metadata = nbformat.from_dict(alternative_text(output.metadata))
    return notebook


def alternative_text(metadata: dict) -> dict:
    """Of an output's metadata only what is read aloud in place of a picture: {"image/png": {"alt": ...}}.

    >>> alternative_text({"image/png": {"alt": "a red circle", "width": 3}, "needs_background": "light"})
    {'image/png': {'alt': 'a red circle'}}
    """
    said = {kind: about for kind, about in metadata.items() if isinstance(about, dict) and "alt" in about}
    return {kind: {"alt": about["alt"]} for kind, about in said.items()}


def joined_streams(outputs: list) -> list:
    """Neighbouring pieces of the same stream as one output: how they are cut depends on timing."""
    joined: list = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == "stream" == last.output_type and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    return joined


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="file names in notebooks/; all when left out")
    parser.add_argument("--check", action="store_true", help="compare with what is stored and write nothing")
    options = parser.parse_args()
    paths = [HERE / Path(name).name for name in options.names] or sorted(HERE.glob("*.ipynb"))
    stale = []
    for path in paths:
        started = time.monotonic()
        text = nbformat.writes(execute(path)) + "\n"
        changed = text != path.read_text("utf-8")
        print(
            f"{path.name}: {time.monotonic() - started:.0f} s, {'changed' if changed else 'as stored'}",
            flush=True,
        )
        if changed and options.check:
            stale.append(path.name)
        elif changed:
            path.write_text(text, "utf-8")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
