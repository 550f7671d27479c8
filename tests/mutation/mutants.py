"""Small mistakes that somebody could have made in a module, one at a time.

A mutant is the source with one change: another comparison, a dropped condition, a branch that is always or never taken,
another constant, a lost statement, a lost result. Annotations, docstrings, decorators, ``__all__`` and asserts (which
only tell the type checker what is known) are left alone.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.BitOr: ast.BitAnd,
}


@dataclass(frozen=True)
class Mutant:
    """One changed module."""

    name: str  # module.function: what was -> what is; the same as long as the code is the same
    line: int
    source: str


def mutants(module: str, source: str) -> list[Mutant]:
    """All mutants of one module, each with a name of its own."""
    tree = ast.parse(source)
    made: list[Mutant] = []
    names: Counter[str] = Counter()
    for where, node in _places(tree, module):
        for before, after, replacement in _changes(node):
            name = f"{where}: {before} -> {after}"
            names[name] += 1
            if names[name] > 1:
                name += f" (#{names[name]})"
            made.append(Mutant(name, node.lineno, _with(tree, node, replacement)))
    return made


def _places(node: ast.AST, where: str) -> Iterator[tuple[str, ast.AST]]:
    """Every node that runs, with the function it stands in."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        where = f"{where}.{node.name}"
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.Assert, ast.arguments)) or _is_text(node):
        return
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
        return
    if hasattr(node, "lineno"):
        yield where, node
    for child in _running(node):
        yield from _places(child, where)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """The children that run: no annotations and no decorators."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _changes(node: ast.AST) -> Iterator[tuple[str, str, ast.AST]]:
    """What can be done to one node: (was, is, the new node)."""
    was = _short(node)
    match node:
        case ast.Compare(ops=[op], left=left, comparators=comparators):
            for other in _COMPARISONS.get(type(op), ()):
                changed = ast.Compare(left, [other()], comparators)
                yield was, _short(changed), changed
        case ast.BoolOp(op=op, values=values):
            swapped = ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            yield was, _short(swapped), swapped
            for i in range(len(values)):
                rest = values[:i] + values[i + 1 :]
                dropped = rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)
                yield was, _short(dropped), dropped
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield was, _short(operand), operand
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _ARITHMETIC:
            changed = ast.BinOp(left, _ARITHMETIC[type(op)](), right)
            yield was, _short(changed), changed
        case ast.If(test=test) | ast.IfExp(test=test):
            for value in (True, False):
                changed = copy.copy(node)
                changed.test = ast.Constant(value)
                yield f"if {_short(test)}", f"if {value}", changed
        case ast.ListComp() | ast.GeneratorExp() | ast.SetComp() | ast.DictComp():
            for i, generator in enumerate(node.generators):
                for j in range(len(generator.ifs)):
                    changed = copy.copy(node)
                    fewer = generator.ifs[:j] + generator.ifs[j + 1 :]
                    one = ast.comprehension(generator.target, generator.iter, fewer, generator.is_async)
                    changed.generators = [*node.generators[:i], one, *node.generators[i + 1 :]]
                    yield was, _short(changed), changed
        case ast.Constant(value=bool(value)):
            yield was, str(not value), ast.Constant(not value)
        case ast.Constant(value=int(value)) | ast.Constant(value=float(value)):
            yield was, str(value + 1), ast.Constant(value + 1)
        case ast.Constant(value=str(value)):
            yield was, "another text", ast.Constant(f"not {value}")
        case ast.Return(value=value) if value is not None and was != "return None":
            yield was, "return None", ast.Return(ast.Constant(None))
        case ast.Expr() | ast.AugAssign():
            yield was, "nothing", ast.Pass()
        case ast.Continue():
            yield was, "break", ast.Break()
            yield was, "nothing", ast.Pass()


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 90 else f"{text[:60]} … {text[-27:]}"


def _with(tree: ast.Module, old: ast.AST, new: ast.AST) -> str:
    """The source with one node exchanged; the tree is as it was afterwards."""
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
                text = ast.unparse(ast.fix_missing_locations(tree))
                setattr(parent, name, old)
                return text
            if isinstance(value, list):
                for i, item in enumerate(value):
                    if item is old:
                        value[i] = new
                        text = ast.unparse(ast.fix_missing_locations(tree))
                        value[i] = old
                        return text
    raise AssertionError("the node is not in the tree")
