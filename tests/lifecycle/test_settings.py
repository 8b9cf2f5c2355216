"""What a tenant's settings change: its today, the currency that clients show, the language of its labels."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from engine.base.context import OPERATOR
from engine.cli.work import acting
from engine.http.routes.meta import describe
from engine.lifecycle.apply import apply
from engine.plan.request import RecordQuery
from engine.records.read import read_page
from engine.reports.run import run_report
from tests.lifecycle.support import BASE, Documents
from tests.tenancy import context, create, load_with_settings, opened, write_pack

PACKS = {"core": ">=0.1", "depot": ">=0.1"}
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def pack(folder: Path) -> Path:
    documents: Documents = {**BASE, "pack": {**BASE["pack"], "locales": ["en", "zh-CN"]}}
    item = documents["item"]
    documents["item"] = {**item, "fields": {**item["fields"], "day": {"type": "formula", "formula": "TODAY()"}}}
    documents["report"] = {
        **documents["report"],
        "measures": {"items": {"value": "COUNT(rows)", "label": {"en": "Items", "zh-CN": "件数"}}},
    }
    return write_pack(folder / "packs" / "depot", documents.values())


def fiscal_pack(folder: Path) -> Path:
    item = BASE["item"]
    today = 'FISCALYEAR(TODAY()) & "-" & FISCALQUARTER(TODAY()) & "-" & FISCALMONTH(TODAY())'
    documents = {**BASE, "item": {**item, "fields": {**item["fields"], "day": {"type": "formula", "formula": today}}}}
    return write_pack(folder / "packs" / "depot", documents.values())


async def test_time_zone_decides_what_day_it_is(database_url: str, tmp_path: Path) -> None:
    days = {}
    async with opened(database_url) as rt:
        for tenant, zone in (("early", "Pacific/Kiritimati"), ("late", "Pacific/Pago_Pago")):
            loaded = load_with_settings(pack(tmp_path), tenant, PACKS, time_zone=zone)
            release = (await apply(rt, tenant, loaded)).release
            await create(rt, release, "item", {"name": "one"})
            query = RecordQuery(object="item", fields=("day",))
            days[tenant] = (await read_page(rt, context(release, now=NOON), release, query)).items
    assert days == {"early": '[{"day":"2024-01-02"}]', "late": '[{"day":"2024-01-01"}]'}


async def test_the_fiscal_year_begins_with_the_month_of_the_tenant(database_url: str, tmp_path: Path) -> None:
    days = {}
    async with opened(database_url) as rt:
        for tenant, month in (("april", 4), ("october", 10)):
            loaded = load_with_settings(fiscal_pack(tmp_path), tenant, PACKS, fiscal_year_start=month)
            release = (await apply(rt, tenant, loaded)).release
            await create(rt, release, "item", {"name": "one"})
            query = RecordQuery(object="item", fields=("day",))
            days[tenant] = (await read_page(rt, context(release, now=NOON), release, query)).items
    assert days == {"april": '[{"day":"2024-4-10"}]', "october": '[{"day":"2024-2-4"}]'}


async def test_clients_are_told_the_currency_of_all_money(database_url: str, tmp_path: Path) -> None:
    found = {}
    async with opened(database_url) as rt:
        for tenant, currency in (("yen", "JPY"), ("dollar", "USD")):
            loaded = load_with_settings(pack(tmp_path), tenant, PACKS, currency=currency)
            release = (await apply(rt, tenant, loaded)).release
            found[tenant] = describe(rt.rights(OPERATOR, release))["settings"]["currency"]
    assert found == {"yen": "JPY", "dollar": "USD"}


async def test_the_first_of_the_locales_is_the_language_of_labels(database_url: str, tmp_path: Path) -> None:
    labels = {}
    async with opened(database_url) as rt:
        for tenant, locales in (("english", ["en", "zh-CN"]), ("chinese", ["zh-CN", "en"])):
            loaded = load_with_settings(pack(tmp_path), tenant, PACKS, locales=locales)
            release = (await apply(rt, tenant, loaded)).release
            result = await run_report(rt, await acting(rt, release, None), release, "by_shade")
            labels[tenant] = result.columns[1]["label"]
    assert labels == {"english": "Items", "chinese": "件数"}
