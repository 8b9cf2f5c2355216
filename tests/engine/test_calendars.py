"""What a declared calendar changes: formulas that name it, or name none, and what clients are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from engine.base.context import OPERATOR
from engine.http.routes.meta import describe
from engine.lifecycle.apply import apply
from engine.plan.request import RecordQuery
from engine.records.read import read_page
from tests.tenancy import context, create, load_with_settings, opened, write_pack

NINE_TO_SIX = ["09:00-12:00", "13:00-18:00"]
OFFICE = {"kind": "calendar", "name": "office", "week": dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), NINE_TO_SIX)}
ROW = {"name": "a", "begun": "2026-09-30", "ended": "2026-10-10", "seen": "2026-09-30T14:00:00Z"}


def pack(folder: Path, calendars: list[dict[str, Any]], **formulas: str) -> Path:
    plain = {"name": {"type": "text", "required": True}, "begun": {"type": "date"}, "ended": {"type": "date"}, "seen": {"type": "datetime"}}
    fields = {**plain, **{name: {"type": "formula", "formula": text} for name, text in formulas.items()}}
    manifest = {"kind": "pack", "name": "depot", "version": "1.0.0", "language": 1, "depends": {"core": "*"}}
    item = {"kind": "object", "name": "item", "title": "name", "fields": fields}
    return write_pack(folder / "packs" / "depot", [manifest, item, *json.loads(json.dumps(calendars))])


async def values(url: str, folder: Path, tenant: str, **settings: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The one record of the pack and the metadata, with the settings."""
    async with opened(url) as rt:
        loaded = load_with_settings(folder, tenant, {"core": "*", "depot": "*"}, **settings)
        release = (await apply(rt, tenant, loaded)).release
        await create(rt, release, "item", ROW)
        page = await read_page(rt, context(release), release, RecordQuery(object="item"))
        return json.loads(page.items)[0], describe(rt.rights(OPERATOR, release))


async def test_formulas_count_by_a_calendar(database_url: str, tmp_path: Path) -> None:
    """Each property makes a difference: the week, the country and its part, own days, and the zone of the hours."""
    calendars = [
        OFFICE,
        {**OFFICE, "name": "six_days", "week": {**OFFICE["week"], "sat": ["09:00-12:00"]}},  # type: ignore[dict-item]
        {**OFFICE, "name": "china", "country": "CN"},
        {**OFFICE, "name": "german", "country": "DE"},
        {**OFFICE, "name": "saxon", "country": "DE", "subdivision": "SN"},
        {**OFFICE, "name": "own", "holidays": {"2026-10-05": "Stocktaking"}, "workdays": ["2026-10-10"]},
        {**OFFICE, "name": "shanghai", "time_zone": "Asia/Shanghai"},
    ]
    names = [str(calendar["name"]) for calendar in calendars]
    formulas = {f"d_{name}": f'NETWORKDAYS(begun, ended, "{name}")' for name in names}
    formulas |= {f"w_{name}": f'WORKDAY(begun, 2, "{name}")' for name in names}
    formulas |= {f"n_{name}": f'ADDWORKTIME(seen, 4hours, "{name}")' for name in ("office", "shanghai")}
    formulas["saxon_in_november"] = 'NETWORKDAYS(@2026-11-16, @2026-11-20, "saxon")'
    row, _ = await values(database_url, pack(tmp_path, calendars, **formulas), "cal_counting", time_zone="UTC")
    days = {name: row[f"d_{name}"] for name in names}
    assert days == {"office": 8, "six_days": 10, "china": 4, "german": 8, "saxon": 8, "own": 8, "shanghai": 8}
    assert row["saxon_in_november"] == 4
    assert (row["w_office"], row["w_china"], row["w_own"]) == ("2026-10-02", "2026-10-09", "2026-10-02")
    assert (row["n_office"], row["n_shanghai"]) == ("2026-09-30T18:00:00+00:00", "2026-10-01T06:00:00+00:00")


async def test_the_calendar_of_the_settings_counts_where_none_is_named(database_url: str, tmp_path: Path) -> None:
    calendars = [OFFICE, {**OFFICE, "name": "china", "country": "CN", "time_zone": "Asia/Shanghai"}]
    formulas = {"days": "NETWORKDAYS(begun, ended)", "plain": "NETWORKDAYS(begun, ended, [])"}
    without, _ = await values(database_url, pack(tmp_path / "a", calendars, **formulas), "cal_none")
    chosen, told = await values(
        database_url, pack(tmp_path / "b", calendars, **formulas, hours="HOURS(WORKTIME(seen, seen + 24hours))"), "cal_chosen", calendar="china"
    )
    assert (without["days"], without["plain"]) == (8, 8)
    assert (chosen["days"], chosen["plain"], chosen["hours"]) == (4, 8, 0)
    assert told["settings"]["calendar"] == "china"


async def test_the_calendar_may_be_changed_on_live_data(database_url: str, tmp_path: Path) -> None:
    formulas = {"days": "NETWORKDAYS(begun, ended)"}
    first, _ = await values(database_url, pack(tmp_path, [OFFICE], **formulas), "cal_changing", calendar="office")
    changed = {**OFFICE, "holidays": {"2026-10-01": "Free"}}
    again, _ = await values(database_url, pack(tmp_path, [changed, {**OFFICE, "name": "other"}], **formulas), "cal_changing", calendar="office")
    other, _ = await values(database_url, pack(tmp_path, [changed, {**OFFICE, "name": "other"}], **formulas), "cal_changing", calendar="other")
    assert [row["days"] for row in (first, again, other)] == [8, 7, 8]


async def test_calendars_are_told(database_url: str, tmp_path: Path) -> None:
    office = {**OFFICE, "label": {"en": "Office", "zh-CN": "办公室"}, "country": "DE", "holidays": {"2026-10-02": {"en": "Bridge"}}}
    _, told = await values(database_url, pack(tmp_path, [office], d='NETWORKDAYS(begun, ended, "office")'), "cal_telling")
    (found,) = told["calendars"]
    assert yaml.safe_load(json.dumps(found)) == {
        "name": "office", "label": {"en": "Office", "zh-CN": "办公室"}, "time_zone": None, "week": OFFICE["week"], "country": "DE",
        "subdivision": None, "holidays": [{"day": "2026-10-02", "label": {"en": "Bridge"}}], "workdays": [],
    }  # fmt: skip
