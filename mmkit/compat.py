"""Old APIs in code and notebooks: what is gone, since which release, and what to write today.

    PATH... -> files (*.py, *.ipynb) -> syntax trees, never run -> uses of a row of RULES -> Use (file, line, rule)

Follows what `ruff` and `pyupgrade` do for Python itself: names are resolved through imports and assignments, so
that `import vllm.multimodal as m; m.MultiModalPlugin` is found and a function of your own of that name is not. The
rows come from vLLM's pull requests and from the releases that are installed: tests look each of them up there.
Leaves out what only running could tell (names made at run time, star imports, code in strings), and two things that
are meant: a line with the comment `# compat: ignore`, and an `except ImportError` that imports, too.
"""

from __future__ import annotations

import ast
import json
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmkit.errors import BadEncoding, CorruptMedia, MmkitError, UnsupportedFormat, label
from mmkit.media import read_file
from mmkit.old_apis import RULES, Rule

_BY_OLD = {rule.old: rule for rule in RULES}
_LIBRARIES = {rule.old.partition(".")[0] for rule in RULES if rule.old[0].isalpha() and "(" not in rule.old}


@dataclass(frozen=True)
class Use:
    """One use of an old API.  line: in the file or the cell, from 1.  cell: its index in the notebook, from 0."""

    file: str
    line: int
    rule: Rule
    cell: int | None = None

    @property
    def where(self) -> str:
        """`file.py:12`, or `lesson.ipynb[3]:12` for the cell of index 3."""
        return f"{self.file}{'' if self.cell is None else f'[{self.cell}]'}:{self.line}"

    def as_row(self) -> dict[str, Any]:
        """The use as `mmkit compat --json` prints it."""
        rule = self.rule
        place = {"file": self.file, "cell": self.cell, "line": self.line}
        return place | {"old": rule.old, "fate": rule.fate, "release": rule.release, "now": rule.now}


@dataclass(frozen=True)
class Report:
    """What was found: uses, and an error for each file (or cell) that could not be read."""

    files: int = 0
    uses: tuple[Use, ...] = ()
    errors: tuple[MmkitError, ...] = ()

    def __add__(self, other: Report) -> Report:
        return Report(self.files + other.files, self.uses + other.uses, self.errors + other.errors)


def scan_paths(paths: Sequence[str | Path]) -> Report:
    """Scan files and folders (their *.py and *.ipynb); one that cannot be read costs itself alone.

    The order is that of the paths, of the names within a folder and of the lines within a file.
    """
    return sum((scan_file(file) for path in paths for file in find_files(path)), Report())


def find_files(path: str | Path) -> Iterator[str]:
    """The *.py and *.ipynb below a folder, sorted, without hidden and installed ones; or the path itself."""
    if not os.path.isdir(path):
        yield os.fspath(path)
        return
    for folder, below, names in os.walk(path):
        own = (name for name in below if not os.path.exists(os.path.join(folder, name, "pyvenv.cfg")))
        below[:] = sorted(name for name in own if name[0] != "." and name not in ("__pycache__", "node_modules"))
        yield from (os.path.join(folder, name) for name in sorted(names) if name.endswith((".py", ".ipynb")))


def scan_file(path: str | Path) -> Report:
    """Scan one file.  Never raises: its Report holds what media.read_file raises, or CorruptMedia, BadEncoding."""
    file = os.fspath(path)
    try:
        data = read_file(path)
        found = scan_notebook(data, file) if file.endswith(".ipynb") else scan_source(data, file)
    except MmkitError as error:
        found = Report(1, errors=(error,))
    return Report(1, found.uses, tuple(error.at(source=label(file), modality="text") for error in found.errors))


def scan_source(source: str | bytes, file: str = "<source>") -> Report:
    """Scan Python source.  Its Report holds CorruptMedia where Python of today cannot read it.

    >>> [(use.where, use.rule.release) for use in scan_source("from vllm.inputs import INPUT_REGISTRY").uses]
    [('<source>:1', 'vLLM 0.9')]
    """
    finder = _Finder()
    try:
        finder.visit(_parse(source))
    except (SyntaxError, RecursionError) as error:
        return Report(1, errors=(_unreadable(error),))
    lines = source.splitlines() if isinstance(source, str) else source.decode("utf-8", "replace").splitlines()
    return Report(1, tuple(Use(file, line, rule) for line, rule in finder.uses(lines)))


def scan_notebook(data: bytes, file: str = "<notebook>") -> Report:
    """Scan a notebook's code cells, each by itself, with the names that the earlier ones bound.

    Raises BadEncoding, CorruptMedia, UnsupportedFormat where it is not a Python notebook.
    """
    finder, uses, errors = _Finder(), [], []
    for cell, source in _code_cells(data):
        finder.found = []
        try:
            finder.visit(_parse_cell(source.split("\n"), finder))
        except (SyntaxError, RecursionError) as error:
            errors.append(_unreadable(error, f"cell {cell}, "))
        uses += [Use(file, line, rule, cell) for line, rule in finder.uses(source.split("\n"))]
    return Report(1, tuple(uses), tuple(errors))


# ------------------------------------------------------------------------------------------- files to trees


def _parse(source: str | bytes) -> ast.Module:
    """A syntax tree.  Raises SyntaxError for whatever Python cannot read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of somebody's "\d"
            return ast.parse(source)
    except (ValueError, RecursionError, MemoryError) as error:  # NUL characters, lone surrogates; too deep
        raise SyntaxError(str(error) or "nested too deeply", ("", 1, None, None)) from error


def _unreadable(error: SyntaxError | RecursionError, where: str = "") -> CorruptMedia:
    line, what = getattr(error, "lineno", 1), getattr(error, "msg", "nested too deeply")
    return CorruptMedia(
        f"{where}line {line}: not Python that can be read: {what}; mend it, or leave it out", cause=error
    )


def _code_cells(data: bytes) -> list[tuple[int, str]]:
    """A notebook's code cells: (index among all cells, source)."""
    try:
        notebook = json.loads(data.decode("utf-8"))
        language = notebook.get("metadata", {}).get("kernelspec", {}).get("language", "python")
        code = [(n, cell["source"]) for n, cell in enumerate(notebook["cells"]) if cell["cell_type"] == "code"]
        cells = [(n, source if isinstance(source, str) else "".join(source)) for n, source in code]
    except UnicodeDecodeError as error:
        raise BadEncoding("a notebook is UTF-8, and this is not", cause=error) from error
    except (ValueError, RecursionError) as error:
        raise CorruptMedia("a notebook is JSON, and this is not", cause=error) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise CorruptMedia("not a notebook of version 4; `jupyter nbconvert` makes one", cause=error) from error
    if language != "python":
        raise UnsupportedFormat(f"a notebook in {language!s:.20}; only Python can be scanned")
    return cells


_OF_PYTHON = {"%%time", "%%timeit", "%%capture", "%%prun", "%%python", "%%python3"}  # what follows is Python
_OF_A_SHELL = {"%%bash", "%%sh", "%%cmd", "%%script", "%%!"}
_MAGIC = re.compile(r"\s*([%!?]|[\w., ]+=\s*[%!])|.*\w\?{1,2}\s*$")  # %x, !x, ?x, a = !x, a?


def _parse_cell(lines: list[str], finder: _Finder) -> ast.Module:
    """A cell's tree: what IPython alone reads is taken out and told to the finder as a command.

    Only a line that Python cannot read is taken for a magic, so a `% value` that goes on from above stays.
    """
    first = (lines[0].split() or [""])[0]
    if first.startswith("%%") and first not in _OF_PYTHON:
        for number, line in enumerate(lines, 1):
            finder.report_command(number, line.split() if first in _OF_A_SHELL else [])
        return ast.Module([], [])
    if first.startswith("%%"):
        lines[0] = ""
    while True:
        try:
            return _parse("\n".join(lines))
        except SyntaxError as error:
            until = min(error.lineno or 1, len(lines))
            start = next((n for n in range(until - 1, -1, -1) if _MAGIC.match(lines[n])), None)
            if start is None:
                raise
            end = start
            while lines[end].endswith("\\") and end + 1 < len(lines):
                end += 1
            command = " ".join(line.rstrip("\\") for line in lines[start : end + 1])
            finder.report_command(start + 1, re.sub(r"^\W*(env\s)?", "", command).split())
            indent = lines[start][: len(lines[start]) - len(lines[start].lstrip())]
            lines[start : end + 1] = [f"{indent}pass"] + [""] * (end - start)


# --------------------------------------------------------------------------------------------- trees to uses


def _of_command(words: list[str]) -> list[str]:
    """What a command line of vLLM's may break: its flags and the variables set before it, as rows name them.

    >>> _of_command("VLLM_USE_V1=0 vllm serve m --task=embed".split())
    ['$VLLM_USE_V1', '--task']
    """
    names = [f"${word.partition('=')[0]}" for word in words if re.match(r"[A-Z_0-9]+=", word)]
    if any("vllm" in word for word in words):
        flags = [word.partition("=")[0].replace("_", "-") for word in words if word.startswith("--")]
        limits = re.search(r"--limit[-_]mm[-_]per[-_]prompt[ =](\w+=\d+)", " ".join(words))
        names += [f"{flag} image=2" if limits and "limit-mm" in flag else flag for flag in flags]
    return names


def _role(base: str) -> str | None:
    """What a class of vLLM's stands for, by vLLM's way of naming: LlavaProcessingInfo is a BaseProcessingInfo."""
    for role in ("MultiModalProcessor", "ProcessingInfo", "DummyInputsBuilder"):
        if base.endswith(role):
            return f"Base{role}"
    model = base.startswith("vllm.") and base.endswith(("SupportsMultiModal", "ForConditionalGeneration"))
    return "SupportsMultiModal" if model else None


def _text(node: ast.AST) -> str | None:
    """The value of a string constant."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


_ENGINES = {"EngineArgs": "LLM", "AsyncEngineArgs": "LLM"}  # the same arguments
_ENVIRONMENT = {"os.getenv", "os.environ.get", "os.environ.setdefault"}


class _Finder(ast.NodeVisitor):
    """Walks a tree in the order of its lines and keeps what each name stands for.

    names: source text of a name (`m`, `self.llm`) -> what it stands for (`vllm.multimodal`, `vllm.LLM`). What a
    call makes goes by the name of the callee, so `LLM(...).generate` is `vllm.LLM.generate`.
    """

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.found: list[tuple[int, Rule]] = []
        self.silent = False

    def report(self, node: ast.AST, old: str) -> None:
        """Keep a use of the row, if there is one."""
        if old in _BY_OLD and not self.silent:
            self.found.append((getattr(node, "lineno", 1), _BY_OLD[old]))

    def report_command(self, line: int, words: list[str]) -> None:
        """Keep the uses in a command line."""
        for old in _of_command(words):
            self.report(ast.Constant(None, lineno=line), old)

    def uses(self, lines: list[str]) -> list[tuple[int, Rule]]:
        """What was found: (line, row), each once, by line, but for lines that say `# compat: ignore`."""
        meant = {number for number, line in enumerate(lines, 1) if "# compat: ignore" in line}
        return sorted({use: None for use in self.found if use[0] not in meant}, key=lambda use: use[0])

    def report_name(self, node: ast.AST, name: str, known: str = "") -> None:
        """Keep a use of the longest row that covers a dotted name; `known` is what an import told already."""
        parts = name.split(".")
        heads = (".".join(parts[:n]) for n in range(len(parts), known.count(".") + bool(known), -1))
        self.report(node, next((head for head in heads if head in _BY_OLD), ""))

    def resolve(self, node: ast.AST) -> str | None:
        """The dotted name that an expression stands for, None if it is not of a library that we know."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id)
        if isinstance(node, ast.Attribute):
            own = self.names.get(ast.unparse(node)) if isinstance(node.value, ast.Name) else None
            base = own or self.resolve(node.value)
            return own or (f"{base}.{node.attr}" if base else None)
        if isinstance(node, ast.Call):
            made = self.resolve(node.func)
            return made.removesuffix(".from_pretrained") if made else None
        return self.resolve(node.value) if isinstance(node, ast.Await) else None

    def bind(self, target: ast.AST, name: str | None) -> None:
        """A target takes on a meaning, or loses the one it had."""
        if isinstance(target, (ast.Tuple, ast.List)):
            for element in target.elts:
                self.bind(element, None)
        elif isinstance(target, (ast.Name, ast.Attribute)):
            text = ast.unparse(target)
            self.names.pop(text, None)
            if name:
                self.names[text] = name

    # imports and assignments

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.report_name(alias, alias.name)
            root = alias.name.partition(".")[0]
            self.names[alias.asname or root] = alias.name if alias.asname else root

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names if node.module and not node.level else ():
            name = f"{node.module}.{alias.name}"
            self.report_name(alias, name)
            self.names[alias.asname or alias.name] = name

    def visit_Try(self, node: ast.Try) -> None:
        def imports(body: list[ast.stmt]) -> bool:
            return any(isinstance(child, (ast.Import, ast.ImportFrom)) for child in body)

        before = self.silent
        self.silent |= imports(node.body) and any(imports(handler.body) for handler in node.handlers)
        self.generic_visit(node)
        self.silent = before

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)
            self.bind(target, self.resolve(node.value))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.generic_visit(node)
        self.bind(node.target, node.value and self.resolve(node.value))

    def visit_withitem(self, node: ast.withitem) -> None:
        self.generic_visit(node)
        if node.optional_vars:
            self.bind(node.optional_vars, self.resolve(node.context_expr))

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self.bind(node.target, None)
        for child in (*node.body, *node.orelse):
            self.visit(child)

    visit_AsyncFor = visit_For

    # definitions

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Names bound inside are forgotten outside, but for attributes such as self.llm."""
        outer, self.names = self.names, dict(self.names)
        yield
        outer.update({text: name for text, name in self.names.items() if "." in text})
        self.names = outer

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.names.pop(node.name, None)
        for child in (*node.decorator_list, *ast.iter_child_nodes(node.args), *filter(None, [node.returns])):
            self.visit(child)
        with self.scope():
            for arg in ast.walk(node.args):
                if isinstance(arg, ast.arg):
                    self.bind(ast.Name(arg.arg), arg.annotation and self.resolve(arg.annotation))
            for child in node.body:
                self.visit(child)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        bases = [base for base in map(self.resolve, node.bases) if base]
        roles = {role for role in map(_role, bases) if role}
        for method in node.body:
            if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)):
                parameters = [
                    arg.arg for arg in (*method.args.posonlyargs, *method.args.args, *method.args.kwonlyargs)
                ]
                whole = [] if method.args.vararg or method.args.kwarg else [", ".join(parameters)]
                for role in roles:
                    for inside in ("", *parameters, *whole):
                        self.report(method, f"{role}.{method.name}({inside})")
        with self.scope():
            self.generic_visit(node)
        kin = sorted(bases, key=lambda base: _role(base) is None)
        self.bind(ast.Name(node.name), kin[0] if kin else None)

    # uses

    def visit_Attribute(self, node: ast.Attribute) -> None:
        root: ast.AST = node
        while isinstance(root, ast.Attribute):
            root = root.value
        name = self.resolve(node)
        if name:
            self.report_name(node, name, self.resolve(root) or "")
        if not isinstance(root, ast.Name):
            self.visit(root)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if self.resolve(node.value) == "os.environ":
            self.report(node, f"${_text(node.slice)}")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        callee = self.resolve(node.func) or ""
        first = _text(node.args[0]) if node.args else None
        if callee in _ENVIRONMENT:
            self.report(node, f"${first}")
        if callee == "importlib.import_module" and first:
            self.report_name(node, first)
        if callee.partition(".")[0] in _LIBRARIES:
            self.check_arguments(node, callee)
        for keyword in node.keywords:
            if callee == "os.environ.update":
                self.report(keyword.value, f"${keyword.arg}")
            if keyword.arg in ("extra_body", "json") and isinstance(keyword.value, ast.Dict):
                for key in filter(None, keyword.value.keys):
                    self.report(key, f'extra_body{{"{_text(key)}"}}')
        self.generic_visit(node)

    def check_arguments(self, node: ast.Call, callee: str) -> None:
        """Arguments by their names, and the target of a prompt update also by its place."""
        classes = [part for part in callee.split(".") if part[:1].isupper()][:1]
        methods = [part for part in callee.rpartition(".")[2:] if part.islower()]
        owner = ".".join([_ENGINES.get(name, name) for name in classes] + methods)
        given = [(keyword.arg, keyword.value) for keyword in node.keywords]
        if owner in ("PromptReplacement", "PromptInsertion") and len(node.args) > 1:
            given.append(("target", node.args[1]))
        for arg, value in given:
            self.report(value, f"{owner}({arg}=)")
            if _text(value) is not None:
                self.report(value, f"{owner}({arg}=str)")

    def visit_Dict(self, node: ast.Dict) -> None:
        keys = [_text(key) if key else None for key in node.keys]
        for key, name in zip(node.keys, keys, strict=True):
            if key and name:
                self.report(key, f'{{"{name}"}}')
                self.report(key, f"${name}")
        if "prompt" in keys and "multi_modal_data" in keys:
            for part in ast.walk(node.values[keys.index("prompt")]):
                if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mult):
                    repeated = f"{_text(part.left)}{_text(part.right)}"
                    self.report(part, '{"prompt": "<image>" * n}' if "<" in repeated else "")
        self.generic_visit(node)

    def visit_List(self, node: ast.List | ast.Tuple) -> None:
        self.report_command(node.lineno, [_text(element) or "" for element in node.elts])
        self.generic_visit(node)

    visit_Tuple = visit_List
