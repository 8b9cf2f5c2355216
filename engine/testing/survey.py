"""What the calls of a function do over every row of the world, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import Text, cast, func, select
from sqlalchemy.sql.elements import ColumnElement

from engine.sql import expression
from engine.sql.columns import SQL_TYPES, of
from engine.sql.expression import Lowered
from engine.sql.statement import compile_statement
from engine.testing.calls import SOUND, Call, asked, typed_calls
from engine.testing.database import Database, PostgresError
from engine.testing.world import CONTEXT, World, world
from metamodel.formula.functions import sql
from metamodel.formula.functions.registry import Aggregation, Function
from metamodel.formula.types import Kind

AT_ONCE = 100
FEW = 24
SHOWN = 3
CUT = 130
TYPES: dict[Kind, frozenset[str]] = {
    "text": frozenset({"text"}), "select": frozenset({"text"}), "boolean": frozenset({"boolean"}),
    "integer": frozenset({"integer", "bigint", "smallint", "numeric"}), "date": frozenset({"date"}),
    "datetime": frozenset({"timestamp with time zone"}), "time": frozenset({"time without time zone"}),
    "reference": frozenset({"uuid"}), "geo": frozenset({"numeric[]"}),
}  # fmt: skip
NUMERIC = TYPES["integer"]


@dataclass(slots=True)
class Found:
    """Faults by what they break; a text says what to look at."""

    total: list[str] = field(default_factory=list)
    strict: list[str] = field(default_factory=list)
    guard: list[str] = field(default_factory=list)
    result: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call gives in a row: its raw value as text (cut) with type and length, the error, what ISERROR says."""

    value: str | None
    length: int | None
    type: str
    code: str | None
    failed: bool | None
    iserror: bool


def survey(database: Database, function: Function | Aggregation) -> Found:
    """The faults of a function, found once."""
    key = f"{type(function).__name__} {function.name}"
    if key not in database.memory:
        database.memory[key] = _survey(world(database), function)
    found: Found = database.memory[key]
    return found


def _survey(here: World, function: Function | Aggregation) -> Found:
    found = Found()
    made = typed_calls(function, here.rows)
    if not made.over_columns and made.refused:
        found.total.append(f"no call over fields of any type is accepted, such as: {made.refused[0].message}")
    few = here.rows[:FEW]
    for calls, rows in ((made.over_columns, here.rows), (made.with_literals, few), (made.failing, few)):
        for call, answers in _answers(here, calls, rows, found):
            lowered = expression.lower(call.node, here.row)
            for row, answer in zip(rows, answers, strict=True):
                _judge(function, call, lowered, row, answer, found)
    return found


def _answers(
    here: World, calls: Sequence[Call], rows: Sequence[Mapping[str, Any]], found: Found
) -> list[tuple[Call, list[Answer]]]:
    """The answers of each call that never raises; the others are noted with a row in which they do."""
    made: list[tuple[Call, list[Answer]]] = []
    for start in range(0, len(calls), AT_ONCE):
        some = calls[start : start + AT_ONCE]
        try:
            made += _asked(here, some, rows)
        except PostgresError as error:
            if len(some) > 1:
                for call in some:
                    made += _answers(here, [call], rows, found)
            elif len(rows) > 1:
                before = len(found.total)
                for row in rows:
                    _answers(here, some, [row], found)
                    if len(found.total) > before:
                        break
                else:
                    found.total.append(f"{some[0].text} raises {error.sqlstate}: {error}")
            else:
                found.total.append(f"{some[0].text} raises {error.sqlstate}: {error}{_where(some[0], rows[0])}")
        except Exception as error:  # a lowering is anybody's code
            if len(some) > 1:
                for call in some:
                    made += _answers(here, [call], rows, found)
            else:
                found.total.append(unwritten(some[0], error))
    return made


def unwritten(call: Call, error: Exception) -> str:
    """The fault of a lowering that fails."""
    shown = f"{type(error).__name__}: {error}".partition("\n")[0]
    return f"{call.text} does not become SQL: {shown[:300]}"


def _asked(here: World, calls: Sequence[Call], rows: Sequence[Mapping[str, Any]]) -> list[tuple[Call, list[Answer]]]:
    number = of(here.table, "number", SQL_TYPES["integer"])
    inner: list[ColumnElement[Any]] = [number.label("number")]
    for n, call in enumerate(calls):
        lowered = expression.lower(call.node, here.row)
        failed = sql.FALSE if lowered.guard is None else lowered.guard.condition
        code, iserror = expression.error(call.node, here.row), expression.value(asked(call.node), here.row)
        inner += [c.label(f"{m}{n}") for m, c in zip("vcfi", (lowered.value, code, failed, iserror), strict=True)]
    low, high = (sql.whole(rows[n]["number"]) for n in (0, -1))
    # OFFSET keeps PostgreSQL from computing a value as often as it is named around it.
    given = select(*inner).select_from(here.table).where(number.between(low, high)).offset(sql.whole(0)).subquery("g")
    shown: list[ColumnElement[Any]] = []
    for n, call in enumerate(calls):
        value, code, failed, iserror = (given.c[f"{m}{n}"] for m in "vcfi")
        plain = sql.in_zone(value, "UTC") if call.node.type.kind == "datetime" else value
        raw, kind = cast(plain, Text()), cast(func.pg_typeof(value), Text())
        columns = (func.left(raw, sql.whole(CUT)), func.length(raw), kind, code, failed, iserror)
        shown += [column.label(f"c{n}_{m}") for m, column in enumerate(columns)]
    query = select(*shown).order_by(given.c.number)
    statement = compile_statement(query)
    answers = here.database.rows(statement.text, *statement.arguments(CONTEXT))
    return [(call, [Answer(*row[6 * n : 6 * n + 6]) for row in answers]) for n, call in enumerate(calls)]


def _judge(
    function: Function | Aggregation, call: Call, lowered: Lowered, row: Mapping[str, Any], answer: Answer, found: Found
) -> None:
    def note(faults: list[str], text: str) -> None:
        if len(faults) < SHOWN:
            faults.append(f"{call.text} {text}{_where(call, row)}")

    if call.failing and call.own and strict(function) and not row[SOUND] and answer.code != "CUSTOM":
        note(found.guard, f"is {answer.value!r}, error {answer.code}, though an argument is the error #CUSTOM")
    blank = any(row[name] is None for name in call.strict)
    if blank and call.own and strict(function) and answer.value not in (None, *_nothing(call)):
        note(found.strict, f"is {answer.value!r} though an argument is blank")
    if blank and call.own and strict(function) and answer.failed:
        note(found.strict, f"is the error #{answer.code} though an argument is blank")
    if (answer.failed is True) != (answer.code is not None) or answer.iserror != (answer.failed is True):
        note(found.guard, f"is in error: {answer.failed}, its code: {answer.code}, ISERROR: {answer.iserror}")
    if answer.failed and lowered.guard is not None and lowered.nulls and answer.value is not None:
        note(found.guard, f"is {answer.value!r} where it is #{answer.code}, though `nulls` says that it is blank then")
    wrong = None if answer.failed or answer.value is None else _misfit(call, lowered, answer)
    if wrong:
        note(found.result, wrong)


def strict(function: Function | Aggregation) -> bool:
    """Whether a blank argument has to make the call blank."""
    return isinstance(function, Function) and function.sql is not None and function.total is None and not function.lazy


def _nothing(call: Call) -> tuple[str, ...]:
    return ("false",) if call.node.type.kind == "boolean" else ()


def _misfit(call: Call, lowered: Lowered, answer: Answer) -> str | None:
    """Why a value is not of the type and size that the declaration says."""
    of, value, length = call.node.type, answer.value or "", answer.length or 0
    wanted = NUMERIC if of.number or of.kind in ("duration", "period") else TYPES.get(of.kind)
    if wanted is not None and answer.type not in wanted:
        return f"is {answer.type} in PostgreSQL, but its type is {of}"
    if of.kind in ("date", "datetime") and (value.endswith("BC") or len(value.partition("-")[0]) > 4):
        return f"is {value}, which is outside the years 1 to 9999"
    if of.kind == "text" and not length:
        return "is an empty text: a text that is empty has to be blank (NULL)"
    if of.kind == "text" and length > lowered.digits:
        return f"has {length} characters, but its `size` says {lowered.digits} at most"
    if of.kind == "integer" and value.partition(".")[2].strip("0"):
        return f"is {value}, but its type is integer"
    if of.number and Decimal(value).copy_abs() >= Decimal(1).scaleb(lowered.digits):
        return f"is {value}, but its `size` says {lowered.digits} digits at most"
    return None


def _where(call: Call, row: Mapping[str, Any]) -> str:
    """The values of the row that the call reads."""
    names = dict.fromkeys(name for name in call.columns if name in row)
    shown = ", ".join(f"{name} = {_short(row[name])}" for name in names)
    return f" where {shown}" if shown else ""


def _short(value: Any) -> str:
    text = "NULL" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:40]}... ({len(value)} long)"


