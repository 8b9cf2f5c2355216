"""Who gets which record: facts over records and users, then the decision over these facts alone.

facts      the records with the entries that fit them, the users with what they have already
decision   entry by entry: a user has as many slots as his caps leave; the slots in their order are the turns that the
           records of the entry take in the order of their ids
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Numeric,
    Text,
    Uuid,
    cast,
    false,
    func,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CTE

from engine.plan.assignment import AssignmentPlan, VisiblePlan
from engine.release.release import TableRef
from engine.sql import expression
from engine.sql.columns import constant, of, qualified
from engine.sql.expression import Environment
from engine.sql.images import materialized
from engine.sql.joins import Row, frame
from engine.sql.statement import Statement, compile_statement, slot
from metamodel.formula.functions import sql
from metamodel.formula.functions.clock import INSTANT
from metamodel.formula.typed import Node

ROUND = 1_000_000_000
"""How far the turns of a user of weight 1 are apart."""


def facts_statement(plan: AssignmentPlan, collation: str | None) -> Statement:
    """Texts `records` and `people` as JSON arrays, for the records of slot `ids` that the assignment is for.

    A record: `{"id", "now", "fits": [bool], "named": [user]}`; a user: `{"id", "active", "absent", "opened", "today",
    "fits": [bool], "weight": [n], "cap_open": [n], "cap_day": [n]}`; the arrays have a place for each entry.
    """
    environment = Environment(plan.zone, collation)
    records = _records(plan, environment)
    people = _people(plan, environment, records)
    person, places = of(people, "id", Uuid()), range(len(plan.entries))
    opened, today = _opened(plan, environment, people), _today(plan)
    of_records = _object(
        id=of(records, "id", Uuid()), now=of(records, "now", Uuid()),
        fits=_array(of(records, f"fits{n}", Boolean()) for n in places),
        named=_array(of(records, f"named{n}", Uuid()) for n in places),
    )  # fmt: skip
    of_people = _object(
        id=person, active=of(people, "active", Boolean()), absent=of(people, "absent", Boolean()),
        opened=_count(opened), today=_count(today), fits=_array(of(people, f"fits{n}", Boolean()) for n in places),
        **{name: _array(of(people, f"{name}{n}", Numeric()) for n in places) for name in NUMBERS},
    )  # fmt: skip
    source = people
    for counted in (opened, today):
        if counted is not None:
            source = source.outerjoin(counted, of(counted, "person", Uuid()) == person)  # type: ignore[assignment]
    lists = [
        select(cast(func.coalesce(func.json_agg(row), func.json_build_array()), Text)).select_from(rows)
        for row, rows in ((of_records, records), (of_people, source))
    ]
    return compile_statement(select(*(one.scalar_subquery().label(n) for n, one in zip(FACTS, lists, strict=True))))


FACTS = ("records", "people")
NUMBERS = ("weight", "cap_open", "cap_day")


def visible_statement(plan: VisiblePlan, collation: str | None) -> Statement:
    """An array of those of slot `ids` that the reader sees."""
    base = qualified(plan.table).alias("t")
    rows = frame(Environment(plan.zone, collation), {"new": base}, plan.joins, (plan.visible,))
    id_ = of(base, "id", Uuid())
    where = [id_ == func.any(slot("ids", ARRAY(Uuid()))), of(base, "deleted_at", INSTANT).is_(None)]
    if plan.visible is not None:
        where.append(expression.grants(plan.visible, rows.row))
    return compile_statement(select(func.array_agg(id_)).select_from(rows.source).where(*where))


def _records(plan: AssignmentPlan, environment: Environment) -> CTE:
    base = qualified(plan.table).alias("t")
    trees = [plan.visible, plan.when, *(node for entry in plan.entries for node in entry.over_record)]
    rows = frame(environment, {"new": base}, plan.record_joins, trees)
    id_ = of(base, "id", Uuid())
    columns: list[ColumnElement[Any]] = [id_.label("id"), of(base, plan.column, Uuid()).label("now")]
    for n, entry in enumerate(plan.entries):
        columns.append(_holds(entry.when, rows.row).label(f"fits{n}"))
        named = cast(null(), Uuid()) if entry.user is None else expression.value(entry.user, rows.row)
        columns.append(named.label(f"named{n}"))
    where = [id_ == func.any(slot("ids", ARRAY(Uuid()))), of(base, "deleted_at", INSTANT).is_(None)]
    if plan.visible is not None:
        where.append(expression.grants(plan.visible, rows.row))
    if plan.when is not None:
        where.append(expression.condition(plan.when, rows.row))
    return materialized(select(*columns).select_from(rows.source).where(*where).cte("records"))


def _people(plan: AssignmentPlan, environment: Environment, records: CTE) -> CTE:
    """The users who are a member of an entry or named by a record."""
    base, login = qualified(plan.people).alias("t"), qualified(plan.logins).alias("l")
    trees = [plan.active, plan.absent, *(node for entry in plan.entries for node in entry.over_user)]
    rows = frame(environment, {"new": base}, plan.people_joins, trees)
    id_ = of(base, "id", Uuid())
    active = _holds(plan.active, rows.row) & of(login, "active", Boolean()).is_not(false())
    absent = false() if plan.absent is None else expression.condition(plan.absent, rows.row)
    columns: list[ColumnElement[Any]] = [id_.label("id"), active.label("active"), absent.label("absent")]
    chosen: list[ColumnElement[bool]] = []
    named = []
    for n, entry in enumerate(plan.entries):
        fits = false() if entry.members is None else expression.condition(entry.members, rows.row)
        columns.append(fits.label(f"fits{n}"))
        if entry.user is not None:
            named.append(select(of(records, f"named{n}", Uuid())))
        else:
            chosen.append(fits)
        for name in NUMBERS:
            node = getattr(entry, name)
            number = cast(null(), Numeric()) if node is None else cast(expression.value(node, rows.row), Numeric())
            columns.append(number.label(f"{name}{n}"))
    if named:
        chosen.append(id_.in_(union_all(*named)))
    source = rows.source.outerjoin(login, of(login, "user_id", Uuid()) == id_)
    where = [of(base, "deleted_at", INSTANT).is_(None), or_(*chosen)]
    return materialized(select(*columns).select_from(source).where(*where).cte("people"))


def _opened(plan: AssignmentPlan, environment: Environment, people: CTE) -> Any:
    if plan.open is None:
        return None
    base = qualified(plan.table).alias("t")
    rows = frame(environment, {"new": base}, plan.open_joins, (plan.open,), grouped=True)
    person = of(base, plan.column, Uuid())
    where = [of(base, "deleted_at", INSTANT).is_(None), expression.condition(plan.open, rows.row)]
    where.append(person.in_(select(of(people, "id", Uuid()))))
    counted = select(person.label("person"), func.count().label("n")).select_from(rows.source).where(*where)
    return counted.group_by(person).subquery("opened")


def _today(plan: AssignmentPlan) -> Any:
    if all(entry.cap_day is None for entry in plan.entries):
        return None
    log = qualified(plan.log).alias("d")
    midnight = func.timezone(sql.text(plan.zone), cast(slot("today", Date()), DateTime()), type_=INSTANT)
    person = of(log, "chosen", Uuid())
    where = [of(log, "assignment", Text()) == constant(plan.name), of(log, "at", INSTANT) >= midnight]
    where += [person.is_not(None), of(log, "refused", Text()).is_(None)]
    counted = select(person.label("person"), func.count().label("n")).select_from(log).where(*where)
    return counted.group_by(person).subquery("today")


def _holds(node: Node | None, row: Row) -> ColumnElement[bool]:
    return true() if node is None else expression.condition(node, row)


def _count(counted: Any) -> ColumnElement[Any]:
    zero = sql.whole(0)
    return zero if counted is None else func.coalesce(of(counted, "n", BigInteger()), zero)


def _array(parts: Any) -> ColumnElement[Any]:
    return func.json_build_array(*parts)


def _object(**parts: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.json_build_object(*(part for name, value in parts.items() for part in (constant(name), value)))


def decision(strategies: Sequence[str]) -> str:
    """The statement that decides for entries with these strategies (`named` or one of the language).

    $1 records, $2 people (both as `facts_statement` gives them), $3 the names of the entries, $4 the turns by entry,
    $5 the strategies
    -> texts `decisions` (`[{"record", "now", "entry", "chosen", "place", "missed"}]`), `considered` (by entry
    `[{"user", "out", "opened", "today", "weight"}]`) and `turns`.

    Round robin is weighted with equal weights: a user's turns are ROUND / weight apart, the first after half of that,
    and the earliest turn comes next (Webster's method, known as Sainte-Lague: at every moment the counts are one and
    the same multiple of the weights, rounded). Who was away or full is next when back, without catching up. The least
    open is who has the fewest, then whose turn it is. What is decided record by record is decided the same at once,
    as long as entries do not share users.
    """
    parts, listed, turns = [_GIVEN], [], []
    for n, strategy in enumerate(strategies):
        parts.append((_NAMED if strategy == "named" else _CHOSEN).format(
            n=n, i=n + 1, given="given" if n == 0 else f"given_{n - 1}",
            step=f"GREATEST(round({ROUND} / weight), 1)" if strategy == "weighted" else str(ROUND),
            known="weight > 0" if strategy == "weighted" else "true",
            clamp="NULL::numeric" if strategy == "least_open" else "turn",
            fewest="c.opened + k - 1" if strategy == "least_open" else "0",
        ))  # fmt: skip
        listed.append(f"SELECT {n + 1} AS i, c.id, c.out, c.opened, c.today, c.weight FROM people_{n} c")
        if strategy != "named":
            turns.append(f"SELECT {n + 1} AS i, t.* FROM turns_{n} t")
    last = f"given_{len(strategies) - 1}"
    none = "SELECT 0 AS i, NULL::numeric AS turn, NULL::jsonb AS next WHERE false"
    return _DECISION.format(
        parts=",".join(parts), last=last, listed=" UNION ALL ".join(listed), turns=" UNION ALL ".join(turns or [none])
    )


_GIVEN = """
    given AS (SELECT NULL::uuid AS record, NULL::uuid AS person, 0 AS i, 0::bigint AS place WHERE false)"""

_LEFT = """
    had_{n} AS (SELECT person, count(*) AS n FROM {given} GROUP BY person),
    left_{n} AS MATERIALIZED (
        SELECT r.id, r.named[{i}] AS person, row_number() OVER (ORDER BY r.id) AS place,
            row_number() OVER (PARTITION BY r.named[{i}] ORDER BY r.id) AS k
        FROM records r
        WHERE r.fits[{i}] AND NOT EXISTS (SELECT FROM {given} g WHERE g.record = r.id)
    ),
    counted_{n} AS (
        SELECT p.*, p.weight[{i}] AS own_weight, p.opened + coalesce(h.n, 0) AS opened_now,
            p.today + coalesce(h.n, 0) AS today_now,
            LEAST(floor(p.cap_open[{i}]) - p.opened, floor(p.cap_day[{i}]) - p.today) - coalesce(h.n, 0) AS room
        FROM people p LEFT JOIN had_{n} h ON h.person = p.id
    )"""

_OUT = """
            CASE WHEN NOT active THEN 'inactive' WHEN absent THEN 'absent'
                WHEN {known} IS NOT TRUE THEN 'weight'
                WHEN opened_now >= floor(cap_open[{i}]) THEN 'open'
                WHEN today_now >= floor(cap_day[{i}]) THEN 'per_day' END AS out"""

_NAMED = (
    _LEFT
    + """,
    people_{n} AS MATERIALIZED (
        SELECT id, opened_now AS opened, today_now AS today, own_weight AS weight, room,"""
    + _OUT
    + """
        FROM counted_{n} WHERE id IN (SELECT person FROM left_{n})
    ),
    given_{n} AS MATERIALIZED (
        SELECT * FROM {given}
        UNION ALL
        SELECT l.id, l.person, {i}, l.place FROM left_{n} l JOIN people_{n} c ON c.id = l.person
        WHERE c.out IS NULL AND (c.room IS NULL OR l.k <= c.room)
    )"""
)

_CHOSEN = (
    _LEFT
    + """,
    turn_{n} AS (
        SELECT coalesce(($4::jsonb #>> ARRAY[($3::text[])[{i}], 'turn'])::numeric, 0) AS turn,
            coalesce($4::jsonb #> ARRAY[($3::text[])[{i}], 'next'], '{{}}') AS next
    ),
    weighed_{n} AS (
        SELECT c.id, c.opened_now, c.today_now, c.room, c.active, c.absent, c.cap_open, c.cap_day,
            c.own_weight AS weight
        FROM counted_{n} c WHERE c.fits[{i}] AND EXISTS (SELECT FROM left_{n})
    ),
    people_{n} AS MATERIALIZED (
        SELECT id, opened_now AS opened, today_now AS today, weight, room, held, turn, step,
            GREATEST(coalesce(held, turn + floor(step / 2)), {clamp}) AS first,"""
    + _OUT
    + """
        FROM (
            SELECT w.*, t.turn, (t.next ->> w.id::text)::numeric AS held,
                CASE WHEN {known} THEN {step} END AS step
            FROM weighed_{n} w, turn_{n} t
        ) w
    ),
    slots_{n} AS MATERIALIZED (
        SELECT s.id, s.at, row_number() OVER (ORDER BY s.fewest, s.at, s.id) AS place
        FROM (
            SELECT c.id, c.first + (k - 1) * c.step AS at, {fewest} AS fewest
            FROM people_{n} c
            CROSS JOIN generate_series(1, LEAST(c.room, (SELECT count(*) FROM left_{n}))::bigint) k
            WHERE c.out IS NULL
            ORDER BY fewest, at, c.id
            LIMIT (SELECT count(*) FROM left_{n})
        ) s
    ),
    given_{n} AS MATERIALIZED (
        SELECT * FROM {given}
        UNION ALL
        SELECT l.id, s.id, {i}, l.place FROM left_{n} l JOIN slots_{n} s USING (place)
    ),
    turns_{n} AS (
        SELECT GREATEST(t.turn, (SELECT max(at) FROM slots_{n})) AS turn,
            (SELECT jsonb_object_agg(c.id,
                CASE WHEN c.out IS NULL THEN c.first + c.step * coalesce(s.n, 0) ELSE c.held END)
                FROM people_{n} c LEFT JOIN (SELECT id, count(*) AS n FROM slots_{n} GROUP BY id) s USING (id)
                WHERE c.out IS NULL OR c.held IS NOT NULL) AS next
        FROM turn_{n} t WHERE EXISTS (SELECT FROM left_{n})
    )"""
)

_DECISION = """
    WITH records AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset($1::jsonb) AS r (id uuid, now uuid, fits boolean[], named uuid[])
    ),
    people AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset($2::jsonb) AS p (
            id uuid, active boolean, absent boolean, opened bigint, today bigint, fits boolean[],
            weight numeric[], cap_open numeric[], cap_day numeric[])
    ),{parts},
    decided AS (
        SELECT r.id, r.now, g.i, g.person, g.place,
            ARRAY(SELECT ($3::text[])[f.i] FROM unnest(r.fits, r.named) WITH ORDINALITY AS f (fits, named, i)
                WHERE f.fits AND f.i < coalesce(g.i, cardinality(r.fits) + 1)
                AND (f.named IS NOT NULL OR ($5::text[])[f.i] <> 'named') ORDER BY f.i) AS missed
        FROM records r LEFT JOIN {last} g ON g.record = r.id
    )
    SELECT
        (SELECT coalesce(json_agg(json_build_object('record', d.id, 'now', d.now, 'entry', ($3::text[])[d.i],
            'chosen', d.person, 'place', d.place, 'missed', d.missed) ORDER BY d.id), '[]')::text
            FROM decided d) AS decisions,
        (SELECT coalesce(json_object_agg(($3::text[])[e.i], e.people), '{{}}')::text FROM (
            SELECT c.i, json_agg(json_build_object('user', c.id, 'out', c.out, 'opened', c.opened, 'today', c.today,
                'weight', c.weight) ORDER BY c.id) AS people
            FROM ({listed}) c GROUP BY c.i) e) AS considered,
        ($4::jsonb || (SELECT coalesce(jsonb_object_agg(($3::text[])[t.i], jsonb_build_object(
            'turn', t.turn, 'next', coalesce(t.next, '{{}}'))), '{{}}') FROM ({turns}) t))::text AS turns"""


def begun(schema: str) -> str:
    """$1 object: a row for it, if there is none."""
    return f'INSERT INTO "{schema}"._assignment (object) VALUES ($1) ON CONFLICT DO NOTHING'


def held(schema: str) -> str:
    """$1 object: the turns of its assignments, `{assignment: {entry: turns}}`, locked until the transaction ends."""
    return f"{seen(schema)} FOR UPDATE"


def seen(schema: str) -> str:
    """$1 object: the turns as they are now."""
    return f'SELECT turns::text FROM "{schema}"._assignment WHERE object = $1'


def logged(schema: str) -> str:
    """$1 run, $2 assignment, $3 object, $4 now, $5 actor, $6 door, $7 request, $8 turns before, $9 considered,
    $10 decisions with `refused`, $11 turns after: all is written down."""
    return f"""
        WITH turned AS (
            UPDATE "{schema}"._assignment SET turns = turns || jsonb_build_object($2::text, $11::jsonb)
            WHERE object = $3
        ), run AS (
            INSERT INTO "{schema}"._assignment_run
                (id, assignment, object, at, actor, door, request_id, turns, considered)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9::jsonb)
        )
        INSERT INTO "{schema}"._assignment_log
            (run, assignment, object, record, at, entry, chosen, former, place, missed, refused)
        SELECT $1, $2, $3, d.record, $4, d.entry, d.chosen, d.former, d.place, d.missed, d.refused
        FROM jsonb_to_recordset($10::jsonb) AS d (
            record uuid, entry text, chosen uuid, former uuid, place bigint, missed text[], refused jsonb)
        ORDER BY d.record"""


def told(schema: str) -> str:
    """$1 object, $2 record, $3 how many: rows (assignment, at, actor, door, entry, chosen, former, place, missed,
    refused, considered) of the record's assignments, the newest first."""
    return f"""
        SELECT l.assignment, l.at, r.actor, r.door, l.entry, l.chosen, l.former, l.place, l.missed,
            l.refused::text AS refused,
            (SELECT jsonb_object_agg(e, r.considered -> e) FROM unnest(l.missed || l.entry) e
                WHERE r.considered ? e)::text AS considered
        FROM "{schema}"._assignment_log l JOIN "{schema}"._assignment_run r ON r.id = l.run
        WHERE l.object = $1 AND l.record = $2 ORDER BY l.id DESC LIMIT $3"""


def holding(table: TableRef, column: str, link: str) -> str:
    """$1 record -> (user, pool) that it has, the record locked."""
    return (
        f'SELECT "{column}" AS person, "{link}" AS pool FROM "{table.schema}"."{table.name}" '
        "WHERE id = $1 AND deleted_at IS NULL FOR UPDATE"
    )


def claimed(schema: str) -> str:
    """$1 object, $2 user, $3 zone, $4 now, $5 record -> how many records the user has claimed today, and when he gave
    the record back or lost it to the pool the last time."""
    return f"""
        SELECT (SELECT count(*) FROM "{schema}"._assignment_log WHERE object = $1 AND chosen = $2 AND entry = 'claim'
                AND at >= date_trunc('day', $4::timestamptz, $3::text)) AS today,
            (SELECT max(at) FROM "{schema}"._assignment_log
                WHERE object = $1 AND record = $5 AND former = $2 AND entry = 'release') AS lost"""
