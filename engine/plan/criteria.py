"""A condition in the parts that can be told: what each says must be so, and what it is now, as a reader may know it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.plan.access import Rights
from engine.plan.names import Names
from metamodel.formula import ast, typed
from metamodel.formula.check import check
from metamodel.formula.depends import reads
from metamodel.formula.parse import parse
from metamodel.formula.scope import Scope
from metamodel.kinds.common import Formula
from metamodel.model_schema import ModelSchema

COMPARED = ("=", "<>", "<", "<=", ">", ">=")
USER = "user"


@dataclass(frozen=True, slots=True)
class Leaf:
    """One test: `of` (a formula's text) must be in relation `must` to `be`, another text. `value` and `bound` are what
    these give, planned in the reader's view; None for what the reader may not know, and for a constant."""

    of: str
    must: str
    be: str
    value: typed.Node | None
    bound: typed.Node | None


@dataclass(frozen=True, slots=True)
class Condition:
    """One of the conditions that all must hold: any of its `leaves` will do. `text` is how it is written, `holds` its
    tree in the system's view."""

    text: str
    holds: typed.Node
    leaves: tuple[Leaf, ...]


def conditions(
    formula: Formula, obj: str, rights: Rights, system: Names, reader: Names, given: str
) -> tuple[Condition, ...]:
    """What a condition over a record of `obj` consists of; nothing where it reads what the reader may not know.

    `given` is the field that the caller gives; what is asked of that alone is left out where there is another way.
    """
    schema = ModelSchema(rights.release.model)
    tree = parse(formula.text)
    found = check(tree, Scope(schema, "rule", row=obj, old=True, user=USER), blanks=formula.blanks)
    if found.tree is None:
        return ()
    nodes = {(part.start, part.end): part.node for part in found.parts if part.depth == 0}
    told = _Told(formula.text, nodes, obj, rights, system, reader)
    if not told.known(found.tree):
        return ()
    return tuple(told.condition(part, given) for part in _parts(tree, "and"))


def _parts(node: ast.Node, op: str) -> Iterator[ast.Node]:
    if isinstance(node, ast.Logic) and node.op == op:
        for item in node.items:
            yield from _parts(item, op)
    else:
        yield node


@dataclass(frozen=True, slots=True)
class _Told:
    text: str
    nodes: dict[tuple[int, int], typed.Node]
    object: str
    rights: Rights
    system: Names
    reader: Names

    def known(self, tree: typed.Node) -> bool:
        """Whether the reader may name all that the tree reads."""
        found = reads(tree, ModelSchema(self.rights.release.model), self.object)
        return all(name in self.rights.readable(owner) for owner, name in found.fields)

    def written(self, node: ast.Node) -> str:
        return self.text[node.start : node.end]

    def condition(self, node: ast.Node, given: str) -> Condition:
        leaves = [self.leaf(part) for part in _parts(node, "or")]
        other = [leaf for leaf in leaves if leaf.of != given]
        tree = self.system.tree(self.nodes[node.start, node.end], self.object)
        return Condition(self.written(node), tree, tuple(other or leaves))

    def leaf(self, node: ast.Node) -> Leaf:
        match node:
            case ast.Binary(op=op, left=left, right=right) if op in COMPARED:
                return self._leaf(left, op, self.written(right), right)
            case ast.In(operand=operand, items=items, negated=negated):
                listed = self.text[items[0].start : items[-1].end] if items else ""
                return self._leaf(operand, "not in" if negated else "in", listed)
            case ast.Unary(op="not", operand=ast.Call(name=name, args=(of,))) if name.upper() == "ISBLANK":
                return self._leaf(of, "filled", "")
            case ast.Call(name=name, args=(of,)) if name.upper() == "ISBLANK":
                return self._leaf(of, "blank", "")
            case ast.Unary(op="not", operand=ast.Path() as of):
                return self._leaf(of, "=", "FALSE")
        return self._leaf(node, "=", "TRUE")

    def _leaf(self, of: ast.Node, must: str, be: str, bound: ast.Node | None = None) -> Leaf:
        return Leaf(self.written(of), must, be, self.planned(of), self.planned(bound) if bound else None)

    def planned(self, node: ast.Node) -> typed.Node | None:
        tree = self.nodes.get((node.start, node.end))
        if tree is None or isinstance(tree, typed.Literal) or tree.type.kind in ("set", "null", "period", "geo"):
            return None
        return self.reader.tree(tree, self.object)
