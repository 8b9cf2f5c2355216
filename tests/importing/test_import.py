"""The import as a whole: rights, rules, dry run, historical mode, and files that are not what they should be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from engine.base.context import SYSTEM_USER
from engine.base.limits import IMPORT_BATCH
from engine.plan.request import RecordQuery
from engine.records.export import export, export_fields
from engine.records.importing import import_file
from engine.records.mapping import load_mapping
from tests.importing.conftest import Store, actor
from tests.tenancy import context, read, refusing

PLAIN = {"columns": {"sku": "sku", "name": "name"}}
HISTORY = {
    "history": True,
    "mode": "upsert",
    "key": "sku",
    "columns": {"sku": "sku", "stage": "stage", "price": "price", "owner": {"column": "who", "lookup": "email"}},
    "system": {"created_at": "made", "stage_entered_at": ["moved", "made"]},
}
OLD = (
    "sku,stage,price,who,made,moved\n"
    "a,gone,5,ann@store.example,2020-02-03,2021-01-01\nb,ready,3,,2020-05-06,\nc,draft,1,,,\n"
)


async def counts(store: Store) -> tuple[int, int]:
    async with store.rt.writes.connection() as conn:
        schema = f'"{store.release.schema}"'
        return tuple([await conn.fetchval(f"SELECT count(*) FROM {schema}.{t}") for t in ("part", "_history")])


async def test_a_dry_run_reports_the_same_and_leaves_nothing(store: Store) -> None:
    text = "sku,name,price\na,x,1\nb,y,5000\nc,z,-1\nd,w,2\n"
    mapping = {"mode": "upsert", "key": "sku", "columns": {"sku": "sku", "name": "name", "price": "price"}}
    before = await counts(store)
    dry = await store.load(mapping, text, dry_run=True)
    assert dry.dry_run and await counts(store) == before
    real = await store.load(mapping, text)
    assert (dry.rows, dry.created, dry.updated, dry.rejected) == (real.rows, real.created, real.updated, real.rejected)
    assert [(r.line, r.key, [f.code for f in r.faults]) for r in real.rejected] == [
        (3, "b", ["record.rule"]),
        (4, "c", ["record.out_of_range"]),
    ]
    assert await store.parts("sku") == [("a",), ("d",)]
    again = await store.load(mapping, text, dry_run=True)
    assert (again.created, again.updated) == (0, 2)
    async with store.rt.writes.connection(store.release.role) as conn:
        assert await conn.fetchval("SHOW statement_timeout") == "10s"
        assert await conn.fetchval("SELECT to_regclass('pg_temp.fieldwright_staging')") is None


async def test_warnings_are_acknowledged_by_the_mapping(store: Store) -> None:
    columns, text = {"columns": {"sku": "sku", "pieces": "pieces"}}, "sku,pieces\na,600\nb,5\n"
    done = await store.load(columns, text)
    assert [(r.line, [f.code for f in r.faults]) for r in done.rejected] == [(2, ["record.warning"])]
    done = await store.load({"mode": "upsert", "key": "sku", "acknowledge": ["usual"], **columns}, text)
    assert (done.created, done.updated, done.rejected) == (1, 1, [])


async def test_a_default_and_options_by_their_labels(store: Store) -> None:
    mapping = {
        "columns": {
            "sku": "sku", "tags": "tags", "shade": {"column": "shade", "blank": "-", "default": "Blue"},
        },
    }  # fmt: skip
    done = await store.load(mapping, "sku,shade,tags\nd1,Red,Red;blue\nd2,,\nd3,-,red\nd4,rose,\n")
    assert [(r.line, [f.pointer for f in r.faults]) for r in done.rejected] == [(5, ["/shade"])]
    assert await store.parts("sku", "shade", "tags") == [
        ("d1", "red", ["red", "blue"]), ("d2", "blue", None), ("d3", "blue", ["red"]),
    ]  # fmt: skip


async def test_every_rule_of_the_door_holds(store: Store) -> None:
    mapping = {
        "columns": {"sku": "sku", "name": "name", "price": "price", "pieces": "n", "stage": "stage", "shade": "shade"}
    }
    text = (
        "sku,name,price,n,stage,shade\n"
        ",no key,1,1,,\n"
        f"{'x' * 11},long,1,1,,\n"
        f"b,{'x' * 101},1,1,,\n"
        "c,dear,1000,1,,\n"
        "d,many,1,1001,,\n"
        "e,not new,1,1,ready,\n"
        "f,no stage,1,1,lost,\n"
        "g,shade,1,1,,pink\n"
        "h,good,999.99,1000,draft,red\n"
    )
    done = await store.load(mapping, text)
    assert {r.line: (r.faults[0].code, r.faults[0].pointer) for r in done.rejected} == {
        2: ("record.required", "/sku"),
        3: ("record.too_long", "/sku"),
        4: ("record.too_long", "/name"),
        5: ("record.rule", "/price"),
        6: ("record.out_of_range", "/pieces"),
        7: ("stage.start", "/stage"),
        8: ("record.option", "/stage"),
        9: ("record.option", "/shade"),
    }
    assert done.created == 1 and await store.parts("sku", "stage", "worth") == [("h", "draft", Decimal("999990.00"))]
    # An update moves through the process, too.
    done = await store.load(
        {"mode": "update", "key": "sku", "columns": {"sku": "sku", "stage": "stage"}}, "sku,stage\nh,gone\n"
    )
    assert {f.code for f in done.rejected[0].faults} == {"stage.unlisted"}


async def test_the_verbs_and_the_fields_of_the_role_hold(store: Store) -> None:
    store.actor = actor("keeper")
    with refusing("access.denied", "import"):
        await store.load(PLAIN, "sku,name\na,b\n")
    store.actor = actor("clerk")
    with refusing("access.denied", "import_historical"):
        await store.load({**PLAIN, "history": True}, "sku,name\na,b\n")
    done = await store.load(
        {"columns": {"sku": "sku", "place": {"column": "p", "lookup": "code"}}}, "sku,p\na,SECRET\nb,N\n"
    )
    assert [(r.line, r.faults[0].code) for r in done.rejected] == [(2, "record.reference")] and done.created == 1
    done = await store.load({"columns": {"sku": "sku", "keeper": {"value": str(SYSTEM_USER)}}}, "sku\nx\n")
    assert (done.created, done.rejected[0].faults[0].pointer) == (0, "/keeper")
    assert await counts(store) == (1, 1)


async def test_history_keeps_dates_owners_and_stages_and_says_so(store: Store) -> None:
    (ann,) = await read(store.rt, store.release, "user", "id", equals=(("name", "Ann"),))
    store.actor = replace(actor("archivist"), user=UUID(ann["id"]))
    done = await store.load(HISTORY, OLD)
    assert (done.created, [r.faults for r in done.rejected]) == (3, [])
    schema = f'"{store.release.schema}"'
    async with store.rt.writes.connection() as conn:
        rows = await conn.fetch(
            f"SELECT p.sku, p.stage, p.stage__entered_at, p.created_at, u.name FROM {schema}.part p "
            f'LEFT JOIN {schema}."user" u ON u.id = p.owner ORDER BY 1'
        )
        doors = await conn.fetch(f"SELECT DISTINCT door FROM {schema}._history")
    # A date is its first instant in the tenant's zone, which is eight hours ahead.
    assert tuple(rows[0]) == (
        "a",
        "gone",
        datetime(2020, 12, 31, 16, tzinfo=UTC),
        datetime(2020, 2, 2, 16, tzinfo=UTC),
        "Ann",
    )
    assert rows[1]["created_at"] == rows[1]["stage__entered_at"] == datetime(2020, 5, 5, 16, tzinfo=UTC)
    assert abs((rows[2]["created_at"] - datetime.now(UTC)).total_seconds()) < 60
    assert [row["door"] for row in doors] == ["historical import"]
    # Starts, moves and criteria of stages are not judged, all other rules are.
    wrong = await store.load(HISTORY, "sku,stage,price,who,made,moved\nz,gone,5000,,,\nz2,nowhere,1,,,\nz3,ready,,,,\n")
    assert [[f.code for f in r.faults] for r in wrong.rejected] == [
        ["record.rule"],
        ["record.option"],
        ["stage.required"],
    ]
    again = await store.load(HISTORY, OLD)
    assert (again.created, again.updated, again.rejected) == (0, 3, [])


async def test_more_rows_than_a_batch_with_progress(store: Store) -> None:
    lines = [f"s{n},{'x' * 200 if n % 700 == 0 else 'ok'}" for n in range(2 * IMPORT_BATCH + 7)]
    seen: list[tuple[int, int]] = []
    done = await store.load(PLAIN, "sku,name\n" + "\n".join(lines), progress=lambda n, of: seen.append((n, of)))
    bad = [n + 2 for n in range(len(lines)) if n % 700 == 0]
    assert [r.line for r in done.rejected] == bad and done.created == len(lines) - len(bad) == (await counts(store))[0]
    assert [n for n, _ in seen] == [IMPORT_BATCH, 2 * IMPORT_BATCH, len(lines)] and {of for _, of in seen} == {
        len(lines)
    }


async def test_lines_are_those_of_the_file_and_bad_rows_do_not_hold_up_good_ones(store: Store) -> None:
    text = '\ufeffsku,name\r\na,"two\r\nlines"\r\n\r\nb\r\nc,x,y\r\nd,"say ""hi"""\r\n'
    done = await store.load(PLAIN, text)
    assert await store.parts("sku", "name") == [("a", "two\r\nlines"), ("d", 'say "hi"')]
    assert [(r.line, r.faults[0].code, r.faults[0].detail) for r in done.rejected] == [
        (5, "import.file", "the row has 1 cells, the header 2"),
        (6, "import.file", "the row has 3 cells, the header 2"),
    ]
    done = await store.load(PLAIN, "sku,name\ne,a\0b\nf,ok\n")
    assert [(r.line, r.faults[0].pointer) for r in done.rejected] == [(2, "/name")] and done.created == 1


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"sku,name\na,b\n\xff\xfe,c\n", "not UTF-8"),
        ("sku,name\na,Größe\n".encode("latin-1"), "not UTF-8"),
        (b'sku,name\na,"b\nc,d\n', "line 2"),
        (b'sku,name\na,b\nc,"d"x\n', "line 3"),
        (b"sku,name\na,b\nc," + b"x" * 1_000_000 + b"\n", "line 3"),
    ],
)
async def test_a_file_that_is_no_csv_is_refused_as_a_whole(store: Store, data: bytes, text: str) -> None:
    with refusing("import.file", text):
        await store.load(PLAIN, data)
    assert await counts(store) == (0, 0)
    # The connection is as good as before.
    assert (await store.load(PLAIN, "sku,name\na,b\n")).created == 1


async def test_a_file_that_is_not_there_or_has_a_header_only(store: Store) -> None:
    assert (await store.load(PLAIN, "sku,name\n")).rows == 0
    ctx, mapping = context(store.release), load_mapping(store.folder / "mapping.yaml")
    for path in (store.folder / "gone.csv", store.folder):
        with refusing("import.file", path.name):
            await import_file(store.rt, ctx, store.release, mapping, path)


async def test_spans_times_lists_and_json_are_read_as_exports_write_them(store: Store) -> None:
    text = (
        "name,starts,lasts,words,facts\n"
        'a,08:30,1:30,red; blue,"{""a"": 1.5}"\n'
        'b,09:00:30,PT2H,"[""x;y""]",[]\n'
        "c,,90,,\n"
        "d,25:00,1:75,,{\n"
    )
    names = ("name", "starts", "lasts", "words", "facts")
    mapping = {"columns": {name: name for name in names}, "object": "shift"}
    done = await store.load(mapping, text)
    assert done.created == 3
    assert [(f.code, f.pointer) for f in done.rejected[0].faults] == [
        ("record.type", "/lasts"), ("record.type", "/facts"),
    ]  # fmt: skip
    rows = await read(store.rt, store.release, "shift", *names, order=("name",))
    assert [tuple(row.values()) for row in rows] == [
        ("a", "08:30:00", "PT1H30M", ["red", "blue"], {"a": Decimal("1.5")}),
        ("b", "09:00:30", "PT2H", ["x;y"], []),
        ("c", None, "PT1M30S", None, None),
    ]


async def test_parts_are_columns_of_imports_and_of_exports(store: Store) -> None:
    text = "name,family,given,lat,lng\np1,Zhang,San,31.2,121.4\np2,Li,,95,0\np3,,,1,\n"
    columns = {
        "name": "name", "leader.family": "family", "leader.given": "given", "place.latitude": "lat",
        "place.longitude": "lng",
    }  # fmt: skip
    done = await store.load({"columns": columns, "object": "shift"}, text)
    assert [(r.line, [(f.code, f.pointer) for f in r.faults]) for r in done.rejected] == [
        (3, [("record.out_of_range", "/place/latitude")]), (4, [("record.required", "/place/longitude")]),
    ]  # fmt: skip
    ctx = context(store.release, store.actor, door="export")
    query = RecordQuery(object="shift", where='name = "p1"')
    assert {"leader", "place"}.isdisjoint(export_fields(store.rt, ctx, store.release, query))
    (row,) = [row async for page in export(store.rt, ctx, store.release, query) for row in page]
    assert {name: str(row[name]) for name in columns} == {
        "name": "p1", "leader.family": "Zhang", "leader.given": "San", "place.latitude": "31.2",
        "place.longitude": "121.4",
    }  # fmt: skip
