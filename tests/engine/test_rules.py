"""Rules beyond refusal: warnings and infos, whom and when they bind, old records, fields and records that are closed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from engine.base.errors import Refused
from engine.plan.request import RecordWrite
from engine.records.bulk import write_each
from engine.records.write import write
from tests.engine.support import Yard


async def expense(yard: Yard, who: str | None = None, /, *, now: datetime | None = None, **row: Any) -> UUID:
    done = await yard.write("expense", "create", who, rows=({"name": "c", "memo": "lunch", **row},), now=now,
                            unattended=True)  # fmt: skip
    return done.changed[0][0]


async def test_a_warning_refuses_until_it_is_acknowledged(yard: Yard) -> None:
    """`severity: warning`: told by a code of its own; every broken warning is to be acknowledged by its name."""
    row = {"name": "c", "memo": "m", "amount": 1234}
    refused = await yard.refused(yard.create("expense", **row))
    assert (refused.code, refused.kind) == ("record.warning", "conflict")
    assert {(f.code, f.rule, f.severity) for f in refused.faults} == {
        ("record.warning", "usual_amount", "warning"), ("record.warning", "round_amount", "warning"),
    }  # fmt: skip
    some = yard.write("expense", "create", rows=(row,), acknowledged=(frozenset({"usual_amount"}),))
    assert [f.rule for f in (await yard.refused(some)).faults] == ["round_amount"]
    both = frozenset({"usual_amount", "round_amount"})
    made = (await yard.write("expense", "create", rows=(row,), acknowledged=(both,))).changed[0][0]
    assert await yard.codes(yard.update("expense", made, amount=1235)) == {"record.warning"}
    assert (await yard.update("expense", made, acknowledge=both, amount=1235))["amount"] == 1235


async def test_errors_and_warnings_are_told_together(yard: Yard) -> None:
    made = yard.write("expense", "create", rows=({"name": "c", "memo": "m", "amount": 9999, "spent": "2027-01-01"},),
                      acknowledged=(frozenset({"usual_amount", "spent_in_the_past"}),))  # fmt: skip
    refused = await yard.refused(made)
    assert refused.code == "record.invalid"
    assert {(f.rule, f.severity) for f in refused.faults} == {
        ("spent_in_the_past", "error"), ("below_limit", "error"), ("round_amount", "warning"),
    }  # fmt: skip


async def test_each_row_of_a_list_acknowledges_for_itself(yard: Yard) -> None:
    rows = tuple({"name": "c", "memo": "m", "amount": amount} for amount in (2000, 10, 3000))
    said = (frozenset({"usual_amount"}), frozenset[str](), frozenset[str]())
    refused = await yard.refused(yard.write("expense", "create", rows=rows, many=True, acknowledged=said))
    assert [(f.rule, f.row) for f in refused.faults] == [("usual_amount", 2)]
    request = RecordWrite(object="expense", operation="create", rows=rows, acknowledged=said)
    outcomes = await write_each(yard.rt, yard.context(None), yard.release, request)
    assert [isinstance(outcome[0], UUID) for outcome in outcomes] == [True, True, False]
    ids = [outcome[0] for outcome in outcomes[:2]]
    mixed = yard.write("expense", "update", ids=tuple(ids), rows=({"amount": 2500, "memo": "n"}, {"amount": 20}),
                       many=True, acknowledged=(said[0], said[1]))  # fmt: skip
    assert len((await mixed).changed) == 2


async def test_an_info_is_told_and_refuses_nothing(yard: Yard) -> None:
    """`severity: info`: `_notices` of the record, in the language of the caller; in a list by row."""
    done = await yard.write("expense", "create", rows=({"name": "c"},))
    told = {"rule": "has_memo", "field": "memo", "detail": "A memo helps those who check"}
    assert json.loads(done.told or "")["_notices"] == [told]
    assert "_notices" not in await yard.update("expense", done.changed[0][0], memo="m")
    rows = ({"name": "a", "memo": "m"}, {"name": "b"})
    many = json.loads((await yard.write("expense", "create", rows=rows, many=True)).told or "")
    assert [("_notices" in row, row["version"]) for row in many] == [(False, 1), (True, 1)]
    ids = tuple(UUID(row["id"]) for row in many)
    mixed = await yard.write("expense", "update", ids=ids, rows=({"memo": None}, {"amount": 10}), many=True)
    assert [len(row["_notices"]) for row in json.loads(mixed.told or "")] == [1, 1]


async def test_warnings_and_infos_that_count_other_rows(yard: Yard) -> None:
    into = str(await expense(yard, amount=100))
    rows = tuple({"name": n, "amount": 40, "expense": into} for n in "ab")
    assert not (await yard.write("slip", "create", rows=rows, many=True)).notices
    third = {"name": "c", "amount": 40, "expense": into}
    assert await yard.codes(yard.create("slip", **third)) == {"record.warning"}
    done = await yard.write("slip", "create", rows=(third,), acknowledged=(frozenset({"expense_covers"}),))
    assert [n["rule"] for n in json.loads(done.told or "")["_notices"]] == ["few"]
    rows = (third, third)
    said = (frozenset({"expense_covers"}), frozenset[str]())
    refused = await yard.refused(yard.write("slip", "create", rows=rows, many=True, acknowledged=said))
    assert [(f.rule, f.row) for f in refused.faults] == [("expense_covers", 1)]


async def test_nobody_is_asked_where_nobody_attends(yard: Yard) -> None:
    done = await yard.write("expense", "create", rows=({"name": "c", "memo": "m", "amount": 1234},), unattended=True)
    assert [f.rule for f in done.notices[0]] == ["usual_amount", "round_amount"]
    with pytest.raises(Refused):
        await yard.write("expense", "create", rows=({"name": "c", "spent": "2027-01-01"},), unattended=True)


async def test_some_roles_are_exempt(yard: Yard) -> None:
    """`except`: not for those with all rights, whom every rule binds."""
    assert await expense(yard, "boss", amount=6000)
    for who in ("worker", None):
        assert await yard.faults(expense(yard, who, amount=6000)) == {("record.rule", "/amount", "below_limit")}


async def test_a_rule_binds_from_one_day_until_another(yard: Yard) -> None:
    """`from` counts, `until` does not, and the day is that of the tenant."""
    days = {datetime(2026, 3, 31, 12, tzinfo=UTC): False, datetime(2026, 4, 1, 12, tzinfo=UTC): True,
            datetime(2026, 4, 30, 12, tzinfo=UTC): True, datetime(2026, 5, 1, 12, tzinfo=UTC): False}  # fmt: skip
    for now, bound in days.items():
        made = expense(yard, now=now, memo="spring")
        if bound:
            assert await yard.faults(made) == {("record.rule", "", "spring_only")}
        else:
            assert await made


@pytest.mark.parametrize(
    ("zone", "hour", "bound"),
    [("Asia/Shanghai", 15, False), ("Asia/Shanghai", 16, True), ("UTC", 23, False),
     ("America/Los_Angeles", 24 + 6, False), ("America/Los_Angeles", 24 + 7, True)],
)  # fmt: skip
async def test_the_first_day_of_a_rule_begins_where_the_tenant_is(
    yard: Yard, zone: str, hour: int, bound: bool
) -> None:
    """The hours are counted from the beginning of 31 March in UTC."""
    now = datetime(2026, 3, 31, tzinfo=UTC) + timedelta(hours=hour)
    ctx = yard.context(now=now, time_zone=zone)
    row = {"name": "c", "memo": "spring", "amount": 10}
    made = write(yard.rt, ctx, yard.release, RecordWrite(object="expense", operation="create", rows=(row,)))
    if bound:
        assert "spring_only" in {fault.rule for fault in (await yard.refused(made)).faults}
    else:
        await made


async def test_old_records_may_stay_as_they_are_until_they_are_edited(yard: Yard) -> None:
    """`applies_to: new_and_edited`: also where a rule reads a field by a formula field."""
    later = datetime(2026, 3, 11, tzinfo=UTC)
    old = await expense(yard, amount=400, memo="abc")
    refused = yard.write("expense", "create", rows=({"name": "c", "amount": 400, "memo": "abc"},), now=later)
    assert await yard.codes(refused) == {"record.rule"}
    await yard.update("expense", old, now=later, name="other", amount=400)
    assert await yard.faults(yard.update("expense", old, now=later, amount=500)) == {
        ("record.rule", "/memo", "memo_of_large")
    }
    assert await yard.codes(yard.update("expense", old, now=later, memo="abd")) == {"record.rule"}
    await yard.update("expense", old, now=later, memo="a dinner")
    assert await yard.codes(yard.update("expense", old, now=later, memo="abc")) == {"record.rule"}


async def test_a_field_is_closed_by_the_record_as_it_was(yard: Yard) -> None:
    """`read_only_when`: what is given with the value that it has is no change; an error keeps it closed."""
    made = await expense(yard, payee="Ann", amount=10)
    await yard.update("expense", made, payee="Bob", state="approved")
    assert await yard.faults(yard.update("expense", made, payee="Cat")) == {("record.read_only", "/payee", None)}
    assert await yard.faults(yard.update("expense", made, payee=None, state="draft")) == {
        ("record.read_only", "/payee", None)
    }
    await yard.update("expense", made, payee="Bob", memo="n")
    await yard.update("expense", made, state="draft")
    await yard.update("expense", made, payee="Cat")
    await yard.sql("UPDATE {s}.expense SET rate = 0 WHERE id = $1", made)
    assert "record.rule_error" in await yard.codes(yard.update("expense", made, payee="Dan", rate=1))


async def test_a_value_that_is_set_once(yard: Yard) -> None:
    """`set_once`: a blank may be filled later; yes and no are set with the record."""
    made = await expense(yard)
    await yard.update("expense", made, code="A1")
    assert await yard.faults(yard.update("expense", made, code="A2")) == {("record.read_only", "/code", None)}
    assert await yard.faults(yard.update("expense", made, code=None)) == {("record.read_only", "/code", None)}
    assert await yard.faults(yard.update("expense", made, fixed=True)) == {("record.read_only", "/fixed", None)}
    await yard.update("expense", made, code="A1", fixed=False)


async def test_values_of_every_shape_are_set_once(yard: Yard) -> None:
    """Composite values, lists, JSON, times and lookups to several objects; the same value again is no change."""
    first, second = [str(await yard.create("site", name=n)) for n in "ab"]
    values: dict[str, tuple[Any, Any]] = {
        "home": ({"city": "Ulm"}, {"city": "Bonn"}), "marks": (["a", "b"], ["b"]), "facts": ({"a": [1]}, {"a": [2]}),
        "begun": ("08:30:00", "08:31:00"), "took": ("PT90S", "PT91S"),
        "about": ({"object": "site", "id": first}, {"object": "site", "id": second}),
    }  # fmt: skip
    made = await expense(yard)
    await yard.update("expense", made, **{name: value for name, (value, _) in values.items()})
    await yard.update("expense", made, memo="n", **{name: value for name, (value, _) in values.items()})
    for name, (_, other) in values.items():
        assert await yard.faults(yard.update("expense", made, **{name: other})) == {
            ("record.read_only", f"/{name}", None)
        }
        assert await yard.codes(yard.update("expense", made, **{name: None})) == {"record.read_only"}
    assert await yard.codes(yard.update("expense", made, home={"street": "High"})) == {"record.read_only"}
    there = {"latitude": 1, "longitude": 2}
    await yard.update("expense", made, place=there, amount=10)
    await yard.update("expense", made, place=there)
    moved = yard.update("expense", made, place={"latitude": 2})
    assert await yard.faults(moved) == {("record.read_only", "/place", None)}
    await yard.update("expense", made, state="paid", amount=None)
    await yard.update("expense", made, place={"latitude": 2})
    assert await yard.codes(yard.update("expense", made, home={"city": "Ulm"}, begun="09:00:00")) >= {"record.locked"}


async def test_a_locked_record_is_neither_changed_nor_deleted(yard: Yard) -> None:
    """`lock`: `when` is asked of the record as it was; `except` names fields that stay open, `by` roles that it does not
    bind, `message` says why."""
    made = await expense(yard, "worker", amount=10)
    await yard.update("expense", made, "worker", state="paid", amount=20)
    refused = await yard.refused(yard.update("expense", made, "worker", amount=30, memo="n"))
    assert [(f.code, f.detail) for f in refused.faults] == [("record.locked", "It is paid; ask a boss")]
    assert await yard.codes(yard.update("expense", made, state="draft")) == {"record.locked"}
    await yard.update("expense", made, "worker", amount=20, memo="checked")
    for who in ("worker", None):
        assert await yard.codes(yard.delete("expense", made, who)) == {"record.locked"}
    await yard.update("expense", made, "boss", amount=30)
    await yard.delete("expense", made, "boss")
    await yard.restore("expense", made, "boss")


async def test_what_is_locked_keeps_what_it_hangs_on(yard: Yard) -> None:
    made = await expense(yard, amount=100)
    slip = await yard.create("slip", name="r", amount=10, kept=True, expense=str(made))
    refused = await yard.refused(yard.delete("expense", made))
    assert [(f.code, f.detail) for f in refused.faults] == [("record.locked", "the record is locked")]
    assert await yard.get("slip", slip) and await yard.get("expense", made)


async def test_deletion_is_judged_where_a_rule_says_so(yard: Yard) -> None:
    made = await expense(yard, state="approved")
    assert await yard.faults(yard.delete("expense", made)) == {("record.rule", "", "stays_when_approved")}
    await yard.update("expense", made, state="draft")
    await yard.delete("expense", made)


async def test_a_rule_that_is_an_error_tells_its_message_too(yard: Yard) -> None:
    made = expense(yard, rate=0)
    refused = await yard.refused(made)
    assert [(f.code, f.rule, f.detail) for f in refused.faults] == [
        ("record.rule_error", "rate_sane", "The rate is wrong (rate_sane could not be evaluated: division by zero)")
    ]


async def test_messages_in_the_language_of_the_caller(yard: Yard) -> None:
    made = await expense(yard, state="paid", code="A")
    ctx = yard.context(None, locale="zh-CN")

    async def said(**row: Any) -> list[str]:
        request = RecordWrite(object="expense", operation="update", ids=(made,), versions=(None,), rows=(row,))
        with pytest.raises(Refused) as caught:
            await write(yard.rt, ctx, yard.release, request)
        return [fault.detail for fault in caught.value.faults]

    assert await said(code="B") == ["Code已不能再修改", "已支付，请联系主管"]
    assert await said(rate=0) == ["已支付，请联系主管", "汇率有误（无法计算rate_sane：除数为零）"]
