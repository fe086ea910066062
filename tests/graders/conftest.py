"""Graders are imported as a notebook does it: from the folder of the notebooks."""

import sys
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
sys.path.insert(0, str(NOTEBOOKS))


@pytest.fixture(autouse=True)
def _in_notebooks_folder(monkeypatch, tmp_path):
    """Notebooks read ../data; a failing case may be drawn, which needs no screen; progress goes elsewhere."""
    import matplotlib.pyplot as plt
    from graders import mechanism

    monkeypatch.setattr(mechanism, "PROGRESS", tmp_path / ".progress.json")
    monkeypatch.chdir(NOTEBOOKS)
    plt.switch_backend("agg")
    yield
    plt.close("all")
