"""Values that formulas gave -> values as a caller of the write door gives them."""

from __future__ import annotations

from datetime import date, time
from decimal import ROUND_HALF_UP, Decimal
from decimal import Context as Digits
from typing import Any
from uuid import UUID

import msgspec

from engine.base.limits import NUMBER_SCALE
from metamodel.formula.typed import Call, Literal, Node
from metamodel.formula.types import INTEGER
from metamodel.kinds.object import Field

DIGITS = Digits(prec=80)


def places(f: Field) -> int:
    """How many decimal places a number field keeps."""
    return 2 if f.type == "money" else NUMBER_SCALE if f.scale is None else f.scale


def rounded(f: Field, tree: Node) -> Node:
    """The formula of a field's value, rounded to its places; a constant is left as it is written."""
    if isinstance(tree, Literal) or not tree.type.number or tree.type.kind == "integer":
        return tree
    return Call(tree.type.rough(False), "round", (tree, Literal(INTEGER.blank(False), places(f))))


def fitted(f: Field, value: Any) -> Any:
    """The value of a formula as its field keeps it: numbers are rounded once, half away from zero."""
    if isinstance(value, Decimal) and f.type != "integer":
        return value.quantize(Decimal(1).scaleb(-places(f)), ROUND_HALF_UP, DIGITS)
    if f.type == "json" and value is not None:
        return msgspec.json.decode(value)
    return None if value == "" else value


def given(value: Any) -> Any:
    """A typed value as a caller of the write door gives it."""
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, date | time) else value
