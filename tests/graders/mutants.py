"""Mutants of a function: its source with one small change, of the kind that a slip of the pen makes.

source -> ast -> each place, each change that fits there -> ("old line  ->  new line", changed source)
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator

Change = Callable[[ast.AST], None]

OPERATORS = {
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Div, ast.Add],
    ast.Div: [ast.Mult, ast.FloorDiv],
    ast.FloorDiv: [ast.Div, ast.Mult],
    ast.Mod: [ast.FloorDiv, ast.Mult],
    ast.Pow: [ast.Mult],
}
COMPARISONS = {
    ast.Lt: [ast.LtE, ast.Gt],
    ast.LtE: [ast.Lt, ast.GtE],
    ast.Gt: [ast.GtE, ast.Lt],
    ast.GtE: [ast.Gt, ast.LtE],
    ast.Eq: [ast.NotEq, ast.LtE, ast.GtE],
    ast.NotEq: [ast.Eq],
}
FUNCTIONS = {  # a name, and what it is easily confused with
    "min": ["max"],
    "max": ["min"],
    "round": ["int"],
    "floor": ["ceil"],
    "ceil": ["floor"],
    "any": ["all"],
    "all": ["any"],
    "sum": ["max", "len"],
    "mean": ["max", "sum", "std"],
    "minimum": ["maximum"],
    "maximum": ["minimum"],
    "rint": ["floor"],
    "log10": ["log"],
    "abs": ["float"],
}


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Each mutant of a source, with the line that was changed; the same one never twice."""
    tree = ast.parse(source)
    original = ast.unparse(tree)
    seen = {original}
    ignored = {
        inner for node in ast.walk(tree) if isinstance(node, ast.Raise) for inner in ast.walk(node.exc or node)
    }
    for place, node in enumerate(ast.walk(tree)):
        if node in ignored:  # the words of an error are free
            continue
        for change in _changes(node):
            mutant = copy.deepcopy(tree)
            change(next(other for number, other in enumerate(ast.walk(mutant)) if number == place))
            text = ast.unparse(ast.fix_missing_locations(mutant))
            if text not in seen:
                seen.add(text)
                yield _difference(original, text), text


def _difference(old: str, new: str) -> str:
    pairs = zip(old.splitlines(), new.splitlines(), strict=False)
    before, after = next((a, b) for a, b in pairs if a != b)
    return f"{before.strip()}  ->  {after.strip()}"


def _changes(node: ast.AST) -> Iterator[Change]:
    """The changes that fit at a node."""
    if isinstance(node, (ast.BinOp, ast.AugAssign)):
        yield from (_set("op", other()) for other in OPERATORS.get(type(node.op), []))
    elif isinstance(node, ast.Compare):
        yield from (_set("ops", [other()]) for other in COMPARISONS.get(type(node.ops[0]), []))
    elif isinstance(node, ast.BoolOp):
        yield _set("op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
        yield from (_become(value) for value in node.values)
    elif isinstance(node, ast.UnaryOp):
        yield _become(node.operand)
    elif isinstance(node, ast.Constant):
        yield from _other_constants(node.value)
    elif isinstance(node, (ast.If, ast.While, ast.IfExp)):
        yield from (_set("test", ast.Constant(value)) for value in (True, False))
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield _set("ifs", [])
    elif isinstance(node, ast.Slice):
        yield from (_set(end, None) for end in ("lower", "upper") if getattr(node, end))
    elif isinstance(node, ast.Call):
        yield from _other_calls(node)
    elif isinstance(node, (ast.Break, ast.Assign, ast.Expr, ast.Raise)):
        yield _become(ast.Pass())


def _other_constants(value: object) -> Iterator[Change]:
    if isinstance(value, bool):
        yield _set("value", not value)
    elif isinstance(value, int):
        yield from (_set("value", value + step) for step in (1, -1))
    elif isinstance(value, float):
        yield from (_set("value", value * factor) for factor in (10.0, 0.5))
    elif isinstance(value, str) and value:
        yield from (_set("value", other) for other in ("", value + "x", value.strip()))


def _other_calls(node: ast.Call) -> Iterator[Change]:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    field = "id" if isinstance(node.func, ast.Name) else "attr"
    for other in FUNCTIONS.get(name, []):
        yield lambda call, other=other: setattr(call.func, field, other)
    if name in ("min", "max", "minimum", "maximum"):  # a dropped clamp
        yield from (_become(argument) for argument in node.args)
    if name in ("round", "abs", "sorted") and node.args:  # a forgotten step
        yield _become(node.args[0])
    if name in ("range", "len") and node.args:  # off by one
        for step in (1, -1):
            last = node.args[-1] if name == "range" else node
            more = ast.BinOp(copy.deepcopy(last), ast.Add(), ast.Constant(step))
            yield _set("args", [*node.args[:-1], more]) if name == "range" else _become(more)
    for keyword in node.keywords:  # a forgotten option
        yield _set("keywords", [other for other in node.keywords if other is not keyword])


def _set(field: str, value: object) -> Change:
    return lambda node: setattr(node, field, copy.deepcopy(value))


def _become(other: ast.AST) -> Change:
    def change(node: ast.AST) -> None:
        node.__class__, node.__dict__ = type(other), copy.deepcopy(other).__dict__

    return change
