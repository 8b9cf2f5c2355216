"""Folders of packs and a tenant's file to a model: order, versions, patches, and what a release stores."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from sample_packs import MANIFEST, MARK, RICH, USER, load_patched, load_text, marked, write_pack

from metamodel.issues import Issue, PackError
from metamodel.load import from_data, load, load_packs, load_tenant
from metamodel.overlay import in_range

ITEM = """\
kind: object
name: item
title: name
fields:
  name: {type: text, required: true}
  amount: {type: money, min: 0}
"""
TENANT = "kind: tenant\nname: acme\npacks: {sample: '*'}\n"


def refused(run: object) -> list[Issue]:
    with pytest.raises(PackError) as caught:
        assert callable(run)
        run()
    return list(caught.value.issues)


def test_the_data_of_a_release_gives_the_same_model_without_files(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, RICH)
    again = from_data(json.loads(json.dumps(loaded.data)))
    assert again == loaded.model and again.typed == loaded.model.typed
    assert list(loaded.data) == [
        "settings",
        "packs",
        "object",
        "value_set",
        "function",
        "process",
        "conversion",
        "duplicate_rule",
        "report",
        "workflow",
        "assignment",
        "role",
        "seed",
        "calendar",
    ]


def test_decimals_survive_json(tmp_path: Path) -> None:
    text = ITEM + "  x: {type: decimal, min: 0.10000000000000000001, max: 123456789012345678901234567890.5}\n"
    loaded = load_text(tmp_path, text)
    field = from_data(json.loads(json.dumps(loaded.data))).objects["item"].fields["x"]
    assert field.min == Decimal("0.10000000000000000001") and field.max == Decimal("123456789012345678901234567890.5")


def test_system_fields_come_first_and_users_may_have_no_owner(tmp_path: Path) -> None:
    objects = load_text(tmp_path, ITEM).model.objects
    names = ["id", "version", "owner", "created_at", "created_by", "modified_at", "modified_by"]
    assert list(objects["item"].fields)[:7] == names and list(objects["item"].fields)[7:] == ["name", "amount"]
    assert all(objects["item"].fields[name].system for name in names)
    assert objects["item"].fields["owner"].required and not objects["user"].fields["owner"].required
    assert objects["item"].fields["owner"].label == {"en": "Owner", "zh-CN": "负责人"}


def test_labels_are_made_from_names_and_plurals_from_labels(tmp_path: Path) -> None:
    text = "kind: object\nname: sales_entry\ntitle: close_date\nfields:\n  close_date: {type: text}\n"
    entry = load_text(tmp_path, text).model.objects["sales_entry"]
    assert entry.label == {"en": "Sales entry"} and entry.plural == {"en": "Sales entries"}
    assert entry.fields["close_date"].label == {"en": "Close date"}


def test_text_lengths_have_defaults(tmp_path: Path) -> None:
    fields = load_text(tmp_path, ITEM + "  story: {type: long_text}\n").model.objects["item"].fields
    assert fields["name"].max_length == 255 and fields["story"].max_length == 65_536


def test_inline_options_make_a_value_set_of_the_field(tmp_path: Path) -> None:
    text = (
        ITEM + "  size: {type: select, options: {s: Small, l: {label: {en: Large}, active: false}, m: {zh-CN: 中}}}\n"
    )
    model = load_text(tmp_path, text).model
    options = model.value_sets["item.size"].options
    assert model.objects["item"].fields["size"].options == "item.size"
    assert [(o.name, o.label, o.active) for o in options.values()] == [
        ("s", {"en": "Small"}, True), ("l", {"en": "Large"}, False), ("m", {"zh-CN": "中"}, True)]  # fmt: skip


def test_moves_with_several_sources_and_stage_numbers(tmp_path: Path) -> None:
    """`from` takes one stage or a list of them."""
    process = load_text(tmp_path, RICH).model.processes["item_life"]
    assert [(m.source, m.target, m.reason, m.within_days) for m in process.moves] == [
        ("new", "dead", True, 90), ("done", "dead", True, 90), ("new", "done", False, None)]  # fmt: skip
    chances = {name: stage.probability for name, stage in process.stages.items()}
    assert chances == {"new": Decimal("0.1"), "done": 1, "dead": 0}
    assert process.stages["new"].limit_days == 14


def test_fields_but_some_are_expanded(tmp_path: Path) -> None:
    """`except` becomes the set of all other fields."""
    role = load_text(tmp_path, RICH).model.roles["clerk"]
    granted = role.objects["item"]["edit"].fields
    assert granted is not None and "amount" not in granted and {"name", "owner"} <= granted
    assert role.objects["item"]["read"].fields is None and role.objects["item"]["create"].fields == frozenset({"name"})


def test_packs_come_after_what_they_depend_on(tmp_path: Path) -> None:
    write_pack(tmp_path / "core", {})
    manifest = MANIFEST.format(name="shop") + "depends: {core: '>=1.0,<2'}\n"
    shop = write_pack(tmp_path / "shop", {"objects/item.yaml": ITEM}, manifest)
    (shop / "user.yaml").unlink()
    assert list(load(shop).model.packs) == ["core", "shop"]


def test_tests_and_demo_folders_and_other_files_are_left_out(tmp_path: Path) -> None:
    files = {"tests/a.yaml": "x", "demo/b.yaml": "[", "readme.md": "[", ".hidden.yaml": "[", "deep/er/c.yml": ITEM}
    assert "item" in load_packs([write_pack(tmp_path / "sample", files)]).model.objects


@pytest.mark.parametrize(
    ("depends", "code", "hint"),
    [
        (f"{{{MARK}cor: '*'}}", "M102", 'did you mean "core"?'),
        (f"{{{MARK}billing: '*'}}", "M102", "search folders"),
        (f"{{core: {MARK}'>=2.0'}}", "M104", "another version"),
    ],
)
def test_what_is_wrong_with_a_dependency(tmp_path: Path, depends: str, code: str, hint: str) -> None:
    write_pack(tmp_path / "core", {})
    manifest = MANIFEST.format(name="shop") + f"depends: {depends}\n"
    shop = write_pack(tmp_path / "shop", {}, manifest.replace(MARK, ""))
    (shop / "user.yaml").unlink()
    found = [issue for issue in refused(lambda: load(shop)) if issue.code == code]
    assert len(found) == 1 and hint in (found[0].hint or "")
    assert found[0].where and (found[0].where.line, found[0].where.column) == marked(manifest)


def test_packs_in_a_circle_are_named_hop_by_hop(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "c"), ("c", "a")):
        write_pack(tmp_path / name, {}, MANIFEST.format(name=name) + f"depends: {{{other}: '*'}}\n")
        (tmp_path / name / "user.yaml").unlink()
    issues = refused(lambda: load_packs([tmp_path / "a"], [tmp_path]))
    assert [i.code for i in issues] == ["M103"] and "a -> b -> c -> a" in issues[0].message


def test_a_name_in_two_packs_tells_both_places(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_pack(tmp_path / name, {})
    issues = refused(lambda: load_packs([tmp_path / "a", tmp_path / "b"]))
    assert [i.code for i in issues] == ["M101"]
    assert (
        issues[0].where and issues[0].where.file.endswith("b/user.yaml") and "a/user.yaml:2:7" in (issues[0].hint or "")
    )


def test_two_packs_of_one_name(tmp_path: Path) -> None:
    write_pack(tmp_path / "a", {})
    write_pack(tmp_path / "b", {}, MANIFEST.format(name="a"))
    assert "M107" in [i.code for i in refused(lambda: load_packs([tmp_path / "a", tmp_path / "b"]))]


def test_a_manifest_may_stand_beside_declarations_but_not_beside_another(tmp_path: Path) -> None:
    manifest = MANIFEST.format(name="sample")
    assert "item" in load_packs([write_pack(tmp_path / "a", {}, manifest + "---\n" + ITEM)]).model.objects
    issues = refused(lambda: load_packs([write_pack(tmp_path / "b", {}, manifest + "---\n" + manifest)]))
    assert [(i.code, i.where.line if i.where else 0) for i in issues] == [("M106", 7)]
    broken = ITEM.replace("min: 0", "mim: 0")
    issues = refused(lambda: load_packs([write_pack(tmp_path / "c", {}, manifest + "---\n" + broken)]))
    assert [(i.code, i.hint) for i in issues] == [("S102", 'did you mean "min"?')]


def test_a_folder_without_a_pack(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "none"):
        issues = refused(lambda folder=folder: load_packs([tmp_path / folder]))
        assert [(i.code, i.hint) for i in issues] == [("M102", "a pack has a pack.yaml")]


def test_a_broken_manifest_is_reported_with_its_pack(tmp_path: Path) -> None:
    write_pack(tmp_path / "sample", {}, "kind: pack\nname: sample\nversion: one\nlanguage: 1\n")
    (tmp_path / "tenant.yaml").write_text(TENANT)
    issues = refused(lambda: load_tenant(tmp_path / "tenant.yaml", [tmp_path]))
    assert [i.code for i in issues] == ["S106"]


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [("1.4.0", ">=1.0,<2", True), ("2.0.0", ">=1.0,<2", False), ("1.0.0", ">1", False), ("1.0.0", "=1.0.0", True),
     ("0.9.9", "*", True), ("1.10.0", ">=1.9", True), ("1.2.3", "<=1.2", False)],
)  # fmt: skip
def test_version_ranges(version: str, wanted: str, fits: bool) -> None:
    assert in_range(version, wanted) is fits


PATCHES = (
    TENANT
    + """\
settings: {time_zone: Europe/Berlin, currency: EUR}
patches:
  object:
    item:
      label: Article
      fields:
        amount: {max: 99.5}
        colour: {type: text}
"""
)


def test_patches_are_merged_by_key_and_settings_taken(tmp_path: Path) -> None:
    loaded = load_patched(tmp_path, ITEM, PATCHES)
    item = loaded.model.objects["item"]
    assert (
        item.label == {"en": "Article"}
        and item.fields["amount"].max == Decimal("99.5")
        and item.fields["amount"].min == 0
    )
    assert list(item.fields)[-2:] == ["amount", "colour"]
    assert loaded.model.settings.currency == "EUR"
    assert loaded.tenant.name == "acme" and loaded.tenant.packs == {"sample": "*"}


BAD_PATCHES = {
    "no such object": (f"  object: {{{MARK}itme: {{label: X}}}}\n", "M105", 'did you mean "item"?'),
    "no such field": (
        f"  object: {{item: {{fields: {{{MARK}amuont: {{max: 3}}}}}}}}\n",
        "M105",
        'did you mean "amount"?',
    ),
    "unknown property": (
        f"  object: {{item: {{fields: {{amount: {{{MARK}maxx: 3}}}}}}}}\n",
        "S102",
        'did you mean "max"?',
    ),
    "wrong type": (f"  object: {{item: {{fields: {{amount: {{max: {MARK}x}}}}}}}}\n", "S104", "greatest"),
    "wrong meaning": (f"  object: {{item: {{title: {MARK}nam}}}}\n", "M203", 'did you mean "name"?'),
    "wrong formula": (f"  object: {{item: {{fields: {{amount: {{default: '{MARK}\"x\"'}}}}}}}}\n", "E203", ""),
    "unknown kind": (f"  {MARK}objects: {{item: {{label: X}}}}\n", "S102", 'did you mean "object"?'),
}


@pytest.mark.parametrize(("patch", "code", "hint"), BAD_PATCHES.values(), ids=BAD_PATCHES)
def test_a_faulty_patch_is_reported_at_the_patch(tmp_path: Path, patch: str, code: str, hint: str) -> None:
    text = TENANT + "patches:\n" + patch
    issues = refused(lambda: load_patched(tmp_path, ITEM, text))
    assert [i.code for i in issues] == [code] and hint in (issues[0].hint or "")
    where = issues[0].where
    assert where and where.file.endswith("tenant.yaml") and (where.line, where.column) == marked(text)


def test_a_time_zone_that_does_not_exist(tmp_path: Path) -> None:
    text = TENANT + f"settings: {{time_zone: {MARK}Europe/Berlinn}}\n"
    issues = refused(lambda: load_patched(tmp_path, ITEM, text))
    assert [i.code for i in issues] == ["M227"] and "Europe/Berlin" in (issues[0].hint or "")


def test_other_kinds_do_not_belong_into_a_tenants_file(tmp_path: Path) -> None:
    assert [i.code for i in refused(lambda: load_patched(tmp_path, ITEM, TENANT + "---\n" + USER))] == ["M106"]
    assert [i.code for i in refused(lambda: load_patched(tmp_path, ITEM, TENANT.replace("acme", "api")))] == ["M201"]


def test_a_text_missing_in_a_declared_locale_is_a_warning(tmp_path: Path) -> None:
    manifest = MANIFEST.format(name="sample") + "locales: [en, zh-CN]\n"
    folder = write_pack(tmp_path / "sample", {"i.yaml": ITEM + "label: Item\n"}, manifest)
    warnings = load_packs([folder]).warnings
    found = {(w.code, w.where.line, w.where.column) for w in warnings if w.where and w.where.file.endswith("i.yaml")}
    assert found == {("M219", 7, 1)}


KIND_PATCHES = {
    "value_set": ("tags: {options: {cold: {active: false}}}", "value_sets.tags.options.cold.active", False),
    "function": ("portion: {label: Share}", "functions.portion.label.en", "Share"),
    "process": ("item_life: {stages: {new: {limit: 3 days}}}", "processes.item_life.stages.new.limit_days", 3),
    "conversion": ("double: {creates: {other: {optional: true}}}", "conversions.double.creates.other.optional", True),
    "duplicate_rule": ("same_item: {severity: warning}", "duplicate_rules.same_item.severity", "warning"),
    "report": ("by_stage: {limit: 7}", "reports.by_stage.limit", 7),
    "workflow": ("follow: {run_as: clerk}", "workflows.follow.run_as", "clerk"),
    "assignment": ("fair: {fallback: {user: owner}}", "assignments.fair.fallback.text", "owner"),
    "role": ("clerk: {capabilities: []}", "roles.clerk.capabilities", frozenset()),
    "seed": ("first: {records: [{name: B}]}", "seeds.first.records", ({"name": "B"},)),
    "calendar": ('office: {week: {sat: ["10:00-12:00"]}}', "calendars.office.week.sat", ("10:00-12:00",)),
}


@pytest.mark.parametrize("kind", KIND_PATCHES)
def test_every_kind_can_be_patched(tmp_path: Path, kind: str) -> None:
    """An assignment, function, process, conversion, report, role, seed, value_set and workflow."""
    patch, address, wanted = KIND_PATCHES[kind]
    found: object = load_patched(tmp_path, RICH, TENANT + f"patches:\n  {kind}: {{{patch}}}\n").model
    for step in address.split("."):
        found = found[step] if isinstance(found, dict) else getattr(found, step)
    assert found == wanted


def test_another_language_is_refused(tmp_path: Path) -> None:
    write_pack(tmp_path / "sample", {}, MANIFEST.format(name="sample").replace("language: 1", "language: 2"))
    assert [(i.code, i.hint) for i in refused(lambda: load_packs([tmp_path / "sample"]))] == [("S105", "allowed: 1")]
