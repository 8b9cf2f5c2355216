"""The packs that ship load without an issue, and say what their documentation says."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from metamodel.kinds.role import Role
from metamodel.load import Loaded, load_packs, load_tenant

ROOT = Path(__file__).parents[2]
PACKS = ROOT / "tenant_configs"
EXAMPLE = ROOT / "examples" / "hardware_sales"
COSTS = {
    "product": {"cost", "margin"},
    "opportunity": {"line_cost", "margin", "margin_rate"},
    "opportunity_line": {"cost", "margin"},
    "account": {"credit_limit"},
    "pricebook_entry": {"floor_price"},
    "quote": {"cost", "margin", "margin_rate"},
    "quote_line": {"cost", "floor_price", "below_floor"},
    "sales_order": {"cost", "margin"},
    "order_line": {"unit_cost", "cost", "margin"},
}
SHARED = {
    "product", "product_line", "user", "team", "fiscal_period", "pricebook", "pricebook_entry", "competitor", "territory",
    "territory_member", "campaign", "lead_pool", "lead_pool_member", "visit_type", "kb_article", "talk_track",
}  # fmt: skip
"""What everybody in sales may read."""


@pytest.fixture(scope="module")
def demo() -> Loaded:
    return load_tenant(PACKS / "demo" / "tenant.yaml", [PACKS])


@pytest.fixture(scope="module")
def plain() -> Loaded:
    return load_packs([PACKS / "sales"], [PACKS])


@pytest.fixture(scope="module")
def hardware() -> Loaded:
    return load_tenant(EXAMPLE / "tenant.yaml", [PACKS, EXAMPLE / "packs"])


def test_every_pack_loads_without_a_warning(demo: Loaded, plain: Loaded, hardware: Loaded) -> None:
    assert demo.warnings == plain.warnings == hardware.warnings == ()
    assert set(demo.model.packs) == {"core", "sales"} and set(hardware.model.packs) == {"core", "hardware_sales"}
    assert len(plain.model.reports) == len(hardware.model.reports) == 6
    assert demo.model.settings.time_zone == "Asia/Shanghai" and demo.model.settings.currency == "CNY"


def test_patches_change_the_tenant_and_not_the_pack(demo: Loaded, plain: Loaded) -> None:
    changed, base = demo.model, plain.model
    assert "chain_stores" in changed.objects["account"].fields and "chain_stores" not in base.objects["account"].fields
    assert set(changed.value_sets["opportunity_sources"].options) - set(
        base.value_sets["opportunity_sources"].options
    ) == {"livestream"}
    assert changed.value_sets["opportunity_sources"].options["advertising"].label["zh-CN"] == "线上广告"
    limits = [model.processes["opportunity_standard"].stages["proposal"].limit_days for model in (changed, base)]
    assert limits == [10, 14]


def test_notification_has_the_fields_that_workflows_write(plain: Loaded) -> None:
    fields = plain.model.objects["notification"].fields
    assert [name for name, f in fields.items() if not f.system] == [
        "recipient", "message", "about_object", "about_record", "read",
    ]  # fmt: skip
    assert (fields["recipient"].to, fields["read"].type) == ("user", "boolean")


def test_process_skips_and_reopening_are_guarded(plain: Loaded) -> None:
    process = plain.model.processes["opportunity_standard"]
    order = [name for name, stage in process.stages.items() if stage.category == "open"]
    rank = {name: index for index, name in enumerate([*order, "won"])}
    moves = {(move.source, move.target): move for move in process.moves}
    for (source, target), move in moves.items():
        step = rank[target] - rank[source] if source in rank and target in rank else None
        if step == 1 and target != "won":
            assert not move.reason and not move.by
        if step is not None and step != 1:
            assert move.reason
        if step is not None and (step > 2 or (step == 2 and target == "won")):
            assert move.by
    assert all((name, "lost") in moves for name in order) and not any(source == "won" for source, _ in moves)
    reopened = moves["lost", "qualify"]
    assert reopened.reason and "sales_manager" in reopened.by and reopened.within_days == 90
    assert [process.stages[name].probability for name in order] == sorted(process.stages[n].probability for n in order)


def test_stages_require_what_earlier_open_stages_require(plain: Loaded) -> None:
    stages = [
        stage for stage in plain.model.processes["opportunity_standard"].stages.values() if stage.category == "open"
    ]
    for before, after in pairwise(stages):
        assert set(before.required) <= set(after.required)


def test_costs_are_hidden_from_reps_only(plain: Loaded) -> None:
    def readable(role: Role, name: str) -> set[str]:
        fields = role.objects[name]["read"].fields
        return set(plain.model.objects[name].fields) if fields is None else set(fields)

    rep, manager = plain.model.roles["sales_rep"], plain.model.roles["sales_manager"]
    for name, hidden in COSTS.items():
        assert not readable(rep, name) & hidden
        assert hidden <= readable(manager, name)
        for role in ("sdr", "presales"):
            other = plain.model.roles[role]
            assert name not in other.objects or not readable(other, name) & hidden, (role, name)


def test_rows_of_a_rep_and_a_manager_are_limited(plain: Loaded) -> None:
    for role in ("sales_rep", "sales_manager"):
        for name, grants in plain.model.roles[role].objects.items():
            for verb, grant in grants.items():
                assert (grant.where is None) == (name in SHARED and verb == "read"), (role, name, verb)
    assert all("delete" not in grants for grants in plain.model.roles["sales_ops"].objects.values())
    assert set(plain.model.roles["sales_admin"].objects) == set(plain.model.objects)
