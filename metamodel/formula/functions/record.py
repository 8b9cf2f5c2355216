"""The record itself, what a change does to it, and who asks."""

from __future__ import annotations

from metamodel.formula.functions.registry import Builder, Param, rewritten
from metamodel.formula.scope import FACTS
from metamodel.formula.typed import Literal, Node, System
from metamodel.formula.types import BOOLEAN, ERROR, TEXT
from metamodel.names import did_you_mean

POISON = Literal(ERROR, None)
OPERATOR = System(BOOLEAN, "operator")


@rewritten("ISNEW", "record", volatility="change", uses=("ISNEW()",))
def isnew(c: Builder, args: tuple[Node, ...]) -> Node:
    """Whether the record is being created."""
    old = c.old(None)
    return POISON if old.type.kind == "error" else c.call("ISBLANK", old)


@rewritten("ISCHANGED", "record", Param("field"), volatility="change", raw=True, uses=("ISCHANGED(amount)",))
def ischanged(c: Builder, args: tuple[Node, ...]) -> Node:
    """Whether the change gives the field another value. The old value of a new record is blank."""
    old = c.old(args[0])
    return POISON if old.type.kind == "error" else c.call("<>", args[0], old)


@rewritten("PRIORVALUE", "record", Param("field"), volatility="change", raw=True, uses=("PRIORVALUE(amount) > 10",))
def priorvalue(c: Builder, args: tuple[Node, ...]) -> Node:
    """The field's value before the change: the same as `old.field`."""
    return c.old(args[0])


@rewritten("RECORDID", "record", uses=("RECORDID() = id",))
def recordid(c: Builder, args: tuple[Node, ...]) -> Node:
    """The identifier of the record that the formula belongs to."""
    return c.record()


@rewritten("OBJECTNAME", "record", uses=("LEN(OBJECTNAME()) > 0",))
def objectname(c: Builder, args: tuple[Node, ...]) -> Node:
    """The name of the object whose record the formula belongs to."""
    name = c.scope.row or c.scope.rows
    return Literal(TEXT.blank(False), name) if name else c.record()


@rewritten(
    "USER",
    "record",
    Param("field", constant=True, written=True, optional=True),
    volatility="stable",
    uses=("USER(region)", "USER() = owner"),
)
def user(c: Builder, args: tuple[Node, ...]) -> Node:
    """A field of the user who asks, as `$user.region`; without a field the user himself, as `$user`."""
    return c.user(args[0] if args else None)


@rewritten(
    "ORG",
    "record",
    Param("fact", constant=True, written=True, choices=tuple(FACTS)),
    examples=("LEN(ORG(currency)) = 3", "ORG(currency) = $org.currency"),
)
def org(c: Builder, args: tuple[Node, ...]) -> Node:
    """A fact of the organisation, as `$org.currency`."""
    fact = str(args[0].value).lower() if isinstance(args[0], Literal) else ""
    return Literal(FACTS[fact].blank(False), getattr(c.scope.schema.organisation, fact))


@rewritten("HASROLE", "record", Param("role", constant=True), volatility="stable", uses=('HASROLE("manager")',))
def hasrole(c: Builder, args: tuple[Node, ...]) -> Node:
    """Whether the user who asks has the role."""
    role = str(args[0].value) if isinstance(args[0], Literal) else ""
    if c.scope.user is None:
        return c.fail("E404", None, "there is no user here")
    known = c.scope.schema.roles
    return _holds(role) if role in known else c.fail("E223", args[0], f'no role "{role}"', did_you_mean(role, known))


@rewritten(
    "HASPERMISSION",
    "record",
    Param("permission", constant=True),
    volatility="stable",
    uses=('HASPERMISSION("project.edit")', 'HASPERMISSION("manage_users")'),
)
def haspermission(c: Builder, args: tuple[Node, ...]) -> Node:
    """Whether a role of the user who asks grants the verb on some records of an object (`"order.edit"`), or the named
    capability."""
    permission = str(args[0].value) if isinstance(args[0], Literal) else ""
    if c.scope.user is None:
        return c.fail("E404", None, "there is no user here")
    roles = c.scope.schema.granting(permission)
    if roles is None:
        return c.fail("E224", args[0], f'no permission "{permission}"', 'write "object.verb" or a capability')
    return c.call("or", OPERATOR, *map(_holds, sorted(roles))) if roles else OPERATOR


def _holds(role: str) -> System:
    return System(BOOLEAN, f"user.role.{role}")
