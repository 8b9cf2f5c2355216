"""The demonstration story: the same every time, believable, and within what the process of the pack allows."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from engine.plan.values import EMAIL, PHONE, URL
from metamodel.kinds.field_types import FIELD_TYPES
from metamodel.load import load_packs

SALES = Path(__file__).parents[2] / "tenant_configs" / "sales"
TODAY = date(2026, 3, 17)
VALUE_PATTERNS = {"email": EMAIL, "phone": PHONE, "url": URL}


def load_story() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sales_demo_story", SALES / "demo" / "story.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


story = load_story()
PROCESS = yaml.safe_load((SALES / "processes" / "opportunity_standard.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def steps() -> list[Any]:
    return list(story.story(11, TODAY))


def moves() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for move in PROCESS["moves"]:
        for source in [move["from"]] if isinstance(move["from"], str) else move["from"]:
            yield source, move["to"], move


MOVES = {(source, target): move for source, target, move in moves()}


def test_same_seed_same_story() -> None:
    first, second = (list(story.story(3, TODAY, scale=0.05)) for _ in range(2))
    assert first == second
    assert first != list(story.story(4, TODAY, scale=0.05))


def test_scale_and_number_of_steps(steps: list[Any]) -> None:
    rows = Counter[str]()
    for step in steps:
        if step.operation == "create":
            rows[step.object] += len(step.rows)
    assert rows["opportunity"] == 6_000 and rows["account"] == 800 and rows["user"] == 60 and rows["team"] == 12
    assert 1.2 <= rows["contact"] / rows["account"] <= 1.8
    assert 2 <= rows["activity"] / rows["opportunity"] <= 4.5
    assert len(steps) <= 2_500
    small = Counter(
        row["_key"].split(":")[0] for s in story.story(1, TODAY, scale=0.1) if s.operation == "create" for row in s.rows
    )
    assert small["opportunity"] == 600 and small["account"] == 80 and small["user"] == 60


def test_steps_are_in_time_order_and_end_before_today(steps: list[Any]) -> None:
    times = [step.at for step in steps]
    assert times == sorted(times)
    assert steps[-1].at.astimezone(story.ZONE).date() < TODAY
    assert TODAY - timedelta(days=560) < steps[0].at.date() < TODAY - timedelta(days=530)
    assert all(step.at.utcoffset() == timedelta(0) for step in steps)


def test_rows_of_a_step_share_their_fields_and_refer_to_earlier_rows(steps: list[Any]) -> None:
    known: set[str] = set()
    for step in steps:
        assert 0 < len(step.rows) <= 1_000
        assert len({tuple(row) for row in step.rows}) == 1, step.object
        keys = [row["_key"] for row in step.rows]
        assert len(set(keys)) == len(keys)
        for row in step.rows:
            assert (row["_key"] in known) == (step.operation == "update")
            for value in row.values():
                if isinstance(value, story.Ref):
                    assert value.key in known
                else:
                    assert value is None or type(value) in (str, int, float, bool)
        known.update(keys)


def test_win_rate_is_believable(steps: list[Any]) -> None:
    stages = {}
    for step in steps:
        if step.object == "opportunity":
            for row in step.rows:
                stages[row["_key"]] = row.get("stage", "qualify")
    count = Counter(stages.values())
    assert 0.25 <= count["won"] / (count["won"] + count["lost"]) <= 0.45
    still_open = sum(count[stage] for stage in story.STAGES)
    assert 0.05 <= still_open / 6_000 <= 0.30 and all(count[stage] > 20 for stage in story.STAGES)


def test_unusual_moves_occur(steps: list[Any]) -> None:
    seen = Counter(
        step.rows[0]["stage"] for step in steps if step.object == "opportunity" and "_reason" in step.rows[0]
    )
    assert set(seen) == {"solution", "qualify"}
    reopened = [step for step in steps if step.object == "opportunity" and "loss_reason" in step.rows[0]
                and step.rows[0]["stage"] == "qualify"]  # fmt: skip
    assert sum(len(step.rows) for step in reopened) > 10


def test_every_criterion_holds(steps: list[Any]) -> None:
    """Replays the story against the declared moves and required fields, and the criteria in plain Python."""
    records: dict[str, dict[str, Any]] = {}
    entered: dict[str, date] = {}
    lines: dict[str, list[dict[str, Any]]] = defaultdict(list)
    activities: dict[str, list[dict[str, Any]]] = defaultdict(list)
    roles: dict[str, set[str]] = defaultdict(set)
    for step in steps:
        today = step.at.astimezone(story.ZONE).date()
        for row in step.rows:
            old = records.get(row["_key"], {})
            new = old | row
            records[row["_key"]] = new
            if step.object == "opportunity_line":
                lines[row["opportunity"].key].append(row)
            elif step.object == "activity":
                assert datetime.fromisoformat(row["at"]) <= step.at
                assert records[row["opportunity"].key]["account"] == row["account"]
                assert records[row["contact"].key]["account"] == row["account"]
                activities[row["opportunity"].key].append(row)
            elif step.object == "contact":
                roles[row["account"].key].add(row["role"])
            elif step.object == "opportunity":
                new.setdefault("stage", "qualify")
                if "stage" not in row and old:
                    continue
                check_deal(old, new, row, today, entered, lines[row["_key"]], activities[row["_key"]], roles, records)
                entered[row["_key"]] = today


def check_deal(
    old: dict[str, Any],
    new: dict[str, Any],
    row: dict[str, Any],
    today: date,
    entered: dict[str, date],
    lines: list[dict[str, Any]],
    activities: list[dict[str, Any]],
    roles: dict[str, set[str]],
    records: dict[str, dict[str, Any]],
) -> None:
    stage, day = new["stage"], today.isoformat()
    assert all(new.get(name) not in (None, "") for name in PROCESS["stages"][stage].get("required", ()))
    assert records[new["contact"].key]["account"] == new["account"]
    if stage in story.STAGES:
        assert new["planned_close"] >= day or new["planned_close"] == old.get("planned_close")
        assert new.get("actual_close") is None and new.get("loss_reason") is None
    if not old:
        assert stage in PROCESS["start"]
        return
    move = MOVES[old["stage"], stage]
    assert ("_reason" in row) == (move.get("reason") == "required")
    if "within" in move:
        assert (today - entered[row["_key"]]).days <= int(move["within"].split()[0])
    effective = [a for a in activities if a["result"] == "effective"]
    total = sum((story.line_amount(0, line["quantity"], Decimal(str(line["price"])), Decimal(str(line["discount"])))
                 for line in lines), Decimal(0))  # fmt: skip
    if old["stage"] == "qualify" and stage != "lost":
        assert effective and new["budget"] > 0
    if stage in ("solution", "proposal"):
        assert lines and roles[new["account"].key] & {"decision", "influencer"}
    if stage == "proposal":
        assert any(a["type"] == "demo" for a in effective)
    if stage in ("proposal", "negotiation", "won"):
        assert Decimal(str(new["amount"])) == total
        assert len({line["product"] for line in lines}) == len(lines)
    if stage == "negotiation":
        assert new["quote_sent_on"] <= day <= new["quote_valid_until"]
        limit = records[new["account"].key]["credit_limit"]
        assert limit is None or new["amount"] <= limit
    if stage == "won":
        assert new["budget_confirmed"] and new["contract_signed_on"] <= new["actual_close"] <= day
    if stage == "lost":
        assert new["actual_close"] <= day and (new["amount"] < 100_000 or new["loss_note"])


def test_logins_name_a_seller_and_the_sellers_manager(steps: list[Any]) -> None:
    users = {row["_key"]: row for step in steps if step.object == "user" for row in step.rows}
    (_, rep_role, rep), (_, manager_role, manager), (_, ops_role, ops) = story.logins()
    assert [users[key]["email"] for _, _, key in story.logins()] == [login for login, _, _ in story.logins()]
    assert users[rep]["manager"].key == manager and users[rep]["team"] == users[manager]["team"]
    for role in (rep_role, manager_role, ops_role):
        assert (SALES / "roles" / f"{role}.yaml").exists()
    owned = Counter(
        row["owner"].key
        for step in steps
        if step.object == "opportunity" and "owner" in step.rows[0]
        for row in step.rows
    )
    assert owned[rep] > 50 and ops not in owned


def test_rows_fit_the_declared_objects(steps: list[Any]) -> None:
    model = load_packs([SALES], [SALES.parent]).model
    objects = {"line": "product_line"}
    for step in steps:
        declared = model.objects[step.object].fields
        if step.operation == "create":
            missing = {f.name for f in declared.values() if f.required and not f.default and not f.system} - set(
                step.rows[0]
            )
            assert not missing, (step.object, missing)
        for name in set(step.rows[0]) - {"_key", "_reason"}:
            f = declared[name]
            assert FIELD_TYPES[f.type].writable
            values = [row[name] for row in step.rows if row[name] is not None]
            assert not f.required or len(values) == len(step.rows)
            if f.type == "select":
                assert set(values) <= set(model.value_sets[f.options or ""].options)
            elif f.type in ("lookup", "user"):
                prefixes = {value.key.split(":")[0] for value in values}
                assert {objects.get(prefix, prefix) for prefix in prefixes} <= {f.to}
            elif f.type in ("money", "percent", "decimal", "integer"):
                assert all(Decimal(str(value)) == round(Decimal(str(value)), 2) for value in values)
                assert all((f.min is None or value >= f.min) and (f.max is None or value <= f.max) for value in values)
            elif f.type == "date":
                assert all(date.fromisoformat(value) for value in values)
            elif f.type in ("text", "long_text"):
                assert all(0 < len(value) <= (f.max_length or 255) for value in values)
            elif f.type in VALUE_PATTERNS:
                assert all(VALUE_PATTERNS[f.type].fullmatch(value) for value in values)
            if f.unique and step.operation == "create":
                assert len(set(values)) == len(values)
