"""A field is renamed: every place that names it changes, nothing else does, and the packs mean the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from metamodel.editing.edits import Edit, apply
from metamodel.editing.rename import CannotRename, Renamed, rename
from metamodel.issues import Place
from metamodel.load import Surveyed, Texts, survey_packs, survey_tenant
from tests.metamodel.sample_packs import USER, write_pack

ROOT = Path(__file__).parents[2]
NEW = "zz_renamed_zz"
FILES = {
    "user.yaml": USER + "  date: {type: date}\n",
    "item.yaml": """\
kind: object
name: item
title: name
fields:
  name: {type: text, required: true}
  "date": {type: date, default: TODAY()}
  digits: {type: integer, min: 0}
  parent: {type: lookup, to: item, reverse: items}
  kind: {type: select, options: {name: Name, date: Date}}
  stage: {type: stage, process: flow}
  note: {type: long_text, required_when: "kind = \\"date\\" && ISBLANK(name)"}
  count_of: {type: rollup, formula: 'COUNT(items[digits > this.digits AND name <> "digits"]) + SUM(items.Digits)'}
  far:
    type: formula
    formula: |
      // digits of the parent's parent
      ROUND(parent.parent.digits, digits: digits)  /* digits */

      + IF((( DIGITS )) > 1, YEAR(date), LEN('digits' & "date"))
  folded:
    type: formula
    formula: >
      digits
      + parent.digits *
      2
rules:
  dated:
    valid_when: date >= old.date OR ISCHANGED(date) OR DATE(2024, 1, digits) < date
    field: date
    message: The date is digits
  owned: {valid_when: '$user.date = owner.date AND TWICE(digits: digits) > 0', message: "no"}
unique: {once: [name, date]}
indexes: {by: [date, "digits"]}
---
kind: process
name: flow
object: item
field: stage
start: [name]
stages:
  name: {category: open, required: [date, digits], exit: {ok: {valid_when: digits > 0 || stage = "date", message: x}}}
  date: {category: won, read_only: [date], entry: {ok: {valid_when: "NOT date = old.date", message: x}}}
moves:
  - {from: name, to: date, when: digits <> 3}
---
kind: report
name: numbers
object: item
where: parent.date > @2024-01-01 // date
group_by: {date: date, kind: {value: kind}}
measures:
  digits: SUM(rows[date > @2024-01-01].digits) / SUM(digits)
  names: COUNTDISTINCT(rows.name)
sort: [date, -digits]
---
kind: role
name: reader
objects:
  item:
    read: {where: digits > 1 AND date = $user.date, fields: {except: [digits]}}
    edit: {fields: [date, name]}
  user: {read: {fields: [name, date]}}
---
kind: workflow
name: follow
object: item
trigger: {on: changed, fields: [date, digits]}
when: digits <> old.digits
actions:
  - set: {digits: digits + 1}
  - create: item
    values: {name: '"digits"', digits: digits, date: date}
  - notify: owner
    message: digits
---
kind: function
name: twice
params: {digits: {type: integer}, region: {type: text, default: '$user.name'}}
formula: IF($user.date > @2024-01-01, digits * 2, LEN(region))
---
kind: seed
name: first
object: user
key: name
records: [{name: date, date: 2024-01-01}]
""",
}
TENANT = """\
kind: tenant
name: acme
packs: {sample: "*"}
patches:
  object:
    item:
      fields:
        digits: {max: 9}
        more: {type: formula, formula: "digits * 2"}
      rules:
        dated: {valid_when: 'date > @2000-01-01', field: digits}
  role: {reader: {objects: {item: {edit: {fields: [digits, date]}}}}}
"""


@pytest.fixture
def look(tmp_path: Path) -> Callable[[Texts], Surveyed]:
    write_pack(tmp_path / "sample", FILES)
    (tmp_path / "tenant.yaml").write_text(TENANT, encoding="utf-8")
    return lambda texts: survey_tenant(tmp_path / "tenant.yaml", [tmp_path], texts)


def same_but_for_the_name(before: Surveyed, after: Surveyed, field: str) -> None:
    """Everything that was loaded is equal once the new name, which stands nowhere else, is the old one again."""
    assert before.model and after.model and after.right
    assert [i.code for i in before.issues] == [i.code for i in after.issues]
    back = {key.replace(NEW, field): repr(tree).replace(NEW, field) for key, tree in after.model.typed.items()}
    assert back == {key: repr(tree) for key, tree in before.model.typed.items()}
    plain = json.dumps(after.data, sort_keys=False).replace(NEW, field)
    assert plain.lower() == json.dumps(before.data, sort_keys=False).lower()


@pytest.mark.parametrize(
    ("obj", "field", "places"),
    [
        ("item", "digits", 30),
        ("item", "date", 23),
        ("item", "name", 8),
        ("item", "parent", 5),
        ("item", "kind", 3),
        ("item", "stage", 3),
        ("item", "note", 1),
        ("item", "folded", 1),
        ("item", "more", 1),
        ("user", "date", 7),
        ("user", "name", 6),
        ("user", "region", 1),
    ],
)
def test_every_place_and_no_other(look: Callable[[Texts], Surveyed], obj: str, field: str, places: int) -> None:
    before = look({})
    made = rename(look, obj, field, NEW)
    same_but_for_the_name(before, look(made.texts), field)
    assert len(made.edits) == places, made.edits
    assert rename(look, obj, NEW, field, made.texts).texts == {
        path: text.replace(" DIGITS ", " digits ").replace(".Digits", ".digits") if field == "digits" else text
        for path, text in _sources(before, made).items()
    }, "there and back again: brackets, comments and spaces are as they were"


def _sources(found: Surveyed, made: Renamed) -> dict[Path, str]:
    return {Path(name).resolve(): text for name, text in found.sources.items() if Path(name).resolve() in made.texts}


@pytest.mark.parametrize(
    ("obj", "field"),
    [("opportunity", "amount"), ("opportunity", "stage"), ("user", "manager"),
     ("opportunity", "account"), ("opportunity_line", "quantity"), ("contact", "role")],
)  # fmt: skip
def test_fields_of_the_sales_pack(obj: str, field: str) -> None:
    packs = ROOT / "tenant_configs"

    def look(texts: Texts) -> Surveyed:
        return survey_tenant(packs / "demo" / "tenant.yaml", [packs], texts)

    before = look({})
    same_but_for_the_name(before, look(rename(look, obj, field, NEW).texts), field)


@pytest.mark.parametrize(
    ("obj", "field", "new", "reason"),
    [
        ("nothing", "digits", "x", 'no object "nothing"'),
        ("item", "digit", "x", 'did you mean "digits"'),
        ("item", "owner", "x", "every object has the field"),
        ("item", "digits", "Digits", "not a name"),
        ("item", "digits", "name", 'field "name" already'),
        ("item", "digits", "items", 'child set "items" already'),
        ("item", "digits", "where", "does not fit"),
        ("item", "digits", "this", "does not fit"),
        ("item", "digits", "id", 'field "id" already'),
    ],
)
def test_refused(look: Callable[[Texts], Surveyed], obj: str, field: str, new: str, reason: str) -> None:
    with pytest.raises(CannotRename, match=reason):
        rename(look, obj, field, new)


def test_an_installed_pack_is_left_alone(
    look: Callable[[Texts], Surveyed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metamodel.editing.rename.INSTALLED", tmp_path.resolve())
    with pytest.raises(CannotRename, match="belongs to an installed package"):
        rename(look, "item", "digits", NEW)


def test_packs_with_errors_and_names_with_escapes_are_refused(tmp_path: Path) -> None:
    def look(texts: Texts) -> Surveyed:
        return survey_packs([tmp_path / "sample"], (), texts)

    write_pack(tmp_path / "sample", {**FILES, "item.yaml": FILES["item.yaml"].replace("digits > 0", "digit > 0")})
    with pytest.raises(CannotRename, match="have errors") as error:
        rename(look, "item", "digits", NEW)
    assert [issue.code for issue in error.value.issues] == ["E301"]
    hidden = FILES["item.yaml"].replace('NOT date = old.date"', 'NOT \\x64ate = old.date"')
    write_pack(tmp_path / "sample", {**FILES, "item.yaml": hidden})
    with pytest.raises(CannotRename, match="written with escapes at"):
        rename(look, "item", "date", NEW)


def test_edits_keep_line_ends_and_the_byte_order_mark() -> None:
    text = "\ufeffa: one\r\nb: one two\rc: one\n"
    edits = [Edit(Place("f", 1, 4, 3), "x"), Edit(Place("f", 2, 8, 3), "three"), Edit(Place("f", 2, 4, 3), "y")]
    assert apply(text, edits) == "\ufeffa: x\r\nb: y three\rc: one\n"
