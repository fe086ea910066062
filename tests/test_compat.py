"""`mmkit compat`: finds each old use at its line, and nothing in modern code; never runs, never loses a file.

Oracle: the marks in tests/compat_corpus.py, and for the rows themselves the libraries that are installed.
"""

from __future__ import annotations

import importlib
import json
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmkit.cli import app
from mmkit.compat import scan_file, scan_notebook, scan_paths, scan_source
from mmkit.old_apis import RULES
from tests.compat_corpus import MODERN, OLD

ROOT = Path(__file__).parents[1]


def planted(source: str) -> list[int]:
    """Line numbers, as often as the line is marked."""
    return [n for n, line in enumerate(source.splitlines(), 1) for _ in range(line.count("#!"))]


def notebook(*cells: str, language: str = "python") -> bytes:
    made = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    prose = {"cell_type": "markdown", "source": ["INPUT_REGISTRY"]}
    return json.dumps({"cells": [prose, *made], "metadata": {"kernelspec": {"language": language}}}).encode()


def test_the_corpus_is_large_enough():
    assert len(OLD) >= 60
    assert len(MODERN) >= 60


@pytest.mark.parametrize("name", OLD)
def test_old_uses_are_found_at_their_lines(name):
    report = scan_source(OLD[name])
    assert not report.errors
    assert [use.line for use in report.uses] == planted(OLD[name])
    assert all(use.rule in RULES for use in report.uses)


@pytest.mark.parametrize("name", MODERN)
def test_modern_code_is_silent(name):
    report = scan_source(MODERN[name])
    assert not report.errors
    assert report.uses == ()


@pytest.mark.parametrize("name", OLD)
def test_the_same_in_a_notebook(name):
    """With magics around, which take no line away."""
    report = scan_notebook(notebook("%matplotlib inline\n!pip install -q vllm\n" + OLD[name]))
    assert not report.errors
    assert [(use.cell, use.line) for use in report.uses] == [(1, line + 2) for line in planted(OLD[name])]


def test_this_repository_is_clean():
    report = scan_paths([ROOT / "notebooks", ROOT / "mmkit", ROOT / "tests" / "benchmarks"])
    assert report.files > 100
    measured = [(Path(use.file).name, use.rule.old) for use in report.uses]
    assert measured == [("bench_video.py", "decord")]  # a peer that is measured
    assert report.errors == ()


# ------------------------------------------------------------------------------------------------ the rows


@pytest.mark.parametrize("rule", [rule for rule in RULES if re.fullmatch(r"[A-Za-z_][\w.]+", rule.old)], ids=str)
def test_each_name_is_found_however_it_is_imported(rule):
    module, _, name = rule.old.rpartition(".")
    if module:
        assert [use.rule for use in scan_source(f"import {module} as m\nm.{name}\n").uses[-1:]] == [rule]
        assert [use.rule for use in scan_source(f"import {module}\n{rule.old}\n").uses[-1:]] == [rule]
    if module and not any(part[:1].isupper() for part in module.split(".")):
        assert [use.rule for use in scan_source(f"from {module} import {name} as x\n").uses] == [rule]


def test_each_row_is_met():
    met = {use.rule.old for source in OLD.values() for use in scan_source(source).uses}
    assert {rule.old for rule in RULES if not re.fullmatch(r"[A-Za-z_][\w.]+", rule.old)} <= met


def exists(name: str) -> bool:
    """Is there `a.b.C.d` in what is installed?"""
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:n]))
        except ImportError:
            continue
        for part in parts[n:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


LIBRARIES = ("vllm", "transformers", "torchvision", "torchaudio", "PIL", "ray")


@pytest.fixture(scope="module")
def _quiet():
    from mmkit.engine import suppress_output

    with suppress_output():
        importlib.import_module("vllm.inputs")


@pytest.mark.vllm
@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize(
    "rule", [r for r in RULES if re.fullmatch(rf"({'|'.join(LIBRARIES)})[\w.]*", r.old)], ids=str
)
def test_old_names_are_gone_and_new_ones_are_there(rule):
    if rule.old.startswith("ray"):
        pytest.importorskip("ray")
        pytest.skip("ray.data.llm needs more than the workplace installs")
    assert not exists(rule.old)
    new = re.fullmatch(r"(vllm|transformers|torchvision|PIL)(\.\w+)+", rule.now)
    assert new is None or exists(rule.now), rule.now


@pytest.mark.vllm
@pytest.mark.usefixtures("_quiet")
def test_old_arguments_are_gone():
    import dataclasses
    import inspect

    from vllm import LLM, SamplingParams
    from vllm.engine.arg_utils import EngineArgs

    known = {
        "LLM": {f.name for f in dataclasses.fields(EngineArgs)} | set(inspect.signature(LLM.__init__).parameters),
        "LLM.generate": set(inspect.signature(LLM.generate).parameters),
        "SamplingParams": set(inspect.signature(SamplingParams).parameters),
    }
    for owner, names in known.items():
        old = [re.fullmatch(rf"{owner}\((\w+)=\)", rule.old) for rule in RULES]
        assert {match[1] for match in old if match}
        assert not {match[1] for match in old if match} & names
    assert {"mm_processor_cache_gb", "structured_outputs_config", "runner"} <= known["LLM"]
    assert "structured_outputs" in known["SamplingParams"]


@pytest.mark.vllm
@pytest.mark.usefixtures("_quiet")
def test_old_methods_are_gone():
    import inspect

    from vllm.model_executor.models.interfaces import SupportsMultiModal
    from vllm.multimodal import processing

    for rule in RULES:
        if match := re.fullmatch(r"(\w+)\.(\w+)\((.*)\)", rule.old):
            owner, method, inside = match.groups()
            found = getattr(processing, owner, SupportsMultiModal)
            if not inside:
                assert not hasattr(found, method), rule.old
            elif owner.startswith("Base"):
                parameters = list(inspect.signature(getattr(found, method)).parameters)
                assert inside not in parameters, rule.old
                assert inside != ", ".join(parameters), rule.old


@pytest.mark.vllm
@pytest.mark.usefixtures("_quiet")
def test_old_fields_of_a_request_are_known_as_removed():
    from vllm.entrypoints.serve.engine import protocol

    ours = {match[1] for rule in RULES if (match := re.fullmatch(r'\{"(guided_\w+)"\}', rule.old))}
    assert ours == protocol._REMOVED_GUIDED_FIELDS


def test_the_look_up_can_tell():
    assert exists("PIL.Image.open")
    assert not exists("PIL.Image.nothing")
    with pytest.raises(PackageNotFoundError):
        version("no-such-package")


# -------------------------------------------------------------------------------------------------- notebooks

MAGICS = [
    "%matplotlib inline",
    "%load_ext autoreload\n%autoreload 2",
    "!ls -l | head",
    "files = !ls",
    "best = %timeit -o f()",
    "%%time\nx = 1",
    "%%bash\nfor f in *; do echo $f; done",
    "%%writefile a.py\nthis is not (Python",
    "%%html\n<b>bold</b>",
    "len?",
    "?len",
    "np.array??",
    "if True:\n    !ls\n    %cd ..\n",
    "text = 'a %s'\ntext = (text\n    % 3)\n!ls",
    "!pip install \\\n  vllm \\\n  torch",
    "await client.get()",
    "x = 5 % 3\nprint('%d' % x)",
    "'''\n%not a magic\n!nor this\n'''",
]


@pytest.mark.parametrize("cell", MAGICS)
def test_magics_are_read_around(cell):
    report = scan_notebook(notebook(cell, "from vllm.inputs import INPUT_REGISTRY"))
    assert report.errors == ()
    assert [(use.cell, use.line) for use in report.uses] == [(2, 1)]


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        ("!vllm serve m --limit-mm-per-prompt image=2", 1),
        ("%%bash\necho\nvllm serve m --disable-mm-preprocessor-cache", 3),
        ("x = 1\n%env VLLM_USE_V1=0", 2),
        ("!VLLM_USE_V1=0 python a.py", 1),
        ("!vllm serve m \\\n  --limit-mm-per-prompt image=2,video=1", 1),
        ("server = !vllm serve m --guided-decoding-backend outlines &", 1),
    ],
)
def test_commands_in_cells_are_read(cell, line):
    assert [use.line for use in scan_notebook(notebook(cell)).uses] == [line]


def test_names_live_from_cell_to_cell():
    cells = "import vllm.multimodal as mm", "r = mm.MULTIMODAL_REGISTRY", "\nr.register_image_input_mapper()"
    (use,) = scan_notebook(notebook(*cells)).uses
    assert (use.where, use.cell, use.line) == ("<notebook>[3]:2", 3, 2)


# ------------------------------------------------------------------------------------------------- unreadable

BROKEN = {
    "missing.py": None,
    "python2.py": b"print 'hello'",
    "half.py": b"def f(:\n  pass",
    "latin.py": "x = 'é'".encode("latin-1"),
    "null.py": b"x = 1\0",
    "coding.py": b"# coding: nothing\nx = 1",
    "deep.py": b"(" * 500 + b")" * 500,
    "chain.py": b"x = " + b"-" * 200_000 + b"1",
    "broken.ipynb": b"{",
    "list.ipynb": b"[1]",
    "old.ipynb": b'{"worksheets": []}',
    "latin.ipynb": b'{"cells": ["\xe9"]}',
    "number.ipynb": b'{"cells": [{"cell_type": "code", "source": 7}]}',
    "syntax.ipynb": notebook("x = 1", "def (", "from vllm.inputs import INPUT_REGISTRY"),
    "r.ipynb": notebook("x <- 1", language="R"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_a_typed_error(name, tmp_path):
    if BROKEN[name] is not None:
        (tmp_path / name).write_bytes(BROKEN[name])
    report = scan_file(tmp_path / name)
    assert report.files == 1
    (error,) = report.errors
    assert error.code in ("SourceNotFound", "BadEncoding", "CorruptMedia", "UnsupportedFormat")
    assert name in str(error)
    assert str(tmp_path) not in str(error)


def test_a_broken_cell_costs_itself_alone(tmp_path):
    (tmp_path / "syntax.ipynb").write_bytes(BROKEN["syntax.ipynb"])
    report = scan_file(tmp_path / "syntax.ipynb")
    assert [use.cell for use in report.uses] == [3]
    assert "cell 2, line 1" in str(report.errors[0])


@pytest.mark.parametrize(
    "source", [b"\xef\xbb\xbfimport decord", "# coding: latin-1\nimport decord  # é".encode("latin-1")]
)
def test_encodings_that_python_reads(source):
    assert len(scan_source(source).uses) == 1


def test_folders(tmp_path):
    for name in ("a.py", "b/c.py", "b/d.ipynb", "b/e.txt", ".git/f.py", "venv/lib/g.py", "__pycache__/h.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(notebook("import decord") if name.endswith("ipynb") else b"import decord")
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    report = scan_paths([tmp_path, tmp_path / "b" / "e.txt"])
    assert [Path(use.file).name for use in report.uses] == ["a.py", "c.py", "d.ipynb", "e.txt"]
    assert scan_paths([]).files == 0


# ------------------------------------------------------------------------------------------------- the verb


def run(*arguments: object):
    return CliRunner().invoke(app, ["compat", *map(str, arguments)])


def test_exit_codes_and_lines(tmp_path):
    new, old, bad = tmp_path / "new.py", tmp_path / "old.py", tmp_path / "bad.py"
    new.write_text("import vllm")
    old.write_text("\nimport decord")
    bad.write_text("print 'x'")
    assert run(new).exit_code == 0
    found = run(new, old)
    assert found.exit_code == 1
    assert f"{old}:2: decord" in found.stdout
    assert "1 old uses" in found.stderr
    both = run(bad, old)
    assert both.exit_code == 2
    assert "old.py:2" in both.stdout
    assert "BAD" in both.stdout


def test_json(tmp_path):
    (tmp_path / "a.ipynb").write_bytes(notebook("import decord"))
    (tmp_path / "b.py").write_text("(")
    rows = [json.loads(line) for line in run(tmp_path, "--json").stdout.splitlines()]
    assert rows[0] == {
        "file": str(tmp_path / "a.ipynb"),
        "cell": 1,
        "line": 1,
        "old": "decord",
        "fate": "not maintained",
        "release": "its last release, 0.6 of 2021",
        "now": "torchcodec, PyAV, or mmkit.load_video",
    }
    assert rows[1]["error"]["type"] == "CorruptMedia"
