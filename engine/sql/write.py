"""WritePlan -> one statement that locks, makes the new rows, judges them, writes, logs and answers.

    raw      the payload (slot `payload`, a JSON array of rows with `_ord` from 0)
    old      the rows of an update as they are, locked, among those that the writer may change
    new      the rows as they will be
    judged   for each row the numbers of what it breaks
    gate     refuses the whole statement where anything is broken (SQLSTATE FW001, detail `[[ord, [number, ...]], ...]`)
    written, history, stages, events   only through the gate

It answers (body, meta): the record or the array of records as the writer may read them, and `[[id, version], ...]`
(null for a create, whose ids the caller made and whose versions are 1).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CompoundSelect,
    DateTime,
    Insert,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    case,
    cast,
    column,
    exists,
    false,
    func,
    insert,
    literal,
    not_,
    null,
    or_,
    select,
    table,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB, aggregate_order_by, array
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CTE, FromClause, TableClause

from engine.plan.names import Image, own
from engine.plan.write import Check, Column, InUse, Reference, Unique, WritePlan
from engine.release.identity import entered_at
from engine.release.release import TableRef
from engine.sql import expression
from engine.sql.columns import COLUMN_TYPES, of, qualified
from engine.sql.expression import Environment
from engine.sql.joins import Frame, frame, tables
from engine.sql.sequence import next_number
from engine.sql.statement import Statement, compile_statement, slot
from metamodel.formula.functions import sql

Rows: TypeAlias = "CompoundSelect[Any] | Select[Any]"

ENTERED = "_entered_at"
"""The payload's key for the time at which a historical record entered its stage."""
MISSING, STALE = -1, -2
FAILED, REFERENCE, UNIQUE, IN_USE = 10_000, 20_000, 30_000, 40_000

SYSTEM_TYPES: dict[str, str] = {
    "id": "uuid", "version": "bigint", "owner": "uuid", "created_at": "timestamptz", "created_by": "uuid",
    "modified_at": "timestamptz", "modified_by": "uuid", "deleted_at": "timestamptz", "deleted_batch": "uuid",
}
KINDS = {"create": "created", "update": "changed", "delete": "deleted", "restore": "restored"}


def write_statement(plan: WritePlan, collation: str | None) -> Statement:
    """The statement of a plan; `collation` is the server's for changes of case."""
    environment = Environment(plan.zone, collation)
    raw = _raw(plan)
    old = None if plan.operation == "create" else _old(plan, environment, raw)
    new = _new(plan, environment, raw, old)
    gate = _gate(_judged(plan, environment, raw, old, new))
    events = _events(plan, new, gate)
    effects = [_written(plan, new, gate), _history(plan, old, new, gate), *_stages(plan, old, new, gate), events]
    answer = _answer(plan, environment, new, gate)
    return compile_statement((answer.add_columns(_queued(events)) if plan.queued else answer).add_cte(*effects))


def lock_statement(ref: TableRef) -> Statement:
    """Locks rows by id (slot `ids`) in the order of their ids, before a statement that judges with other rows."""
    rows = qualified(ref).alias("t")
    id_ = of(rows, "id", Uuid())
    ids = slot("ids", ARRAY(Uuid()))
    locked = select(id_).where(id_ == func.any(ids)).order_by(id_).with_for_update().subquery()
    return compile_statement(select(func.count()).select_from(locked))


def _given_system(plan: WritePlan) -> list[str]:
    return ["owner", "created_at", "created_by", "modified_at", "modified_by"] if plan.historical else ["owner"]


def _raw(plan: WritePlan) -> CTE:
    fields: list[Any] = [column("_ord", Integer()), column("id", Uuid()), column("_version", BigInteger()),
              column("_reason", Text()), column("_absent", ARRAY(Text()))]
    fields += [column(name, COLUMN_TYPES[SYSTEM_TYPES[name]]) for name in _given_system(plan)]
    if plan.historical:
        fields.append(column(ENTERED, DateTime(timezone=True)))
    fields += [column(c.name, COLUMN_TYPES[c.type]) for c in plan.columns if c.given]
    # The planner takes one row of json_to_record, a hundred of json_to_recordset.
    taken = func.json_to_record if plan.single else func.json_to_recordset
    rows = (
        taken(slot("payload", JSON())).table_valued(*fields, name="x").render_derived(with_types=True)
    )
    missing = [cast(null(), COLUMN_TYPES[c.type]).label(c.name) for c in plan.columns if not c.given]
    return materialized(select(*rows.c, *missing).cte("raw"))


def materialized(cte: CTE) -> CTE:
    return cte.prefix_with("MATERIALIZED")


def all_columns(plan: WritePlan) -> dict[str, str]:
    """Every column of the object's table with its type."""
    types = dict(SYSTEM_TYPES)
    for c in plan.columns:
        types[c.name] = c.type
        if c.name == plan.stage:
            types[entered_at(c.name)] = "timestamptz"
    return types


def _old(plan: WritePlan, environment: Environment, raw: CTE) -> CTE:
    base = qualified(plan.table).alias("t")
    rows = frame(environment, {"new": base}, plan.access_joins, (plan.access,))
    deleted = of(base, "deleted_at", DateTime())
    where: list[ColumnElement[bool]] = [deleted.is_not(None) if plan.operation == "restore" else deleted.is_(None)]
    if plan.access is not None:
        where.append(expression.grants(plan.access, rows.row))
    columns = [of(base, name, COLUMN_TYPES[type_]) for name, type_ in all_columns(plan).items()]
    source = rows.source.join(raw, of(raw, "id", Uuid()) == of(base, "id", Uuid()))
    locked = select(of(raw, "_ord", Integer()), *columns).select_from(source).where(*where).with_for_update(of=base)
    return materialized((locked if plan.single else locked.order_by(of(base, "id", Uuid()))).cte("old"))


def _new(plan: WritePlan, environment: Environment, raw: CTE, old: CTE | None) -> CTE:
    now = slot("now", DateTime(timezone=True))
    user = slot("user.id", Uuid())
    made: dict[str, ColumnElement[Any]] = {"_ord": of(raw, "_ord", Integer()), "_reason": of(raw, "_reason", Text())}
    if old is None:
        rows = frame(environment, {"new": raw}, plan.raw_joins, [c.default for c in plan.columns])
        source, system = rows.source, {
            "id": of(raw, "id", Uuid()), "version": literal(1, BigInteger(), literal_execute=True),
            "owner": func.coalesce(of(raw, "owner", Uuid()), user), "created_at": now, "created_by": user,
            "modified_at": now, "modified_by": user, "deleted_at": cast(null(), DateTime(timezone=True)),
            "deleted_batch": cast(null(), Uuid()),
        }
        if plan.historical:
            created = func.coalesce(of(raw, "created_at", DateTime(timezone=True)), now)
            system |= {"created_at": created, "created_by": func.coalesce(of(raw, "created_by", Uuid()), user),
                       "modified_at": func.coalesce(of(raw, "modified_at", DateTime(timezone=True)), created),
                       "modified_by": func.coalesce(of(raw, "modified_by", Uuid()), user)}
        values = {c.name: _created(c, raw, rows, environment) for c in plan.columns}
    else:
        source = old.join(raw, of(old, "_ord", Integer()) == of(raw, "_ord", Integer()))
        kept = {name: of(old, name, COLUMN_TYPES[type_]) for name, type_ in SYSTEM_TYPES.items()}
        system = {**kept, "version": of(old, "version", BigInteger()) + literal(1, literal_execute=True),
                  "modified_at": now, "modified_by": user, **_changed_system(plan, raw, old)}
        values = {
            c.name: _partial(c, raw, of(raw, c.name, COLUMN_TYPES[c.type]), of(old, c.name, COLUMN_TYPES[c.type]))
            if c.given else of(old, c.name, COLUMN_TYPES[c.type]) for c in plan.columns
        }
    made |= system | values
    if plan.stage:
        made[entered_at(plan.stage)] = _entered(plan, raw, old, values[plan.stage], system["created_at"])
    return materialized(select(*(value.label(name) for name, value in made.items())).select_from(source).cte("new"))


def _changed_system(plan: WritePlan, raw: CTE, old: CTE) -> dict[str, ColumnElement[Any]]:
    now = slot("now", DateTime(timezone=True))
    if plan.operation == "delete":
        return {"deleted_at": now, "deleted_batch": slot("batch", Uuid())}
    if plan.operation == "restore":
        return {"deleted_at": cast(null(), DateTime(timezone=True)), "deleted_batch": cast(null(), Uuid())}
    changed: dict[str, ColumnElement[Any]] = {}
    for name in _given_system(plan):
        type_ = COLUMN_TYPES[SYSTEM_TYPES[name]]
        fallback = {"modified_at": now, "modified_by": slot("user.id", Uuid())}.get(name, of(old, name, type_))
        changed[name] = func.coalesce(of(raw, name, type_), fallback)
    return changed


def _created(c: Column, raw: CTE, rows: Frame, environment: Environment) -> ColumnElement[Any]:
    given = of(raw, c.name, COLUMN_TYPES[c.type])
    if c.sequence:
        return func.coalesce(given, next_number(c.sequence, c.format or "", environment.zone))
    if c.default is None:
        return given
    default = cast(expression.value(c.default, rows.row), COLUMN_TYPES[c.type])
    if c.type == "boolean":
        return func.coalesce(given, default)
    return _partial(c, raw, given, default) if c.given else default


def _partial(c: Column, raw: CTE, given: ColumnElement[Any], otherwise: ColumnElement[Any]) -> ColumnElement[Any]:
    """The given value, or `otherwise` in the rows of a mixed batch that do not give this column."""
    if not c.partial:
        return given
    name = _text(c.name)
    return case((name == func.any(of(raw, "_absent", ARRAY(Text()))), otherwise), else_=given)


def _entered(
    plan: WritePlan, raw: CTE, old: CTE | None, stage: ColumnElement[Any], created: ColumnElement[Any]
) -> ColumnElement[Any]:
    assert plan.stage
    given = of(raw, ENTERED, DateTime(timezone=True)) if plan.historical else None
    if old is None:
        return created if given is None else func.coalesce(given, created)
    now = slot("now", DateTime(timezone=True))
    moved = stage.is_distinct_from(of(old, plan.stage, Text()))
    kept = of(old, entered_at(plan.stage), DateTime(timezone=True))
    return case((moved, now if given is None else func.coalesce(given, now)), else_=kept)


def _judged(plan: WritePlan, environment: Environment, raw: CTE, old: CTE | None, new: CTE) -> Rows:
    """Rows of (`_ord`, numbers of what is broken); a row of an update that was not found breaks MISSING."""
    trees = [tree for check in plan.checks for tree in (check.holds, check.when)]
    images: dict[Image, FromClause] = {"new": new}
    source = _with_old(new, old)
    if old is not None:
        images["old"] = old
    elif any(node.image == "old" for tree in trees if tree is not None for node in own(tree)):
        images["old"] = _no_row(plan)
        source = new.join(images["old"], true())
    rows = frame(environment, images, plan.check_joins, trees, source=source)
    tests = [broken_check(check, rows, n) for n, check in enumerate(plan.checks)]
    references = enumerate(plan.references)
    tests += [_number(_dangling(r, plan, environment, old, new), REFERENCE + n) for n, r in references]
    tests += [_number(_taken(u, plan, new), UNIQUE + n) for n, u in enumerate(plan.uniques)]
    tests += [_number(_used(u, plan, new), IN_USE + n) for n, u in enumerate(plan.in_use)]
    if old is not None and plan.operation != "restore":
        same = of(raw, "_ord", Integer()) == of(new, "_ord", Integer())
        read_at = select(of(raw, "_version", BigInteger())).where(same)
        tests.append(_number(read_at.scalar_subquery() != of(old, "version", BigInteger()), STALE))
    broken = func.array_remove(integers(tests), null())
    judged = select(of(new, "_ord", Integer()).label("_ord"), broken.label("broken")).select_from(rows.source)
    if old is None:
        return judged
    present = exists().where(of(old, "_ord", Integer()) == of(raw, "_ord", Integer()))
    missing = integers([literal(MISSING, Integer(), literal_execute=True)])
    return union_all(judged, select(of(raw, "_ord", Integer()), missing).where(not_(present)))


def _no_row(plan: WritePlan) -> FromClause:
    """The old image of a record that is being created: blank in every column."""
    blanks = [cast(null(), COLUMN_TYPES[type_]).label(name) for name, type_ in all_columns(plan).items()]
    return select(*blanks).subquery("old")


def integers(items: list[ColumnElement[Any]]) -> ColumnElement[Any]:
    return cast(array(items), ARRAY(Integer()))


def _number(test: ColumnElement[bool], number: int) -> ColumnElement[Any]:
    return case((test, literal(number, Integer(), literal_execute=True)))


def broken_check(check: Check, rows: Frame, number: int) -> ColumnElement[Any]:
    if check.grant:
        return _number(not_(func.coalesce(expression.grants(check.holds, rows.row), false())), number)
    broken: ColumnElement[Any] = _number(expression.violated(check.holds, rows.row), number)
    failed = expression.failed(check.holds, rows.row)
    if failed is not sql.FALSE:
        broken = case((failed, literal(FAILED + number, Integer(), literal_execute=True)), else_=broken)
    return broken if check.when is None else case((expression.condition(check.when, rows.row), broken))


def _dangling(
    r: Reference, plan: WritePlan, environment: Environment, old: CTE | None, new: CTE
) -> ColumnElement[bool]:
    """Whether the row refers to one that is not there; what comes back in the same batch (slot `batch`) is there."""
    target = qualified(r.table).alias()
    rows = frame(environment, {"new": target}, r.joins, (r.condition,))
    value = of(new, r.column, Uuid())
    there: ColumnElement[bool] = of(target, "deleted_at", DateTime()).is_(None)
    if plan.operation == "restore":
        there = or_(there, of(target, "deleted_batch", Uuid()) == slot("batch", Uuid()))
    where = [of(target, "id", Uuid()) == value, there]
    if r.condition is not None:
        where.append(expression.grants(r.condition, rows.row))
    absent = not_(_exists(rows, where))
    if old is not None and r.changed_only:
        return and_(value.is_distinct_from(of(old, r.column, Uuid())), value.is_not(None), absent)
    return and_(value.is_not(None), absent)


def _taken(u: Unique, plan: WritePlan, new: CTE) -> ColumnElement[bool]:
    other = qualified(plan.table).alias()
    columns = [(of(new, name, COLUMN_TYPES[t]), of(other, name, COLUMN_TYPES[t])) for name, t in u.columns]
    where = [mine == theirs for mine, theirs in columns]
    where += [of(other, "id", Uuid()) != of(new, "id", Uuid()), of(other, "deleted_at", DateTime()).is_(None)]
    taken: ColumnElement[bool] = _exists(frame_of(other), where)
    if not plan.single:
        mine = [column for column, _ in columns]
        twice = func.count().over(partition_by=mine) > literal(1, BigInteger(), literal_execute=True)
        taken = or_(taken, and_(twice, *(column.is_not(None) for column in mine)))
    return taken


def _used(u: InUse, plan: WritePlan, new: CTE) -> ColumnElement[bool]:
    other = qualified(u.table).alias()
    id_ = of(new, "id", Uuid())
    where = [of(other, u.via, Uuid()) == id_, of(other, "deleted_at", DateTime()).is_(None)]
    if u.table == plan.table:
        where.append(of(other, "id", Uuid()) != id_)
    return _exists(frame_of(other), where)


def frame_of(source: FromClause) -> Frame:
    """A frame with nothing around its own row."""
    return Frame(Environment("UTC", None), {"new": source}, (), source)


def _exists(rows: Frame, where: list[ColumnElement[bool]]) -> ColumnElement[bool]:
    inner = select(literal(1, Integer(), literal_execute=True)).select_from(rows.source).where(*where)
    return inner.correlate_except(*tables(rows.source)).exists()


def _gate(judged: Rows) -> CTE:
    rows = judged.cte("judged")
    broken = of(rows, "broken", ARRAY(Integer()))
    found = (
        select(func.jsonb_agg(func.jsonb_build_array(of(rows, "_ord", Integer()), broken)))
        .where(func.cardinality(broken) > literal(0, Integer(), literal_execute=True)).select_from(rows)
    )
    refuse = func.fieldwright.refuse_if(found.scalar_subquery(), type_=Boolean())
    return materialized(select(refuse.label("open")).cte("gate"))


def _passed(gate: CTE) -> ColumnElement[bool]:
    return of(gate, "open", Boolean())


def _into(ref: TableRef, columns: Iterable[str]) -> TableClause:
    return table(ref.name, *(column(name) for name in columns), schema=ref.schema)


def _written(plan: WritePlan, new: CTE, gate: CTE) -> CTE:
    types = all_columns(plan)
    if plan.operation == "create":
        columns = [of(new, name, COLUMN_TYPES[type_]) for name, type_ in types.items()]
        rows = select(*columns).select_from(new.join(gate, true())).where(_passed(gate))
        return insert(_into(plan.table, types)).from_select(list(types), rows).cte("written")
    changed = [c.name for c in plan.columns if c.given]
    changed += [entered_at(plan.stage)] if plan.stage in changed and plan.stage else []
    changed += ["version", "owner", "modified_at", "modified_by", "deleted_at", "deleted_batch"]
    if plan.historical:
        changed += ["created_at", "created_by"]
    target = _into(plan.table, types)
    values = {name: of(new, name, COLUMN_TYPES[types[name]]) for name in changed}
    return update(target).values(values).where(target.c.id == of(new, "id", Uuid()), _passed(gate)).cte("written")


def _history(plan: WritePlan, old: CTE | None, new: CTE, gate: CTE) -> CTE:
    pairs: list[ColumnElement[Any]] = []
    for name, type_ in _logged(plan).items():
        kind = COLUMN_TYPES[type_]
        value: ColumnElement[Any] = of(new, name, kind)
        if old is not None:
            before = of(old, name, kind)
            value = case((value.is_distinct_from(before), func.jsonb_build_array(before, value)))
        pairs += [_text(name), value]
    entry: dict[str, ColumnElement[Any]] = {
        **_about(plan, new), "door": slot("door", Text()), "request_id": slot("request", Text()),
        "changes": _objects(pairs),
    }
    return _log(plan.history, entry, _with_old(new, old), gate).cte("history")


def _logged(plan: WritePlan) -> dict[str, str]:
    if plan.operation in ("delete", "restore"):
        return {"deleted_at": "timestamptz"}
    named = {c.name: c.type for c in plan.columns if c.given or plan.operation == "create"}
    return named | {"owner": "uuid"}


def _objects(pairs: list[ColumnElement[Any]]) -> ColumnElement[Any]:
    """One JSON object of name, value pairs; a function takes at most 100 arguments, so long ones are joined."""
    parts = [func.jsonb_build_object(*pairs[n:n + 100], type_=JSONB()) for n in range(0, len(pairs), 100)]
    whole: ColumnElement[Any] = parts[0]
    for part in parts[1:]:
        whole = whole.op("||")(part)
    return func.jsonb_strip_nulls(whole)


def _about(plan: WritePlan, new: CTE) -> dict[str, ColumnElement[Any]]:
    return {
        "object": _text(plan.object),
        "record": of(new, "id", Uuid()),
        "version": of(new, "version", BigInteger()),
        "kind": _text(KINDS[plan.operation]),
        "at": slot("now", DateTime(timezone=True)),
        "actor": slot("user.id", Uuid()),
    }


def _with_old(new: CTE, old: CTE | None) -> FromClause:
    return new if old is None else new.join(old, of(new, "_ord", Integer()) == of(old, "_ord", Integer()))


def _log(ref: TableRef, entry: dict[str, ColumnElement[Any]], source: FromClause, gate: CTE, *where: Any) -> Insert:
    rows = select(*entry.values()).select_from(source.join(gate, true())).where(_passed(gate), *where)
    return insert(_into(ref, entry)).from_select(list(entry), rows)


def _stages(plan: WritePlan, old: CTE | None, new: CTE, gate: CTE) -> list[CTE]:
    """A row of stage history for each stage entered, and the end of the one that was left."""
    if plan.stage is None or not (old is None or plan.stage in [c.name for c in plan.columns if c.given]):
        return []
    stage, entered = of(new, plan.stage, Text()), of(new, entered_at(plan.stage), DateTime(timezone=True))
    previous = cast(null(), Text()) if old is None else of(old, plan.stage, Text())
    about = _about(plan, new)
    entry: dict[str, ColumnElement[Any]] = {
        "object": about["object"], "record": about["record"], "field": _text(plan.stage),
        "stage": stage, "previous": previous, "entered_at": entered, "actor": about["actor"],
        "reason": of(new, "_reason", Text()), "door": slot("door", Text()),
    }
    moved = stage.is_distinct_from(previous)
    found = [_log(plan.stage_history, entry, _with_old(new, old), gate, moved).cte("entered")]
    if old is not None:
        log = _into(plan.stage_history, ["object", "record", "field", "left_at", "entered_at"])
        left = update(log).values(left_at=entered).where(
            log.c.object == about["object"], log.c.record == about["record"], log.c.field == entry["field"],
            log.c.left_at.is_(None), of(old, "_ord", Integer()) == of(new, "_ord", Integer()), moved, _passed(gate),
        )
        found.append(left.cte("left_stage"))
    return found


def _events(plan: WritePlan, new: CTE, gate: CTE) -> CTE:
    entry = {**_about(plan, new), "depth": slot("depth", Integer())}
    logged = _log(plan.events, entry, new, gate)
    return (logged.returning(column("id", BigInteger())) if plan.queued else logged).cte("events")


def _queued(events: CTE) -> ColumnElement[Any]:
    """One job for all events of the statement, so that it exists if and only if they do."""
    ids = select(func.json_agg(of(events, "id", BigInteger()))).select_from(events).scalar_subquery()
    payload = func.json_build_object(_text("tenant"), slot("tenant", Text()), _text("events"), ids)
    encoded = func.convert_to(cast(payload, Text), _text("UTF8"))
    return func.fieldwright.enqueue(_text("dispatch"), encoded, type_=BigInteger())


def _text(constant: str) -> ColumnElement[Any]:
    return literal(constant, Text(), literal_execute=True)


def _answer(plan: WritePlan, environment: Environment, new: CTE, gate: CTE) -> Select[Any]:
    shown = frame(
        environment, {"new": new}, plan.output_joins, [*(o.tree for o in plan.outputs), plan.visible]
    )
    values = [expression.value(o.tree, shown.row).label(o.key) for o in plan.outputs]
    order = of(new, "_ord", Integer())
    where = [expression.grants(plan.visible, shown.row)] if plan.visible is not None else []
    found = select(*values).select_from(shown.source).where(*where)
    rows = (found if plan.single else found.order_by(order)).subquery("r")
    aggregate = func.row_to_json(rows.table_valued()) if plan.single else func.json_agg(rows.table_valued())
    body = select(cast(aggregate, Text)).scalar_subquery() if plan.outputs else cast(null(), Text)
    if plan.operation == "create":
        return select(body, cast(null(), Text)).select_from(gate).where(_passed(gate))
    ids = func.json_build_array(of(new, "id", Uuid()), of(new, "version", BigInteger()))
    meta = select(cast(func.json_agg(aggregate_order_by(ids, order)), Text)).select_from(new).scalar_subquery()
    return select(body, meta).select_from(gate).where(_passed(gate))
