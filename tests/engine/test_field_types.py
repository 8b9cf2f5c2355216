"""The field types beyond texts, numbers and dates: what they take, how they read, filter, sort and compute."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.http.openapi import document
from engine.http.routes.meta import describe
from tests.engine.support import Yard

FITTING = [
    ("starts", "14:30", "14:30:00"),  # time
    ("starts", "23:59:59.5", "23:59:59.5"),
    ("lasts", "PT1H30M", "PT1H30M"),  # duration
    ("lasts", 5400, "PT1H30M"),
    ("lasts", Decimal("90.5"), "PT1M30.5S"),
    ("lasts", "P1D", "PT24H"),
    ("pause", "P2W", "PT336H"),
    ("pause", "-PT0.000001S", "-PT0.000001S"),
    ("pause", 0, "PT0S"),
    ("stars", 5, 5),  # rating
    ("grade", 10, 10),
    ("code", "4006381333931", "4006381333931"),  # barcode
    ("sticker", "ABC-01", "ABC-01"),
    ("words", [" red ", "blue", "red", ""], ["red", "blue"]),  # tags
    ("words", [], None),
    ("facts", {"a": None, "b": [1, {"c": "é"}]}, {"a": None, "b": [1, {"c": "é"}]}),  # json
    ("facts", [1.5, True], [Decimal("1.5"), True]),
    ("facts", False, False),
    ("plan", {"steps": [1, 2]}, {"steps": [1, 2]}),
]


@pytest.mark.parametrize(("field", "given", "kept"), FITTING, ids=str)
async def test_values_that_fit_are_kept(yard: Yard, field: str, given: Any, kept: Any) -> None:
    shift = await yard.create("shift", **{"name": "n", field: given})
    assert (await yard.get("shift", shift, None, field))[field] == kept
    other = await yard.create("shift", name="n")
    if field != "code":
        assert (await yard.update("shift", other, **{field: given}))[field] == kept


UNFIT = [
    ({"starts": "24:30"}, "record.type"),
    ({"starts": "14:30+01:00"}, "record.type"),
    ({"starts": "14"}, "record.type"),
    ({"lasts": "P1M"}, "record.type"),  # a month is of no certain length
    ({"lasts": "PT"}, "record.type"),
    ({"lasts": "1 hour"}, "record.type"),
    ({"lasts": True}, "record.type"),
    ({"lasts": 59}, "record.out_of_range"),
    ({"lasts": "P2D"}, "record.out_of_range"),
    ({"pause": Decimal("0.0000001")}, "record.out_of_range"),
    ({"pause": 10**12}, "record.out_of_range"),
    ({"stars": 6}, "record.out_of_range"),
    ({"stars": 0}, "record.out_of_range"),
    ({"grade": 11}, "record.out_of_range"),
    ({"code": "4006381333932"}, "record.type"),  # symbology ean13: the check digit is wrong
    ({"code": "400638133393"}, "record.type"),
    ({"words": ["a", "b", "c", "d"]}, "record.out_of_range"),
    ({"words": ["x" * 11]}, "record.too_long"),
    ({"words": "red"}, "record.type"),
    ({"words": [1]}, "record.type"),
    ({"facts": "a\x00"}, "record.type"),
    ({"facts": Decimal("1e999")}, "record.out_of_range"),
    ({"facts": "x" * 300_000}, "record.too_long"),
    ({"plan": {"steps": [0]}}, "record.schema"),
    ({"plan": {"steps": [1, 2, 3]}}, "record.schema"),
    ({"plan": []}, "record.schema"),
]


@pytest.mark.parametrize(("row", "code"), UNFIT, ids=lambda value: str(value)[:40])
async def test_values_that_do_not_fit(yard: Yard, row: dict[str, Any], code: str) -> None:
    """max and max_length of tags, the schema of JSON, the symbology of barcodes, and what is no value at all."""
    (field,) = row
    assert (code, f"/{field}", None) in await yard.faults(yard.create("shift", **{"name": "n", **row}))
    shift = await yard.create("shift", name="n")
    assert (code, f"/{field}", None) in await yard.faults(yard.update("shift", shift, **row))


async def test_the_place_in_the_json_is_told(yard: Yard) -> None:
    refused = await yard.refused(yard.create("shift", name="n", plan={"steps": [1, 0]}))
    assert refused.faults[0].detail.startswith("/steps/1: 0 is less than the minimum")


async def test_times_and_durations_compute_filter_and_sort(yard: Yard) -> None:
    late = await yard.create("shift", name="spans", starts="22:00", lasts="PT8H", pause=None)
    early = await yard.create("shift", name="spans", lasts=5400)
    row = await yard.get("shift", early, None, "starts", "pause", "net", "ends")
    assert row == {"starts": "08:00:00", "pause": "PT30M", "net": "PT1H", "ends": Decimal("9.50")}
    assert (await yard.get("shift", late, None, "net"))["net"] is None

    async def found(**query: Any) -> list[str]:
        query["where"] = f'name = "spans" AND {query.get("where", "TRUE")}'
        return [row["id"] for row in await yard.listed("shift", fields=("id",), **query)]

    assert await found(where="lasts > 2hours AND starts >= @22:00") == [str(late)]
    assert await found(order=("starts",)) == await found(order=("lasts",)) == [str(early), str(late)]
    assert await found(order=("-lasts",), limit=1) == [str(late), str(early)]
    assert await found(order=("starts",), limit=1) == [str(early), str(late)]
    for name, text in (("lasts", "PT1H30M"), ("lasts", "5400"), ("starts", "08:00")):
        assert await found(equals=((name, text),)) == [str(early)]
    refused = await yard.refused(yard.page("shift", equals=(("lasts", "P1Y"),)))
    assert refused.code == "query.invalid"


async def test_tags_are_found_and_give_no_order(yard: Yard) -> None:
    one = await yard.create("shift", name="tagged", words=["red", "blue"])
    await yard.create("shift", name="tagged", words=["green"])
    found = await yard.listed("shift", where='name = "tagged" AND "blue" IN words', fields=("id",))
    assert [row["id"] for row in found] == [str(one)]
    for name in ("words", "facts"):
        assert (await yard.refused(yard.page("shift", order=(name,)))).code == "query.invalid"


async def test_of_json_formulas_know_whether_it_is_there_and_the_same(yard: Yard) -> None:
    shift = await yard.create("shift", name="json", facts={"a": 1})
    found = await yard.listed("shift", where='name = "json" AND NOT ISBLANK(facts)', fields=("id",))
    assert [row["id"] for row in found] == [str(shift)]
    await yard.update("shift", shift, facts={"a": 1})
    assert ("record.rule", "/facts", "facts_once") in await yard.faults(yard.update("shift", shift, facts={"a": 2}))
    for where in ('facts & "x" = "y"', "SUM(facts) > 1", "facts > 1", 'TEXT(facts) = "x"', "LEN(facts) > 1"):
        assert (await yard.refused(yard.page("shift", where=where))).code == "query.invalid", where


async def test_history_tells_values_as_records_do(yard: Yard) -> None:
    shift = await yard.create("shift", name="told", lasts=3600, plan={"steps": []}, facts={"a": None})
    await yard.update("shift", shift, lasts="PT2H", starts="09:15", words=["w"], plan=None)
    changed, created = await yard.history("shift", shift)
    assert changed["changes"] == {
        "lasts": ["PT1H", "PT2H"], "starts": ["08:00:00", "09:15:00"], "words": [None, ["w"]],
        "plan": [{"steps": []}, None],
    }  # fmt: skip
    assert created["changes"]["facts"] == [None, {"a": None}] and created["changes"]["lasts"] == [None, "PT1H"]


async def test_types_are_described(yard: Yard) -> None:
    """max, symbology and schema in the metadata and in the OpenAPI document."""
    rights = yard.rt.rights(yard.actor("boss"), yard.release)
    shift = next(obj for obj in describe(rights)["objects"] if obj["name"] == "shift")
    fields = {f["name"]: f for f in shift["fields"]}
    assert fields["code"]["symbology"] == "ean13" and fields["stars"]["max"] == 5
    assert fields["plan"]["schema"]["required"] == ["steps"] and fields["plan"]["kind"] == "json"
    written = document(rights, "en", "1")["components"]["schemas"]["ShiftCreate"]["properties"]
    assert written["lasts"]["type"] == ["string", "number", "null"] and written["words"]["maxItems"] == 3
    assert written["plan"]["required"] == ["steps"] and "type" not in written["facts"]


async def test_the_database_keeps_the_limits_too(yard: Yard) -> None:
    shift = await yard.create("shift", name="limits")
    for broken in ("words = '{a,b,c,d}'", "stars = 6", "lasts = 10"):
        with pytest.raises(Exception, match="violates check constraint"):
            await yard.sql(f"UPDATE {{s}}.shift SET {broken} WHERE id = $1", shift)
