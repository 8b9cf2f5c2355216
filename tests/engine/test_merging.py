"""Merging: one record is left with all that refers to any of them, and nothing is lost."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from engine.base.errors import Refused
from engine.records.merging import Choice, Merged, merge, merged_into
from tests.engine.support import Yard


async def merged(yard: Yard, obj: str, master: UUID, *others: UUID, who: str | None = None, **how: Any) -> Merged:
    more = {name: how.pop(name) for name in ("version", "dry") if name in how}
    return await merge(yard.rt, yard.context(who), yard.release, obj, master, others, Choice(**how), **more)


async def test_the_master_takes_what_it_lacks(yard: Yard) -> None:
    """Blank fields are filled from the others in their order; a composite field is one thing; nothing else changes."""
    seen = {"latitude": 31.2304, "longitude": 121.473701}
    master = await yard.create("caller", name={"family": "Lee"}, home={"city": "Oslo"})
    first = await yard.create("caller", name={"family": "Li", "given": "An"}, home={"city": "Rome", "street": "1"})
    second = await yard.create("caller", name={"family": "Li"}, seen=seen, code="merge-1", vip=False)
    done = await merged(yard, "caller", master, first, second)
    row = await yard.get("caller", master, None, "name", "home", "seen", "code", "version")
    assert (row["name"]["text"], row["home"]["text"], row["code"], row["version"]) == ("Lee", "Oslo", "merge-1", 2)
    assert {part: float(row["seen"][part]) for part in seen} == seen and done.version == 2
    for gone in (first, second):
        assert (await yard.refused(yard.get("caller", gone))).code == "record.unknown"
        assert await merged_into(yard.rt, yard.context(), yard.release, "caller", gone) == master
    assert await merged_into(yard.rt, yard.context("stranger"), yard.release, "caller", first) is None
    assert (await yard.history("caller", master))[0]["door"] == "merge"


async def test_values_are_chosen(yard: Yard) -> None:
    """`take` names the record that a field is taken from, blanks too; `values` are given and judged as in any write."""
    master = await yard.create("caller", name={"family": "A"}, home={"city": "Oslo", "street": "Main"}, code="m-1")
    other = await yard.create("caller", name={"family": "B", "given": "C"}, home={"city": "Rome"}, code="m-2")
    refused = await yard.refused(merged(yard, "caller", master, other, take={"nothing": other}))
    assert [(f.code, f.pointer) for f in refused.faults] == [("merge.field", "/take/nothing")]
    assert await yard.codes(merged(yard, "caller", master, other, values={"home": None})) == {"record.rule"}
    assert len(await yard.listed("caller", where='code = "m-1" OR code = "m-2"')) == 2
    await merged(yard, "caller", master, other, take={"name": other, "home": other, "code": other})
    row = await yard.get("caller", master, None, "name", "home", "code")
    assert (row["name"]["text"], row["home"]["street"], row["code"]) == ("C B", None, "m-2")


async def test_what_points_to_the_others_points_to_the_master(yard: Yard) -> None:
    """Lookups of one and of several objects, also such that no one may change any more; own ones do not go round."""
    master = await yard.create("site", name="merge north", zone="north", open=True)
    other = await yard.create("site", name="merge nord", open=True)
    job = await yard.create("job", name="j", code="merge-j", site=str(other))
    expense = await yard.create("expense", name="once", about={"object": "site", "id": str(other)})
    remark = await yard.create("remark", text="t", about={"object": "site", "id": str(other)})
    tried = await merged(yard, "site", master, other, dry=True)
    assert tried.moved["job"] == tried.moved["remark"] == tried.moved["expense"] == 1
    assert (await yard.get("job", job, None, "site"))["site"] == str(other)
    done = await merged(yard, "site", master, other)
    assert done.moved == tried.moved and (await yard.get("job", job, None, "site"))["site"] == str(master)
    for obj, record in (("expense", expense), ("remark", remark)):
        about = (await yard.get(obj, record, None, "about"))["about"]
        assert (about["object"], about["id"]) == ("site", str(master))
    back = await yard.restore("site", other)
    assert back.changed[0][0] == other and (await yard.get("job", job, None, "site"))["site"] == str(master)


async def test_relatives_of_the_same_object(yard: Yard) -> None:
    kin = await yard.create("caller", name={"family": "Kin"})
    master = await yard.create("caller", name={"family": "Ma"}, kin=str(kin))
    child = await yard.create("caller", name={"family": "Ch"}, kin=str(kin))
    other = await yard.create("caller", name={"family": "Ot"}, kin=str(kin))
    await merged(yard, "caller", master, kin, other)
    assert (await yard.get("caller", master, None, "kin"))["kin"] is None
    assert (await yard.get("caller", child, None, "kin"))["kin"] == str(master)


async def test_nothing_comes_to_point_to_itself(yard: Yard) -> None:
    """What the master lacks is not taken from what points to one of the merged ones, but from the next that has it."""
    top = await yard.create("caller", name={"family": "Top"})
    master = await yard.create("caller", name={"family": "Mas"})
    below = await yard.create("caller", name={"family": "Bel"}, kin=str(master))
    lower = await yard.create("caller", name={"family": "Low"}, kin=str(below))
    await merged(yard, "caller", master, below, lower)
    assert (await yard.get("caller", master, None, "kin"))["kin"] is None
    one = await yard.create("caller", name={"family": "One"})
    two = await yard.create("caller", name={"family": "Two"}, kin=str(one))
    three = await yard.create("caller", name={"family": "Thr"}, kin=str(top))
    await merged(yard, "caller", one, two, three)
    assert (await yard.get("caller", one, None, "kin"))["kin"] == str(top)


async def test_who_may_merge(yard: Yard) -> None:
    """It takes the rights to change the one and to delete the others; hidden fields stay as they are."""
    one, two = [await yard.create("job", "worker", name=f"w{n}", code=f"merge-w{n}") for n in range(2)]
    await yard.update("job", two, kind="small", secret=5)
    assert (await yard.refused(merged(yard, "job", one, two, who="looker"))).code == "access.denied"
    assert (await yard.refused(merged(yard, "job", one, two, who="counter"))).code == "access.denied"
    foreign = await yard.create("job", name="w3", code="merge-w3")
    assert (await yard.refused(merged(yard, "job", one, foreign, who="worker"))).code == "record.unknown"
    await merged(yard, "job", one, two, who="worker")
    row = await yard.get("job", one, None, "kind", "secret")
    assert row["secret"] is None
    refused = await yard.refused(merged(yard, "user", yard.users["boss"]["id"], yard.users["worker"]["id"]))
    assert refused.code == "merge.refused"
    assert (await yard.refused(merged(yard, "job", one, one))).code == "merge.refused"
    assert (await yard.refused(merged(yard, "job", one))).code == "merge.refused"


async def test_versions_are_compared(yard: Yard) -> None:
    one, two = [await yard.create("site", name=f"merge v{n}") for n in range(2)]
    await yard.update("site", two, zone="north")
    assert (await yard.refused(merged(yard, "site", one, two, versions={two: 1}))).code == "record.stale"
    assert (await yard.refused(merged(yard, "site", one, two, version=7))).code == "record.stale"
    await merged(yard, "site", one, two, versions={two: 2}, version=1)


async def test_merging_at_the_same_time(yard: Yard) -> None:
    """Of merges across each other one is done, and nothing is left without its master."""
    a, b = [await yard.create("site", name=f"merge race {n}", open=True) for n in range(2)]
    jobs = [await yard.create("job", name=f"r{n}", code=f"merge-r{n}", site=str(s)) for n, s in enumerate((a, b))]

    async def go(one: UUID, two: UUID) -> bool:
        try:
            await merged(yard, "site", one, two)
        except Refused as refused:
            assert refused.code == "record.unknown"
            return False
        return True

    assert sum(await asyncio.gather(go(a, b), go(b, a), go(a, b))) == 1
    (left,) = await yard.listed("site", where='STARTSWITH(name, "merge race")', fields=("id",))
    assert {(await yard.get("job", job, None, "site"))["site"] for job in jobs} == {left["id"]}


async def test_a_chain_of_merges_leads_to_its_end(yard: Yard) -> None:
    a, b, c = [await yard.create("site", name=f"merge chain {n}") for n in range(3)]
    await merged(yard, "site", b, a)
    await merged(yard, "site", c, b)
    assert await merged_into(yard.rt, yard.context(), yard.release, "site", a) == c
