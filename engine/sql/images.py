"""The rows of a write: as they were given (raw), as they are (old), as they will be (new)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    Integer,
    Text,
    Uuid,
    case,
    cast,
    column,
    func,
    literal,
    null,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CTE, FromClause

from engine.plan.checks import ACKNOWLEDGED
from engine.plan.planned import Image, with_image
from engine.plan.stages import CONFIRMED, SAID
from engine.plan.write import Choice, Column, WritePlan
from engine.release.identity import SYSTEM_COLUMNS
from engine.release.release import Staged
from engine.sql import expression
from engine.sql.columns import COLUMN_TYPES, Carried, Source, constant, of, qualified
from engine.sql.expression import Environment
from engine.sql.joins import Frame, frame
from engine.sql.sequence import counted, next_number
from engine.sql.statement import slot

BEFORE = "_old_"
"""Before the name of a column of the new rows: what stood there."""
ENTERED = "_entered_at"
"""The payload's key for the time at which a historical record entered its stage."""


def raw_rows(plan: WritePlan) -> CTE:
    """The payload as rows of the object's columns; what is not given is blank."""
    fields: list[Any] = [column("_ord", Integer()), column("id", Uuid()), column("_version", BigInteger()),
              column("_reason", Text()), column("_absent", ARRAY(Text()))]
    fields += [column(name, COLUMN_TYPES[SYSTEM_COLUMNS[name]]) for name in given_system(plan)]
    if plan.confirming:
        fields += [column("_done", ARRAY(Text())), column("_undone", ARRAY(Text()))]
    if plan.acknowledging:
        fields.append(column(ACKNOWLEDGED, ARRAY(Text())))
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
    """The common table expression, made once and never inlined."""
    return cte.prefix_with("MATERIALIZED")


def all_columns(plan: WritePlan) -> dict[str, str]:
    """Every column of the object's table with its type."""
    types = dict(SYSTEM_COLUMNS)
    for c in plan.columns:
        types[c.name] = c.type
        if plan.staged and c.name == plan.staged.column:
            types |= plan.staged.beside
    return types


def given_system(plan: WritePlan) -> list[str]:
    """The system fields that the payload may give."""
    return ["owner", "created_at", "created_by", "modified_at", "modified_by"] if plan.historical else ["owner"]


def old_rows(plan: WritePlan, environment: Environment, raw: CTE) -> CTE:
    """The rows as they are, locked, among those that the writer may change."""
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


def new_rows(plan: WritePlan, environment: Environment, raw: CTE, old: CTE | None) -> CTE:
    """The rows as they will be."""
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
        values = {c.name: made_value(c, raw, rows, environment) for c in plan.columns if not c.counter}
        for c in plan.columns:
            if c.counter:
                per = values[c.counter.per] if c.counter.per else None
                source, values[c.name] = counted(
                    c.counter, raw, source, per, c.format or "", environment.zone, c.name
                )
    else:
        source = old.join(raw, of(old, "_ord", Integer()) == of(raw, "_ord", Integer()))
        kept = {name: of(old, name, COLUMN_TYPES[type_]) for name, type_ in SYSTEM_COLUMNS.items()}
        system = {**kept, "version": of(old, "version", BigInteger()) + literal(1, literal_execute=True),
                  "modified_at": now, "modified_by": user, **_changed_system(plan, raw, old)}
        made["_version"] = of(raw, "_version", BigInteger())
        values = {
            c.name: partial(c, raw, of(raw, c.name, COLUMN_TYPES[c.type]), of(old, c.name, COLUMN_TYPES[c.type]))
            if c.given else of(old, c.name, COLUMN_TYPES[c.type]) for c in plan.columns
        }
    made |= system | values
    if old is not None:
        types = all_columns(plan)
        made |= {BEFORE + name: of(old, name, COLUMN_TYPES[types[name]]) for name in changed_columns(plan)}
    if plan.acknowledging:
        made[ACKNOWLEDGED] = of(raw, ACKNOWLEDGED, ARRAY(Text()))
    if plan.staged:
        made |= _beside_stage(plan, plan.staged, raw, old, values[plan.staged.column], system["created_at"])
    rows_made = select(*(value.label(name) for name, value in made.items())).select_from(source)
    if plan.choice is None:
        return materialized(rows_made.cte("new"))
    return _following(plan, plan.choice, environment, materialized(rows_made.cte("made")), old)


def _beside_stage(
    plan: WritePlan, staged: Staged, raw: CTE, old: CTE | None, stage: ColumnElement[Any], created: ColumnElement[Any]
) -> dict[str, ColumnElement[Any]]:
    """What stands beside the stage: when it was entered, the process (as before) and the tasks that are done."""
    made = {staged.entered: _entered(plan, staged, raw, old, stage, created)}
    if staged.followed:
        made[staged.followed] = cast(null(), Text()) if old is None else of(old, staged.followed, Text())
    if staged.confirmed:
        texts = ARRAY(Text())
        done: ColumnElement[Any] = cast(null(), texts) if old is None else of(old, staged.confirmed, texts)
        if plan.confirming:
            done = _said_done(done, of(raw, "_done", texts), of(raw, "_undone", texts))
            made[SAID] = func.array_cat(of(raw, "_done", texts), of(raw, "_undone", texts), type_=texts)
        made[CONFIRMED] = done
        if old is not None:
            done = case((stage.is_distinct_from(of(old, staged.column, Text())), cast(null(), texts)), else_=done)
        made[staged.confirmed] = done
    return made


def _said_done(
    before: ColumnElement[Any], done: ColumnElement[Any], undone: ColumnElement[Any]
) -> ColumnElement[Any]:
    """The tasks that are done after some were said to be, and others not to be."""
    name = func.unnest(func.array_cat(before, done, type_=ARRAY(Text()))).column_valued("name")
    there = select(name).distinct().where(func.coalesce(name != func.all(undone), true())).order_by(name)
    return func.array(there.scalar_subquery(), type_=ARRAY(Text()))


def _following(plan: WritePlan, choice: Choice, environment: Environment, made: CTE, old: CTE | None) -> CTE:
    """The rows with the process that each follows, and those that are created without a stage in its first one."""
    staged = plan.staged
    assert staged is not None and staged.followed is not None
    images: dict[Image, Source] = {"new": made} if old is None else {"new": made, "old": old}
    trees = [condition for _, condition in choice.conditions]
    seen = trees if old is None else [*trees, *(with_image(tree, "old") for tree in trees)]
    joins = [join for join in plan.choice_joins if old is not None or join.image == "new"]
    rows = frame(environment, images, joins, seen, source=with_old(made, old))

    def first(image: Image) -> ColumnElement[Any]:
        conditions = [(name, with_image(tree, image)) for name, tree in choice.conditions]
        tests = [(expression.condition(tree, rows.row), constant(name)) for name, tree in conditions]
        return case(*tests, else_=constant(staged.default.name))

    process = first("new")
    changed: dict[str, ColumnElement[Any]] = {}
    if old is None:
        begins = case({constant(name): constant(start) for name, start in choice.starts.items()}, value=process)
        changed[staged.column] = func.coalesce(of(made, staged.column, Text()), begins)
    else:
        kept = of(old, staged.followed, Text())
        switched = process.is_distinct_from(first("old"))
        process = case((switched, process), else_=kept)
        entered = of(made, staged.entered, DateTime(timezone=True))
        changed[staged.entered] = case((switched, slot("now", DateTime(timezone=True))), else_=entered)
    changed[staged.followed] = process
    columns = [changed.get(c.name, c).label(c.name) for c in made.c]
    return materialized(select(*columns).select_from(rows.source).cte("new"))


def _changed_system(plan: WritePlan, raw: CTE, old: CTE) -> dict[str, ColumnElement[Any]]:
    now = slot("now", DateTime(timezone=True))
    if plan.operation == "delete":
        return {"deleted_at": now, "deleted_batch": slot("batch", Uuid())}
    if plan.operation == "restore":
        return {"deleted_at": cast(null(), DateTime(timezone=True)), "deleted_batch": cast(null(), Uuid())}
    changed: dict[str, ColumnElement[Any]] = {}
    for name in given_system(plan):
        type_ = COLUMN_TYPES[SYSTEM_COLUMNS[name]]
        fallback = {"modified_at": now, "modified_by": slot("user.id", Uuid())}.get(name, of(old, name, type_))
        changed[name] = func.coalesce(of(raw, name, type_), fallback)
    return changed


def made_value(c: Column, raw: CTE, rows: Frame, environment: Environment) -> ColumnElement[Any]:
    given = of(raw, c.name, COLUMN_TYPES[c.type])
    if c.sequence:
        return func.coalesce(given, next_number(c.sequence, c.format or "", environment.zone))
    if c.default is None:
        return given
    default = cast(expression.value(c.default, rows.row), COLUMN_TYPES[c.type])
    if c.type == "boolean":
        return func.coalesce(given, default)
    return partial(c, raw, given, default) if c.given else default


def partial(c: Column, raw: CTE, given: ColumnElement[Any], otherwise: ColumnElement[Any]) -> ColumnElement[Any]:
    """The given value, or `otherwise` in the rows of a mixed batch that do not give this column."""
    if not c.partial:
        return given
    name = constant(c.name)
    return case((name == func.any(of(raw, "_absent", ARRAY(Text()))), otherwise), else_=given)


def _entered(
    plan: WritePlan, staged: Staged, raw: CTE, old: CTE | None, stage: ColumnElement[Any], created: ColumnElement[Any]
) -> ColumnElement[Any]:
    given = of(raw, ENTERED, DateTime(timezone=True)) if plan.historical else None
    if old is None:
        return created if given is None else func.coalesce(given, created)
    now = slot("now", DateTime(timezone=True))
    moved = stage.is_distinct_from(of(old, staged.column, Text()))
    kept = of(old, staged.entered, DateTime(timezone=True))
    return case((moved, now if given is None else func.coalesce(given, now)), else_=kept)


def changed_columns(plan: WritePlan) -> list[str]:
    """The columns in which a row of an update may differ from what it was."""
    changed = [*(c.name for c in plan.columns if c.given), *plan.beside, "version", "owner", "modified_at"]
    changed += ["modified_by", "deleted_at", "deleted_batch"]
    return [*changed, "created_at", "created_by"] if plan.historical else changed


def before(plan: WritePlan, new: CTE) -> Carried:
    """The rows of an update as they were, carried within the new ones: what no write changes stands there once."""
    return Carried(new, {name: BEFORE + name for name in changed_columns(plan)})


def with_old(new: CTE, old: CTE | None) -> FromClause:
    """New rows beside their old images."""
    return new if old is None else new.join(old, of(new, "_ord", Integer()) == of(old, "_ord", Integer()))


def no_row(plan: WritePlan) -> FromClause:
    """The old image of a record that is being created: blank in every column."""
    blanks = [cast(null(), COLUMN_TYPES[type_]).label(name) for name, type_ in all_columns(plan).items()]
    return select(*blanks).subquery("old")
