"""`fieldwright formula eval`: what a formula gives over typed inputs or one record, part by part, alone or by the file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import typer

from engine.base.errors import Refused
from engine.cli.console import err, out, table
from engine.cli.work import acting, with_runtime
from engine.formulas.evaluate import Account, Question, Seen, Wrong, answer, evaluate, evaluate_record
from engine.formulas.inputs import InvalidInput
from engine.runtime import Runtime
from metamodel.formula.diagnostics import Diagnostic
from metamodel.issues import Issue, Place, render


class Blanks(StrEnum):
    """How numbers of the record that are blank are read."""

    blank = "blank"
    zero = "zero"


def eval_command(
    text: Annotated[str | None, typer.Argument(metavar="FORMULA", help="The formula.")] = None,
    given: Annotated[str, typer.Option(help='Its inputs: {"x": {"type": "number", "value": "2.45"}}')] = "{}",
    batch: Annotated[Path | None, typer.Option(help="A file of questions, one a line; - is standard input.")] = None,
    parts: Annotated[bool, typer.Option("--parts", help="Show the value of every part.")] = False,
    blanks: Annotated[Blanks, typer.Option(help="How blank numbers are read.")] = Blanks.blank,
    now: Annotated[str | None, typer.Option(help="The moment that NOW() gives, such as 2024-01-31T14:30:00Z.")] = None,
    timezone: Annotated[str, typer.Option(help="The tenant's time zone.")] = "UTC",
    tenant: Annotated[str | None, typer.Option(help="The tenant that has the record.")] = None,
    obj: Annotated[str | None, typer.Option("--object", help="The record's object.")] = None,
    record: Annotated[str | None, typer.Option(help="The record's id: every part of the formula is shown.")] = None,
) -> None:  # fmt: skip
    """Evaluate a formula over typed inputs, a file of them, or a record of a tenant.

    Prints {"type", "value"}, {"error"} or {"compile_error"}; of a batch a line for each line, in order.
    """
    if batch is not None:
        _batch(batch)
        return
    if text is None:
        raise typer.BadParameter("a formula or --batch is needed")
    try:
        if record is not None:
            _of_record(text, tenant, obj, record, blanks)
        else:
            question = _question(
                {"expr": text, "inputs": _json(given), "blanks": blanks.value, "now": now, "timezone": timezone}
            )
            seen = with_runtime(lambda rt: _evaluate(rt, question, parts))
            _show(text, seen) if parts else out.print(_line(seen[-1].value.document()), markup=False)
    except Wrong as wrong:
        show_problems(text, wrong.diagnostics)
        print(_line(wrong.document()))
        raise typer.Exit(1) from wrong
    except InvalidInput as error:
        err.print(f"error: {error}", markup=False)
        raise typer.Exit(1) from error


async def _evaluate(rt: Runtime, question: Question, parts: bool) -> tuple[Seen, ...]:
    async with rt.reads.connection() as conn:
        return await evaluate(conn, rt.collation, question, parts=parts)


def _of_record(text: str, tenant: str | None, obj: str | None, record: str, blanks: Blanks) -> None:
    if tenant is None or obj is None:
        raise typer.BadParameter("--record needs --tenant and --object")
    try:
        identity = UUID(record)
    except ValueError as error:
        raise typer.BadParameter(f'"{record}" is not the id of a record') from error

    async def work(rt: Runtime) -> tuple[Account, ...] | None:
        release = await rt.store.release(tenant)
        if obj not in release.model.objects:
            raise Refused("object.unknown", f'there is no object "{obj}"')
        ctx = await acting(rt, release, None)
        async with rt.reads.connection(release.role) as conn:
            return await evaluate_record(
                conn, rt.collation, ctx, release, obj, identity, text, blanks=blanks.value
            )

    accounts = with_runtime(work)
    if accounts is None:
        raise Refused("record.unknown", f"there is no {obj} with the id {record}")
    for account in accounts:
        if account.name:
            out.print(f"\n{account.name} = {' '.join(account.text.split())}", markup=False)
        _show(account.text, account.seen)


def _batch(path: Path) -> None:
    async def work(rt: Runtime) -> None:
        async with rt.reads.connection() as conn:
            for line in lines:
                if line.strip():
                    try:
                        document = await answer(conn, rt.collation, _question(_json(line)))
                    except InvalidInput as error:
                        document = {"invalid": str(error)}
                    except Exception as error:  # a fault of Fieldwright in one line must not cost the others
                        shown = line.decode(errors="replace").strip()
                        err.print(f"{type(error).__name__}: {error}: {shown}", markup=False)
                        document = {"failed": error.code if isinstance(error, Refused) else "internal"}
                    print(_line(document))

    with nullcontext(sys.stdin.buffer) if str(path) == "-" else path.open("rb") as lines:
        with_runtime(work)


def _json(text: str | bytes) -> Any:
    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"not JSON: {error}") from error
    except InvalidOperation as error:
        raise InvalidInput("a number has an exponent beyond all measure") from error


def _question(document: Any) -> Question:
    if not isinstance(document, Mapping) or not isinstance(document.get("expr"), str):
        raise InvalidInput('a question is an object with "expr" and "inputs"')
    given = {key: value for key, value in document.items() if value is not None}
    inputs, zone, moment = given.get("inputs", {}), given.get("timezone", "UTC"), given.get("now")
    blanks = given.get("blanks", "blank")
    if not isinstance(inputs, Mapping):
        raise InvalidInput('"inputs" is an object: a type and a value by name')
    if blanks not in tuple(Blanks):
        raise InvalidInput('"blanks" is "blank" or "zero"')
    if not isinstance(zone, str):
        raise InvalidInput('"timezone" is a text such as Europe/Berlin')
    try:
        now = None if moment is None else datetime.fromisoformat(moment)
        now = now.replace(tzinfo=ZoneInfo(zone)) if now is not None and now.tzinfo is None else now
    except (ValueError, TypeError, OSError, KeyError) as error:
        raise InvalidInput(f'"now" is an instant such as 2024-01-31T14:30:00Z: {error}') from error
    return Question(document["expr"], inputs, blanks, now, zone)


def _line(document: Mapping[str, Any]) -> str:
    # What is no character, such as half of a surrogate pair, stays an escape.
    return json.dumps(document, ensure_ascii=False).encode(errors="backslashreplace").decode()


def _show(text: str, seen: tuple[Seen, ...]) -> None:
    """A line for each part, as it stands in the formula, with its value."""
    rows = []
    for part in seen:
        document = part.value.document()
        found = f"#{document['error']}" if "error" in document else _plain(document["value"])
        rows.append((" ".join(text[part.start : part.end].split()), str(part.value.type), found))
    table(["part", "type", "value"], list(dict.fromkeys(rows)))


def _plain(value: Any) -> str:
    if value is None:
        return "(blank)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def show_problems(text: str, problems: tuple[Diagnostic, ...]) -> None:
    """Every problem with its line, caret and hint."""
    for found in problems:
        line = text.count("\n", 0, found.start) + 1
        column = found.start - (text.rfind("\n", 0, found.start) + 1) + 1
        place = Place("formula", line, column, max(1, found.end - found.start))
        issue = Issue(found.code, found.message, place, found.hint, "warning" if found.warning else "error")
        err.print(render(issue, {"formula": text}), markup=False)
