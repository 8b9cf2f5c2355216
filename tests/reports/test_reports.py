"""Declared reports: each feature against plain SQL, in the viewer's rights."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import Any

import pytest

from engine.base.cells import safe_cell
from engine.reports.export import report_csv, report_rows, shown
from engine.reports.run import ReportResult, listed, run_report
from tests.reports.conftest import TENANT, Shop
from tests.tenancy import context, opened, refusing, sql

SCHEMA = f"t_{TENANT}"
FROM = f"FROM {SCHEMA}.sale s LEFT JOIN {SCHEMA}.place p ON p.id = s.place WHERE s.deleted_at IS NULL"


async def run(shop: Shop, name: str, who: str = "operator", locale: str = "en") -> ReportResult:
    async with opened(shop.url) as rt:
        release = await rt.store.release(TENANT)
        return await run_report(rt, context(release, shop.actor(who), locale=locale), release, name)


def rows(result: ReportResult) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in json.loads(result.body, parse_float=Decimal)]


def totals(result: ReportResult) -> dict[str, Any]:
    assert result.totals is not None
    return dict(json.loads(result.totals, parse_float=Decimal))


async def plain(shop: Shop, text: str, *args: Any) -> list[tuple[Any, ...]]:
    return [tuple(str(v) if hasattr(v, "isoformat") else v for v in row) for row in await sql(shop.url, text, *args)]


def near(got: list[tuple[Any, ...]], wanted: list[tuple[Any, ...]]) -> bool:
    """Equal; quotients, which the language rounds to 18 places, to 12 places."""

    def same(a: Any, b: Any) -> bool:
        return abs(Decimal(a) - Decimal(b)) < Decimal("1e-12") if isinstance(b, Decimal) and a is not None else a == b

    return len(got) == len(wanted) and all(
        len(g) == len(w) and all(map(same, g, w)) for g, w in zip(got, wanted, strict=True)
    )


async def test_group_by_a_path_sorts_as_options_are_declared_with_where_measures_and_totals(shop: Shop) -> None:
    result = await run(shop, "by_area")
    measures = "count(*), sum(amount), sum(pieces)::numeric / count(*), sum(round(amount * 0.9, 18))"
    wanted = await plain(
        shop,
        f"SELECT p.area, {measures} {FROM} AND stage = 'won' GROUP BY 1 "
        "ORDER BY array_position('{west,east,north}', p.area) NULLS LAST",
    )
    assert near(rows(result), wanted) and [row[0] for row in wanted] == ["west", "east", "north", None]
    whole = await plain(shop, f"SELECT {measures} {FROM} AND stage = 'won'")
    assert near([tuple(totals(result)[name] for name in ("sales", "amount", "share", "net"))], whole)
    assert set(totals(result)) == {"sales", "amount", "share", "net"}


async def test_groups_by_an_expression_and_a_stage_sort_by_both(shop: Shop) -> None:
    result = await run(shop, "by_month")
    wanted = await plain(
        shop,
        f"SELECT date_trunc('month', sold_on)::date, stage, count(*), max(amount) {FROM} GROUP BY 1, 2 "
        "ORDER BY 1 NULLS LAST, array_position('{open,won,lost}', stage)",
    )
    assert near(rows(result), wanted) and wanted[-1][0] is None and result.totals is None


async def test_sort_limit_and_totals_over_all_groups(shop: Shop) -> None:
    result = await run(shop, "top_places")
    rate = "count(*) FILTER (WHERE stage = 'won')::numeric / nullif(count(*) FILTER (WHERE stage <> 'open'), 0)"
    wanted = await plain(
        shop, f"SELECT p.name, sum(amount), {rate} {FROM} GROUP BY 1 ORDER BY 2 DESC NULLS LAST, 1 NULLS LAST LIMIT 3"
    )
    assert near(rows(result), wanted) and len(wanted) == 3
    whole = (await plain(shop, f"SELECT sum(amount), {rate} {FROM}"))[0]
    assert near([(totals(result)["amount"], totals(result)["win"])], [whole])
    assert totals(result)["amount"] > sum(row[1] for row in rows(result))


async def test_a_stage_sorts_downwards_too_and_no_group_gives_one_row(shop: Shop) -> None:
    assert [row[0] for row in rows(await run(shop, "by_stage_down"))] == ["lost", "won", "open"]
    wanted = await plain(shop, f"SELECT count(*), count(*) FILTER (WHERE gift) {FROM}")
    assert rows(await run(shop, "whole")) == wanted
    assert [row[0] for row in rows(await run(shop, "by_gift"))] == [False, True]


async def test_labels_kinds_and_formats_come_in_the_locale(shop: Shop) -> None:
    english, chinese = await run(shop, "by_area"), await run(shop, "by_area", locale="zh-CN")
    assert [c["label"] for c in english.columns] == ["Area", "Sales", "Amount", "Share", "Net"]
    assert [c["label"] for c in chinese.columns] == ["区域", "单数", "金额", "占比", "净额"]
    assert [c["format"] for c in english.columns] == [None, "integer", "money", "percent", "number"]
    assert [c["kind"] for c in english.columns] == ["select", "integer", "money", "decimal", "money"]
    assert [c["measure"] for c in english.columns] == [False, True, True, True, True]
    assert english.columns[0]["options"] == {"west": "West", "east": "East", "north": "North"}
    assert chinese.columns[0]["options"] == {"west": "西", "east": "东", "north": "北"}
    # A locale that nobody wrote falls back to English.
    assert (await run(shop, "by_area", locale="de")).columns[0]["label"] == "Area"


async def test_a_table_for_people_has_labels_thousands_and_per_cents(shop: Shop) -> None:
    shown, total = report_rows(await run(shop, "by_area"))
    assert [row[0] for row in shown] == ["West", "East", "North", "-"]
    assert total is not None and total[0] == "" and total[3].endswith("%") and total[2].count(".") == 1
    amount = (await plain(shop, f"SELECT sum(amount) {FROM} AND stage = 'won'"))[0][0]
    assert total[2] == f"{amount:,.2f}"
    assert [row[0] for row in report_rows(await run(shop, "by_gift"))[0]] == ["no", "yes"]
    assert [row[1] for row in report_rows(await run(shop, "by_month", locale="zh-CN"))[0]][:1] == ["进行中"]


@pytest.mark.parametrize("who", ["ann", "ben"])
async def test_a_viewer_sees_sums_over_his_own_rows_only(shop: Shop, who: str) -> None:
    wanted = await plain(
        shop, f"SELECT count(*), sum(amount) {FROM} AND stage = 'won' AND s.owner = $1", shop.users[who]
    )
    whole = totals(await run(shop, "by_area", who))
    assert (
        (whole["sales"], whole["amount"]) == wanted[0] != (await plain(shop, f"SELECT count(*), sum(amount) {FROM}"))[0]
    )
    assert sum(row[1] for row in rows(await run(shop, "by_area", who))) == wanted[0][0]


async def test_a_report_of_what_a_viewer_may_not_read_does_not_exist_for_him(shop: Shop) -> None:
    async with opened(shop.url) as rt:
        release = await rt.store.release(TENANT)
        names = {
            who: {r.name for r in listed(rt, context(release, shop.actor(who)), release)}
            for who in ("operator", "ann", "guest")
        }
        assert (
            "costs" in names["operator"] and names["ann"] == names["operator"] - {"costs"} and names["guest"] == set()
        )
        for who, name in (("ann", "costs"), ("guest", "whole"), ("operator", "nothing")):
            with refusing("report.unknown", f'there is no report "{name}"'):
                await run_report(rt, context(release, shop.actor(who)), release, name)
        with pytest.raises(Exception) as near_miss:
            await run_report(rt, context(release), release, "by_aera")
        assert "by_area" in (near_miss.value.hint or "")  # type: ignore[attr-defined]
        with pytest.raises(Exception) as hidden:
            await run_report(rt, context(release, shop.actor("ann")), release, "cost")
        assert "costs" not in (hidden.value.hint or "")  # type: ignore[attr-defined]


async def test_csv_can_not_start_a_formula_in_a_spreadsheet(shop: Shop) -> None:
    text = report_csv(await run(shop, "risky"))
    assert "\r\n" in text
    header, *lines = list(csv.reader(io.StringIO(text)))
    assert header == ["'+Name", "'@Amount"]
    cells = {row[0]: row[1] for row in lines}
    assert set(cells) == {'\'=HYPERLINK("x")', "'@SUM(A1)", "'+1", "'-2", "'|x", 'plain, "q"'}
    assert Decimal(cells["'-2"]) == -4, "a number stays a number"


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (-5, "-5"),
        (Decimal("-1.50"), "-1.50"),
        (Decimal("1E+3"), "1000"),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("|x", "'|x"),
        ("a=1", "a=1"),
        ("", ""),
        (["red", "=x"], "red;=x"),
        (["=x", "red"], "'=x;red"),
        (["a;b", "c"], '["a;b","c"]'),
        ("\n=1", "'\n=1"),
        ("＝1", "'＝1"),
    ],
)
def test_a_cell_is_made_safe(value: Any, cell: str) -> None:
    assert safe_cell(value) == cell


async def test_the_object_the_value_and_the_description_of_a_report(shop: Shop) -> None:
    """The formula that is the `value` of a group or measure is typed over the report's object."""
    async with opened(shop.url) as rt:
        release = await rt.store.release(TENANT)
        (found,) = (r for r in listed(rt, context(release), release) if r.name == "by_area")
        assert found.object == "sale" and found.description == {"en": "Won sales", "zh-CN": "赢单"}
        assert found.groups["area"].value.text == "place.area" and found.measures["sales"].value.text == "COUNT(rows)"
    won = await plain(shop, f"SELECT count(*) {FROM} AND stage = 'won'")
    assert totals(await run(shop, "by_area"))["sales"] == won[0][0]


@pytest.mark.parametrize(
    ("value", "form", "text"), [("1.125", "money", "1.13"), ("-1.125", "money", "-1.13"), ("0.1225", "percent", "12.3%")]
)
def test_people_read_numbers_rounded_as_formulas_round(value: str, form: str, text: str) -> None:
    assert shown(Decimal(value), {"format": form, "kind": "decimal"}) == text
