"""The field types beyond texts, numbers and dates: what they take, how they read, filter, sort and compute."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

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


PEOPLE = [
    ({"family": "张", "given": "三"}, "张三"),
    ({"family": "Zhang", "given": "San"}, "San Zhang"),
    ({"family": "欧阳", "given": "修", "prefix": "博士"}, "欧阳修博士"),
    ({"prefix": "Dr.", "given": "Ada", "middle": "K.", "family": "Byron", "suffix": "Jr."}, "Dr. Ada K. Byron Jr."),
    ({"family": "李", "given": "Lily"}, "Lily 李"),
]


@pytest.mark.parametrize(("given", "text"), PEOPLE, ids=str)
async def test_a_person_name_is_shown_in_the_order_of_its_letters(yard: Yard, given: dict[str, str], text: str) -> None:
    caller = await yard.create("caller", name=given)
    blank = dict.fromkeys(("prefix", "given", "middle", "family", "suffix"))
    assert (await yard.get("caller", caller, None, "name"))["name"] == {**blank, **given, "text": text}
    found = await yard.listed("caller", where=f'name = "{text}"', fields=("id",))
    assert str(caller) in [row["id"] for row in found]


async def test_addresses_are_written_patched_and_read_by_part(yard: Yard) -> None:
    home = {"country": "中国", "province": "浙江省", "city": "杭州市", "street": "文三路1号", "postal_code": "310012"}
    caller = await yard.create("caller", name={"given": "A"}, home=home)
    told = (await yard.get("caller", caller, None, "home"))["home"]
    assert told == {**home, "district": None, "text": "中国浙江省杭州市文三路1号 310012"}
    changed = await yard.update("caller", caller, home={"district": "西湖区", "postal_code": None})
    assert changed["home"]["text"] == "中国浙江省杭州市西湖区文三路1号"
    assert await yard.get("caller", caller, None, "home.city", "town") == {"home.city": "杭州市", "town": "杭州市-"}
    cleared = {"country": "UK", "province": None, "city": "London", "district": None, "street": "1 High St", "postal_code": "N1"}
    assert (await yard.update("caller", caller, home=cleared))["home"]["text"] == "1 High St, London N1, UK"
    entry = (await yard.history("caller", caller))[0]["changes"]
    assert entry["home.city"] == ["杭州市", "London"] and "home" not in entry
    assert ("record.rule", "/home", "not_moved_away") in await yard.faults(yard.update("caller", caller, home=None))


async def test_parts_are_filtered_sorted_and_reached_over_lookups(yard: Yard) -> None:
    one = await yard.create("caller", name={"family": "Part"}, home={"city": "Aachen"})
    two = await yard.create("caller", name={"family": "Part"}, home={"city": "Bonn"}, kin=str(one))
    where = 'name.family = "Part"'

    async def found(**query: Any) -> list[str]:
        return [row["id"] for row in await yard.listed("caller", fields=("id",), **{"where": where, **query})]

    assert await found(order=("-home.city",)) == [str(two), str(one)]
    assert await found(order=("-home.city",), limit=1) == [str(two), str(one)]
    assert await found(equals=(("kin.home.city", "Aachen"),)) == [str(two)]
    assert await found(where=f'{where} AND COUNT(callers[home.city = "Bonn"]) = 1') == [str(one)]
    row = await yard.get("caller", two, None, "kin.home", "kin.home.city", "kin.name", "town")
    assert (row["kin.home.city"], row["kin.home"]["text"], row["kin.name"]["text"], row["town"]) == (
        "Aachen", "Aachen", "Part", "BONNAachen",
    )  # fmt: skip
    for wrong in ("home.cty", "home.city.x", "kin.home.x"):
        assert (await yard.refused(yard.page("caller", fields=(wrong,)))).code == "query.invalid"
        assert (await yard.refused(yard.page("caller", where=f'{wrong} = "x"'))).code == "query.invalid"


async def test_a_place_is_measured_and_keeps_how_it_was_taken(yard: Yard) -> None:
    """type: geo with its parts; DISTANCE takes the whole."""
    seen = {"latitude": Decimal("31.2304"), "longitude": Decimal("121.4737"), "accuracy": 12, "captured_at": "2026-03-01T08:00:00+08:00"}
    caller = await yard.create("caller", name={"given": "G"}, seen=seen)
    row = await yard.get("caller", caller, None, "seen", "away")
    assert row == {"seen": {**seen, "captured_at": "2026-03-01T00:00:00+00:00"}, "away": 0}
    moved = await yard.update("caller", caller, seen={"latitude": Decimal("39.9042"), "longitude": Decimal("116.4074")})
    assert moved["away"] == Decimal("1067.3") and moved["seen"]["accuracy"] == 12
    near = 'DISTANCE(seen, GEOLOCATION(39.9, 116.4), "km") < 5'
    assert [row["id"] for row in await yard.listed("caller", where=near, fields=("id",))] == [str(caller)]
    assert (await yard.refused(yard.page("caller", order=("seen",)))).code == "query.invalid"


WRONG_PARTS = [
    ({"seen": {"latitude": 91, "longitude": 0}}, {("record.out_of_range", "/seen/latitude", None)}),
    ({"seen": {"latitude": 1}}, {("record.required", "/seen/longitude", None)}),
    ({"seen": {"accuracy": 5}}, {("record.required", "/seen/latitude", None), ("record.required", "/seen/longitude", None)}),
    ({"seen": {"latitude": 1, "longitude": 2, "accuracy": -1}}, {("record.out_of_range", "/seen/accuracy", None)}),
    ({"seen": [1, 2]}, {("record.type", "/seen", None)}),
    ({"home": {"cty": "x"}}, {("record.field_unknown", "/home/cty", None)}),
    ({"home": {"text": "x"}}, {("record.field_read_only", "/home/text", None)}),
    ({"home": {"city": 5, "street": "x" * 256}}, {("record.type", "/home/city", None), ("record.too_long", "/home/street", None)}),
    ({"name": {"given": ""}}, {("record.required", "/name", None)}),
    ({"vip": True}, {("record.required", "/home", None)}),
]  # fmt: skip


@pytest.mark.parametrize(("row", "faults"), WRONG_PARTS, ids=lambda value: str(value)[:50] if isinstance(value, dict) else "")
async def test_parts_that_do_not_fit(yard: Yard, row: dict[str, Any], faults: set[Any]) -> None:
    """`required` and `required_when` of a whole ask for any part; a place has a latitude and a longitude or neither."""
    whole = {"name": {"given": "x"}, **row}
    assert await yard.faults(yard.create("caller", **whole)) == faults
    caller = await yard.create("caller", name={"given": "x"})
    assert await yard.faults(yard.update("caller", caller, **row)) == faults


async def test_keys_hold_over_parts_and_batches_may_give_different_ones(yard: Yard) -> None:
    name = {"family": "Key"}
    one, two = await yard.many("caller", [{"name": name, "home": {"street": "a"}}, {"name": name, "home": {"street": "b", "city": "c"}}])
    assert ("record.unique", "/name/family", "one_family_in_a_street") in await yard.faults(yard.create("caller", name=name, home={"street": "a"}))
    rows = ({"home": {"city": "x"}}, {"home": {"district": "y"}, "code": "C-1"})
    await yard.write("caller", "update", rows=rows, ids=(one, two), versions=(None, None), many=True)
    assert (await yard.get("caller", one, None, "home.city", "home.street")) == {"home.city": "x", "home.street": "a"}
    assert (await yard.get("caller", two, None, "home.city", "home.district")) == {"home.city": "c", "home.district": "y"}
    dropped = await yard.create("caller", name=name, home={"street": "c"})
    await yard.delete("caller", dropped)
    await yard.restore("caller", dropped)
    assert (await yard.get("caller", dropped, None, "name"))["name"]["text"] == "Key"


async def test_rights_to_the_whole_are_rights_to_its_parts(yard: Yard) -> None:
    caller = await yard.create("caller", name={"given": "R"}, home={"city": "secret"}, code="R-1")
    seen = await yard.get("caller", caller, "porter")
    assert "seen" in seen and not {"home", "home.city", "name", "town"} & seen.keys()
    for name in ("home", "home.city", "name.given", "kin.home.city"):
        assert (await yard.refused(yard.page("caller", "porter", fields=(name,)))).code == "query.invalid"
        assert (await yard.refused(yard.page("caller", "porter", where=f"NOT ISBLANK({name})"))).code == "query.invalid"
    assert (await yard.update("caller", caller, "porter", seen={"latitude": 1, "longitude": 1}))["seen"]["latitude"] == 1
    assert await yard.faults(yard.update("caller", caller, "porter", home={"city": "x"})) == {
        ("record.field_unknown", "/home/city", None)
    }  # fmt: skip
    last, *_ = await yard.history("caller", caller, "porter")
    assert set(last["changes"]) == {"seen.latitude", "seen.longitude"}
    assert (await yard.refused(yard.get("caller", caller, "greeter"))).code == "record.unknown"
    await yard.update("caller", caller, vip=True)
    assert (await yard.get("caller", caller, "greeter", "name"))["name"]["text"] == "R"
    refused = await yard.refused(yard.update("caller", caller, "porter", seen={"latitude": 2}))
    assert refused.code == "access.denied"


async def test_composites_are_described_with_their_parts(yard: Yard) -> None:
    rights = yard.rt.rights(yard.actor("boss"), yard.release)
    caller = next(obj for obj in describe(rights)["objects"] if obj["name"] == "caller")
    fields = {f["name"]: f for f in caller["fields"]}
    assert [part["name"] for part in fields["seen"]["parts"]] == [
        "seen.latitude", "seen.longitude", "seen.accuracy", "seen.captured_at",
    ]  # fmt: skip
    assert "home.city" not in fields and fields["home"]["computed"] is False and fields["home"]["create"]
    schemas = document(rights, "en", "1")["components"]["schemas"]
    assert schemas["Caller"]["properties"]["name"]["properties"]["text"] == {"type": "string"}
    written = schemas["CallerCreate"]["properties"]["seen"]
    assert written["type"] == ["object", "null"] and written["properties"]["latitude"]["maximum"] == 90
    assert "home.city" not in schemas["CallerCreate"]["properties"]


async def test_a_lookup_to_several_objects_points_to_one_record(yard: Yard) -> None:
    """`to` is a list; the value reads as object, id and title, and formulas reach through each object."""
    site = await yard.create("site", name="several", zone="north")
    caller = await yard.create("caller", name={"family": "Li"}, home={"city": "Wuhan"})
    one = await yard.create("remark", text="several", about={"object": "site", "id": str(site)})
    two = await yard.create("remark", text="several", about={"object": "caller", "id": str(caller)})
    none = await yard.create("remark", text="several")
    told = [await yard.get("remark", r, None, "about", "place", "about.object", "about.site") for r in (one, two, none)]
    assert told == [
        {"about": {"object": "site", "id": str(site), "title": "several"}, "place": "north", "about.object": "site", "about.site": str(site)},
        {"about": {"object": "caller", "id": str(caller), "title": "Li"}, "place": "Wuhan", "about.object": "caller", "about.site": None},
        {"about": None, "place": None, "about.object": None, "about.site": None},
    ]

    async def found(**query: Any) -> set[str]:
        return {row["id"] for row in await yard.listed("remark", fields=("id",), **query)}

    mine = 'text = "several" AND '
    assert await found(where=mine + 'about.object = "caller"') == {str(two)}
    assert await found(where=mine + 'about.site.zone = "north"') == {str(one)}
    assert await found(where=mine + "ISBLANK(about)") == {str(none)}
    assert await found(equals=(("about", str(site)),)) == await found(equals=(("about.site", str(site)),)) == {str(one)}
    for obj, record in (("site", site), ("caller", caller)):
        counted = await yard.listed(obj, where=f'COUNT(remarks[text = "several"]) = 1 AND id = "{record}"', fields=("id",))
        assert len(counted) == 1
    moved = await yard.update("remark", one, about={"object": "caller", "id": str(caller)})
    assert moved["about"]["title"] == "Li"
    change = (await yard.history("remark", one))[0]["changes"]
    assert change == {"about.site": [str(site), None], "about.caller": [None, str(caller)]}
    assert (await yard.update("remark", one, **{"about.site": str(site)}))["about"]["object"] == "site"
    assert (await yard.update("remark", one, about=None))["about"] is None


POINTING = [
    ({"object": "job", "id": "01890000-0000-7000-8000-000000000000"}, ("record.type", "/about", None)),
    ({"id": "01890000-0000-7000-8000-000000000000"}, ("record.type", "/about", None)),
    ("01890000-0000-7000-8000-000000000000", ("record.type", "/about", None)),
    ({"object": "site", "id": "01890000-0000-7000-8000-000000000000"}, ("record.reference", "/about/site", None)),
    ({"object": "site", "id": "x"}, ("record.type", "/about/site", None)),
]


@pytest.mark.parametrize(("value", "fault"), POINTING, ids=str)
async def test_what_a_lookup_to_several_objects_refuses(yard: Yard, value: Any, fault: Any) -> None:
    assert fault in await yard.faults(yard.create("remark", text="x", about=value))
    both = {"about.site": str(uuid4()), "about.caller": str(uuid4())}
    assert ("record.type", "/about", None) in await yard.faults(yard.create("remark", text="x", **both))


async def test_deleting_what_a_lookup_to_several_objects_points_to(yard: Yard) -> None:
    """`on_delete` by object: restrict where nothing is said, cascade and clear where it is."""
    site, caller = await yard.create("site", name="pointed at"), await yard.create("caller", name={"family": "Gone"})
    first = await yard.create("remark", text="first", about={"object": "site", "id": str(site)})
    second = await yard.create("remark", text="second", about={"object": "remark", "id": str(first)})
    third = await yard.create("remark", text="third", about={"object": "caller", "id": str(caller)})
    assert (await yard.refused(yard.delete("site", site))).code == "record.in_use"
    await yard.delete("remark", first)
    assert (await yard.get("remark", second, None, "about"))["about"] is None
    await yard.delete("caller", caller)
    assert (await yard.refused(yard.get("remark", third))).code == "record.unknown"
    await yard.restore("caller", caller)
    assert (await yard.get("remark", third, None, "about"))["about"]["title"] == "Gone"
    closed = await yard.create("site", name="pointed at, closed", open=False)
    refused = await yard.faults(yard.update("remark", third, about={"object": "site", "id": str(closed)}))
    assert refused == {("record.rule", "/about", "open_sites_only")}


async def test_titles_are_told_as_far_as_they_may_be_read(yard: Yard) -> None:
    site = await yard.create("site", name="untold", zone="west")
    remark = await yard.create("remark", text="t", about={"object": "site", "id": str(site)})
    told = await yard.get("remark", remark, "porter", "about", "about.site.zone")
    assert told == {"about": {"object": "site", "id": str(site), "title": None}, "about.site.zone": "west"}
    assert (await yard.refused(yard.page("remark", "porter", fields=("about.site.name",)))).code == "query.invalid"
    hidden = await yard.create("site", name="hidden", open=False)
    unseen = {"object": "site", "id": str(hidden)}
    assert ("record.reference", "/about/site", None) in await yard.faults(yard.create("remark", "porter", text="x", about=unseen))
    rights = yard.rt.rights(yard.actor("boss"), yard.release)
    fields = next(obj for obj in describe(rights)["objects"] if obj["name"] == "remark")["fields"]
    assert next(f for f in fields if f["name"] == "about")["targets"] == ["site", "caller", "remark"]
    written = document(rights, "en", "1")["components"]["schemas"]["RemarkCreate"]["properties"]["about"]
    assert written["properties"]["object"]["enum"] == ["site", "caller", "remark"]
