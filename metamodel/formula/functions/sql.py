"""Building blocks of lowerings: constants, exact numbers, dates that can not overflow, texts that are blank or not.

Nothing here raises when PostgreSQL runs it, whatever the operands; the numbers follow formula.md 2.8.
"""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Integer,
    Numeric,
    Text,
    Time,
    Uuid,
    and_,
    case,
    cast,
    extract,
    false,
    func,
    literal_column,
    or_,
    true,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnClause, ColumnElement, Grouping
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.type_api import TypeEngine

from metamodel.formula import limits
from metamodel.formula.functions.registry import Column, Condition
from metamodel.formula.types import Type

EXACT = "1." + "0" * 40
FIRST_DAY, LAST_DAY = date(1, 1, 1), date(9999, 12, 31)


class Constant(ColumnElement[Any]):
    """A constant of the metadata, written into the statement as a typed literal.

    Texts go without `%` and backslash (as Unicode escapes), so no driver's placeholder syntax and no server setting
    can read them otherwise.
    """

    inherit_cache = False

    def __init__(self, value: Any, sql_type: TypeEngine[Any]) -> None:
        self.value = value
        self.type = sql_type


@compiles(Constant)
def _render(element: Constant, compiler: Any, **_: Any) -> str:
    value = element.value
    if value is None:
        return f"CAST(NULL AS {compiler.dialect.type_compiler_instance.process(element.type)})"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        powers = isinstance(value, Decimal) and value.as_tuple().digits == (1,) and value > 1
        plain = str(value) if isinstance(value, int) or powers else format(value, "f")
        # Bare digits are an integer for PostgreSQL, whose functions and limits are others.
        exact = isinstance(element.type, Numeric) and not isinstance(element.type, Integer)
        if exact and plain.lstrip("-").isdecimal():
            return f"CAST({plain} AS NUMERIC)"
        return f"({plain})" if value < 0 else plain
    return f"CAST({quote(_text_of(value))} AS {compiler.dialect.type_compiler_instance.process(element.type)})"


def _text_of(value: Any) -> str:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value)


def quote(text: str) -> str:
    """A text as an SQL string constant that reads the same under every setting and driver."""
    if "\0" in text:
        raise ValueError("a text with a NUL can not be written in SQL")
    if not any(ch in "\\%" or ord(ch) < 32 for ch in text):
        return "'" + text.replace("'", "''") + "'"
    escaped = "".join(f"!{ord(ch):04x}" if ch in "\\%!" or ord(ch) < 32 else "''" if ch == "'" else ch for ch in text)
    return f"U&'{escaped}' UESCAPE '!'"


class Element(ColumnElement[Any]):
    """One element of an array expression, counted from 1; NULL where there is none."""

    inherit_cache = False

    def __init__(self, of: Column, index: Column, sql_type: TypeEngine[Any]) -> None:
        self.of, self.index, self.type = of, index, sql_type


@compiles(Element)
def _render_element(element: Element, compiler: Any, **kw: Any) -> str:
    return f"({compiler.process(element.of, **kw)})[{compiler.process(element.index, **kw)}]"


class OfElements(ColumnElement[Any]):
    """What `body` makes of the elements of an array, written with `element` and `POSITION`; `once`: each value
    counts once, where it first stands."""

    inherit_cache = False

    def __init__(self, of: Column, body: Column, sql_type: TypeEngine[Any], *, once: bool = False) -> None:
        self.of, self.body, self.type, self.once = of, body, sql_type, once


@compiles(OfElements)
def _render_of_elements(made: OfElements, compiler: Any, **kw: Any) -> str:
    source = f"unnest({compiler.process(made.of, **kw)}) WITH ORDINALITY AS _e(v, i)"
    if made.once:
        source = f"(SELECT _e.v, min(_e.i) AS i FROM {source} GROUP BY _e.v) AS _e"
    return f"(SELECT {compiler.process(made.body, **kw)} FROM {source})"


POSITION = literal_column("_e.i", BigInteger())


def element(sql_type: TypeEngine[Any]) -> Column:
    """The element of the array that `OfElements` goes through."""
    return literal_column("_e.v", sql_type)


class Below(ColumnElement[Any]):
    """The number where its magnitude is less than `top`, else NULL; it is written and computed once."""

    inherit_cache = False

    def __init__(self, of: Column, top: Decimal) -> None:
        self.of, self.top, self.type = of, top, Numeric()


@compiles(Below)
def _render_below(made: Below, compiler: Any, **kw: Any) -> str:
    top = compiler.process(number(made.top), **kw)
    # GREATEST and LEAST skip blanks: NULL becomes the lower bound, and that NULL again.
    held = f"LEAST(GREATEST({compiler.process(made.of, **kw)}, -{top}), {top})"
    return f"NULLIF(NULLIF({held}, {top}), -{top})"


SQL_TYPES: dict[str, TypeEngine[Any]] = {
    "text": Text(),
    "select": Text(),
    "integer": Integer(),
    "decimal": Numeric(),
    "money": Numeric(),
    "percent": Numeric(),
    "boolean": Boolean(),
    "date": Date(),
    "datetime": DateTime(timezone=True),
    "time": Time(),
    "duration": Numeric(),
    "period": Integer(),
    "reference": Uuid(),
    "list": ARRAY(Text()),
    "geo": ARRAY(Numeric()),
    "json": JSONB(),
    "null": Text(),
}


def type_of(of: Type) -> TypeEngine[Any]:
    """The SQL type of a value; numbers in a list may be of any size."""
    if of.kind != "list":
        return SQL_TYPES[of.kind]
    return ARRAY(SQL_TYPES["decimal" if of.element.number else of.element.kind])


def constant(value: Any, of: Type) -> Column:
    """A literal of that type."""
    return Constant(UUID(value) if of.kind == "reference" and value is not None else value, type_of(of))


def text(value: str) -> Column:
    return Constant(value, Text())


def whole(value: int) -> Column:
    return Constant(value, Integer())


def number(value: Decimal | int | str) -> Column:
    return Constant(Decimal(value), Numeric())


def day(value: date) -> Column:
    return Constant(value, Date())


# -- numbers --------------------------------------------------------------------------------------------------------


def is_numeric(column: Column) -> bool:
    """Whether PostgreSQL computes with it exactly: an int operand would overflow."""
    return isinstance(column.type, Numeric) and not isinstance(column, Constant)


def num(column: Column) -> Column:
    """The operand as `numeric`."""
    if isinstance(column, Constant):
        return Constant(column.value, Numeric())
    return column if is_numeric(column) else cast(column, Numeric)


def rounded(column: Column, places: int = limits.SCALE) -> Column:
    return func.round(column, whole(places), type_=Numeric())


def quotient(a: Column, b: Column) -> Column:
    """a / b to 18 places, half away from zero; NULL where b is 0. The dividend gets 40 places first, or PostgreSQL
    would choose a scale of its own."""
    return rounded((num(a) * number(EXACT)) / func.nullif(num(b), whole(0), type_=Numeric()))


def steady(column: Column, of: Type) -> Column:
    """An inexact number rounded to the guard digits, so that FLOOR(1/9*9) is 1."""
    return rounded(num(column), limits.GUARD_SCALE) if of.inexact and of.number else column


def near(column: Column, of: Type, places: Column) -> Column:
    """A number about to be rounded to so many places: an inexact one is taken at the guard digits first, or at those
    places where they are more, so that ROUND(2.5 / 3 * 3) is 3."""
    if not (of.inexact and of.number):
        return num(column)
    if isinstance(places, Constant) and places.value is not None:
        return rounded(num(column), max(limits.GUARD_SCALE, places.value))
    return func.round(num(column), func.greatest(places, whole(limits.GUARD_SCALE)), type_=Numeric())


def clamp(column: Column, low: int, high: int) -> Column:
    """The number held between two bounds; blank stays blank (LEAST and GREATEST would skip it)."""
    if isinstance(column, Constant):
        if column.value is None:
            return column
        return Constant(min(max(column.value, low), high), column.type)
    return case((column < whole(low), whole(low)), (column > whole(high), whole(high)), else_=column)


def small_int(column: Column, low: int, high: int) -> Column:
    """The number cut to a whole one within the bounds, as `integer`."""
    if isinstance(column, Constant) and column.value is not None:
        return whole(int(min(max(column.value, low), high)))
    return cast(func.trunc(clamp(num(column), low, high)), Integer)


# -- text -----------------------------------------------------------------------------------------------------------


def or_blank(column: Column) -> Column:
    """A computed text: the empty one is blank."""
    return func.nullif(column, text(""), type_=Text())


def filled(column: Column, nullable: bool) -> Column:
    """The text, blank as the empty one."""
    if isinstance(column, Constant):
        return text(column.value or "")
    return func.coalesce(column, text(""), type_=Text()) if nullable else column


def ordered(column: Column, of: Type) -> Column:
    """A text compares by code point."""
    return collated(column, "C") if of.kind == "text" else column


def collated(column: Column, collation: str) -> Column:
    """The text in a collation. In brackets: COLLATE binds tighter than an operator, which SQLAlchemy overlooks."""
    plain = isinstance(column, ColumnClause | Constant | FunctionElement)
    return (column if plain else Grouping(column)).collate(collation)


# -- dates ----------------------------------------------------------------------------------------------------------


def folded(text: Column, collation: str | None) -> Column:
    """A text without case, width (Unicode NFKC) and spaces around, for comparing; an index has the same expression."""
    plain = func.normalize(func.btrim(text), literal_column("NFKC"), type_=Text())
    return func.lower(plain.collate(collation) if collation else plain, type_=Text())


def part(field: str, column: Column) -> Column:
    """A part of a date or time as `numeric`."""
    return type_coerce(extract(field, column), Numeric())


def month_index(column: Column) -> Column:
    """Months since year 0: 12 * year + month - 1."""
    return part("year", column) * whole(12) + part("month", column) - whole(1)


def in_zone(column: Column, zone: str) -> Column:
    """An instant as local `timestamp`; or the local timestamp as an instant."""
    return func.timezone(text(zone), column, type_=DateTime())


def all_of(*parts: Condition) -> Condition:
    return and_(*parts)


def any_of(*parts: Condition | None) -> Condition | None:
    """TRUE where one of them is; None where there is none."""
    found = [part for part in parts if part is not None]
    return or_(*found) if found else None


TRUE, FALSE = true(), false()
