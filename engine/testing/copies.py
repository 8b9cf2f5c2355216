"""Whether a function writes its arguments as often as it declares: what a formula weighs is known from that alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy.sql.elements import ColumnElement

from engine.sql import expression
from engine.sql.source_row import SourceRow
from engine.sql.statement import compile_statement
from metamodel.formula import typed
from metamodel.formula.functions.registry import Aggregation, Function, aggregate, lookup

MARK = re.compile(r"\bargument_\d+\b")


def faults(tree: typed.Node, row: SourceRow) -> Iterator[str]:
    """The functions in the tree whose SQL writes one argument more often than declared, and how often."""
    for node in typed.walk(tree):
        call: typed.Node
        if isinstance(node, typed.Call):
            call = replace(node, args=tuple(_marked(arg, n, node) for n, arg in enumerate(node.args)))
            found: Function | Aggregation | None = lookup(node.function)
        elif isinstance(node, typed.Aggregate):
            value, by = (part and _marked(part, n, node) for n, part in enumerate((node.value, node.by)))
            call = replace(node, value=value, by=by)
            found = aggregate(node.function)
        else:
            continue
        assert found is not None
        lowered = expression.lower(call, row)
        written = _written(lowered.value), 0 if lowered.guard is None else _written(lowered.guard.condition)
        if isinstance(found, Function):
            fits = written[0] <= found.copies[0] and written[1] <= found.copies[1]
        else:
            fits = sum(written) <= found.copies
        if not fits:
            often = f"{written[0]} times in its value and {written[1]} times in its errors"
            yield f"{found.name} writes an argument {often}, but its `copies` says {found.copies}"


def _marked(node: typed.Node, n: int, call: typed.Call | typed.Aggregate) -> typed.Node:
    """The argument as a field of its own; a constant may decide what is written."""
    if isinstance(node, typed.Literal):
        return node
    return typed.Field(node.type, (), getattr(call, "object", ""), f"argument_{n}")


def _written(column: ColumnElement[Any]) -> int:
    """How often the argument that is written most is written."""
    marks = MARK.findall(compile_statement(column).text)
    return max(map(marks.count, marks), default=0)
