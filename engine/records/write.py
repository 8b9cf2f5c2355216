"""The one door through which records change: API, import, seeds and workflow actions all pass here.

No caller can skip rights or rules. Historical mode leaves out the stage gate alone, needs a named right, and is
written as such into the history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import msgspec

from engine.base.context import Context
from engine.base.errors import CODES, Fault, Refused, at
from engine.base.ids import new_ids
from engine.base.limits import BATCH_MAX
from engine.db import execute
from engine.db.pool import Connection
from engine.db.sqlstate import Violations
from engine.db.transaction import atomic, in_transaction
from engine.plan.access import allowed, refused_field
from engine.plan.checks import ACKNOWLEDGED, DUPLICATE
from engine.plan.composites import spread
from engine.plan.read import default_fields
from engine.plan.request import RecordQuery, RecordWrite
from engine.plan.structured import ENCODER
from engine.plan.values import Converter, convert_row, converters
from engine.plan.write import STAGE_ENTERED, WritePlan, plan_write
from engine.records.anchors import judge, lock
from engine.records.matches import Found, find
from engine.records.notices import Notices, with_notices
from engine.records.read import read_record
from engine.records.rollups import upkeep
from engine.records.violations import explain
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.images import ENTERED
from engine.sql.judging import MISSING, STALE
from engine.sql.statement import Statement
from engine.sql.write import write_statement

BATCH_FIELDS = ("id", "version")
INVALID = ("record.invalid", "record.warning")
"""The codes of refusals that tell of each row what is wrong with it."""
HISTORICAL_DOOR, UNDO_DOOR = "historical import", "import undo"


@dataclass(frozen=True, slots=True)
class Written:
    """`body` is the answer as JSON text (None: the writer may not read the result); `changed` holds (id, version).

    `notices` are what is told of rows, by their places, and refused nothing.
    """

    body: str | None
    changed: tuple[tuple[UUID, int], ...]
    notices: Notices = field(default_factory=dict)

    @property
    def told(self) -> str | None:
        """The body with the notices of each record in it."""
        return self.body if self.body is None else with_notices(self.body, self.notices)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The statement of a write by its `key`, with the payload of this one: values by columns, as JSON text."""

    plan: WritePlan
    statement: Statement
    key: object
    payload: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """A write that is done and still has to be judged by what only then can be told (see `settle`), which adds to its
    `notices`. `places` are those of its rows in the whole batch."""

    made: Prepared
    request: RecordWrite
    ids: list[UUID]
    olds: str | None
    notices: Notices
    places: tuple[int, ...] = ()


async def write(
    rt: Runtime, ctx: Context, release: Release, request: RecordWrite, conn: Connection | None = None,
    later: list[Pending] | None = None,
) -> Written:
    """Creates or updates a batch, all or nothing; in the transaction of `conn` where it is given. Who gives `later`
    settles what is put there before the transaction ends.

    Raises Refused: `record.invalid` with a fault for everything that is wrong in any row, `record.warning` where these
    are but warnings that are not acknowledged, `record.unknown`, `record.stale`, `access.denied`, `object.unknown`.
    """
    if len(request.rows) > BATCH_MAX:
        raise Refused("request.too_large", f"at most {BATCH_MAX} records are written at once")
    release = rt.store.binding(release)
    rights = rt.rights(ctx.actor, release)
    if request.historical:
        if "import_historical" not in rights.capabilities:
            raise Refused("access.denied", "the capability import_historical is needed")
        ctx = ctx if ctx.door == UNDO_DOOR else replace(ctx, door=HISTORICAL_DOOR)
    verb = "create" if request.operation == "create" else "edit"
    assert request.many or len(request.rows) == 1, "what is not a list is one record"
    allowed(rights, request.object, verb)
    if len(set(request.ids)) < len(request.ids):
        raise Refused("request.malformed", "a batch may name each record once only")
    faults: list[Fault] = []
    request = replace(request, rows=spread(release, request.object, request.rows, request.many, faults))
    rows, names = _converted(rt, rights, release, request, verb, faults)
    given = frozenset(names)
    partial = frozenset(n for n in names if any(n not in row for row in rows)) if len(rows) > 1 else frozenset()
    if request.operation == "update" and partial:
        return await _by_fields(rt, ctx, release, request, conn, later)
    ids = list(request.ids) or new_ids(len(rows), ctx.now.timestamp())
    made = _prepare(rt, ctx, release, request, given, partial, rows, ids)
    try:
        return await _run(rt, ctx, release, made, ids, request, conn, rows=rows, later=later)
    except Violations as violations:
        raise await _refused(rt, ctx, release, made, request, ids, violations.rows) from violations


def prepared(rt: Runtime, ctx: Context, release: Release, request: RecordWrite) -> Prepared:
    """The write of one record, prepared and not done. Raises Refused where its values are not of their types, or can
    not be given."""
    faults: list[Fault] = []
    request = replace(request, rows=spread(release, request.object, request.rows, request.many, faults))
    verb = "create" if request.operation == "create" else "edit"
    rows, names = _converted(rt, rt.rights(ctx.actor, release), release, request, verb, faults)
    ids = list(request.ids) or new_ids(1, ctx.now.timestamp())
    return _prepare(rt, ctx, release, request, frozenset(names), frozenset(), rows, ids)


async def direct(
    rt: Runtime, ctx: Context, release: Release, request: RecordWrite, batch: UUID | None, conn: Connection
) -> Written:
    """A delete or restore: no values are given, everything else is judged as in any write."""
    release = rt.store.binding(release)
    ids = list(request.ids)
    made = _prepare(rt, ctx, release, request, frozenset(), frozenset(), [{} for _ in ids], ids)
    try:
        return await _run(rt, ctx, release, made, ids, request, conn, batch)
    except Violations as violations:
        raise await _refused(rt, ctx, release, made, request, ids, violations.rows) from violations


async def settle(rt: Runtime, ctx: Context, release: Release, pending: Pending, conn: Connection) -> None:
    """Judges a write by what only now can be told. Raises Refused like `write`."""
    plan, request = pending.made.plan, pending.request
    acknowledged = request.acknowledged
    try:
        text = await judge(rt, ctx, release, plan, pending.made.key, pending.ids, pending.olds, acknowledged, conn)
        for row, faults in _notices(release, plan, text, ctx.locale).items():
            pending.notices.setdefault(row, []).extend(faults)
    except Violations as violations:
        found = await _refused(rt, ctx, release, pending.made, request, pending.ids, violations.rows)
        if found.code in INVALID and pending.places:
            found = invalid([replace(fault, row=pending.places[fault.row or 0]) for fault in found.faults])
        raise found from violations


async def settle_all(
    rt: Runtime, ctx: Context, release: Release, done: Sequence[Pending], conn: Connection
) -> list[Fault]:
    """Everything that is wrong with writes that are done; the transaction goes on."""
    faults: list[Fault] = []
    for pending in done:
        try:
            async with atomic(conn):
                await settle(rt, ctx, release, pending, conn)
        except Refused as refused:
            if refused.code not in INVALID:
                raise
            faults += refused.faults
    return faults


async def _by_fields(
    rt: Runtime, ctx: Context, release: Release, request: RecordWrite, conn: Connection | None,
    later: list[Pending] | None,
) -> Written:
    """A mixed batch of updates: rows that give the same fields go together, all in one transaction."""
    groups: dict[frozenset[str], list[int]] = {}
    for n, row in enumerate(request.rows):
        groups.setdefault(frozenset(row), []).append(n)

    async def work(inner: Connection) -> Written:
        versions: dict[UUID, int] = {}
        faults: list[Fault] = []
        done: list[Pending] = []
        notices: list[tuple[list[int], Notices]] = []
        for members in groups.values():
            part = request.part(members, fields=BATCH_FIELDS, many=True)
            left: list[Pending] = []
            try:
                async with atomic(inner):
                    written = await write(rt, ctx, release, part, inner, left)
                versions.update(written.changed)
                notices.append((members, written.notices))
            except Refused as refused:
                if refused.code not in INVALID:
                    raise
                faults += (replace(f, row=members[f.row or 0]) for f in refused.faults)
            done += (replace(pending, places=tuple(members)) for pending in left)
        if later is not None:
            later.extend(done)
        else:
            faults += await settle_all(rt, ctx, release, done, inner)
        if faults:
            raise invalid(sorted(faults, key=lambda fault: fault.row or 0))
        changed = [(id_, versions[id_]) for id_ in request.ids]
        body = msgspec.json.encode([{"id": id_, "version": version} for id_, version in changed]).decode()
        told = {members[n]: found for members, noted in notices for n, found in noted.items()}
        return Written(body, tuple(changed), told)

    return await work(conn) if conn else await in_transaction(rt.writes, release.role, work)


def _converted(
    rt: Runtime, rights: Any, release: Release, request: RecordWrite, verb: str, faults: list[Fault]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows with typed values, and the fields they give. Raises Refused with every fault of every row."""
    known: Mapping[str, Converter] = rt.statements.get(
        (release, "converters", request.object), lambda: converters(release, request.object)
    )
    names = list(dict.fromkeys(name for row in request.rows for name in row))
    many = request.many
    extra = {STAGE_ENTERED} - set(known) if request.historical else set()
    refused_names: set[str] = set()
    for name in names:
        refused = None if name in extra else refused_field(rights, request.object, name, verb, request.historical)
        if request.imported and not refused and name not in extra | rights.writable(request.object, "import"):
            refused = "record.field_read_only", f'your roles do not allow to import "{name}"'
        if refused:
            refused_names.add(name)
            places = [n for n, row in enumerate(request.rows) if name in row] if many else [None]
            faults += [Fault(refused[0], refused[1], at(name), row=place) for place in places]
    if extra:
        known = {**known, STAGE_ENTERED: known["created_at"]}
    rows = []
    for n, row in enumerate(request.rows):
        writable = {name: value for name, value in row.items() if name not in refused_names} if refused_names else row
        rows.append(convert_row(writable, known, n if many else None, faults))
    staged = release.staged(request.object)
    for n, done in enumerate(request.done):
        unknown = [name for name in done if staged is None or name not in staged.tasks]
        faults += [
            Fault("stage.task_unknown", f'there is no task "{name}" that is confirmed', row=n if many else None)
            for name in unknown
        ]
    if faults:
        raise invalid(faults)
    return rows, [name for name in names if name not in extra]


def _columns(release: Release, obj: str) -> dict[str, str]:
    """The column of the payload for each name that a row may give."""
    columns = {f.name: release.column(obj, f.name) for f in release.stored(obj)}
    columns.setdefault(STAGE_ENTERED, ENTERED)
    return columns


def _payload(
    rt: Runtime, release: Release, request: RecordWrite, rows: list[dict[str, Any]], ids: list[UUID],
    partial: frozenset[str],
) -> str:
    columns = rt.statements.get((release, "columns", request.object), lambda: _columns(release, request.object))
    out = []
    for n, row in enumerate(rows):
        made: dict[str, Any] = {columns[name]: value for name, value in row.items()}
        made["_ord"], made["id"] = n, ids[n]
        if request.versions and request.versions[n] is not None:
            made["_version"] = request.versions[n]
        if request.reasons and request.reasons[n]:
            made["_reason"] = request.reasons[n]
        if request.confirming:
            made["_done"] = [name for name, done in request.done[n].items() if done]
            made["_undone"] = [name for name, done in request.done[n].items() if not done]
        if request.acknowledging:
            made[ACKNOWLEDGED] = list(request.acknowledged[n])
        if partial:
            made["_absent"] = [columns[name] for name in partial if name not in row]
        out.append(made)
    return ENCODER.encode(out if request.many else out[0]).decode()


def _prepare(
    rt: Runtime, ctx: Context, release: Release, request: RecordWrite, given: frozenset[str], partial: frozenset[str],
    rows: list[dict[str, Any]], ids: list[UUID],
) -> Prepared:
    actor, into = ctx.actor, _into(release, request.object, rows)
    key = (
        release, into, actor.roles, actor.operator, request.object, request.operation, given, partial, request.fields,
        request.historical, request.imported, request.many, request.confirming,
        request.acknowledging, request.unattended, request.together, request.relinked,
    )

    def make() -> Prepared:
        rights = rt.rights(actor, release)
        outputs = request.fields
        if outputs is None:
            outputs = BATCH_FIELDS if request.many else default_fields(rights, request.object)
        readable = rights.readable(request.object) | {"id", "version"}
        plan = plan_write(request, rights, given, partial, [name for name in outputs if name in readable], into)
        return Prepared(plan, write_statement(plan, rt.collation), key)

    return replace(rt.statements.get(key, make), payload=_payload(rt, release, request, rows, ids, partial))


def _into(release: Release, obj: str, rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The stage that all rows give, where it is one."""
    staged = release.staged(obj)
    found = {row.get(staged.field) for row in rows} if staged else set()
    return found.pop() if len(found) == 1 else None


async def _run(
    rt: Runtime, ctx: Context, release: Release, made: Prepared, ids: list[UUID],
    request: RecordWrite, conn: Connection | None, batch: UUID | None = None, rows: Sequence[Mapping[str, Any]] = (),
    later: list[Pending] | None = None,
) -> Written:
    plan = made.plan
    args = made.statement.arguments(ctx, (), payload=made.payload, depth=request.depth, batch=batch)
    text, resolve = made.statement.text, _field_of(release, plan)
    notices: Notices = {}

    async def steps(inner: Connection) -> Any:
        locked = await lock(rt, release, plan, ids, rows, inner)
        row = await execute.fetch_row(inner, text, args, resolve)
        if plan.upkeep:
            await upkeep(rt, release, plan, row["affected"], locked, inner)
        if plan.late:
            if plan.operation == "create":
                await lock(rt, release, plan, ids, rows, inner)
            pending = Pending(made, request, ids, row.get("olds"), notices)
            if later is None:
                await settle(rt, ctx, release, pending, inner)
            else:
                later.append(pending)
        return row

    if conn is not None:
        row = await steps(conn)
    elif plan.anchors or plan.late or plan.upkeep:
        row = await in_transaction(rt.writes, release.role, steps)
    else:
        row = await execute.write(rt.writes, release.role, text, args, resolve)
    body, meta = row[0], row[1]
    for n, found in _notices(release, plan, row.get("notices"), ctx.locale).items():
        notices[n] = [*found, *notices.get(n, ())]
    if plan.operation == "create":
        return Written(body, tuple((id_, 1) for id_ in ids), notices)
    return Written(body, tuple(msgspec.json.decode(meta or "[]", type=list[tuple[UUID, int]])), notices)


def _field_of(release: Release, plan: WritePlan) -> Any:
    """The field that a constraint guards: names are made of table and columns."""

    def resolve(constraint: str) -> str | None:
        named = {c.name: c.field for c in plan.columns}
        parts = constraint.split("__")
        return next((named[part] for part in parts[1:] if part in named), named.get(constraint))

    return resolve


async def _refused(
    rt: Runtime, ctx: Context, release: Release, made: Prepared, request: RecordWrite, ids: list[UUID], rows: Any
) -> Refused:
    """What the caller is told of a refused statement."""
    numbers = {number for _, broken in rows for number in broken}
    if MISSING in numbers and request.operation == "restore":
        return Refused("record.unknown", f"there is no such record of {request.object}")
    if MISSING in numbers:
        missing = [ids[row] for row, broken in rows if MISSING in broken]
        return await _unreachable(rt, ctx, release, request.object, missing[0])
    if STALE in numbers:
        return Refused("record.stale", "the record was changed by someone else; read it again")
    faults = explain(release, made.plan, rows, ctx.locale, request.many)
    if any(fault.code == DUPLICATE for fault in faults):
        found = await find(rt, ctx, release, made.plan, made.key, made.payload)
        faults = [_with_duplicates(fault, found) for fault in faults]
    if any(fault.code == "record.in_use" for fault in faults):
        return Refused("record.in_use", faults[0].detail, faults=faults)
    return invalid(faults)


def _with_duplicates(fault: Fault, found: Mapping[int, Sequence[Found]]) -> Fault:
    """The fault of a duplicate rule with the records that were found; another one of the same write is not stored."""
    mine = (one.told for one in found.get(fault.row or 0, ()) if one.rule == fault.rule)
    return replace(fault, about=tuple(mine)) if fault.code == DUPLICATE else fault


def invalid(faults: Sequence[Fault]) -> Refused:
    """The refusal that tells everything that is wrong."""
    first = faults[0]
    detail = first.detail if len(faults) == 1 else f"{first.detail} (and {len(faults) - 1} more)"
    code = "record.warning" if all(fault.severity == "warning" for fault in faults) else "record.invalid"
    return Refused(code, detail or CODES[first.code].title, faults=faults)


def _notices(release: Release, plan: WritePlan, text: str | None, locale: str) -> Notices:
    found = msgspec.json.decode(text, type=list[tuple[int, list[int]]]) if text else []
    return {row: explain(release, plan, [(row, numbers)], locale, many=False) for row, numbers in found}


async def _unreachable(rt: Runtime, ctx: Context, release: Release, obj: str, record: UUID) -> Refused:
    """A row that could not be locked: 403 where the actor reads it, else as if it did not exist."""
    try:
        await read_record(rt, ctx, release, RecordQuery(object=obj, single=True, fields=("id",)), record)
    except Refused:
        return Refused("record.unknown", f"there is no such record of {obj}")
    return Refused("access.denied", "your roles do not allow to change this record")
